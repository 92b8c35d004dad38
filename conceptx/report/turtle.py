"""Turtle text: terms, literals and class expressions, equal for equal input.

A library's serialiser names blank nodes at random; a report must be equal byte for byte, so nested blank nodes are
written in place here, where they need no names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from conceptx.annotation.iris import BASE
from conceptx.expressions import And, Count, Expression, Named, Not, Nothing, Only, Or, Role, Some, Thing, Value

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_NOT_IN_IRI = frozenset('<>"{}|^`\\')
_FACETS = {">=": "minInclusive", ">": "minExclusive", "<=": "maxInclusive", "<": "maxExclusive"}

Namer = Callable[[str], str]


PREFIX = "x"
"""The prefix that a document declares for its own names, which are most of all that it says."""

_PLAIN = re.compile(r"[A-Za-z0-9_](?:(?:[A-Za-z0-9_:.-]|%[0-9A-F]{2})*(?:[A-Za-z0-9_:-]|%[0-9A-F]{2}))?")


def iri(text: str) -> str:
    """Return an IRI: with the prefix of own names, or in angle brackets with odd characters percent-encoded."""
    if text.startswith(BASE) and _PLAIN.fullmatch(own := text.removeprefix(BASE)):
        return f"{PREFIX}:{own}"
    kept = (c if c > " " and c not in _NOT_IN_IRI else "".join(f"%{b:02X}" for b in c.encode()) for c in text)
    return f"<{''.join(kept)}>"


def literal(value: str | float | bool) -> str:
    """Return a literal: text, true or false, a whole number, or an xsd:double."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f'"{value!r}"^^xsd:double' if math.isfinite(value) else f'"{_infinite(value)}"^^xsd:double'
    return f'"{_clean(value).translate(_ESCAPES)}"'


def number(value: float) -> str:
    """Return an xsd:double in the short form; whole numbers are xsd:integer."""
    if isinstance(value, int) or not math.isfinite(value):
        return literal(value)
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def statement(subject: str, *facts: tuple[str, str | None]) -> str:
    """Return one subject with its predicates and objects; a fact without an object is left out."""
    kept = [f"{predicate} {found}" for predicate, found in facts if found is not None]
    return f"{subject} " + " ;\n ".join(kept) + " .\n"


def expression(value: Expression, class_iri: Namer, role_iri: Namer) -> str:
    """Return a class expression as a Turtle node: the IRI of a class, or nested blank nodes as OWL 2 maps them."""

    def node(inner: Expression) -> str:
        return expression(inner, class_iri, role_iri)

    def listed(items: Iterable[str]) -> str:
        return f"( {' '.join(items)} )"

    def restriction(on: str, *facts: str) -> str:
        return f"[ a owl:Restriction ; owl:onProperty {on} ; {' ; '.join(facts)} ]"

    def role(one: Role) -> str:
        return f"[ owl:inverseOf {iri(role_iri(one.name))} ]" if one.inverse else iri(role_iri(one.name))

    match value:
        case Named(name):
            return iri(class_iri(name))
        case Thing():
            return "owl:Thing"
        case Nothing():
            return "owl:Nothing"
        case And(operands):
            return f"[ a owl:Class ; owl:intersectionOf {listed(map(node, operands))} ]"
        case Or(operands):
            return f"[ a owl:Class ; owl:unionOf {listed(map(node, operands))} ]"
        case Not(operand):
            return f"[ a owl:Class ; owl:complementOf {node(operand)} ]"
        case Some(of, filler):
            return restriction(role(of), f"owl:someValuesFrom {node(filler)}")
        case Only(of, filler):
            return restriction(role(of), f"owl:allValuesFrom {node(filler)}")
        case Count(kind, n, of, filler):
            name = "qualifiedCardinality" if kind == "exactly" else f"{kind}QualifiedCardinality"
            return restriction(role(of), f'owl:{name} "{n}"^^xsd:nonNegativeInteger', f"owl:onClass {node(filler)}")
        case Value(name, "=", number):
            return restriction(iri(role_iri(name)), f"owl:hasValue {literal(float(number))}")
        case Value(name, comparison, number):
            facet = f"[ xsd:{_FACETS[comparison]} {literal(float(number))} ]"
            datatype = f"[ a rdfs:Datatype ; owl:onDatatype xsd:double ; owl:withRestrictions {listed([facet])} ]"
            return restriction(iri(role_iri(name)), f"owl:someValuesFrom {datatype}")
    raise TypeError(f"{type(value).__name__} is not a class expression")


def _clean(text: str) -> str:
    """Replace what no RDF document may hold: control characters and lone surrogates."""
    return "".join("�" if (c < " " and c not in "\n\r\t") or "\ud800" <= c <= "\udfff" else c for c in text)


def _infinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "INF" if value > 0 else "-INF"
