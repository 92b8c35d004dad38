"""OWL and RDF Schema files: named classes, subclass axioms, equivalent classes, labels and synonyms.

From a class expression only what it says about named classes is taken: each named conjunct of
``A ⊑ B ⊓ …`` or ``A ≡ B ⊓ …`` is a superclass of A, each named disjunct of ``A ≡ B ⊔ …`` a subclass.
`read_rdf` reads any RDF file and takes SKOS concepts where there are no classes. Imports are never fetched.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from conceptx.errors import InputError
from conceptx.ontology.records import DEFAULT_IRI_BASE, ClassGraph, check_name, clean_text, iri_tail
from conceptx.ontology.sources.rdf import statements
from conceptx.ontology.sources.skos import read_skos
from conceptx.ontology.sources.terms import (
    EQUIVALENT,
    FIRST,
    INTERSECTION,
    IRI_BASE,
    LABELS,
    NAME,
    NIL,
    OWL,
    RDF,
    RDFS,
    REST,
    SKOS,
    SUBCLASS,
    SYNONYMS,
    TYPE,
    UNION,
    names_of,
)

_CLASS_TYPES = frozenset((OWL + "Class", RDFS + "Class"))
_BUILT_IN = (RDF, RDFS, OWL, "http://www.w3.org/2001/XMLSchema#")
_BLANK, _BUILT_IN_CLASS = -1, -2


class _Axioms:
    """Collects what a stream of statements says about named classes, these by number."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.number: dict[str, int] = {}
        self.child, self.parent = array("i"), array("i")
        self.same: list[tuple[int, int]] = []
        self.labels: dict[str, tuple[int, str]] = {}
        self.synonyms: defaultdict[str, set[str]] = defaultdict(set)
        self.names: dict[str, str] = {}
        self.iri_base = ""
        self.imports: set[str] = set()
        self.concepts = 0
        self._below: list[tuple[str, str]] = []
        self._equal: list[tuple[str, str]] = []
        self._lists: dict[str, tuple[str, str]] = {}
        self._first: dict[str, str] = {}
        self._rest: dict[str, str] = {}

    def add(self, s: str, p: str, o: str, language: str | None) -> None:
        """Take in one statement."""
        if p == SUBCLASS:
            child, parent = self._class(s), self._class(o)
            if child >= 0 and parent >= 0:
                self._edge(child, parent)
            elif child == _BLANK or parent == _BLANK:
                self._below.append((s, o))
        elif p == TYPE:
            self._typed(s, o)
        elif p == EQUIVALENT:
            one, other = self._class(s), self._class(o)
            if one >= 0 and other >= 0:
                self.same.append((one, other))
            else:
                self._equal.append((s, o))
        elif language is not None:
            self._named(s, p, o, language)
        elif p in (INTERSECTION, UNION):
            self._lists[s] = (p, o)
        elif p == FIRST:
            self._first[s] = o
        elif p == REST:
            self._rest[s] = o
        elif p == OWL + "imports":
            self.imports.add(o)
        elif p == SKOS + "broader":
            self.concepts += 1

    def resolve(self) -> None:
        """Draw the named classes out of the expressions, once all statements are in."""
        for below, above in self._below:
            self._take(below, above, superclasses=True)
            self._take(above, below, subclasses=True)
        for a, b in self._equal:
            self._take(a, b, superclasses=True, subclasses=True)
            self._take(b, a, superclasses=True, subclasses=True)
        for s in list(self._lists):  # A owl:intersectionOf (…), without a blank node, is an equivalence too
            self._take(s, s, superclasses=True, subclasses=True)

    def _take(self, named: str, expression: str, superclasses: bool = False, subclasses: bool = False) -> None:
        """Add the edges of ``named ⊑ expression`` (superclasses) and ``expression ⊑ named`` (subclasses)."""
        ours = self._class(named)
        if ours < 0 or expression not in self._lists:
            return
        kind, head = self._lists[expression]
        for member in self._members(head):
            other = self._class(member)
            if other >= 0 and kind == INTERSECTION and superclasses:
                self._edge(ours, other)
            elif other >= 0 and kind == UNION and subclasses:
                self._edge(other, ours)

    def _members(self, head: str) -> list[str]:
        members: list[str] = []
        seen = set()
        while head != NIL and head in self._first and head not in seen:
            seen.add(head)
            members.append(self._first[head])
            head = self._rest.get(head, NIL)
        return members

    def _class(self, iri: str) -> int:
        """Return the number of a named class; `_BLANK` for a blank node, `_BUILT_IN_CLASS` for owl:Thing and such."""
        number = self.number.get(iri)
        if number is None:
            if iri.startswith("_:"):
                return _BLANK
            if iri.startswith(_BUILT_IN):
                return _BUILT_IN_CLASS
            number = self.number[iri] = len(self.number)
        return number

    def _edge(self, child: int, parent: int) -> None:
        if child != parent:
            self.child.append(child)
            self.parent.append(parent)

    def _typed(self, s: str, o: str) -> None:
        if o in _CLASS_TYPES:
            self._class(s)
        elif o == SKOS + "Concept":
            self.concepts += 1
        else:
            self._class(o)

    def _named(self, s: str, p: str, text: str, language: str) -> None:
        if p in LABELS:
            rank = _language_rank(language, self.language) * 2 + LABELS.index(p)
            if s not in self.labels or (rank, text) < self.labels[s]:
                self.labels[s] = (rank, text)
        elif p in SYNONYMS and _language_rank(language, self.language) < 2:
            self.synonyms[s].add(text)
        elif p == NAME:
            self.names[s] = text
        elif p == IRI_BASE:
            self.iri_base = text


