from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from conceptx.verification import statistics as s


@st.composite
def samples(draw: st.DrawFn, ties: bool = True, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A unit's values and an extent with at least `least` images on either side."""
    n = draw(st.integers(2 * least, 60))
    extent = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    assume(least <= extent.sum() <= n - least)
    if ties:
        values = np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 2.5, -1.0]), min_size=n, max_size=n)))
    else:
        values = np.array(draw(st.permutations(range(n))), dtype=float)
    return values, extent


def slow_u(values: np.ndarray, extent: np.ndarray) -> float:
    """U by comparing every pair."""
    return float(sum((a > b) + 0.5 * (a == b) for a in values[extent] for b in values[~extent]))


@settings(deadline=None)
@given(samples())
def test_u_counts_pairs_and_z_and_p_are_scipys(sample: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = sample
    assume(len(set(values)) > 1)
    found = s.mann_whitney(s.tally(values, extent))
    scipy = stats.mannwhitneyu(values[extent], values[~extent], use_continuity=False, method="auto")
    assert found.u == slow_u(values, extent) == scipy.statistic
    assert found.method in ("normal", "pearson3", "exact")
    if found.method != "pearson3":
        assert found.p == pytest.approx(scipy.pvalue, rel=1e-12)
    if found.method == "normal":
        assert 2 * stats.norm.sf(abs(found.z)) == pytest.approx(found.p, rel=1e-12)
    assert found.z == 0 or (found.z > 0) == (found.u > extent.sum() * (~extent).sum() / 2)


@settings(deadline=None)
@given(samples(ties=False))
def test_without_ties_small_groups_are_exact(sample: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = sample
    found = s.mann_whitney(s.tally(values, extent))
    small = min(extent.sum(), (~extent).sum()) <= s.EXACT_UP_TO
    method = "exact" if small else "asymptotic"
    scipy = stats.mannwhitneyu(values[extent], values[~extent], use_continuity=False, method=method)
    assert found.method == ("exact" if small else "normal")
    assert found.p == pytest.approx(scipy.pvalue, rel=1e-12)
    assert found.p >= s.smallest_p(int(extent.sum()), int((~extent).sum())) * (1 - 1e-9)
    assert found.skewness == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n1", "n0"), [(8, 500), (500, 8), (1, 3000), (3, 2000)])
def test_exact_p_of_a_small_group_among_many_counts_all_choices(n1: int, n0: int) -> None:
    smaller, larger = sorted((n1, n0))
    ways = [1] + [0] * (n1 * n0)  # whole numbers, whatever their size
    for i in range(1, smaller + 1):
        for k in range(n1 * n0, larger + i - 1, -1):
            ways[k] -= ways[k - larger - i]
        for k in range(i, n1 * n0 + 1):
            ways[k] += ways[k - i]
    assert sum(ways) == math.comb(n1 + n0, n1)
    for u in (0, 3, n1 * n0 // 5, n1 * n0 // 2, n1 * n0 - 2, n1 * n0):
        least = min(u, n1 * n0 - u)
        expected = min(1.0, float(Fraction(2 * sum(ways[: least + 1]), sum(ways))))
        assert s._exact_p(float(u), n1, n0) == pytest.approx(expected, rel=1e-12)


def test_a_small_group_among_very_many_takes_no_time() -> None:
    values = np.random.default_rng(0).normal(size=200_000)
    found = s.mann_whitney(s.tally(values, np.arange(200_000) < 8))
    normal = 2 * stats.norm.sf(abs(found.z))
    assert found.method == "exact" and found.p == pytest.approx(normal, rel=0.05)


def test_published_z_and_p_have_no_tie_correction_and_are_negative_for_higher_targets() -> None:
    values = np.array([0, 0, 0, 0, 1.0, 2.0, 0, 3.0, 4.0, 5.0])
    extent = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
    found = s.mann_whitney(s.tally(values, extent))
    # By hand: the target 0 ties with four zeros (2), the others beat all six (18): U = 20 of 24.
    assert found.u == 20
    expected = (12 - 20) / math.sqrt(4 * 6 * 11 / 12)
    assert found.z_uncorrected == pytest.approx(expected, rel=1e-15)
    assert found.p_one_tailed == pytest.approx(stats.norm.cdf(expected), rel=1e-12)
    assert found.z > -found.z_uncorrected > 0


@settings(deadline=None)
@given(samples(), st.integers(0, 2**32 - 1))
def test_skewness_is_that_of_the_permutation_distribution(sample: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    values, extent = sample
    values, extent = values[:9], extent[:9]
    assume(1 <= extent.sum() <= len(extent) - 1 and len(set(values)) > 1 and len(values) >= 3)
    from itertools import combinations

    ranks = stats.rankdata(values)
    sums = np.array([ranks[list(c)].sum() for c in combinations(range(len(values)), int(extent.sum()))])
    centred = sums - sums.mean()
    expected = (centred**3).mean() / (centred**2).mean() ** 1.5
    found = s.mann_whitney(s.tally(values, extent))
    assert found.skewness == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("n1", "n0", "active"), [(8, 592, 0.1), (20, 580, 0.05), (60, 540, 0.05), (42, 1425, 0.15)])
def test_sparse_units_keep_the_error_rate_where_the_normal_tail_does_not(n1: int, n0: int, active: float) -> None:
    rng = np.random.default_rng(5)
    n = n1 + n0
    values = np.zeros(n)
    values[: int(active * n)] = rng.exponential(size=int(active * n))
    ranked = s.rank(values)
    p, normal = [], []
    for _ in range(4000):
        extent = np.zeros(n, dtype=bool)
        extent[rng.choice(n, n1, replace=False)] = True
        test = s.mann_whitney(ranked.tally(extent))
        p.append(test.p if test.z > 0 else 1.0)
        normal.append(2 * stats.norm.sf(test.z) if test.z > 0 else 1.0)
    for level in (0.01, 0.002):
        hits = int((np.array(p) <= level).sum())
        # One tail of a two-sided test: nominal is level / 2.
        assert stats.binomtest(hits, 4000, level / 2, alternative="greater").pvalue > 1e-3
    assert (np.array(normal) <= 0.002).mean() > 1.5 * 0.001


@settings(deadline=None)
@given(samples())
def test_auroc_is_u_over_pairs_and_cliffs_delta_is_its_double(sample: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = sample
    found = s.auroc(s.tally(values, extent))
    expected = slow_u(values, extent) / (extent.sum() * (~extent).sum())
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.low <= found.value <= found.high
    delta = s.cliffs_delta(found)
    assert delta.value == pytest.approx(2 * expected - 1, abs=1e-12)
    assert delta[1:] == pytest.approx((2 * found.low - 1, 2 * found.high - 1), nan_ok=True)


EXTREME = {
    "huge": lambda rng, n: rng.normal(size=n) * 1e300,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-300,
    "smallest": lambda rng, n: rng.integers(0, 5, n) * 5e-324,
    "both": lambda rng, n: np.where(rng.random(n) < 0.5, 1e30, 1e-30) * rng.choice([-1, 1], n),
    "a large part in common": lambda rng, n: 1e9 + rng.normal(size=n) * 1e-3,
    "half precision": lambda rng, n: rng.normal(size=n).astype(np.float16),
    "negative": lambda rng, n: -rng.exponential(size=n),
    "one value but one": lambda rng, n: np.append(np.zeros(n - 1), 1.0),
    "true and false": lambda rng, n: rng.random(n) < 0.3,
}


@pytest.mark.parametrize("kind", EXTREME)
def test_extreme_values_lose_no_digits(kind: str) -> None:
    rng = np.random.default_rng(2)
    for n in (2, 3, 5, 20, 100) * 6:
        values = EXTREME[kind](rng, n)
        extent = np.zeros(n, dtype=bool)
        extent[rng.choice(n, rng.integers(1, n), replace=False)] = True
        counted = s.tally(values, extent)
        assert s.correlation(counted).value == pytest.approx(exact_correlation(values, extent), abs=1e-14, nan_ok=True)
        ranks = stats.rankdata(np.asarray(values, dtype=float))
        for measure in (s.mann_whitney, s.auroc, s.auprc):
            assert measure(counted) == pytest.approx(measure(s.tally(ranks, extent)), nan_ok=True) or (
                measure is s.mann_whitney and measure(counted).method == "none"
            )
        for found in (s.auroc(counted), s.auprc(counted), s.correlation(counted)):
            assert math.isnan(found.low) or -1 <= found.low <= found.value <= found.high <= 1


def exact_correlation(values: np.ndarray, extent: np.ndarray) -> float:
    """Return Pearson's r from sums of fractions."""
    x = [Fraction(float(v)) for v in values]
    n, n1 = len(x), int(extent.sum())
    mean = sum(x) / n
    squares = sum((v - mean) ** 2 for v in x)
    of_target = sum(v - mean for v, held in zip(x, extent, strict=True) if held)
    if not squares:
        return math.nan
    return math.copysign(math.sqrt(of_target**2 * n / (squares * n1 * (n - n1))), 1 if of_target >= 0 else -1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_have_no_rank(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        s.rank([0.0, value, 1.0])


def test_delong_variance_is_the_published_formula() -> None:
    rng = np.random.default_rng(0)
    values = np.maximum(rng.normal(size=80), 0)
    extent = rng.random(80) < 0.3
    x, y = values[extent], values[~extent]
    kernel = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    counted = s.tally(values, extent)
    found = s._auroc(counted)
    assert found.target == pytest.approx(kernel.mean(1).var(ddof=1) / len(x), rel=1e-12)
    assert found.other == pytest.approx(kernel.mean(0).var(ddof=1) / len(y), rel=1e-12)


@settings(deadline=None)
@given(samples())
def test_average_precision_is_the_sum_over_distinct_thresholds(sample: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = sample
    expected, recall = 0.0, 0.0
    for threshold in sorted(set(values), reverse=True):
        chosen = values >= threshold
        now = (chosen & extent).sum() / extent.sum()
        expected += (now - recall) * (chosen & extent).sum() / chosen.sum()
        recall = now
    assert s.auprc(s.tally(values, extent)).value == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(samples())
def test_correlation_is_pearsons(sample: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = sample
    found = s.correlation(s.tally(values, extent))
    if len(set(values)) < 2:
        assert math.isnan(found.value)
        return
    assert found.value == pytest.approx(np.corrcoef(values, extent)[0, 1], abs=1e-9)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("measure", [s.auroc, s.auprc, s.correlation])
def test_the_standard_error_is_that_of_a_stratified_bootstrap(measure) -> None:
    rng = np.random.default_rng(3)
    targets, others = np.maximum(rng.normal(1, 1, 150), 0), np.maximum(rng.normal(0, 1, 350), 0)
    extent = np.arange(500) < 150
    resampled = [
        measure(s.tally(np.concatenate([rng.choice(targets, 150), rng.choice(others, 350)]), extent)).value
        for _ in range(600)
    ]
    inner = {s.auroc: s._auroc, s.auprc: s._auprc, s.correlation: s._correlation}[measure]
    counted = s.tally(np.concatenate([targets, others]), extent)
    found = inner(counted)
    analytic = math.sqrt(found.target + found.other)
    if measure is s.correlation:
        # The share of targets is drawn too here, and fixed in the stratified bootstrap: the analytic one is larger.
        assert analytic == pytest.approx(np.std(resampled), rel=0.25)
    else:
        assert analytic == pytest.approx(np.std(resampled), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n1", "n0", "shift", "zeros"),
    [(8, 592, 1.0, 1.0), (8, 592, 2.5, 1.0), (20, 580, 1.5, 1.5), (60, 240, 2.5, 0.5), (30, 270, 0.0, 1.5)],
)
def test_intervals_cover(n1: int, n0: int, shift: float, zeros: float) -> None:
    rng = np.random.default_rng(9)

    def drawn(a: int, b: int) -> s.Tally:
        values = np.concatenate([rng.normal(shift, 1, a), rng.normal(0, 1, b)]) - zeros
        return s.tally(np.maximum(values, 0), np.arange(a + b) < a)

    whole = drawn(400_000 * n1 // (n1 + n0), 400_000 * n0 // (n1 + n0))
    for measure, least in ((s.auroc, 0.92), (s.auprc, 0.91), (s.correlation, 0.92)):
        truth = measure(whole).value
        found = [measure(drawn(n1, n0)) for _ in range(600)]
        covered = sum(e.low <= truth <= e.high for e in found)
        assert stats.binomtest(covered, 600, least, alternative="less").pvalue > 1e-3, (measure.__name__, covered)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 40))
def test_wilson_is_scipys(hits: int, n: int) -> None:
    hits = min(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert s.wilson(hits, n) == pytest.approx((hits / n, expected.low, expected.high), abs=1e-12)


def test_smallest_p_counts_the_subsets() -> None:
    assert s.smallest_p(3, 5) == pytest.approx(2 / math.comb(8, 3))
    assert s.smallest_p(0, 9) == 1.0


def test_ties_everywhere_give_no_test_and_half_an_area() -> None:
    counted = s.tally(np.zeros(20), np.arange(20) < 8)
    found = s.mann_whitney(counted)
    assert found.u == 8 * 12 / 2
    assert math.isnan(found.z) and math.isnan(found.p)
    assert s.auroc(counted).value == 0.5
    assert math.isnan(s.correlation(counted).value)
    assert s.auprc(counted).value == pytest.approx(8 / 20)


def test_perfect_separation_has_an_interval_below_one() -> None:
    counted = s.tally(np.arange(40.0), np.arange(40) >= 30)
    found = s.auroc(counted)
    assert found.value == found.high == 1.0
    assert 0.5 < found.low < 1.0


@pytest.mark.parametrize("bad", [[1.0, math.nan], [math.inf, 0.0], [[1.0], [2.0]]])
def test_rank_refuses_what_it_cannot_order(bad: list) -> None:
    with pytest.raises(ValueError, match="finite"):
        s.rank(bad)


@settings(max_examples=30, deadline=None)
@given(samples(), st.floats(0.1, 10))
def test_ranks_do_not_depend_on_scale_or_order_of_images(sample: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    values, extent = sample
    first = s.mann_whitney(s.tally(values, extent))
    again = s.mann_whitney(s.tally((values * scale)[::-1], extent[::-1]))
    assert first[:3] == pytest.approx(again[:3], nan_ok=True)
