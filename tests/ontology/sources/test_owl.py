"""The same small ontology in every RDF syntax; what is taken from expressions; names, labels, imports, bad files."""

from __future__ import annotations

import bz2
import gzip
import socket
import warnings
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.ontology import open_ontology

TURTLE = """
@prefix : <http://example.org/home#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix obo: <http://www.geneontology.org/formats/oboInOwl#> .
<http://example.org/home> a owl:Ontology .
:Furniture a owl:Class .
:Bed a owl:Class ; rdfs:subClassOf :Furniture ; rdfs:label "Bett"@de, "bed"@en ; skos:altLabel "cot"@en .
:Sofa a owl:Class ; rdfs:subClassOf :Furniture ; obo:hasExactSynonym "settee" .
:Couch a owl:Class ; owl:equivalentClass :Sofa ; rdfs:label "couch" .
:SofaBed a owl:Class ; owl:equivalentClass [ a owl:Class ; owl:intersectionOf ( :Bed :Sofa ) ] .
:Seat a owl:Class ; owl:equivalentClass [ a owl:Class ; owl:unionOf ( :Chair :Sofa ) ] ; rdfs:subClassOf owl:Thing .
:Chair a owl:Class ; rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :has ; owl:someValuesFrom :Leg ] .
:Leg a owl:Class . :has a owl:ObjectProperty ; rdfs:label "has" .
:mine a :Bed, owl:NamedIndividual ; rdfs:label "my bed" .
"""
EDGES = {
    ("Bed", "Furniture"),
    ("Couch", "Furniture"),
    ("Couch", "Seat"),
    ("SofaBed", "Bed"),
    ("SofaBed", "Couch"),
    ("Chair", "Seat"),
}
OWL_XML = """<?xml version="1.0"?>
<Ontology xmlns="http://www.w3.org/2002/07/owl#" xml:base="http://example.org/home"
  ontologyIRI="http://example.org/home">
  <Declaration><Class IRI="#Bed"/></Declaration><Declaration><Class IRI="#Furniture"/></Declaration>
  <SubClassOf><Class IRI="#Bed"/><Class IRI="#Furniture"/></SubClassOf>
</Ontology>"""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)


def _edges(path: Path) -> set[tuple[str, str]]:
    h = open_ontology(path)
    return {(h.name(i), h.name(int(p))) for i in range(len(h)) for p in h.parents(i)}


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("turtle", "home.ttl"),
        ("turtle", "home.owl"),
        ("xml", "home.owl"),
        ("pretty-xml", "home.rdf"),
        ("nt", "home.nt"),
        ("nt", "home.ttl"),
        ("n3", "home.n3"),
        ("json-ld", "home.jsonld"),
        ("nquads", "home.nq"),
        ("trig", "home.trig"),
        ("trix", "home.xml"),
        ("xml", "home.owl.gz"),
        ("nt", "home.nt.bz2"),
    ],
)
def test_every_syntax_gives_the_same_hierarchy(tmp_path: Path, syntax: str, name: str) -> None:
    from rdflib import Dataset

    graph = Dataset(default_union=True)
    graph.default_graph.parse(data=TURTLE, format="turtle")
    whole = syntax in ("nquads", "trig", "trix", "json-ld")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rdflib's writers warn about their own code
        data = (graph if whole else graph.default_graph).serialize(format=syntax, encoding="utf-8")
    data = gzip.compress(data) if name.endswith(".gz") else bz2.compress(data) if name.endswith(".bz2") else data
    (tmp_path / name).write_bytes(data)
    h = open_ontology(tmp_path / name)
    assert _edges(tmp_path / name) == EDGES
    assert set(h.names) == {"Bed", "Furniture", "Couch", "SofaBed", "Seat", "Chair", "Leg"}
    assert h.id("Sofa") == h.id("Couch")
    assert h.label(h.id("Bed")) == "bed"
    assert h.synonyms(h.id("Bed")) == ("cot",)
    assert h.synonyms(h.id("Sofa")) == ("settee",)
    assert h.iri(h.id("Bed")) == "http://example.org/home#Bed"


