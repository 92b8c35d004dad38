"""What bounds a formula of the branch and bound: thresholds in whole numbers, and what literals can do in a region.

The forms, what a literal *gathers* and *sheds*, and the bounds are explained in `branch`.
"""

from __future__ import annotations

import numpy as np

from conceptx.induction.kernels.bits import popcount16
from conceptx.induction.kernels.lanes import count_and_sum, weight_of
from conceptx.induction.kernels.shared import Array, compiled

_NEVER = -(1 << 29)
CONJUNCT, DISJUNCT = 1, 2


@compiled
def needed(score: float, ends: Array, strict: bool) -> float:
    """Return θ times the scale for a score.

    `ends` are s and λ k at both ends of the bracket, the offset, the scale of whole numbers and λ. An extent that beats
    the score has more than this. Ties have more too, unless `strict`.
    """
    size = abs(score) * max(ends[0], ends[2]) + max(abs(ends[1]), abs(ends[3])) + abs(ends[4])
    slack = 1e-13 * size
    least = min(score * ends[0] - ends[1], score * ends[2] - ends[3]) - ends[4]
    return float(ends[5] * (least + slack if strict else least - slack))


@compiled
def theta(score: float, ends: Array, strict: bool) -> int:
    """Return θ in whole numbers for a score; see `needed`."""
    return int(np.floor(min(max(needed(score, ends, strict), -5e8), 5e8)))


@compiled
def exact_weight(row: Array, q: Array, ends: Array) -> float:
    """Return W of a row times the scale, without the rounding of its lanes; `ends` as for `needed`."""
    size, total = count_and_sum(row, q)
    return float(ends[5] * (total - ends[6] * size))


@compiled
def sheds_within(row: Array, low: Array) -> int:
    """Return N of a row at most, by the lower weights."""
    total = np.int32(0)
    for j in range(len(low)):
        total -= np.int32(popcount16(row[j])) * min(np.int32(low[j]), np.int32(0))
    return int(total)


@compiled
def reaching(
    form: int,
    main: int,
    limit: int,
    everything: tuple[int, int],
    outer: Array,
    gathers: Array,
    sheds: Array,
    whole: Array,
) -> int:
    """Return how many of the sorted literals `outer` can be c in a form from 5 to 8, by what they shed or gather.

    In 5 and 7, c must shed what l has too much: N(l) - N(not c) < P(all) - θ. In 6 and 8 it must gather what l lacks:
    P(c) > θ - P(l).
    """
    shedding = form == 5 or form == 7
    surplus = gathers[main] - whole[main] - (everything[0] - limit) if shedding else limit - gathers[main]
    low, high = 0, len(outer)
    while low < high:
        middle = (low + high) // 2
        value = sheds[outer[middle]] if shedding else gathers[outer[middle]]
        if value > surplus:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def can_be_outer(
    form: int,
    main: int,
    c: int,
    limit: int,
    gathers: Array,
    whole: Array,
    lanes: Array,
    main_row: Array,
    weight: Array,
    split: int,
) -> bool:
    """Return whether P(c) - N(c l) > θ in form 5, W(c) + P(l) - P(c l) > θ in form 6."""
    row = lanes[c >> 1]
    if form == 5:
        loss = -weight_of(main_row[split:], row[split:], weight[split:])
        loss = gathers[main] - whole[main] - loss if c & 1 else loss
        return bool(gathers[c] - loss > limit)
    gain = weight_of(main_row[:split], row[:split], weight[:split])
    gain = gathers[main] - gain if c & 1 else gain
    return bool(whole[c] + gathers[main] - gain > limit)


@compiled
def spread(
    main: int,
    gains: Array,
    losses: Array,
    atom_sums: tuple[Array, Array],
    everything: tuple[int, int],
    inside: tuple[Array, Array],
    outside: tuple[Array, Array],
) -> None:
    """Set W and P of every literal inside and outside of a main literal, from P and N of the atoms inside its atom."""
    own, turned = main >> 1, main & 1
    held_w, held_p = outside if turned else inside
    other_w, other_p = inside if turned else outside
    all_p, all_n = atom_sums
    p_in, w_in = all_p[own], all_p[own] - all_n[own]
    p_out, w_out = everything[0] - p_in, everything[0] - everything[1] - w_in
    for a in range(len(gains)):
        p, w = gains[a], gains[a] - losses[a]
        other_p_a, other_w_a = all_p[a] - p, all_p[a] - all_n[a] - w
        held_p[2 * a], held_w[2 * a] = p, w
        held_p[2 * a + 1], held_w[2 * a + 1] = p_in - p, w_in - w
        other_p[2 * a], other_w[2 * a] = other_p_a, other_w_a
        other_p[2 * a + 1], other_w[2 * a + 1] = p_out - other_p_a, w_out - other_w_a
    for x in range(2 * own, 2 * own + 2):
        held_w[x], held_p[x], other_w[x], other_p[x] = _NEVER, _NEVER, _NEVER, _NEVER


