from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conceptx.induction import scores

TIED = st.integers(2, 30).flatmap(
    lambda n: st.tuples(arrays(np.float64, n, elements=st.integers(-3, 3).map(float)), arrays(np.bool_, n))
)


def both_kinds(values: np.ndarray, extent: np.ndarray) -> bool:
    return bool(extent.any() and not extent.all() and values.min() < values.max())


@given(TIED)
def test_auroc_is_the_share_of_ordered_pairs(case):
    values, extent = case
    assume(both_kinds(values, extent))
    pairs = [(a > b) + (a == b) / 2 for a in values[extent] for b in values[~extent]]
    assert scores.auroc(values, extent) == pytest.approx(np.mean(pairs))


@given(TIED)
def test_auprc_averages_precision_over_distinct_thresholds(case):
    values, extent = case
    assume(both_kinds(values, extent))
    expected = before = 0.0
    for threshold in sorted(set(values), reverse=True):
        found = values >= threshold
        recall = np.count_nonzero(found & extent) / np.count_nonzero(extent)
        expected += (recall - before) * np.count_nonzero(found & extent) / np.count_nonzero(found)
        before = recall
    assert scores.auprc(values, extent) == pytest.approx(expected)


@given(TIED)
def test_correlations_agree_with_numpy(case):
    values, extent = case
    assume(both_kinds(values, extent))
    assert scores.correlation(values, extent) == pytest.approx(np.corrcoef(values, extent)[0, 1])
    ranks = [np.mean([np.sum(values < v) + 1, np.sum(values <= v)]) for v in values]
    known = scores.order(values)
    assert scores.mid_ranks(values).tolist() == known.ranks.tolist() == ranks
    assert scores.score_all(values, extent, known=known) == scores.score_all(values, extent)
    assert scores.spearman(values, extent) == pytest.approx(np.corrcoef(ranks, extent)[0, 1])


@given(TIED)
def test_cosine_is_the_angle(case):
    values, extent = case
    assume(values.any() and extent.any())
    expected = np.dot(values, extent) / np.linalg.norm(values) / np.linalg.norm(extent.astype(float))
    assert scores.cosine(values, extent) == pytest.approx(expected)


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(arrays(np.bool_, n), arrays(np.bool_, n))))
def test_counts_agree_with_sets(case):
    extent, positive = case
    c = scores.count(extent, positive)
    inside, wanted = set(np.flatnonzero(extent)), set(np.flatnonzero(positive))
    assert c == (len(inside & wanted), len(inside - wanted), len(wanted - inside), extent.size - len(inside | wanted))
    assert scores.iou(c) == (len(inside & wanted) / len(inside | wanted) if inside | wanted else 0)
    assert scores.f1(c) == pytest.approx(2 * scores.iou(c) / (1 + scores.iou(c)))
    assert scores.coverage(c) == pytest.approx(np.mean(extent == positive))
    if both_kinds(positive.astype(float), extent):
        assert scores.mcc(c) == pytest.approx(np.corrcoef(extent, positive)[0, 1])
        assert scores.mcc(c) == pytest.approx(scores.correlation(positive, extent))
        assert scores.balanced_accuracy(c) == pytest.approx(scores.auroc(extent, positive))
        assert scores.precision(c) == len(inside & wanted) / len(inside)
        assert scores.recall(c) == len(inside & wanted) / len(wanted)


def test_undefined_scores_are_nan_or_zero():
    extent = np.array([True, False, False])
    nothing = np.zeros(3, dtype=bool)
    assert math.isnan(scores.correlation([1, 1, 1], extent)) and math.isnan(scores.correlation([1, 2, 3], nothing))
    assert math.isnan(scores.auroc([1, 2, 3], nothing)) and math.isnan(scores.auprc([1, 2, 3], ~nothing))
    assert math.isnan(scores.cosine([0, 0, 0], extent))
    empty = scores.count(nothing, nothing)
    assert [f(empty) for f in (scores.f1, scores.iou, scores.mcc, scores.precision, scores.recall)] == [0] * 5


@given(TIED)
def test_firing_is_the_threshold_of_highest_correlation(case):
    values, _ = case
    fires = scores.firing(values)
    if values.min() == values.max():
        assert not fires.any()
        return
    assert values[fires].min() > values[~fires].max()
    best = max(scores.correlation(values, values >= t) for t in set(values) if t > values.min())
    assert scores.correlation(values, fires) == pytest.approx(best)
    assert np.array_equal(fires, scores.firing(values * 4 + 8))


def test_influence_gives_the_standard_error_of_a_correlation():
    rng = np.random.Generator(np.random.PCG64(3))
    extent = np.arange(400) < 120
    measured, errors = [], []
    for _ in range(300):
        values = extent + rng.standard_normal(400)
        measured.append(scores.correlation(values, extent))
        errors.append(np.std(scores.influence(values, extent)) / 20)
    assert np.mean(errors) == pytest.approx(np.std(measured), rel=0.15)


def test_score_all_lists_every_score_of_the_tables():
    from conceptx.tables.artefacts import SCORES

    found = scores.score_all([3.0, 2.0, 0.0, 0.0], np.array([True, False, False, True]))
    assert set(SCORES) <= set(found)
    assert found["f1"] == 0.5 and found["coverage"] == 0.5 and found["auroc"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_scores_fall_with_worse_labels_as_published():
    """The missing and the extra labels test of arXiv 2506.05774 on a rare concept that a unit knows perfectly.

    Labels are the extent. Half of them are removed; or as many false ones are added. A score passes if it falls by at
    least a tenth both times.
    """
    rng = np.random.Generator(np.random.PCG64(7))
    n, k = 20_000, 200
    concept = np.zeros(n, dtype=bool)
    concept[rng.choice(n, k, replace=False)] = True
    values = concept + 0.01 * rng.random(n)
    missing, extra = concept.copy(), concept.copy()
    missing[rng.choice(np.flatnonzero(concept), k // 2, replace=False)] = False
    extra[rng.choice(np.flatnonzero(~concept), k, replace=False)] = True

    def everything(labels: np.ndarray) -> dict[str, float]:
        c = scores.count(labels, scores.firing(values))
        found = scores.score_all(values, labels)
        return {**found, "recall": scores.recall(c), "precision": scores.precision(c),
                "spearman": scores.spearman(values, labels)}  # fmt: skip

    true, fewer, more = everything(concept), everything(missing), everything(extra)
    passed = {name for name in true if true[name] - max(fewer[name], more[name]) > 0.1}
    failed = set(true) - passed
    assert passed == {"correlation", "cosine", "auprc", "f1", "iou", "mcc"}
    assert failed == {"recall", "precision", "coverage", "balanced_accuracy", "auroc", "spearman"}


def test_formulas_have_their_closed_forms():
    c = scores.Counts(tp=6, fp=2, fn=4, tn=8)
    assert (scores.precision(c), scores.recall(c), scores.coverage(c)) == (0.75, 0.6, 0.7)
    assert scores.f1(c) == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    assert scores.balanced_accuracy(c) == pytest.approx((0.6 + 0.8) / 2)
    assert scores.mcc(c) == pytest.approx((48 - 8) / math.sqrt(8 * 10 * 10 * 12))
    for tp, fp, fn, tn in itertools.product(range(3), repeat=4):
        assert -1 <= scores.mcc(scores.Counts(tp, fp, fn, tn)) <= 1
