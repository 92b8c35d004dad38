"""Make an expression shorter without changing for which examples it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conceptx.annotation.evaluate import holds
from conceptx.expressions import And, Count, Expression, Not, Only, Or, Role, Some, normalise, to_manchester
from conceptx.induction.individuals import kernels
from conceptx.induction.individuals.lengths import symbols
from conceptx.induction.individuals.space import Space, unpack

Bools = npt.NDArray[np.bool_]

_MOST_CELLS = 1 << 22
_MOST_CANDIDATES = 1 << 12


def shorten(
    expression: Expression, space: Space, chosen: npt.NDArray[np.int64], late: Callable[[], bool]
) -> Expression:
    """Return the shortest expression that single changes lead to, equal to the given one on the chosen individuals.

    A change takes out what two parts share (``r some A or r some B`` is ``r some (A or B)``) or puts a shorter
    expression of the space in the place of any part.
    """
    values = space.kb.names.values
    wanted = holds(expression, space.kb.scenes)[chosen]
    best = expression
    changed = True
    while changed and not late():
        changed = False
        options = [factored(best), *_replaced(best, space, chosen, wanted)]
        options.sort(key=lambda x: (symbols(x, values), to_manchester(x)))
        if symbols(options[0], values) < symbols(best, values):
            best, changed = options[0], True
    return best


def factored(expression: Expression) -> Expression:
    """Return an equal expression in which what the parts of a junction share stands once."""
    match expression:
        case Not(inner):
            return Not(factored(inner))
        case Some(role, inner) | Only(role, inner):
            return type(expression)(role, factored(inner))
        case Count(kind, n, role, inner):
            return Count(kind, n, role, factored(inner))
        case And(parts) | Or(parts):
            kind_of = type(expression)
            return _joined(kind_of, [factored(part) for part in parts])
        case _:
            return expression


def _joined(kind: type[And] | type[Or], parts: list[Expression]) -> Expression:
    """Join parts of which some may be merged: restrictions on one role, complements, parts with a common operand."""
    merging, dual = (Only, Or) if kind is And else (Some, And)
    by_role: dict[Role, list[Expression]] = {}
    negated: list[Expression] = []
    rest: list[Expression] = []
    for part in parts:
        if isinstance(part, merging):
            by_role.setdefault(part.role, []).append(part.filler)
        elif isinstance(part, Not):
            negated.append(part.operand)
        else:
            rest.append(part)
    rest += [
        merging(role, _joined(kind, fillers) if len(fillers) > 1 else fillers[0]) for role, fillers in by_role.items()
    ]
    if negated:
        rest.append(Not(_joined(dual, negated) if len(negated) > 1 else negated[0]))
    for i, one in enumerate(rest):
        for j, other in enumerate(rest[i + 1 :], i + 1):
            if isinstance(one, dual) and isinstance(other, dual):
                shared = [x for x in one.operands if x in other.operands]
                if shared:
                    left = [_several(dual, [x for x in side.operands if x not in shared]) for side in (one, other)]
                    if all(side is not None for side in left):
                        merged = dual((*shared, kind(tuple(side for side in left if side is not None))))
                        return _joined(kind, [x for k, x in enumerate(rest) if k not in (i, j)] + [merged])
    return normalise(rest[0] if len(rest) == 1 else kind(tuple(rest)))


def _several(kind: type[And] | type[Or], parts: list[Expression]) -> Expression | None:
    return None if not parts else parts[0] if len(parts) == 1 else kind(tuple(parts))


Context = Callable[[Expression], Expression]
Lift = Callable[[Bools], Bools]


@dataclass(frozen=True, slots=True)
class _Place:
    """A part of an expression: the individuals that matter there, and the whole with something else in its place.

    `lift` turns the extents (k, individuals that matter) of what stands there into those of the whole (k, chosen).
    """

    part: Expression
    matter: npt.NDArray[np.int64]
    put: Context
    lift: Lift


def _replaced(expression: Expression, space: Space, chosen: npt.NDArray[np.int64], wanted: Bools) -> list[Expression]:
    """Return for each part the whole with the shortest expression of the space in its place that changes nothing."""
    values = space.kb.names.values
    found = []
    for place in _places(_Place(expression, chosen, lambda x: x, lambda b: b), space):
        most = min(_MOST_CANDIDATES, _MOST_CELLS // max(len(place.matter), 1))
        end = min(space.ends[min(symbols(place.part, values) - 1, space.most)], most)
        if end:
            out = np.empty((end, (len(place.matter) + 63) // 64), np.uint64)
            kernels.project(space.rows, 0, end, place.matter, out)
            equal = np.flatnonzero((place.lift(unpack(out, len(place.matter))) == wanted).all(axis=1))
            if len(equal):
                found.append(normalise(place.put(space.expression(int(equal[0])))))
    return found


def _places(place: _Place, space: Space) -> Iterator[_Place]:
    """Yield the place and every place inside it; of three or more operands also every two together."""
    yield place
    part, matter, put, lift = place.part, place.matter, place.put, place.lift
    match part:
        case And(parts) | Or(parts):
            yield from _operands(type(part), parts, place, space)
        case Not(inner):
            yield from _places(_Place(inner, matter, lambda x: put(Not(x)), lambda b: lift(~b)), space)
        case Some(role, inner):
            after, counts = _counter(role, matter, space)
            made = _Place(inner, after, lambda x: put(Some(role, x)), lambda b: lift(counts(b) > 0))
            yield from _places(made, space)
        case Only(role, inner):
            after, counts = _counter(role, matter, space)
            made = _Place(inner, after, lambda x: put(Only(role, x)), lambda b: lift(counts(~b) == 0))
            yield from _places(made, space)
        case Count(kind, n, role, inner):
            after, counts = _counter(role, matter, space)
            compare = {"min": np.greater_equal, "max": np.less_equal, "exactly": np.equal}[kind]
            made = _Place(inner, after, lambda x: put(Count(kind, n, role, x)), lambda b: lift(compare(counts(b), n)))
            yield from _places(made, space)


def _operands(
    kind: type[And] | type[Or], parts: tuple[Expression, ...], place: _Place, space: Space
) -> Iterator[_Place]:
    groups: list[tuple[int, ...]] = [(i,) for i in range(len(parts))]
    if len(parts) > 2:
        groups += [(i, j) for i in range(len(parts)) for j in range(i + 1, len(parts))]
    for group in groups:
        inside = tuple(parts[i] for i in group)
        others = tuple(part for i, part in enumerate(parts) if i not in group)
        held = holds(kind(others) if len(others) > 1 else others[0], space.kb.scenes)[place.matter]

        def lift(bits: Bools, held: Bools = held) -> Bools:
            return place.lift(bits & held if kind is And else bits | held)

        def put(x: Expression, others: tuple[Expression, ...] = others) -> Expression:
            return place.put(kind((*others, x)))

        yield from _places(_Place(inside[0] if len(inside) == 1 else kind(inside), place.matter, put, lift), space)


def _counter(
    role: Role, matter: npt.NDArray[np.int64], space: Space
) -> tuple[npt.NDArray[np.int64], Callable[[Bools], npt.NDArray[np.int32]]]:
    """Return the successors of the individuals that matter, and what counts them for extents over these."""
    from scipy import sparse

    source, target = space.kb.scenes.roles[role.name]
    if role.inverse:
        source, target = target, source
    place = np.full(space.n, -1, np.int64)
    place[matter] = np.arange(len(matter))
    used = place[source] >= 0
    after, column = np.unique(target[used].astype(np.int64), return_inverse=True)
    at = (place[source[used]], column)
    links = sparse.csr_array((np.ones(len(column), np.int32), at), shape=(len(matter), len(after)))
    return after, lambda bits: np.asarray((links @ bits.T.astype(np.int32)).T)
