"""The compiled loops over packed extents: enumeration without repetition, projection, and combinations of statements.

An extent is a row of 64-bit words, bit i for individual i; bits beyond the last individual are 0. Rows are kept once:
a table of open addresses finds a row by a hash, and rows are compared word by word, so no two extents are ever taken
for one. Everything is integer arithmetic in a fixed order: equal input gives equal output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.induction.kernels.shared import compiled

Words = npt.NDArray[np.uint64]
Array = npt.NDArray[Any]

SOME, ONLY, MIN, MAX, EXACTLY = 0, 1, 2, 3, 4

_M1, _M2, _M4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_BYTES = np.uint64(0x0101010101010101)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_S1, _S2, _S4, _S56 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
_S29, S6, LOW6, ONE, _ZERO = np.uint64(29), np.uint64(6), np.uint64(63), np.uint64(1), np.uint64(0)


@compiled
def ones(word: Any) -> Any:
    """Return the number of bits that are set in a word."""
    word = word - ((word >> _S1) & _M1)
    word = (word & _M2) + ((word >> _S2) & _M2)
    word = (word + (word >> _S4)) & _M4
    return np.int64((word * _BYTES) >> _S56)


@compiled
def count_both(a: Array, b: Array) -> Any:
    """Return the number of bits that are set in both rows."""
    total = 0
    for w in range(len(a)):
        total += ones(a[w] & b[w])
    return total


@compiled
def place_of(rows: Array, table: Array, row: Array) -> Any:
    """Return the number of the equal row, or -1 - slot where the row would go in the table."""
    h = _ZERO
    for w in range(len(row)):
        h = (h ^ row[w]) * _MIX
        h ^= h >> _S29
    mask = np.uint64(len(table) - 1)
    slot: Any = np.int64(h & mask)
    while table[slot] >= 0:
        other = table[slot]
        same = True
        for w in range(len(row)):
            if rows[other, w] != row[w]:
                same = False
                break
        if same:
            return other
        slot = slot + 1 if slot + 1 < len(table) else 0
    return -1 - slot


@compiled
def keep(
    rows: Array, table: Array, made: Array, used: int, row: Array, op: int, left: int, right: int, number: int
) -> int:
    """Keep a row if it is new; return how many rows there are now, or -1 if there is no room."""
    place = place_of(rows, table, row)
    if place >= 0:
        return used
    if used == len(rows):
        return -1
    rows[used] = row
    made[used, 0], made[used, 1], made[used, 2], made[used, 3] = op, left, right, number
    table[-1 - place] = used
    return used + 1


@compiled
def rehash(rows: Array, table: Array, used: int) -> None:
    """Fill the table anew with the first `used` rows."""
    table[:] = -1
    for i in range(used):
        table[-1 - place_of(rows, table, rows[i])] = i


@compiled
def complements(rows: Array, table: Array, made: Array, used: int, full: Array, first: int, end: int, op: int) -> int:
    """Keep the complement of the rows first … end - 1; `full` has the bits of all individuals."""
    row = np.empty(rows.shape[1], np.uint64)
    for i in range(first, end):
        for w in range(len(row)):
            row[w] = full[w] & ~rows[i, w]
        used = keep(rows, table, made, used, row, op, i, -1, 0)
        if used < 0:
            return -1
    return used


@compiled
def junctions(
    rows: Array, table: Array, made: Array, used: int, a: int, a_end: int, b: int, b_end: int, both: bool, op: int
) -> int:
    """Keep the intersections (`both`) or unions of the rows of two ranges; pairs of one range are taken once."""
    row = np.empty(rows.shape[1], np.uint64)
    for i in range(a, a_end):
        for j in range(i + 1 if a == b else b, b_end):
            for w in range(len(row)):
                row[w] = rows[i, w] & rows[j, w] if both else rows[i, w] | rows[j, w]
            used = keep(rows, table, made, used, row, op, i, j, 0)
            if used < 0:
                return -1
    return used


@compiled
def holds_by(kind: int, n: int, count: int, degree: int) -> bool:
    """Return whether a restriction holds for an individual with `degree` successors, `count` of them wanted."""
    if kind == SOME:
        return count > 0
    if kind == ONLY:
        return count == degree
    if kind == MIN:
        return count >= n
    if kind == MAX:
        return count <= n
    return count == n


@compiled
def lifts(
    rows: Array,
    table: Array,
    made: Array,
    used: int,
    starts: Array,
    targets: Array,
    sources: Array,
    idle: Array,
    first: int,
    end: int,
    op: int,
    role: int,
    kind: int,
    least: int,
    most: int,
) -> int:
    """Keep what a role makes of the rows first … end - 1: some, only, or a count with every n of least … most.

    The successors of individual x are targets[starts[x]:starts[x + 1]]; `sources` are the individuals that have
    some, `idle` has the bits of the others.
    """
    counts = np.empty(len(sources), np.int64)
    row = np.empty(rows.shape[1], np.uint64)
    for i in range(first, end):
        for s in range(len(sources)):
            x = sources[s]
            found: Any = 0
            for k in range(starts[x], starts[x + 1]):
                t = np.uint64(targets[k])
                found += np.int64((rows[i, np.int64(t >> S6)] >> (t & LOW6)) & ONE)
            counts[s] = found
        for n in range(least, most + 1):
            for w in range(len(row)):
                row[w] = idle[w] if kind in (ONLY, MAX) else _ZERO
            for s in range(len(sources)):
                x = sources[s]
                if holds_by(kind, n, counts[s], starts[x + 1] - starts[x]):
                    row[x >> 6] |= ONE << (np.uint64(x) & LOW6)
            used = keep(rows, table, made, used, row, op, i, role, n)
            if used < 0:
                return -1
    return used


@compiled
def project(rows: Array, first: int, end: int, chosen: Array, out: Array) -> None:
    """Write the bits of the chosen individuals of rows first … end - 1 to the rows of `out`, from its row 0."""
    n = len(chosen)
    words, shifts = np.empty(n, np.int64), np.empty(n, np.uint64)
    for k in range(n):
        words[k], shifts[k] = chosen[k] >> 6, np.uint64(chosen[k] & 63)
    for i in range(first, end):
        for w in range(out.shape[1]):
            found = _ZERO
            for k in range(w * 64, min(w * 64 + 64, n)):
                found |= ((rows[i, words[k]] >> shifts[k]) & ONE) << np.uint64(k & 63)
            out[i - first, w] = found


@compiled
def distinct(
    out: Array, n: int, rows: Array, table: Array, made: Array, used: int, source: int, length: int, same: Array
) -> int:
    """Keep the first `n` rows of `out` that are new; `made` notes (source row, length), `same` which row each is."""
    for i in range(n):
        used = keep(rows, table, made, used, out[i], source + i, length, 0, 0)
        same[source + i] = place_of(rows, table, out[i])
    return used


@compiled
def tally(rows: Array, mask: Array, first: int, end: int, out: Array) -> None:
    """Write to out[i] how many bits of the mask are set in row i."""
    for i in range(first, end):
        out[i] = count_both(rows[i], mask)
