"""The shortest selection of sets whose union is everything: exact, by branch and bound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conceptx.induction.individuals.combinations import largest

_MOST_KEPT = 512
_MOST_STEPS = 20_000


def shortest_cover(
    rows: npt.NDArray[np.uint64], lengths: npt.NDArray[np.int64], everything: npt.NDArray[np.uint64], below: int
) -> tuple[int, ...]:
    """Return the rows whose union is `everything` with the least length, if it is less than `below`.

    The length of a selection is the sum of the rows' lengths and one for each joint. Rows are packed (k, words) and
    sorted by length. An empty result means that there is none (or, beyond 20,000 steps, that none was found).
    """
    kept = undominated(rows)
    rows, costs = rows[kept], lengths[kept] + 1
    if not len(rows) or (np.bitwise_or.reduce(rows, axis=0) != everything).any():
        return ()
    bits = np.unpackbits(np.ascontiguousarray(rows).view(np.uint8), axis=1, bitorder="little").astype(bool)
    wanted = np.unpackbits(np.ascontiguousarray(everything).view(np.uint8), bitorder="little").astype(bool)
    bits = bits[:, wanted]
    best: tuple[int, ...] = ()
    limit, steps = below + 1, 0
    waiting: list[tuple[int, tuple[int, ...], npt.NDArray[np.bool_]]] = [(0, (), np.zeros(bits.shape[1], bool))]
    while waiting and steps < _MOST_STEPS:
        steps += 1
        cost, taken, done = waiting.pop()
        if cost >= limit:
            continue
        if done.all():
            best, limit = taken, cost
            continue
        open_ = np.flatnonzero(~done)
        rarest = open_[np.argmin(bits[:, open_].sum(axis=0))]
        options = np.flatnonzero(bits[:, rarest])
        gain = (bits[options] & ~done).sum(axis=1)
        for k in np.lexsort((-costs[options], gain / costs[options])):
            after = cost + int(costs[options[k]])
            if after < limit:
                waiting.append((after, (*taken, int(options[k])), done | bits[options[k]]))
    return tuple(int(kept[i]) for i in best)


def undominated(rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return which rows are no part of an earlier (shorter) one, and no equal of one; the 512 largest of these."""
    sizes = np.bitwise_count(rows).sum(axis=1)
    order = np.argsort(-sizes.astype(np.int64), kind="stable").astype(np.int64)
    kept = np.empty(min(len(rows), _MOST_KEPT), np.int64)
    return np.sort(kept[: largest(np.ascontiguousarray(rows), order, kept)])
