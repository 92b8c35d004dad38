"""How fast verification is: the statistics beside a loop of scipy calls, the resamples beside a loop of numpy calls.

Run as ``python tests/benchmarks/bench_verification.py [units] [hypotheses] [images] [resamples]``; the default, 2048 5
50000 1000, is what has to take less than two minutes on two cores: every statistic with its interval, the resamples,
their p-values and their intervals. The slow loops run on a part and are projected. Processor time is what two idle
cores share; on a busy machine the clock says more.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.verification.measures import measure
from conceptx.verification.resampling import max_t, p_values, resample
from conceptx.verification.statistics import auroc, correlation, rank, tally


def data(units: int, hypotheses: int, images: int) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Half of the units are dense, half fire on half of the images; each has hypotheses of its own."""
    rng = np.random.default_rng(0)
    shares = np.linspace(0.02, 0.4, hypotheses)
    values = [rng.normal(size=images).astype(np.float32) for _ in range(units)]
    values = [v if i % 2 else np.maximum(v, 0) for i, v in enumerate(values)]
    # Extents are packed, as a run keeps them: 64 MB instead of 512.
    return values, [[np.packbits(rng.random(images) < share) for share in shares] for _ in range(units)]


def statistics(values: list[np.ndarray], extents: list[list[np.ndarray]]) -> tuple[float, float]:
    """Every statistic with its interval, in two threads as a run does it, and a loop of scipy's Mann-Whitney tests."""
    n = len(values[0])
    part = min(len(values), 16)

    def measured(unit: int) -> list[float]:
        ranking = rank(values[unit])
        held = (np.unpackbits(e, count=n).view(bool) for e in extents[unit])
        return [measure("0", "Bed", "verification", ranking, extent, 8).p for extent in held]

    measured(0)
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(2) as pool:
        ours = [p for of_unit in pool.map(measured, range(len(values))) for p in of_unit]
    fast, spent = time.perf_counter() - started, time.process_time() - used
    used = time.process_time()
    theirs = []
    for row, of_unit in zip(values[:part], extents, strict=False):
        wide = row.astype(np.float64)  # in float32 scipy rounds the rank sums
        for packed in of_unit:
            held = np.unpackbits(packed, count=n).view(bool)
            test = stats.mannwhitneyu(wide[held], wide[~held], use_continuity=False, method="asymptotic")
            theirs.append(test.pvalue)
    slow = (time.process_time() - used) * len(values) / part
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=1e-9)
    print("every statistic with its interval:")
    print(f"  {fast:.0f} s on the clock, {spent:.0f} s of processor time")
    print(f"  scipy's Mann-Whitney test alone: {slow:.0f} s of processor time (from {part} units)", end="; ")
    print(f"ratio {slow / spent:.1f}")
    return fast, spent


def resamples(values: list[np.ndarray], extents: list[list[np.ndarray]], number: int) -> tuple[float, float]:
    """Bootstrap and permutation with p-values and intervals, and the loop that anyone would write first."""
    n, pairs = len(values[0]), sum(map(len, extents))

    def extent_of(packed: np.ndarray) -> np.ndarray:
        return np.unpackbits(packed, count=n).view(bool)

    few = [v[:500] for v in values[:2]]
    resample(few, [[np.ones(500, bool)]] * 2, lambda e: e, bootstrap=2, permutations=2, seed=0, word="compile")
    started, used = time.perf_counter(), time.process_time()
    found = resample(values, extents, extent_of, bootstrap=number, permutations=number, seed=0, word="bench")
    alone, corrected = p_values(found), max_t(found)
    ends = [found.interval(pair, "correlation", 0.0) for pair in range(pairs)]
    fast, spent = time.perf_counter() - started, time.process_time() - used
    assert (corrected >= alone).all() and len(ends) == pairs

    rng = np.random.default_rng(0)
    some = 10
    used = time.process_time()
    held = extent_of(extents[0][0])
    ranks = stats.rankdata(values[0])
    drawn = []
    for _ in range(some):
        ranks[rng.permutation(n)][held].sum()
        i = rng.integers(0, n, n)
        counted = tally(values[0][i], held[i])
        drawn.append((auroc(counted).value, correlation(counted).value))
    slow = (time.process_time() - used) / some * number * pairs
    print(f"{number} bootstrap and {number} permutation resamples, p-values, max-T and intervals:")
    print(f"  {fast:.0f} s on the clock, {spent:.0f} s of processor time")
    print(f"  a loop over pairs and resamples: {slow / 3600:.1f} hours of processor time;", end=" ")
    print(f"ratio {slow / spent:.0f} (from {2 * some} resamples of one pair)")
    return fast, spent


def main() -> None:
    """Time both and print the ratios."""
    given = [int(a) for a in sys.argv[1:]]
    units, hypotheses, images, number = given + [2048, 5, 50_000, 1000][len(given) :]
    print(f"{units} units x {hypotheses} hypotheses x {images} images")
    values, extents = data(units, hypotheses, images)
    clock, processor = (
        sum(x) for x in zip(statistics(values, extents), resamples(values, extents, number), strict=True)
    )
    print(f"all of it: {clock:.0f} s on the clock, {processor:.0f} s of processor time")


if __name__ == "__main__":
    main()
