"""Resize, crop and scale in compiled loops: the bits of `Preprocess`, in less than half of its time.

`Preparer` turns images into a model's input. It does what Pillow's resampling does (weights of 22 bits, one direction
after the other, rounded to bytes in between), but only for the pixels that the crop keeps. Which direction comes first
is Pillow's secret and differs between its versions, so the first two images of every size are prepared by Pillow: the
order that gives the bytes of the second one is used from then on, and where neither does, Pillow does this size for
good. The first one only shows that there is such a size: in many image sets most sizes occur once.
"""

from __future__ import annotations

import math
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

_SUPPORT = {"bilinear": 1, "bicubic": 2}
"""How many places to each side the filters reach."""


class Preparer:
    """Writes a model's input (3, side, side) for images (H, W, 3), the same bits as ``preprocess(image)``."""

    def __init__(self, preprocess: Preprocess) -> None:
        self._slow = preprocess
        self._ways: dict[tuple[int, int], str] = {}
        self._possible = type(preprocess) is Preprocess and preprocess.interpolation in _SUPPORT
        if self._possible:
            every = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
            self._table = np.ascontiguousarray(preprocess.scaled(every)[:, 0])

    def __call__(self, image: Bytes, out: Floats) -> None:
        """Write the input of `image` to `out`."""
        size = (image.shape[0], image.shape[1])
        if not self._possible or image.dtype != np.uint8:
            out[...] = self._slow(image)
            return
        way = self._ways.get(size)
        if way in ("across", "down"):
            self._fast(image, out, way)
            return
        _scale(np.array(self._slow.pixels(image)), self._table, out)
        if way == "once":
            self._learn(image, out)
        elif way is None and len(self._ways) < _MOST_SIZES:
            self._ways[size] = "once"

    def _learn(self, image: Bytes, want: Floats) -> None:
        """Find out which way gives the bits `want`; an image on which all ways agree tells nothing."""
        size = (image.shape[0], image.shape[1])
        if self._corner(*size) is None:
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
    reach = _SUPPORT[method] * max(before / after, 1.0)
    first, count = np.zeros(after, dtype=np.int32), np.zeros(after, dtype=np.int32)
    weights = np.zeros((after, math.ceil(reach) * 2 + 1), dtype=np.int32)
    if before == after:  # nothing is resampled in this direction
        first[:], count[:], weights[:, 0] = np.arange(after), 1, 1 << _BITS
    else:
        _weigh(before, after, _SUPPORT[method], first, count, weights)
    return first, count, weights


@compiled
def _weigh(before: int, after: int, support: int, first: Ints, count: Ints, weights: Ints) -> None:
    """Fill in the weights of the filter that reaches one place (bilinear) or two (bicubic) to each side."""
    ratio = before / after
    wide = max(ratio, 1.0)
    reach = support * wide
    raw = np.zeros(weights.shape[1])
    for place in range(after):
        centre = (place + 0.5) * ratio
        low, high = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), before)
        total = 0.0
        for source in range(low, high):
            x = abs((source - centre + 0.5) * (1.0 / wide))
            value = 0.0
            if support == 1:
                value = 1.0 - x if x < 1.0 else 0.0
            elif x < 1.0:
                value = ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
            elif x < 2.0:
                value = (((x - 5) * x + 8) * x - 4) * -0.5
            raw[source - low] = value
            total += value
        first[place], count[place] = low, high - low
        for k in range(high - low):
            exact = (raw[k] / total if total != 0.0 else raw[k]) * (1 << 22)
            weights[place, k] = int(exact - 0.5) if exact < 0 else int(exact + 0.5)


def _span(weights: tuple[Ints, Ints, Ints], start: int, side: int) -> tuple[int, int]:
    """Return the sources, first to one past the last, of `side` places from `start` on."""
    first, count, _ = weights
    return int(first[start]), int(first[start + side - 1] + count[start + side - 1])


@compiled
def _across(
    image: Bytes, first: Ints, count: Ints, weights: Ints, left: int, side: int, low: int, high: int, offset: int
) -> Bytes:
    """Resample rows `low` to `high` of an image (H, W, 3) whose column 0 is `offset`, to `side` columns from `left`.

    The k-th sources of all places of a row are gathered before they are weighed, because only the weighing can be done
    for many places at once; the places are unsigned, because a signed one would be checked for counting from the end.
    """
    half, shift, most, least = np.int32(1 << 21), np.int32(22), np.int32(255), np.int32(0)
    length, taps = 3 * side, 0
    for x in range(side):
        taps = max(taps, count[left + x])
    places, weighed = np.zeros((taps, length), dtype=np.uint32), np.zeros((taps, length), dtype=np.int32)
    for x in range(side):
        for k in range(count[left + x]):
            for channel in range(3):
                places[k, 3 * x + channel] = 3 * (first[left + x] - offset + k) + channel
                weighed[k, 3 * x + channel] = weights[left + x, k]
    flat = image.reshape(image.shape[0], image.shape[1] * 3)
    out = np.empty((high - low, side, 3), dtype=np.uint8)
    flat_out = out.reshape(high - low, length)
    sums, gathered = np.empty(length, dtype=np.int32), np.empty(length, dtype=np.uint8)
    for row in range(low, high):
        source = flat[row]
        sums[:] = half
        for k in range(taps):
            place, weight = places[k], weighed[k]
            for i in range(length):
                gathered[i] = source[place[i]]
            for i in range(length):
                sums[i] += np.int32(gathered[i]) * weight[i]
        for i in range(length):
            flat_out[row - low, i] = min(max(sums[i] >> shift, least), most)
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
