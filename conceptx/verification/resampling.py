"""Bootstrap and permutation of many units and hypotheses at once, with resamples that all of them share.

`resample` is what callers need; `p_values` and `max_t` turn the permutations into p-values. Sharing the resamples
keeps what units and hypotheses have in common (overlapping extents, correlated units), so comparisons and the maximum
over all of them are valid; and it is what makes this fast: a unit's images are put in order once, and every sum is
then taken for all resamples side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from conceptx.progress import Progress, silent
from conceptx.verification.controls import generator
from conceptx.verification.statistics import Bools, Floats, Values, rank

MEASURES = ("auroc", "auprc", "correlation")
N_BINS = 64
"""At most so many groups of a unit's values are told apart in bootstrap AUROC and AUPRC; see `_bins`."""

_AT_ONCE = 128
_UNITS_AT_ONCE = 32

Array = npt.NDArray[Any]
Hypothesis = TypeVar("Hypothesis")


@dataclass(frozen=True, slots=True)
class Resampled:
    """What resampling the images says of every unit and hypothesis, in the order in which they were given.

    binned: (pairs, measures), `MEASURES` of the images themselves, with values in bins. bootstrap: (pairs, measures,
    resamples) float32, deviations from these; NaN where a resample has no targets or no others. observed: (pairs,) and
    permuted: (pairs, resamples): the rank statistic as z, under permutation with mean 0 and variance 1; NaN where it
    cannot vary.
    """

    binned: Floats
    bootstrap: npt.NDArray[np.float32]
    observed: Floats
    permuted: npt.NDArray[np.float32]

    def interval(self, pair: int, measure: str, value: float, level: float = 0.95) -> tuple[float, float]:
        """Return the percentile interval of a measure around its exact value."""
        deviations = self.bootstrap[pair, MEASURES.index(measure)]
        known = deviations[~np.isnan(deviations)].astype(np.float64)
        if len(known) < 2 or np.isnan(value):
            return float("nan"), float("nan")
        low, high = np.quantile(known, ((1 - level) / 2, (1 + level) / 2))
        least = -1.0 if measure == "correlation" else 0.0
        return max(least, value + float(low)), min(1.0, value + float(high))


def resample(
    values: Sequence[Values],
    hypotheses: Sequence[Sequence[Hypothesis]],
    extent_of: Callable[[Hypothesis], Bools],
    *,
    bootstrap: int,
    permutations: int,
    seed: int,
    word: str,
    workers: int = 2,
    progress: Progress = silent,
) -> Resampled:
    """Resample the images: `values` (n,) of each unit, and for each unit its hypotheses, with extents (n,).

    A bootstrap resample draws n images with replacement; a permutation gives the units' values to the images anew.
    The rank statistic of a permutation is ``z = Σ over targets of (2r - N - 1) / σ`` with mid-ranks r and
    ``σ² = n₁n₀ Σ(2r - N - 1)² / (N(N-1))``, the tie-corrected Mann-Whitney z. All is a function of the seed and `word`,
    whatever the number of workers.
    """
    n = len(values[0]) if len(values) else 0
    sizes = [len(of_unit) for of_unit in hypotheses]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    found = Resampled(
        np.full((first[-1], len(MEASURES)), np.nan),
        np.full((first[-1], len(MEASURES), bootstrap), np.nan, dtype=np.float32),
        np.full(first[-1], np.nan),
        np.full((first[-1], permutations), np.nan, dtype=np.float32),
    )
    if not n or not first[-1]:
        return found
    weights = list(_blocks(_draws(n, bootstrap, seed, word), bootstrap))
    orders = list(_blocks(_orders(n, permutations, seed, word), permutations))
    used = [u for u, size in enumerate(sizes) if size]
    chunks = [used[i : i + _UNITS_AT_ONCE] for i in range(0, len(used), _UNITS_AT_ONCE)]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for chunk in progress(chunks, total=len(chunks), label=f"resample {word}"):
            extents = [[extent_of(h) for h in hypotheses[u]] for u in chunk]
            prepared = list(pool.map(_prepare, [values[u] for u in chunk], extents))
            pairs = [slice(first[u], first[u + 1]) for u in chunk]
            jobs = list(zip(prepared, pairs, strict=True))
            for place, block in weights:
                list(pool.map(lambda job, p=place, w=block: _bootstrap(job[0], w, found.bootstrap[job[1], :, p]), jobs))
            for place, block in orders:
                list(pool.map(lambda job, p=place, o=block: _permute(job[0], o, found.permuted[job[1], p]), jobs))
            for unit, pair in jobs:
                found.observed[pair] = unit.observed
                found.binned[pair] = unit.binned
                found.bootstrap[pair] -= unit.binned[:, :, None].astype(np.float32)
    return found


