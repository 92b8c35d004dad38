"""Areas and boxes of what annotators drew: polygons, run lengths and masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.images.formats.columns import Box

_MAX_RUNS = 1 << 24


def numbers(values: object, count: int | None = None) -> list[float] | None:
    """Return a list of finite numbers (`count` of them, if given), or None where the value is something else."""
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        return None
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return None
    try:
        found = [float(v) for v in values]
    except OverflowError:
        return None
    return found if all(map(math.isfinite, found)) else None


def polygon_area(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the area in a polygon's corners: ``|Σ (x_i · y_{i+1} − x_{i+1} · y_i)| / 2`` (the shoelace formula)."""
    x, y = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
    if len(x) < 3:
        return 0.0
    x, y = x - x[0], y - y[0]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2)


def points_box(xs: Sequence[float], ys: Sequence[float]) -> Box:
    """Return the box around points."""
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def polygon_mask(corners: npt.NDArray[np.float64], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return the pixels (height, width) whose centres are in a polygon (corners, 2): an odd number of edges left of it.

    >>> polygon_mask(np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]]), 2, 4).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    mask = np.zeros((height, width), dtype=bool)
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    centres = np.arange(width) + 0.5
    first, last = max(0, int(np.floor(y0.min()))), min(height, int(np.ceil(y0.max())))
    for row in range(first, last):
        y = row + 0.5
        crosses = (y0 <= y) != (y1 <= y)
        at = np.sort(x0[crosses] + (y - y0[crosses]) * (x1[crosses] - x0[crosses]) / (y1[crosses] - y0[crosses]))
        mask[row] = np.searchsorted(at, centres, side="right") % 2 == 1
    return mask


def run_lengths(counts: object) -> npt.NDArray[np.int64] | None:
    """Return COCO's run lengths (background and object in turn), given as numbers or as its text form.

    In the text form each number is a sequence of characters c − 48 of five bits each, lowest first, the sixth bit
    telling that more follow and the fifth of the last one the sign; from the fourth on it is the difference to
    the number two places before. None for what is no such thing.
    """
    if isinstance(counts, (list, tuple)):
        if len(counts) > _MAX_RUNS or not all(type(v) is int and 0 <= v < 1 << 40 for v in counts):
            return None
        return np.array(counts, np.int64)
    if not isinstance(counts, str) or len(counts) > _MAX_RUNS:
        return None
    found: list[int] = []
    value, shift = 0, 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            if len(found) > 2:
                value += found[-2]
            if value < 0:
                return None
            found.append(value)
            value, shift = 0, 0
    return None if shift else np.array(found, np.int64)


def runs_area_and_box(runs: npt.NDArray[np.int64], height: int) -> tuple[int, Box | None]:
    """Return the number of pixels in the object's runs, and the box around them; runs go down the columns."""
    ends = np.cumsum(runs)
    first, last = ends[0::2][: len(runs[1::2])], ends[1::2] - 1
    seen = runs[1::2] > 0
    first, last = first[seen], last[seen]
    if not len(first) or height < 1:
        return 0, None
    left, right = int(first[0]) // height, int(last[-1]) // height
    if bool(np.any(first // height != last // height)):  # a run that goes on in the next column touches both edges
        top, bottom = 0, height - 1
    else:
        top, bottom = int((first % height).min()), int((last % height).max())
    return int((last - first + 1).sum()), (left, top, right - left + 1, bottom - top + 1)


def segmentation_area_and_box(segmentation: Any, height: int | None) -> tuple[float, Box | None] | None:
    """Return area and box of a COCO segmentation (polygons or run lengths), or None for what is no such thing."""
    if isinstance(segmentation, dict):
        runs = run_lengths(segmentation.get("counts"))
        size = numbers(segmentation.get("size"), 2)
        rows = int(size[0]) if size else height
        if runs is None or not rows or rows < 1 or (size and runs.sum() > size[0] * size[1]):
            return None
        return runs_area_and_box(runs, rows)
    if not isinstance(segmentation, list) or not segmentation:
        return None
    polygons = [numbers(polygon) for polygon in segmentation]
    if any(p is None or len(p) < 6 or len(p) % 2 for p in polygons):
        return None
    area = sum(polygon_area(p[0::2], p[1::2]) for p in polygons if p)
    xs = [x for p in polygons if p for x in p[0::2]]
    ys = [y for p in polygons if p for y in p[1::2]]
    return area, points_box(xs, ys)


def mask_areas_and_boxes(mask: npt.NDArray[np.integer], count: int) -> list[tuple[int, Box] | None]:
    """Return area and box of the pixels with each of the numbers 1 to `count` in a mask (H, W)."""
    from scipy.ndimage import find_objects

    small = np.where((mask >= 0) & (mask <= count), mask, 0).astype(np.int32)
    areas = np.bincount(small.ravel(), minlength=count + 1)[1:]
    found: list[tuple[int, Box] | None] = []
    for area, where in zip(areas.tolist(), find_objects(small, max_label=count), strict=True):
        if where is None:
            found.append(None)
            continue
        rows, columns = where
        box = (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        found.append((area, box))
    return found
