"""Expressions as owlready2 constructs and as RDF triples: what is given comes back, and says the same."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings

from conceptx.errors import InputError
from conceptx.expressions import (
    And,
    Expression,
    Named,
    Or,
    Value,
    from_owlready,
    from_rdf,
    names,
    parse,
    roles,
    to_manchester,
    to_owlready,
    to_rdf,
    walk,
)
from tests.expressions.strategies import expressions


def iri(name: str) -> str:
    return "urn:x:" + name.encode().hex()


def name(text: str) -> str:
    return bytes.fromhex(text.removeprefix("urn:x:")).decode()


@given(expressions())
def test_rdf_reads_back_as_it_was_written(expression: Expression) -> None:
    import rdflib

    graph = rdflib.Graph()
    node = to_rdf(expression, graph, iri)
    assert from_rdf(graph, node, name) == expression
    again = rdflib.Graph().parse(data=graph.serialize(format="nt"), format="nt")
    if isinstance(node, rdflib.URIRef):
        assert from_rdf(again, node, name) == expression


def test_triples_survive_a_file() -> None:
    import rdflib

    text = (
        "contains min 2 (A and not (inverse on some B)) or hasArea some xsd:double[> 0.2] or w some xsd:double[= 3.0]"
    )
    graph = rdflib.Graph()
    node = to_rdf(parse(text), graph, iri)
    graph.add((rdflib.URIRef("urn:x:named"), rdflib.OWL.equivalentClass, node))
    for syntax in ("nt", "turtle", "xml"):
        again = rdflib.Graph().parse(data=graph.serialize(format=syntax), format=syntax)
        (node,) = again.objects(rdflib.URIRef("urn:x:named"), rdflib.OWL.equivalentClass)
        assert to_manchester(from_rdf(again, node, name)) == text


class Entities:
    """An ontology of its own that makes each entity when it is first named."""

    def __init__(self) -> None:
        import owlready2

        self.ontology = owlready2.World().get_ontology("urn:test#")
        self.of: dict[tuple[str, str], Any] = {}
        self.kinds = {
            "class": owlready2.Thing,
            "role": owlready2.ObjectProperty,
            "property": owlready2.DataProperty,
        }

    def __call__(self, kind: str, name: str) -> Any:
        import owlready2

        if (kind, name) not in self.of:
            with self.ontology:
                made = owlready2.types.new_class(f"{kind}_{name.encode().hex()}", (self.kinds[kind],))
            self.of[kind, name] = made
        return self.of[kind, name]

    @staticmethod
    def name(entity: Any) -> str:
        return bytes.fromhex(entity.name.partition("_")[2]).decode()


@settings(deadline=None, max_examples=60)
@given(expressions())
def test_owlready_constructs_read_back_as_they_were_made(expression: Expression) -> None:
    entities = Entities()
    assert from_owlready(to_owlready(expression, entities), Entities.name) == expression


@settings(deadline=None, max_examples=25)
@given(expressions(max_leaves=5))
def test_owlready_files_and_rdf_say_the_same(expression: Expression) -> None:
    import owlready2
    import rdflib

    entities = Entities()
    with entities.ontology:
        named = owlready2.types.new_class("query", (owlready2.Thing,))
        named.equivalent_to.append(to_owlready(And((expression, Named("A"))), entities))
    saved = io.BytesIO()
    entities.ontology.save(saved, format="ntriples")
    graph = rdflib.Graph().parse(data=saved.getvalue(), format="nt")
    (node,) = graph.objects(rdflib.URIRef("urn:test#query"), rdflib.OWL.equivalentClass)
    read = from_rdf(graph, node, lambda text: bytes.fromhex(text.partition("_")[2]).decode())
    assert read == And((expression, Named("A")))
    loaded = owlready2.World().get_ontology("urn:test#").load(fileobj=io.BytesIO(saved.getvalue()))
    assert from_owlready(loaded.query.equivalent_to[0], Entities.name) == read


def test_numbers_are_doubles_as_the_annotations_are() -> None:
    import owlready2

    entities = Entities()
    with entities.ontology:
        named = owlready2.types.new_class("query", (owlready2.Thing,))
        bounds = Or((Value("area", ">=", 0.5), Value("area", "=", 0.25)))
        named.equivalent_to.append(to_owlready(bounds, entities))
    saved = io.BytesIO()
    entities.ontology.save(saved, format="ntriples")
    text = saved.getvalue().decode()
    assert "XMLSchema#decimal" not in text and text.count("XMLSchema#double") == 3


@given(expressions(max_leaves=5))
def test_every_name_is_in_the_triples(expression: Expression) -> None:
    import rdflib

    graph = rdflib.Graph()
    node = to_rdf(expression, graph, iri)
    mentioned = {str(t) for triple in graph for t in triple} | {str(node)}
    used = {*names(expression), *(r.name for r in roles(expression))}
    used |= {e.name for e in walk(expression) if isinstance(e, Value)}
    assert {iri(one) for one in used} <= mentioned


def test_what_the_language_does_not_have_is_an_error() -> None:
    import owlready2
    import rdflib

    entities = Entities()
    with entities.ontology:
        one = entities("class", "A")("one")
    for construct in (owlready2.OneOf([one]), entities("role", "on").has_self(True), 7):
        with pytest.raises(InputError, match="outside of the expression language"):
            from_owlready(construct, Entities.name)
    graph, node, other = rdflib.Graph(), rdflib.BNode(), rdflib.BNode()
    with pytest.raises(InputError, match="no class expression"):
        from_rdf(graph, node, name)
    graph.add((node, rdflib.OWL.complementOf, node))
    with pytest.raises(InputError, match="part of itself"):
        from_rdf(graph, node, name)
    graph.add((other, rdflib.OWL.unionOf, other))
    with pytest.raises(InputError, match="does not end as a list does"):
        from_rdf(graph, other, name)
    graph.add((node, rdflib.OWL.complementOf, other))
    with pytest.raises(InputError, match="2 values of"):
        from_rdf(graph, node, name)
