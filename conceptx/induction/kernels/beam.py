"""One step of the beam for one unit: the formulas of one length joined with every atom."""

from __future__ import annotations

import numpy as np

from conceptx.induction.kernels.lanes import count_and_sum
from conceptx.induction.kernels.shared import Array, Pool, cell_of_two, compiled, keep


@compiled
def singles(
    sizes: Array,
    sums: Array,
    marks: Array,
    alls: Array,
    factor: Array,
    allowed: Array,
    costs: Array,
    pool: Pool,
    thresholds: Array,
) -> None:
    """Put the best atoms and complements into the pool; `alls` is the offset, the total of q and that of the marks."""
    n = len(factor) - 1
    formula = np.zeros(5, np.int32)
    for a in range(len(sizes)):
        level = costs[a] - 1
        if level >= thresholds.shape[0]:
            continue
        for form in range(2):
            size = sizes[a] if form == 0 else n - sizes[a]
            total = sums[a] if form == 0 else alls[1] - sums[a]
            score = (alls[0] + total) * factor[size] * allowed[0, form]
            if score > thresholds[level, 0]:
                mark = marks[a] if form == 0 else alls[2] - marks[a]
                formula[:] = (1, a, 0, 0, form)
                keep(pool, thresholds, 0, level, score, total, mark, size, formula, form)


@compiled
def materialise(level: int, lanes: Array, filled: Array, pool: Pool, members: Array) -> None:
    """Set `members` (levels, width, lanes) to the extent of every formula of a level."""
    formulas, used = pool[4], pool[5]
    for slot in range(used[level, 0]):
        count, first, second, atom, form = formulas[level, 0, slot, :5]
        held = members[level, slot]
        if count == 1:
            held[:] = lanes[first]
            turned = form == 1
        else:
            parent, other = members[first, second], lanes[atom]
            for j in range(len(filled)):
                left = parent[j] if form & 1 else ~parent[j]
                right = other[j] if form & 2 else ~other[j]
                held[j] = left & right & filled[j]
            turned = form & 4 != 0
        if turned:
            for j in range(len(filled)):
                held[j] = filled[j] & ~held[j]


