"""The compiled searches for the best extent of the examples: of one more role, of two statements, of three.

Scores rise with every wanted example that an extent holds for and fall with every unwanted one. That bounds what can
still be made of a part, and most parts are given up long before they are counted whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from conceptx.induction.individuals.kernels import LOW6, ONE, S6, Array, count_both, holds_by, keep, ones, tally
from conceptx.induction.kernels.shared import compiled

F1, COVERAGE = 0, 1


@compiled
def value(tp: int, fp: int, n_pos: int, n_neg: int, objective: int) -> float:
    """Return F1 = 2 tp / (tp + fp + positives), or the share of examples on the right side."""
    if objective == F1:
        return 2.0 * tp / (tp + fp + n_pos)
    return (tp + n_neg - fp) / (n_pos + n_neg)


@compiled
def best_lift(
    rows: Array,
    first: int,
    end: int,
    order: Array,
    wanted: Array,
    starts: Array,
    targets: Array,
    kind: int,
    n: int,
    negated: bool,
    sizes: Array,
    objective: int,
    length: int,
    best: Array,
) -> int:
    """Return which of the rows first … end - 1 a role makes the best set of examples of, or -1 for none better.

    `order` are the examples, `wanted` whether each is positive; a row is given up where the examples seen so far
    leave it no chance. `best` is (score, length).
    """
    chosen = -1
    for i in range(first, end):
        missed, wrong, hopeless = 0, 0, False
        for k in range(len(order)):
            x = order[k]
            found: Any = 0
            for at in range(starts[x], starts[x + 1]):
                t = np.uint64(targets[at])
                found += np.int64((rows[i, np.int64(t >> S6)] >> (t & LOW6)) & ONE)
            holds = holds_by(kind, n, found, starts[x + 1] - starts[x]) != negated
            if holds == wanted[k]:
                continue
            if wanted[k]:
                missed += 1
            else:
                wrong += 1
            bound = value(sizes[0] - missed, wrong, sizes[0], sizes[1], objective)
            if bound < best[0] or (bound == best[0] and length >= best[1]):
                hopeless = True
                break
        if not hopeless:
            score = value(sizes[0] - missed, wrong, sizes[0], sizes[1], objective)
            if score > best[0] or (score == best[0] and length < best[1]):
                best[0], best[1] = score, length
                chosen = i
    return chosen


@compiled
def worth(good: int, bad: int, sizes: Array, dual: bool, objective: int) -> float:
    """Return the score of a set that holds for `good` wanted and `bad` unwanted examples; both raise or lower it.

    Where `dual` is set, rows are complements: what is wanted there are the negatives. sizes: positives, negatives.
    """
    if dual:
        return value(sizes[0] - bad, sizes[1] - good, sizes[0], sizes[1], objective)
    return value(good, bad, sizes[0], sizes[1], objective)


@compiled
def pairs(
    rows: Array,
    lengths: Array,
    wanted: Array,
    unwanted: Array,
    a: int,
    a_end: int,
    b: int,
    b_end: int,
    sizes: Array,
    dual: bool,
    objective: int,
    extra: int,
    best: Array,
    found: Array,
) -> None:
    """Find the best intersection of a row of each range; `best` is (score, length), `found` (i, j).

    `extra` is what the intersection is longer than its two parts.
    """
    good, bad = np.empty(a_end - a, np.int64), np.empty(b_end - b, np.int64)
    tally(rows[a:a_end], wanted, 0, a_end - a, good)
    tally(rows[b:b_end], wanted, 0, b_end - b, bad)
    for i in range(a, a_end):
        if worth(good[i - a], 0, sizes, dual, objective) < best[0]:
            continue
        for j in range(max(i + 1, b) if a == b else b, b_end):
            length = lengths[i] + lengths[j] + extra
            bound = worth(min(good[i - a], bad[j - b]), 0, sizes, dual, objective)
            if bound < best[0] or (bound == best[0] and length >= best[1]):
                continue
            g, e = 0, 0
            for w in range(rows.shape[1]):
                word = rows[i, w] & rows[j, w]
                g += ones(word & wanted[w])
                e += ones(word & unwanted[w])
            score = worth(g, e, sizes, dual, objective)
            if score > best[0] or (score == best[0] and length < best[1]):
                best[0], best[1] = score, length
                found[0], found[1] = i, j


@compiled
def triples(
    rows: Array,
    lengths: Array,
    wanted: Array,
    unwanted: Array,
    n: int,
    sizes: Array,
    dual: bool,
    objective: int,
    longest: int,
    best: Array,
    found: Array,
    budget: Array,
) -> None:
    """Find the best x ∧ (y ∨ z) of the first n rows, shorter ones first.

    `best` is (score, length), `found` (x, y, z, form) with the form 1 for x ∧ (y ∨ z) and 2 for x ∧ y ∧ z.
    `budget[0]` is how many sets may still be looked at; it is below 0 where the search ended early.
    """
    width = rows.shape[1]
    good, bad = np.empty(n, np.int64), np.empty(n, np.int64)
    tally(rows, wanted, 0, n, good)
    tally(rows, unwanted, 0, n, bad)
    inside = np.empty((n, width), np.uint64)
    table = np.empty(4 << max(int(np.ceil(np.log2(n + 1))), 1), np.int64)
    which, g_in, b_in = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    made = np.empty((n, 4), np.int64)
    row = np.empty(width, np.uint64)
    for x in range(n):
        bound = worth(good[x], 0, sizes, dual, objective)
        if bound < best[0] or (bound == best[0] and lengths[x] + 4 >= best[1]):
            continue
        # What matters of y is its part in x; equal parts are looked at once, the shortest first.
        table[:] = -1
        used = 0
        for y in range(n):
            if lengths[x] + lengths[y] + 3 > longest:
                break
            for w in range(width):
                row[w] = rows[x, w] & rows[y, w]
            g, b = count_both(row, wanted), count_both(row, unwanted)
            bound = worth(good[x], b, sizes, dual, objective)
            if g == 0 or bound < best[0] or (g == good[x] and b == bad[x]):
                continue
            now = keep(inside, table, made, used, row, y, 0, 0, 0)
            if now > used:
                which[used], g_in[used], b_in[used] = y, g, b
                used = now
        budget[0] -= n
        order = np.argsort(-g_in[:used], kind="mergesort")
        for i in range(used):
            p = order[i]
            bound = worth(min(good[x], 2 * g_in[p]), b_in[p], sizes, dual, objective)
            if worth(min(good[x], 2 * g_in[p]), 0, sizes, dual, objective) < best[0]:
                break
            if bound < best[0]:
                continue
            for j in range(i + 1, used):
                q = order[j]
                budget[0] -= 1
                reach = min(good[x], g_in[p] + g_in[q])
                if worth(reach, b_in[p], sizes, dual, objective) < best[0]:
                    break
                length = lengths[x] + lengths[which[p]] + lengths[which[q]] + 2
                bound = worth(reach, max(b_in[p], b_in[q]), sizes, dual, objective)
                if length > longest or bound < best[0] or (bound == best[0] and length >= best[1]):
                    continue
                g, b = 0, 0
                for w in range(width):
                    word = inside[p, w] | inside[q, w]
                    g += ones(word & wanted[w])
                    b += ones(word & unwanted[w])
                score = worth(g, b, sizes, dual, objective)
                if score > best[0] or (score == best[0] and length < best[1]):
                    best[0], best[1] = score, length
                    found[0], found[1], found[2], found[3] = x, which[p], which[q], 1
            if budget[0] < 0:
                return


@compiled
def conjunctions(
    rows: Array,
    lengths: Array,
    wanted: Array,
    unwanted: Array,
    n: int,
    sizes: Array,
    dual: bool,
    objective: int,
    longest: int,
    best: Array,
    found: Array,
    budget: Array,
) -> None:
    """Find the best x ∧ y ∧ z of the first n rows; arguments as in `triples`.

    Rows go by how few unwanted examples they hold for: what a later row takes away is bounded by what it does not
    hold for, so that most loops end early.
    """
    width = rows.shape[1]
    all_good, all_bad = np.empty(n, np.int64), np.empty(n, np.int64)
    tally(rows, wanted, 0, n, all_good)
    tally(rows, unwanted, 0, n, all_bad)
    order = np.argsort(all_bad, kind="mergesort")
    kept, total = 0, sizes[0] if dual else sizes[1]
    chosen = np.empty(n, np.int64)
    for i in range(n):
        if worth(all_good[order[i]], 0, sizes, dual, objective) >= best[0]:
            chosen[kept] = order[i]
            kept += 1
    chosen = chosen[:kept]
    good, bad = all_good[chosen], all_bad[chosen]
    joined = np.empty(width, np.uint64)
    for i in range(kept):
        x = chosen[i]
        if worth(good[i], max(0, bad[i] - 2 * (total - bad[i])), sizes, dual, objective) < best[0]:
            continue
        for j in range(i + 1, kept):
            y = chosen[j]
            if worth(good[i], max(0, bad[i] - 2 * (total - bad[j])), sizes, dual, objective) < best[0]:
                break
            budget[0] -= 1
            for w in range(width):
                joined[w] = rows[x, w] & rows[y, w]
            g, b = count_both(joined, wanted), count_both(joined, unwanted)
            bound = worth(g, max(0, b - (total - bad[j])), sizes, dual, objective)
            if bound < best[0] or (bound == best[0] and lengths[x] + lengths[y] + 3 >= best[1]):
                continue
            for k in range(j + 1, kept):
                if worth(g, max(0, b - (total - bad[k])), sizes, dual, objective) < best[0]:
                    break
                budget[0] -= 1
                z = chosen[k]
                length = lengths[x] + lengths[y] + lengths[z] + 2
                bound = worth(min(g, good[k]), max(0, b - (total - bad[k])), sizes, dual, objective)
                if length > longest or bound < best[0] or (bound == best[0] and length >= best[1]):
                    continue
                g2, b2 = 0, 0
                for w in range(width):
                    word = joined[w] & rows[z, w]
                    g2 += ones(word & wanted[w])
                    b2 += ones(word & unwanted[w])
                score = worth(g2, b2, sizes, dual, objective)
                if score > best[0] or (score == best[0] and length < best[1]):
                    best[0], best[1] = score, length
                    found[0], found[1], found[2], found[3] = x, y, z, 2
            if budget[0] < 0:
                return


@compiled
def largest(rows: Array, order: Array, kept: Array) -> int:
    """Write to `kept` the rows, in the given order, that are no part of an earlier one that is kept; return how many.

    A row is part of another where all of its bits are set there and the other stands before it in `rows`.
    """
    used = 0
    for i in order:
        covered = False
        for k in range(used):
            if kept[k] > i:
                continue
            inside = True
            for w in range(rows.shape[1]):
                if rows[i, w] & ~rows[kept[k], w]:
                    inside = False
                    break
            if inside:
                covered = True
                break
        if not covered:
            kept[used] = i
            used += 1
            if used == len(kept):
                break
    return used
