"""One step of the beam for one unit: the formulas of one length joined with every atom."""

from __future__ import annotations

import numpy as np

from conceptx.induction.kernels.lanes import sum_of_both
from conceptx.induction.kernels.shared import Array, Pool, cell_of_two, compiled, keep

_SEEN = 256
"""So many intersections of a formula with atoms are remembered at most."""


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
    power: int,
    polynomial: tuple[float, float, float],
    allowed: Array,
    costs: Array,
    pool: Pool,
    thresholds: Array,
    members: Array,
) -> int:
    """Score the formulas of a level from slot `first` on joined with every atom; return how many formulas were scored.

    Their intersections with the atoms have the sizes `counts` and the rounded sums `weighed` (slots, atoms); what seems
    to beat the threshold, or to come short of it by no more than `slack`, is summed exactly. A negative `slack` says
    that the rounded sums are exact. Atoms are ordered by their costs.
    """
    _, beam_sums, beam_marks, beam_sizes, formulas, _ = pool
    atoms, levels = len(sizes), thresholds.shape[0]
    offset, everything, everything_marks = alls[0], alls[1], alls[2]
    n = len(factor) - 1
    formula = np.zeros(5, np.int32)
    guess = np.zeros(atoms)
    passes = np.zeros((atoms + 7) // 8 * 8, np.bool_)
    eights = passes.view(np.uint64)
    promising = np.zeros(atoms, np.int64)
    seen_marks, seen_above = np.zeros(_SEEN), np.zeros(_SEEN, np.int64)
    forms = int(allowed[1].sum())
    support = int(np.argmax(factor > 0))
    scored = 0
    for slot in range(first, first + len(counts)):
        held, sizes_here, sums_here = members[level, slot], counts[slot - first], weighed[slot - first]
        size, total, mark = beam_sizes[level, 0, slot], beam_sums[level, 0, slot], beam_marks[level, 0, slot]
        found, start = 0, 0
        for above in range(level + 1, levels):
            end = start + int(np.searchsorted(costs[start:], above - level, side="right"))
            scored += forms * (end - start)
            least = bar(thresholds[above, 0], slack)
            near = slice(start, end)
            passes[:] = False
            may_pass(
                sizes_here[near], sums_here[near], scale, sizes[near], sums[near], size, total, offset, everything, n,
                support, power, polynomial, max(least, 0.0) ** power * (1 - 1e-9), allowed[1], passes[near],
            )  # fmt: skip
            for eight in range(start // 8, (end + 7) // 8):
                if eights[eight] == 0:
                    continue
                for atom in range(8 * eight, 8 * eight + 8):
                    if not passes[atom]:
                        continue
                    guess[atom] = estimate(
                        sizes_here[atom], sums_here[atom] * scale, sizes[atom], sums[atom], size, total, offset,
                        everything, factor, allowed[1],
                    )  # fmt: skip
                    if guess[atom] > least:
                        promising[found] = atom
                        found += 1
            start = end
        seen_marks[:] = -1.0
        order = np.argsort(-guess[promising[:found]], kind="mergesort")
        for place in order:
            atom = promising[place]
            above = level + costs[atom]
            if guess[atom] <= bar(thresholds[above, 0], slack):
                continue
            if slack < 0:
                both_size, both_total = int(sizes_here[atom]), sums_here[atom] * scale
            else:
                both_size, both_total = sum_of_both(held, lanes[atom], q)
            both_mark, again, place_seen = -1.0, False, 0
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
                    _, both_mark = sum_of_both(held, lanes[atom], marks)
                    place_seen = int(both_mark) % _SEEN
                    again = seen_marks[place_seen] == both_mark and seen_above[place_seen] <= above
                if again and cell & 1:  # what is kept of the formula was tried with another atom
                    continue
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
            if halved and parted and both_mark >= 0 and not again:
                seen_marks[place_seen], seen_above[place_seen] = both_mark, above
    return scored


@compiled
def bar(threshold: float, slack: float) -> float:
    """Return what a guess must exceed."""
    return threshold - slack if slack > 0 else threshold * (1 + 1e-12)


@compiled
def may_pass(
    counts: Array,
    weighed: Array,
    scale: float,
    sizes: Array,
    sums: Array,
    size: int,
    total: float,
    offset: float,
    everything: float,
    n: int,
    support: int,
    power: int,
    polynomial: tuple[float, float, float],
    least: float,
    allowed: Array,
    passes: Array,
) -> None:
    """Set for every atom whether a formula over it and one of this size and total may score more than ᵐ√`least`.

    A score is W · factor, so where W > 0 its m-th power is W^m / (a + b k + c k²): m is the `power` of the target, a, b
    and c its `polynomial`. There is nothing to look up in that, so it is done in vector instructions. `support` is the
    least number of images in and outside of an extent.
    """
    a, b, c = polynomial
    f0, f1, f2, f3 = allowed[0] > 0, allowed[1] > 0, allowed[2] > 0, allowed[3] > 0
    f4, f5, f6, f7 = allowed[4] > 0, allowed[5] > 0, allowed[6] > 0, allowed[7] > 0
    rest, every, own_size = everything - total, float(n), float(size)
    for i in range(len(counts)):
        x, own, k3 = weighed[i] * scale, sums[i], float(counts[i])
        k1, k2 = own_size - k3, sizes[i] - k3
        k0 = every - own_size - k2
        k4, k5, k6, k7 = every - k0, every - k1, every - k2, every - k3
        w0, w1, w2, w3 = offset + (rest - own + x), offset + (total - x), offset + (own - x), offset + x
        w4, w5 = offset + (total + own - x), offset + (rest + x)
        w6, w7 = offset + (everything - own + x), offset + (everything - x)
        if power == 2:
            w0, w1, w2, w3 = w0 * abs(w0), w1 * abs(w1), w2 * abs(w2), w3 * abs(w3)
            w4, w5, w6, w7 = w4 * abs(w4), w5 * abs(w5), w6 * abs(w6), w7 * abs(w7)
        p0 = (f0 & (w0 > least * ((c * k0 + b) * k0 + a))) | (f4 & (w4 > least * ((c * k4 + b) * k4 + a)))
        p1 = (f1 & (w1 > least * ((c * k1 + b) * k1 + a))) | (f5 & (w5 > least * ((c * k5 + b) * k5 + a)))
        p2 = (f2 & (w2 > least * ((c * k2 + b) * k2 + a))) | (f6 & (w6 > least * ((c * k6 + b) * k6 + a)))
        p3 = (f3 & (w3 > least * ((c * k3 + b) * k3 + a))) | (f7 & (w7 > least * ((c * k7 + b) * k7 + a)))
        halved, parted = (
            ((k0 >= support) & p0) | ((k3 >= support) & p3),
            ((k1 >= support) & p1) | ((k2 >= support) & p2),
        )
        # where a cell is empty, two others are one of the two sets, or its complement
        passes[i] = (halved & (k1 * k2 != 0)) | (parted & (k0 * k3 != 0))


@compiled
def estimate(
    k: int,
    x: float,
    own_size: int,
    own: float,
    size: int,
    total: float,
    offset: float,
    everything: float,
    factor: Array,
    allowed: Array,
) -> float:
    """Return about the best score of a formula over an atom and one of this size and total; 0 if none is new.

    Their intersection has k images with the sum x.
    """
    n = len(factor) - 1
    second, neither = own_size - k, n - size - own_size + k
    best = 0.0
    if (size - k) * second != 0:
        best = max(best, (offset + x) * factor[k] * allowed[3])
        best = max(best, (offset + everything - total - own + x) * factor[neither] * allowed[0])
        best = max(best, (offset + everything - x) * factor[n - k] * allowed[7])
        best = max(best, (offset + total + own - x) * factor[n - neither] * allowed[4])
    if k * neither != 0:
        best = max(best, (offset + total - x) * factor[size - k] * allowed[1])
        best = max(best, (offset + own - x) * factor[second] * allowed[2])
        best = max(best, (offset + everything - total + x) * factor[n - size + k] * allowed[5])
        best = max(best, (offset + everything - own + x) * factor[n - second] * allowed[6])
    return best
