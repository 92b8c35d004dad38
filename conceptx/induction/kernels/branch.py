"""The compiled loops of the branch and bound: which formulas over two and three atoms can pass a threshold.

Every formula over three atoms is one of four shapes over literals: l and c and d, l and (c or d), l or (c and d),
l or c or d. W is the relaxed sum of `relaxation`, in whole numbers; P and N are its positive and negative parts, so
W = P - N; a formula X is wanted if W(X) > θ. A literal *gathers* P(l), what it can bring into X, and *sheds*
N(not l), what it can keep out. X must gather more than θ and shed more than ν = θ - W(all). So among the literals of
X one has a good share, and is taken as the *main* one, l. One pass over all atoms gives W and P of their
intersections with l, and these bound what two more literals c and d can do inside (in) and outside (out) of l:

    form                  W(X)                        the main literal
    1  l and c and d      in c d                      gathers θ, sheds ν / 3, no other sheds more
    2  l and (c or d)     in c + in d - in c d        gathers θ, sheds ν / 2
    3  l or (c and d)     l + out c d                 gathers θ / 2, sheds ν
    4  l or c or d        l + out c + out d - out c d gathers θ / 3, sheds ν, no other gathers more
    5  c and (l or d)     in c + out c d              gathers θ / 2 and no less than d, sheds ν / 2; c is in no form 2
    6  c or (l and d)     c + in d - in c d           gathers θ / 2, sheds ν / 2 and no less than d; c is in no form 3
    7  l and c            in c                        gathers θ, sheds ν / 2, c does not shed more
    8  l or c             l + out c                   gathers θ / 2, sheds ν, c does not gather more

In a region R, W(c d) is at most P(c), P(d), W(c) + N(R without d) and W(d) + N(R without c); -W(c d) is at most
N(c), N(d), P(R without d) - W(c) and P(R without c) - W(d). So every form has bounds of four kinds, left[k, c] +
right[k, d] for k = 0, 1, 2 and some of one literal alone (see `terms`). Pairs (c, d) that pass them all are found
from sorted lists; for these W(c d) is summed over the lanes, and what still passes is scored exactly.
"""

from __future__ import annotations

import numpy as np

from conceptx.induction.kernels.bounds import (
    CONJUNCT,
    DISJUNCT,
    can_be_outer,
    candidates,
    exact_weight,
    narrowed,
    needed,
    outer_candidates,
    reaching,
    sheds_within,
    spread,
    terms,
    theta,
)
from conceptx.induction.kernels.lanes import combined, count, count_and_sum, rows, signed, weight_of
from conceptx.induction.kernels.shared import Array, compiled

_TRIED = 200
"""So many literals are tried one by one before a main literal is intersected with all atoms."""


