"""OWL axioms as RDF statements, for the readers of syntaxes that are no RDF.

`Structure` puts what it is told as (subject, predicate, object): IRIs and blank nodes (``_:…``) are texts, literals are
`Literal`. The mapping is that of OWL 2 (https://www.w3.org/TR/owl2-mapping-to-rdf/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from conceptx.ontology.sources.terms import FIRST, NIL, OWL, RDF, RDFS, REST, TYPE

XSD = "http://www.w3.org/2001/XMLSchema#"
STANDARD = {"owl": OWL, "rdf": RDF, "rdfs": RDFS, "xsd": XSD}
FACETS = {
    ">=": XSD + "minInclusive",
    "<=": XSD + "maxInclusive",
    ">": XSD + "minExclusive",
    "<": XSD + "maxExclusive",
}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Literal(NamedTuple):
    """The text of a value, the IRI of its datatype (empty for plain text) and its language."""

    text: str
    datatype: str = ""
    language: str = ""


Term: TypeAlias = "str | Literal"
Put: TypeAlias = Callable[[str, str, Term], None]


def literal_of(quoted: str) -> str:
    """Return what stands between the quotation marks of a text, with its escapes resolved."""
    return _ESCAPED.sub(r"\1", quoted[1:-1])


def as_line(subject: str, predicate: str, target: Term) -> str:
    """Return a statement as a line of N-Triples."""

    def term(value: Term) -> str:
        if isinstance(value, str):
            return value if value.startswith("_:") else f"<{value}>"
        text = value.text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
        end = f"@{value.language}" if value.language else f"^^<{value.datatype}>" if value.datatype else ""
        return f'"{text}"{end}'

    return f"{term(subject)} {term(predicate)} {term(target)} ."


class Structure:
    """Puts axioms and class expressions; every method that makes a node returns it."""

    def __init__(self, put: Put) -> None:
        self.put = put
        self._blanks = 0
        self._typed: set[tuple[str, str]] = set()

    def blank(self, *facts: tuple[str, Term]) -> str:
        """Return a new blank node of which these (predicate, object) are said."""
        self._blanks += 1
        node = f"_:s{self._blanks}"
        for predicate, target in facts:
            self.put(node, predicate, target)
        return node

    def typed(self, iri: str, kind: str) -> str:
        """Say once what an IRI is (``Class``, ``ObjectProperty``, …) and return it."""
        if (iri, kind) not in self._typed:
            self._typed.add((iri, kind))
            if not iri.startswith(("_:", OWL, XSD, RDF, RDFS)):
                self.put(iri, TYPE, RDFS + kind if kind == "Datatype" else OWL + kind)
        return iri

    def items(self, members: Iterable[Term]) -> str:
        """Return the head of a list."""
        head = NIL
        for member in reversed(list(members)):
            head = self.blank((FIRST, member), (REST, head))
        return head

    def inverse(self, role: str) -> str:
        """Return the node of the inverse of a role."""
        return self.blank((OWL + "inverseOf", role))

    def junction(self, both: bool, parts: Sequence[Term], data: bool = False) -> Term:
        """Return the intersection (`both`) or union of classes, or of data ranges."""
        if len(parts) == 1:
            return parts[0]
        kind = "intersectionOf" if both else "unionOf"
        return self.blank(self._kind(data), (OWL + kind, self.items(parts)))

    def complement(self, part: Term, data: bool = False) -> str:
        """Return what a class, or a data range, does not hold for."""
        return self.blank(self._kind(data), (OWL + ("datatypeComplementOf" if data else "complementOf"), part))

    def one_of(self, members: Sequence[Term], data: bool = False) -> str:
        """Return the class of these individuals, or the data range of these values."""
        return self.blank(self._kind(data), (OWL + "oneOf", self.items(members)))

    def restriction(self, on: str, predicate: str, value: Term) -> str:
        """Return a restriction with one of OWL's predicates, ``someValuesFrom`` for example."""
        return self.blank((TYPE, OWL + "Restriction"), (OWL + "onProperty", on), (OWL + predicate, value))

    def cardinality(self, on: str, kind: str, n: str, filler: Term | None, data: bool = False) -> str:
        """Return a restriction that counts: `kind` is ``min``, ``max`` or ``exactly``."""
        prefix = "" if kind == "exactly" else kind
        number = Literal(n, XSD + "nonNegativeInteger")
        if filler is None:
            return self.restriction(on, f"{prefix}Cardinality" if prefix else "cardinality", number)
        node = self.restriction(on, f"{prefix}QualifiedCardinality" if prefix else "qualifiedCardinality", number)
        self.put(node, OWL + ("onDataRange" if data else "onClass"), filler)
        return node

    def facets(self, datatype: str, bounds: Iterable[tuple[str, Term]]) -> str:
        """Return a datatype with bounds: (IRI of the facet, value)."""
        nodes = [self.blank((facet, value)) for facet, value in bounds]
        facts = ((OWL + "onDatatype", datatype), (OWL + "withRestrictions", self.items(nodes)))
        return self.blank(self._kind(data=True), *facts)

    def pairs(self, predicate: str, parts: Sequence[Term]) -> None:
        """Say that the first of the parts is `predicate` to each of the others; a named one comes first."""
        named = [part for part in parts if isinstance(part, str) and not part.startswith("_:")]
        first = named[0] if named else parts[0]
        for other in parts:
            if other is not first and isinstance(first, str):
                self.put(first, predicate, other)

    def apart(self, kind: str, pair: str, parts: Sequence[Term]) -> None:
        """Say that the parts are all disjoint or different: `pair` for two, a node of class `kind` for more."""
        if len(parts) == 2:
            self.pairs(OWL + pair, parts)
        elif parts:
            members = "distinctMembers" if kind == "AllDifferent" else "members"
            self.blank((TYPE, OWL + kind), (OWL + members, self.items(parts)))

    def denied(self, role: str, source: str, target: Term) -> None:
        """Say that a link or a value does not hold."""
        value = "targetValue" if isinstance(target, Literal) else "targetIndividual"
        facts = ((OWL + "sourceIndividual", source), (OWL + "assertionProperty", role), (OWL + value, target))
        self.blank((TYPE, OWL + "NegativePropertyAssertion"), *facts)

    def _kind(self, data: bool) -> tuple[str, str]:
        return TYPE, RDFS + "Datatype" if data else OWL + "Class"