def p_values(found: Resampled) -> Floats:
    """Return (1 + b)/(1 + m) for each pair: b of m permutations have a |z| of at least the observed one."""
    with np.errstate(invalid="ignore"):
        reached = (np.abs(found.permuted) >= _at_least(found.observed)[:, None]).sum(axis=1)
    p = (1 + reached) / (1 + found.permuted.shape[1])
    return np.where(np.isnan(found.observed), np.nan, p)


def max_t(found: Resampled) -> Floats:
    """Return the p-values of Westfall's and Young's step-down max-T procedure, corrected over all pairs.

    The pairs are put in order of |z|, the largest first. The k-th is compared with the largest |z| of each permutation
    over this pair and all after it; p is (1 + b)/(1 + m), and at least that of the pair before.
    """
    p = np.full(len(found.observed), np.nan)
    tested = np.flatnonzero(~np.isnan(found.observed))
    order = tested[np.argsort(-np.abs(found.observed[tested]), kind="stable")]
    limits = _at_least(found.observed)
    largest = np.zeros(found.permuted.shape[1], dtype=np.float32)
    for pair in order[::-1]:
        np.maximum(largest, np.abs(found.permuted[pair]), out=largest)
        p[pair] = (1 + int((largest >= limits[pair]).sum())) / (1 + len(largest))
    p[order] = np.maximum.accumulate(p[order])
    return p


def _at_least(observed: Floats) -> npt.NDArray[np.float32]:
    """Return |z| a little lower than observed: z comes from whole numbers, equal ones must count as reached."""
    return (np.abs(observed) * (1 - 1e-6)).astype(np.float32)


# ------------------------------------------------------------------------------------------------- the resamples


def _draws(n: int, resamples: int, seed: int, word: str) -> Iterator[Array]:
    rng = generator(seed, "bootstrap", word)
    for _ in range(resamples):
        yield np.minimum(np.bincount(rng.integers(0, n, size=n), minlength=n), 255).astype(np.uint8)


def _orders(n: int, resamples: int, seed: int, word: str) -> Iterator[Array]:
    rng = generator(seed, "permutation", word)
    small = n <= np.iinfo(np.uint16).max + 1
    for _ in range(resamples):
        yield rng.permutation(n).astype(np.uint16 if small else np.int32)


def _blocks(drawn: Iterator[Array], resamples: int) -> Iterator[tuple[slice, Array]]:
    """Yield the resamples in blocks (images, resamples of the block), each with its place among all."""
    for start in range(0, resamples, _AT_ONCE):
        stop = min(start + _AT_ONCE, resamples)
        yield slice(start, stop), np.ascontiguousarray(np.stack([next(drawn) for _ in range(start, stop)]).T)


