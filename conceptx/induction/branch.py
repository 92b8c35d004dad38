"""The certified search for large bases: branch and bound over formulas of up to three atoms, one unit at a time.

`prove` starts from what the beam found and shows, length by length, that no formula scores higher, or finds the
better ones. Scores become thresholds on sums of weights (`relaxation`); a literal that takes part in a formula above
the threshold must gather or shed its share of weight, which leaves few main literals, and their intersections with
all atoms bound the rest (`kernels.branch`). An atom can only help if it gathers or sheds more than what the best
shorter formula lacks. What is proven holds up to a relative error of 1e-13 of the score.

The work is counted in steps, about a nanosecond each, so that results do not depend on the machine or on threads.
Only where `seconds` limits it, they can: then how far the proof comes depends on the clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.induction.extents import pack, unpack
from conceptx.induction.formulas import Formula, Junction, Literal, literals, row_of
from conceptx.induction.index import Index, View, first_level
from conceptx.induction.optimal import Candidate, in_threads
from conceptx.induction.problem import Target
from conceptx.induction.relaxation import Bracket, brackets, halves, highest, weigh
from conceptx.induction.search import blocks_of, lengthened, started
from conceptx.progress import Progress, silent

Array = npt.NDArray[Any]

_CHUNK = 50_000_000
_ATTEMPT = 16_000_000
"""So many steps a bracket takes at most before it is cut in two, twice as many after each cut."""
_FOUND = 512
_LISTED = 64
_RAISES, _SHARE = 4, 0.02
"""So often the least known bound is halved; not at all where the search itself did no more than this share."""
_SEEDS = 16


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome for one unit: what was found, best first, and what is certain.

    `certified[k]`: no formula of up to three atoms and length ≤ k + 1 scores higher than the best one found.
    `bound`: no formula of the language scores higher than this, as searched. The beam tried `scored` formulas.
    """

    found: list[Candidate]
    certified: tuple[bool, ...]
    bound: float
    steps: int
    scored: int


@dataclass(slots=True)
class _Purse:
    """The steps that may still be taken, and until when."""

    steps: float
    deadline: float
    spent: int = 0

    @property
    def empty(self) -> bool:
        return self.spent >= self.steps or (self.deadline < math.inf and time.monotonic() >= self.deadline)

    def part(self, share: float) -> _Purse:
        """Return a purse with a share of what is left."""
        now = time.monotonic()
        until = now + (self.deadline - now) * share if self.deadline < math.inf else math.inf
        return _Purse((self.steps - self.spent) * share, until)

    def attempt(self, most: float) -> _Purse:
        """Return a purse with so many steps, or half of those that are left."""
        return _Purse(min((self.steps - self.spent) / 2, most), self.deadline)


