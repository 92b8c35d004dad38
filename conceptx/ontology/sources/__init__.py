"""Readers: every form in which people keep class hierarchies becomes one `ClassGraph`.

Callers need `open_ontology`, which recognises a compiled folder, an OWL or SKOS file in any RDF syntax, and an edge
list; the single readers (`owl`, `skos`, `wordnet`, `wikipedia`, `edges`) serve the builders.
"""

from __future__ import annotations

from pathlib import Path

from conceptx.errors import InputError
from conceptx.ontology.hierarchy import Hierarchy

EDGE_ENDINGS = (".tsv", ".csv", ".parquet")
RDF_ENDINGS = (
    *(".owl", ".rdf", ".xml", ".owx", ".ttl", ".n3", ".nt", ".nq", ".trig", ".trix", ".jsonld", ".json"),
    *(".ofn", ".fss", ".omn"),
    *(".sqlite3", ".sqlite", ".db"),
)
PACKED_ENDINGS = (".gz", ".bz2", ".zst")


def open_ontology(path: Path | str) -> Hierarchy:
    """Return the hierarchy at `path`: a compiled folder, an OWL, RDF or SKOS file, or an edge list (TSV, Parquet)."""
    path = Path(path)
    if path.is_dir():
        return Hierarchy.open(path)
    if not path.is_file():
        raise InputError(str(path), "does not exist", "give a compiled folder, an OWL or SKOS file, or an edge list")
    from conceptx.ontology.compile import compile_graph

    if ending(path) in EDGE_ENDINGS:
        from conceptx.ontology.sources.edges import read_edges

        graph = read_edges(path)
    elif ending(path) in RDF_ENDINGS:
        from conceptx.ontology.sources.owl import read_rdf

        graph = read_rdf(path)
    else:
        known = ", ".join(dict.fromkeys((*RDF_ENDINGS, *EDGE_ENDINGS)))
        what = f"has the unknown ending '{ending(path) or path.name}'"
        raise InputError(str(path), what, f"give a compiled folder or a file that ends in one of {known}")
    compiled = compile_graph(graph, str(path))
    return Hierarchy(compiled.columns, compiled.removed)


def ending(path: Path) -> str:
    """Return the lower-case ending that tells the syntax, without that of a compression."""
    name = path.name.lower()
    for packed in PACKED_ENDINGS:
        name = name.removesuffix(packed)
    return Path(name).suffix
