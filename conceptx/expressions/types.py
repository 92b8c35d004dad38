"""The parts of class expressions, as frozen and hashable records.

An expression is at most `MAX_DEPTH` deep: a deeper one cannot be made, so that whatever walks over an expression
(printing, hashing, evaluating, reasoning) ends with an answer and never with an exhausted stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from conceptx.errors import InputError

Kind: TypeAlias = Literal["min", "max", "exactly"]
Comparison: TypeAlias = Literal[">=", "<=", ">", "<", "="]

MAX_DEPTH = 100
"""How deep an expression may be nested: each ``not``, ``and``, ``or`` and role adds one level."""


class _Nested:
    """An expression with expressions inside; `depth` is the number of levels below and including it."""

    __slots__ = ()

    def _measure(self, *inner: Expression) -> None:
        depth = 1
        for e in inner:
            if isinstance(e, _Nested) and e.depth >= depth:
                depth = e.depth + 1
        if depth > MAX_DEPTH:
            raise InputError("expression", f"it is nested more than {MAX_DEPTH} deep", "say it in fewer levels")
        object.__setattr__(self, "depth", depth)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)  # type: ignore[attr-defined]


def _depth_field() -> int:
    measured: int = field(init=False, repr=False, compare=False)
    return measured


@dataclass(frozen=True, slots=True)
class Named:
    """A class of the hierarchy, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Thing:
    """Everything (owl:Thing)."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """The empty class (owl:Nothing)."""


@dataclass(frozen=True, slots=True)
class And(_Nested):
    """What all operands hold for."""

    operands: tuple[Expression, ...]
    depth: int = _depth_field()

    def __post_init__(self) -> None:
        self._measure(*self.operands)


@dataclass(frozen=True, slots=True)
class Or(_Nested):
    """What at least one operand holds for."""

    operands: tuple[Expression, ...]
    depth: int = _depth_field()

    def __post_init__(self) -> None:
        self._measure(*self.operands)


@dataclass(frozen=True, slots=True)
class Not(_Nested):
    """What the operand does not hold for."""

    operand: Expression
    depth: int = _depth_field()

    def __post_init__(self) -> None:
        self._measure(self.operand)


@dataclass(frozen=True, slots=True)
class Role:
    """A role, or its inverse."""

    name: str
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class Some(_Nested):
    """Individuals with at least one `role` successor in `filler`."""

    role: Role
    filler: Expression
    depth: int = _depth_field()

    def __post_init__(self) -> None:
        self._measure(self.filler)


@dataclass(frozen=True, slots=True)
class Only(_Nested):
    """Individuals whose `role` successors are all in `filler`."""

    role: Role
    filler: Expression
    depth: int = _depth_field()

    def __post_init__(self) -> None:
        self._measure(self.filler)


@dataclass(frozen=True, slots=True)
class Count(_Nested):
    """Individuals with at least (`min`), at most (`max`) or `exactly` `n` distinct `role` successors in `filler`."""

    kind: Kind
    n: int
    role: Role
    filler: Expression
    depth: int = _depth_field()

    def __post_init__(self) -> None:
        if self.n < 0:
            raise InputError("expression", f"{self.n} is not a number of things", "count from 0")
        self._measure(self.filler)


@dataclass(frozen=True, slots=True)
class Value:
    """Individuals with a value of the data property `name` that compares to `number` as `comparison` says."""

    name: str
    comparison: Comparison
    number: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.number):
            raise InputError("expression", f"{self.number} is not a finite number", "compare with a finite one")
        # Equal expressions print alike: 1 and 1.0, and -0.0 and 0.0, are equal numbers.
        object.__setattr__(self, "number", float(self.number) + 0.0)


Expression: TypeAlias = Named | Thing | Nothing | And | Or | Not | Some | Only | Count | Value

_ATOMS = (Named, Value, Thing, Nothing)

THING = Thing()
NOTHING = Nothing()
CONTAINS = Role("contains")


def contains(filler: Expression) -> Some:
    """Return ``contains some filler``: the images in which an object of `filler` was annotated."""
    return Some(CONTAINS, filler)


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the expressions directly inside `expression`."""
    match expression:
        case And(operands) | Or(operands):
            return operands
        case Not(inner) | Some(_, inner) | Only(_, inner) | Count(_, _, _, inner):
            return (inner,)
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield `expression` and everything inside it, from the left, outer before inner."""
    waiting = [expression]
    while waiting:
        yield (outer := waiting.pop())
        waiting += reversed(children(outer))


def names(expression: Expression) -> tuple[str, ...]:
    """Return the names of the classes in `expression`, each once, in the order of their first mention."""
    return tuple(dict.fromkeys(e.name for e in walk(expression) if isinstance(e, Named)))


def roles(expression: Expression) -> tuple[Role, ...]:
    """Return the roles in `expression`, each once, in the order of their first mention."""
    return tuple(dict.fromkeys(e.role for e in walk(expression) if isinstance(e, Some | Only | Count)))


def length(expression: Expression) -> int:
    """Return the number of atoms (classes, thresholds, owl:Thing and owl:Nothing); repeated ones count again."""
    outer = expression
    while isinstance(outer, Some):  # most atoms end here
        outer = outer.filler
    if isinstance(outer, Named):
        return 1
    count, waiting = 0, [expression]
    while waiting:
        outer = waiting.pop()
        waiting += children(outer)
        count += isinstance(outer, _ATOMS)
    return count
