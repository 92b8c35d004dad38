"""When one class expression says no more than another: subsumption by structure and hierarchy.

`Subsumption.holds(a, b)` is sound (where it is true, every individual of `a` is one of `b`, whatever was annotated)
and not complete: it compares expressions part by part and does not reason by cases.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any, Protocol

from conceptx.expressions.types import (
    And,
    Comparison,
    Count,
    Expression,
    Named,
    Not,
    Nothing,
    Only,
    Or,
    Some,
    Thing,
    Value,
)


class Taxonomy(Protocol):
    """What a class hierarchy is asked: `conceptx.ontology.Hierarchy` answers it."""

    def get(self, name: str) -> int | None:
        """Return the number of a class, or None where there is none of this name."""
        ...

    def ancestors(self, ids: int, /) -> Any:
        """Return the numbers of the class itself and of all its superclasses."""
        ...


_TIGHTER: dict[Comparison, Callable[[Comparison, float, float], bool]] = {
    # Is {v: v `sign` number} within {v: v `key` bound}?
    ">=": lambda sign, number, bound: sign in (">=", ">", "=") and number >= bound,
    ">": lambda sign, number, bound: number > bound if sign in (">=", "=") else sign == ">" and number >= bound,
    "<=": lambda sign, number, bound: sign in ("<=", "<", "=") and number <= bound,
    "<": lambda sign, number, bound: number < bound if sign in ("<=", "=") else sign == "<" and number <= bound,
    "=": lambda sign, number, bound: sign == "=" and number == bound,
}


class Subsumption:
    """Answers over one hierarchy, or over none; it remembers what it was asked."""

    def __init__(self, taxonomy: Taxonomy | None = None) -> None:
        self._taxonomy = taxonomy
        self._above: dict[str, frozenset[int]] = {}
        self._known: dict[tuple[Expression, Expression], bool] = {}

    def holds(self, a: Expression, b: Expression) -> bool:
        """Return whether every individual of `a` is certainly one of `b`."""
        if a == b:
            return True
        if isinstance(a, Named) and isinstance(b, Named):
            return self._below(a.name, b.name)
        if (a, b) not in self._known:
            self._known[a, b] = self._compare(a, b)
        return self._known[a, b]

    def _compare(self, a: Expression, b: Expression) -> bool:
        match a, b:
            case (Nothing(), _) | (_, Thing()):
                return True
            # `map` and no generators: half the frames on the stack.
            case _, And(operands):
                return all(map(self.holds, repeat(a), operands))
            case Or(operands), _:
                return all(map(self.holds, operands, repeat(b)))
            case (And(), _) | (_, Or()):
                parts, others = a.operands if isinstance(a, And) else (), b.operands if isinstance(b, Or) else ()
                return any(map(self.holds, parts, repeat(b))) or any(map(self.holds, repeat(a), others))
            case Not(inner), Not(other_inner):
                return self.holds(other_inner, inner)
            case Value(name, sign, number), Value(other, bound_sign, bound):
                return name == other and _TIGHTER[bound_sign](sign, number, bound)
            case ((Some() | Only() | Count() | Not(Some())), (Some() | Only() | Count())):
                return self._restriction(a, b)
        return False

    def _restriction(self, a: Expression, b: Expression) -> bool:
        """Compare two statements about the successors of a role."""
        match a, b:
            case (Some(role, inner), Some(other, outer)) | (Only(role, inner), Only(other, outer)):
                return role == other and self.holds(inner, outer)
            case (Count("min" | "exactly", n, role, inner), Some(other, outer)):
                return n >= 1 and role == other and self.holds(inner, outer)
            case (Count("min" | "exactly", n, role, inner), Count("min", m, other, outer)):
                return n >= m and role == other and self.holds(inner, outer)
            case (Count("max" | "exactly", n, role, inner), Count("max", m, other, outer)):
                return n <= m and role == other and self.holds(outer, inner)
            case (Not(Some(role, inner)), Count("max", _, other, outer)):
                return role == other and self.holds(outer, inner)
            case (Not(Some(role, inner)), Only(other, _)):
                return role == other and isinstance(inner, Thing)
        return False

    def _below(self, name: str, other: str) -> bool:
        if self._taxonomy is None:
            return False
        if name not in self._above:
            own = self._taxonomy.get(name)
            found = () if own is None else self._taxonomy.ancestors(own)
            self._above[name] = frozenset(int(c) for c in found)
        return self._taxonomy.get(other) in self._above[name]
