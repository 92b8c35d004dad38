"""How long an expression is, in symbols, as DL-Learner and Ontolearn count."""

from __future__ import annotations

from collections.abc import Collection

from conceptx.expressions import And, Count, Expression, Named, Not, Only, Or, Role, Some, Value

VALUE_LENGTH = 3


def symbols(expression: Expression, values: Collection[str] = ()) -> int:
    """Return the number of symbols: class, ⊤, ⊥, ¬, ⊓, ⊔, ∃, ∀ and role 1 each; ≥ n, ≤ n, = n and an inverse role 2.

    ``height some xsd:double[>= 1.8]`` counts 3, and so do the classes in `values` (``colour value "red"``).
    """
    match expression:
        case Named(name):
            return VALUE_LENGTH if name in values else 1
        case Not(inner):
            return 1 + symbols(inner, values)
        case And(parts) | Or(parts):
            return sum(symbols(part, values) for part in parts) + len(parts) - 1
        case Some(role, inner) | Only(role, inner):
            return 1 + role_length(role) + symbols(inner, values)
        case Count(_, _, role, inner):
            return 2 + role_length(role) + symbols(inner, values)
        case Value():
            return VALUE_LENGTH
        case _:
            return 1


def role_length(role: Role) -> int:
    """Return 1 for a role and 2 for an inverse role."""
    return 2 if role.inverse else 1