def bounded(
    index: Index,
    targets: Sequence[Target],
    *,
    max_length: int = 3,
    negated: bool = True,
    width: int = 64,
    steps: float = math.inf,
    seconds: float | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> list[Proof]:
    """Return for each target the best formulas, and a proof as far as `steps` and `seconds` a target go.

    `width` is that of the beam, which starts the proof and searches the lengths above 3. Where a view of the index
    would be too large (see `search.started`), there is a proof for single atoms only.
    """

    def solve(block: Sequence[Target]) -> list[Proof]:
        proofs: list[Proof] = []
        for target, sums in zip(block, first_level(index, block), strict=True):
            seen, found, scored = started(index, target, sums, max_length, negated, width)
            if seen is None:
                proofs.append(Proof(found, (True,), target.ceiling(), 0, scored))
            else:
                proofs.append(prove(index, seen, found, scored, max_length, negated, steps, seconds))
        return proofs

    blocks = blocks_of(targets, workers)
    shown = progress(in_threads(solve, blocks, workers), total=len(blocks), label="search")
    return [proof for block in shown for proof in block]


def prove(
    index: Index,
    seen: View,
    known: Sequence[Candidate],
    scored: int,
    max_length: int = 3,
    negated: bool = True,
    steps: float = math.inf,
    seconds: float | None = None,
) -> Proof:
    """Search for formulas better than `known`, within so many steps and seconds.

    `known` holds the best atom or negated atom of every length, and any other formulas; `scored` formulas were
    tried to find them.
    """
    target, top = seen.target, min(max_length, 3)
    purse = _Purse(steps, math.inf if seconds is None else time.monotonic() + seconds)
    search = _Search(index, seen, negated)
    best = [max((c.score for c in known if c.length <= k + 1), default=0.0) for k in range(top)]
    certified, found, bound = [True], list(known), best[0]
    for level in range(2, top + 1):
        best[level - 1] = max(best[level - 1], best[level - 2])
        part = purse.part(0.5) if level < top else purse.part(0.8)
        done = search.passes(level, bound, best[level - 1], part)
        purse.spent += part.spent
        news = [c for c in search.take(found) if c.length <= level]
        found += news
        for k in range(top):
            best[k] = max([best[k], *(c.score for c in news if c.length <= k + 1)])
        if level < top:
            longer = search.lengthened(found, best[level], top)
            found += longer
            best[level] = max([best[level], *(c.score for c in longer)])
        done = done and certified[-1]  # a longer formula can be no more than a shorter one
        certified.append(done)
        bound = best[level - 1] if done else target.ceiling()
        if not done and level == top:
            bound = search.lower(level, best[level - 1], bound, purse)
            news = search.take(found)
            found += news
            bound = max([bound, *(c.score for c in news)])
        elif not done:
            # longer formulas are still searched, without knowing how good the shorter ones are
            bound = math.inf
    found.sort(key=lambda c: (-c.score, c.length, [x.atom for x in literals(c.formula)]))
    whole = bound if max_length == top else max(bound, target.ceiling())
    return Proof(found, tuple(certified), whole, purse.spent, scored)


class _Search:
    """The passes over one unit's formulas, and what they find."""

    def __init__(self, index: Index, seen: View, negated: bool) -> None:
        self._index, self._seen, self._negated = index, seen, negated
        self._brackets = brackets(seen.target)
        self._filled = np.bitwise_count(seen.layout.filled).astype(np.int64)
        self._found = (np.zeros(_FOUND), np.zeros((_FOUND, 4), dtype=np.int32), np.zeros(1, dtype=np.int64))
        self._share = 1.0
        """how much of the last bracket was searched"""

    def passes(self, level: int, shorter: float, score: float, purse: _Purse) -> bool:
        """Search all formulas of two and three atoms and length ≤ level for scores above `score`, or equal to it.

        `shorter` is known to be at least the score of every formula of a smaller length. Return whether all were
        searched; what is better raises the score for the rest. A bracket that takes too long is cut in two: the
        narrower it is, the less its bounds lose.
        """
        best, waiting = np.array([score]), [(cut, 0) for cut in reversed(self._brackets)]
        while waiting:
            cut, depth = waiting.pop()
            parts = halves(self._seen.target, cut)
            part = purse.attempt(_ATTEMPT * 2**depth) if parts else purse.part(1)
            done = self._bracket(level, shorter, best, cut, part)
            purse.spent += part.spent
            if not done and (not parts or purse.empty):
                return False
            if not done:
                waiting += [(half, depth + 1) for half in reversed(parts)]
        return True

    def lower(self, level: int, score: float, bound: float, purse: _Purse) -> float:
        """Return a lower bound than `bound` on all scores, by proofs that nothing beats some score in between.

        A proof gets a sixteenth of the steps of the search before; where that hardly began, none is tried.
        """
        for _ in range(_RAISES if self._share >= _SHARE else 0):
            part = purse.part(0.25)
            if part.empty or bound <= score:
                break
            tried = (score + bound) / 2
            if all(self.passes(k, math.inf, tried, part) for k in range(2, level + 1)):
                bound = tried
            else:
                score = tried
            purse.spent += part.spent
        return bound

    def lengthened(self, known: Sequence[Candidate], least: float, max_length: int) -> list[Candidate]:
        """Return formulas of one of the best that are known and one more atom, if they score above `least`."""
        seeds = sorted((c for c in known if c.length < max_length), key=lambda c: -c.score)[:_SEEDS]
        if not seeds:
            return []
        return lengthened(self._index, self._seen, seeds, max_length, self._negated, least)

    def take(self, known: Sequence[Candidate]) -> list[Candidate]:
        """Return what was found and is not known, best first, and forget it."""
        scores, codes, used = self._found
        n = int(used[0])
        used[0] = 0
        order = sorted(range(n), key=lambda i: (-scores[i], codes[i].tolist()))[:_LISTED]
        listed = {(c.mark, c.total, c.size): c.length for c in known}
        news: list[Candidate] = []
        for i in order:
            c = self._candidate(_formula(*(int(x) for x in codes[i])))
            key = (c.mark, c.total, c.size)
            if listed.get(key, c.length + 1) > c.length:
                listed[key] = c.length
                news.append(c)
        return news

    def _candidate(self, formula: Formula) -> Candidate:
        index, target = self._index, self._seen.target
        everything = pack(np.ones(index.n_images, dtype=bool))
        held = unpack(row_of(formula, index.packed, everything), index.n_images)
        total, size = float(target.q[held].sum()), int(np.count_nonzero(held))
        score = (target.offset + total) * float(target.factor[size])
        long = sum(int(index.lengths[x.atom]) for x in literals(formula))
        return Candidate(score, total, size, float(index.marks[held].sum()), long, formula)

    def _bracket(self, level: int, shorter: float, best: Array, cut: Bracket, purse: _Purse) -> bool:
        """Search the formulas whose size is in a bracket; return whether all were searched."""
        from conceptx.induction.kernels import bounds
        from conceptx.induction.kernels import branch as kernel

        target, layout = self._seen.target, self._seen.layout
        score, strict = float(best[0]), bool(best[0] == shorter)
        weights = weigh(layout, score * cut.slope)
        s = [1 / float(target.factor[k]) for k in (cut.least, cut.most)]
        shift = [weights.slope * k for k in (cut.least, cut.most)]
        ends = np.array([s[0], shift[0], s[1], shift[1], target.offset, weights.scale, weights.slope])
        limit = int(bounds.theta(score, ends, strict))
        gain = int(self._filled @ np.maximum(weights.high, 0))
        loss = -int(self._filled @ np.minimum(weights.high, 0))
        if gain <= limit:
            return True
        usable = self._index.lengths < level
        (gains, losses), low_losses = self._rows(weights.high), self._rows(weights.low)[1]
        gathers, sheds = _by_literal(gains, gain), loss - _by_literal(losses, loss)
        whole = _by_literal(gains - losses, gain - loss)
        lost = -int(self._filled @ np.minimum(weights.low, 0))
        could_shed = lost - _by_literal(low_losses, lost)
        # dropping an atom leaves a shorter formula, which reaches this much at most
        reached = math.inf if shorter == math.inf else weights.scale * highest(target, weights.slope, shorter)
        lacks = bounds.theta(score, ends, False) - reached - 1e-9 * abs(reached) - 1
        allowed = np.repeat(usable, 2)
        if not self._negated:
            allowed[1::2] = False
        roles = (allowed & (could_shed > lacks)) * bounds.CONJUNCT + (allowed & (gathers > lacks)) * bounds.DISJUNCT
        nu = limit - (gain - loss)
        mains, outer = _mains(level, roles, gathers, sheds, limit, nu, bool((self._index.lengths[usable] > 1).any()))
        active = np.flatnonzero(roles[0::2] | roles[1::2])
        if not len(active) or not mains.any():
            return True
        own: Array = (2 * active[:, None] + [0, 1]).ravel()
        place: Array = np.zeros(len(roles), dtype=np.int64)
        place[own] = np.arange(len(own))
        listed = np.flatnonzero(mains)
        listed = listed[np.argsort(-whole[listed], kind="stable")]
        all_active = len(active) == len(usable)
        arguments: tuple[Any, ...] = (
            place[listed].astype(np.int32),
            mains[own],
            tuple(place[x].astype(np.int32) for x in outer),
            self._seen.lanes if all_active else self._seen.lanes[active],
            layout.filled,
            layout.q,
            weights.high,
            weights.low,
            int(np.count_nonzero(weights.high > 0)),
            (gains[active], losses[active]),
            (gain, loss),
            (gathers[own], sheds[own], whole[own], roles[own].astype(np.uint8)),
            self._index.lengths[active],
            level,
            ends,
            target.factor,
            strict,
            best,
            self._found,
        )
        before = int(self._found[2][0])
        done, chunk = 0, _CHUNK
        while done < len(listed) and not purse.empty:
            quota = int(min(chunk, purse.steps - purse.spent))
            ahead, spent = kernel.explore(done, quota, *arguments)
            purse.spent += spent
            # a main literal that takes more than a chunk is begun again
            chunk = 2 * chunk if ahead == done else _CHUNK
            done = ahead
        self._share = done / len(listed)
        codes = self._found[1]
        fresh = slice(before, int(self._found[2][0]))
        codes[fresh, 1:] = own[codes[fresh, 1:]]
        return done == len(listed)

    def _rows(self, weight: Array) -> tuple[Array, Array]:
        """Return P and N of every atom for some weights."""
        from conceptx.induction.kernels import lanes

        seen = self._seen
        gains, losses = np.zeros(len(seen.lanes), dtype=np.int32), np.zeros(len(seen.lanes), dtype=np.int32)
        split = int(np.count_nonzero(weight > 0))
        lanes.rows(seen.lanes, seen.layout.filled, weight, split, gains, losses)
        return gains, losses


def _by_literal(values: Array, everything: int) -> Array:
    """Return sums over atoms as sums over literals: the atom, its negation, the next atom, …"""
    found = np.empty(2 * len(values), dtype=np.int32)
    found[0::2], found[1::2] = values, everything - values
    return found


def _mains(
    level: int, roles: Array, gathers: Array, sheds: Array, limit: int, nu: int, mixed: bool
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """Return the forms (bits) in which each literal is main, and the literals that can be c in the forms 5 to 8.

    `mixed`: atoms have several lengths, so that two atoms can be as long as three others.
    """
    conjunct, disjunct = roles & 1 > 0, roles & 2 > 0
    g, s = gathers.astype(np.int64), sheds.astype(np.int64)
    full_gather, full_shed = g > limit, s > nu
    half_gather, half_shed = 2 * g > limit, 2 * s > nu
    mains = np.zeros(len(roles), dtype=np.int64)
    if level > 2:
        mains |= (conjunct & full_gather & (3 * s > nu)) << 1
        mains |= (conjunct & full_gather & half_shed) << 2
        mains |= (disjunct & half_gather & full_shed) << 3
        mains |= (disjunct & (3 * g > limit) & full_shed) << 4
        mains |= (disjunct & half_gather & half_shed) << 5
        mains |= (conjunct & half_gather & half_shed) << 6
    if level == 2 or mixed:
        mains |= (conjunct & full_gather & half_shed) << 7
        mains |= (disjunct & half_gather & full_shed) << 8
    hosts, parts = np.flatnonzero(conjunct & full_gather), np.flatnonzero(disjunct & full_shed)
    hosts, parts = hosts[np.argsort(-s[hosts], kind="stable")], parts[np.argsort(-g[parts], kind="stable")]
    return mains, (hosts[mains[hosts] & 4 == 0], parts[mains[parts] & 8 == 0], hosts, parts)


def _formula(form: int, main: int, c: int, d: int) -> Formula:
    """Return the formula of a form (see `kernels.branch`) and its literals."""
    x, y, z = (Literal(literal >> 1, literal & 1 == 0) for literal in (main, c, d))
    every = form in (1, 2, 5, 7)
    if form in (1, 4):
        return Junction(every, (x, y, z))
    if form >= 7:
        return Junction(every, (x, y))
    outer, first = (x, y) if form in (2, 3) else (y, x)
    return Junction(every, (outer, Junction(not every, (first, z))))