# ------------------------------------------------------------------------------------------------- one unit


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit's scores and standardised values (n,), each image's cell and segment, and what holds where.

    bins: (segments,), ascending in value; held_cells: (cells, hypotheses), held_segments: (segments, hypotheses).
    """

    scores: Array
    values: Array
    cell: Array
    segment: Array
    bins: Array
    held_cells: Bools
    held_segments: Bools
    left_out: int
    spread: Floats
    observed: Floats
    binned: Floats


def _prepare(values: Values, extents: Sequence[Bools]) -> _Unit:
    n = len(values)
    ranking = rank(values)
    group, counts = ranking.group, ranking.counts
    doubled = 2 * (np.cumsum(counts) - counts) + counts - n
    # The sum over any set of images is at most n²/4 in size.
    scores = doubled.astype(np.int32 if n * n // 4 < 2**31 else np.int64)[group]
    held = np.stack(extents)
    held_cells, cell = _cells(held)
    code = cell * N_BINS + _bins(counts)[group]
    present = np.zeros(len(held_cells) * N_BINS, dtype=bool)
    present[code] = True
    codes = np.flatnonzero(present)
    n1 = held.sum(axis=1).astype(np.float64)
    total = float(counts @ doubled.astype(np.float64) ** 2)
    spread = np.sqrt(n1 * (n - n1) * total / (n * max(n - 1.0, 1.0)))
    spread[spread == 0] = np.nan
    wide = np.asarray(values, dtype=np.float64)
    made = _Unit(
        scores,
        ((wide - wide.mean()) / (wide.std() or 1.0)).astype(np.float32),
        cell.astype(np.int32),
        (np.cumsum(present) - 1)[code].astype(np.int32),
        codes % N_BINS,
        held_cells,
        held_cells[codes // N_BINS],
        int(np.argmax(np.bincount(cell))),
        spread,
        np.array([float(scores[h].sum(dtype=np.int64)) for h in held]) / spread,
        np.zeros((len(held), len(MEASURES))),
    )
    once = np.zeros((len(held), len(MEASURES), 1), dtype=np.float32)
    _bootstrap(made, np.ones((n, 1), dtype=np.uint8), once)
    made.binned[:] = once[:, :, 0]
    return made


def _cells(held: Bools) -> tuple[Bools, npt.NDArray[np.int64]]:
    """Return the distinct columns of `held` (hypotheses, n) as rows (cells, hypotheses), and each image's cell."""
    cell = np.zeros(held.shape[1], dtype=np.int64)
    for of_hypothesis in held:
        doubled = 2 * cell + of_hypothesis
        present = np.zeros(2 * int(cell.max()) + 2, dtype=bool)
        present[doubled] = True
        cell = (np.cumsum(present) - 1)[doubled]
    first = np.empty(int(cell.max()) + 1, dtype=np.int64)
    first[cell] = np.arange(len(cell))
    return held[:, first].T.copy(), cell


def _bins(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the bin of each distinct value, given how many images have it: all their own if they are few.

    Else half of the edges are at equal steps of rank, and half at equal factors towards the highest values, where
    average precision is decided. Equal values are never parted.
    """
    if len(counts) <= N_BINS:
        return np.arange(len(counts))
    n = counts.sum()
    above = n - np.cumsum(counts) + counts / 2
    half = N_BINS // 2
    edges = np.unique(np.concatenate([n * np.arange(1, half) / half, np.geomspace(1, n, half, endpoint=False)]))
    found: npt.NDArray[np.int64] = np.searchsorted(edges, above, side="right")
    _, places = np.unique(-found, return_inverse=True)
    return places.astype(np.int64)


def _bootstrap(unit: _Unit, weights: Array, found: Array) -> None:
    from conceptx.verification.kernels import measures_of, weighted_sums

    n = weights.shape[1]
    counts = np.zeros((len(unit.bins), n), dtype=np.float32)
    sums = np.zeros((len(unit.held_cells), n), dtype=np.float32)
    squares = np.zeros(n, dtype=np.float32)
    weighted_sums(unit.values, unit.cell, unit.segment, weights, counts, sums, squares)
    measured = np.empty((len(MEASURES), n))
    for h in range(len(found)):
        held, held_cells = unit.held_segments[:, h].copy(), unit.held_cells[:, h].copy()
        measures_of(counts, sums, squares, unit.bins, held, held_cells, N_BINS, measured)
        found[h] = measured


def _permute(unit: _Unit, orders: Array, found: Array) -> None:
    from conceptx.verification.kernels import permuted_sums

    sums = np.zeros((len(unit.held_cells), orders.shape[1]), dtype=unit.scores.dtype)
    permuted_sums(unit.scores, unit.cell, unit.left_out, orders, sums)
    # All scores sum to 0, so the largest cell, which was not visited, is minus the sum of the others.
    sums[unit.left_out] = -sums.sum(axis=0)
    for h in range(len(found)):
        found[h] = sums[unit.held_cells[:, h]].sum(axis=0) / unit.spread[h]
