"""The beam search: fast for any number of atoms and any length, without a certificate.

It keeps the best distinct extents of each length and joins each of them with every atom, by all eight formulas over
the two. It gives `branch` a score to beat, and stands in where a proof would cost more than its budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from conceptx.induction.formulas import Formula, Literal, decode, extended, literals, renamed
from conceptx.induction.index import Floats, Index, Lanes, View, first_level, intersections, view
from conceptx.induction.optimal import Candidate, Pool, allowed_forms, collect, in_threads, new_pool
from conceptx.induction.problem import Target
from conceptx.induction.relaxation import LANE, middling, slack
from conceptx.progress import Progress, silent

_UNITS_A_BLOCK = 16
_SETS = 4
"""So many sets are intersected with all atoms at a time, so that what comes of it stays in the cache."""
_VIEW_BYTES = 1 << 29


def beam(
    index: Index,
    targets: Sequence[Target],
    *,
    max_length: int = 3,
    negated: bool = True,
    width: int = 64,
    workers: int = 1,
    progress: Progress = silent,
) -> tuple[list[list[Candidate]], list[int]]:
    """Return for each target the best distinct extents that were found, best first, and how many formulas were scored.

    `width` extents are kept for each length.
    """

    def solve(block: Sequence[Target]) -> list[tuple[list[Candidate], int]]:
        rows = first_level(index, block)
        return [
            started(index, target, sums, max_length, negated, width)[1:]
            for target, sums in zip(block, rows, strict=True)
        ]

    blocks = blocks_of(targets, workers)
    shown = progress(in_threads(solve, blocks, workers), total=len(blocks), label="search")
    results = [result for block in shown for result in block]
    return [found for found, _ in results], [scored for _, scored in results]


def blocks_of(targets: Sequence[Target], workers: int) -> list[Sequence[Target]]:
    """Cut targets into blocks that share a first level, at least one for each worker."""
    size = max(1, min(_UNITS_A_BLOCK, -(-len(targets) // workers)))
    return [targets[i : i + size] for i in range(0, len(targets), size)]


def started(
    index: Index, target: Target, sums: Floats, max_length: int, negated: bool, width: int
) -> tuple[View | None, list[Candidate], int]:
    """Return a target's view, what the beam finds, and how many formulas it scored.

    Where a view of all atoms takes more than half a gigabyte there is none, and the beam has only the atoms that score
    highest by themselves.
    """
    most = _VIEW_BYTES // (2 * (len(target.q) // LANE + 1))
    if len(index) <= most:
        seen = view(index, target, sums)
        return seen, *beam_of(index, seen, max_length, negated, width)
    n, sizes = index.n_images, index.sizes
    scores = np.maximum(
        (target.offset + sums) * target.factor[sizes],
        (target.offset + target.total - sums) * target.factor[n - sizes] * negated,
    )
    kept = np.sort(np.argsort(-scores, kind="stable")[:most])
    small = index.subset(kept)
    found, scored = beam_of(small, view(small, target, sums[kept]), max_length, negated, width)
    return None, [replace(c, formula=renamed(c.formula, kept.tolist())) for c in found], scored


def beam_of(index: Index, seen: View, max_length: int, negated: bool, width: int) -> tuple[list[Candidate], int]:
    """Return what `beam` returns for the unit of a view."""
    from conceptx.induction.kernels import beam as step

    pool, thresholds = new_pool(max_length, 1, width), np.zeros((max_length, 1))
    members = np.zeros((max_length, width, len(seen.layout.high)), dtype=np.uint16)
    alls = np.array([seen.target.offset, seen.target.total, float(index.marks.sum())])
    allowed, factor = allowed_forms(negated), seen.target.factor
    step.singles(index.sizes, seen.sums, index.mark_sums, alls, factor, allowed, index.lengths, pool, thresholds)
    scored = 2 * len(index) if negated else len(index)
    for level in range(max_length - 1):
        step.materialise(level, seen.lanes, seen.layout.filled, pool, members)
        scored += _join(level, index, seen, alls, allowed, pool, thresholds, members)
    return _collect(pool, {}), scored


def lengthened(
    index: Index, seen: View, seeds: Sequence[Candidate], max_length: int, negated: bool, least: float
) -> list[Candidate]:
    """Return the best formulas of a seed and one more atom that score above `least`, best first."""
    alls = np.array([seen.target.offset, seen.target.total, float(index.marks.sum())])
    found: list[Candidate] = []
    for level in range(max_length - 1):
        # a pool for each length: among longer seeds, what is found would take the place of some
        chosen = [seed for seed in seeds if seed.length == level + 1]
        if not chosen:
            continue
        pool, thresholds = new_pool(max_length, 1, len(seeds)), np.full((max_length, 1), least)
        members = np.zeros((max_length, len(seeds), len(seen.layout.high)), dtype=np.uint16)
        totals, seed_marks, sizes, codes, used = pool[1:]
        for slot, seed in enumerate(chosen):
            at = (level, 0, slot)
            totals[at], seed_marks[at], sizes[at] = seed.total, seed.mark, seed.size
            codes[at][5] = sum(not x.holds for x in literals(seed.formula))
            members[level, slot] = _lanes_of(seed.formula, seen)
        used[level, 0] = len(chosen)
        _join(level, index, seen, alls, allowed_forms(negated), pool, thresholds, members)
        known = {(level, slot): seed.formula for slot, seed in enumerate(chosen)}
        found += [c for c in _collect(pool, known) if c.score > least]
    return sorted(found, key=lambda c: -c.score)


def _join(
    level: int,
    index: Index,
    seen: View,
    alls: Floats,
    allowed: Floats,
    pool: Pool,
    thresholds: Floats,
    members: Lanes,
) -> int:
    """Join every formula of a level of the pool with every atom; return how many formulas were scored."""
    from conceptx.induction.kernels import beam as step

    layout, target = seen.layout, seen.target
    weight, worth = middling(layout)
    spare = slack(layout, weight, worth, target.factor)
    slot_marks = np.zeros(len(layout.q))
    slot_marks[layout.slot] = index.marks
    scored, used = 0, int(pool[5][level, 0])
    step_size = _SETS if index.products is None else max(used, 1)
    for first in range(0, used, step_size):
        held = members[level, first : min(first + step_size, used)]
        counts, weighed = intersections(index, seen, held, weight)
        scored += step.join(
            level, first, counts, weighed, seen.lanes, layout.q, slot_marks, worth, spare, index.sizes, seen.sums,
            index.mark_sums, alls, target.factor, target.power, target.polynomial, allowed, index.lengths, pool,
            thresholds, members,
        )  # fmt: skip
    return int(scored)


def _lanes_of(formula: Formula, seen: View) -> Lanes:
    """Return the extent of a formula in lanes."""
    if isinstance(formula, Literal):
        row = seen.lanes[formula.atom]
        return np.asarray(row if formula.holds else seen.layout.filled & ~row)
    combine = np.bitwise_and if formula.every else np.bitwise_or
    return np.asarray(combine.reduce([_lanes_of(part, seen) for part in formula.parts]), dtype=np.uint16)


def _collect(pool: Pool, known: Mapping[tuple[int, int], Formula]) -> list[Candidate]:
    """Return what the pool holds, with the formulas put together from their parents; `known` ones are as given."""
    codes, used = pool[4], pool[5]
    formulas: dict[tuple[int, int], Formula] = dict(known)
    for level in range(codes.shape[0]):
        for slot in range(int(used[level, 0])):
            count, parent_level, parent, atom, cell = (int(x) for x in codes[level, 0, slot, :5])
            if (level, slot) in known:
                continue
            if count == 1:
                formulas[level, slot] = decode((1, parent_level, parent, atom, cell))
            else:
                formulas[level, slot] = extended(formulas[parent_level, parent], atom, cell)
    return collect(pool, 0, formulas)