def test_owl_xml(tmp_path: Path) -> None:
    (tmp_path / "home.owl").write_text(OWL_XML)
    assert _edges(tmp_path / "home.owl") == {("Bed", "Furniture")}


def test_a_quadstore_of_owlready2(tmp_path: Path) -> None:
    import owlready2

    world = owlready2.World(filename=str(tmp_path / "home.sqlite3"))
    ontology = world.get_ontology("http://example.org/home#")
    with ontology:
        furniture = type("Furniture", (owlready2.Thing,), {})
        type("Bed", (furniture,), {})
    world.save()
    world.close()
    assert _edges(tmp_path / "home.sqlite3") == {("Bed", "Furniture")}


def test_names_that_two_namespaces_share_take_their_prefix(tmp_path: Path) -> None:
    (tmp_path / "two.ttl").write_text(
        "@prefix a: <http://a.org/#> . @prefix b: <http://b.org/#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        "a:Bed a owl:Class . b:Bed a owl:Class . b:Lamp a owl:Class . <http://c.org/x/Bed> a owl:Class ."
    )
    assert set(open_ontology(tmp_path / "two.ttl").names) == {"a_Bed", "b_Bed", "Lamp", "http://c.org/x/Bed"}


def test_percent_encoded_names_become_readable(tmp_path: Path) -> None:
    (tmp_path / "x.nt").write_text(
        "<http://e.org/Caf%C3%A9> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://e.org/Caf\\u00E9s> .\n"
    )
    assert set(open_ontology(tmp_path / "x.nt").names) == {"Café", "Cafés"}


def test_a_cycle_of_subclasses_is_an_equivalence_and_is_reported(tmp_path: Path) -> None:
    lines = [f"<http://e.org/{a}> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://e.org/{b}> ." for a, b in
             ("ab", "bc", "ca", "cd")]  # fmt: skip
    (tmp_path / "x.nt").write_text("\n".join(lines))
    h = open_ontology(tmp_path / "x.nt")
    assert list(h.names) == ["a", "d"]
    assert h.about["notes"] == ["classes that are subclasses of each other count as one: a, b, c"]


def test_imports_are_not_fetched_but_mentioned(tmp_path: Path) -> None:
    line = "<http://e.org/> <http://www.w3.org/2002/07/owl#imports> <http://nowhere.invalid/more.owl> .\n"
    (tmp_path / "x.nt").write_text(line)
    with pytest.raises(InputError, match=r"no OWL .* \(it imports http://nowhere.invalid/more.owl, .* not fetched\)"):
        open_ontology(tmp_path / "x.nt")
    (tmp_path / "x.ttl").write_text(TURTLE + "<http://example.org/home> owl:imports <http://nowhere.invalid/more> .")
    h = open_ontology(tmp_path / "x.ttl")
    assert h.about["notes"] == ["imports http://nowhere.invalid/more, which was not fetched"]


def test_namespace_abbreviations_as_editors_write_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.owl").write_text(
        '<?xml version="1.0"?><!DOCTYPE rdf:RDF [ <!ENTITY owl "http://www.w3.org/2002/07/owl#" > ]>'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="http://www.w3.org/2002/07/owl#">'
        '<rdf:Description rdf:about="http://e.org/#Bed"><rdf:type rdf:resource="&owl;Class"/></rdf:Description>'
        "</rdf:RDF>"
    )
    assert list(open_ontology(tmp_path / "x.owl").names) == ["Bed"]


BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
BAD = [
    (
        "x.owl",
        f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "ha">{BOMB}]><r>&e11;</r>',
        "declares the XML entity 'e1'",
    ),
    ("x.owl", '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', "declares the XML entity 'x'"),
    ("x.owl", '<!DOCTYPE r [<!ENTITY % p "a">]><r/>', "declares the XML entity 'p'"),
    ("x.owl", f'<!DOCTYPE r [<!ENTITY long "{"x" * 400}">]><r/>', "declares the XML entity 'long'"),
    ("x.owl", "<?xml version='1.0'?><html><body/></html>", "is XML with the root element 'html', not an ontology"),
    ("x.owl", "<?xml version='1.0'?><rdf:RDF xmlns:rdf='http://x'><a", "cannot be parsed as XML"),
    ("x.owl", "Prefix(:=<http://e.org/>)\nOntology(<http://e.org/>)", "holds no OWL or RDF Schema classes"),
    ("x.owl", "Prefix(:=<http://e.org/>)\nOntology(<http://e.org/> SubClassOf(:A", "x.owl:2: SubClassOf\\( is not"),
    ("x.omn", "Prefix: : <http://e.org/>\nOntology:\nClass: A\n SubClassOf: B C", "x.omn:4: a frame"),
    ("x.owl", "%PDF-1.4 nothing like it", "has no ontology syntax; it begins '%PDF-1.4"),
    ("x.owl", "", "is empty"),
    ("x.ttl", "@prefix a: <http://a/> . a:b a:c", "cannot be parsed as turtle"),
    ("x.nt", "<http://a> <http://b> <http://c> .\nnonsense here\n", "cannot be parsed as nt|is no N-Triples statement"),
    ("x.jsonld", '{"@context": "http://nowhere.invalid/c.json", "@id": "x"}', "a context or an import on the network"),
    ("x.json", "{ nope", "cannot be parsed as JSON"),
    ("x.sqlite3", "SQLite format 3\x00 broken", "is an SQLite file, but no owlready2 quadstore"),
    ("x.nt", "<http://a> <http://b> <http://c> .\n", "holds no OWL or RDF Schema classes"),
    ("x.docx", "anything", "has the unknown ending '.docx'"),
    ("noending", "anything", "has the unknown ending 'noending'"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD)
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        open_ontology(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_line_far_into_the_file_is_named_by_its_number(tmp_path: Path) -> None:
    line = "<http://e.org/a> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://e.org/b> .\n"
    (tmp_path / "x.nt").write_text(line * 3000 + "<broken\n")
    with pytest.raises(InputError, match=r"x\.nt:3001: is no N-Triples statement: '<broken'"):
        open_ontology(tmp_path / "x.nt")
    (tmp_path / "x.nt").write_bytes(line.encode() * 3000 + b'<http://a> <http://b> "\xff" .\n')
    with pytest.raises(InputError, match=r"x\.nt:3001: is not UTF-8"):
        open_ontology(tmp_path / "x.nt")
    (tmp_path / "x.nt").write_bytes(line.encode() * 3000 + b"<" + b"x" * (40 << 20))
    with pytest.raises(InputError, match=r"x\.nt:3001: has a line of more than 16 MB"):
        open_ontology(tmp_path / "x.nt")


def test_a_truncated_download_is_named(tmp_path: Path) -> None:
    import random

    noise = random.Random(1)
    lines = "\n".join(f"<http://e.org/{noise.getrandbits(300):x}> <http://x> <http://y> ." for _ in range(5000))
    (tmp_path / "x.nt.gz").write_bytes(gzip.compress(lines.encode())[:-2000])
    with pytest.raises(InputError, match="cannot be unpacked: the file is truncated or damaged"):
        open_ontology(tmp_path / "x.nt.gz")


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_ontology(tmp_path / "nothing.owl")


def test_the_shared_world_of_owlready2_stays_empty(tmp_path: Path) -> None:
    import owlready2

    (tmp_path / "home.owl").write_text(OWL_XML)
    before = len(owlready2.default_world.graph)
    open_ontology(tmp_path / "home.owl").to_owlready2()
    assert len(owlready2.default_world.graph) == before
    assert owlready2.onto_path == []
