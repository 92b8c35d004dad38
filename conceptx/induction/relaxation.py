"""Bounds by relaxation: a threshold on the objective becomes a threshold on a sum of whole weights of images.

Every objective is (o + Q(X)) / s(|X|) with Q a sum over images and s concave (see `problem.Target`, s = 1 / factor).
So an extent X of k images, k in a bracket [k1, k2], can only score above t if

    W(X) = sum over X of (q - λ)  >  θ = min(t s(k1) - λ k1, t s(k2) - λ k2) - o,       for any λ,

because t s(k) - λ k is concave in k and therefore lowest at an end of the bracket. `brackets` cuts the sizes so that
little is lost, with λ the slope of the chord; where s is a line one bracket loses nothing. W is *modular*: sums over
unions and intersections follow from sums over cells, and a set cannot have more than the sum of its positive weights.

The searches need W of very many intersections. `arrange` lays images of nearly the same q side by side, in lanes of
up to 16, and gives a lane the highest q in it; that raises W a little, so bounds stay bounds, and an intersection
costs one bit count and one multiplication a lane, in vector instructions. `weigh` makes the weights whole numbers of
15 bits. Where q has two values (F1, IoU, MCC, accuracies) both steps lose nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from conceptx.induction.problem import Target

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LANE = 16
"""Images a lane."""
_VECTOR = 64
"""Lanes come in multiples of this, or of half of it where few are needed: what compiled loops take at a time."""
_RATIO = 1.6
"""The sizes of a bracket differ by up to this factor, counted from the nearer of 0 and all images."""
_HEAVIEST = 32_000
_SUM = 1 << 29


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each image is: slot s is bit s % 16 of lane s // 16; images in no slot have -1.

    `high` and `low` hold the highest and the lowest q of each lane (0 in empty lanes), `filled` the used bits.
    `q` is the exact value in each slot.
    """

    slot: Ints
    high: Floats
    low: Floats
    filled: npt.NDArray[np.uint16]
    q: Floats


@dataclass(frozen=True, slots=True)
class Bracket:
    """Sizes least … most, and the slope of the chord of s between them: λ is t times it."""

    least: int
    most: int
    slope: float


@dataclass(frozen=True, slots=True)
class Weights:
    """Whole weights a lane: `high` is at least scale · (q - λ) on all its images, `low` at most; λ as rounded."""

    high: npt.NDArray[np.int16]
    low: npt.NDArray[np.int16]
    scale: float
    slope: float


