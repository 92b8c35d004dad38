"""Measures that need a threshold, a second variable or a bound: F1 and IoU, partial correlation, exact bounds.

All are pure functions; intervals have level 95 % where nothing else is said.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from conceptx.verification.statistics import LEVEL, UNKNOWN, Bools, Estimate, Floats, Values, wilson


class Overlap(NamedTuple):
    """How far the images on which a unit fires are those of an extent; `n_either` is the n of both."""

    iou: Estimate
    f1: Estimate
    n_either: int


def overlap(fires: Bools, extent: Bools) -> Overlap:
    """Return IoU = |both| / |either| and F1 = 2 IoU / (1 + IoU) of two sets of images.

    Of the images in either set, those in both are a binomial count whatever images are in neither, so IoU has Wilson's
    interval with n = |either|; F1 grows with IoU, so its interval is that one's, transformed.
    """
    both, either = int((fires & extent).sum()), int((fires | extent).sum())
    iou = wilson(both, either)
    if not either:
        return Overlap(UNKNOWN, UNKNOWN, 0)
    return Overlap(iou, Estimate(*(2 * x / (1 + x) for x in iou)), either)


def clopper_pearson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact interval of a share: quantiles of Beta(h, n-h+1) and Beta(h+1, n-h)."""
    if n == 0:
        return math.nan, math.nan
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(special.betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(special.betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def auroc_bound(value: float, n_target: int, n_other: int, tests: int = 1) -> tuple[float, float]:
    """Return bounds on the AUROC over all images, whatever their distribution, that hold for `tests` AUROCs at once.

    One target more or less moves AUROC by at most 1/n₁, one other by 1/n₀. By McDiarmid's inequality
    ``|AUROC - true| ≤ √((1/n₁ + 1/n₀) ln(2 tests / δ) / 2)`` with probability 1 - δ, δ = 5 %, for independent images.
    """
    if not n_target or not n_other or math.isnan(value):
        return math.nan, math.nan
    width = math.sqrt((1 / n_target + 1 / n_other) * math.log(2 * max(tests, 1) / (1 - LEVEL)) / 2)
    return max(0.0, value - width), min(1.0, value + width)


def pearson(x: Values, y: Values) -> float:
    """Return Pearson's correlation of two variables; NaN where one is constant."""
    a, b = _centred(x), _centred(y)
    size = math.sqrt(float(a @ a) * float(b @ b))
    return min(1.0, max(-1.0, float(a @ b) / size)) if size > 0 else math.nan


def partial_correlation(xy: float, xz: float, yz: float) -> float:
    """Return the correlation of x and y at equal z: (r_xy - r_xz r_yz) / √((1 - r_xz²)(1 - r_yz²))."""
    rest = (1 - xz * xz) * (1 - yz * yz)
    return (xy - xz * yz) / math.sqrt(rest) if rest > 1e-12 else math.nan


def correlation_change(values: Values, first: Bools, second: Bools) -> Estimate:
    """Return r(first, values) - r(second, values) on the same images, with the interval of the difference.

    Both correlations vary together from sample to sample; the variance is that of the difference of their influence
    functions, zₓz_y - r(zₓ² + z_y²)/2, over the images: Σ (I₁ - I₂)² / n². The interval is normal.
    """
    one, other = _influence(values, first), _influence(values, second)
    if one is None or other is None:
        return UNKNOWN
    difference = one[0] - other[0]
    width = float(special.ndtri((1 + LEVEL) / 2)) * float(np.linalg.norm(one[1] - other[1])) / len(values)
    return Estimate(difference, difference - width, difference + width)


def _influence(values: Values, extent: Bools) -> tuple[float, Floats] | None:
    """Return r and its influence function (n,), or None where r does not exist."""
    x, y = _centred(extent), _centred(values)
    n = len(x)
    if not n or not x.any() or not y.any():
        return None
    x /= math.sqrt(float(x @ x) / n)
    y /= math.sqrt(float(y @ y) / n)
    r = float(x @ y) / n
    return r, x * y - r / 2 * (x * x + y * y)


def _centred(x: Values | Bools) -> Floats:
    wide = np.asarray(x, dtype=np.float64)
    if len(wide) and (wide == wide[0]).all():
        return np.zeros(len(wide))
    return wide - wide.mean() if len(wide) else wide
