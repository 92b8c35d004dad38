"""The extents of a space as the examples of one problem see them, each once, shorter expressions first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from conceptx.induction.individuals import kernels
from conceptx.induction.individuals.space import Space

_CHUNK = 1 << 15


@dataclass(slots=True)
class Examples:
    """The distinct extents on the examples: `rows[:used]`, those of length L before ends[L].

    `chosen` are the places of the examples, positives first; `positive` and `negative` mask their bits; `sizes` are
    their numbers. made[i] is (row of the space, length) of extent i, same[row] the extent of each row of the space.
    """

    chosen: npt.NDArray[np.int64]
    positive: npt.NDArray[np.uint64]
    negative: npt.NDArray[np.uint64]
    sizes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.uint64]
    made: npt.NDArray[np.int64]
    table: npt.NDArray[np.int64]
    same: npt.NDArray[np.int64]
    used: int = 0
    ends: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def of(cls, space: Space, positives: Sequence[int], negatives: Sequence[int]) -> Examples:
        """Return the empty table for the examples."""
        chosen = np.array([*positives, *negatives], np.int64)
        words = (len(chosen) + 63) // 64
        bits = np.arange(words * 64)
        masks = [bits < len(positives), (bits >= len(positives)) & (bits < len(chosen))]
        positive, negative = (np.packbits(m, bitorder="little").view("<u8").astype(np.uint64) for m in masks)
        capacity = len(space.rows)
        return cls(
            chosen,
            positive,
            negative,
            np.array([len(positives), len(negatives)], np.int64),
            np.empty((capacity, words), np.uint64),
            np.empty((capacity, 4), np.int64),
            np.full(1 << 10, -1, np.int64),
            np.empty(capacity, np.int64),
        )

    def take(self, space: Space, length: int) -> tuple[int, int]:
        """Add the extents of a length of the space; return the range of those that are new."""
        first, end, before = space.ends[length - 1], space.ends[length], self.used
        out = np.empty((min(_CHUNK, max(end - first, 1)), self.rows.shape[1]), np.uint64)
        for start in range(first, end, _CHUNK):
            stop = min(start + _CHUNK, end)
            needed = 2 * (self.used + stop - start)
            if len(self.table) < needed:
                self.table = np.full(1 << needed.bit_length(), -1, np.int64)
                kernels.rehash(self.rows, self.table, self.used)
            kernels.project(space.rows, start, stop, self.chosen, out)
            self.used = kernels.distinct(
                out, stop - start, self.rows, self.table, self.made, self.used, start, length, self.same
            )
        self.ends.append(self.used)
        return before, self.used

    def alternating(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return the examples with positives and negatives in turn, and which are positive: mistakes show early."""
        p, n = self.sizes.tolist()
        order = np.argsort(np.concatenate([np.arange(p) / p, (np.arange(n) + 0.5) / n]), kind="stable")
        return self.chosen[order], order < p

    def counts(self, first: int, end: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return how many positives and negatives each of a range of extents holds for."""
        tp, fp = np.empty(end, np.int64), np.empty(end, np.int64)
        kernels.tally(self.rows, self.positive, first, end, tp)
        kernels.tally(self.rows, self.negative, first, end, fp)
        return tp[first:], fp[first:]
