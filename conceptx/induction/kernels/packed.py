"""Compiled loops over packed rows: the images of extents, and sums of values over them."""

from __future__ import annotations

import numpy as np

from conceptx.induction.kernels.bits import lowest_bit, popcount64
from conceptx.induction.kernels.shared import Array, compiled


@compiled
def list_images(packed: Array, starts: Array, images: Array) -> None:
    """Write the images of every extent to images[starts[a]:starts[a + 1]], ascending."""
    atoms, words = packed.shape
    one = np.uint64(1)
    for a in range(atoms):
        place = starts[a]
        for word in range(words):
            x = packed[a, word]
            while x:
                images[place] = (word << 6) + lowest_bit(x)
                place += 1
                x &= x - one


@compiled
def sums(packed: Array, values: Array, out: Array) -> None:
    """Set out (extents, 16) to the sums of values (images, 16) over every extent."""
    atoms, words = packed.shape
    one = np.uint64(1)
    images = np.empty(words * 64, np.int64)
    for a in range(atoms):
        found = 0
        for word in range(words):
            x = packed[a, word]
            while x:
                images[found] = (word << 6) + lowest_bit(x)
                found += 1
                x &= x - one
        total = out[a]
        for u in range(16):
            total[u] = 0.0
        for k in range(found):
            row = values[images[k]]
            for u in range(16):
                total[u] += row[u]


@compiled
def sums_of_one(packed: Array, values: Array, out: Array) -> None:
    """Set out (extents,) to the sums of values (images,) over every extent."""
    atoms, words = packed.shape
    one = np.uint64(1)
    for a in range(atoms):
        total = 0.0
        for word in range(words):
            x = packed[a, word]
            while x:
                total += values[(word << 6) + lowest_bit(x)]
                x &= x - one
        out[a] = total


@compiled
def sizes_within(packed: Array, chosen: Array, out: Array) -> None:
    """Set out (extents,) to how many of the chosen images (words,) every extent has."""
    for a in range(len(packed)):
        size = 0
        for word in range(len(chosen)):
            size += popcount64(packed[a, word] & chosen[word])
        out[a] = size


@compiled
def narrow(packed: Array, used: Array, place: Array, out: Array) -> None:
    """Set out to the rows with the images `used` (words,) alone, image i at place[i]."""
    atoms, words = packed.shape
    one = np.uint64(1)
    for a in range(atoms):
        row = out[a]
        for word in range(words):
            x = packed[a, word] & used[word]
            while x:
                at = place[(word << 6) + lowest_bit(x)]
                x &= x - one
                row[at >> 6] |= one << np.uint64(at & 63)