@compiled
def explore(
    place: int,
    quota: int,
    listed: Array,
    mains: Array,
    outer: tuple[Array, Array, Array, Array],
    lanes: Array,
    filled: Array,
    q: Array,
    weight: Array,
    low: Array,
    split: int,
    atom_sums: tuple[Array, Array],
    everything: tuple[int, int],
    bounds: tuple[Array, Array, Array, Array],
    costs: Array,
    level: int,
    ends: Array,
    factor: Array,
    strict: bool,
    best: Array,
    found: tuple[Array, Array, Array],
) -> tuple[int, int]:
    """Search all formulas whose main literal is listed[place], listed[place + 1], …; stop after `quota` steps.

    `mains` has for each literal the forms (bits) in which it is main. `outer` lists the literals that can be c in the
    forms 5, 6, 7 and 8, what sheds most (5, 7) or gathers most (6, 8) first. `bounds` are what each literal gathers,
    sheds and weighs, and the roles (1: conjunct, 2: disjunct) in which it can help. `best` holds the score to beat,
    and is raised; what reaches it goes to `found`. Returns the first place that is not done, and the steps taken.
    """
    gathers, sheds, whole, roles = bounds
    literals, width = len(whole), len(weight)
    atoms = literals // 2
    gains, losses = np.zeros(atoms, np.int32), np.zeros(atoms, np.int32)
    inside = (np.zeros(literals, np.int32), np.zeros(literals, np.int32))
    outside = (np.zeros(literals, np.int32), np.zeros(literals, np.int32))
    main_row, region, cell = np.zeros(width, np.uint16), np.zeros(width, np.uint16), np.zeros(width, np.uint16)
    c_row, d_row, extent = np.zeros(width, np.uint16), np.zeros(width, np.uint16), np.zeros(width, np.uint16)
    first, second = np.zeros(literals, np.int32), np.zeros(literals, np.int32)
    left, right = np.zeros((3, literals), np.int32), np.zeros((3, literals), np.int32)
    ranks, keys = np.zeros((3, literals), np.int32), np.zeros((3, literals), np.int32)
    steps, lane_steps = 0, 8 + width // 16
    limit = theta(best[0], ends, strict)
    for at in range(place, len(listed)):
        main = listed[at]
        forms = mains[main]
        steps += 20
        signed(lanes, filled, main, main_row)
        room = level - costs[main >> 1]
        reach = np.zeros(4, np.int64)
        for form in range(5, 9):
            if not forms >> form & 1:
                continue
            candidates_of = outer[form - 5]
            within = reaching(form, main, limit, everything, candidates_of, gathers, sheds, whole)
            reach[form - 5] = within
            steps += 20
            if within > (_TRIED if form <= 6 else atoms // 8):
                continue
            passes = False
            for i in range(within):
                c = candidates_of[i]
                steps += lane_steps
                if form <= 6:
                    passes = can_be_outer(form, main, c, limit, gathers, whole, lanes, main_row, weight, split)
                    if passes:
                        break
                    continue
                order = gathers if form == 8 else sheds
                if costs[c >> 1] > room or order[c] > order[main] or c >> 1 == main >> 1:
                    continue
                both = weight_of(main_row, lanes[c >> 1], weight)
                both = whole[main] - both if c & 1 else both
                reached = both if form == 7 else whole[main] + whole[c] - both
                if reached <= limit:
                    continue
                signed(lanes, filled, c, c_row)
                combined(form, main_row, c_row, c_row, extent)
                steps += 8 * lane_steps
                if score_exactly(extent, reached, q, ends, factor, best, found, form, main, c, c):
                    limit = theta(best[0], ends, strict)
            if not passes:
                forms ^= 1 << form
        # what is kept of l weighs no more than l and what it sheds; no more is gathered than there is outside
        exact = exact_weight(main_row, q, ends)
        shed, gathered = sheds_within(main_row, low), everything[0] - gathers[main]
        lacking = needed(best[0], ends, strict) - exact
        if shed <= lacking:
            forms &= ~(1 << 1 | 1 << 2 | 1 << 7)
        if gathered <= lacking:
            forms &= ~(1 << 3 | 1 << 4 | 1 << 8)
        if shed + gathered <= lacking:
            forms = 0
        own_w = min(whole[main], int(np.ceil(exact)))
        steps += 4 * lane_steps
        if not forms:
            if steps > quota:
                return at + 1, steps
            continue
        rows(lanes, lanes[main >> 1], weight, split, gains, losses)
        spread(main, gains, losses, atom_sums, everything, inside, outside)
        steps += atoms * (4 + width // 20)
        for form in range(7, 9):
            if not forms >> form & 1:
                continue
            steps += literals
            base = own_w if form == 8 else 0
            values = outside[0] if form == 8 else inside[0]
            order = gathers if form == 8 else sheds
            role = DISJUNCT if form == 8 else CONJUNCT
            for c in range(literals):
                if not roles[c] & role or base + values[c] <= limit or costs[c >> 1] > room or order[c] > order[main]:
                    continue
                signed(lanes, filled, c, c_row)
                combined(form, main_row, c_row, c_row, extent)
                steps += 8 * lane_steps
                if score_exactly(extent, base + values[c], q, ends, factor, best, found, form, main, c, c):
                    limit = theta(best[0], ends, strict)
        for form in range(1, 7):
            if not forms >> form & 1:
                continue
            base = own_w if form == 3 or form == 4 else 0
            within = form == 1 or form == 2 or form == 6
            w = inside[0] if within else outside[0]
            tau = limit - base
            if form <= 4:
                n_first = candidates(form, main, tau, everything, bounds, mains, inside, outside, first)
                second[:n_first] = first[:n_first]
                n_second = n_first
                steps += literals
            else:
                n_first = outer_candidates(
                    form, tau, main, bounds, outer[form - 5], reach[form - 5], inside, outside, first
                )
                n_second = candidates(form, main, tau, everything, bounds, mains, inside, outside, second)
                steps += literals + reach[form - 5]
            if n_first == 0 or n_second == 0:
                continue
            terms(form, main, everything, bounds, inside, outside, first, n_first, second, n_second, left, right)
            steps += 4 * (n_first + n_second)
            for _ in range(3):
                n_first = narrowed(left, right, tau, first, n_first, n_second)
                n_second = narrowed(right, left, tau, second, n_second, n_first)
            if n_first == 0 or n_second == 0:
                continue
            steps += 60 * n_second
            for key in range(3):
                order_of = np.argsort(-right[key, :n_second], kind="mergesort")
                ranks[key, :n_second] = order_of
                keys[key, :n_second] = -right[key, :n_second][order_of]
            if within:
                region[:] = main_row
            else:
                for j in range(width):
                    region[j] = filled[j] & ~main_row[j]
            for i in range(n_first):
                c = first[i]
                opened = False
                chosen, count = 0, n_second + 1
                for key in range(3):
                    passing = np.searchsorted(keys[key, :n_second], left[key, i] - tau)
                    if passing < count:
                        chosen, count = key, passing
                steps += count + 20
                k0, k1, k2 = left[0, i], left[1, i], left[2, i]
                for k in range(count):
                    j = ranks[chosen, k]
                    if k0 + right[0, j] <= tau or k1 + right[1, j] <= tau or k2 + right[2, j] <= tau:
                        continue
                    d = second[j]
                    if c >> 1 == d >> 1 or costs[c >> 1] + costs[d >> 1] > room or (form <= 4 and d > c):
                        continue
                    if not opened:
                        opened = True
                        signed(lanes, filled, c, c_row)
                        for j in range(width):
                            cell[j] = region[j] & c_row[j]
                    steps += lane_steps
                    both = weight_of(cell, lanes[d >> 1], weight)
                    if d & 1:
                        both = w[c] - both
                    if form == 1 or form == 3:
                        reached = both
                    elif form == 2 or form == 4:
                        reached = w[c] + w[d] - both
                    elif form == 5:
                        reached = inside[0][c] + both
                    else:
                        reached = whole[c] + w[d] - both
                    if reached <= tau:
                        continue
                    signed(lanes, filled, d, d_row)
                    combined(form, main_row, c_row, d_row, extent)
                    steps += 8 * lane_steps
                    if score_exactly(extent, base + reached, q, ends, factor, best, found, form, main, c, d):
                        limit = theta(best[0], ends, strict)
                        tau = limit - base
                if steps > quota:
                    return at, steps
        if steps > quota:
            return at + 1, steps
    return len(listed), steps


@compiled
def score_exactly(
    extent: Array,
    reached: int,
    q: Array,
    ends: Array,
    factor: Array,
    best: Array,
    found: tuple[Array, Array, Array],
    form: int,
    main: int,
    c: int,
    d: int,
) -> bool:
    """Score an extent of relaxed sum `reached`; note it where it reaches the best, and return whether it beats it.

    With its size, W bounds its score without the loss of the bracket; most extents end here.
    """
    size = count(extent)
    slope = ends[6]
    if (ends[4] + reached / ends[5] + slope * size) * factor[size] < best[0] * (1 - 1e-9):
        return False
    size, total = count_and_sum(extent, q)
    score = (ends[4] + total) * factor[size]
    if score < best[0] or score <= 0:
        return False
    scores, codes, used = found
    beats = bool(score > best[0])
    if beats or used[0] < len(scores):
        slot = min(used[0], len(scores) - 1)
        scores[slot] = score
        codes[slot, 0], codes[slot, 1], codes[slot, 2], codes[slot, 3] = form, main, c, d
        used[0] = slot + 1
    if beats:
        best[0] = score
    return beats
