"""What the form of an axiom tells: whether it can be applied, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from conceptx.expressions import (
    And,
    Count,
    Expression,
    Named,
    Not,
    Nothing,
    Only,
    Or,
    Role,
    Some,
    Thing,
    Value,
    walk,
)


def renamed(
    expression: Expression, name: Callable[[str], Expression], role: Callable[[Role], Role], value: Callable[[str], str]
) -> Expression:
    """Return the expression with others for its classes, and other names for its roles and data properties."""

    def again(inner: Expression) -> Expression:
        return renamed(inner, name, role, value)

    match expression:
        case Named(iri):
            return name(iri)
        case And(parts) | Or(parts):
            return type(expression)(tuple(again(p) for p in parts))
        case Not(inner):
            return Not(again(inner))
        case Some(r, inner) | Only(r, inner):
            return type(expression)(role(r), again(inner))
        case Count(kind, n, r, inner):
            return Count(kind, n, role(r), again(inner))
        case Value(iri, sign, number):
            return Value(value(iri), sign, number)
        case _:
            return expression


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """Return what holds of every member: the operands of a conjunction, or the expression itself."""
    if isinstance(expression, And):
        return tuple(part for operand in expression.operands for part in conjuncts(operand))
    return (expression,)


def is_known(expression: Expression) -> bool:
    """Return whether every class in it could be read."""
    return not any(isinstance(e, Named) and not e.name for e in walk(expression))


def says_something(what: Expression) -> bool:
    """Return whether something about single individuals follows from being `what`."""
    match what:
        case Named(name) | Not(Named(name)):
            return bool(name)
        case Only(_, filler):
            return any(says_something(part) for part in conjuncts(filler))
        case Some(_, Named(name)):
            return name.startswith("{")
        case Value(_, comparison, _):
            return comparison == "="
        case _:
            return False


def is_positive(expression: Expression) -> bool:
    """Return whether membership can only grow when more is known."""
    return is_known(expression) and not any(
        isinstance(e, Not | Only | Nothing) or (isinstance(e, Count) and e.kind != "min") for e in walk(expression)
    )


def is_anchored(expression: Expression) -> bool:
    """Return whether the expression says what its members are, not only what they are not."""
    match expression:
        case And(parts):
            return any(is_anchored(part) for part in parts)
        case Or(parts):
            return all(is_anchored(part) for part in parts)
        case Not() | Only() | Thing():
            return False
        case Count(kind, n, _, _):
            return kind != "max" and n > 0
        case _:
            return True


def in_order(definitions: list[tuple[str, Expression]]) -> list[tuple[str, Expression]]:
    """Put a definition behind those that it mentions; within a circle the order of the names decides."""
    by_name: defaultdict[str, list[Expression]] = defaultdict(list)
    for name, expression in definitions:
        by_name[name].append(expression)
    uses = {
        name: {e.name for x in expressions for e in walk(x) if isinstance(e, Named)} & by_name.keys()
        for name, expressions in by_name.items()
    }
    ordered: list[str] = []
    waiting = sorted(by_name)
    while waiting:
        ready = [name for name in waiting if uses[name] <= {*ordered, name}] or waiting[:1]
        ordered += ready
        waiting = [name for name in waiting if name not in ready]
    return [(name, expression) for name in ordered for expression in by_name[name]]
