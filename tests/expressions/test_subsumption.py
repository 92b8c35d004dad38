"""Subsumption and the normal form over a hierarchy, against a tiny model checked by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.annotation.scenes import evaluate, holds
from conceptx.expressions import Expression, Subsumption, length, normalise, parse, to_manchester
from conceptx.ontology.hierarchy import Hierarchy
from tests.annotation.strategies import HIERARCHY, scenes
from tests.annotation.strategies import expressions as scene_expressions

BEDROOM = Hierarchy.from_edges([("Bunk", "Bed"), ("Bed", "Furniture"), ("Lamp", "Lights")])


@settings(max_examples=150, deadline=None)
@given(scene_expressions(), scenes())
def test_the_normal_form_over_a_hierarchy_means_the_same(expression, world):
    normal = normalise(expression, HIERARCHY)
    np.testing.assert_array_equal(holds(normal, world), holds(expression, world))
    assert normalise(normal, HIERARCHY) == normal
    assert length(normal) <= length(expression)


@settings(max_examples=150, deadline=None)
@given(scene_expressions(4), scene_expressions(4), scenes(), st.booleans())
def test_what_subsumption_says_is_true_in_every_world(a, b, world, taxonomy):
    if Subsumption(HIERARCHY if taxonomy else None).holds(a, b):
        assert not (holds(a, world) & ~holds(b, world)).any()


@pytest.mark.parametrize(
    ("narrower", "wider"),
    [
        ("contains some Bunk", "contains some Furniture"),
        ("contains some (Bed and on some Lamp)", "contains some Furniture"),
        ("contains min 3 Bunk", "contains min 2 Bed"),
        ("contains min 2 Bunk", "contains some Bed"),
        ("contains exactly 2 Bed", "contains max 3 Bunk"),
        ("contains exactly 2 Bed", "contains min 1 Furniture"),
        ("contains only Bunk", "contains only (Bed or Lamp)"),
        ("not (contains some Furniture)", "not (contains some Bunk)"),
        ("not (contains some Furniture)", "contains max 0 Bed"),
        ("not (contains some owl:Thing)", "contains only Bed"),
        ("hasArea some xsd:double[> 0.5]", "hasArea some xsd:double[>= 0.5]"),
        ("hasArea some xsd:double[= 0.5]", "hasArea some xsd:double[< 0.6]"),
        ("Bed and Lamp", "Furniture or Lights"),
        ("owl:Nothing", "Bed"),
    ],
)
def test_the_narrower_implies_the_wider_and_not_the_other_way_round(narrower, wider):
    judge = Subsumption(BEDROOM)
    assert judge.holds(parse(narrower), parse(wider))
    assert not judge.holds(parse(wider), parse(narrower))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contains some Bed and contains some Furniture", "contains some Bed"),
        ("contains some Bed or contains some Furniture", "contains some Furniture"),
        ("contains some (Bed and Furniture)", "contains some Bed"),
        ("contains some Bed and not (contains some Furniture)", "owl:Nothing"),
        ("contains some Furniture or not (contains some Bunk)", "owl:Thing"),
        ("contains min 2 Bunk and contains some Furniture", "contains min 2 Bunk"),
        ("contains some Lamp and contains some Furniture", "contains some Furniture and contains some Lamp"),
    ],
)
def test_what_says_nothing_new_is_left_out(text: str, expected: str):
    assert to_manchester(normalise(parse(text), BEDROOM)) == expected
    assert to_manchester(normalise(parse(text))) == to_manchester(normalise(normalise(parse(text))))


def test_without_a_hierarchy_classes_are_not_compared():
    text = "contains some Bed and contains some Furniture"
    assert to_manchester(normalise(parse(text))) == text
    assert to_manchester(normalise(parse("contains min 2 Bed and contains some Bed"))) == "contains min 2 Bed"


def test_a_class_that_the_hierarchy_does_not_have_is_left_alone():
    expression: Expression = parse("contains some Bed and contains some Unknown")
    assert normalise(expression, BEDROOM) == expression


@given(scenes())
def test_an_impossible_conjunction_holds_nowhere(world):
    expression = normalise(parse("contains some Daybed and not (contains some Bed)"), HIERARCHY)
    assert to_manchester(expression) == "owl:Nothing" and not evaluate(expression, world).any()
