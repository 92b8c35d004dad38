from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conceptx.verification import resampling as r
from conceptx.verification import statistics as s


def case(seed: int, units: int, n: int, hypotheses: int, ties: bool) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    rng = np.random.default_rng(seed)
    values = [rng.integers(0, 4, n).astype(float) if ties else rng.normal(size=n) for _ in range(units)]
    return values, [[rng.random(n) < 0.4 for _ in range(hypotheses)] for _ in range(units)]


def run(values: list, extents: list, bootstrap: int = 0, permutations: int = 0, **more) -> r.Resampled:
    return r.resample(
        values, extents, lambda e: e, bootstrap=bootstrap, permutations=permutations, seed=3, word="w", **more
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 70), st.integers(1, 4), st.booleans())
def test_every_resample_is_what_the_statistics_say_of_these_images(
    seed: int, units: int, n: int, hypotheses: int, ties: bool
) -> None:
    values, extents = case(seed, units, n, hypotheses, ties)
    found = run(values, extents, bootstrap=3, permutations=3)
    weights = np.stack(list(r._draws(n, 3, 3, "w")))
    orders = np.stack(list(r._orders(n, 3, 3, "w"))).astype(int)
    assert (weights.sum(axis=1) == n).all()
    pair = 0
    for x, of_unit in zip(values, extents, strict=True):
        for extent in of_unit:
            z = s.mann_whitney(s.tally(x, extent)).z
            assert found.observed[pair] == pytest.approx(z, abs=1e-9, nan_ok=True)
            for b in range(3):
                again = s.mann_whitney(s.tally(x[orders[b]], extent)).z
                assert found.permuted[pair, b] == pytest.approx(again, abs=1e-5, nan_ok=True)
                images = np.repeat(np.arange(n), weights[b])
                counted = s.tally(x[images], extent[images])
                measured = [s.auroc(counted).value, s.auprc(counted).value, s.correlation(counted).value]
                drawn = found.binned[pair] + found.bootstrap[pair, :, b]
                if n <= r.N_BINS:  # every value has its own bin
                    np.testing.assert_allclose(drawn, measured, atol=2e-4)
            pair += 1


def test_bins_shift_a_bootstrap_measure_by_next_to_nothing() -> None:
    values, extents = case(1, 1, 3000, 2, ties=False)
    values[0] += extents[0][0] * 1.0
    found = run(values, extents, bootstrap=40)
    weights = list(r._draws(3000, 40, 3, "w"))
    for h, extent in enumerate(extents[0]):
        exact = s.tally(values[0], extent)
        whole = (s.auroc(exact).value, s.auprc(exact).value, s.correlation(exact).value)
        for m in range(3):
            again = []
            for w in weights:
                images = np.repeat(np.arange(3000), w)
                counted = s.tally(values[0][images], extent[images])
                again.append((s.auroc, s.auprc, s.correlation)[m](counted).value - whole[m])
            spread = np.std(again)
            assert np.abs(found.bootstrap[h, m] - again).max() < 0.15 * spread


def test_nothing_depends_on_workers_units_beside_or_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values, extents = case(2, 5, 60, 3, ties=True)
    first = run(values, extents, bootstrap=20, permutations=20, workers=1)
    again = run(values, extents, bootstrap=20, permutations=20, workers=4)
    alone = run(values[2:3], extents[2:3], bootstrap=20, permutations=20)
    for name in ("bootstrap", "observed", "permuted"):
        assert np.array_equal(getattr(first, name), getattr(again, name), equal_nan=True)
        assert np.array_equal(getattr(first, name)[6:9], getattr(alone, name), equal_nan=True)
    monkeypatch.setattr(r, "_AT_ONCE", 7)
    assert np.array_equal(first.permuted, run(values, extents, permutations=20).permuted, equal_nan=True)


def test_p_is_that_of_all_permutations() -> None:
    x = np.array([0.0, 0.0, 1.0, 2.0, 2.0, 5.0, 7.0])
    extent = np.array([0, 0, 0, 1, 0, 1, 1], dtype=bool)
    found = run([x], [[extent]], permutations=20_000)
    observed = abs(s.mann_whitney(s.tally(x, extent)).z) - 1e-9
    every = [abs(s.mann_whitney(s.tally(np.array(p), extent)).z) >= observed for p in permutations(x)]
    assert r.p_values(found)[0] == pytest.approx(np.mean(every), abs=0.01)
    assert r.max_t(found)[0] == r.p_values(found)[0]


def test_max_t_steps_down_as_westfall_and_young_write_it() -> None:
    values, extents = case(4, 3, 80, 2, ties=False)
    values[0] += extents[0][0] * 2
    found = run(values, extents, permutations=200)
    observed, drawn = np.abs(found.observed), np.abs(found.permuted.astype(float))
    order = np.argsort(-observed)
    expected, before = np.empty(6), 0.0
    for k, pair in enumerate(order):
        largest = drawn[order[k:]].max(axis=0)
        before = max(before, (1 + (largest >= observed[pair] * (1 - 1e-6)).sum()) / 201)
        expected[pair] = before
    assert r.max_t(found) == pytest.approx(expected)
    assert (r.max_t(found) >= r.p_values(found)).all()


@pytest.mark.slow
def test_max_t_keeps_the_family_wise_error_rate_of_correlated_units() -> None:
    rejected = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=60)
        values = [np.maximum(common + rng.normal(size=60), 0) for _ in range(5)]
        extents = [[rng.random(60) < 0.3 for _ in range(2)] for _ in range(5)]
        found = r.resample(values, extents, lambda e: e, bootstrap=0, permutations=99, seed=seed, word="w")
        rejected += np.nanmin(r.max_t(found)) <= 0.05
    assert stats.binomtest(rejected, 300, 0.05, alternative="greater").pvalue > 1e-3


def test_what_cannot_vary_is_nan_and_what_was_not_asked_for_is_empty() -> None:
    extent = np.arange(12) < 6
    found = run([np.zeros(12), np.arange(12.0)], [[extent], [np.ones(12, dtype=bool)]], bootstrap=5, permutations=5)
    assert np.isnan(found.observed).all() and np.isnan(r.p_values(found)).all() and np.isnan(r.max_t(found)).all()
    assert all(np.isnan(found.interval(pair, "correlation", 0.0)).all() for pair in (0, 1))
    assert run([], [], bootstrap=5).bootstrap.shape == (0, 3, 5)
    assert run([np.arange(5.0)], [[]], bootstrap=5).bootstrap.shape == (0, 3, 5)


def test_percentile_intervals_lie_around_the_value() -> None:
    values, extents = case(5, 1, 200, 1, ties=True)
    found = run(values, extents, bootstrap=300)
    value = s.auroc(s.tally(values[0], extents[0][0])).value
    low, high = found.interval(0, "auroc", value)
    assert 0 <= low < value < high <= 1
    expected = np.quantile(found.bootstrap[0, 0].astype(float), [0.025, 0.975]) + value
    assert (low, high) == pytest.approx(tuple(expected))