def read_rdf(path: Path, language: str = "en") -> ClassGraph:
    """Read an RDF file: its OWL or RDF Schema classes, or its SKOS concepts where it has no classes."""
    axioms, prefixes = _read(path, language)
    if not axioms.number and axioms.concepts:
        return read_skos(path, language)
    return _graph(path, axioms, prefixes)


def read_owl(path: Path, language: str = "en") -> ClassGraph:
    """Read the classes of an OWL or RDF Schema file in any syntax."""
    return _graph(path, *_read(path, language))


def _read(path: Path, language: str) -> tuple[_Axioms, dict[str, str]]:
    axioms = _Axioms(language)
    prefixes = statements(path, axioms.add)
    axioms.resolve()
    return axioms, prefixes


def _graph(path: Path, axioms: _Axioms, prefixes: dict[str, str]) -> ClassGraph:
    import pyarrow as pa

    notes = [f"imports {iri}, which was not fetched" for iri in sorted(axioms.imports)]
    number = axioms.number
    if not number:
        hint = f" (it {notes[0]})" if notes else ""
        raise InputError(str(path), f"holds no OWL or RDF Schema classes{hint}", "give a file with named classes")
    iris = list(number)
    derived = names_of(iris, prefixes, axioms.iri_base)
    names = [axioms.names.get(iri, name) for iri, name in zip(iris, derived, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(str(path), f"gives two classes the name '{twice}'", "mend the annotations with the names")
    for name in names:
        check_name(str(path), name)
    base = axioms.iri_base or DEFAULT_IRI_BASE
    explicit = [i for i, (iri, name) in enumerate(zip(iris, names, strict=True)) if base + iri_tail(name) != iri]
    labelled = [(number[s], clean_text(text)) for s, (_, text) in axioms.labels.items() if s in number]
    synonyms = [(number[s], clean_text(t)) for s, ts in axioms.synonyms.items() if s in number for t in sorted(ts)]
    return ClassGraph(
        names=pa.array([name.encode("utf-8") for name in names], pa.large_binary()),
        child=np.array(axioms.child, np.int32),
        parent=np.array(axioms.parent, np.int32),
        label_of=np.array([i for i, _ in labelled], np.int32),
        labels=[text for _, text in labelled],
        synonym_of=np.array([i for i, _ in synonyms], np.int32),
        synonyms=[text for _, text in synonyms],
        iri_of=np.array(explicit, np.int32),
        iris=[iris[i] for i in explicit],
        iri_base=base,
        same=np.array(axioms.same, np.int32).reshape(-1, 2),
        merge_cycles=True,
        about={"source": "owl", "file": path.name},
        notes=tuple(notes),
    )


def _language_rank(language: str, wanted: str) -> int:
    """0 for the wanted language, 1 for none, 2 for others."""
    if not language:
        return 1
    return 0 if language.lower().split("-")[0] == wanted.lower() else 2