def arrange(q: Floats) -> Layout:
    """Lay out images by q, the highest first, in at least n / 16 + 32 lanes of as equal q as possible."""
    from conceptx.induction.kernels.lanes import cut

    n = len(q)
    order = np.argsort(-q, kind="stable")
    ranked = q[order]
    lane = np.zeros(n, dtype=np.int64)
    most = -(-(n // LANE + 32) // _VECTOR) * _VECTOR
    used = cut(ranked, 0.0, LANE, lane)
    if used > most:
        width, step = 0.0, float(ranked[0] - ranked[-1])
        for _ in range(24):
            step /= 2
            if cut(ranked, width + step, LANE, lane) > most:
                width += step
        used = cut(ranked, width + step, LANE, lane)
    vector = _VECTOR if used == most else _VECTOR // 2
    lanes = -(-max(used, 1) // vector) * vector
    starts = np.searchsorted(lane, np.arange(lanes + 1))
    slots = lane * LANE + np.arange(n) - starts[lane]
    slot = np.empty(n, dtype=np.int64)
    slot[order] = slots
    high, low, exact = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes * LANE)
    full = np.diff(starts) > 0
    high[full], low[full] = ranked[starts[:-1][full]], ranked[starts[1:][full] - 1]
    exact[slots] = ranked
    filled = ((1 << np.diff(starts)) - 1).astype(np.uint16)
    return Layout(slot, high, low, filled, exact)


def brackets(target: Target) -> list[Bracket]:
    """Cut the sizes that the target supports into brackets on which s is nearly a line."""
    sizes = np.flatnonzero(target.factor)
    if not len(sizes):
        return []
    n, s = len(target.factor) - 1, 1 / target.factor[sizes]
    first, last = int(sizes[0]), int(sizes[-1])
    chord = s[0] + (s[-1] - s[0]) * (sizes - first) / max(last - first, 1)
    if np.all(np.abs(s - chord) <= 1e-9 * s.max()):
        edges = [first, last]
    else:
        lower = [first]
        while lower[-1] * _RATIO + 1 < n / 2:
            lower.append(int(lower[-1] * _RATIO) + 1)
        upper = [n - k for k in lower if n - k <= last]
        edges = sorted({k for k in (*lower, n // 2, *upper, last) if first <= k <= last})
    if len(edges) == 1:
        edges = edges * 2
    return [_bracket(target, a, b) for a, b in pairwise(edges)]


def halves(target: Target, bracket: Bracket) -> tuple[Bracket, ...]:
    """Cut a bracket in the middle: each half loses a quarter of what the whole does.

    There are no halves where nothing is lost. A single size loses nothing, and neither does s where it is a line.
    """
    middle = (bracket.least + bracket.most) // 2
    first, inside, last = (1 / target.factor[[bracket.least, middle, bracket.most]]).tolist()
    chord = first + bracket.slope * (middle - bracket.least)
    if bracket.least == bracket.most or abs(inside - chord) <= 1e-9 * max(first, last):
        return ()
    return _bracket(target, bracket.least, middle), _bracket(target, middle + 1, bracket.most)


def _bracket(target: Target, least: int, most: int) -> Bracket:
    """Return a bracket with the slope of its chord; for a single size that of the sizes beside it."""
    first, last = least, most
    if first == last:
        sizes = np.flatnonzero(target.factor)
        first, last = max(first - 1, int(sizes[0])), min(last + 1, int(sizes[-1]))
    rise = 1 / float(target.factor[last]) - 1 / float(target.factor[first])
    return Bracket(least, most, rise / max(last - first, 1))


def threshold(target: Target, bracket: Bracket, slope: float, score: float) -> float:
    """Return θ: an extent with a size in the bracket and a higher score has W(X) > θ."""
    ends = [score / float(target.factor[k]) - slope * k for k in (bracket.least, bracket.most)]
    return min(ends) - target.offset


def highest(target: Target, slope: float, score: float) -> float:
    """Return what W of any extent is at most that scores at most `score`, or has a size without support."""
    supported = np.flatnonzero(target.factor)
    inside = score / target.factor[supported] - slope * supported - target.offset
    weights = np.sort(target.q - slope)[::-1]
    running = np.concatenate([[0.0], np.cumsum(weights)])
    others = np.delete(running, supported)
    return float(max(inside.max(), others.max(initial=-math.inf)))


def weigh(layout: Layout, slope: float) -> Weights:
    """Return weights of the lanes for a slope; they are exact for q of two values where the scale allows it.

    Upper weights of 0 become 1, so that only an empty set has no weight at all on either side.
    """
    spread = max(float(np.abs(layout.high - slope).max()), float(np.abs(layout.low - slope).max()), 1e-300)
    filled = np.bitwise_count(layout.filled).astype(np.float64)
    mass = float(np.sum(filled * np.maximum(np.abs(layout.high - slope), np.abs(layout.low - slope))))
    # a power of two keeps q of few bits exact
    scale = 2.0 ** math.floor(math.log2(min(_HEAVIEST / spread, _SUM / max(mass, 1e-300))))
    rounded = round(slope * scale)
    used = layout.filled > 0
    high = np.ceil(layout.high * scale) - rounded
    high = np.where(used, np.where(high == 0, 1, high), 0).astype(np.int16)
    low = np.where(used, np.floor(layout.low * scale) - rounded, 0).astype(np.int16)
    return Weights(high, low, scale, rounded / scale)


def middling(layout: Layout) -> tuple[npt.NDArray[np.int16], float]:
    """Return whole weights near the middle q of each lane, and what one of them is worth."""
    middle = (layout.high + layout.low) / 2
    filled = np.bitwise_count(layout.filled).astype(np.float64)
    mass = max(float(np.sum(filled * np.abs(middle))), 1e-300)
    scale = 2.0 ** math.floor(math.log2(min(_HEAVIEST / max(float(np.abs(middle).max()), 1e-300), _SUM / mass)))
    return np.rint(middle * scale).astype(np.int16), 1 / scale


def slack(layout: Layout, weight: npt.NDArray[np.int16], worth: float, factor: Floats) -> float:
    """Return how far a score from `middling` weights may be off: four standard deviations, or -1 where they are exact.

    The values of a lane are spread evenly over its width w, so the sum over k images is off by √k · rms(w) / √12, over
    all but k images too; the score by that times the factor, at its worst size.
    """
    if np.array_equal(weight * worth, layout.high) and np.array_equal(layout.high, layout.low):
        return -1.0
    images = np.bitwise_count(layout.filled).astype(np.float64)
    width = math.sqrt(float(images @ (layout.high - layout.low + worth) ** 2) / max(float(images.sum()), 1.0))
    k = np.arange(len(factor))
    return 4 * width / math.sqrt(12) * float(np.max(np.sqrt(np.minimum(k, len(factor) - 1 - k)) * factor))