@compiled
def join(
    level: int,
    first: int,
    counts: Array,
    weighed: Array,
    lanes: Array,
    q: Array,
    marks: Array,
    scale: float,
    slack: float,
    sizes: Array,
    sums: Array,
    mark_sums: Array,
    alls: Array,
    factor: Array,
    allowed: Array,
    costs: Array,
    pool: Pool,
    thresholds: Array,
    members: Array,
) -> int:
    """Score the formulas of a level from slot `first` on joined with every atom; return how many formulas were scored.

    Their intersections with the atoms have the sizes `counts` and the rounded sums `weighed` (slots, atoms); what seems
    to beat the threshold, or to come short of it by no more than `slack`, is summed exactly. A negative `slack` says
    that the rounded sums are exact.
    """
    _, beam_sums, beam_marks, beam_sizes, formulas, _ = pool
    atoms, levels = len(sizes), thresholds.shape[0]
    offset, everything, everything_marks = alls[0], alls[1], alls[2]
    n = len(factor) - 1
    formula = np.zeros(5, np.int32)
    guess = np.zeros(atoms)
    promising = np.zeros(atoms, np.int64)
    both = np.zeros(lanes.shape[1], np.uint16)
    forms = int(allowed[1].sum())
    scored = 0
    for slot in range(first, first + len(counts)):
        held, sizes_here, sums_here = members[level, slot], counts[slot - first], weighed[slot - first]
        size, total, mark = beam_sizes[level, 0, slot], beam_sums[level, 0, slot], beam_marks[level, 0, slot]
        estimate(sizes_here, sums_here, scale, sizes, sums, size, total, offset, everything, factor, allowed, guess)
        found = 0
        for atom in range(atoms):
            above = level + costs[atom]
            if above >= levels:
                break
            scored += forms
            if guess[atom] > bar(thresholds[above, 0], slack):
                promising[found] = atom
                found += 1
        order = np.argsort(-guess[promising[:found]], kind="mergesort")
        for place in order:
            atom = promising[place]
            above = level + costs[atom]
            if guess[atom] <= bar(thresholds[above, 0], slack):
                continue
            other = lanes[atom]
            for j in range(len(both)):
                both[j] = held[j] & other[j]
            if slack < 0:
                both_size, both_total = int(sizes_here[atom]), sums_here[atom] * scale
            else:
                both_size, both_total = count_and_sum(both, q)
            both_mark = -1.0
            neither = n - size - sizes[atom] + both_size
            halved, parted = (size - both_size) * (sizes[atom] - both_size) != 0, both_size * neither != 0
            for cell in range(4):
                if not (halved if cell == 0 or cell == 3 else parted):
                    continue
                cell_size = int(cell_of_two(cell, size, sizes[atom], both_size, n))
                cell_total = cell_of_two(cell, total, sums[atom], both_total, everything)
                inside = (offset + cell_total) * factor[cell_size] * allowed[1, cell]
                outside = (offset + everything - cell_total) * factor[n - cell_size] * allowed[1, cell + 4]
                if inside <= thresholds[above, 0] and outside <= thresholds[above, 0]:
                    continue
                if both_mark < 0:
                    _, both_mark = count_and_sum(both, marks)
                cell_mark = cell_of_two(cell, mark, mark_sums[atom], both_mark, everything_marks)
                before = formulas[level, 0, slot, 5]
                parts = level + 1
                kept, refused = cell & 1, 1 - (cell >> 1)
                if inside > thresholds[above, 0]:
                    formula[:] = (4, level, slot, atom, cell)
                    negations = (before if kept else parts - before) + refused
                    keep(pool, thresholds, 0, above, inside, cell_total, cell_mark, cell_size, formula, negations)
                if outside > thresholds[above, 0]:
                    formula[:] = (4, level, slot, atom, cell + 4)
                    negations = (parts - before if kept else before) + 1 - refused
                    rest, rest_mark = everything - cell_total, everything_marks - cell_mark
                    keep(pool, thresholds, 0, above, outside, rest, rest_mark, n - cell_size, formula, negations)
    return scored


@compiled
def bar(threshold: float, slack: float) -> float:
    """Return what a guess must exceed."""
    return threshold - slack if slack > 0 else threshold * (1 + 1e-12)


@compiled
def higher(a: float, b: float) -> float:
    """Return the higher of two numbers, in the form that becomes a vector instruction."""
    return a if a > b else b


@compiled
def estimate(
    counts: Array,
    weighed: Array,
    scale: float,
    sizes: Array,
    sums: Array,
    size: int,
    total: float,
    offset: float,
    everything: float,
    factor: Array,
    allowed: Array,
    guess: Array,
) -> None:
    """Set for every atom about the best score of a formula over it and one of this size and total; 0 if none is new."""
    n = len(factor) - 1
    f0, f1, f2, f3 = allowed[1, 0], allowed[1, 1], allowed[1, 2], allowed[1, 3]
    f4, f5, f6, f7 = allowed[1, 4], allowed[1, 5], allowed[1, 6], allowed[1, 7]
    for a in range(len(counts)):
        k, x, own, own_size = counts[a], weighed[a] * scale, sums[a], sizes[a]
        second, neither = own_size - k, n - size - own_size + k
        # where a cell is empty, two others are one of the two sets, or its complement
        halved = 1.0 if (size - k) * second != 0 else 0.0
        parted = 1.0 if k * neither != 0 else 0.0
        best = (offset + x) * factor[k] * f3
        best = higher((offset + everything - total - own + x) * factor[neither] * f0, best)
        best = higher((offset + everything - x) * factor[n - k] * f7, best)
        best = higher((offset + total + own - x) * factor[n - neither] * f4, best) * halved
        other = (offset + total - x) * factor[size - k] * f1
        other = higher((offset + own - x) * factor[second] * f2, other)
        other = higher((offset + everything - total + x) * factor[n - size + k] * f5, other)
        other = higher((offset + everything - own + x) * factor[n - second] * f6, other) * parted
        guess[a] = higher(best, other)
