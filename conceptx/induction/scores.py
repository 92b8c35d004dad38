"""Scores of a hypothesis: how well the images of an extent are the images that excite a unit.

Two families of pure functions. On counts (`Counts`): the unit's images are split into positive and negative ones.
On values: the unit's activation on every image, extent as boolean; AUROC and AUPRC take the extent as the truth and
the activation as the ranking. `score_all` gives every score of a table row at once.

Correlation, cosine, F1 and IoU fall when half of the true labels are removed and when as many false ones are added (the
sanity checks of NeuronEval, arXiv 2506.05774); the others need not, and are reported only for comparison. So does the
AUPRC that NeuronEval tests, which takes the unit's firing as the truth; ours, theirs inverted, does too but for labels
of about half of the images.
A ratio 0/0 on counts is 0; a score of constant values or of an empty or full extent is NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Counts(NamedTuple):
    """How an extent meets a split of the images: positives inside (tp) and outside (fn), negatives likewise."""

    tp: int
    fp: int
    fn: int
    tn: int


def count(extent: Bools, positive: Bools, negative: Bools | None = None) -> Counts:
    """Count the images (n,) of each kind; `negative` is every other image unless given."""
    negative = ~positive if negative is None else negative
    tp, fp = int(np.count_nonzero(extent & positive)), int(np.count_nonzero(extent & negative))
    return Counts(tp, fp, int(np.count_nonzero(positive)) - tp, int(np.count_nonzero(negative)) - fp)


def precision(c: Counts) -> float:
    """Return tp / (tp + fp)."""
    return _ratio(c.tp, c.tp + c.fp)


def recall(c: Counts) -> float:
    """Return tp / (tp + fn)."""
    return _ratio(c.tp, c.tp + c.fn)


def f1(c: Counts) -> float:
    """Return 2 tp / (2 tp + fp + fn)."""
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def iou(c: Counts) -> float:
    """Return tp / (tp + fp + fn)."""
    return _ratio(c.tp, c.tp + c.fp + c.fn)


def coverage(c: Counts) -> float:
    """Return (tp + tn) / all: plain accuracy, by which ECII ranks."""
    return _ratio(c.tp + c.tn, sum(c))


def balanced_accuracy(c: Counts) -> float:
    """Return the mean of tp / (tp + fn) and tn / (tn + fp)."""
    return (_ratio(c.tp, c.tp + c.fn) + _ratio(c.tn, c.tn + c.fp)) / 2


def mcc(c: Counts) -> float:
    """Return (tp tn - fp fn) / sqrt((tp+fp)(tp+fn)(tn+fp)(tn+fn)), the correlation of two binary variables."""
    square = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return (c.tp * c.tn - c.fp * c.fn) / math.sqrt(square) if square else 0.0


def correlation(values: npt.ArrayLike, extent: Bools) -> float:
    """Return Pearson's correlation of values (n,) and extent (n,): cov / (sd sd)."""
    x, n, k = _centred(values), extent.size, int(np.count_nonzero(extent))
    spread = float(np.dot(x, x)) * k * (n - k) / n if n else 0.0
    return float(x[extent].sum()) / math.sqrt(spread) if spread > 0 else math.nan


def cosine(values: npt.ArrayLike, extent: Bools) -> float:
    """Return sum of the values inside / sqrt(extent size · sum of squares)."""
    x = np.asarray(values, dtype=np.float64)
    square = float(np.dot(x, x)) * int(np.count_nonzero(extent))
    return float(x[extent].sum()) / math.sqrt(square) if square > 0 else math.nan


class Order(NamedTuple):
    """The order of a unit's values, which many extents share: images from the highest value, the last place of each
    distinct value among them, and mid-ranks (see `mid_ranks`).
    """

    images: Ints
    last: Ints
    ranks: Floats


