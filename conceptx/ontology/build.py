"""Compile a source into a folder: Wikipedia dumps, SKOS, OWL, WordNet, edge lists.

Each `build_…` reads its source, breaks cycles, writes the compiled form to `out` and returns it opened. What is read
is kept beside `out` until the build is done, so a killed build goes on where it was. A wrong input leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conceptx.errors import InputError
from conceptx.files import digest_file
from conceptx.ontology import store
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.ontology.records import ClassGraph
from conceptx.ontology.sources.wikipedia import WikipediaOptions, read_wikipedia
from conceptx.ontology.staging import Staging
from conceptx.progress import Progress, silent


def build_wikipedia(
    folder: Path, out: Path, options: WikipediaOptions | None = None, progress: Progress = silent
) -> Hierarchy:
    """Compile the category graph of the SQL dumps in `folder` (see `WikipediaOptions`)."""
    options = options or WikipediaOptions()
    with _staging(out) as staging:
        graph, root = read_wikipedia(Path(folder), staging, options, progress)
        return _finished(graph, Path(folder), out, root, options.max_depth, progress)


def build_skos(
    path: Path,
    out: Path,
    root: str | None = None,
    max_depth: int | None = None,
    language: str = "en",
    progress: Progress = silent,
) -> Hierarchy:
    """Compile the concepts of a SKOS file, such as DBpedia's `skos_categories`."""
    from conceptx.ontology.sources.skos import read_skos

    return _from_file(lambda p: read_skos(p, language), "skos", path, out, root, max_depth, language, progress)


def build_owl(
    path: Path,
    out: Path,
    root: str | None = None,
    max_depth: int | None = None,
    language: str = "en",
    progress: Progress = silent,
) -> Hierarchy:
    """Compile the named classes of an OWL or RDF Schema file in any RDF syntax."""
    from conceptx.ontology.sources.owl import read_owl

    return _from_file(lambda p: read_owl(p, language), "owl", path, out, root, max_depth, language, progress)


def build_wordnet(
    folder: Path, out: Path, root: str | None = None, max_depth: int | None = None, progress: Progress = silent
) -> Hierarchy:
    """Compile the nouns of a WordNet database (the folder with `data.noun`) or of a WN-LMF file."""
    from conceptx.ontology.sources.wordnet import find_nouns, read_wordnet

    return _from_file(read_wordnet, "wordnet", find_nouns(Path(folder)), out, root, max_depth, "en", progress)


def build_edges(
    path: Path, out: Path, root: str | None = None, max_depth: int | None = None, progress: Progress = silent
) -> Hierarchy:
    """Compile an edge list: child and parent, as TSV, CSV or Parquet."""
    from conceptx.ontology.sources.edges import read_edges

    return _from_file(read_edges, "edges", path, out, root, max_depth, "", progress)


def _from_file(
    read: Callable[[Path], ClassGraph],
    kind: str,
    path: Path,
    out: Path,
    root: str | None,
    max_depth: int | None,
    language: str,
    progress: Progress,
) -> Hierarchy:
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "is no file" if path.exists() else "does not exist", "give the file to compile")
    with _staging(out) as staging:
        made_from = {"digest": digest_file(path), "kind": kind, "name": path.name, "language": language}

        def make() -> ClassGraph:
            (graph,) = [read(path) for _ in progress(range(1), total=1, label=f"Reading {path.name}")]
            return graph

        return _finished(staging.graph(kind, made_from, make), path, out, root, max_depth, progress)


def _finished(
    graph: ClassGraph, source: Path, out: Path, root: str | None, max_depth: int | None, progress: Progress
) -> Hierarchy:
    from conceptx.ontology.compile import compile_graph

    for _ in progress(range(1), total=1, label="Compiling the hierarchy"):
        compiled = compile_graph(graph, str(source), root, max_depth)
        store.write_columns(out, compiled.columns, compiled.removed)
    return Hierarchy.open(out)


@contextmanager
def _staging(out: Path) -> Iterator[Staging]:
    """Keep finished parts in ``.NAME.staging`` beside `out` while the build runs, and after a kill."""
    out = Path(out)
    store.require_own(out)
    staging = Staging(out.parent / f".{out.name}.staging")
    try:
        yield staging
    except InputError:
        staging.clear()
        raise
    staging.clear()
