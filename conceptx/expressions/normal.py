"""Bring expressions of one meaning together: the normal form."""

from __future__ import annotations

from conceptx.expressions.printing import to_manchester
from conceptx.expressions.subsumption import Subsumption, Taxonomy
from conceptx.expressions.types import (
    NOTHING,
    THING,
    And,
    Count,
    Expression,
    Kind,
    Not,
    Nothing,
    Only,
    Or,
    Role,
    Some,
    Thing,
    length,
)


def normalise(expression: Expression, hierarchy: Taxonomy | None = None) -> Expression:
    """Return an expression of the same meaning in normal form.

    Nested conjunctions and disjunctions are flat, sorted (negations last) and without repetition; double negation,
    absorption (``A and (A or B)`` is ``A``), complements, owl:Thing and owl:Nothing, and trivial counts are resolved.
    A conjunct that another one implies is left out, and a disjunct that implies another one: ``contains min 2 A and
    contains some A`` is ``contains min 2 A``. With a `hierarchy` this holds for its classes too: where every Bed is
    Furniture, ``contains some Bed and contains some Furniture`` is ``contains some Bed``.
    """
    return _normal(expression, Subsumption(hierarchy))


def _normal(expression: Expression, implied: Subsumption) -> Expression:
    match expression:
        case And(operands) | Or(operands):
            return _junction(type(expression), [_normal(o, implied) for o in operands], implied)
        case Not(operand):
            inner = _normal(operand, implied)
            match inner:
                case Not(double):
                    return double
                case Thing():
                    return NOTHING
                case Nothing():
                    return THING
            return Not(inner)
        case Some(role, filler):
            inner = _normal(filler, implied)
            return NOTHING if inner == NOTHING else Some(role, inner)
        case Only(role, filler):
            inner = _normal(filler, implied)
            return THING if inner == THING else Only(role, inner)
        case Count(kind, n, role, filler):
            return _count(kind, n, role, _normal(filler, implied))
        case _:
            return expression


def _count(kind: Kind, n: int, role: Role, filler: Expression) -> Expression:
    if filler == NOTHING:
        holds = n == 0 if kind != "max" else True
        return THING if holds else NOTHING
    if kind == "min" and n <= 1:
        return THING if n == 0 else Some(role, filler)
    if kind in ("max", "exactly") and n == 0:
        return Not(Some(role, filler))
    return Count(kind, n, role, filler)


def _junction(of: type[And] | type[Or], operands: list[Expression], implied: Subsumption) -> Expression:
    neutral, absorbing = (THING, NOTHING) if of is And else (NOTHING, THING)
    flat: dict[Expression, None] = {}
    for operand in operands:
        for part in operand.operands if isinstance(operand, of) else (operand,):
            if part == absorbing:
                return absorbing
            if part != neutral:
                flat[part] = None
    parts = sorted(flat, key=lambda e: (isinstance(e, Not), to_manchester(e)))
    place = {part: i for i, part in enumerate(parts)}

    def keeps(one: Expression, other: Expression) -> bool:
        """Tell whether `one` decides the junction of both: the narrower of conjuncts, the wider of disjuncts."""
        return implied.holds(one, other) if of is And else implied.holds(other, one)

    for part in parts:
        if isinstance(part, Not) and any(keeps(other, part.operand) for other in parts if other != part):
            return absorbing
    # Of two that imply each other the shorter one stays, then the first: an order without circles.
    kept: list[Expression] = []
    for part in sorted(parts, key=length):
        if not any(keeps(other, part) for other in kept):
            kept = [other for other in kept if not keeps(part, other)] + [part]
    kept.sort(key=place.__getitem__)
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else of(tuple(kept))
