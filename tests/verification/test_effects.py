from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conceptx.verification import effects as e

sets = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*(st.lists(st.booleans(), min_size=n, max_size=n).map(np.array) for _ in range(2)))
)


@given(sets)
def test_overlap_is_jaccard_and_f1_with_wilsons_interval(pair: tuple[np.ndarray, np.ndarray]) -> None:
    fires, extent = pair
    found = e.overlap(fires, extent)
    both, either = len(set(np.flatnonzero(fires)) & set(np.flatnonzero(extent))), int((fires | extent).sum())
    assert found.n_either == either
    if not either:
        assert math.isnan(found.iou.value) and math.isnan(found.f1.value)
        return
    interval = stats.binomtest(both, either).proportion_ci(method="wilson")
    assert found.iou == pytest.approx((both / either, interval.low, interval.high), abs=1e-12)
    tp, fp, fn = both, int((fires & ~extent).sum()), int((~fires & extent).sum())
    assert found.f1.value == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert found.f1.low <= found.f1.value <= found.f1.high


@pytest.mark.slow
def test_the_intervals_of_iou_and_f1_cover() -> None:
    rng = np.random.default_rng(0)
    iou = (0.2 * 0.7) / (0.2 + 0.8 * 0.1)
    covered = 0
    for _ in range(2000):
        extent = rng.random(200) < 0.2
        fires = rng.random(200) < np.where(extent, 0.7, 0.1)
        found = e.overlap(fires, extent)
        covered += found.f1.low <= 2 * iou / (1 + iou) <= found.f1.high
    assert 0.935 <= covered / 2000 <= 0.97


@given(st.integers(0, 50), st.integers(1, 50), st.sampled_from([0.9, 0.95, 0.9999]))
def test_clopper_pearson_is_scipys(hits: int, n: int, level: float) -> None:
    hits = min(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(confidence_level=level, method="exact")
    assert e.clopper_pearson(hits, n, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_auroc_bound_is_mcdiarmids_and_holds() -> None:
    low, high = e.auroc_bound(0.7, 50, 200)
    width = math.sqrt((1 / 50 + 1 / 200) * math.log(2 / 0.05) / 2)
    assert (low, high) == pytest.approx((0.7 - width, min(1.0, 0.7 + width)))
    assert e.auroc_bound(0.7, 50, 200, tests=1000)[0] < low
    assert all(map(math.isnan, e.auroc_bound(0.7, 0, 9)))
    rng = np.random.default_rng(1)
    truth, missed = stats.norm.cdf(1 / math.sqrt(2)), 0
    for _ in range(300):
        a, b = rng.normal(1, 1, 20), rng.normal(0, 1, 60)
        value = float((a[:, None] > b).mean())
        low, high = e.auroc_bound(value, 20, 60)
        missed += not low <= truth <= high
    assert missed <= 300 * 0.05


def test_partial_correlation_is_that_of_the_residuals() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    x, y = z + rng.normal(size=300), 0.5 * z + rng.normal(size=300)
    residuals = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
    expected = np.corrcoef(*residuals)[0, 1]
    assert e.partial_correlation(e.pearson(x, y), e.pearson(x, z), e.pearson(y, z)) == pytest.approx(expected)
    assert math.isnan(e.partial_correlation(0.5, 1.0, 0.2))
    assert math.isnan(e.pearson(np.full(9, 0.1), np.arange(9.0)))
    assert e.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)


def test_the_change_of_a_correlation_has_the_standard_error_of_a_bootstrap() -> None:
    rng = np.random.default_rng(2)
    first = rng.random(400) < 0.3
    second = first ^ (rng.random(400) < 0.1)
    values = first + rng.normal(size=400)
    found = e.correlation_change(values, first, second)
    assert found.value == pytest.approx(np.corrcoef(values, first)[0, 1] - np.corrcoef(values, second)[0, 1])
    drawn = []
    for _ in range(1500):
        i = rng.integers(0, 400, 400)
        drawn.append(np.corrcoef(values[i], first[i])[0, 1] - np.corrcoef(values[i], second[i])[0, 1])
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(np.std(drawn), rel=0.1)
    assert math.isnan(e.correlation_change(values, first, np.ones(400, dtype=bool)).value)
