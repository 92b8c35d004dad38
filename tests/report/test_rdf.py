"""The RDF report: what other tools read from it, and that it says what the tables say."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import rdflib
from hypothesis import given, settings
from rdflib.compare import isomorphic
from rdflib.namespace import OWL, RDF

from conceptx.expressions import Expression, parse, to_rdf
from conceptx.report import ReportInput, gather, turtle
from conceptx.report.rdf import VOCABULARY, to_turtle
from tests.expressions.strategies import expressions
from tests.report.worlds import KINDS, World, make_world

ROOT = Path(__file__).parents[2]
CX = rdflib.Namespace(VOCABULARY)


@pytest.fixture(scope="module")
def world() -> ReportInput:
    return replace(
        make_world(n_images=400, n_units=17, noise=0.6, beside=True),
        digests={"images": "ab" * 32, "weights": "cd" * 32},
    )


@pytest.fixture(scope="module")
def text(world: ReportInput) -> str:
    return to_turtle(gather(world), world)


@pytest.fixture(scope="module")
def graph(text: str) -> rdflib.Graph:
    return rdflib.Graph().parse(data=text, format="turtle")


def test_it_follows_the_shapes(graph: rdflib.Graph) -> None:
    pyshacl = pytest.importorskip("pyshacl")
    shapes = rdflib.Graph().parse(ROOT / "ontologies" / "conceptx-shapes.ttl")
    conforms, _, words = pyshacl.validate(graph, shacl_graph=shapes)
    assert conforms, words
    for kind, term in (
        (CX.Result, CX["split"]),
        (CX.SanityCheck, CX.outcome),
        (CX.CounterExample, CX.image),
        (CX.Ensemble, CX.bestAlone),
        (CX.Plan, CX.intact),
    ):
        broken = rdflib.Graph() + graph
        broken.remove((next(broken.subjects(RDF.type, kind)), term, None))
        conforms, _, _ = pyshacl.validate(broken, shacl_graph=shapes)
        assert not conforms, kind


def test_every_term_is_defined_in_the_vocabulary(graph: rdflib.Graph) -> None:
    vocabulary = rdflib.Graph().parse(ROOT / "ontologies" / "conceptx.ttl")
    used = {
        node
        for triple in graph
        for node in triple
        if str(node).startswith(VOCABULARY) and isinstance(node, rdflib.URIRef)
    }
    assert len(used) > 30
    for term in used:
        assert (term, RDF.type, None) in vocabulary, term


def test_every_row_of_the_verdicts_is_there(graph: rdflib.Graph, world: ReportInput) -> None:
    rows = [row for row in world.verdicts.to_pylist() if row["expression"]]
    found = {
        (str(graph.value(h, CX.ofUnit)).rsplit(":", 1)[-1], str(split).rsplit("#", 1)[-1], float(value))
        for result in graph.subjects(RDF.type, CX.Result)
        for h in [graph.value(result, CX.ofHypothesis)]
        for split in [graph.value(result, CX["split"])]
        for value in graph.objects(result, CX.correlation)
    }
    expected = {(row["unit"], row["split"], row["correlation"]) for row in rows if row["correlation"] is not None}
    assert expected
    assert found == expected


def test_owlready2_loads_every_hypothesis_as_a_class(graph: rdflib.Graph, world: ReportInput) -> None:
    import owlready2

    world_of_owl = owlready2.World()
    ontology = world_of_owl.get_ontology("urn:conceptx:report#")
    ontology.load(fileobj=io.BytesIO(graph.serialize(format="nt").encode()))
    described = list(graph.objects(None, CX.describedBy))
    assert described
    for node in described:
        loaded = world_of_owl[str(node)]
        assert len(loaded.equivalent_to) == 1, node
        assert loaded.label


@given(expressions())
@settings(max_examples=100, deadline=None)
def test_an_expression_is_the_same_graph_as_the_library_makes(expression: Expression) -> None:
    def name(text: str) -> str:
        return f"urn:x:{turtle.iri(text)[1:-1]}"

    prefixes = "".join(
        f"@prefix {short}: <{where}> .\n"
        for short, where in (("owl", OWL), ("xsd", rdflib.XSD), ("rdfs", rdflib.RDFS), ("rdf", RDF))
    )
    data = f"{prefixes}<urn:a> <urn:b> {turtle.expression(expression, name, name)} ."
    ours = rdflib.Graph().parse(data=data, format="turtle")
    theirs = rdflib.Graph()
    theirs.add((rdflib.URIRef("urn:a"), rdflib.URIRef("urn:b"), to_rdf(expression, theirs, name)))
    assert isomorphic(ours, theirs)


def test_the_examples_of_the_documentation_run(graph: rdflib.Graph) -> None:
    queries = re.findall(r"```sparql\n(.*?)```", (ROOT / "docs" / "rdf.md").read_text(), re.DOTALL)
    assert len(queries) == 7
    answers = [len(list(graph.query(query))) for query in queries]
    assert answers[0] >= 1
    assert answers[1] >= 1
    assert answers[2] == 3
    assert all(n >= 1 for n in answers[3:6])


@pytest.mark.parametrize("label", ['"]; drop <x> "', "a\\b\nc", "< > {}", "\u202e\x00\x1b", "=1+1", "é" * 3000])
def test_hostile_labels_stay_literals(make: World, label: str) -> None:
    inputs = make(label_of={kind: label if kind == KINDS[0] else kind for kind in KINDS})
    parsed = rdflib.Graph().parse(data=to_turtle(gather(inputs), inputs), format="turtle")
    assert (None, RDF.type, CX.Report) in parsed


def test_an_expression_with_numbers_and_inverse_roles_is_written() -> None:
    text = "contains min 2 (Cup and inverse on some Table and hasArea some xsd:double[>= 0.2])"
    node = turtle.expression(parse(text), lambda n: f"urn:c:{n}", lambda n: f"urn:r:{n}")
    assert "minQualifiedCardinality" in node
    assert "owl:inverseOf <urn:r:on>" in node
    assert 'xsd:minInclusive "0.2"^^xsd:double' in node
