"""The certified search: every formula of up to three atoms is scored, for all units at once.

`exhaust` returns for each unit the best distinct extents of each length. Its certificate is completeness: a formula
depends on an extent only through the sums and sizes of the eight cells of its three atoms; these follow by inclusion
and exclusion from the sums over one, two and three atoms, which are exact, so one pass over all triples covers the
whole language (64 formulas a triple). What units share (sizes, which images two atoms share) is computed once for
all of them. It needs no bounds, so noise costs no more than signal; the cost grows with the cube of the number of
distinct atoms (see `work`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from conceptx.induction.formulas import Formula, decode, literals
from conceptx.induction.index import Index
from conceptx.induction.problem import Target
from conceptx.progress import Progress, silent

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Pool = tuple[Array, Array, Array, Array, Array, Array]
T = TypeVar("T")
R = TypeVar("R")

_BLOCK = 64
_SWITCH = 0.0005
_turns = Lock()
_found: list[float] = []
"""The switch intervals that those found who are inside of `_short_turns`, the first one's first."""
_TABLE_BYTES = 1 << 27
_ROOTS_A_CALL = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """A formula as a search found it: `score` as searched (see `Target`), its sum, size and mark, and its length."""

    score: float
    total: float
    size: int
    mark: float
    length: int
    formula: Formula


def work(lengths: npt.NDArray[np.int64], max_length: int) -> int:
    """Return how many sets of up to three atoms `exhaust` visits, give or take those that are too long."""
    reach = [int(np.count_nonzero(lengths <= max_length - others)) for others in (0, 1, 2)]
    return reach[0] + comb(reach[1], 2) + comb(reach[2], 3)


def exhaust(
    index: Index,
    targets: Sequence[Target],
    *,
    max_length: int = 3,
    negated: bool = True,
    width: int = 48,
    workers: int = 1,
    progress: Progress = silent,
) -> list[list[Candidate]]:
    """Return for each target the `width` best distinct extents of each length, best first; nothing better exists.

    Lengths count up to `max_length`, formulas have up to three atoms. A length lists only extents that beat what a
    full list of a shorter length holds.
    """
    groups: dict[int, list[int]] = {}
    for place, target in enumerate(targets):
        groups.setdefault(id(target.factor), []).append(place)
    kept = int(np.count_nonzero(index.lengths <= max_length - 2))
    fits = max(1, _TABLE_BYTES // (4 * max(kept, 1) ** 2) - 1)
    blocks: list[list[int]] = []
    for places in groups.values():
        size = max(1, min(_BLOCK, fits, -(-len(places) // workers)))
        blocks += [places[i : i + size] for i in range(0, len(places), size)]

    arrays = index.sparse()

    def solve(block: list[int]) -> list[list[Candidate]]:
        return _solve_block(index, arrays, [targets[i] for i in block], max_length, negated, width, kept)

    results: list[list[Candidate]] = [[] for _ in targets]
    solved = progress(in_threads(solve, blocks, workers), total=len(blocks), label="search")
    for block, found in zip(blocks, solved, strict=True):
        for place, candidates in zip(block, found, strict=True):
            results[place] = candidates
    return results


def new_pool(levels: int, units: int, width: int) -> Pool:
    """Return an empty pool: scores, sums, marks, sizes (levels, units, width), formulas, used (levels, units)."""
    shape = (levels, units, width)
    return (
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, dtype=np.int64),
        np.zeros((*shape, 6), dtype=np.int32),
        np.zeros((levels, units), dtype=np.int64),
    )


def columns_of(index: Index, targets: Sequence[Target]) -> tuple[Floats, Floats, Floats]:
    """Return values (images, units + 1), offsets (units,) and totals (units + 1,) as the kernels take them."""
    values = np.ascontiguousarray(np.column_stack([*(t.q for t in targets), index.marks]))
    offsets = np.array([t.offset for t in targets])
    return values, offsets, values.sum(axis=0)


@lru_cache(maxsize=2)
def allowed_forms(negated: bool) -> Floats:
    """Return (3, 64) with 1 for each formula of one, two or three atoms that the language has, else 0."""
    allowed = np.zeros((3, 64))
    for count, forms in enumerate((2, 8, 64), start=1):
        for form in range(forms):
            formula = decode((count, 0, 1, 2, form))
            allowed[count - 1, form] = negated or all(x.holds for x in literals(formula))
    allowed.setflags(write=False)
    return allowed


def merged(certified: list[Candidate], beamed: list[Candidate]) -> list[Candidate]:
    """Add the beam's extents that the certified search does not list."""
    known = {(c.mark, c.total, c.size) for c in certified}
    return certified + [c for c in beamed if (c.mark, c.total, c.size) not in known]


def in_threads(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """Yield work(item) in the order of the items, computed by so many threads."""
    if workers <= 1 or len(items) <= 1:
        yield from map(work, items)
        return
    with _short_turns(), ThreadPoolExecutor(min(workers, len(items))) as pool:
        yield from pool.map(work, items)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads take turns in Python more often; the last one to leave restores what the first one found.

    What comes back from compiled code waits for a turn, by default ten times as long: a sixth of the whole.
    """
    with _turns:
        _found.append(sys.getswitchinterval())
        sys.setswitchinterval(min(_found[0], _SWITCH))
    try:
        yield
    finally:
        with _turns:
            found = _found.pop()
            if not _found:
                sys.setswitchinterval(found)


def _solve_block(
    index: Index,
    arrays: tuple[Array, Array, Array, Array],
    targets: Sequence[Target],
    max_length: int,
    negated: bool,
    width: int,
    kept: int,
) -> list[list[Candidate]]:
    from conceptx.induction.kernels import exact, shared

    values, offsets, totals = columns_of(index, targets)
    units, atoms, factor, allowed = len(targets), len(index.lengths), targets[0].factor, allowed_forms(negated)
    pool = new_pool(max_length, units, width)
    thresholds = np.zeros((max_length, units))
    sizes, sums = shared.singles(arrays, values, offsets, totals, factor, allowed, index.lengths, pool, thresholds)
    table = (np.zeros((kept, kept), dtype=np.int32), np.zeros((kept, kept, units + 1)))
    for stage in [exact.pairs, exact.triples][: max_length - 1]:
        for first in range(0, atoms, _ROOTS_A_CALL):
            roots = (first, min(first + _ROOTS_A_CALL, atoms))
            stage(
                roots, arrays, values, offsets, totals, factor, allowed, index.lengths, sizes, sums,
                pool, thresholds, *table,
            )  # fmt: skip
    return [collect(pool, unit) for unit in range(units)]


def collect(pool: Pool, unit: int, formulas: Mapping[tuple[int, int], Formula] | None = None) -> list[Candidate]:
    """Return what a pool holds for a unit, each extent once under its shortest formula, best first.

    `formulas` are those of (level, slot), where they cannot be decoded by themselves.
    """
    scores, sums, marks, sizes, codes, used = pool
    found: dict[tuple[float, float, int], Candidate] = {}
    for level in range(scores.shape[0]):
        for slot in range(int(used[level, unit])):
            at = (level, unit, slot)
            key = (float(marks[at]), float(sums[at]), int(sizes[at]))
            formula = decode(codes[at][:5]) if formulas is None else formulas[level, slot]
            found.setdefault(key, Candidate(float(scores[at]), key[1], key[2], key[0], level + 1, formula))
    return sorted(found.values(), key=lambda c: (-c.score, c.length, [x.atom for x in literals(c.formula)]))
