"""Expressions changed in small steps, made a second time: what the table of sanity checks has to have tried.

Every class is replaced by each superclass, and by its most frequent annotated subclasses and siblings; every operand is
left out. `variants` gives them in the order of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from conceptx.expressions import And, Count, Expression, Named, Not, Only, Or, Some, normalise, to_manchester

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy

MOST = 8


def variants(
    expression: Expression, hierarchy: Hierarchy, frequency: Mapping[str, int]
) -> list[tuple[str, str, Expression]]:
    """Return (change, what was changed, expression), each expression once.

    frequency: how many nodes of all pictures each annotated class has; of the subclasses and siblings of a class the
    most frequent are tried, equally frequent ones by name.
    """
    plain = normalise(expression)
    named = list(dict.fromkeys(_classes(expression)))
    seen = {plain}
    found = []
    for change, part, changed in [*_replacements(expression, named, hierarchy, frequency), *_shortened(expression)]:
        short = normalise(changed)
        if short not in seen:
            seen.add(short)
            found.append((change, part, short))
    return found


def _replacements(
    expression: Expression, named: list[str], hierarchy: Hierarchy, frequency: Mapping[str, int]
) -> Iterator[tuple[str, str, Expression]]:
    def names(ids: object) -> list[str]:
        return [hierarchy.name(int(i)) for i in ids]  # type: ignore[attr-defined]

    for name in named:
        above = names(hierarchy.parents(hierarchy.id(name)))
        below = names(hierarchy.children(hierarchy.id(name)))
        beside = [other for parent in above for other in names(hierarchy.children(hierarchy.id(parent)))]
        chosen = [("superclass", parent) for parent in above]
        for change, others in (("subclass", below), ("sibling", beside)):
            annotated = {other for other in others if other in frequency and other not in named}
            ranked = sorted(annotated, key=lambda other: (-frequency[other], other))
            chosen += [(change, other) for other in ranked[:MOST]]
        for change, other in chosen:
            if other not in named:
                yield change, name, _put(expression, name, Named(other))


def _shortened(expression: Expression) -> Iterator[tuple[str, str, Expression]]:
    for part, changed in _leaving_out(expression):
        yield "left out", to_manchester(part), changed


def _leaving_out(expression: Expression) -> Iterator[tuple[Expression, Expression]]:
    """Yield each operand at any depth, and the expression without it; what is inside it follows it."""
    if isinstance(expression, And | Or):
        operands = list(expression.operands)
        for i, operand in enumerate(operands):
            rest = operands[:i] + operands[i + 1 :]
            if rest:
                yield operand, rest[0] if len(rest) == 1 else type(expression)(tuple(rest))
            for part, inner in _leaving_out(operand):
                yield part, type(expression)((*operands[:i], inner, *operands[i + 1 :]))
    elif isinstance(expression, Not):
        for part, inner in _leaving_out(expression.operand):
            yield part, Not(inner)
    elif isinstance(expression, Some | Only | Count):
        for part, inner in _leaving_out(expression.filler):
            yield part, replace(expression, filler=inner)


def _put(expression: Expression, name: str, other: Expression) -> Expression:
    if isinstance(expression, Named):
        return other if expression.name == name else expression
    if isinstance(expression, And | Or):
        return type(expression)(tuple(_put(operand, name, other) for operand in expression.operands))
    if isinstance(expression, Not):
        return Not(_put(expression.operand, name, other))
    if isinstance(expression, Some | Only | Count):
        return replace(expression, filler=_put(expression.filler, name, other))
    return expression


def _classes(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Named):
        yield expression.name
    elif isinstance(expression, And | Or):
        for operand in expression.operands:
            yield from _classes(operand)
    elif isinstance(expression, Not):
        yield from _classes(expression.operand)
    elif isinstance(expression, Some | Only | Count):
        yield from _classes(expression.filler)
