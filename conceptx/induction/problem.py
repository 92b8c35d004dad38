"""What is searched for: the objective of one unit, as weights of images.

Every objective here is, for an extent X of k images, a constant times ``(offset + sum of q over X) · factor[k]``
(IoU and AUROC up to a rising map), so the searches know only `Target`s. `q` holds whole numbers whose sums stay
below 2^53: float64 adds them exactly in any order, so results do not depend on threads, blocks or the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError, did_you_mean
from conceptx.induction.scores import Bools, Floats, firing, mid_ranks

Objective = Literal["correlation", "cosine", "auroc", "f1", "iou", "mcc", "balanced_accuracy", "coverage"]
OBJECTIVES: tuple[str, ...] = get_args(Objective)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Positive and negative images as boolean arrays; images in neither are left out of every count."""

    positive: Bools
    negative: Bools
    where: str = "problem"

    def __post_init__(self) -> None:
        both = int(np.count_nonzero(self.positive & self.negative))
        if self.positive.shape != self.negative.shape or self.positive.ndim != 1:
            raise ValueError(f"sets of the shapes {self.positive.shape} and {self.negative.shape}")
        if both:
            what = f"{both} image{'s are' if both > 1 else ' is'} both positive and negative"
            raise InputError(self.where, what, "put every image on one side")
        for name, chosen in (("positive", self.positive), ("negative", self.negative)):
            if not chosen.any():
                raise InputError(self.where, f"there is no {name} image", "give at least one image on each side")

    @property
    def used(self) -> Bools:
        """The images that are positive or negative."""
        return np.asarray(self.positive | self.negative)


def problem_from_names(
    images: Sequence[str], positives: Sequence[str], negatives: Sequence[str], where: str = "problem"
) -> Problem:
    """Return the problem of two lists of image names."""
    place = {name: i for i, name in enumerate(images)}
    sides = []
    for names in (positives, negatives):
        side = np.zeros(len(images), dtype=bool)
        for name in names:
            if name not in place:
                mend = did_you_mean(name, place) or "name images of these scenes"
                raise InputError(where, f"image {name!r} is not among the scenes", mend)
            side[place[name]] = True
        sides.append(side)
    return Problem(sides[0], sides[1], where)


def problem_from_values(
    values: npt.ArrayLike, positive_from: float = 0.8, negative_to: float = 0.2, where: str = "problem"
) -> Problem:
    """Return the problem of a unit: values ≥ `positive_from` · maximum against values ≤ `negative_to` · maximum."""
    x = np.asarray(values, dtype=np.float64)
    top = float(x.max()) if x.size else 0.0
    if not top > 0:
        raise InputError(where, "the unit has no value above 0", "choose another unit, or an objective on values")
    return Problem(x >= positive_from * top, x <= negative_to * top, where)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """An objective for the searches: score(X) = (offset + sum of q over X) · factor[k] · scale, k the size of X.

    q: (n,) float64 of whole numbers; `total` is their sum. factor: (n + 1,), shared by the units that it fits, with
    1 / factor concave in k where it is not 0; it is 0 outside of the supported sizes. There 1 / factor, raised to
    `power`, is a + b k + c k², with `polynomial` = (a, b, c).
    """

    objective: str
    q: Floats
    offset: float
    factor: Floats
    scale: float
    total: float
    power: int
    polynomial: tuple[float, float, float]

    def score(self, total: float, size: int) -> float:
        """Return the objective of an extent by the sum of its q and its size."""
        return self.reported((self.offset + total) * float(self.factor[size]))

    def reported(self, searched: float) -> float:
        """Return the objective as users know it for the quantity that the searches raise."""
        scaled = searched * self.scale
        if self.objective == "iou":
            return scaled / (2 - scaled)
        return scaled + 0.5 if self.objective == "auroc" else scaled

    def ceiling(self) -> float:
        """Return the score, as searched, of the best set of images of any size: no expression scores higher."""
        best = np.cumsum(np.sort(self.q)[::-1])
        return max(float(np.max((self.offset + best) * self.factor[1:])), 0.0)


def target(values: npt.ArrayLike, objective: str, min_support: int = 1, positive: Bools | None = None) -> Target | None:
    """Return the target of one unit's values (n,), or None for a constant unit.

    Objectives on counts take `positive`, by default the images on which the unit fires. Extents of fewer than
    `min_support` images, or of all but fewer, get the factor 0.
    """
    if objective not in OBJECTIVES:
        mend = did_you_mean(objective, OBJECTIVES) or f"use one of {', '.join(OBJECTIVES)}"
        raise InputError("objective", f"{objective!r} is not an objective of the search", mend)
    x = np.asarray(values, dtype=np.float64)
    n = x.size
    if n == 0 or x.min() == x.max():
        return None
    offset, scale, p = 0.0, 1.0, 0
    if objective == "correlation":
        q = _fixed_point(x - x.mean())
        q -= round(float(q.sum()) / n)
        scale = math.sqrt(n / float(np.sum(q * q)))
    elif objective == "cosine":
        q = _fixed_point(x)
        scale = 1 / math.sqrt(float(np.sum(q * q)))
    elif objective == "auroc":
        q = 2 * mid_ranks(x) - (n + 1)
    else:
        fires = firing(x) if positive is None else positive
        p = int(np.count_nonzero(fires))
        if objective in ("f1", "iou"):
            q = fires.astype(np.float64)
        elif objective == "coverage":
            q, offset, scale = np.where(fires, 1.0, -1.0), float(n - p), 1 / n
        else:
            q = np.where(fires, float(n - p), float(-p))
            if objective == "mcc":
                scale = 1 / math.sqrt(p * (n - p))
            else:
                offset, scale = float(p * (n - p)), 0.5 / (p * (n - p))
    q.setflags(write=False)
    power, polynomial = _polynomial(objective, n, p)
    factor = _factor(power, polynomial, n, max(min_support, 1))
    return Target(objective, q, offset, factor, scale, float(q.sum()), power, polynomial)


def _polynomial(objective: str, n: int, p: int) -> tuple[int, tuple[float, float, float]]:
    """Return m and (a, b, c) of (1 / factor)^m = a + b k + c k², k the size of an extent, p that of the positives."""
    if objective in ("f1", "iou"):
        return 1, (p / 2, 0.5, 0.0)
    if objective in ("coverage", "balanced_accuracy"):
        return 1, (1.0, 0.0, 0.0)
    if objective == "auroc":
        return 1, (0.0, 2.0 * n, -2.0)
    if objective == "cosine":
        return 2, (0.0, 1.0, 0.0)
    return 2, (0.0, float(n), -1.0)


@lru_cache(maxsize=64)
def _factor(power: int, polynomial: tuple[float, float, float], n: int, min_support: int) -> Floats:
    """Return the factor for every extent size 0 … n; units of equal arguments share one array."""
    a, b, c = polynomial
    k = np.arange(n + 1, dtype=np.float64)
    root = (c * k + b) * k + a
    root = np.sqrt(root) if power == 2 else root
    factor = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    factor[(k < min_support) | (k > n - min_support)] = 0.0
    factor.setflags(write=False)
    return factor


def _fixed_point(x: Floats) -> Floats:
    """Return x scaled to whole numbers of at most 40 bits whose sums stay below 2^52."""
    bits = min(40, 51 - math.ceil(math.log2(x.size + 1)))
    return np.rint(x * (2.0**bits / float(np.abs(x).max())))
