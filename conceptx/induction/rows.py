"""Sets of images as packed rows of bits and as sparse rows of numbers.

Image i is bit i % 64 of word i // 64; the bits past the last image are 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def words(n_images: int) -> int:
    """Return how many words a packed row has."""
    return -(-n_images // 64)


def pack(held: Bools) -> Rows:
    """Pack booleans (…, images) into rows (…, words)."""
    padded = np.zeros((*held.shape[:-1], words(held.shape[-1]) * 64), dtype=bool)
    padded[..., : held.shape[-1]] = held
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(rows: Rows, n_images: int) -> Bools:
    """Return packed rows (…, words) as booleans (…, images)."""
    bits = np.unpackbits(rows.astype("<u8", copy=False).view(np.uint8), axis=-1, bitorder="little")
    return bits[..., :n_images].astype(bool)


def pack_sparse(starts: Ints, images: npt.NDArray[np.integer], n_images: int) -> Rows:
    """Pack sparse rows into (rows, words): row k has images[starts[k]:starts[k + 1]], ascending and each once."""
    packed = np.zeros((len(starts) - 1, words(n_images)), dtype=np.uint64)
    if len(images):
        row = np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts))
        place = row * packed.shape[1] + images // 64
        first = np.flatnonzero(np.diff(place, prepend=-1))
        bits = np.left_shift(np.uint64(1), (images % 64).astype(np.uint64))
        packed.ravel()[place[first]] = np.bitwise_or.reduceat(bits, first)
    return packed


def same_rows(starts: Ints, images: npt.NDArray[np.integer], n_images: int) -> Ints:
    """Return for each sparse row the first row that has the same images.

    Rows are compared by their sizes and two sums of random 64-bit marks of the images, then image by image.
    """
    n = len(starts) - 1
    sizes = np.diff(starts)
    marks = np.random.Generator(np.random.PCG64(20140512)).integers(1 << 64, size=(2, n_images), dtype=np.uint64)
    sums = np.zeros((2, n), dtype=np.uint64)
    filled = np.flatnonzero(sizes)
    if len(filled):
        for mark, total in zip(marks, sums, strict=True):
            total[filled] = np.add.reduceat(mark[images], starts[filled])
    order = np.lexsort((np.arange(n), sums[1], sums[0], sizes))
    new = np.ones(n, dtype=bool)
    if n > 1:
        new[1:] = np.diff(sizes[order]) != 0
        new[1:] |= (sums[:, order[1:]] != sums[:, order[:-1]]).any(axis=0)
    first = np.empty(n, dtype=np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    again = np.flatnonzero(first != np.arange(n))
    ends = np.cumsum(sizes[again])
    mine = np.repeat(starts[again] - ends + sizes[again], sizes[again])
    theirs = np.repeat(starts[first[again]] - ends + sizes[again], sizes[again])
    step = np.arange(int(sizes[again].sum()))
    if not np.array_equal(images[mine + step], images[theirs + step]):
        raise AssertionError("two sets of images have the same marks")
    return first
