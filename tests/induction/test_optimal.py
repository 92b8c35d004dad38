from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conceptx.induction.index import Index
from conceptx.induction.optimal import exhaust, in_threads
from conceptx.induction.problem import OBJECTIVES, target
from conceptx.induction.search import beam
from tests.induction.instances import everything_better, extents_of, held_of, instances


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(instances(), st.sampled_from(OBJECTIVES), st.integers(1, 3), st.booleans(), st.integers(1, 3))
def test_it_finds_what_plain_enumeration_finds(instance, objective, max_length, negated, support):
    extents, values = instance
    goal = target(values, objective, support)
    if goal is None or not len(extents):
        return
    (found,) = exhaust(Index.of(extents), [goal], max_length=max_length, negated=negated, width=4000)
    expected = everything_better(extents, goal, max_length, negated)
    for total, scored in enumerate(expected, start=1):
        reached = {held_of(c, extents).tobytes(): c.score for c in found if c.length <= total}
        assert reached == scored
    for c in found:
        held = held_of(c, extents)
        assert held.sum() == c.size and goal.q[held].sum() == c.total


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(instances(), st.sampled_from(OBJECTIVES), st.integers(1, 3), st.integers(1, 6))
def test_a_narrow_list_holds_the_best(instance, objective, max_length, width):
    extents, values = instance
    goal = target(values, objective, 1)
    if goal is None or not len(extents):
        return
    (found,) = exhaust(Index.of(extents), [goal], max_length=max_length, width=width)
    best = 0.0
    for total, scored in enumerate(everything_better(extents, goal, max_length, True), start=1):
        best = max([best, *scored.values()])
        assert max([0.0, *(c.score for c in found if c.length <= total)]) == best
    expected = sorted(scored.values(), reverse=True)[:width]
    assert [c.score for c in found][: len(expected)] == expected


@pytest.fixture(scope="module")
def middling():
    rng = np.random.Generator(np.random.PCG64(11))
    held = rng.random((30, 150)) < rng.uniform(0.05, 0.6, (30, 1))
    values = rng.standard_normal((9, 150)) + held[:9] * np.linspace(0, 2, 9)[:, None]
    return extents_of(held, [1] * 24 + [2] * 6), values


def test_results_do_not_depend_on_blocks_or_threads(middling, monkeypatch):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "correlation", 3) for v in values]
    whole = exhaust(index, goals)
    assert whole == exhaust(index, goals, workers=2)
    assert whole == [exhaust(index, [goal])[0] for goal in goals]
    monkeypatch.setattr("conceptx.induction.optimal._BLOCK", 2)
    assert whole == exhaust(index, goals)


def test_units_of_different_factors_can_share_a_search(middling):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "f1", 3) for v in values]
    assert len({id(g.factor) for g in goals}) > 1
    assert exhaust(index, goals) == [exhaust(index, [goal])[0] for goal in goals]


def test_the_beam_never_beats_it_and_a_wide_beam_reaches_it(middling):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "correlation", 3) for v in values]
    certified = exhaust(index, goals)
    for width in (1, 16):
        beamed, scored = beam(index, goals, width=width)
        assert all(b[0].score <= c[0].score for b, c in zip(beamed, certified, strict=True))
        assert all(s > 60 for s in scored)
    pairs = exhaust(index, goals, max_length=2, width=2000)
    wide, _ = beam(index, goals, max_length=2, width=2000)
    for a, b in zip(pairs, wide, strict=True):
        assert {(c.mark, c.size): c.score for c in a} == {(c.mark, c.size): c.score for c in b}


def test_the_beam_is_the_same_for_any_number_of_threads_and_says_what_it_means(middling):
    extents, values = middling
    index, goals = Index.of(extents), [target(v, "f1", 3) for v in values]
    found, scored = beam(index, goals, max_length=5, width=8)
    assert (found, scored) == beam(index, goals, max_length=5, width=8, workers=2)
    for goal, candidates in zip(goals, found, strict=True):
        for c in candidates:
            held = held_of(c, extents)
            assert held.sum() == c.size and goal.q[held].sum() == c.total
            assert c.score == (goal.offset + c.total) * goal.factor[c.size]


def test_of_formulas_with_the_same_images_the_one_with_fewer_negations_stays():
    a = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    b = np.array([0, 0, 1, 1, 1, 0, 0, 0], dtype=bool)
    extents = extents_of(np.stack([~b, a, a & b, a | b]))
    (found,) = exhaust(Index.of(extents), [target((a & ~b).astype(float), "f1", 1)], max_length=2)
    assert found[0].score == 1.0
    assert [x.holds for x in found[0].formula.parts] == [True, True]


def test_all_pairs_of_atoms_appear_once():
    from conceptx.induction.optimal import work

    assert work(np.array([1] * 10), 3) == 10 + 45 + 120
    assert work(np.array([1, 1, 1, 2, 3]), 3) == 5 + len(list(itertools.combinations(range(4), 2))) + 1


def test_searches_side_by_side_leave_the_switch_interval_as_it_was():
    before = sys.getswitchinterval()
    one, other = in_threads(abs, [1, -2], 2), in_threads(abs, [3, -4], 2)
    assert next(one) == 1 and next(other) == 3
    assert sys.getswitchinterval() < before
    assert list(one) == [2] and sys.getswitchinterval() < before
    assert list(other) == [4] and sys.getswitchinterval() == before
