"""Do probes keep their error rate on layers that know nothing, whatever the fit, and what does the usual test do?

Run as ``python tests/benchmarks/bench_probes.py [runs]`` (default 500; some minutes). In each run the layer is noise.
The probe's p and the sensitivity's p (TCAV) come from 39 permutations of the labels; beside them stands the usual test,
Student's t over 20 directions that were fitted on the same images against random negatives, of the TCAV score 0.5.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.verification.probe_fits import pattern
from conceptx.verification.probes import DIRECTIONS, METHODS, probe_concepts, sensitivities
from tests.verification.test_probes import world

IMAGES, REPEATS, PERMUTATIONS = 240, 20, 39


def interval(hits: int, n: int) -> str:
    """Return a share with its exact 95 % interval."""
    ends = stats.binomtest(hits, n).proportion_ci(method="exact")
    return f"{hits}/{n} = {hits / n:.3f} [{ends.low:.3f}, {ends.high:.3f}]"


def usual_p(values: np.ndarray, gradients: np.ndarray, rng: np.random.Generator) -> float:
    """Return the p of a t-test over the TCAV scores of directions from the same positives and random negatives."""
    n = values.shape[1]
    positives, scores = rng.choice(n, 40, replace=False), []
    for _ in range(REPEATS):
        negatives = rng.choice(np.setdiff1d(np.arange(n), positives), 40, replace=False)
        x = values[:, np.concatenate([positives, negatives])].T.astype(np.float64)
        direction = pattern(x, np.repeat([1.0, 0.0], 40)[:, None])[:, 0]
        scores.append((gradients @ direction > 0).mean())
    spread = np.std(scores)
    return float(stats.ttest_1samp(scores, 0.5).pvalue) if spread else float(np.mean(scores) == 0.5)


def main() -> None:
    """Print the share of true nulls that each test rejects at 0.05."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    usual = 0
    for seed in range(runs):
        activations, _, _ = world(n=IMAGES, seed=seed, strength=0.0)
        rng = np.random.default_rng(seed)
        gradients = rng.standard_normal(12) + 0.5 * rng.standard_normal((IMAGES, 12))
        usual += usual_p(activations.values, gradients, rng) <= 0.05
    print(f"rejected at 0.05, of {runs} true nulls; the usual t-test of TCAV: {interval(usual, runs)}")
    for method in METHODS:
        started = time.perf_counter()
        probed, sensitive = 0, 0
        for seed in range(runs):
            activations, scenes, splits = world(n=IMAGES, seed=seed, strength=0.0)
            settings = {"method": method, "permutations": PERMUTATIONS, "seed": seed}
            probed += probe_concepts(activations, scenes, splits, ["cat"], **settings)[0].p <= 0.05
            if method in DIRECTIONS:
                held_out = sum(split != "induction" for split in splits.values())
                gradients = np.tile(np.random.default_rng(seed).standard_normal(12), (held_out, 1))
                outputs = ["cat"] * held_out
                sensitive += (
                    sensitivities(activations, gradients, outputs, scenes, splits, "cat", **settings)[0].p <= 0.05
                )
        line = f"  {method}: probe {interval(probed, runs)}"
        if method in DIRECTIONS:
            line += f", sensitivity {interval(sensitive, runs)}"
        print(f"{line} ({time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
