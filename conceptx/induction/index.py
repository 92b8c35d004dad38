"""Extents as the searches read them: packed rows, their first level for many units, and one unit's view of them.

`Index.of` keeps the packed rows (a bit for each extent and image) and nothing of that size beside them. `first_level`
adds up the values of many units over all extents in one pass; `view` copies the rows into lanes ordered by one unit's
values, in which `search` and `branch` work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.induction.extents import Extents
from conceptx.induction.problem import Target
from conceptx.induction.products import Products
from conceptx.induction.relaxation import LANE, Layout, arrange
from conceptx.induction.rows import listed, pack

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Lanes = npt.NDArray[np.uint16]
Array = npt.NDArray[Any]

_COLUMNS = 16


@dataclass(frozen=True, eq=False)
class Index:
    """Packed extents (extents, words), ordered by length, with their sizes and lengths and a mark for every image.

    A mark is a random whole number; the sum of the marks of an extent tells it from others. `products` are the same
    rows on a torch device, which then adds up in place of the compiled loops.
    """

    packed: npt.NDArray[np.uint64]
    sizes: Ints
    lengths: Ints
    marks: Floats
    products: Products | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def n_images(self) -> int:
        """The number of images."""
        return len(self.marks)

    @cached_property
    def mark_sums(self) -> Floats:
        """The sum of the marks of every extent (extents,)."""
        from conceptx.induction.kernels import packed

        sums = np.empty(len(self))
        packed.sums_of_one(self.packed, self.marks, sums)
        sums.setflags(write=False)
        return sums

    @classmethod
    def of(cls, extents: Extents, device: str | None = None) -> Index:
        """Index extents, which must be ordered by length; add up on a torch device, or in compiled loops."""
        n = extents.n_images
        bits = 51 - int(np.ceil(np.log2(n + 1)))
        marks = np.random.Generator(np.random.PCG64(20140512)).integers(1 << bits, size=n).astype(np.float64)
        products = None if device is None else Products.of(extents.packed, n, device)
        return cls(np.ascontiguousarray(extents.packed), extents.counts, extents.lengths, marks, products)

    def subset(self, atoms: Ints) -> Index:
        """Return the index of some of the atoms, in their order."""
        products = None if self.products is None else self.products.subset(atoms)
        return Index(self.packed[atoms], self.sizes[atoms], self.lengths[atoms], self.marks, products)

    def sparse(self) -> tuple[Array, Array, Array, Array]:
        """Return atom starts and images, image starts and atoms: the same as compressed sparse rows, both ways."""
        starts, images = listed(self.packed, self.sizes)
        turned = np.concatenate([[0], np.cumsum(np.bincount(images, minlength=self.n_images))]).astype(np.int64)
        atoms = np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)
        return starts, images, turned, atoms[np.argsort(images, kind="stable")]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An index as one unit sees it: its target, the layout of the images, the rows in lanes, the sums of q."""

    target: Target
    layout: Layout
    lanes: Lanes
    sums: Floats


def first_level(index: Index, targets: Sequence[Target]) -> Floats:
    """Return the sum of q over every extent for every target (targets, extents), exact."""
    return sums_over(index, [target.q for target in targets])


def sums_over(index: Index, values: Sequence[Floats]) -> Floats:
    """Return the sums of whole numbers (rows, images) over every extent (rows, extents)."""
    from conceptx.induction.kernels import packed

    if index.products is not None:
        return index.products.sums(np.asarray(values))
    found = np.empty((len(values), len(index)))
    for first in range(0, len(values), _COLUMNS):
        block = values[first : first + _COLUMNS]
        if len(block) == 1:
            low, high = float(block[0].min()), float(block[0].max())
            if np.all((block[0] == low) | (block[0] == high)):
                above = np.empty(len(index), dtype=np.int64)
                packed.sizes_within(index.packed, pack(block[0] == high), above)
                found[first] = low * (index.sizes - above) + high * above
            else:
                packed.sums_of_one(index.packed, np.asarray(block[0], dtype=np.float64), found[first])
            continue
        columns = np.zeros((index.n_images, _COLUMNS))
        columns[:, : len(block)] = np.transpose(block)
        sums = np.empty((len(index), _COLUMNS))
        packed.sums(index.packed, columns, sums)
        found[first : first + len(block)] = sums[:, : len(block)].T
    return found


def intersections(index: Index, seen: View, held: Lanes, weight: Array) -> tuple[Array, Array]:
    """Return sizes and weighted sums of the intersections of sets (sets, lanes) with every extent (sets, extents)."""
    from conceptx.induction.kernels import lanes

    if index.products is not None:
        slot = seen.layout.slot
        bits = np.unpackbits(held.astype("<u2").view(np.uint8), axis=1, bitorder="little")
        return index.products.intersections(bits[:, slot], weight[slot // LANE])
    counts, weighed = np.empty((2, len(held), len(index)), dtype=np.int32)
    lanes.intersections(seen.lanes, held, weight, counts, weighed)
    return counts, weighed


def view(index: Index, target: Target, sums: Floats) -> View:
    """Return the index in the order of a target's values; `sums` is the target's row of `first_level`."""
    from conceptx.induction.kernels import lanes, packed

    layout = arrange(target.q)
    laid = np.zeros((len(index), len(layout.high)), dtype=np.uint16)
    low, high = target.q.min(), target.q.max()
    above = target.q > low
    if np.all(target.q[above] == high):  # two values make two blocks, in the order of the images
        packed.gather(index.packed, pack(above), 0, laid.view(np.uint64))
        packed.gather(index.packed, pack(~above), int(layout.slot[np.argmin(above)]), laid.view(np.uint64))
    else:
        lanes.lay_out(index.packed, layout.slot, laid)
    return View(target, layout, laid, sums)
