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
def merge(starts: Array, members: Array, image: Array, images: Array, ends: Array) -> None:
    """Write image[member] ≥ 0 for the members of every row, not again after the same; row k ends at ends[k + 1]."""
    place = 0
    for row in range(len(starts) - 1):
        last = -1
        for member in members[starts[row] : starts[row + 1]]:
            at = image[member]
            if at >= 0 and at != last:
                images[place] = at
                place += 1
                last = at
        ends[row + 1] = place


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
def gather(packed: Array, used: Array, first: int, out: Array) -> None:
    """Put the bits of every row at the places `used` (words,) side by side into `out`, from bit `first` on.

    Bits move to the right by 1, 2, 4, … places, each by how many unused places are to its right (Hacker's Delight,
    7-4); which of them take part in which move depends on `used` alone.
    """
    atoms, words = packed.shape
    one = np.uint64(1)
    moves, starts = np.zeros((6, words), np.uint64), np.zeros(words + 1, np.int64)
    starts[0] = first
    for word in range(words):
        mask = used[word]
        starts[word + 1] = starts[word] + popcount64(mask)
        unused = ~mask << one
        for step in range(6):
            odd = unused
            for shift in range(6):
                odd ^= odd << np.uint64(1 << shift)
            moves[step, word] = odd & mask
            mask = (mask ^ moves[step, word]) | (moves[step, word] >> np.uint64(1 << step))
            unused &= ~odd
    m0, m1, m2, m3, m4, m5 = moves[0], moves[1], moves[2], moves[3], moves[4], moves[5]
    moved, last = np.zeros(words, np.uint64), out.shape[1] - 1
    for a in range(atoms):
        row, found = packed[a], out[a]
        for word in range(words):
            x = row[word] & used[word]
            x = (x ^ (x & m0[word])) | ((x & m0[word]) >> one)
            x = (x ^ (x & m1[word])) | ((x & m1[word]) >> np.uint64(2))
            x = (x ^ (x & m2[word])) | ((x & m2[word]) >> np.uint64(4))
            x = (x ^ (x & m3[word])) | ((x & m3[word]) >> np.uint64(8))
            x = (x ^ (x & m4[word])) | ((x & m4[word]) >> np.uint64(16))
            moved[word] = (x ^ (x & m5[word])) | ((x & m5[word]) >> np.uint64(32))
        for word in range(words):  # a word may reach into the next one; where there is none, nothing is left for it
            at, inside = starts[word] >> 6, np.uint64(starts[word] & 63)
            found[at if at < last else last] |= moved[word] << inside
            found[at + 1 if at < last else last] |= moved[word] >> one >> (np.uint64(63) - inside)
