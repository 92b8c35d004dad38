"""Resize, crop and scale in compiled loops: the bits of `Preprocess`, in less than half of its time.

`Preparer` turns images into a model's input. It does what Pillow's resampling does (weights of 22 bits, one direction
after the other, rounded to bytes in between), but only for the pixels that the crop keeps. Which direction comes first
is Pillow's secret and differs between its versions, so the first image of every size is prepared by Pillow too: the
order that gave the same bytes is used from then on, and where neither did, Pillow does this size for good.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from conceptx.activations.machine_code import compiled
from conceptx.activations.preprocess import Preprocess

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

_BITS = 22
_MOST_SIZES = 100_000
_LONGEST = 20_000
"""Longer sides go through Pillow: their weights would need more memory than the picture."""


def _bilinear(x: float) -> float:
    x = abs(x)
    return 1.0 - x if x < 1.0 else 0.0


def _bicubic(x: float) -> float:
    x = abs(x)
    if x < 1.0:
        return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2.0 else 0.0


_FILTERS: dict[str, tuple[float, Callable[[float], float]]] = {"bilinear": (1.0, _bilinear), "bicubic": (2.0, _bicubic)}


class Preparer:
    """Writes a model's input (3, side, side) for images (H, W, 3), the same bits as ``preprocess(image)``."""

    def __init__(self, preprocess: Preprocess) -> None:
        self._slow = preprocess
        self._ways: dict[tuple[int, int], str] = {}
        self._possible = type(preprocess) is Preprocess and preprocess.interpolation in _FILTERS
        if self._possible:
            every = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
            self._table = np.ascontiguousarray(preprocess.scaled(every)[:, 0])

    def __call__(self, image: Bytes, out: Floats) -> None:
        """Write the input of `image` to `out`."""
        size = (image.shape[0], image.shape[1])
        way = self._ways.get(size) if self._possible else "pillow"
        if way is not None and way != "pillow":
            self._fast(image, out, way)
            return
        out[...] = self._slow(image)
        if way is None and len(self._ways) < _MOST_SIZES:
            self._learn(image, out)

    def _learn(self, image: Bytes, want: Floats) -> None:
        """Find out which way gives the bits `want`; an image on which all ways agree tells nothing."""
        size = (image.shape[0], image.shape[1])
        if self._corner(*size) is None or image.dtype != np.uint8:
            self._ways[size] = "pillow"
            return
        found = np.empty_like(want)
        right = []
        for way in ("across", "down"):
            self._fast(image, found, way)
            if np.array_equal(found, want):
                right.append(way)
        one_direction = size[0] == self._resized(*size)[0] or size[1] == self._resized(*size)[1]
        if len(right) < 2 or one_direction:
            self._ways[size] = right[0] if right else "pillow"

    def _fast(self, image: Bytes, out: Floats, way: str) -> None:
        height, width = image.shape[:2]
        method, side = self._slow.interpolation, self._slow.side
        top, left = self._corner(height, width) or (0, 0)
        resized = self._resized(height, width)
        rows, columns = _weights(height, resized[0], method), _weights(width, resized[1], method)
        image = np.ascontiguousarray(image)
        if way == "across":
            low, high = _span(rows, top, side)
            pixels = _down(_across(image, *columns, left, side, low, high, 0), *rows, top, side, 0, side, low)
        else:
            low, high = _span(columns, left, side)
            pixels = _across(_down(image, *rows, top, side, low, high, 0), *columns, left, side, 0, side, low)
        _scale(pixels, self._table, out)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        size = self._slow.size
        if self._slow.crop is None:
            return size, size
        length = max(int(size * max(height, width) / min(height, width)), 1)
        return (length, size) if height > width else (size, length)

    def _corner(self, height: int, width: int) -> tuple[int, int] | None:
        """Return the top left corner of the crop after resizing; None where only the general way is prepared."""
        if min(height, width) == 0 or max(height, width) > _LONGEST:
            return None
        rows, columns = self._resized(height, width)
        side = self._slow.side
        if min(rows, columns) < side or max(rows, columns) > _LONGEST:
            return None
        return round((rows - side) / 2.0), round((columns - side) / 2.0)


