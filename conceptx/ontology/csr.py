"""Walks over directed graphs in compressed sparse rows: plain arrays, no objects, no recursion.

A graph is a pair (indptr, indices): the targets of node i are ``indices[indptr[i]:indptr[i + 1]]``, ascending.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_WORTH_COMPILING = 100

# The place of a word's only bit: times this number (de Bruijn's) its top six bits are different for each place.
_SPREAD, _TOP = np.uint64(0x03F79D71B4CB0A89), np.uint64(58)
_PLACES = np.zeros(64, np.int64)
_PLACES[[((0x03F79D71B4CB0A89 << k) & (2**64 - 1)) >> 58 for k in range(64)]] = np.arange(64)

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


def rows(n: int, source: npt.NDArray[np.integer], target: npt.NDArray[np.integer]) -> tuple[Longs, Ints]:
    """Return the graph with the edges source[k] → target[k] over nodes 0..n-1; both arrays have shape (edges,)."""
    key = source.astype(np.int64) * max(n, 1) + target
    key.sort()
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=n), out=indptr[1:])
    return indptr, (key % max(n, 1)).astype(np.int32)


def unique(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the distinct values, ascending; by sorting, which for millions of pairs beats numpy's hashing by far."""
    ordered = np.sort(values)
    fresh = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return ordered[fresh]


def successors(indptr: Longs, indices: Ints, nodes: npt.NDArray[np.integer]) -> Ints:
    """Return the targets of all `nodes`, one node's after the other's, with repetitions."""
    start = indptr[nodes]
    count = indptr[np.asarray(nodes) + 1] - start
    total = int(count.sum())
    if total == 0:
        return np.zeros(0, np.int32)
    skip = np.repeat(start - (np.cumsum(count) - count), count)
    return indices[skip + np.arange(total)]


def reach(indptr: Longs, indices: Ints, starts: npt.NDArray[np.integer]) -> Ints:
    """Return all nodes on a path from one of `starts` (these included), ascending."""
    n = len(indptr) - 1
    seen = np.zeros(n, np.bool_)
    frontier = unique(np.asarray(starts, np.int32))
    seen[frontier] = True
    found = [frontier]
    while len(frontier):
        beyond = successors(indptr, indices, frontier)
        frontier = unique(beyond[~seen[beyond]])
        seen[frontier] = True
        found.append(frontier)
    return np.sort(np.concatenate(found))


def distances(indptr: Longs, indices: Ints, starts: npt.NDArray[np.integer]) -> Ints:
    """Return the number of edges on the shortest path from any of `starts` to each node; -1 where there is none."""
    distance = np.full(len(indptr) - 1, -1, np.int32)
    frontier = unique(np.asarray(starts, np.int32))
    step = 0
    while len(frontier):
        distance[frontier] = step
        beyond = successors(indptr, indices, frontier)
        frontier = unique(beyond[distance[beyond] < 0])
        step += 1
    return distance


def reach_each(indptr: Longs, indices: Ints, starts: npt.NDArray[np.integer]) -> tuple[Longs, Ints]:
    """Return `reach` of each of `starts` by itself, as sparse rows: indptr (starts + 1), each row ascending."""
    if len(starts) < _WORTH_COMPILING:
        sets = [reach(indptr, indices, np.array([start])) for start in starts]
        ends = np.cumsum([0, *(len(found) for found in sets)], dtype=np.int64)
        return ends, np.concatenate(sets) if sets else np.zeros(0, np.int32)
    # Walks over the part that all starts reach together stay in the processor's caches.
    part = reach(indptr, indices, starts)
    local = np.zeros(len(indptr) - 1, np.int32)
    local[part] = np.arange(len(part), dtype=np.int32)
    inner_ptr = np.zeros(len(part) + 1, np.int64)
    np.cumsum(indptr[part + 1] - indptr[part], out=inner_ptr[1:])
    ends, found = _compiled_reach()(inner_ptr, local[successors(indptr, indices, part)], local[starts])
    return ends, part[found]


def _reach_each(indptr: Longs, indices: Ints, starts: Ints) -> tuple[Longs, Ints]:
    """Walk from each start by itself; what it meets is a set of bits, and reading these off sorts it."""
    one = np.uint64(1)
    ends = np.zeros(len(starts) + 1, np.int64)
    met = np.zeros((len(indptr) + 62) // 64, np.uint64)
    waiting = np.empty(len(indptr) - 1, np.int32)
    found = np.empty(1024, np.int32)
    count = 0
    for k in range(len(starts)):
        waiting[0], depth = starts[k], 1
        met[starts[k] >> 6] |= one << np.uint64(starts[k] & 63)
        size = 1
        while depth > 0:
            depth -= 1
            node = waiting[depth]
            for e in range(indptr[node], indptr[node + 1]):
                following = indices[e]
                bit = one << np.uint64(following & 63)
                if met[following >> 6] & bit == 0:
                    met[following >> 6] |= bit
                    waiting[depth] = following
                    depth += 1
                    size += 1
        while len(found) < count + size:
            found = np.concatenate((found, found))
        for w in range(len(met)):
            left = met[w]
            met[w] = 0
            while left != 0:
                found[count] = 64 * w + _PLACES[((left & (~left + one)) * _SPREAD) >> _TOP]
                count += 1
                left &= left - one
        ends[k + 1] = count
    return ends, found[:count]


@cache
def _compiled_reach() -> Callable[..., Any]:
    """Return the walk as machine code, kept on disk between runs."""
    from numba import njit

    compiled: Callable[..., Any] = njit(cache=True)(_reach_each)
    return compiled