def order(values: npt.ArrayLike) -> Order:
    """Return the order of values (n,)."""
    x = np.asarray(values, dtype=np.float64)
    images = np.argsort(-x, kind="stable")
    last = np.append(np.flatnonzero(np.diff(x[images])), x.size - 1) if x.size else np.zeros(0, dtype=np.int64)
    sizes = np.diff(last, prepend=-1)
    ranks = np.empty(x.size)
    ranks[images] = np.repeat(x.size - last + (sizes - 1) / 2, sizes)
    return Order(images, last, ranks)


def auroc(values: npt.ArrayLike, extent: Bools, known: Order | None = None) -> float:
    """Return the chance that an image inside has a higher value than one outside, equal values counting half."""
    k, other = int(np.count_nonzero(extent)), int(np.count_nonzero(~extent))
    if not k or not other:
        return math.nan
    ranks = mid_ranks(values) if known is None else known.ranks
    return (float(ranks[extent].sum()) - k * (k + 1) / 2) / (k * other)


def spearman(values: npt.ArrayLike, extent: Bools) -> float:
    """Return Pearson's correlation of the mid-ranks of the values and the extent."""
    return correlation(mid_ranks(values), extent)


def auprc(values: npt.ArrayLike, extent: Bools, known: Order | None = None) -> float:
    """Return the average precision: the sum over distinct values v, from the highest, of
    (recall at v - recall at the value above) · precision at v, where all images of value ≥ v count as found.
    """
    k = int(np.count_nonzero(extent))
    if not k or k == extent.size:
        return math.nan
    images, last, _ = order(values) if known is None else known
    found = np.cumsum(extent[images])[last]
    return float(np.sum(np.diff(found, prepend=0) * found / (last + 1)) / k)


def mid_ranks(values: npt.ArrayLike) -> Floats:
    """Return the ranks 1 … n of the values; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    return ((2 * upper - counts + 1) / 2.0)[inverse]


def firing(values: npt.ArrayLike) -> Bools:
    """Return on which images the unit fires: the split into high and low values that explains most variance.

    Otsu's rule: of all thresholds between distinct values, the one whose upper set has the highest correlation with
    the values (ties: the higher threshold). It has no parameter, needs no zero, and does not change when the values
    are shifted or scaled. No image of a constant unit fires.
    """
    x = _centred(values)
    images = np.argsort(-x, kind="stable")
    ends = np.flatnonzero(np.diff(x[images])) + 1
    if not len(ends):
        return np.zeros(x.size, dtype=bool)
    between = np.cumsum(x[images])[ends - 1] ** 2 / (ends * (x.size - ends) / x.size)
    fires = np.zeros(x.size, dtype=bool)
    fires[images[: ends[np.argmax(between)]]] = True
    return fires


def score_all(
    values: npt.ArrayLike,
    extent: Bools,
    positive: Bools | None = None,
    negative: Bools | None = None,
    known: Order | None = None,
) -> dict[str, float]:
    """Return every score of a hypothesis; the scores on counts take `positive`, by default `firing(values)`."""
    counts = count(extent, firing(values) if positive is None else positive, negative)
    return {
        "correlation": correlation(values, extent),
        "f1": f1(counts),
        "iou": iou(counts),
        "auprc": auprc(values, extent, known),
        "mcc": mcc(counts),
        "balanced_accuracy": balanced_accuracy(counts),
        "coverage": coverage(counts),
        "cosine": cosine(values, extent),
        "auroc": auroc(values, extent, known),
    }


def influence(values: npt.ArrayLike, extent: Bools) -> Floats:
    """Return how much each image (n,) pulls the correlation: z_x z_y - r (z_x² + z_y²) / 2.

    The standard error of r is the standard deviation of this over sqrt(n); that of the difference of two extents'
    correlations with the same values is the standard deviation of the difference over sqrt(n).
    """
    x, y = _centred(values), _centred(extent)
    zx, zy = x / math.sqrt(np.dot(x, x) / x.size), y / math.sqrt(np.dot(y, y) / y.size)
    r = float(np.dot(zx, zy)) / x.size
    return np.asarray(zx * zy - r * (zx**2 + zy**2) / 2, dtype=np.float64)


def _centred(values: npt.ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    return x - x.mean() if x.size else x


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
