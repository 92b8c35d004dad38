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


def listed(packed: Rows, sizes: Ints) -> tuple[Ints, npt.NDArray[np.int32]]:
    """Return packed rows as sparse ones: row k has images[starts[k]:starts[k + 1]], ascending."""
    from conceptx.induction.kernels.packed import list_images

    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    images = np.empty(starts[-1], dtype=np.int32)
    list_images(packed, starts, images)
    return starts, images


def take_rows(starts: Ints, images: npt.NDArray[np.integer], chosen: Ints) -> tuple[Ints, npt.NDArray[np.integer]]:
    """Return the chosen ones of sparse rows, in this order, as sparse rows."""
    sizes = np.diff(starts)[chosen]
    taken = np.concatenate([[0], np.cumsum(sizes)])
    return taken, images[np.repeat(starts[chosen] - taken[:-1], sizes) + np.arange(taken[-1])]


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
    sizes = np.diff(starts)
    sums = np.zeros((2, len(sizes)), dtype=np.uint64)
    filled = np.flatnonzero(sizes)
    if len(filled):
        for mark, total in zip(_marks(n_images), sums, strict=True):
            total[filled] = np.add.reduceat(mark[images], starts[filled])
    first = _first_alike(sums[0], sums[1], sizes)
    again = np.flatnonzero(first != np.arange(len(sizes)))
    mine, theirs = take_rows(starts, images, again), take_rows(starts, images, first[again])
    if not np.array_equal(mine[1], theirs[1]):
        raise AssertionError("two sets of images have the same marks")
    return first


def same_packed(rows: Rows) -> Ints:
    """Return for each packed row the first row that is equal to it."""
    # modulo 2^64; a product alone says nothing of the mark where a word has only its highest bits
    mixed = rows * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    first = _first_alike(*(mixed @ mark for mark in _marks(rows.shape[1])))
    again = np.flatnonzero(first != np.arange(len(rows)))
    if not np.array_equal(rows[again], rows[first[again]]):
        raise AssertionError("two sets of images have the same marks")
    return first


def narrowed(rows: Rows, used: Bools) -> Rows:
    """Return packed rows as they are among the images `used`."""
    from conceptx.induction.kernels.packed import gather

    found = np.zeros((len(rows), words(int(np.count_nonzero(used)))), dtype=np.uint64)
    gather(rows, pack(used), 0, found)
    return found


def _marks(n: int) -> npt.NDArray[np.uint64]:
    """Return two rows of n random numbers, always the same ones."""
    return np.random.Generator(np.random.PCG64(20140512)).integers(1 << 64, size=(2, n), dtype=np.uint64)


def _first_alike(*keys: npt.NDArray[np.integer]) -> Ints:
    """Return for each place the first place that has the same keys; the first key tells nearly all apart."""
    n = len(keys[0])
    order = np.argsort(keys[0], kind="stable")
    new = np.ones(n, dtype=bool)
    if n > 1:
        new[1:] = np.logical_or.reduce([key[order[1:]] != key[order[:-1]] for key in keys])
    first = np.empty(n, dtype=np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first
