"""Resampled statistics once more: whole matrices of resamples times images, in double precision, without binary tricks.

Formulas are those of the documentation; nothing is shared with `verification.resampling` but these and the draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]

GROUPS = 64
"""AUROC and AUPRC of resamples tell at most so many groups of values apart."""


def groups_of(values: Floats) -> Ints:
    """Return each image's group of values (n,), the lowest 0: one a distinct value, or the groups of the method.

    With more than `GROUPS` distinct values, a value's group is decided by how many images are above it (those with the
    same value half): limits stand at every 32nd of the images, and at 32 equal factors from 1 to n.
    """
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) <= GROUPS:
        return place.astype(np.int64)
    n = len(values)
    ordered = np.sort(values)
    below = np.searchsorted(ordered, distinct, side="left")
    not_above = np.searchsorted(ordered, distinct, side="right")
    above = (n - not_above) + (not_above - below) / 2
    half = GROUPS // 2
    limits = {n * k / half for k in range(1, half)} | set(np.geomspace(1, n, half, endpoint=False).tolist())
    passed = np.searchsorted(np.array(sorted(limits)), above, side="right")
    return np.unique(-passed, return_inverse=True)[1].astype(np.int64)[place]


def rank_measures(groups: Ints, extents: Sequence[Bools], drawn: Counts) -> list[tuple[Floats, Floats]]:
    """Return AUROC and average precision of each extent in each resample; NaN without targets or others.

    drawn: (resamples, n), how often each image was drawn. Sums of whole numbers are exact.
    """
    from scipy import sparse

    size = int(groups.max()) + 1 if len(groups) else 1
    # One row for each group of all images, then of each extent's: which images belong to it.
    images = [np.arange(len(groups)), *map(np.flatnonzero, extents)]
    rows = np.concatenate([k * size + groups[of] for k, of in enumerate(images)])
    places = np.concatenate(images)
    member = sparse.csr_array((np.ones(len(rows)), (rows, places)), shape=(len(images) * size, len(groups)))
    every, *targets = np.split((member @ drawn.T).T, len(images), axis=1)
    found = []
    for target in targets:
        other = every - target
        n1, n0 = target.sum(axis=1), other.sum(axis=1)
        wins = (target * (np.cumsum(other, axis=1) - other / 2)).sum(axis=1)
        hits = np.cumsum(target[:, ::-1], axis=1)
        reached = np.cumsum(every[:, ::-1], axis=1)
        precision = (target[:, ::-1] * hits / np.maximum(reached, 1)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            both = (n1 > 0) & (n0 > 0)
            found.append((np.where(both, wins / (n1 * n0), np.nan), np.where(both, precision / n1, np.nan)))
    return found


def correlations(values: Floats, extents: Sequence[Bools], drawn: Counts) -> list[Floats]:
    """Return Pearson's correlation of each extent and the values in each resample; NaN where there is none.

    A resample whose variance is at most n/2²⁴ of its mean square counts as one value: the run's sums are in single
    precision, which cannot tell it from 0.
    """
    x = (values - values.mean()) / (values.std() or 1.0)
    inside = [extent.astype(np.float64) for extent in extents]
    columns = np.stack([np.ones(len(x)), x, x**2, *inside, *(of * x for of in inside)])
    n, *sums = columns @ drawn.T
    mean, square, *rest = (of / n for of in sums)
    variance = square - mean**2
    varies = variance > n / 2**24 * square
    found = []
    for share, together in zip(rest[: len(extents)], rest[len(extents) :], strict=True):
        with np.errstate(invalid="ignore", divide="ignore"):
            r = (together - share * mean) / np.sqrt(variance * share * (1 - share))
        found.append(np.where(varies & (share > 0) & (share < 1), r, np.nan))
    return found


def interval(value: float, sample: float, resampled: Floats, least: float) -> tuple[float, float]:
    """Return value + the 2.5 % and the 97.5 % quantile of (resample - sample), cut to what the measure can be."""
    known = resampled[~np.isnan(resampled)] - sample
    if len(known) < 2 or math.isnan(value):
        return math.nan, math.nan
    low, high = np.quantile(known, (0.025, 0.975))
    return max(least, value + float(low)), min(1.0, value + float(high))


def permuted_z(values: Floats, extents: Sequence[Bools], orders: npt.NDArray[np.int32]) -> list[tuple[float, Floats]]:
    """Return of each extent z = Σ over targets of (2r - n - 1) / σ with mid-ranks r, observed and permuted.

    σ² = n₁n₀ Σ(2r - n - 1)² / (n(n - 1)); NaN where it is 0.
    """
    n = len(values)
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    scores = (below + not_above - n).astype(np.float64)
    given_to = orders.T
    found = []
    for extent in extents:
        n1 = int(extent.sum())
        spread = math.sqrt(n1 * (n - n1) * float(scores @ scores) / (n * max(n - 1, 1)))
        if not spread:
            found.append((math.nan, np.full(len(orders), math.nan)))
            continue
        # All scores together are 0, and sums of whole numbers are exact: the smaller side tells that of the other.
        side, sign = (extent, 1.0) if 2 * n1 <= n else (~extent, -1.0)
        permuted = sign * scores[given_to[side]].sum(axis=0)
        found.append((float(scores[extent].sum()) / spread, permuted / spread))
    return found


def p_of(observed: float, permuted: Floats) -> tuple[float, float]:
    """Return the least and the largest (1 + b)/(1 + m): two sums closer than 1 in a million may count as equal or not.

    b of m permutations have a |z| of at least the observed one.
    """
    size = np.abs(permuted)
    return tuple(  # type: ignore[return-value]
        (1 + int((size >= abs(observed) * limit).sum())) / (1 + len(size)) for limit in (1 - 5e-7, 1 - 2e-6)
    )


def max_t_of(pairs: Sequence[tuple[float, Floats]]) -> list[tuple[float, float]]:
    """Return the same of the step-down max-T p of every pair (observed, permuted).

    The k-th largest |z| is compared with the largest |z| of each permutation over this pair and all after it; no p is
    below that of the pair before.
    """
    order = sorted(range(len(pairs)), key=lambda i: -abs(pairs[i][0]))
    found: dict[int, tuple[float, float]] = {}
    largest = np.zeros(len(pairs[0][1]) if pairs else 0)
    for i in reversed(order):
        largest = np.maximum(largest, np.abs(pairs[i][1]))
        found[i] = p_of(pairs[i][0], largest)
    low = high = 0.0
    for i in order:
        low, high = max(low, found[i][0]), max(high, found[i][1])
        found[i] = low, high
    return [found[i] for i in range(len(pairs))]
