"""The random draws of a run, made a second time from the seed by the recipe that the run states.

A draw cannot be recomputed by thinking: whoever checks it has to draw the same. The recipe is all that is shared, and
none of the code: the SHA-256 of the JSON text ``[seed, word, …]``, as one big-endian number, seeds numpy's PCG64.
`resamples` counts how often each image is drawn, `orders` permutes the images, `changed_targets` changes a set.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def stream(seed: int, *words: str) -> np.random.Generator:
    """Return the random numbers that belong to a seed and these words."""
    name = json.dumps([seed, *words]).encode()
    return np.random.Generator(np.random.PCG64(int(hashlib.sha256(name).hexdigest(), 16)))


def resamples(n: int, times: int, seed: int, word: str) -> npt.NDArray[np.float64]:
    """Return how often each of n images is in the sample and in each bootstrap resample (1 + times, n).

    The first row is the sample: each image once. An image's counts lie side by side in memory.
    """
    numbers = stream(seed, "bootstrap", word)
    found = np.ones((n, 1 + times)).T
    for row in found[1:]:
        row[:] = np.bincount(numbers.integers(0, n, size=n), minlength=n)
    return found


def orders(n: int, times: int, seed: int, word: str) -> npt.NDArray[np.int32]:
    """Return permutations (times, n): image i is given the value of image orders[., i].

    What is given to an image lies side by side in memory.
    """
    numbers = stream(seed, "permutation", word)
    found = np.empty((n, times), dtype=np.int32).T
    for row in found:
        row[:] = numbers.permutation(n)
    return found


def changed_targets(extent: Bools, seed: int, layer: str, unit: str) -> tuple[Bools, Bools]:
    """Return a set of images without a random half of it, and with as many others (at most half of these) added."""
    numbers = stream(seed, "sanity", layer, unit)
    fewer, more = extent.copy(), extent.copy()
    inside, outside = np.flatnonzero(extent), np.flatnonzero(~extent)
    fewer[numbers.permutation(inside)[: len(inside) // 2]] = False
    more[numbers.permutation(outside)[: min(len(inside), len(outside) // 2)]] = True
    return fewer, more
