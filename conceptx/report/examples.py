"""Which images a report shows for a unit, and which objects it frames on them.

`Examples` answers for the units of a layer. `Pictures` knows the objects of every image; `choose` picks the images that
speak for an explanation and those that speak against it; `distribution` counts the unit's values on both groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptx.activations.store import Activations
from conceptx.annotation.scenes import Scenes, holds
from conceptx.errors import InputError
from conceptx.expressions import CONTAINS, And, Count, Expression, Not, Only, Or, Some
from conceptx.induction.extents import Evaluator
from conceptx.report.records import Box, Distribution, Example, ReportInput
from conceptx.report.text import clean
from conceptx.tables import SPLITS
from conceptx.verification.counterexamples import against, levels

HELD_OUT = ("evaluation", "verification")

N_TOP = 8
N_AGAINST = 4
_N_BINS = 24
_MAX_LABELS = 12
_KEPT = 64
"""Classes of objects whose members are remembered."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Against = tuple[Sequence[str], Sequence[str]]
"""The images that speak against an explanation: matching ones that are silent, and unexpected ones."""


def choose(values: Floats, matches: Bools | None) -> tuple[list[int], list[int], list[int]]:
    """Return indices of the highest images, of matching images that do not fire, and of firing ones that do not match.

    Equal values stay in the order of the images.
    """
    top = strongest(levels(values))
    if matches is None:
        return top, [], []
    silent, unexpected = against(values, matches)
    return top, silent[:N_AGAINST], unexpected[:N_AGAINST]


def strongest(level: npt.NDArray[np.float64]) -> list[int]:
    """Return the places of the highest levels, of equal ones the first."""
    return _lowest(-level, np.arange(len(level)), N_TOP)


def _lowest(key: npt.NDArray[np.float64], among: npt.NDArray[np.intp], n: int) -> list[int]:
    """Return the `n` places among some (rising) with the lowest keys, in order; of equal ones the first.

    Nothing is sorted but what can be among them.
    """
    mine = key[among]
    if len(mine) > n:
        near = mine <= np.partition(mine, n - 1)[n - 1]
        among, mine = among[near], mine[near]
    return [int(i) for i in among[np.argsort(mine, kind="stable")[:n]]]


def distribution(values: Floats, matches: Bools, splits: Sequence[str]) -> Distribution | None:
    """Return the histogram of both groups over common bins, or None where there are no images."""
    if not len(values):
        return None
    low, high = min(0.0, float(values.min())), float(values.max())
    if high <= low:
        high = low + 1.0

    def counted(part: Floats) -> tuple[int, ...]:
        return tuple(int(n) for n in np.histogram(part.astype(np.float64), bins=_N_BINS, range=(low, high))[0])

    def quartiles(part: Floats) -> tuple[float, ...]:
        return tuple(round_value(float(q)) for q in np.quantile(part, (0.25, 0.5, 0.75))) if len(part) else ()

    target, other = values[matches], values[~matches]
    return Distribution(
        tuple(splits),
        round_value(low),
        round_value(high),
        counted(target),
        counted(other),
        quartiles(target),
        quartiles(other),
    )


def round_value(value: float) -> float:
    """Return an activation with the six digits that a float32 can be trusted for."""
    return float(f"{value:.6g}")


def framed_parts(expression: Expression, wanted: bool = True) -> list[tuple[Expression, bool]]:
    """Return the classes of objects that an expression names, each with whether it wants them or excludes them."""
    match expression:
        case Not(inner):
            return framed_parts(inner, not wanted)
        case And(operands) | Or(operands):
            return [part for operand in operands for part in framed_parts(operand, wanted)]
        case Some(role, filler) if role == CONTAINS:
            return [(filler, wanted)]
        case Count(kind, _, role, filler) if role == CONTAINS:
            return [(filler, wanted if kind != "max" else not wanted)]
        case Only(role, filler) if role == CONTAINS:
            return [(Not(filler), not wanted)]
        case _:
            return []


