from __future__ import annotations

import math
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conceptx.induction.branch import _formula, bounded, prove
from conceptx.induction.extents import pack, unpack
from conceptx.induction.formulas import literals, row_of
from conceptx.induction.index import Index, first_level, view
from conceptx.induction.kernels import bounds, lanes
from conceptx.induction.optimal import exhaust
from conceptx.induction.problem import OBJECTIVES, target
from conceptx.induction.search import beam_of
from tests.induction.instances import everything_better, extents_of, held_of, instances

LENGTHS = st.integers(1, 3)
RELAXED = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-300)


@RELAXED
@given(
    instances(9), st.sampled_from(OBJECTIVES), st.integers(1, 3), st.booleans(), st.integers(1, 3), st.integers(1, 9)
)
def test_it_proves_what_plain_enumeration_finds(instance, objective, max_length, negated, support, width):
    extents, values = instance
    goal = target(values, objective, support)
    if goal is None or not len(extents):
        return
    index = Index.of(extents)
    (proof,) = bounded(index, [goal], max_length=max_length, negated=negated, width=width)
    assert proof.certified == (True,) * max_length
    for total, scored in enumerate(everything_better(extents, goal, max_length, negated), start=1):
        best = max((c.score for c in proof.found if c.length <= total), default=0.0)
        assert close(best, max(scored.values(), default=0.0))
    assert close(proof.bound, max([0.0, *(c.score for c in proof.found)]))
    for c in proof.found:
        held = held_of(c, extents)
        assert held.sum() == c.size and goal.q[held].sum() == c.total
        assert negated or all(x.holds for x in literals(c.formula))
        assert c.length == sum(int(extents.lengths[x.atom]) for x in literals(c.formula)) <= max_length


@RELAXED
@given(instances(9), st.sampled_from(OBJECTIVES), st.booleans(), st.integers(1, 4000), st.integers(1, 10_000))
def test_without_a_beam_and_with_few_steps_it_stays_honest(instance, objective, negated, steps, attempt):
    extents, values = instance
    goal = target(values, objective, 1)
    if goal is None or not len(extents):
        return
    index = Index.of(extents)
    seen = view(index, goal, first_level(index, [goal])[0])
    beamed, scored = beam_of(index, seen, 3, negated, 40)
    started = [c for c in beamed if len(literals(c.formula)) == 1]
    expected = everything_better(extents, goal, 3, negated)
    with patch("conceptx.induction.branch._ATTEMPT", attempt):  # brackets are cut in two
        whole = prove(index, seen, started, scored, max_length=3, negated=negated)
    assert whole.certified == (True, True, True)
    assert close(whole.bound, max(expected[-1].values(), default=0.0))
    stopped = prove(index, seen, started, scored, max_length=3, negated=negated, steps=steps)
    assert stopped.bound >= max(expected[-1].values(), default=0.0) * (1 - 1e-12)
    for total, (sure, scored_formulas) in enumerate(zip(stopped.certified, expected, strict=True), start=1):
        best = max((c.score for c in stopped.found if c.length <= total), default=0.0)
        if sure:
            assert close(best, max(scored_formulas.values(), default=0.0))
    for c in stopped.found:
        held = held_of(c, extents)
        assert held.sum() == c.size and goal.q[held].sum() == c.total


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 7), st.integers(0, 10**6))
def test_forms_mean_what_the_lanes_compute(form, signs, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    held = rng.random((3, 40)) < 0.5
    packed, everything = pack(held), pack(np.ones(40, dtype=bool))
    codes = [2 * i + (signs >> i & 1) for i in range(3)]
    slots = np.arange(40)
    laid, filled = np.zeros((3, 32), np.uint16), np.zeros(32, np.uint16)
    lanes.lay_out(packed, slots, laid)
    lanes.lay_out(everything[None], slots, filled[None])
    literal_rows = np.zeros((3, 32), np.uint16)
    for row, code in zip(literal_rows, codes, strict=True):
        lanes.signed(laid, filled, code, row)
    out = np.zeros(32, np.uint16)
    lanes.combined(form, *literal_rows, out)
    found = unpack(out.view(np.uint64), 40)
    assert np.array_equal(found, unpack(row_of(_formula(form, *codes), packed, everything), 40))
    size, total = lanes.count_and_sum(out, np.arange(512.0))
    assert size == found.sum() and total == np.flatnonzero(found).sum()


@pytest.fixture(scope="module")
def middling():
    rng = np.random.Generator(np.random.PCG64(11))
    held = rng.random((60, 400)) < rng.uniform(0.02, 0.5, (60, 1))
    values = rng.standard_normal((9, 400)) + held[:9] * np.linspace(0, 4, 9)[:, None]
    return extents_of(held, [1] * 50 + [2] * 10), values


@pytest.mark.parametrize("objective", ["correlation", "f1", "auroc", "coverage"])
def test_it_agrees_with_complete_enumeration_on_middling_bases(middling, objective):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, objective, 3) for v in values]
    expected = exhaust(index, goals)
    for proof, certified in zip(bounded(index, goals, width=4), expected, strict=True):
        assert proof.certified == (True, True, True)
        for total in (1, 2, 3):
            assert close(*(max(c.score for c in found if c.length <= total) for found in (proof.found, certified)))


