from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptx.induction.problem import OBJECTIVES, target
from conceptx.induction.relaxation import LANE, arrange, brackets, highest, middling, threshold, weigh

VALUES = st.integers(2, 200).flatmap(
    lambda n: st.sampled_from(
        [
            np.random.Generator(np.random.PCG64(n)).standard_normal(n),
            np.maximum(np.random.Generator(np.random.PCG64(n)).standard_normal(n), 0),
            np.arange(n) % 3 == 0,
            np.exp(3 * np.random.Generator(np.random.PCG64(n)).standard_normal(n)),
        ]
    )
)


@given(VALUES)
def test_lanes_hold_every_image_once_among_its_equals(values):
    q = np.asarray(values, dtype=np.float64)
    layout = arrange(q)
    assert len(set(layout.slot.tolist())) == len(q) and np.array_equal(layout.q[layout.slot], q)
    lane = layout.slot // LANE
    assert len(layout.high) % 32 == 0
    assert np.all(layout.low[lane] <= q) and np.all(q <= layout.high[lane])
    assert np.array_equal(np.bincount(lane, minlength=len(layout.high)), np.bitwise_count(layout.filled))
    used = layout.filled > 0
    assert np.all(np.diff(layout.high[used]) < 0) or len(set(q)) < len(q)
    if len(set(q)) == 2:
        assert np.array_equal(layout.high, layout.low)


@given(VALUES, st.sampled_from(OBJECTIVES), st.floats(0.01, 1), st.data())
def test_an_extent_that_beats_a_score_passes_its_threshold(values, objective, share, data):
    goal = target(values, objective, 1)
    if goal is None:
        return
    n = len(goal.q)
    held = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    k = int(held.sum())
    if not goal.factor[k]:
        return
    score = (goal.offset + goal.q[held].sum()) * goal.factor[k]
    if score <= 0:
        return
    (bracket,) = [b for b in brackets(goal) if b.least <= k <= b.most][:1]
    weights = weigh(arrange(goal.q), share * score * bracket.slope)
    layout = arrange(goal.q)
    total = goal.q[held].sum() - weights.slope * k
    below = threshold(goal, bracket, weights.slope, share * score)
    assert total >= below - 1e-9 * (abs(total) + abs(below) + goal.q.max() * n)
    lane = layout.slot[held] // LANE
    assert weights.high[lane].sum() >= weights.scale * total - 1e-6 * abs(total)
    assert weights.low[lane].sum() <= weights.scale * total + 1e-6 * abs(total)
    limit = highest(goal, weights.slope, score)
    assert total <= limit + 1e-9 * (abs(total) + abs(limit))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_brackets_cover_the_supported_sizes(objective):
    goal = target(np.random.Generator(np.random.PCG64(0)).standard_normal(500), objective, 7)
    found = brackets(goal)
    assert found[0].least == 7 and found[-1].most == 493
    assert all(a.most == b.least for a, b in pairwise(found))
    assert len(found) == (1 if objective in ("f1", "iou", "coverage", "balanced_accuracy") else len(found))
    for b in found:
        sizes = np.arange(b.least, b.most + 1)
        s = 1 / goal.factor[sizes]
        chord = s[0] + b.slope * (sizes - b.least)
        assert np.all(s >= chord * (1 - 1e-9)) and np.all(chord >= 0.95 * s)


def test_weights_of_two_values_are_exact():
    q = (np.arange(90) % 4 == 0).astype(float)
    layout, weights = arrange(q), weigh(arrange(q), 0.3)
    assert np.array_equal(weights.high, weights.low)
    lane = layout.slot // LANE
    assert np.allclose(weights.high[lane] / weights.scale, q - weights.slope, rtol=0, atol=0)


def test_middling_weights_are_near_the_values():
    q = np.random.Generator(np.random.PCG64(1)).standard_normal(5000)
    layout = arrange(q)
    weights, worth = middling(layout)
    assert np.abs(weights[layout.slot // LANE] * worth - q).max() < 0.05
