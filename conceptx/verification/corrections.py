"""Many tests at once: p-values corrected for how many there are.

All take p-values in any order and give the corrected ones in the same order; NaN (no test) stays NaN and is not
counted. `CORRECTIONS` has them by the name that a protocol uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from conceptx.verification.statistics import Floats


def benjamini_hochberg(p: Sequence[float] | Floats) -> Floats:
    """Return q-values: q₍ᵢ₎ = min over j ≥ i of p₍ⱼ₎·m/j, at most 1. NaN (no test) stays NaN and is not counted."""
    values = np.asarray(p, dtype=np.float64)
    result = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    m = len(order)
    scaled = values[order] * m / np.arange(1, m + 1)
    result[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return result


def holm(p: Sequence[float] | Floats) -> Floats:
    """Return Holm's adjusted p-values: max over j ≤ i of p₍ⱼ₎·(m - j + 1), at most 1. NaN stays NaN, not counted."""
    values = np.asarray(p, dtype=np.float64)
    result = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    m = len(order)
    result[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(m, 0, -1)))
    return result


def benjamini_yekutieli(p: Sequence[float] | Floats) -> Floats:
    """Return Benjamini's and Hochberg's q times Σ 1/i for i = 1 … m, at most 1: valid under any dependence."""
    values = np.asarray(p, dtype=np.float64)
    m = int((~np.isnan(values)).sum())
    return np.minimum(1.0, benjamini_hochberg(values) * float((1 / np.arange(1, m + 1)).sum()))


CORRECTIONS: Mapping[str, Callable[[Sequence[float] | Floats], Floats]] = MappingProxyType(
    {
        "benjamini-hochberg": benjamini_hochberg,
        "benjamini-yekutieli": benjamini_yekutieli,
        "holm": holm,
    }
)