def test_results_do_not_depend_on_threads_blocks_or_pauses(middling, monkeypatch):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "correlation", 3) for v in values]
    whole = bounded(index, goals)
    assert whole == bounded(index, goals, workers=2)
    assert whole == [bounded(index, [goal])[0] for goal in goals]
    few = bounded(index, goals, steps=300_000)
    assert few == bounded(index, goals, steps=300_000, workers=2)
    assert not all(all(p.certified) for p in few)
    monkeypatch.setattr("conceptx.induction.branch._CHUNK", 1000)
    for a, b in zip(whole, bounded(index, goals), strict=True):
        assert (a.certified, a.bound, a.found[0]) == (b.certified, b.bound, b.found[0])


def test_time_can_end_a_proof(middling):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "correlation", 3) for v in values[:2]]
    best = [proof.bound for proof in bounded(index, goals)]
    for proof, bound in zip(bounded(index, goals, seconds=1e-9), best, strict=True):
        assert proof.certified == (True, False, False) and proof.bound >= bound
    assert [proof.bound for proof in bounded(index, goals, seconds=60)] == best


def test_lengths_above_three_come_from_the_beam(middling):
    extents, values = middling
    index, goal = Index.of(extents), target(values[5], "correlation", 3)
    (three,), (four,) = bounded(index, [goal]), bounded(index, [goal], max_length=4)
    assert four.certified == (True, True, True) and four.bound == goal.ceiling()
    assert max(c.length for c in four.found) == 4
    assert three.bound == max(c.score for c in four.found if c.length <= 3)


def test_a_threshold_lets_ties_pass_unless_it_is_strict():
    ends = np.array([20.0, 0.0, 30.0, 1.0, 0.0, 16.0, 0.0])
    assert bounds.theta(0.5, ends, False) == 159 and bounds.theta(0.5, ends, True) == 160


def test_a_view_that_is_too_large_leaves_the_beam_the_best_atoms(middling, monkeypatch):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "correlation", 3) for v in values]
    whole = bounded(index, goals)
    monkeypatch.setattr("conceptx.induction.search._VIEW_BYTES", 2 * 26 * 30)
    for goal, proof, known in zip(goals, bounded(index, goals), whole, strict=True):
        assert proof.certified == (True,) and proof.bound == goal.ceiling()
        assert proof.found[0].score <= known.bound
        assert max(c.score for c in proof.found if c.length == 1) == max(c.score for c in known.found if c.length == 1)
        for c in proof.found:
            held = held_of(c, extents)
            assert held.sum() == c.size and goal.q[held].sum() == c.total
