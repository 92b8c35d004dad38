"""SKOS files, such as DBpedia's `skos_categories`: concepts, broader and narrower links, labels.

`skos:broader` files a concept under another; unlike a subclass axiom it may be wrong, so its cycles are broken.
N-Triples files (also those that are called Turtle) are read line by line, in memory proportional to the concepts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from pathlib import Path

import numpy as np

from conceptx.errors import InputError
from conceptx.ontology.records import ClassGraph, check_name, clean_text, iri_tail
from conceptx.ontology.sources.rdf import statements
from conceptx.ontology.sources.terms import LABELS, SKOS, TYPE, local_name

_CONCEPT, _BROADER, _NARROWER = SKOS + "Concept", SKOS + "broader", SKOS + "narrower"
_ALTERNATIVE = frozenset((SKOS + "altLabel", SKOS + "hiddenLabel"))


class _Concepts:
    """Collects concepts by number, so that millions of links take four bytes an end."""

    def __init__(self, language: str) -> None:
        self.language = language.lower()
        self.number: dict[str, int] = {}
        self.child, self.parent = array("i"), array("i")
        self.labels: dict[int, tuple[int, str]] = {}
        self.synonym_of = array("i")
        self.synonyms: list[str] = []

    def add(self, s: str, p: str, o: str, language: str | None) -> None:
        """Take in one statement."""
        number = self.number
        if p == _BROADER:
            self.child.append(number.setdefault(s, len(number)))
            self.parent.append(number.setdefault(o, len(number)))
        elif p == _NARROWER:
            self.child.append(number.setdefault(o, len(number)))
            self.parent.append(number.setdefault(s, len(number)))
        elif p == TYPE:
            if o == _CONCEPT:
                number.setdefault(s, len(number))
        elif language is not None and (p in LABELS or p in _ALTERNATIVE):
            spoken = language.lower().split("-")[0]
            rank = (0 if spoken == self.language else 1 if not spoken else 2) * 2 + (p != SKOS + "prefLabel")
            i = number.setdefault(s, len(number))
            if p in _ALTERNATIVE:
                if rank < 4:
                    self.synonym_of.append(i)
                    self.synonyms.append(clean_text(o))
            elif i not in self.labels or (rank, o) < self.labels[i]:
                self.labels[i] = (rank, clean_text(o))


def read_skos(path: Path, language: str = "en") -> ClassGraph:
    """Read the concepts of a SKOS file in any RDF syntax."""
    import pyarrow as pa

    concepts = _Concepts(language)
    statements(path, concepts.add)
    if not len(concepts.child):
        raise InputError(str(path), "holds no skos:broader or skos:narrower link", "give a SKOS concept scheme")
    iris = list(concepts.number)
    base, names = _names(iris)
    for name in names:
        check_name(str(path), name)
    explicit = [i for i, (iri, name) in enumerate(zip(iris, names, strict=True)) if base + iri_tail(name) != iri]
    return ClassGraph(
        names=pa.array([name.encode("utf-8") for name in names], pa.large_binary()),
        child=np.frombuffer(concepts.child, np.int32),
        parent=np.frombuffer(concepts.parent, np.int32),
        label_of=np.fromiter(concepts.labels, np.int32, len(concepts.labels)),
        labels=[text for _, text in concepts.labels.values()],
        synonym_of=np.array(concepts.synonym_of, np.int32),
        synonyms=concepts.synonyms,
        iri_of=np.array(explicit, np.int32),
        iris=[iris[i] for i in explicit],
        iri_base=base,
        about={"source": "skos", "file": path.name},
    )


def _names(iris: list[str]) -> tuple[str, list[str]]:
    """Return the namespace that most concepts share, and each concept's name: what stands behind it, else the IRI.

    Titles may hold slashes (``Category:AC/DC``), so the shared namespace decides where a name begins.
    """
    spaces = Counter(iri[: len(iri) - len(_tail(iri))] for iri in iris)
    base = min(spaces, key=lambda space: (-spaces[space], space))
    ours = [iri for iri in iris if iri.startswith(base) and len(iri) > len(base)]
    before, colon, _ = ours[0][len(base) :].partition(":") if ours else ("", "", "")
    if colon and all(iri.startswith(f"{base}{before}:") for iri in ours):
        base = f"{base}{before}:"
    names = [local_name("/" + iri[len(base) :].replace("/", "%2F")) if iri.startswith(base) else iri for iri in iris]
    count = Counter(names)
    return base, [iri if count[name] > 1 else name for iri, name in zip(iris, names, strict=True)]


def _tail(iri: str) -> str:
    for separator in "#/":
        if separator in iri:
            return iri.rpartition(separator)[2]
    return iri.rpartition(":")[2]