@lru_cache(maxsize=512)
def _weights(before: int, after: int, method: str) -> tuple[Ints, Ints, Ints]:
    """Return of each resized row or column the first source, the number of sources, and their weights in 2^-22.

    The weight of source s for place i is filter((s + 1/2 - c) / f) with c = (i + 1/2) r, r = before / after and
    f = max(r, 1), divided by the sum of all weights of the place.
    """
    support, kernel = _FILTERS[method]
    ratio = before / after
    wide = max(ratio, 1.0)
    reach = support * wide
    first, count = np.zeros(after, dtype=np.int32), np.zeros(after, dtype=np.int32)
    weights = np.zeros((after, math.ceil(reach) * 2 + 1), dtype=np.int32)
    if before == after:  # nothing is resampled in this direction
        first[:], count[:], weights[:, 0] = np.arange(after), 1, 1 << _BITS
        return first, count, weights
    for place in range(after):
        centre = (place + 0.5) * ratio
        low, high = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), before)
        raw = [kernel((source - centre + 0.5) * (1.0 / wide)) for source in range(low, high)]
        total = 0.0
        for weight in raw:
            total += weight
        first[place], count[place] = low, high - low
        for k, weight in enumerate(raw):
            exact = (weight / total if total != 0.0 else weight) * (1 << _BITS)
            weights[place, k] = int(exact - 0.5) if exact < 0 else int(exact + 0.5)
    return first, count, weights


def _span(weights: tuple[Ints, Ints, Ints], start: int, side: int) -> tuple[int, int]:
    """Return the sources, first to one past the last, of `side` places from `start` on."""
    first, count, _ = weights
    return int(first[start]), int(first[start + side - 1] + count[start + side - 1])


@compiled
def _across(
    image: Bytes, first: Ints, count: Ints, weights: Ints, left: int, side: int, low: int, high: int, offset: int
) -> Bytes:
    """Resample rows `low` to `high` of an image (H, W, 3) whose column 0 is `offset`, to `side` columns from `left`."""
    half, shift, most, least = np.int32(1 << 21), np.int32(22), np.int32(255), np.int32(0)
    out = np.empty((high - low, side, 3), dtype=np.uint8)
    for row in range(low, high):
        for x in range(side):
            start = first[left + x] - offset
            red, green, blue = half, half, half
            for k in range(count[left + x]):
                weight = weights[left + x, k]
                red = np.int32(red + np.int32(image[row, start + k, 0]) * weight)
                green = np.int32(green + np.int32(image[row, start + k, 1]) * weight)
                blue = np.int32(blue + np.int32(image[row, start + k, 2]) * weight)
            out[row - low, x, 0] = min(max(red >> shift, least), most)
            out[row - low, x, 1] = min(max(green >> shift, least), most)
            out[row - low, x, 2] = min(max(blue >> shift, least), most)
    return out


@compiled
def _down(
    image: Bytes, first: Ints, count: Ints, weights: Ints, top: int, side: int, low: int, high: int, offset: int
) -> Bytes:
    """Resample columns `low` to `high` of an image (H, W, 3) whose row 0 is `offset`, to `side` rows from `top`."""
    half, shift, most, least = np.int32(1 << 21), np.int32(22), np.int32(255), np.int32(0)
    length = 3 * (high - low)
    flat = image.reshape(image.shape[0], image.shape[1] * 3)
    out = np.empty((side, high - low, 3), dtype=np.uint8)
    flat_out = out.reshape(side, length)
    sums = np.empty(length, dtype=np.int32)
    for y in range(side):
        sums[:] = half
        for k in range(count[top + y]):
            weight = weights[top + y, k]
            source = flat[first[top + y] + k - offset, 3 * low : 3 * high]
            for i in range(length):
                sums[i] += np.int32(source[i]) * weight
        for i in range(length):
            flat_out[y, i] = min(max(sums[i] >> shift, least), most)
    return out


@compiled
def _scale(pixels: Bytes, table: Floats, out: Floats) -> None:
    """Write ``table[channel, value]`` (3, H, W) for the values (H, W, 3)."""
    for channel in range(3):
        for y in range(pixels.shape[0]):
            for x in range(pixels.shape[1]):
                out[channel, y, x] = table[channel, pixels[y, x, channel]]
