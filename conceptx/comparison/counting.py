"""The compiled loop of Network Dissection: where enlarged maps fire, and of which classes that is.

`enlarged` is the same in plain arrays, place by place to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.activations.machine_code import compiled

Ints = npt.NDArray[np.int64]
Maps = npt.NDArray[np.float32]
Between = tuple[Ints, Ints, Maps]


def between(places: int, grid: int) -> Between:
    """Return between which places of a map each cell of the grid lies, and how far it is on the way to the second."""
    at = np.clip((np.arange(grid) + 0.5) * places / grid - 0.5, 0, places - 1)
    first = np.floor(at).astype(np.int64)
    return first, np.minimum(first + 1, places - 1), (at - first).astype(np.float32)


def enlarged(maps: Maps, grid: int) -> Maps:
    """Return maps (n, height, width) bilinearly on a grid (n, grid, grid) over the same area.

    The centre of a map's place is in its middle, and beyond the outermost centres the map goes on as it is there.
    """
    first, second, share = between(maps.shape[1], grid)
    rows = maps[:, first] + (maps[:, second] - maps[:, first]) * share[:, None]
    first, second, share = between(maps.shape[2], grid)
    return np.asarray(rows[:, :, first] + (rows[:, :, second] - rows[:, :, first]) * share)


@compiled
def count(
    maps: Maps,
    limits: npt.NDArray[np.float64],
    rows: Between,
    columns: Between,
    regions: npt.NDArray[Any],
    alone: Ints,
    both: Ints,
) -> None:
    """Add to `alone` (units,) and `both` (units, regions) the cells where units fire, in all and in each region.

    maps: (units, height, width) of one image; a unit fires where its enlarged map is above its limit. regions: (grid ·
    grid, regions) of zeros and ones. Rows and cells of which no neighbouring place is above the limit are passed over.
    """
    top, bottom, down = rows
    left, right, across = columns
    n_columns, n_regions = len(left), regions.shape[1]
    for unit in range(len(maps)):
        values, limit = maps[unit], limits[unit]
        height, width = values.shape
        fires = np.zeros(height, dtype=np.bool_)
        anywhere = False
        for y in range(height):
            for x in range(width):
                if values[y, x] > limit:
                    fires[y] = True
                    anywhere = True
        if not anywhere:
            continue
        for i in range(len(top)):
            if not (fires[top[i]] or fires[bottom[i]]):
                continue
            upper, lower = values[top[i]], values[bottom[i]]
            for j in range(n_columns):
                a, b, c, d = upper[left[j]], upper[right[j]], lower[left[j]], lower[right[j]]
                if not (a > limit or b > limit or c > limit or d > limit):
                    continue
                west = a + (c - a) * down[i]
                east = b + (d - b) * down[i]
                if west + (east - west) * across[j] > limit:
                    alone[unit] += 1
                    cell = i * n_columns + j
                    for k in range(n_regions):
                        both[unit, k] += regions[cell, k]
