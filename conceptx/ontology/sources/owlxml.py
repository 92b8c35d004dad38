"""OWL/XML as RDF statements: the same axioms as in functional syntax, with elements in the place of brackets."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from urllib.parse import urljoin
from xml.parsers import expat

from conceptx.errors import InputError
from conceptx.ontology.sources.functional import Functional, Node
from conceptx.ontology.sources.streams import buffered
from conceptx.ontology.sources.structure import XSD, Literal, Put
from conceptx.ontology.sources.terms import OWL

_XML = "http://www.w3.org/XML/1998/namespace "
_ENTITIES = ("Class", "Datatype", "ObjectProperty", "DataProperty", "AnnotationProperty", "NamedIndividual")
_TEXTS = ("Literal", "IRI", "AbbreviatedIRI", "Import")
_DEEPEST = 200


def read_owlxml(path: Path, put: Put, base: str) -> dict[str, str]:
    """Put every statement of a file and return its prefixes; a mistake is an `InputError` that names its line.

    `base` is taken for relative IRIs where the file declares none. Entities are not looked at here: `rdf.prolog` has
    refused those that could expand.
    """
    return _OwlXml(path, put, base).read(path)


class _OwlXml(Functional):
    def __init__(self, path: Path, put: Put, base: str) -> None:
        super().__init__("", str(path), put)
        self.base = base
        self.stack: list[Node] = []
        self.written: list[str] = []
        self.attributes: dict[str, str] = {}
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.written.append
        self.parser.buffer_text = True

    def fail(self, place: int, what: str) -> NoReturn:
        """Refuse what stands in a line."""
        raise InputError(f"{self.where}:{place}", what, "mend this element")

    def read(self, path: Path) -> dict[str, str]:
        """Read the file, block by block."""
        with buffered(path) as stream:
            try:
                while data := stream.read(1 << 20):
                    self.parser.Parse(data, False)
                self.parser.Parse(b"", True)
            except expat.ExpatError as error:
                raise InputError(str(path), f"cannot be parsed as XML ({error})", "mend the file") from error
        return self.prefixes

    def start(self, tag: str, given: dict[str, str]) -> None:
        """Take in the beginning of an element."""
        line = self.parser.CurrentLineNumber
        name = tag.rpartition(" ")[2]
        self.written.clear()
        if name == "Ontology" and not self.stack:
            self.begin_document(given)
        elif not self.stack:
            self.fail(line, f"the element {name} stands outside of Ontology")
        elif len(self.stack) > _DEEPEST:
            self.fail(line, f"the expression is nested more than {_DEEPEST} deep")
        if name == "Prefix":
            self.prefixes[given.get("name", "")] = given.get("IRI", "")
        elif name in _TEXTS:
            self.attributes = given
        node = Node(name, line)
        if "cardinality" in given:
            node.parts.append(Literal(given["cardinality"], XSD + "nonNegativeInteger"))
        if name in (*_ENTITIES, "AnonymousIndividual"):
            node.parts.append(self.named_by(given, line))
        elif name == "FacetRestriction":
            node.parts.append(given.get("facet", ""))
        self.stack.append(node)

    def begin_document(self, given: dict[str, str]) -> None:
        """Take the base and the IRI of the ontology."""
        iri = given.get("ontologyIRI", "")
        self.base = given.get(_XML + "base") or iri or self.base
        self.begin(self.full(iri) if iri else "_:ontology")

    def named_by(self, given: dict[str, str], line: int) -> str:
        """Return what an element with attributes stands for."""
        if "nodeID" in given:
            return "_:" + given["nodeID"].removeprefix("_:")
        if "abbreviatedIRI" in given:
            return self.iri(given["abbreviatedIRI"], line)
        if "IRI" not in given:
            self.fail(line, "an element has neither IRI nor abbreviatedIRI")
        return self.full(given["IRI"])

    def full(self, iri: str) -> str:
        """Return an IRI that may be relative to the base."""
        prefix, colon, local = iri.partition(":")
        if colon and prefix in self.prefixes and not local.startswith("//"):
            return self.prefixes[prefix] + local  # some programs write abbreviations here
        if iri.startswith("#"):
            return self.base.partition("#")[0] + iri
        return iri if colon else urljoin(self.base, iri)

    def end(self, tag: str) -> None:
        """Take in the end of an element: an axiom is put, anything else is a part of what it stands in."""
        done = self.stack.pop()
        name, text = done.name, "".join(self.written)
        self.written.clear()
        if not self.stack or name == "Prefix":
            return
        outer = self.stack[-1]
        if name == "Literal":
            language = self.attributes.get(_XML + "lang", "")
            outer.parts.append(Literal(text, self.attributes.get("datatypeIRI", ""), language))
        elif name in ("IRI", "AbbreviatedIRI"):
            iri = text.strip()
            outer.parts.append(self.iri(iri, done.place) if name == "AbbreviatedIRI" else self.full(iri))
        elif name == "Import":
            self.out.put(self.ontology, OWL + "imports", self.full(text.strip()))
        elif name == "FacetRestriction":
            outer.parts += done.parts
        elif outer.name == "Ontology":
            if name != "Annotation":
                self.axiom(done)
        elif name in (*_ENTITIES, "AnonymousIndividual") and outer.name != "Declaration":
            outer.parts += done.parts
        else:
            outer.parts.append(done)
