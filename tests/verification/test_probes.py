"""Probes find what a layer knows, keep their error rate where it knows nothing, and agree with other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from conceptx.activations.store import Activations
from conceptx.annotation.scenes import Scenes, scenes_from_labels
from conceptx.errors import InputError
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables import LabelTable
from conceptx.verification.probe_fits import DIRECTIONS, FITS, PENALTY, logistic, pattern, region, ridge, svm
from conceptx.verification.probes import METHODS, probe_concepts, sensitivities

HIERARCHY = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal"), ("animal", "thing"), ("car", "thing")])


def world(n: int = 300, units: int = 12, seed: int = 0, strength: float = 2.0) -> tuple[Activations, Scenes, dict]:
    """Images of cats, dogs or cars; the first unit falls and the second rises with cats, the others are noise."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(["cat", "dog", "car"], n)
    names = [f"{i:04d}" for i in range(n)]
    table = LabelTable("labels.csv", names, labels.tolist(), None, None, list(range(2, n + 2)))
    scenes, _ = scenes_from_labels(table, None, HIERARCHY, names)
    values = rng.standard_normal((units, n))
    values[0] -= strength * (labels == "cat")
    values[1] += strength * (labels == "cat")
    splits = {name: ("induction", "induction", "evaluation", "verification")[i % 4] for i, name in enumerate(names)}
    return Activations("fc", tuple(map(str, range(units))), tuple(names), values.astype(np.float32), {}), scenes, splits


@pytest.mark.parametrize("method", METHODS)
def test_a_class_that_the_layer_knows_is_found_and_others_are_not(method: str) -> None:
    probes = {p.concept: p for p in probe_concepts(*world(), ["cat"], method=method, permutations=39)}
    cat = probes["cat"]
    assert cat.against == "siblings"
    assert cat.auroc.low > 0.8
    assert cat.accuracy.value > 0.75
    assert cat.p == 1 / 40
    assert abs(cat.control - 0.5) < 0.1
    assert cat.selectivity == pytest.approx(cat.auroc.value - cat.control)
    unknown = probe_concepts(*world(strength=0.0), ["dog"], method=method, permutations=39)[0]
    assert unknown.p > 0.05


def test_what_cannot_be_tested_says_so() -> None:
    found = probe_concepts(*world(n=60), ["cat"], permutations=9)[0]
    assert found.note.startswith("not testable")
    assert np.isnan(found.p)
    with pytest.raises(InputError, match="no probe 'ridg'"):
        probe_concepts(*world(), method="ridg")
    with pytest.raises(InputError, match="unicorn"):
        probe_concepts(*world(), ["unicorn"])


def test_the_same_seed_gives_the_same_probes() -> None:
    assert probe_concepts(*world(), ["cat"], seed=3) == probe_concepts(*world(), ["cat"], seed=3)
    assert probe_concepts(*world(), ["cat"], seed=3) != probe_concepts(*world(), ["cat"], seed=4)


def test_directions_agree_with_their_closed_forms_and_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((80, 5)), rng.integers(0, 2, (80, 2)).astype(float)
    for k in range(2):
        slope = [stats.linregress(y[:, k], x[:, j]).slope for j in range(5)]
        assert pattern(x, y)[:, k] == pytest.approx(slope)
    wide = rng.standard_normal((20, 50))
    centred = wide - wide.mean(axis=0)
    direct = np.linalg.solve(centred.T @ centred + PENALTY * np.eye(50), centred.T @ (y[:20] - y[:20].mean(axis=0)))
    assert ridge(wide, y[:20]) == pytest.approx(direct)
    sklearn = pytest.importorskip("sklearn.linear_model")
    from sklearn.svm import LinearSVC

    other = sklearn.LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=1000).fit(x, y[:, 0])
    assert logistic(x, y)[:, 0] == pytest.approx(other.coef_[0], abs=1e-4)
    machine = LinearSVC(C=1.0 / PENALTY, loss="squared_hinge", tol=1e-9, max_iter=100000, intercept_scaling=1000)
    assert svm(x, y)[:, 0] == pytest.approx(machine.fit(x, y[:, 0]).coef_[0], abs=2e-2)


