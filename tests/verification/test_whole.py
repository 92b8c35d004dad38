"""The judge of all images: expressions taken apart mean the same, and Whelk agrees with the evaluator or is heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

import conceptx.verification.whole as whole
from conceptx.annotation.scenes import evaluate
from conceptx.errors import JobError
from conceptx.expressions import Or, parse
from conceptx.ontology import whelk
from conceptx.verification.whole import _alternatives, axioms, check_whole, statements
from tests.annotation.strategies import expressions, scenes
from tests.induction.worlds import example

TEXTS = (
    "contains some Leaf_3",
    "contains some Leaf_1 and not (contains some (Leaf_3 or Category_1_0))",
    "contains some (Category_1_0 and hasColor some (Red or Green))",
    "contains min 2 Category_1_0",
)


def test_statements_of_an_expression() -> None:
    taken = {text: statements(parse(text)) for text in TEXTS}
    assert [(len(found), covered) for found, covered in taken.values()] == [(1, True), (3, True), (2, True), (0, False)]
    assert statements(parse("not (contains only Cat)")) == ([], False)
    assert statements(parse("contains some Cat and contains max 1 Dog")) == ([parse("contains some Cat")], False)


@settings(deadline=None)
@given(scenes(), expressions())
def test_alternatives_are_together_what_they_stand_for(world, expression):
    alternatives = _alternatives(expression)
    assume(alternatives)
    assert np.array_equal(evaluate(Or(tuple(alternatives)), world), evaluate(expression, world))


def test_what_is_too_many_alternatives_is_left_alone() -> None:
    many = " and ".join(f"contains some (A{k} or B{k})" for k in range(7))
    found, covered = statements(parse(many))
    assert (len(found), covered) == (14, True)
    assert statements(parse(f"contains some ({many.replace('contains', 'on')})")) == ([], False)


def test_axioms_name_everything_by_number() -> None:
    world, _ = example(1, 12)
    lines = list(axioms(world, {"q0": parse("contains some (Leaf_1 and hasColor some owl:Thing)")}))
    assert all(line.count("(") == line.count(")") for line in lines)
    assert lines[-1].startswith("EquivalentClasses(<http://conceptx.invalid/q0> ObjectSomeValuesFrom(")
    assert "owl:Thing" in lines[-1] and "Leaf" not in "".join(lines)


def test_without_whelk_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = example(1, 12)
    monkeypatch.setattr(whelk, "is_installed", lambda: False)
    assert check_whole(world, [parse(TEXTS[0])]) is None


def test_a_disagreement_and_a_crash_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = example(1, 12)
    monkeypatch.setattr(whelk, "is_installed", lambda: True)
    monkeypatch.setattr(whelk, "members", lambda axioms, queries, seconds: {"q0": frozenset({"i9999", "c3"})})
    with pytest.raises(JobError, match="disagree on contains some Leaf_1: only conceptx has"):
        check_whole(world, [parse("contains some Leaf_1")])
    monkeypatch.undo()
    monkeypatch.setattr(whelk.sys, "executable", "/bin/false")
    with pytest.raises(JobError, match=r"Whelk: failed within 4096 MB \(it crashed\); explain fewer images"):
        whelk.members([], ["q0"])
    monkeypatch.setattr(whelk, "is_installed", lambda: True)
    check = check_whole(world, [parse("contains some Leaf_1")])
    assert check is not None and check.n_statements == 0
    assert check.sentence() == "Whelk checked nothing: it failed within 4096 MB (it crashed)"


def test_whelk_agrees_on_all_images() -> None:
    pytest.importorskip("pywhelk")
    world, _ = example(1, 60)
    check = check_whole(world, [parse(text) for text in TEXTS])
    assert check is not None
    assert (check.n_images, check.n_statements, check.n_expressions, check.n_covered) == (60, 5, 4, 3)
    assert check.sentence() == (
        "Whelk agrees on 5 statements for all 60 images; 3 of 4 expressions consist of such statements"
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(scenes(), expressions())
def test_whelk_agrees_on_any_expression(world, expression):
    pytest.importorskip("pywhelk")
    check_whole(world, [expression])


def test_whelk_notices_a_wrong_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pywhelk")
    world, _ = example(1, 12)
    monkeypatch.setattr(whole, "evaluate", lambda e, scenes: np.ones(scenes.n_images, dtype=bool))
    with pytest.raises(JobError, match="only Whelk has none"):
        check_whole(world, [parse("contains some Leaf_1")])


def test_no_time_and_no_memory_are_said() -> None:
    pytest.importorskip("pywhelk")
    world, _ = example(1, 12)
    check = check_whole(world, [parse("contains some Leaf_1")], seconds=0.01)
    assert check is not None and check.sentence() == "Whelk checked nothing: it did not finish within 0 s"
    with pytest.raises(JobError, match="failed within 1 MB"):
        whelk.members(axioms(world, {"q0": parse("contains some Leaf_1")}), ["q0"], megabytes=1)
