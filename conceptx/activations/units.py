"""What one unit's value on one image is: the reductions from a layer's output to images × units.

`default_reduction` and `n_units` answer from a shape alone; `reduce` is the formula; `top_images` ranks one unit's
values. A reduction is named so that it can be recorded beside the values:

================  =========================================================  =====
name              value of a unit                                            shape
================  =========================================================  =====
``value``         the output itself (dense layers)                           (N, U)
``max``           the greatest value over all places (channels are dim 1)    (N, U, H, W)
``mean``          the mean over all places (channels are dim 1)              (N, U, H, W)
``max:last``      the greatest value over all places (channels come last)    (N, H, W, U)
``mean:last``     the mean over all places (channels come last)              (N, H, W, U)
``top:0.1``       the mean over the greatest tenth of all places             (N, U, H, W)
``top:0.1:last``  the same (channels come last)                            (N, H, W, U)
``max``           the greatest value over all tokens                         (N, T, U)
``mean``          the mean over all tokens                                   (N, T, U)
``top:0.1``       the mean over the greatest tenth of all tokens             (N, T, U)
``token:cls``     the value at the first token, the class token              (N, T, U)
================  =========================================================  =====

Any share from above 0 to 1 can follow ``top:``; of n places it takes ceil(share · n).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_CHOICES: dict[int, tuple[str, ...]] = {
    1: ("value",),
    2: ("max", "mean", "token:cls"),
    3: ("max", "mean", "max:last", "mean:last"),
}
_TOP = re.compile(r"top:(?P<share>[0-9]*\.?[0-9]+)(?P<last>:last)?")


def reductions(shape: Sequence[int]) -> tuple[str, ...]:
    """Return the reductions without a number that fit an output of this shape (without the batch dimension).

    The default is the first. Maps whose first two sides are equal and differ from the third have their channels last,
    as those of Swin and ConvNeXt do; all other maps have them first.
    """
    fitting = _CHOICES.get(len(shape), ())
    if len(shape) == 3 and shape[0] == shape[1] != shape[2]:
        return (*fitting[2:], *fitting[:2])
    return fitting


def default_reduction(shape: Sequence[int]) -> str | None:
    """Return the reduction used when none is asked for; None where the output has no units.

    Maps and tokens take the maximum: it needs no knowledge of the architecture (not every token model has a class
    token), and an object that fills a corner of the image counts as much as one that fills all of it.
    """
    return next(iter(reductions(shape)), None)


def n_units(shape: Sequence[int], reduction: str) -> int:
    """Return the number of units of an output of this shape (without the batch dimension)."""
    return int(shape[0] if len(shape) == 3 and not reduction.endswith(":last") else shape[-1])


def checked_reduction(layer: str, shape: Sequence[int], reduction: str | None) -> str:
    """Return the reduction to use for a layer, or say why `reduction` does not fit it."""
    fitting = reductions(shape)
    printed = " × ".join(map(str, shape)) or "a single number"
    if not fitting:
        raise InputError(
            f"layer {layer!r}",
            f"its output per image is {printed}: neither units, nor tokens, nor maps",
            "choose another layer",
        )
    if reduction is None:
        return fitting[0]
    top = _TOP.fullmatch(reduction)
    fits = top is not None and 0 < float(top["share"]) <= 1 and len(shape) >= (3 if top["last"] else 2)
    if reduction not in fitting and not fits:
        choices = [repr(name) for name in fitting] + (["'top:SHARE'"] if len(shape) > 1 else [])
        raise InputError(
            f"layer {layer!r}",
            f"the reduction {reduction!r} does not fit an output of {printed} per image",
            f"choose {' or '.join(choices)}",
        )
    return reduction


def reduce(output: Tensor, reduction: str) -> Tensor:
    """Reduce a layer's output (N, …) to (N, U) as the table at the top says; always a copy, never a view."""
    if reduction == "value":
        return output.clone()
    if reduction == "token:cls":
        return output[:, 0].clone()
    top = _TOP.fullmatch(reduction)
    if top is not None:
        last = output.ndim == 3 or bool(top["last"])
        values = output.flatten(1, -2).transpose(1, 2) if last else output.flatten(2)
        return values.topk(math.ceil(float(top["share"]) * values.shape[2]), dim=2).values.mean(dim=2)
    how, _, channels = reduction.partition(":")
    places = (1,) if output.ndim == 3 else (1, 2) if channels == "last" else (2, 3)
    return output.amax(dim=places) if how == "max" else output.mean(dim=places)


def top_images(values: npt.ArrayLike, k: int) -> npt.NDArray[np.int64]:
    """Return the positions of the `k` greatest of `values` (images,), greatest first, ties in image order.

    >>> top_images([-3.0, -1.0, -2.0, -1.0], 3).tolist()
    [1, 3, 2]
    """
    row = np.asarray(values)
    return np.argsort(-row, kind="stable")[: max(k, 0)].astype(np.int64)
