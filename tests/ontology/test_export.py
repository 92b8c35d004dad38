"""Out to OWL and back again: the same hierarchy, to the digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.ontology import Hierarchy, open_ontology
from conceptx.ontology.build import build_wikipedia
from conceptx.ontology.export import export, to_owlready2
from tests.ontology.dumps import write_wiki

ENDINGS = ["owl", "ttl", "nt", "sqlite3"]


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    """Odd names, labels in quotes, several synonyms, merged classes, IRIs that tell the name and others."""
    folder = tmp_path_factory.mktemp("rich")
    e, rdfs, owl = "http://e.org/", "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#"
    lines = [
        f"<{e}a/Bed> <{rdfs}subClassOf> <{e}Furniture> .",
        f"<{e}b/Bed> <{rdfs}subClassOf> <{e}Furniture> .",
        f"<{e}Sofa> <{owl}equivalentClass> <{e}Couch> .",
        f"<{e}Couch> <{rdfs}subClassOf> <{e}Furniture> .",
        f"<{e}Caf%C3%A9> <{rdfs}subClassOf> <{e}Furniture> .",
        f'<{e}Sofa> <{rdfs}label> "so\\"fa\\\\ <&>" .',
        f'<{e}Couch> <http://www.w3.org/2004/02/skos/core#altLabel> "Ca\\u006Eapé"@en .',
        f'<{e}Couch> <http://www.w3.org/2004/02/skos/core#altLabel> "lounge" .',
        f"<{e}Alone> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{owl}Class> .",
    ]
    (folder / "rich.nt").write_text("\n".join(lines), encoding="utf-8")
    return open_ontology(folder / "rich.nt")


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_owl_hierarchy_comes_back_the_same(rich: Hierarchy, tmp_path: Path, ending: str) -> None:
    export(rich, tmp_path / f"x.{ending}")
    back = open_ontology(tmp_path / f"x.{ending}")
    assert list(back.names) == list(rich.names)
    assert list(back.aliases) == list(rich.aliases) == ["Sofa"]
    assert [back.label(i) for i in range(len(back))] == [rich.label(i) for i in range(len(rich))]
    assert [back.synonyms(i) for i in range(len(back))] == [rich.synonyms(i) for i in range(len(rich))]
    assert [back.iri(i) for i in range(len(back))] == [rich.iri(i) for i in range(len(rich))]
    assert back.digest == rich.digest
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{ending}"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_wiki_comes_back_the_same(tmp_path: Path, ending: str) -> None:
    root = "Main_topic_classifications"
    links = [("Music", root), ("AC/DC_&_more", "Music"), ("O'Brien's_\"100%\"", "Music"), ("Épées:_a_list", root)]
    write_wiki(tmp_path / "dumps", links)
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    export(h, tmp_path / f"x.{ending}")
    assert open_ontology(tmp_path / f"x.{ending}").digest == h.digest


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_that_iris_do_not_tell_come_back_too(tmp_path: Path, ending: str) -> None:
    edges = [("a#b", "r"), ("a/b", "r"), ("x:y", "r"), ("tail/", "r"), ("%41", "r"), ("A", "r"), ("<&>\"'", "r")]
    h = Hierarchy.from_edges(edges, labels={"r": "The root"}, synonyms={"a/b": ["s1", "s2"]})
    export(h, tmp_path / f"x.{ending}")
    assert open_ontology(tmp_path / f"x.{ending}").digest == h.digest


def test_rdflib_reads_what_is_written(rich: Hierarchy, tmp_path: Path) -> None:
    from rdflib import Graph
    from rdflib.compare import to_isomorphic

    graphs = []
    for ending, syntax in (("owl", "xml"), ("ttl", "turtle"), ("nt", "nt")):
        export(rich, tmp_path / f"x.{ending}")
        graphs.append(to_isomorphic(Graph().parse(tmp_path / f"x.{ending}", format=syntax)))
    assert graphs[0] == graphs[1] == graphs[2]


def test_only_the_module_of_some_classes(rich: Hierarchy, tmp_path: Path) -> None:
    export(rich, tmp_path / "x.ttl", classes=["Sofa"])
    part = open_ontology(tmp_path / "x.ttl")
    assert list(part.names) == ["Couch", "Furniture"] and list(part.aliases) == ["Sofa"]


def test_owlready2_gets_the_same_classes_in_a_world_of_their_own(rich: Hierarchy) -> None:
    import owlready2

    ontology = rich.to_owlready2()
    assert ontology.world is not owlready2.default_world
    assert {c.iri for c in ontology.classes()} == {rich.iri(i) for i in range(len(rich))} | {"http://e.org/Sofa"}
    couch = ontology.world["http://e.org/Couch"]
    assert ontology.world["http://e.org/Furniture"] in couch.is_a
    world = owlready2.World()
    assert to_owlready2(rich, world).world is world


def test_rdflib_gets_what_owlready2_gets(rich: Hierarchy) -> None:
    from rdflib import OWL, RDF, RDFS, URIRef

    graph, ontology = rich.to_rdflib(), rich.to_owlready2()
    classes = {str(c) for c in graph.subjects(RDF.type, OWL.Class)}
    assert classes == {c.iri for c in ontology.classes()}
    below = {(str(s), str(o)) for s, o in graph.subject_objects(RDFS.subClassOf)}
    assert below == {(c.iri, a.iri) for c in ontology.classes() for a in c.is_a if a.iri in classes}
    assert (URIRef("http://e.org/Sofa"), OWL.equivalentClass, URIRef("http://e.org/Couch")) in graph


def test_an_unknown_format_is_refused(rich: Hierarchy, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the ending '\.docx' tells no format; choose one of \.owl, \.rdf"):
        export(rich, tmp_path / "x.docx")
    with pytest.raises(InputError, match="'pdf' is no format"):
        export(rich, tmp_path / "x.owl", format="pdf")
    with pytest.raises(InputError, match="there is no class 'Bedd'"):
        export(rich, tmp_path / "x.owl", classes=["Bedd"])
    assert list(tmp_path.iterdir()) == []
