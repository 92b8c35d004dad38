"""Network Dissection (Bau et al. 2017): the class whose places in the images are most like those where a unit fires.

A unit fires where its map is above t, the value that 0.5 % of all its places in all images exceed. The map, enlarged
bilinearly, is compared with the regions of every class: IoU = places of both / places of either, summed over all images
that say where their objects are. The class of the highest IoU is the unit's label, whatever the IoU, as the published
program writes it for every unit; units above 0.04 are what the paper calls detectors.

Maps are streamed: once for the thresholds, which are exact, and once for the overlaps. Nothing of the size of all maps
is ever in memory, and no result depends on how the images were divided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conceptx.comparison.counting import between, count
from conceptx.comparison.labelling import Key, Labelling
from conceptx.comparison.regions import Masks, Regions
from conceptx.errors import InputError
from conceptx.expressions import Expression, Named, contains
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from torch import nn

    from conceptx.activations.maps import MapBlock
    from conceptx.activations.preprocess import Preprocess
    from conceptx.annotation.scenes import Scenes
    from conceptx.images.dataset import ImageSet

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Maps = npt.NDArray[np.float32]

Network = Callable[[], "tuple[nn.Module, Preprocess]"]
"""Gives a run's network and how images become its input, as they were when the activations were recorded."""

