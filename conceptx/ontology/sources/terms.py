"""The terms of RDF, RDF Schema, OWL and SKOS that files of classes use, and short names for IRIs."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote

from conceptx.ontology.records import name_fault

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
OBO = "http://www.geneontology.org/formats/oboInOwl#"

# What a file that was exported from a hierarchy says beyond OWL, so that reading it back gives the same hierarchy.
NAME, IRI_BASE = "urn:conceptx:vocabulary:name", "urn:conceptx:vocabulary:iriBase"

TYPE, FIRST, REST, NIL = RDF + "type", RDF + "first", RDF + "rest", RDF + "nil"
SUBCLASS, EQUIVALENT = RDFS + "subClassOf", OWL + "equivalentClass"
INTERSECTION, UNION = OWL + "intersectionOf", OWL + "unionOf"
LABELS = (RDFS + "label", SKOS + "prefLabel")
SYNONYMS = frozenset(
    (SKOS + "altLabel", *(OBO + f"has{kind}Synonym" for kind in ("Exact", "Related", "Narrow", "Broad")))
)


def names_of(iris: list[str], prefixes: dict[str, str], base: str = "") -> list[str]:
    """Return each IRI's local name where it is unique, else prefix_localname, else the IRI.

    With a `base`, the local name of an IRI that begins with it is all that follows.
    """
    local = [local_name(iri[len(base) :] if base and iri.startswith(base) else iri) for iri in iris]
    by_namespace = {namespace: prefix for prefix, namespace in sorted(prefixes.items(), reverse=True) if prefix}
    count = Counter(local)
    names = []
    for iri, name in zip(iris, local, strict=True):
        if count[name] > 1:
            prefix = next((p for ns, p in by_namespace.items() if iri.startswith(ns) and "/" not in iri[len(ns) :]), "")
            name = f"{prefix}_{name}" if prefix else iri
        names.append(name)
    taken = Counter(names)
    return [iri if taken[name] > 1 else name for iri, name in zip(iris, names, strict=True)]


def local_name(iri: str) -> str:
    """Return what stands behind the last # or / (in a URN the last colon), percent-decoded where that is readable."""
    tail = iri.rstrip("#/")
    for separator in "#/:":
        if separator in tail:
            tail = tail.rpartition(separator)[2]
            break
    if "%" in tail:
        decoded = unquote(tail, errors="replace")
        tail = tail if "\ufffd" in decoded or name_fault(decoded) else decoded
    return tail or iri
