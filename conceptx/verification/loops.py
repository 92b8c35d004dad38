"""The compiled loops of `statistics`: sums over the distinct values of a unit, without a temporary array.

`target` and `other` (d,) count the images of either kind at each distinct value, in ascending order of the values;
`added` images of either kind are counted beside them at the lowest and at the highest value. The formulas are those of
the functions in `statistics` that call these loops. Machine code is kept on disk by the calling file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.induction.kernels.shared import compiled

Array = npt.NDArray[Any]


@compiled
def counted(group: Array, extent: Array, target: Array) -> int:
    """Add one to ``target[group[i]]`` for each image i of the extent; return how many images it has."""
    n = 0
    for i in range(len(extent)):
        target[group[i]] += extent[i]
        n += extent[i]
    return n


@compiled
def counted_above(values: Array, target: Array, other: Array, threshold: float) -> tuple[int, int]:
    """Return how many targets and how many others have a value greater than the threshold."""
    targets, others = 0, 0
    for k in range(len(values) - 1, -1, -1):
        if not values[k] > threshold:
            break
        targets += target[k]
        others += other[k]
    return targets, others


@compiled
def rank_sums(target: Array, other: Array) -> tuple[float, float, float]:
    """Return U, Σ(t³ - t) and Σ t (r - r̄)³ over the values, with t images at mid-rank r (from 1)."""
    u, ties, third = 0.0, 0.0, 0.0
    below = 0.0
    others = 0.0
    n = 0.0
    for k in range(len(target)):
        n += target[k] + other[k]
    for k in range(len(target)):
        t = float(target[k] + other[k])
        u += target[k] * (others + 0.5 * other[k])
        if t > 1:
            ties += t * t * t - t
        centred = below + 0.5 * (t + 1) - 0.5 * (n + 1)
        third += t * centred * centred * centred
        below += t
        others += other[k]
    return u, ties, third


@compiled
def tied(target: Array, other: Array) -> float:
    """Return Σ(t³ - t) over the values, with t images at each."""
    ties = 0.0
    for k in range(len(target)):
        t = float(target[k] + other[k])
        if t > 1:
            ties += t * t * t - t
    return ties


@compiled
def auroc_sums(target: Array, other: Array, added: float) -> tuple[float, float, float]:
    """Return the AUROC and the variances that the targets and the others contribute to it."""
    d = len(target)
    n1 = n0 = 2 * added
    for k in range(d):
        n1 += target[k]
        n0 += other[k]
    mean1, mean0, square1, square0 = 0.0, 0.0, 0.0, 0.0
    for sweep in range(2):
        below1, below0, sum1, sum0 = 0.0, 0.0, 0.0, 0.0
        for k in range(d):
            extra = added * ((k == 0) + (k == d - 1))
            t, o = target[k] + extra, other[k] + extra
            below1 += t
            below0 += o
            wins = (below0 - o / 2) / n0
            losses = 1 - (below1 - t / 2) / n1
            if sweep == 0:
                sum1 += t * wins
                sum0 += o * losses
            else:
                sum1 += t * (wins - mean1) ** 2
                sum0 += o * (losses - mean0) ** 2
        if sweep == 0:
            mean1, mean0 = sum1 / n1, sum0 / n0
        else:
            square1, square0 = sum1, sum0
    return mean1, _of_mean(square1, n1), _of_mean(square0, n0)


@compiled
def average_precision(target: Array, other: Array) -> float:
    """Return Σ t · precision / n₁ over the values, the highest first."""
    value, hits, found = 0.0, 0.0, 0.0
    for k in range(len(target) - 1, -1, -1):
        hits += target[k]
        found += target[k] + other[k]
        if target[k]:
            value += target[k] * hits / found
    return value / hits


@compiled
def auprc_sums(target: Array, other: Array, added: float) -> tuple[float, float, float]:
    """Return average precision and the variances that the targets and the others contribute to it."""
    d = len(target)
    n1 = n0 = 2 * added
    for k in range(d):
        n1 += target[k]
        n0 += other[k]
    value, whole1, whole0 = 0.0, 0.0, 0.0
    hits, false = 0.0, 0.0
    for k in range(d - 1, -1, -1):
        extra = added * ((k == 0) + (k == d - 1))
        t = target[k] + extra
        hits += t
        false += other[k] + extra
        found = hits + false
        share = t / (found * found)
        value += t * hits / found
        whole1 += share * false
        whole0 += share * hits
    value /= n1
    mean1, mean0, square1, square0 = 0.0, 0.0, 0.0, 0.0
    for sweep in range(2):
        hits, false, above1, above0, sum1, sum0 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(d - 1, -1, -1):
            extra = added * ((k == 0) + (k == d - 1))
            t, o = target[k] + extra, other[k] + extra
            hits += t
            false += o
            found = hits + false
            share = t / (found * found)
            of_target = hits / found + (whole1 - above1)
            of_other = -(n0 / n1) * (whole0 - above0)
            above1 += share * false
            above0 += share * hits
            if sweep == 0:
                sum1 += t * of_target
                sum0 += o * of_other
            else:
                sum1 += t * (of_target - mean1) ** 2
                sum0 += o * (of_other - mean0) ** 2
        if sweep == 0:
            mean1, mean0 = sum1 / n1, sum0 / n0
        else:
            square1, square0 = sum1, sum0
    return value, _of_mean(square1, n1), _of_mean(square0, n0)


@compiled
def pearson(values: Array, target: Array, other: Array, added: float) -> tuple[float, float, float, float]:
    """Return Pearson's r, and the scale, the origin and the spread by which it put the values; NaN without a spread.

    A value v becomes (v · scale - lowest) - mean. The scale is a power of two, which is exact, so that neither huge nor
    tiny values are lost; counting from the lowest keeps the digits of values that have a large part in common.
    """
    d = len(target)
    n1 = n0 = 2 * added
    largest = max(abs(values[0]), abs(values[d - 1]))
    scale = 1.0
    if largest > 0:
        scale = math.ldexp(1.0, -min(1022, max(-1022, math.frexp(largest)[1])))
    lowest = values[0] * scale
    total = 0.0
    for k in range(d):
        n1 += target[k]
        n0 += other[k]
        total += (target[k] + other[k]) * (values[k] * scale - lowest)
    n = n1 + n0
    mean = (total + 2 * added * (values[d - 1] * scale - lowest)) / n
    squares, of_target = 0.0, 0.0
    for k in range(d):
        x = values[k] * scale - lowest - mean
        squares += (target[k] + other[k]) * x * x
        of_target += target[k] * x
    for k in (0, d - 1):
        x = values[k] * scale - lowest - mean
        squares += 2 * added * x * x
        of_target += added * x
    spread = math.sqrt(squares / n)
    if spread == 0:  # distinct values whose squares are too small to be told from 0
        return math.nan, scale, mean, spread
    return min(1.0, max(-1.0, of_target / (spread * math.sqrt(n1 * n0)))), scale, mean, spread


@compiled
def correlation_sums(values: Array, target: Array, other: Array, added: float) -> tuple[float, float, float]:
    """Return Pearson's r and the variances that the targets and the others contribute to it; NaN without a spread."""
    r, scale, mean, spread = pearson(values, target, other, added)
    if spread == 0:
        return math.nan, math.nan, math.nan
    n1 = n0 = 2 * added
    for k in range(len(target)):
        n1 += target[k]
        n0 += other[k]
    yes, no = math.sqrt(n0 / n1), -math.sqrt(n1 / n0)
    lowest = values[0] * scale
    square1, square0 = 0.0, 0.0
    for k in range(len(target)):
        extra = added * ((k == 0) + (k == len(target) - 1))
        x = (values[k] * scale - lowest - mean) / spread
        square1 += (target[k] + extra) * (x * yes - r / 2 * (x * x + yes * yes)) ** 2
        square0 += (other[k] + extra) * (x * no - r / 2 * (x * x + no * no)) ** 2
    n = n1 + n0
    return r, square1 / n**2, square0 / n**2


@compiled
def score_end(value: float, factor: float, inner: float, lower: bool) -> float:
    """Return the θ below (or above) `value` at which |θ - value| = √(factor θ(1-θ)(1 + inner g(θ))), by bisection.

    g(θ) = (1-θ)/(2-θ) + θ/(1+θ). At θ = 0 and 1 the right side is 0, so a value there solves the equation itself; the
    end sought is the other solution.
    """
    if (lower and value <= 0) or (not lower and value >= 1):
        return value
    if lower:
        out, near = 0.0, min(value, 1 - 1e-9)
    else:
        out, near = 1.0, max(value, 1e-9)
    for _ in range(60):
        theta = 0.5 * (out + near)
        variance = factor * theta * (1 - theta) * (1 + inner * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        if abs(theta - value) > math.sqrt(max(0.0, variance)):
            out = theta
        else:
            near = theta
    return 0.5 * (out + near)


@compiled
def _of_mean(squares: float, n: float) -> float:
    """Return the variance of a weighted mean, Σ w (x - x̄)² / (n(n-1))."""
    return squares / (n * (n - 1)) if n > 1 else np.nan