TOP = 0.005
DETECTOR = 0.04
_GRID = 112
"""The published annotations have 112 × 112 places; a smaller input has as many as it has pixels."""
_ROOM = 1 << 29
"""So many bytes may hold what is kept of units; more units than fit are done in several passes over the images."""


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Places counted over all images: `both` (units, classes), those of each unit and of each class."""

    both: Ints
    units: Ints
    classes: Ints

    @property
    def iou(self) -> Floats:
        """The places of both over the places of either (units, classes); 0 where there is none."""
        either = self.units[:, None] + self.classes[None, :] - self.both
        return np.asarray(np.divide(self.both, either, out=np.zeros(self.both.shape), where=either > 0))


def netdissect(
    keys: Sequence[Key],
    network: Network,
    images: ImageSet,
    scenes: Scenes,
    *,
    masks: Masks | None = None,
    progress: Progress = silent,
) -> Labelling:
    """Label the units of all layers that have maps; `images` and `scenes` are the same images in the same order.

    What cannot be dissected is refused before any image goes through the network.
    """
    from conceptx.activations.maps import capture_maps

    started = time.perf_counter()
    model, preprocess = network()
    regions = Regions(scenes, images, preprocess, min(_GRID, preprocess.side), masks)
    if masks is None and not regions.has_boxes:
        raise _no_regions()
    layers: list[tuple[str, list[int], int]] = []
    without: list[InputError] = []
    for layer in dict.fromkeys(layer for layer, _ in keys):
        try:
            layers.append((layer, *_channels(model, layer, [unit for name, unit in keys if name == layer], preprocess)))
        except _NoMaps as error:
            without.append(error)
    if not layers:
        raise without[0]
    labels: dict[Key, Expression] = {}
    texts: dict[Key, str] = {}
    detectors = 0
    for layer, channels, size in layers:

        def stream(chosen: Sequence[int], layer: str = layer) -> Iterable[MapBlock]:
            return capture_maps(model, layer, images, preprocess, units=chosen, progress=progress)

        unit_of = dict(zip(channels, (unit for name, unit in keys if name == layer), strict=True))
        for part in _parts(channels, len(images) * size, len(regions.classes)):
            limits = thresholds((block.maps for block in stream(part)), len(images))
            iou = overlaps(((images.ids[p], m) for p, m in _each(stream(part))), limits, regions).iou
            best = np.argmax(iou, axis=1)
            for channel, row, place in zip(part, iou, best.tolist(), strict=True):
                if row[place] > 0:
                    key, name = (layer, unit_of[channel]), regions.classes[place]
                    labels[key] = contains(Named(name))
                    texts[key] = f"{scenes.hierarchy.label(scenes.hierarchy.id(name)) or name} (IoU {row[place]:.3f})"
                    detectors += bool(row[place] > DETECTOR)
    note = f"{detectors} of {len(labels)} labelled units are detectors (IoU > {DETECTOR}); "
    note += f"over {'boxes' if masks is None else 'masks, and boxes where there is none'}"
    if without:
        note += f"; no maps: {', '.join(error.where for error in without)}"
    return Labelling("Network Dissection", labels, texts, time.perf_counter() - started, note)


def thresholds(blocks: Iterable[Maps], n_images: int, top: float = TOP) -> Floats:
    """Return the (1 - top) quantile of each unit's values over all places of all images, interpolated linearly.

    `blocks` are maps (images, units, height, width) of at most `n_images` images. It is exact: only the values that can
    decide it are kept, the greatest `top` of them and one more.
    """
    kept: npt.NDArray[np.float32] | None = None
    waiting: list[npt.NDArray[np.float32]] = []
    count = held = room = 0
    for maps in blocks:
        if not len(maps):
            continue
        places = maps.shape[2] * maps.shape[3]
        values = np.ascontiguousarray(maps.transpose(1, 0, 2, 3)).reshape(maps.shape[1], -1)
        room = _needed(n_images * places, top)
        count += values.shape[1]
        waiting.append(values)
        held += values.shape[1]
        if held >= room:
            kept, waiting, held = _greatest(kept, waiting, room), [], 0
    if not count:
        raise InputError("--method netdissect", "no image can be read", "give images that the network can see")
    greatest = np.sort(_greatest(kept, waiting, room), axis=1).astype(np.float64)
    place = (1.0 - top) * (count - 1)
    low = int(place)
    at = greatest.shape[1] - count + low  # the place among all values, counted from the end, among those kept
    below, above = greatest[:, at], greatest[:, min(at + 1, greatest.shape[1] - 1)]
    return np.asarray(below + (above - below) * (place - low))


def overlaps(maps: Iterable[tuple[str, Maps]], limits: Floats, regions: Regions) -> Overlaps:
    """Count the places of units and classes over images with their maps (units, height, width).

    An image that does not say where its objects are counts for nothing: neither for the classes nor for the units.
    """
    n, n_classes, grid = len(limits), len(regions.classes), regions.grid
    counted = Overlaps(np.zeros((n, n_classes), np.int64), np.zeros(n, np.int64), np.zeros(n_classes, np.int64))
    any_region = False
    for image, values in maps:
        found = regions(image)
        if found is None:
            continue
        any_region = True
        shown, region = found
        counted.classes[shown] += region.sum(axis=1)
        both = np.zeros((n, len(shown)), np.int64)
        rows, columns = between(values.shape[1], grid), between(values.shape[2], grid)
        by_cell = np.ascontiguousarray(region.T, dtype=np.uint8)
        count(np.ascontiguousarray(values), limits, rows, columns, by_cell, counted.units, both)
        counted.both[:, shown] += both
    if not any_region:
        raise _no_regions()
    return counted


def _no_regions() -> InputError:
    what = "no annotation says where in its image an object is"
    return InputError("--method netdissect", what, "bring images with boxes or masks of their objects")


class _NoMaps(InputError):  # noqa: N818 - it is raised to the user as what it is
    """A layer has no maps."""


def _channels(model: nn.Module, layer: str, units: Sequence[str], preprocess: Preprocess) -> tuple[list[int], int]:
    """Return the channels that the units of a layer are, and the places of a map, by one small forward pass."""
    import torch

    from conceptx.activations.layers import capturing
    from conceptx.activations.maps import as_maps

    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    example = torch.zeros((1, 3, preprocess.side, preprocess.side))
    with capturing(model, [layer], lambda _, output: output.new_zeros((1, *output.shape[1:]))) as run:
        output = run(example if weight is None else example.to(weight.device, weight.dtype))[layer]
    try:
        maps = as_maps(layer, output)
    except InputError as error:
        what = f"{error.what}, so Network Dissection has nothing to overlap with the objects"
        raise _NoMaps(error.where, what, "extract a convolutional layer, or leave out --method netdissect") from error
    channels = [int(unit) if unit.isdecimal() else -1 for unit in units]
    wrong = next((unit for unit, c in zip(units, channels, strict=True) if not 0 <= c < maps.shape[1]), None)
    if wrong is not None:
        what = f"unit {wrong!r} is none of its {maps.shape[1]} maps"
        raise InputError(f"layer {layer!r}", what, "extract the layer with one unit a channel")
    return channels, int(maps.shape[2] * maps.shape[3])


def _each(blocks: Iterable[MapBlock]) -> Iterable[tuple[int, Maps]]:
    for block in blocks:
        yield from zip(block.positions, block.maps, strict=True)


def _parts(channels: Sequence[int], values: int, classes: int) -> list[list[int]]:
    """Divide units so that what is kept of each fits into the memory set apart: greatest values, and overlaps."""
    at_once = max(1, _ROOM // max(3 * 4 * _needed(values, TOP), 3 * 8 * classes))
    return [list(channels[start : start + at_once]) for start in range(0, len(channels), at_once)]


def _needed(values: int, top: float) -> int:
    """Return how many of the greatest of so many values, or fewer, can decide the quantile."""
    return values - int((1.0 - top) * (values - 1)) + 1


def _greatest(
    kept: npt.NDArray[np.float32] | None, waiting: Sequence[npt.NDArray[np.float32]], room: int
) -> npt.NDArray[np.float32]:
    every = np.concatenate([*([] if kept is None else [kept]), *waiting], axis=1)
    return every if every.shape[1] <= room else np.partition(every, -room, axis=1)[:, -room:].copy()
