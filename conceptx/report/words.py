"""Class expressions as English sentences that say exactly what the expression says.

`in_words` is what callers need. Class labels are kept as the hierarchy writes them (Wikipedia's are plural: “Beds”)
and stand in curly quotes, so that a label such as “Buildings and structures” cannot be mistaken for two. An image
that "contains “Beds”" has at least one annotated object of that class; "no" and "not" mean *not annotated*.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from conceptx.expressions import (
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

LabelOf = Callable[[str], str]

_ROLE_VERBS = {"contains": "contain", "on": "are on", "beside": "are beside", "inFrontOf": "are in front of"}
_VALUE_ROLES = {"hasColor": "colour", "hasMaterial": "material", "hasShape": "shape"}
_PROPERTIES = {"hasArea": "an area (as a share of the image)"}
_COMPARISONS: dict[Comparison, str] = {
    ">=": "of at least",
    "<=": "of at most",
    ">": "above",
    "<": "below",
    "=": "of exactly",
}
_COUNTS: dict[Kind, str] = {"min": "at least", "max": "at most", "exactly": "exactly"}
_NOT_COUNTS: dict[Kind, str] = {"min": "fewer than", "max": "more than", "exactly": "any number except exactly"}


def plain_label(name: str) -> str:
    """Return a class name as a label, where the hierarchy gives none: underscores become spaces."""
    return name.replace("_", " ")


def in_words(expression: Expression, label_of: LabelOf = plain_label) -> str:
    """Return the noun phrase for the images that `expression` holds for, without a full stop.

    ``contains some Beds and not (contains some Lamps)`` → ``images that contain “Beds”, and no “Lamps”``.
    """
    match expression:
        case Thing():
            return "all images"
        case Nothing():
            return "no image at all"
        case _:
            return "images that " + _clause(expression, False, "classed as", label_of)


def _quoted(name: str, label_of: LabelOf) -> str:
    return "“" + label_of(name).replace("“", '"').replace("”", '"') + "”"


def _clause(e: Expression, negated: bool, be: str, label_of: LabelOf) -> str:
    """Return a verb phrase with a plural subject; `be` is how a bare class is said (images are *classed as* it)."""
    match e:
        case Named(name):
            return f"are {'not ' if negated else ''}{be + ' ' if be else ''}{_quoted(name, label_of)}"
        case Thing() | Nothing():
            return "are anything at all" if isinstance(e, Thing) != negated else "are nothing (which cannot be)"
        case Not(inner):
            return _clause(inner, not negated, be, label_of)
        case And(operands) | Or(operands):
            return _joined(operands, isinstance(e, And) != negated, negated, be, label_of)
        case Only(role, filler):
            if negated:
                return _clause(Some(role, Not(filler)), False, be, label_of)
            return _relation(role, "nothing but ", filler, label_of) + ", if anything"
        case Some(role, filler):
            return _relation(role, "no " if negated else "", filler, label_of)
        case Count(kind, n, role, filler):
            amount = (_NOT_COUNTS if negated else _COUNTS)[kind]
            return _relation(role, f"{amount} {n} ", filler, label_of)
        case Value(name, comparison, number):
            what = _PROPERTIES.get(name, f"a value of “{plain_label(name)}”")
            return f"{'do not have' if negated else 'have'} {what} {_COMPARISONS[comparison]} {number:g}"


def _joined(operands: tuple[Expression, ...], all_of: bool, negated: bool, be: str, label_of: LabelOf) -> str:
    """Join clauses by *and* or *or*; a clause that itself has parts stands in parentheses."""
    clauses = []
    contained = False
    for operand in operands:
        clause = _clause(operand, negated, be, label_of)
        simple = _is_simple(_core(operand))
        short = all_of and contained and simple and clause.startswith("contain no ")
        clauses.append(f"({clause})" if not simple else clause.removeprefix("contain ") if short else clause)
        contained = simple and clause.startswith("contain ")
    if len(clauses) == 1:
        return clauses[0]
    return ", ".join(clauses[:-1]) + f", {'and' if all_of else 'or'} {clauses[-1]}"


def _is_simple(e: Expression) -> bool:
    """Tell whether the clause for `e` can stand in a list without parentheses."""
    match e:
        case And() | Or() | Only():
            return False
        case Some(_, filler) | Count(_, _, _, filler):
            return isinstance(filler, Named | Thing | Nothing) or _is_choice(filler)
        case _:
            return True


def _is_choice(e: Expression) -> bool:
    return isinstance(e, Or) and all(isinstance(o, Named) for o in e.operands)


def _core(e: Expression) -> Expression:
    """Return what is negated, however often."""
    while isinstance(e, Not):
        e = e.operand
    return e


def _relation(role: Role, amount: str, filler: Expression, label_of: LabelOf) -> str:
    """Return a verb phrase for `role` with `amount` ('', 'no ', 'at least 3 ', …) of `filler`."""
    noun = _noun(filler, label_of)
    if role.inverse:
        return f"are what {amount}{noun} {_verb(role.name)}"
    kind = _kind(role.name)
    if kind is None:
        return f"{_verb(role.name)} {amount}{noun}"
    match amount:
        case "":
            return f"have the {kind} {noun}"
        case "no ":
            return f"do not have the {kind} {noun}"
        case "nothing but ":
            return f"have no {kind} but {noun}"
        case _:
            return f"have {amount}{kind}s among {noun}"


def _verb(role: str) -> str:
    if role in _ROLE_VERBS:
        return _ROLE_VERBS[role]
    return f"have as {_kind(role) or f'“{plain_label(role)}”'}"


def _kind(role: str) -> str | None:
    """Return what a role's values are, where its name tells: the colour of `hasColor`, or x y of any `hasXY`."""
    if role in _VALUE_ROLES or not re.fullmatch("has([A-Z][a-z]+)+", role):
        return _VALUE_ROLES.get(role)
    return " ".join(re.findall("[A-Z][a-z]+", role)).lower()


def _noun(filler: Expression, label_of: LabelOf) -> str:
    """Return a noun phrase for objects: a label, labels joined by *or*, or *objects that …*."""
    match filler:
        case Named(name):
            return _quoted(name, label_of)
        case Thing():
            return "objects"
        case Nothing():
            return "impossible objects"
        case Or(operands) if _is_choice(filler):
            return " or ".join(_noun(o, label_of) for o in operands)
        case And(operands) if any(isinstance(o, Named) for o in operands):
            head = next(o for o in operands if isinstance(o, Named))
            rest = tuple(o for o in operands if o is not head)
            also = _joined(rest, True, False, "also" if len(rest) == 1 else "", label_of)
            return f"{_quoted(head.name, label_of)} that {also.replace('are not also ', 'are not ', 1)}"
        case _:
            return f"objects that {_clause(filler, False, '', label_of)}"