class Examples:
    """Chooses the example images of the units of one layer: the strongest among the held-out ones.

    Without splits every image counts as held out.
    """

    def __init__(self, activations: Activations, inputs: ReportInput, pictures: Pictures, evaluator: Evaluator) -> None:
        columns = (inputs.images[name].to_pylist() for name in ("image", "split"))
        split_of: dict[str, str | None] = dict(zip(*columns, strict=True))
        self._images = activations.images
        self._splits = [split_of.get(image) for image in self._images]
        held_out = [i for i, split in enumerate(self._splits) if split in HELD_OUT]
        self._values = activations.values
        self._places = np.array(held_out or range(len(self._images)), dtype=np.intp)
        shown = {self._splits[i] for i in self._places}
        self._names = [name for name in SPLITS if name in shown]
        self._place_of = {image: i for i, image in enumerate(self._images)}
        of_scene = {image: i for i, image in enumerate(inputs.scenes.images)}
        self._in_scenes = np.array([of_scene.get(image, -1) for image in self._images], dtype=np.intp)
        self._evaluator = evaluator
        self._pictures = pictures

    def of(self, k: int, expression: Expression | None, known: Against | None = None) -> dict[str, Any]:
        """Return `top`, `missed`, `unexpected` and `distribution` of unit `k` beside an expression.

        `known` are the counter-examples as the verification ranked them; levels are then shares of the unit's range
        over all images, as there. Without them they are chosen among the held-out images, and so are levels.
        """
        values = np.asarray(self._values[k]).astype(np.float32)
        held_out = values[self._places]
        matches = None if expression is None else self._held(expression)
        parts = [] if expression is None or matches is None else self._pictures.members(expression)
        if known is None:
            level = np.zeros(len(values))
            level[self._places] = levels(held_out)
            groups = [
                self._places[group] for group in choose(held_out, None if matches is None else matches[self._places])
            ]
        else:
            level = levels(values)
            found = [[self._place_of[image] for image in group if image in self._place_of] for group in known]
            groups = [self._places[strongest(level[self._places])], *map(np.array, found)]

        def example(i: int) -> Example:
            holds = None if matches is None else bool(matches[i])
            shown = self._images[i], self._splits[i], float(values[i]), float(level[i])
            return self._pictures.example(*shown, holds, parts)

        named = zip(("top", "missed", "unexpected"), groups, strict=True)
        made: dict[str, Any] = {name: tuple(example(int(i)) for i in group) for name, group in named}
        if matches is None:
            return made | {"distribution": None}
        return made | {"distribution": distribution(held_out, matches[self._places], self._names)}

    def _held(self, expression: Expression) -> Bools | None:
        """Return for which images the expression holds, or None where that cannot be said."""
        if not len(self._in_scenes) or self._in_scenes.min() < 0:
            return None
        try:
            return self._evaluator.held(expression)[self._in_scenes]
        except InputError:
            return None


class Pictures:
    """The annotated objects of every image, ready to be framed."""

    def __init__(self, images: pa.Table, objects: pa.Table, scenes: Scenes) -> None:
        sizes = (images[name].to_pylist() for name in ("image", "width", "height"))
        self._size = {image: (w, h) for image, w, h in zip(*sizes, strict=True)}
        columns = [objects[name].to_pylist() for name in ("image", "object", "label", "x", "y", "w", "h")]
        self._rows: dict[str, list[tuple[str, str, tuple[float | None, ...]]]] = {}
        for image, name, label, *box in zip(*columns, strict=True):
            self._rows.setdefault(image, []).append((name, label, tuple(box)))
        self._individual = _objects_of(scenes)
        self._holds = lru_cache(_KEPT)(lambda part: holds(part, scenes))

    def example(
        self,
        image: str,
        split: str | None,
        value: float,
        level: float,
        matches: bool | None,
        parts: Sequence[tuple[Bools, bool]],
    ) -> Example:
        """Return one image with boxes on the objects that belong to `parts` (members among all individuals)."""
        rows = self._rows.get(image, [])
        labels = tuple(dict.fromkeys(clean(label) for _, label, _ in rows))[:_MAX_LABELS]
        width, height = self._size.get(image, (None, None))
        boxes: dict[str, Box] = {}
        for name, label, (x, y, w, h) in rows:
            index = self._individual.get((image, name))
            if index is None or name in boxes or not width or not height:
                continue
            if x is None or y is None or w is None or h is None:
                continue
            framed = [wanted for members, wanted in parts if members[index]]
            if framed:
                frame = _inside(x / width, y / height, w / width, h / height)
                left, top, wide, tall = (round(share, 4) for share in frame)
                boxes[name] = Box(left, top, wide, tall, clean(label), any(framed))
        return Example(clean(image), split, round_value(value), round(level, 4), matches, labels, tuple(boxes.values()))

    def members(self, expression: Expression) -> list[tuple[Bools, bool]]:
        """Return for every class of objects that an expression names its members among all individuals."""
        return [(self._holds(part), wanted) for part, wanted in framed_parts(expression)]


def _inside(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    """Cut a box to the image."""
    left, top = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    right, bottom = min(max(x + w, left), 1.0), min(max(y + h, top), 1.0)
    return left, top, right - left, bottom - top


def _objects_of(scenes: Scenes) -> dict[tuple[str, str], int]:
    """Return the number of the individual for each (image, object); individuals are named ``image#object``."""
    found = {}
    for i in range(scenes.n_images, scenes.n_individuals):
        parts = scenes.individuals[i].split("#")
        if len(parts) == 2:
            found[_unescape(parts[0]), _unescape(parts[1])] = i
    return found


def _unescape(text: str) -> str:
    return text.replace("%23", "#").replace("%25", "%")
