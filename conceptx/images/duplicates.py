"""Near-duplicates: pictures that look the same, found by a perceptual hash.

`hashes` gives the pictures' hashes and `groups` joins the images whose hashes differ in few bits, so that a split can
keep them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conceptx.images.parallel import in_threads
from conceptx.images.pictures import BadImage
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.images.dataset import ImageSet

_SIDE = 9
_BANDS = 4
MAX_DISTANCE = 3
"""Hashes that differ in so many of 64 bits are of near-duplicates."""


def hashes(images: ImageSet, progress: Progress = silent) -> list[int | BadImage]:
    """Return the perceptual hash of each image's picture, or what is wrong with the picture."""

    def of(i: int) -> int | BadImage:
        try:
            return perceptual_hash(images.load(i))
        except BadImage as error:
            return error

    return list(in_threads(of, range(len(images)), progress, "near-duplicates"))


def perceptual_hash(picture: npt.NDArray[np.uint8]) -> int:
    """Return 64 bits of a picture (H, W, 3): whether each of 8 × 8 places is brighter than its right neighbour.

    The picture is reduced to 8 × 9 means of its luminance first, so size, compression and slight changes of colour
    leave the bits as they are.
    """
    grey = picture.astype(np.int64) @ np.array([299, 587, 114])
    rows = _means(grey, 8, axis=0)
    small = _means(rows, _SIDE, axis=1)
    bits = (small[:, :-1] > small[:, 1:]).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _means(values: npt.NDArray[np.int64], parts: int, axis: int) -> npt.NDArray[np.int64]:
    """Return the means of `parts` equal stretches along an axis (a short axis repeats its values)."""
    n = values.shape[axis]
    if n < parts:
        return np.asarray(np.take(values, np.arange(parts) * n // parts, axis=axis))
    edges = np.arange(parts + 1) * n // parts
    sums = np.add.reduceat(values, edges[:-1], axis=axis)
    shape = [1, 1]
    shape[axis] = parts
    means: npt.NDArray[np.int64] = sums // np.diff(edges).reshape(shape)
    return means


def groups(hashes: Sequence[int | None]) -> list[int]:
    """Return a group number for each image: near-duplicates share one, and chains of them too.

    Two hashes within 3 bits agree in at least one of 4 bands of 16 bits, so only images that share a band are compared.
    An image without a hash (None) is a group of its own. A group's number is the place of its first image.
    """
    parent = list(range(len(hashes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(i: int, j: int) -> None:
        low, high = sorted((root(i), root(j)))
        parent[high] = low

    first: dict[int, int] = {}
    for i, value in enumerate(hashes):
        if value is not None:
            join(first.setdefault(value, i), i)
    values = np.array(list(first), np.uint64)
    places = list(first.values())
    for band in range(_BANDS):
        keys = values >> np.uint64(16 * band) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        ends = np.flatnonzero(np.diff(keys[order])) + 1
        for bucket in np.split(order, ends):
            members = values[bucket]
            for k in range(len(bucket) - 1):
                close = np.bitwise_count(members[k + 1 :] ^ members[k]) <= MAX_DISTANCE
                for other in np.flatnonzero(close):
                    join(places[bucket[k]], places[bucket[k + 1 + other]])
    return [root(i) for i in range(len(hashes))]
