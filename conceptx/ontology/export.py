"""A hierarchy as an OWL file: RDF/XML, Turtle, N-Triples, or an owlready2 quadstore; reading it back gives the same.

Callers need `export` (whole, or the module of some classes), `to_owlready2` and `to_rdflib`. Written are the classes,
the subclass axioms, labels, synonyms (`skos:altLabel`) and merged names (`owl:equivalentClass`). Where a class's name
cannot be told from its IRI, an annotation keeps it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from conceptx.errors import InputError
from conceptx.files import atomic_path
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.ontology.records import iri_tail
from conceptx.ontology.sources.terms import IRI_BASE, NAME, OWL, RDF, RDFS, SKOS, names_of

if TYPE_CHECKING:
    import owlready2
    import rdflib

ONTOLOGY = "urn:conceptx:hierarchy"
_SYNTAX_OF = {
    ".owl": "rdfxml",
    ".rdf": "rdfxml",
    ".xml": "rdfxml",
    ".ttl": "turtle",
    ".nt": "ntriples",
    ".sqlite3": "quadstore",
}


@dataclass(frozen=True, slots=True)
class _Record:
    """One class as it is written."""

    iri: str
    name: str  # empty where the IRI tells it
    label: str
    synonyms: tuple[str, ...]
    parents: tuple[str, ...]
    same_as: str


def export(hierarchy: Hierarchy, path: Path, format: str | None = None, classes: Iterable[str] | None = None) -> None:
    """Write the hierarchy (with `classes`: only these and what is above them) as OWL to `path`.

    `format`: "rdfxml", "turtle", "ntriples" or "quadstore"; by default what the file's ending says.
    """
    path = Path(path)
    syntax = format or _SYNTAX_OF.get(path.suffix.lower())
    if syntax not in (*_WRITERS, "quadstore"):
        known = ", ".join(sorted({*_WRITERS, "quadstore"}) if format else _SYNTAX_OF)
        what = f"'{format}' is no format" if format else f"the ending '{path.suffix}' tells no format"
        raise InputError(str(path), what, f"choose one of {known}")
    if classes is not None:
        from conceptx.ontology.query import subtree

        hierarchy = subtree(hierarchy, classes)
    with atomic_path(path) as temporary:
        if syntax == "quadstore":
            _write_quadstore(hierarchy, temporary)
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as out:
                _WRITERS[syntax](hierarchy, out)


def to_owlready2(hierarchy: Hierarchy, world: owlready2.World | None = None) -> owlready2.Ontology:
    """Return the hierarchy as an ontology of `world`, or of a fresh one that shares nothing with others."""
    import owlready2

    text = io.StringIO()
    _write_ntriples(hierarchy, text)
    world = world if world is not None else owlready2.World()
    ontology = world.get_ontology(ONTOLOGY + "#")
    return ontology.load(only_local=True, fileobj=io.BytesIO(text.getvalue().encode("utf-8")))


def to_rdflib(hierarchy: Hierarchy) -> rdflib.Graph:
    """Return the hierarchy as an rdflib graph."""
    import rdflib

    text = io.StringIO()
    _write_ntriples(hierarchy, text)
    return rdflib.Graph().parse(data=text.getvalue(), format="nt")


def _write_quadstore(hierarchy: Hierarchy, path: Path) -> None:
    import owlready2

    lines = path.with_suffix(".nt.partial")
    path.unlink()  # owlready2 makes the file itself
    try:
        with lines.open("w", encoding="utf-8", newline="\n") as out:
            _write_ntriples(hierarchy, out)
        world = owlready2.World(filename=str(path), exclusive=True)
        try:
            with lines.open("rb") as source:
                world.get_ontology(ONTOLOGY + "#").load(only_local=True, fileobj=source)
            world.save()
        finally:
            world.close()
    finally:
        lines.unlink(missing_ok=True)


def _records(hierarchy: Hierarchy) -> Iterator[_Record]:
    """Yield every class, then every merged name, reading the columns in their order."""
    names, aliases, labels, synonyms = hierarchy.text_columns()
    own = [*_iris(hierarchy, names, hierarchy.iri_columns()[0])]
    other = [*_iris(hierarchy, aliases, hierarchy.iri_columns()[1])]
    derived = names_of([*own, *other], {}, hierarchy.iri_base)
    indptr, parents = hierarchy.parents_indptr.tolist(), hierarchy.parents_indices
    texts = synonyms.slice(0, len(synonyms))
    counts = np.diff(hierarchy.synonyms_indptr).tolist()
    for i, (iri, name, label, count) in enumerate(zip(own, names, labels, counts, strict=True)):
        above = tuple(own[p] for p in parents[indptr[i] : indptr[i + 1]].tolist())
        further = tuple(next(texts) for _ in range(count))
        yield _Record(iri, "" if derived[i] == name else name, label or name.replace("_", " "), further, above, "")
    for k, (iri, name) in enumerate(zip(other, aliases, strict=True)):
        kept = "" if derived[len(own) + k] == name else name
        yield _Record(iri, kept, "", (), (), own[int(hierarchy.alias_class[k])])


def _iris(hierarchy: Hierarchy, names: Iterable[str], iris: Iterable[str]) -> Iterator[str]:
    for name, iri in zip(names, iris, strict=True):
        yield iri or hierarchy.iri_base + iri_tail(name)


def _write_ntriples(hierarchy: Hierarchy, out: TextIO) -> None:
    out.write(f"<{ONTOLOGY}> <{RDF}type> <{OWL}Ontology> .\n")
    out.write(f"<{ONTOLOGY}> <{IRI_BASE}> {_literal(hierarchy.iri_base)} .\n")
    for annotation in (IRI_BASE, NAME, SKOS + "altLabel"):
        out.write(f"<{annotation}> <{RDF}type> <{OWL}AnnotationProperty> .\n")
    for record in _records(hierarchy):
        subject = f"<{record.iri}>"
        lines = [f"{subject} <{RDF}type> <{OWL}Class> ."]
        lines += [f"{subject} <{RDFS}subClassOf> <{parent}> ." for parent in record.parents]
        lines += [f"{subject} <{predicate}> {_literal(text)} ." for predicate, text in _annotations(record)]
        if record.same_as:
            lines.append(f"{subject} <{OWL}equivalentClass> <{record.same_as}> .")
        out.write("\n".join(lines) + "\n")


def _write_turtle(hierarchy: Hierarchy, out: TextIO) -> None:
    for prefix, namespace in (("rdf", RDF), ("rdfs", RDFS), ("owl", OWL), ("skos", SKOS)):
        out.write(f"@prefix {prefix}: <{namespace}> .\n")
    out.write(f"\n<{ONTOLOGY}> a owl:Ontology ;\n  <{IRI_BASE}> {_literal(hierarchy.iri_base)} .\n")
    for annotation in (IRI_BASE, NAME, SKOS + "altLabel"):
        out.write(f"<{annotation}> a owl:AnnotationProperty .\n")
    for record in _records(hierarchy):
        parts = [f"\n<{record.iri}> a owl:Class"]
        if record.parents:
            parts.append("rdfs:subClassOf " + ", ".join(f"<{parent}>" for parent in record.parents))
        parts += [f"<{predicate}> {_literal(text)}" for predicate, text in _annotations(record)]
        if record.same_as:
            parts.append(f"owl:equivalentClass <{record.same_as}>")
        out.write(" ;\n  ".join(parts) + " .\n")


def _write_rdfxml(hierarchy: Hierarchy, out: TextIO) -> None:
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n<rdf:RDF')
    vocabulary = NAME.removesuffix("name")
    spaces = (("rdf", RDF), ("rdfs", RDFS), ("owl", OWL), ("skos", SKOS), ("conceptx", vocabulary))
    for prefix, namespace in spaces:
        out.write(f'\n  xmlns:{prefix}="{namespace}"')
    out.write(f">\n<owl:Ontology rdf:about={quoteattr(ONTOLOGY)}>\n  ")
    out.write(f"<conceptx:iriBase>{escape(hierarchy.iri_base)}</conceptx:iriBase>\n</owl:Ontology>\n")
    for annotation in (IRI_BASE, NAME, SKOS + "altLabel"):
        out.write(f"<owl:AnnotationProperty rdf:about={quoteattr(annotation)}/>\n")
    tags = {NAME: "conceptx:name", RDFS + "label": "rdfs:label", SKOS + "altLabel": "skos:altLabel"}
    for record in _records(hierarchy):
        lines = [f"<owl:Class rdf:about={quoteattr(record.iri)}>"]
        lines += [f"  <rdfs:subClassOf rdf:resource={quoteattr(parent)}/>" for parent in record.parents]
        lines += [f"  <{tags[p]}>{escape(text)}</{tags[p]}>" for p, text in _annotations(record)]
        if record.same_as:
            lines.append(f"  <owl:equivalentClass rdf:resource={quoteattr(record.same_as)}/>")
        out.write("\n".join(lines) + "\n</owl:Class>\n")
    out.write("</rdf:RDF>\n")


def _annotations(record: _Record) -> Iterator[tuple[str, str]]:
    if record.name:
        yield NAME, record.name
    if record.label:
        yield RDFS + "label", record.label
    for synonym in record.synonyms:
        yield SKOS + "altLabel", synonym


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


_WRITERS: dict[str, Callable[[Hierarchy, TextIO], None]] = {
    "rdfxml": _write_rdfxml,
    "turtle": _write_turtle,
    "ntriples": _write_ntriples,
}
