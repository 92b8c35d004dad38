"""Find the best class expressions for positive and negative individuals, and say what is proven of them.

Three searches, one after the other, until nothing better is possible:

1. Every extent of the `Space`, length by length: complete to its length, and to two symbols more by trying, for the
   examples only, everything that one more operator makes of them.
2. The best ``x and (y or z)``, ``x or (y and z)``, ``x and y and z``, ``x or y or z`` of statements x, y, z of the
   space: branch and bound with the best score that a part of an extent still allows.
3. Where that leaves examples on the wrong side, statements are added one by one while each raises the score by 0.01.

The winner is then made shorter (`shorten`). `optimal` is claimed only for what the first search has seen: no
expression of the same length or shorter scores higher, and no shorter one scores as high.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from conceptx.annotation.evaluate import holds
from conceptx.errors import InputError
from conceptx.expressions import And, Expression, Not, Or, normalise, to_manchester
from conceptx.induction.individuals import combinations
from conceptx.induction.individuals.combinations import F1
from conceptx.induction.individuals.cover import shortest_cover
from conceptx.induction.individuals.examples import Examples
from conceptx.induction.individuals.knowledge import KnowledgeBase
from conceptx.induction.individuals.lengths import role_length, symbols
from conceptx.induction.individuals.results import Learned, Solution, solution_of
from conceptx.induction.individuals.settings import KINDS, Settings
from conceptx.induction.individuals.shorten import shorten
from conceptx.induction.individuals.space import Space, lifted, lifts_of, pack
from conceptx.progress import Progress, silent

_BEYOND = 2
_PAIRS = 1 << 29
_STATEMENTS = 4096
_LOOKS = 1 << 29
_LOOKS_A_SECOND = 1 << 27
_ADDED, _RISE = 12, 0.01
_TWINS = 8


class _Best(NamedTuple):
    score: float
    length: int
    expression: Expression


def learn(
    kb: KnowledgeBase,
    positives: Sequence[int],
    negatives: Sequence[int],
    settings: Settings | None = None,
    space: Space | None = None,
    progress: Progress = silent,
) -> Learned:
    """Return the best expressions for individuals given by their places; `space` may be shared between problems."""
    settings = settings or Settings()
    for name, side in (("positive", positives), ("negative", negatives)):
        if not side:
            raise InputError("problem", f"there is no {name} example", "give at least one individual on each side")
    start = time.perf_counter()
    search = _Search(kb, list(positives), list(negatives), settings, space or Space(kb), start)
    found, certified = search.run(progress)
    return Learned(
        tuple(found), certified, len(positives), len(negatives), time.perf_counter() - start, search.space.used
    )


class _Search:
    def __init__(
        self,
        kb: KnowledgeBase,
        positives: list[int],
        negatives: list[int],
        settings: Settings,
        space: Space,
        start: float,
    ) -> None:
        self.kb, self.space, self.settings = kb, space, settings
        self.positives, self.negatives = positives, negatives
        self.kind = KINDS[settings.objective]
        self.until = math.inf if settings.seconds is None else start + settings.seconds
        self.examples = Examples.of(space, positives, negatives)
        self.scores = np.empty(len(space.rows))
        self.best = np.array([-1.0, 1e9])
        self.frontier: list[float] = [-1.0]
        self.others: list[_Best] = []

    def run(self, progress: Progress) -> tuple[list[Solution], int]:
        """Search; return the solutions and the length to which nothing better exists."""
        certified = 0
        for length in progress(range(1, self.settings.longest + 1), label="expressions by length"):
            if self.late() or not self.space.grow(length):
                break
            self.direct(length)
            certified = length
            if self.perfect() and self.best[1] <= length + 1:
                break
        else:
            return self.solutions(certified), certified
        if not (self.perfect() and self.best[1] <= certified + 1):
            for length in range(certified + 1, len(self.space.ends)):
                self.direct(length, frontier=False)
            self.cover()
            self.combine()
            certified = self.beyond(certified)
        return self.solutions(certified), certified

    def late(self) -> bool:
        return time.perf_counter() > self.until

    def perfect(self) -> bool:
        return bool(self.best[0] >= 1.0)

    def direct(self, length: int, frontier: bool = True) -> None:
        """Score the extents of a length of the space."""
        first, end = self.examples.take(self.space, length)
        if first < end:
            tp, fp = self.examples.counts(first, end)
            self.scores[first:end] = self.score(tp, fp)
            at = first + int(np.argmax(self.scores[first:end]))
            if self.scores[at] > self.best[0]:
                self.best[:] = self.scores[at], length
        if frontier:
            self.frontier.append(float(self.best[0]))

    def score(self, tp: npt.NDArray[np.int64], fp: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        p, n = self.examples.sizes.tolist()
        return np.asarray(2.0 * tp / (tp + fp + p) if self.kind == F1 else (tp + n - fp) / (p + n))

    # What one more operator makes of the complete lengths, on the examples only

    def beyond(self, complete: int) -> int:
        """Try everything of up to two symbols more; return the length to which that was complete."""
        examples = self.examples
        turned = np.empty_like(examples.rows[: examples.used])
        np.bitwise_and(~examples.rows[: examples.used], examples.positive | examples.negative, out=turned)
        lengths = self.lengths()
        for length in range(complete + 1, complete + 1 + _BEYOND):
            work = sum(
                (a[1] - a[0]) * (b[1] - b[0])
                for total in (length - 1, length - 2)
                for a, b in _splits(examples.ends, total, complete)
            )
            if work > _PAIRS or self.late():
                return length - 1
            self.virtual_complements(length)
            self.virtual_lifts(length, complete)
            for total, extra, negated in ((length - 1, 1, False), (length - 2, 2, True)):
                if negated and length != complete + _BEYOND:
                    continue  # those of shorter ones are complements of the space
                for a, b in _splits(examples.ends, total, complete):
                    self.virtual_pairs(examples.rows, turned, lengths, a, b, extra, negated)
        return complete + _BEYOND

    def lengths(self) -> npt.NDArray[np.int64]:
        return np.ascontiguousarray(self.examples.made[: self.examples.used, 1])

    def virtual_pairs(
        self,
        rows: npt.NDArray[np.uint64],
        turned: npt.NDArray[np.uint64],
        lengths: npt.NDArray[np.int64],
        a: tuple[int, int],
        b: tuple[int, int],
        extra: int,
        negated: bool,
    ) -> None:
        """Try A and B, A or B (or the complements of both) for the pairs of two ranges."""
        e = self.examples
        for dual in (False, True):
            held = turned if dual != negated else rows
            masks = (e.negative, e.positive) if dual else (e.positive, e.negative)
            best, found = self.best.copy(), np.full(2, -1, np.int64)
            combinations.pairs(held, lengths, *masks, *a, *b, e.sizes, dual, self.kind, extra, best, found)
            if found[0] >= 0:
                parts = tuple(self.preferred(int(i)) for i in found)
                # An intersection of complements is the complement of a union.
                joined: Expression = (Or if dual != negated else And)(parts)
                self.note(best[0], int(best[1]), Not(joined) if negated else joined)

    def virtual_complements(self, length: int) -> None:
        """Try the complements of the extents of the space that are one shorter."""
        ends = self.examples.ends
        first, end = (ends[length - 2], ends[length - 1]) if length <= len(ends) else (0, 0)
        if first < end:
            tp, fp = self.examples.counts(first, end)
            p, n = self.examples.sizes.tolist()
            scores = self.score(p - tp, n - fp)
            at = int(np.argmax(scores))
            if (scores[at], -length) > (self.best[0], -self.best[1]):
                self.note(float(scores[at]), length, Not(self.preferred(first + at)))

    def virtual_lifts(self, length: int, complete: int) -> None:
        """Try what roles make of the longest extents of the space, and the complements of that."""
        e, space = self.examples, self.space
        order, wanted = e.alternating()
        for links in space.links:
            for cost, negated in ((0, False), (1, True)):
                if negated and length != complete + _BEYOND:
                    continue
                plain, counted = (
                    (space.ends[at - 1], space.ends[at]) if 0 < at <= complete else (0, 0)
                    for at in (length - cost - extra - role_length(links.role) for extra in (1, 2))
                )
                for kind, least, most, (first, end) in lifts_of(links, plain, counted):
                    for n in range(least, most + 1):
                        best = self.best.copy()
                        at = combinations.best_lift(
                            space.rows,
                            first,
                            end,
                            order,
                            wanted,
                            links.starts,
                            links.targets,
                            kind,
                            n,
                            negated,
                            e.sizes,
                            self.kind,
                            length,
                            best,
                        )
                        if at >= 0:
                            found = lifted(kind, n, links.role, space.expression(at))
                            self.note(best[0], length, Not(found) if negated else found)

    def note(self, score: float, length: int, expression: Expression) -> None:
        """Keep an expression that is not a row of the space."""
        self.best[:] = score, length
        self.others.append(_Best(score, length, expression))

    # Combinations of statements

    def cover(self) -> None:
        """Look for the shortest union of statements without a mistake, or intersection, that has everything right."""
        e = self.examples
        tp, fp = self.examples.counts(0, e.used)
        lengths = self.lengths()
        turned = ~e.rows[: e.used] & (e.positive | e.negative)
        sides = ((e.rows[: e.used], e.positive, fp == 0, Or), (turned, e.negative, tp == e.sizes[0], And))
        for rows, mask, clean, joint in sides:
            at = np.flatnonzero(clean)
            parts = shortest_cover(
                rows[at] & mask,
                lengths[at],
                mask,
                int(min(self.best[1] if self.perfect() else 1e9, self.settings.longest + 1)),
            )
            if parts:
                members = [self.preferred(int(at[i])) for i in parts]
                length = int(lengths[at[list(parts)]].sum()) + len(parts) - 1
                self.note(1.0, length, joint(tuple(members)) if len(members) > 1 else members[0])

    def combine(self) -> None:
        """Search for the best combination of three statements, then add more where the score still rises."""
        e = self.examples
        n = min(e.used, _STATEMENTS)
        lengths = self.lengths()[:n]
        rows = np.ascontiguousarray(e.rows[:n])
        turned = ~rows & (e.positive | e.negative)
        self.virtual_pairs(rows, turned, lengths, (0, n), (0, n), 1, False)
        left = self.until - time.perf_counter()
        looks = _LOOKS if self.settings.seconds is None else int(max(left, 0.0) * _LOOKS_A_SECOND)
        for dual in (False, True):
            held = turned if dual else rows
            masks = (e.negative, e.positive) if dual else (e.positive, e.negative)
            best, found = self.best.copy(), np.full(4, -1, np.int64)
            for kernel in (combinations.conjunctions, combinations.triples):
                budget = np.array([looks // 4], np.int64)
                longest = self.settings.longest
                kernel(held, lengths, *masks, n, e.sizes, dual, self.kind, longest, best, found, budget)
            if found[0] >= 0:
                x, y, z = (self.preferred(int(i)) for i in found[:3])
                inner, outer = (And, Or) if dual else (Or, And)
                joined = outer((x, inner((y, z)))) if found[3] == 1 else outer((x, y, z))
                self.note(best[0], int(best[1]), joined)
            if self.late():
                return
        if not self.perfect():
            self.add()

    def add(self) -> None:
        """Add statements to the best expression one by one as long as each raises the score by 0.01.

        Less is what single examples bring, which tells more of their names than of their class.
        """
        e = self.examples
        n = min(e.used, 8 * _STATEMENTS)
        rows = e.rows[:n]
        lengths = self.lengths()[:n]
        current = self.leader()
        held = pack(holds(current.expression, self.kb.scenes)[e.chosen][None, :])[0]
        for _ in range(_ADDED):
            options = []
            for joint, made in ((And, rows & held), (Or, rows | held)):
                scores = self.score(_ones(made & e.positive), _ones(made & e.negative))
                scores = np.where(current.length + 1 + lengths <= self.settings.longest, scores, -1.0)
                at = int(np.argmax(scores))
                options.append((float(scores[at]), -int(lengths[at]), joint, at))
            score, cost, joint, at = max(options, key=lambda option: option[:2])
            if score < current.score + _RISE or self.late():
                break
            parts = (current.expression, self.preferred(at))
            current = _Best(score, current.length + 1 - cost, joint(parts))
            held = rows[at] & held if joint is And else rows[at] | held
            self.note(current.score, current.length, current.expression)

    def leader(self) -> _Best:
        """Return the best of all that was found, as an expression."""
        direct = self.ranked(1)
        return min([*self.others, *direct], key=lambda b: (-b.score, b.length))

    # Results

    def ranked(self, top: int) -> list[_Best]:
        """Return the best extents of the space on the examples."""
        lengths = self.lengths()
        return [_Best(float(self.scores[i]), int(lengths[i]), self.preferred(i)) for i in self.leaders(top)]

    def leaders(self, top: int, frontier: bool = False) -> list[int]:
        """Return the extents on the examples with the best scores, the shorter first among equals.

        With `frontier` also the best of each length.
        """
        ends = self.examples.ends
        best = [a + int(np.argmax(self.scores[a:b])) for a, b in itertools.pairwise(ends) if a < b] if frontier else []
        scores = self.scores[: self.examples.used]
        if len(scores) > top:
            enough = np.flatnonzero(scores >= np.partition(scores, -top)[-top])
        else:
            enough = np.arange(len(scores))
        order = np.lexsort((enough, self.lengths()[enough], -scores[enough]))[:top]
        return list(dict.fromkeys([int(i) for i in enough[order]] + best))

    def preferred(self, extent: int) -> Expression:
        """Return the shortest expression of an extent on the examples; among equals the most specific, then by name."""
        return self.readings(extent)[0]

    def readings(self, extent: int) -> list[Expression]:
        """Return the expressions of the space that agree on all examples with an extent, best first."""
        space = self.space
        rows = np.flatnonzero(self.examples.same[: space.ends[len(self.examples.ends) - 1]] == extent)
        lengths = np.searchsorted(np.array(space.ends), rows, side="right")
        sizes = _ones(space.rows[rows])
        order = np.lexsort((sizes, lengths))[: 4 * _TWINS]
        tied = [(int(lengths[k]), int(sizes[k]), space.expression(int(rows[k]))) for k in order]
        return [x for _, _, x in sorted(tied, key=lambda item: (item[0], item[1], to_manchester(item[2])))]

    def solutions(self, certified: int) -> list[Solution]:
        """Return distinct extents on the examples, ranked: the best of each length first of all, then the next best.

        Each carries other expressions that agree with it on every example.
        """
        kb, e = self.kb, self.examples
        values = kb.names.values
        candidates = [normalise(b.expression) for b in sorted(self.others, key=lambda b: (-b.score, b.length))]
        if candidates and self.leader().score > max([b.score for b in self.ranked(1)], default=-1.0):
            candidates.insert(0, shorten(candidates[0], self.space, e.chosen, self.late))
        found: dict[bytes, list[Expression]] = {}
        for expression in candidates:
            found.setdefault(holds(expression, kb.scenes)[e.chosen].tobytes(), []).append(expression)
        for extent in self.leaders(self.settings.top, frontier=True):
            readings = self.readings(extent)
            found.setdefault(holds(readings[0], kb.scenes)[e.chosen].tobytes(), []).extend(readings)
        made = []
        for readings in found.values():
            ranked = sorted(
                dict.fromkeys(readings),
                key=lambda x: (symbols(x, values), int(holds(x, kb.scenes).sum()), to_manchester(x)),
            )
            twins = ranked[1 : 1 + _TWINS]
            solution = solution_of(kb, ranked[0], self.positives, self.negatives, twins)
            score = solution.f1 if self.settings.objective == "f1" else solution.coverage
            made.append((score, solution))
        made.sort(key=lambda item: (-item[0], item[1].length, item[1].size, item[1].text))
        shortest, order = math.inf, []
        for place, (_, solution) in enumerate(made):
            order.append((solution.length >= shortest, place))
            shortest = min(shortest, solution.length)
        kept = sorted(place for _, place in sorted(order)[: self.settings.top])
        return [made[place][1].proven(self.is_proven(*made[place], certified)) for place in kept]

    def is_proven(self, score: float, solution: Solution, certified: int) -> bool:
        """Return whether no expression of this length or shorter scores higher, and no shorter one as high."""
        length = solution.length
        if length < len(self.frontier):
            return self.frontier[length] <= score and self.frontier[length - 1] < score
        # Beyond the lengths of the space only what is better than the best was looked for.
        return bool(score >= self.best[0] and length <= min(certified + (score >= 1.0), self.best[1]))


def _splits(ends: Sequence[int], total: int, complete: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the pairs of ranges of extents whose lengths add up to `total`."""
    return [
        ((ends[a - 1], ends[a]), (ends[total - a - 1], ends[total - a]))
        for a in range(1, total // 2 + 1)
        if total - a <= complete
    ]


def _ones(rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return np.asarray(np.bitwise_count(rows).sum(axis=1), dtype=np.int64)
