"""What the compiled loops of both searches share: the pool of the best extents, sums over images, single atoms.

All sums are of whole numbers below 2^53 held in float64, hence exact and independent of the order of addition. Units
are columns: `values` is (images, units + 1), the last column a random number per image, whose sum over an extent tells
extents apart (its *mark*). Machine code is kept on disk by the calling file: after a change here remove the folders
`__pycache__` of this room.

Formulas are numbered. One atom: 0 is A, 1 is not A. Two atoms a, b: 0 … 3 is the cell in which a holds (bit 0) and
b holds (bit 1), + 4 its complement. Three atoms: 0 … 7 is the cell by the bits of a, b, c; 8 + 4 h + j is the half
h = 2 · atom + holds without the cell of the two other atoms given by the bits of j; + 32 the complement.
These are all Boolean functions that depend on their atoms and mention each once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

F = TypeVar("F", bound=Callable[..., Any])
Array = npt.NDArray[Any]
Arrays = tuple[Array, Array, Array, Array]
Pool = tuple[Array, Array, Array, Array, Array, Array]


def compiled(function: F) -> F:
    """Compile with the machine code kept on disk, in the user's cache folder where the package is read-only."""
    try:
        return cast(F, numba.njit(function, cache=True, nogil=True))
    except RuntimeError:  # no folder is writable: compile afresh in each process
        return cast(F, numba.njit(function, nogil=True))


@compiled
def keep(
    pool: Pool,
    thresholds: Array,
    unit: int,
    level: int,
    score: float,
    total: float,
    mark: float,
    size: int,
    formula: Array,
    negations: int,
) -> None:
    """Put a formula into the pool of the best distinct extents of a level, unless an extent is there already.

    An extent that a lower level holds is not new. Of two formulas for one extent the one with fewer negations stays.
    """
    scores, sums, marks, sizes, formulas, used = pool
    for below in range(level + 1):
        held = marks[below, unit, : used[below, unit]]
        place = 0
        for slot in range(len(held)):  # without a way out, for vector instructions; marks tell extents apart
            place += (slot + 1) * (held[slot] == mark)
        if (
            0 < place <= len(held)
            and held[place - 1] == mark
            and scores[below, unit, place - 1] == score
            and sums[below, unit, place - 1] == total
            and sizes[below, unit, place - 1] == size
        ):
            if below == level and negations < formulas[level, unit, place - 1, 5]:
                formulas[level, unit, place - 1, :5] = formula
                formulas[level, unit, place - 1, 5] = negations
            return
    capacity = scores.shape[2]
    slot = int(used[level, unit])
    if slot < capacity:
        used[level, unit] += 1
    else:
        slot = int(np.argmin(scores[level, unit]))
    scores[level, unit, slot] = score
    sums[level, unit, slot] = total
    marks[level, unit, slot] = mark
    sizes[level, unit, slot] = size
    formulas[level, unit, slot, :5] = formula
    formulas[level, unit, slot, 5] = negations
    if used[level, unit] == capacity:
        lowest = scores[level, unit].min()
        for above in range(level, thresholds.shape[0]):
            thresholds[above, unit] = max(thresholds[above, unit], lowest)


@compiled
def scatter(
    members: Array,
    image_starts: Array,
    image_atoms: Array,
    first: int,
    values: Array,
    sizes: Array,
    sums: Array,
) -> None:
    """Add the images `members` to the size and the sums of every atom ≥ `first` that holds for them."""
    for image in members:
        row = values[image]
        for place in range(image_starts[image + 1] - 1, image_starts[image] - 1, -1):
            atom = image_atoms[place]
            if atom < first:
                break
            sizes[atom] += 1
            for u in range(len(row)):
                sums[atom, u] += row[u]


@compiled
def singles(
    index: Arrays,
    values: Array,
    offsets: Array,
    totals: Array,
    factor: Array,
    allowed: Array,
    costs: Array,
    pool: Pool,
    thresholds: Array,
) -> tuple[Array, Array]:
    """Score every atom and its complement for all units; return the sizes (atoms,) and sums (atoms, columns)."""
    atom_starts, atom_images, _, _ = index
    n, columns = values.shape
    formula = np.zeros(5, np.int32)
    sizes = np.diff(atom_starts)
    sums = np.zeros((len(sizes), columns))
    for a in range(len(sizes)):
        for image in atom_images[atom_starts[a] : atom_starts[a + 1]]:
            sums[a] += values[image]
        level = costs[a] - 1
        if level >= thresholds.shape[0]:
            continue
        for form in range(2):
            size = sizes[a] if form == 0 else n - sizes[a]
            for u in range(columns - 1):
                total = sums[a, u] if form == 0 else totals[u] - sums[a, u]
                score = (offsets[u] + total) * factor[size] * allowed[0, form]
                if score > thresholds[level, u]:
                    mark = sums[a, -1] if form == 0 else totals[-1] - sums[a, -1]
                    formula[:] = (1, a, 0, 0, form)
                    keep(pool, thresholds, u, level, score, total, mark, size, formula, form)
    return sizes, sums


@compiled
def cell_of_two(cell: int, a: float, b: float, both: float, everything: float) -> float:
    """Return the sum over a cell of two atoms from the sums over each, both and all."""
    if cell == 3:
        return both
    if cell == 1:
        return a - both
    if cell == 2:
        return b - both
    return everything - a - b + both
