from __future__ import annotations

import math

import numpy as np
import pytest

from conceptx.verification.controls import Floor, control_unit, directions, generator, noise_floor, sources
from conceptx.verification.measures import Measured
from conceptx.verification.statistics import Estimate

SPLITS = [np.arange(0, 60), np.arange(60, 80), np.arange(80, 100)]


def test_shuffled_units_keep_every_splits_values() -> None:
    values = np.random.default_rng(0).normal(size=100)
    made = control_unit("shuffled", values, SPLITS, seed=1, number=0)
    for members in SPLITS:
        assert sorted(made[members]) == sorted(values[members])
    assert not np.array_equal(made, values)


def test_noise_units_draw_only_the_units_values() -> None:
    values = np.random.default_rng(0).normal(size=100)
    made = control_unit("noise", values, SPLITS, seed=1, number=0)
    assert set(made) <= set(values) and len(set(made)) < 100


def test_controls_depend_on_seed_kind_and_number_alone() -> None:
    values = np.arange(100.0)
    made = control_unit("shuffled", values, SPLITS, 1, 0)
    assert np.array_equal(made, control_unit("shuffled", values, SPLITS, 1, 0))
    for seed, number in ((2, 0), (1, 1)):
        assert not np.array_equal(made, control_unit("shuffled", values, SPLITS, seed, number))


def test_generators_do_not_run_into_each_other() -> None:
    first = [generator(*words).random() for words in ((1, "a"), (1, "b"), (2, "a"), (1, "a", 0), (1, "a0"), (11, "a"))]
    assert len(set(first)) == 6


@pytest.mark.parametrize(("n_units", "n"), [(5, 12), (12, 5), (3, 3), (0, 4)])
def test_every_unit_is_used_before_any_is_used_again(n_units: int, n: int) -> None:
    chosen = sources(n_units, n, 0, "noise")
    assert len(chosen) == (n if n_units else 0)
    counts = np.bincount(chosen, minlength=n_units) if n_units else np.zeros(1)
    assert counts.max() - counts.min() <= 1


def measured(correlation: float) -> Measured:
    return Measured(
        "0", "Bed", "evaluation", correlation=Estimate(correlation, -1, 1), auroc=Estimate(0.5 + correlation / 2, 0, 1)
    )


def test_the_floor_is_an_observed_quantile_and_counts_controls_without_a_hypothesis() -> None:
    taken = [(i / 100, measured(i / 100), measured(-i / 100)) for i in range(20)]
    floor = noise_floor([*taken, (0.0, None, None)], 0.95)
    assert floor == Floor(21, 0.18, 0.18, 0.0, 0.59, 0.5)
    assert math.isnan(noise_floor([], 0.95).verification)


def test_noise_units_have_the_distribution_of_the_unit_that_they_are_made_from() -> None:
    from scipy import stats

    values = np.maximum(np.random.default_rng(0).gamma(0.5, size=4000) - 0.3, 0)
    made = np.concatenate([control_unit("noise", values, SPLITS, seed=1, number=i) for i in range(5)])
    assert stats.ks_2samp(values, made).pvalue > 0.01
    assert (made == 0).mean() == pytest.approx((values == 0).mean(), abs=0.02)


def test_directions_are_combinations_of_length_one_and_as_likely_as_any_other() -> None:
    values = list(np.eye(4))
    made = np.stack(directions(values, 4000, 0, "fc"))
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    assert made.mean(axis=0) == pytest.approx(0, abs=0.03) and (made**2).mean(axis=0) == pytest.approx(0.25, abs=0.02)
    assert np.array_equal(made, np.stack(directions(values, 4000, 0, "fc")))
    assert not np.array_equal(made, np.stack(directions(values, 4000, 0, "fc2")))
    assert directions(values[:1], 5, 0, "fc") == []
