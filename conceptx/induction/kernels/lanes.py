"""Extents in lanes of 16 bits, ordered by one unit's values: weighted sums over intersections in vector instructions.

Literals are numbered: 2 a is atom a, 2 a + 1 its negation. Lanes, weights and slots are those of `relaxation`.
"""

from __future__ import annotations

import numpy as np

from conceptx.induction.kernels.bits import lowest_bit, popcount16, popcount64
from conceptx.induction.kernels.shared import Array, compiled

_BLOCK = 4032
"""The bits of so many lanes can be counted in 16 bits."""


@compiled
def cut(ranked: Array, width: float, most: int, lane: Array) -> int:
    """Set the lane of each value (highest first), up to `most` no further apart than `width`; return how many lanes."""
    lanes, first = 0, 0
    for i in range(len(ranked)):
        if i == 0 or i - first == most or not ranked[i] >= ranked[first] - width:
            first = i
            lanes += 1
        lane[i] = lanes - 1
    return lanes


@compiled
def lay_out(packed: Array, slot: Array, lanes: Array) -> None:
    """Copy packed rows (atoms, words) into lanes (atoms, lanes) of zeros, image i to slot[i]."""
    atoms, words = packed.shape
    one = np.uint64(1)
    for a in range(atoms):
        row = lanes[a]
        for word in range(words):
            x = packed[a, word]
            while x:
                s = slot[(word << 6) + lowest_bit(x)]
                x &= x - one
                row[s >> 4] |= np.uint16(1 << (s & 15))


@compiled
def upper(weight: Array) -> int:
    """Return how many lanes have the first weight, where all others have one that is not above 0; else -1.

    Lanes come by falling weights; empty ones, without bits, are at the end and have the weight 0.
    """
    lanes, first = len(weight), 1
    while first < lanes and weight[first] == weight[0]:
        first += 1
    if first == lanes or weight[0] <= 0 or weight[first] > 0:
        return -1
    last = first
    while last < lanes and weight[last] == weight[first]:
        last += 1
    while last < lanes and weight[last] == 0:
        last += 1
    return first if last == lanes else -1


@compiled
def counted(lanes: Array, held: Array, first: int, above: Array, counts: Array) -> None:
    """Set the sizes of the intersection of `held` with every row: over the first lanes, and over all."""
    begin, end = first >> 5 << 3, min((first + 31) >> 5 << 3, len(held) >> 2)  # in words, whole vectors
    near, far = held.copy(), held.copy()
    near[first:], far[:first] = 0, 0
    wide, nearer, farther = lanes.view(np.uint64), near.view(np.uint64)[:end], far.view(np.uint64)[begin:]
    for a in range(len(lanes)):
        words, rest = wide[a], wide[a, begin:]
        one, other = 0, 0
        for j in range(len(nearer)):
            one += popcount64(words[j] & nearer[j])
        for j in range(len(farther)):
            other += popcount64(rest[j] & farther[j])
        above[a] = one
        counts[a] = one + other


@compiled
def rows(lanes: Array, main: Array, weight: Array, split: int, gains: Array, losses: Array) -> None:
    """Set P and N of the intersection of `main` with every row; weights are positive before `split`, then not."""
    first = upper(weight)
    if first == split:
        counted(lanes, main, first, gains, losses)
        up, down = np.int32(weight[0]), np.int32(weight[first])
        for a in range(len(lanes)):
            losses[a] = (gains[a] - losses[a]) * down
            gains[a] *= up
        return
    main_up, main_down = main[:split], main[split:]
    ups, downs = weight[:split], weight[split:]
    for a in range(len(lanes)):
        high, low = lanes[a, :split], lanes[a, split:]
        gain, loss = np.int32(0), np.int32(0)
        for j in range(len(high)):
            gain += np.int32(popcount16(high[j] & main_up[j])) * np.int32(ups[j])
        for j in range(len(low)):
            loss += np.int32(popcount16(low[j] & main_down[j])) * np.int32(downs[j])
        gains[a] = gain
        losses[a] = -loss


@compiled
def intersections(lanes: Array, held: Array, weight: Array, counts: Array, weighed: Array) -> None:
    """Set the sizes and weighted sums (sets, atoms) of the intersection of every set (sets, lanes) with every row."""
    first = upper(weight)
    for k in range(len(held)):
        if first > 0:
            counted(lanes, held[k], first, weighed[k], counts[k])
            up, down = np.int32(weight[0]), np.int32(weight[first])
            for a in range(len(lanes)):
                weighed[k, a] = weighed[k, a] * up + (counts[k, a] - weighed[k, a]) * down
            continue
        counts[k], weighed[k] = 0, 0
        for start in range(0, len(weight), _BLOCK):
            part = slice(start, start + _BLOCK)
            own, worth = held[k, part], weight[part]
            for a in range(len(lanes)):
                row, count, total = lanes[a, part], np.uint16(0), np.int32(0)
                for j in range(len(worth)):
                    bits = popcount16(row[j] & own[j])
                    total += np.int32(bits) * np.int32(worth[j])
                    count = np.uint16(count + bits)
                counts[k, a] += count
                weighed[k, a] += total


@compiled
def weight_of(row: Array, other: Array, weight: Array) -> int:
    """Return W of the intersection of two rows."""
    total = np.int32(0)
    for j in range(len(weight)):
        total += np.int32(popcount16(row[j] & other[j])) * np.int32(weight[j])
    return int(total)


@compiled
def count(row: Array) -> int:
    """Return how many bits a row has."""
    size = np.int32(0)
    for j in range(len(row)):
        size += np.int32(popcount16(row[j]))
    return int(size)


@compiled
def count_and_sum(row: Array, q: Array) -> tuple[int, float]:
    """Return how many bits a row has, and the exact sum of q over them."""
    size, total = 0, 0.0
    one = np.uint64(1)
    words = row.view(np.uint64)
    for j in range(len(words)):
        x = words[j]
        while x:
            total += q[(j << 6) + lowest_bit(x)]
            size += 1
            x &= x - one
    return size, total


@compiled
def sum_of_both(row: Array, other: Array, values: Array) -> tuple[int, float]:
    """Return how many bits two rows share, and the exact sum of the values over them."""
    size, total = 0, 0.0
    one = np.uint64(1)
    words, others = row.view(np.uint64), other.view(np.uint64)
    for j in range(len(words)):
        x = words[j] & others[j]
        while x:
            total += values[(j << 6) + lowest_bit(x)]
            size += 1
            x &= x - one
    return size, total


@compiled
def signed(lanes: Array, filled: Array, literal: int, out: Array) -> None:
    """Set `out` to the row of a literal."""
    row = lanes[literal >> 1]
    if literal & 1:
        for j in range(len(filled)):
            out[j] = filled[j] & ~row[j]
    else:
        out[:] = row


@compiled
def combined(form: int, main: Array, c: Array, d: Array, out: Array) -> None:
    """Set `out` to the extent of a form (see `branch`) from the rows of its literals."""
    for j in range(len(out)):
        if form == 1:
            out[j] = main[j] & c[j] & d[j]
        elif form == 2:
            out[j] = main[j] & (c[j] | d[j])
        elif form == 3:
            out[j] = main[j] | (c[j] & d[j])
        elif form == 4:
            out[j] = main[j] | c[j] | d[j]
        elif form == 5:
            out[j] = c[j] & (main[j] | d[j])
        elif form == 6:
            out[j] = c[j] | (main[j] & d[j])
        elif form == 7:
            out[j] = main[j] & c[j]
        else:
            out[j] = main[j] | c[j]
