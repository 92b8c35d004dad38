"""All class expressions of a knowledge base by length, each extent kept once under its shortest expression.

`Space.grow(length)` enumerates bottom up: atoms, then everything that ``not``, ``and``, ``or``, ``some``, ``only``,
``min``, ``max`` and ``exactly`` make of shorter ones. Two expressions that hold for the same individuals are
interchangeable inside every larger one, so keeping one of each extent loses nothing: up to the length `complete`
every expression of the language has its extent here. A space depends on the knowledge base alone; all problems over
it share one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from conceptx.annotation.evaluate import holds
from conceptx.expressions import NOTHING, THING, And, Count, Expression, Kind, Named, Not, Only, Or, Role, Some, Value
from conceptx.induction.individuals import kernels
from conceptx.induction.individuals.kernels import EXACTLY, MAX, MIN, ONLY, SOME, Words
from conceptx.induction.individuals.knowledge import KnowledgeBase
from conceptx.induction.individuals.lengths import role_length, symbols

Ints = npt.NDArray[np.int64]

_ATOM, _NOT, _AND, _OR, _LIFT = 0, 1, 2, 3, 4
_COUNTED: dict[int, Kind] = {MIN: "min", MAX: "max", EXACTLY: "exactly"}
_MOST_COUNTED = 5
_THRESHOLDS = 64
_THIN_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Links:
    """One direction of a role: the successors of individual x are targets[starts[x]:starts[x + 1]].

    `sources` are the individuals that have some, `idle` the bits of the others, `most` the most that one has.
    """

    role: Role
    starts: Ints
    targets: Ints
    sources: Ints
    idle: Words
    most: int


@dataclass(frozen=True, slots=True)
class Room:
    """How much a space may take: distinct extents, bytes for them, and word operations for one step of a level."""

    extents: int = 1 << 18
    size: int = 1 << 28
    work: int = 1 << 30


class Space:
    """The distinct extents over one knowledge base; `rows[:used]` are packed, those of length L before ends[L]."""

    def __init__(
        self,
        kb: KnowledgeBase,
        room: Room | None = None,
        without: Collection[str] = (),
        without_roles: Collection[str] = (),
    ) -> None:
        self.kb = kb
        self.room = room or Room()
        self.n = len(kb)
        self.words = (self.n + 63) // 64
        capacity = max(min(self.room.extents, self.room.size // (8 * self.words)), 32)
        self.rows: Words = np.empty((capacity, self.words), np.uint64)
        self.made = np.empty((capacity, 4), np.int64)
        self.table = np.full(1 << (2 * capacity - 1).bit_length(), -1, np.int64)
        self.used = 0
        self.ends = [0]
        self.complete = 0
        self.full = False
        self.everyone = pack(np.ones((1, self.n), bool))[0]
        self.links = _links(kb, without_roles)
        self.atoms = _atoms(kb, without, without_roles)
        self.expressions: dict[int, Expression] = {}

    def grow(self, length: int) -> bool:
        """Make the space complete to `length`; return False where the room does not allow it."""
        while self.complete < length and not self.full:
            level = self.complete + 1
            if self.used > len(self.rows) // 3:  # every length has more extents than all shorter ones together
                self.full = True
                break
            if self._level(level):
                self.complete = level
            else:
                self.full = True
            self.ends.append(self.used)
            if self.full:
                self._thin(level + 1)
        return self.complete >= length

    @property
    def most(self) -> int:
        """The greatest length of which there is an extent."""
        return len(self.ends) - 1

    def expression(self, row: int) -> Expression:
        """Return the expression of a row."""
        found = self.expressions.get(row)
        if found is None:
            op, left, right, number = self.made[row].tolist()
            if op == _ATOM:
                found = self.atoms[left][1]
            elif op == _NOT:
                found = Not(self.expression(left))
            elif op in (_AND, _OR):
                kind = And if op == _AND else Or
                found = kind(
                    tuple(
                        part
                        for side in (self.expression(left), self.expression(right))
                        for part in (side.operands if isinstance(side, kind) else (side,))
                    )
                )
            else:
                found = lifted(op - _LIFT, number, self.links[right].role, self.expression(left))
            self.expressions[row] = found
        return found

    def _range(self, length: int) -> tuple[int, int]:
        """Return the rows of a length."""
        return (self.ends[length - 1], self.ends[length]) if 0 < length < len(self.ends) else (0, 0)

    def _level(self, level: int) -> bool:
        """Enumerate one length; on False, what did not fit is left out as a whole step (unions go first)."""
        self._add_atoms(level)
        for step in (partial(self._lift, level), partial(self._complement, level)):
            if not self._try(step):
                return False
        return all(self._try(partial(self._join, level, op)) for op in (_AND, _OR))

    def _try(self, step: Callable[[], bool]) -> bool:
        before = self.used
        if step():
            return True
        self.used = before
        kernels.rehash(self.rows, self.table, before)
        return False

    def _take(self, used: int) -> bool:
        if used < 0:
            return False
        self.used = used
        return True

    def _add_atoms(self, level: int) -> None:
        for number, (length, _, bits) in enumerate(self.atoms):
            if length == level and self.used < len(self.rows):
                self.used = kernels.keep(self.rows, self.table, self.made, self.used, bits, _ATOM, number, -1, 0)

    def _lift(self, level: int) -> bool:
        for number, links in enumerate(self.links):
            plain = self._range(level - 1 - role_length(links.role))
            counted = self._range(level - 2 - role_length(links.role))
            work = (plain[1] - plain[0] + counted[1] - counted[0]) * len(links.targets)
            if work > self.room.work:
                return False
            for kind, least, most, (first, end) in lifts_of(links, plain, counted):
                args = (links.starts, links.targets, links.sources, links.idle, first, end, _LIFT + kind)
                used = kernels.lifts(self.rows, self.table, self.made, self.used, *args, number, kind, least, most)
                if not self._take(used):
                    return False
        return True

    def _complement(self, level: int) -> bool:
        first, end = self._range(level - 1)
        if first == end:
            return True
        return self._take(
            kernels.complements(self.rows, self.table, self.made, self.used, self.everyone, first, end, _NOT)
        )

    def _join(self, level: int, op: int) -> bool:
        sides = [(self._range(a), self._range(level - 1 - a)) for a in range(1, (level - 1) // 2 + 1)]
        work = sum((a[1] - a[0]) * (b[1] - b[0]) for a, b in sides) * self.words
        if work > self.room.work:
            return False
        for a, b in sides:
            used = kernels.junctions(self.rows, self.table, self.made, self.used, *a, *b, op == _AND, op)
            if not self._take(used):
                return False
        return True

    def _thin(self, level: int) -> None:
        """Beyond the complete lengths, add what roles make of what there is: the statements of large bases."""
        for length in range(level, level + _THIN_LEVELS):
            self._add_atoms(length)
            whole = self._try(partial(self._lift, length))
            self.ends.append(self.used)
            if not whole:
                return


def lifts_of(
    links: Links, plain: tuple[int, int], counted: tuple[int, int]
) -> list[tuple[int, int, int, tuple[int, int]]]:
    """Return (kind, least n, most n, rows) of everything that a role makes of rows of one length."""
    most = min(links.most, _MOST_COUNTED)
    found = [(SOME, 0, 0, plain), (ONLY, 0, 0, plain)]
    found += [
        (MIN, 2, most, counted),
        (MAX, 1, min(links.most - 1, _MOST_COUNTED), counted),
        (EXACTLY, 1, most, counted),
    ]
    return [(kind, a, b, rows) for kind, a, b, rows in found if rows[0] < rows[1] and a <= b]


def lifted(kind: int, n: int, role: Role, filler: Expression) -> Expression:
    """Return the restriction of a kind of the compiled loops."""
    if kind == SOME:
        return Some(role, filler)
    return Only(role, filler) if kind == ONLY else Count(_COUNTED[kind], n, role, filler)


def pack(bits: npt.NDArray[np.bool_]) -> Words:
    """Return boolean rows (k, n) as words (k, ceil(n / 64)), bit i of a row for column i."""
    k, n = bits.shape
    padded = np.zeros((k, (n + 63) // 64 * 64), bool)
    padded[:, :n] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def unpack(rows: Words, n: int) -> npt.NDArray[np.bool_]:
    """Return packed rows as booleans (k, n)."""
    as_bytes = np.ascontiguousarray(rows).astype("<u8").view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=n, bitorder="little").astype(bool)


def _links(kb: KnowledgeBase, without: Collection[str]) -> list[Links]:
    """Return all roles that link anything, and their inverses, but those `without`.

    A direction that another one equals is left out.
    """
    found: list[Links] = []
    seen: set[bytes] = set()
    for inverse in (False, True):
        for name, pairs in kb.scenes.roles.items():
            if name in without:
                continue
            source, target = (pairs[1], pairs[0]) if inverse else pairs
            order = np.lexsort((target, source))
            source, after = source[order], target[order].astype(np.int64)
            content = source.tobytes() + b"/" + after.tobytes()
            if len(source) and content not in seen:
                seen.add(content)
                degree = np.bincount(source, minlength=len(kb))
                starts = np.concatenate([[0], np.cumsum(degree)]).astype(np.int64)
                idle = pack((degree == 0)[None, :])[0]
                role = Role(name, inverse)
                sources = np.flatnonzero(degree).astype(np.int64)
                found.append(Links(role, starts, after, sources, idle, int(degree.max())))
    return found


def _atoms(
    kb: KnowledgeBase, without: Collection[str], without_properties: Collection[str]
) -> list[tuple[int, Expression, Words]]:
    """Return (length, expression, packed extent) of what is not made of anything else; the most specific name first.

    Nominals and what shall be left out are no part of answers.
    """
    scenes = kb.scenes
    expressions: list[Expression] = [THING, NOTHING]
    closure, hierarchy = scenes.closure, scenes.hierarchy
    named = [(hierarchy.name(int(c)), len(hierarchy.ancestors([int(c)]))) for c in closure.classes]
    named.sort(key=lambda item: (-item[1], item[0]))
    expressions += [Named(name) for name, _ in named if name[0] != "{" and name not in without]
    for name, (_, values) in scenes.numbers.items():
        distinct = np.unique(values[:0] if name in without_properties else values)
        if len(distinct) > _THRESHOLDS:
            distinct = distinct[np.linspace(0, len(distinct) - 1, _THRESHOLDS).round().astype(int)]
        for number in distinct.tolist():
            expressions += [Value(name, ">=", number), Value(name, "<=", number)]
    return [(symbols(e, kb.names.values), e, pack(holds(e, scenes)[None, :])[0]) for e in expressions]
