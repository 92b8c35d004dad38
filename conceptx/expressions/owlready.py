"""Class expressions as owlready2 constructs, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeAlias

from conceptx.errors import InputError
from conceptx.expressions.types import (
    NOTHING,
    THING,
    And,
    Comparison,
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

Resolver: TypeAlias = Callable[[Literal["class", "role", "property"], str], Any]
"""Gives the owlready2 entity of a class, an object property (role) or a data property by its name."""

_FACETS: dict[Comparison, str] = {
    ">=": "min_inclusive",
    "<=": "max_inclusive",
    ">": "min_exclusive",
    "<": "max_exclusive",
}


class Double(float):
    """A number that owlready2 writes as xsd:double; it writes a plain float as xsd:decimal, which equals no double."""


def to_owlready(expression: Expression, resolve: Resolver) -> Any:
    """Return the owlready2 construct of `expression`; `resolve` gives the entities in the world where it shall live."""
    import owlready2 as owl

    def role_of(role: Role) -> Any:
        entity = resolve("role", role.name)
        return owl.Inverse(entity) if role.inverse else entity

    match expression:
        case Named(name):
            return resolve("class", name)
        case Thing() | And(()):
            return owl.Thing
        case Nothing() | Or(()):
            return owl.Nothing
        case And((only,)) | Or((only,)):
            return to_owlready(only, resolve)
        case And(operands):
            return owl.And([to_owlready(o, resolve) for o in operands])
        case Or(operands):
            return owl.Or([to_owlready(o, resolve) for o in operands])
        case Not(operand):
            return owl.Not(to_owlready(operand, resolve))
        case Some(role, filler):
            return role_of(role).some(to_owlready(filler, resolve))
        case Only(role, filler):
            return role_of(role).only(to_owlready(filler, resolve))
        case Count(kind, n, role, filler):
            return getattr(role_of(role), kind)(n, to_owlready(filler, resolve))
        case Value(name, "=", number):
            _declare_double()
            return resolve("property", name).value(Double(number))
        case Value(name, comparison, number):
            _declare_double()
            facet = {_FACETS[comparison]: Double(number)}
            return resolve("property", name).some(owl.ConstrainedDatatype(Double, **facet))


def from_owlready(construct: Any, name_of: Callable[[Any], str]) -> Expression:
    """Return the expression of an owlready2 construct; `name_of` gives the name of a class or a property.

    A construct outside of the language (an enumeration of individuals, a self restriction) is an error.
    """
    import owlready2 as owl

    match construct:
        case owl.ThingClass():
            if construct is owl.Thing or construct is owl.Nothing:
                return THING if construct is owl.Thing else NOTHING
            return Named(name_of(construct))
        case owl.And() | owl.Or():
            operands = tuple(from_owlready(c, name_of) for c in construct.Classes)
            return And(operands) if isinstance(construct, owl.And) else Or(operands)
        case owl.Not():
            return Not(from_owlready(construct.Class, name_of))
        case owl.Restriction():
            return _from_restriction(construct, name_of)
    raise _unsupported(construct)


def _from_restriction(construct: Any, name_of: Callable[[Any], str]) -> Expression:
    import owlready2 as owl

    of, value = construct.property, construct.value
    if isinstance(of, owl.DataPropertyClass):
        return _from_data(construct, name_of(of))
    inverse = isinstance(of, owl.Inverse)
    role = Role(name_of(of.property if inverse else of), inverse)
    counts: dict[int, Kind] = {owl.MIN: "min", owl.MAX: "max", owl.EXACTLY: "exactly"}
    if construct.type in counts:
        filler = THING if value is None else from_owlready(value, name_of)
        return Count(counts[construct.type], construct.cardinality, role, filler)
    if construct.type not in (owl.SOME, owl.ONLY):
        raise _unsupported(construct)
    return (Some if construct.type == owl.SOME else Only)(role, from_owlready(value, name_of))


def _from_data(construct: Any, name: str) -> Value:
    """Read ``some xsd:double[…]`` with one bound, or one value."""
    import owlready2 as owl

    value = construct.value
    if construct.type == owl.VALUE and isinstance(value, int | float):
        return Value(name, "=", float(value))
    if construct.type == owl.SOME and isinstance(value, owl.ConstrainedDatatype):
        bounds = [(sign, getattr(value, facet, None)) for sign, facet in _FACETS.items()]
        given = [(sign, bound) for sign, bound in bounds if bound is not None]
        if len(given) == 1 and isinstance(given[0][1], int | float):
            return Value(name, given[0][0], float(given[0][1]))
    raise _unsupported(construct)


@cache
def _declare_double() -> None:
    """Tell owlready2, once, that `Double` stands for xsd:double; doubles that it reads are then of this class."""
    import owlready2 as owl

    owl.declare_datatype(Double, "http://www.w3.org/2001/XMLSchema#double", Double, lambda x: repr(float(x)))


def _unsupported(construct: Any) -> InputError:
    what = f"the construct {construct} is outside of the expression language"
    return InputError("owlready2", what, "use and, or, not, some, only, min, max, exactly and bounds of numbers")