def test_a_region_is_kernel_ridge_with_the_median_width() -> None:
    kernel_ridge = pytest.importorskip("sklearn.kernel_ridge")
    from scipy.spatial.distance import pdist

    rng = np.random.default_rng(2)
    x, y, new = rng.standard_normal((60, 4)), rng.integers(0, 2, (60, 1)).astype(float), rng.standard_normal((9, 4))
    gamma = 1 / np.median(pdist(x) ** 2)
    other = kernel_ridge.KernelRidge(alpha=PENALTY, kernel="rbf", gamma=gamma).fit(x, y - y.mean())
    assert region(x, y)(new) == pytest.approx(other.predict(new))


def test_a_region_finds_what_no_direction_finds() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((400, 2))
    y = ((x**2).sum(axis=1) < 1.2).astype(float)[:, None]

    def area(name: str) -> float:
        scores = FITS[name](x[:200], y[:200])(x[200:])[:, 0]
        return float(stats.mannwhitneyu(scores[y[200:, 0] > 0], scores[y[200:, 0] == 0]).statistic)

    assert area("region") > 1.5 * area("pattern")
    assert set(DIRECTIONS) < set(FITS)


def test_sensitivity_is_the_share_of_positive_slopes() -> None:
    activations, scenes, splits = world()
    held_out = [s for s in splits.values() if s != "induction"]
    gradients = np.zeros((len(held_out), 12))
    gradients[:, 1] = 1.0
    found = sensitivities(activations, gradients, ["cat"] * len(held_out), scenes, splits, "cat", permutations=99)
    assert found[0].share == 1.0
    assert found[0].slope > 0.5
    assert found[0].p <= 0.05
    gradients[:, 1] = -1.0
    found = sensitivities(activations, gradients, ["cat"] * len(held_out), scenes, splits, "cat", permutations=99)
    assert found[0].share == 0.0
    assert found[0].slope < -0.5


def test_sensitivities_are_corrected_over_the_outputs() -> None:
    activations, scenes, splits = world()
    rng = np.random.default_rng(4)
    held_out = sum(s != "induction" for s in splits.values())
    outputs = [f"output {i % 5}" for i in range(held_out)]
    gradients = rng.standard_normal((held_out, 12))
    found = sensitivities(activations, gradients, outputs, scenes, splits, "cat", permutations=99)
    assert len(found) == 5
    assert [s.q for s in found] == pytest.approx(stats.false_discovery_control([s.p for s in found]))


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_without_any_variation_knows_nothing(method: str) -> None:
    activations, scenes, splits = world()
    flat = Activations("fc", activations.units, activations.images, np.full_like(activations.values, 3.0), {})
    found = probe_concepts(flat, scenes, splits, ["cat"], method=method, permutations=19)[0]
    assert found.auroc.value == 0.5 and found.p == 1.0 and found.selectivity == 0.0


@pytest.mark.slow
def test_both_tests_keep_their_error_rate_on_500_true_nulls() -> None:
    probed, sensitive = [], []
    for seed in range(500):
        activations, scenes, splits = world(n=240, seed=seed, strength=0.0)
        held_out = sum(s != "induction" for s in splits.values())
        probed.append(probe_concepts(activations, scenes, splits, ["cat"], permutations=39, seed=seed)[0].p)
        # All gradients alike: the case in which every direction is right or wrong on all images at once.
        gradients = np.tile(np.random.default_rng(seed).standard_normal(12), (held_out, 1))
        found = sensitivities(
            activations, gradients, ["cat"] * held_out, scenes, splits, "cat", permutations=39, seed=seed
        )
        sensitive.append(found[0].p)
    for p in (probed, sensitive):
        rejected = int((np.array(p) <= 0.05).sum())
        assert stats.binomtest(rejected, 500, 0.05, alternative="greater").pvalue > 0.01, rejected