@compiled
def candidates(
    form: int,
    main: int,
    tau: int,
    everything: tuple[int, int],
    bounds: tuple[Array, Array, Array, Array],
    mains: Array,
    inside: tuple[Array, Array],
    outside: tuple[Array, Array],
    chosen: Array,
) -> int:
    """List the literals that can be c or d of the forms 1 to 4, or d of the forms 5 and 6; return how many."""
    gathers, sheds, whole, roles = bounds
    role = CONJUNCT if form == 1 or form == 3 or form == 6 else DISJUNCT
    within = form == 1 or form == 2 or form == 6
    w, p = inside if within else outside
    region = gathers[main] if within else everything[0] - gathers[main]
    region_w = whole[main] if within else everything[0] - everything[1] - whole[main]
    found = 0
    for x in range(len(roles)):
        if form == 1:
            passes = p[x] > tau and sheds[x] <= sheds[main]
        elif form == 3:
            passes = p[x] > tau
        elif form == 2:
            passes = region - p[x] + w[x] > tau
        elif form == 4:
            passes = region - p[x] + w[x] > tau and gathers[x] <= gathers[main]
        elif form == 5:
            passes = gathers[x] <= gathers[main] and gathers[x] + gathers[main] > tau
        else:
            passes = sheds[x] <= sheds[main] and 2 * gathers[x] > tau
        if not passes or not roles[x] & role or x >> 1 == main >> 1:
            continue
        # with none or all of the region's images the formula says no more than a shorter one; no weight is 0
        if (p[x] == 0 and w[x] == 0) or (p[x] == region and w[x] == region_w):
            continue
        chosen[found] = x
        found += 1
    return found


@compiled
def outer_candidates(
    form: int,
    tau: int,
    main: int,
    bounds: tuple[Array, Array, Array, Array],
    outer: Array,
    reach: int,
    inside: tuple[Array, Array],
    outside: tuple[Array, Array],
    chosen: Array,
) -> int:
    """List the first `reach` literals of `outer` that can be c in form 5 or 6; return how many."""
    gathers = bounds[0]
    found = 0
    for i in range(reach):
        c = outer[i]
        if form == 5:
            bound = inside[0][c] + outside[1][c]
        else:
            bound = outside[0][c] + gathers[main] - inside[1][c] + inside[0][c]
        if bound > tau and c >> 1 != main >> 1:
            chosen[found] = c
            found += 1
    return found


@compiled
def terms(
    form: int,
    main: int,
    everything: tuple[int, int],
    bounds: tuple[Array, Array, Array, Array],
    inside: tuple[Array, Array],
    outside: tuple[Array, Array],
    first: Array,
    n_first: int,
    second: Array,
    n_second: int,
    left: Array,
    right: Array,
) -> None:
    """Set the bounds left[k, i] + right[k, j] of a form with c = first[i] and d = second[j]."""
    gathers, _, whole, _ = bounds
    within = form == 1 or form == 2 or form == 6
    w, p = inside if within else outside
    region_p = gathers[main] if within else everything[0] - gathers[main]
    region_n = gathers[main] - whole[main]
    region_n = region_n if within else everything[1] - region_n
    in_w, out_w = inside[0], outside[0]
    for i in range(n_first):
        x = first[i]
        n = p[x] - w[x]
        if form == 1 or form == 3:
            left[0, i], left[1, i], left[2, i] = w[x], region_n - n, p[x]
        elif form == 2 or form == 4:
            left[0, i], left[1, i], left[2, i] = w[x], p[x], region_p - n
        elif form == 5:
            left[0, i], left[1, i], left[2, i] = in_w[x], in_w[x] + w[x], in_w[x] + region_n - n
        else:
            left[0, i], left[1, i], left[2, i] = out_w[x] + p[x], out_w[x] + w[x], out_w[x]
    for i in range(n_second):
        x = second[i]
        n = p[x] - w[x]
        if form == 1 or form == 3:
            right[0, i], right[1, i], right[2, i] = region_n - n, w[x], 0
        elif form == 2 or form == 4:
            right[0, i], right[1, i], right[2, i] = p[x], w[x], 0
        elif form == 5:
            right[0, i], right[1, i], right[2, i] = p[x], region_n - n, w[x]
        else:
            right[0, i], right[1, i], right[2, i] = w[x], p[x], region_p - n


@compiled
def narrowed(mine: Array, theirs: Array, tau: int, chosen: Array, count: int, n_theirs: int) -> int:
    """Keep the chosen literals, with their bounds, that pass with the best of the others; return how many."""
    best0, best1, best2 = np.int32(_NEVER), np.int32(_NEVER), np.int32(_NEVER)
    for i in range(n_theirs):
        best0 = max(best0, theirs[0, i])
        best1 = max(best1, theirs[1, i])
        best2 = max(best2, theirs[2, i])
    kept = 0
    for i in range(count):
        if mine[0, i] + best0 > tau and mine[1, i] + best1 > tau and mine[2, i] + best2 > tau:
            chosen[kept] = chosen[i]
            mine[0, kept], mine[1, kept], mine[2, kept] = mine[0, i], mine[1, i], mine[2, i]
            kept += 1
    return kept
