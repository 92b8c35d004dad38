"""Print class expressions in OWL Manchester syntax and in description-logic syntax."""

from __future__ import annotations

import re
from functools import lru_cache

from conceptx.expressions.types import (
    And,
    Count,
    Expression,
    Kind,
    Named,
    Not,
    Nothing,
    Only,
    Or,
    Role,
    Some,
    Thing,
    Value,
)

KEYWORDS = frozenset({"and", "or", "not", "some", "only", "min", "max", "exactly", "that", "inverse", "value", "self"})
_BARE = re.compile(r"[^\W\d][\w\-]*\Z")


def quote(name: str) -> str:
    """Return `name` as it stands in an expression: bare where that is unambiguous, else in single quotes."""
    if _BARE.match(name) and name.casefold() not in KEYWORDS:
        return name
    escaped = name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


@lru_cache(maxsize=1 << 16)
def to_manchester(expression: Expression) -> str:
    """Print in OWL Manchester syntax: ``contains some Bed and not (contains some Lamp)``."""
    match expression:
        case Named(name):
            return quote(name)
        case Thing() | And(()):
            return "owl:Thing"
        case Nothing() | Or(()):
            return "owl:Nothing"
        case And((only,)) | Or((only,)):
            return to_manchester(only)
        case And(operands):
            return " and ".join(map(_operand, operands))
        case Or(operands):
            return " or ".join(map(_operand, operands))
        case Not(operand):
            return f"not {_tight(operand)}"
        case Some(role, filler):
            return f"{_role(role)} some {_tight(filler)}"
        case Only(role, filler):
            return f"{_role(role)} only {_tight(filler)}"
        case Count(kind, n, role, filler):
            return f"{_role(role)} {kind} {n} {_tight(filler)}"
        case Value(name, comparison, number):
            return f"{quote(name)} some xsd:double[{comparison} {number!r}]"


@lru_cache(maxsize=1 << 16)
def to_dl(expression: Expression) -> str:
    """Print in description-logic syntax: ``∃contains.Bed ⊓ ¬(∃contains.Lamp)``."""
    match expression:
        case Named(name):
            return quote(name)
        case Thing() | And(()):
            return "⊤"
        case Nothing() | Or(()):
            return "⊥"
        case And((only,)) | Or((only,)):
            return to_dl(only)
        case And(operands):
            return " ⊓ ".join(map(_operand_dl, operands))
        case Or(operands):
            return " ⊔ ".join(map(_operand_dl, operands))
        case Not(operand):
            return f"¬{_tight_dl(operand)}"
        case Some(role, filler):
            return f"∃{_role_dl(role)}.{_tight_dl(filler)}"
        case Only(role, filler):
            return f"∀{_role_dl(role)}.{_tight_dl(filler)}"
        case Count(kind, n, role, filler):
            return f"{_COUNT_SIGNS[kind]}{n} {_role_dl(role)}.{_tight_dl(filler)}"
        case Value(name, comparison, number):
            return f"∃{quote(name)}.[{comparison} {number!r}]"


_COUNT_SIGNS: dict[Kind, str] = {"min": "≥", "max": "≤", "exactly": "="}


def _is_atom(expression: Expression) -> bool:
    return isinstance(expression, Named | Thing | Nothing) or expression in (And(()), Or(()))


def _bare(expression: Expression) -> Expression:
    """Return the expression without the junctions of one operand around it, which print as that operand."""
    while isinstance(expression, And | Or) and len(expression.operands) == 1:
        expression = expression.operands[0]
    return expression


def _operand(expression: Expression) -> str:
    expression = _bare(expression)
    text = to_manchester(expression)
    return f"({text})" if isinstance(expression, And | Or) and expression.operands else text


def _operand_dl(expression: Expression) -> str:
    expression = _bare(expression)
    text = to_dl(expression)
    return f"({text})" if isinstance(expression, And | Or) and expression.operands else text


def _tight(expression: Expression) -> str:
    if isinstance(expression, Named):  # most are
        return quote(expression.name)
    expression = _bare(expression)
    text = to_manchester(expression)
    return text if _is_atom(expression) else f"({text})"


def _tight_dl(expression: Expression) -> str:
    expression = _bare(expression)
    text = to_dl(expression)
    return text if _is_atom(expression) else f"({text})"


def _role(role: Role) -> str:
    return f"inverse {quote(role.name)}" if role.inverse else quote(role.name)


def _role_dl(role: Role) -> str:
    return f"{quote(role.name)}⁻" if role.inverse else quote(role.name)
