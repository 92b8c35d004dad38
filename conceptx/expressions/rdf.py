"""Class expressions as OWL triples in an rdflib graph, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from conceptx.errors import InputError
from conceptx.expressions.types import (
    MAX_DEPTH,
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

if TYPE_CHECKING:
    import rdflib

_FACETS: dict[Comparison, str] = {
    ">=": "minInclusive",
    "<=": "maxInclusive",
    ">": "minExclusive",
    "<": "maxExclusive",
}
_COUNTS: dict[str, Kind] = {
    "minQualifiedCardinality": "min",
    "minCardinality": "min",
    "maxQualifiedCardinality": "max",
    "maxCardinality": "max",
    "qualifiedCardinality": "exactly",
    "cardinality": "exactly",
}
_MOST_OPERANDS = 100_000


def to_rdf(
    expression: Expression,
    graph: rdflib.Graph,
    iri: Callable[[str], str],
    role_iri: Callable[[str], str] | None = None,
) -> rdflib.term.Node:
    """Add the OWL triples of `expression` to `graph` and return its node.

    `iri` gives the IRI of the name of a class, `role_iri` that of a role or a data property (by default `iri` too).
    """
    from rdflib import BNode, Literal, URIRef
    from rdflib.collection import Collection
    from rdflib.namespace import OWL, RDF, RDFS, XSD

    iri_of_role = iri if role_iri is None else role_iri

    def node_of(inner: Expression) -> Any:
        return to_rdf(inner, graph, iri, iri_of_role)

    def blank(kind: Any) -> BNode:
        node = BNode()
        graph.add((node, RDF.type, kind))
        return node

    def list_of(items: list[Any]) -> BNode:
        head = BNode()
        Collection(graph, head, items)
        return head

    def role_of(role: Role) -> Any:
        if not role.inverse:
            return URIRef(iri_of_role(role.name))
        node = BNode()
        graph.add((node, OWL.inverseOf, URIRef(iri_of_role(role.name))))
        return node

    def restriction(on: Any, *facts: tuple[Any, Any]) -> BNode:
        node = blank(OWL.Restriction)
        graph.add((node, OWL.onProperty, on))
        for predicate, value in facts:
            graph.add((node, predicate, value))
        return node

    match expression:
        case Named(name):
            return URIRef(iri(name))
        case Thing() | And(()):
            return OWL.Thing
        case Nothing() | Or(()):
            return OWL.Nothing
        case And((only,)) | Or((only,)):
            return to_rdf(only, graph, iri, iri_of_role)
        case And(operands) | Or(operands):
            node = blank(OWL.Class)
            predicate = OWL.intersectionOf if isinstance(expression, And) else OWL.unionOf
            graph.add((node, predicate, list_of([node_of(o) for o in operands])))
            return node
        case Not(operand):
            node = blank(OWL.Class)
            graph.add((node, OWL.complementOf, node_of(operand)))
            return node
        case Some(role, filler):
            return restriction(role_of(role), (OWL.someValuesFrom, node_of(filler)))
        case Only(role, filler):
            return restriction(role_of(role), (OWL.allValuesFrom, node_of(filler)))
        case Count(kind, n, role, filler):
            predicate = OWL.qualifiedCardinality if kind == "exactly" else OWL[f"{kind}QualifiedCardinality"]
            number = Literal(n, datatype=XSD.nonNegativeInteger)
            return restriction(role_of(role), (predicate, number), (OWL.onClass, node_of(filler)))
        case Value(name, "=", number):
            return restriction(URIRef(iri_of_role(name)), (OWL.hasValue, Literal(number, datatype=XSD.double)))
        case Value(name, comparison, number):
            facet, datatype = BNode(), blank(RDFS.Datatype)
            graph.add((facet, XSD[_FACETS[comparison]], Literal(number, datatype=XSD.double)))
            graph.add((datatype, OWL.onDatatype, XSD.double))
            graph.add((datatype, OWL.withRestrictions, list_of([facet])))
            return restriction(URIRef(iri_of_role(name)), (OWL.someValuesFrom, datatype))


def from_rdf(graph: rdflib.Graph, node: rdflib.term.Node, name: Callable[[str], str]) -> Expression:
    """Return the expression that a node of an RDF graph stands for; `name` gives the name of an IRI.

    A node that is no class expression of the language, or one that is part of itself, is an error.
    """
    return _Triples(graph, name).expression(node, 0)


class _Triples:
    """Reads expressions out of one graph."""

    def __init__(self, graph: rdflib.Graph, name: Callable[[str], str]) -> None:
        self._graph = graph
        self._name = name
        self._parts = 0

    def expression(self, node: Any, depth: int) -> Expression:
        from rdflib import URIRef
        from rdflib.namespace import OWL

        if isinstance(node, URIRef):
            if node in (OWL.Thing, OWL.Nothing):
                return THING if node == OWL.Thing else NOTHING
            return Named(self._name(str(node)))
        self._parts += 1
        if depth > MAX_DEPTH or self._parts > _MOST_OPERANDS:
            what = f"a class expression is part of itself, nested more than {MAX_DEPTH} deep, or too large"
            raise InputError("RDF", what, "mend the graph")

        def inner(at: Any) -> Expression:
            return self.expression(at, depth + 1)

        for predicate, junction in ((OWL.intersectionOf, And), (OWL.unionOf, Or)):
            if (head := self._only(node, predicate)) is not None:
                return junction(tuple(inner(item) for item in self._list(head)))
        if (operand := self._only(node, OWL.complementOf)) is not None:
            return Not(inner(operand))
        on = self._only(node, OWL.onProperty)
        if on is None:
            raise InputError("RDF", f"the node {node} is no class expression of the language", "mend the graph")
        return self._value(node, on) or self._restriction(node, on, inner)

    def _restriction(self, node: Any, on: Any, inner: Callable[[Any], Expression]) -> Expression:
        from rdflib.namespace import OWL

        inverse = self._only(on, OWL.inverseOf)
        role = Role(self._name(str(on)) if inverse is None else self._name(str(inverse)), inverse is not None)
        if (filler := self._only(node, OWL.someValuesFrom)) is not None:
            return Some(role, inner(filler))
        if (filler := self._only(node, OWL.allValuesFrom)) is not None:
            return Only(role, inner(filler))
        for predicate, kind in _COUNTS.items():
            if (number := self._only(node, OWL[predicate])) is not None:
                n = number.toPython()
                if not isinstance(n, int) or n < 0:
                    raise InputError("RDF", f"{number} is not a number of things", "count from 0")
                filler = self._only(node, OWL.onClass)
                return Count(kind, n, role, THING if filler is None else inner(filler))
        raise InputError("RDF", f"the restriction {node} is outside of the expression language", "mend the graph")

    def _value(self, node: Any, on: Any) -> Value | None:
        """Read a bound or a value of a data property; None where the restriction is about a role."""
        from rdflib import Literal
        from rdflib.namespace import OWL, XSD

        exact = self._only(node, OWL.hasValue)
        if isinstance(exact, Literal):
            return Value(self._name(str(on)), "=", self._number(exact))
        datatype = self._only(node, OWL.someValuesFrom)
        facets = None if datatype is None else self._only(datatype, OWL.withRestrictions)
        if facets is None:
            return None
        found = [
            (sign, bound)
            for item in self._list(facets)
            for sign, facet in _FACETS.items()
            for bound in self._graph.objects(item, XSD[facet])
        ]
        if len(found) != 1:
            raise InputError("RDF", f"the datatype {datatype} does not have one bound", "give one bound")
        return Value(self._name(str(on)), found[0][0], self._number(found[0][1]))

    def _number(self, literal: Any) -> float:
        try:
            return float(literal)
        except ValueError:
            raise InputError("RDF", f"{literal!r} is not a number", "give a finite number") from None

    def _only(self, node: Any, predicate: Any) -> Any:
        found = list(self._graph.objects(node, predicate))
        if len(found) > 1:
            raise InputError("RDF", f"the node {node} has {len(found)} values of {predicate}", "keep one")
        return found[0] if found else None

    def _list(self, head: Any) -> list[Any]:
        from rdflib.namespace import RDF

        items: list[Any] = []
        seen = set()
        while head != RDF.nil:
            item = self._only(head, RDF.first)
            if item is None or head in seen or len(items) == _MOST_OPERANDS:
                raise InputError("RDF", f"the list at {head} does not end as a list does", "mend the graph")
            seen.add(head)
            items.append(item)
            head = self._only(head, RDF.rest)
        return items
