"""The statements of an RDF file, one by one, whatever its syntax; nothing is fetched from anywhere.

`statements(path, emit)` calls ``emit(subject, predicate, object, language)`` for every triple; `language` is None
for IRIs and blank nodes (which begin with ``_:``), "" for plain literals. The syntax is told from the content:
RDF/XML (parsed by owlready2), OWL/XML, OWL's functional and Manchester syntax, N-Triples and N-Quads (by line, at any
size), owlready2 quadstores (SQLite), and what rdflib reads (Turtle, N3, TriG, TriX, JSON-LD). The return value
holds the declared prefixes.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conceptx.errors import InputError
from conceptx.ontology.sources.streams import buffered, content
from conceptx.ontology.sources.structure import Put, Term
from conceptx.ontology.sources.syntaxes import is_document, read_document

Emit = Callable[[str, str, str, str | None], None]

BASE = "http://conceptx.invalid/document"
"""What relative IRIs are relative to in files that declare no base."""
_HEAD = 1 << 16
_MAX_ENTITIES, _MAX_ENTITY = 256, 300
_BLOCK = 1 << 22
_ABBREVIATION = re.compile(
    rb"""\s(?:rdf:type|(?!xml|rdf:)[A-Za-z_][\w.\-]*:[A-Za-z_][\w.\-]*)\s*=\s*["']|parseType\s*=\s*["']Resource"""
)
_MAX_LINE = 1 << 24

_TERM = rb"(?:<([^<>\"{}|^`\\\x00-\x20]*(?:\\[uU][0-9A-Fa-f]+[^<>\"{}|^`\\\x00-\x20]*)*)>|(_:[^\s<>\"]+))"
_TRIPLE = re.compile(
    rb"^[ \t]*" + _TERM + rb"[ \t]*<([^<>\s]*)>[ \t]*"
    rb"(?:" + _TERM + rb'|"([^"\\\n\r]*(?:\\.[^"\\\n\r]*)*)"(?:@([A-Za-z0-9-]+)|\^\^<[^<>\s]*>)?)'
    rb"[ \t]*(?:<[^<>\s]*>|_:[^\s<>\"]+)?[ \t]*\.[ \t]*(?:#[^\n]*)?\r?$",
    re.MULTILINE,
)
_BLANK = re.compile(rb"^[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_SHORT = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


def statements(path: Path, emit: Emit) -> dict[str, str]:
    """Call `emit` for every statement of the file and return its prefixes (name → namespace)."""
    with buffered(path) as stream:
        head = stream.peek(_HEAD)[:_HEAD]
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"SQLite format 3\x00"):
        return _quadstore(path, emit)
    if not start:
        raise InputError(str(path), "is empty", "give a file with statements")
    if is_document(start):
        return _document(path, emit)
    if is_xml(start):
        return _xml(path, emit)
    if start.startswith((b"{", b"[")) and path.name.lower().removesuffix(".gz").endswith(("json", "jsonld")):
        return _json_ld(path, emit)
    syntax = _rdflib_syntax(path, start)
    if syntax in ("nt", "nquads") or _looks_like_lines(start, complete=len(head) < _HEAD):
        _lines(path, emit)
        return {}
    return _rdflib(path, emit, syntax)


def is_xml(start: bytes) -> bool:
    """Return whether a file that begins like this is XML; N-Triples begin with < too."""
    return bool(re.match(rb"<(?:\?xml|!DOCTYPE|!--|[A-Za-z]+:RDF\b|RDF\b|Ontology\b|TriX\b)", start))


def _document(path: Path, emit: Emit) -> dict[str, str]:
    return read_document(path, _put(emit))


def _put(emit: Emit) -> Put:
    """Return what hands on the statements of a reader that keeps datatypes."""

    def put(subject: str, predicate: str, target: Term) -> None:
        if isinstance(target, str):
            emit(subject, predicate, target, None)
        else:
            emit(subject, predicate, target.text, target.language)

    return put


def _looks_like_lines(start: bytes, complete: bool) -> bool:
    """Return whether the first lines are all N-Triples or N-Quads, whatever the file's ending says."""
    lines = start.split(b"\n")
    if not complete and len(lines) > 1:
        lines.pop()
    return all(_TRIPLE.match(line) or _BLANK.fullmatch(line) for line in lines)


def _lines(path: Path, emit: Emit) -> None:
    """Emit N-Triples or N-Quads block by block, so that memory does not grow with the file."""
    number = 0
    with buffered(path) as stream:
        rest = b""
        while True:
            data = stream.read(_BLOCK)
            block = rest + data
            if data:
                cut = block.rfind(b"\n") + 1
                block, rest = block[:cut], block[cut:]
                if len(rest) > _MAX_LINE:
                    what = f"has a line of more than {_MAX_LINE >> 20} MB"
                    raise InputError(f"{path}:{number + 1}", what, "give N-Triples: one statement a line")
            else:
                rest = b""
            number += _block_of_lines(path, number, block, emit)
            if not data:
                return


def _block_of_lines(path: Path, number: int, block: bytes, emit: Emit) -> int:
    lines = block.split(b"\n")
    iris: dict[bytes, str] = {}  # most IRIs of a block occur in it several times

    def known(term: bytes) -> str:
        found = iris.get(term)
        if found is None:
            found = iris[term] = term[1:-1].decode("utf-8")
        return found

    for offset, line in enumerate(lines):
        parts = line.split(b" ")
        if len(parts) == 4 and parts[3] == b"." and b"\\" not in line and all(map(_is_iri, parts[:3])):
            try:
                emit(known(parts[0]), known(parts[1]), known(parts[2]), None)
            except UnicodeDecodeError as error:
                raise _line_fault(path, number + offset + 1, line) from error
            continue
        found = _TRIPLE.match(line)
        if found is None:
            if _BLANK.fullmatch(line):
                continue
            raise _line_fault(path, number + offset + 1, line)
        own, blank, link, target, target_blank, text, language = found.groups()
        try:
            subject = _iri(own) if own is not None else blank.decode("ascii", "replace")
            if text is not None:
                emit(subject, _iri(link), _unescaped(text.decode("utf-8")), (language or b"").decode("ascii"))
            else:
                emit(subject, _iri(link), _iri(target) if target is not None else target_blank.decode(), None)
        except UnicodeDecodeError as error:
            raise _line_fault(path, number + offset + 1, line) from error
    return len(lines) - 1


def _is_iri(term: bytes) -> bool:
    return term[:1] == b"<" and term[-1:] == b">"


def _line_fault(path: Path, number: int, line: bytes) -> InputError:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return InputError(f"{path}:{number}", "is not UTF-8", "convert the file to UTF-8")
    shown = ascii(line[:60].decode("utf-8", "replace"))
    return InputError(f"{path}:{number}", f"is no N-Triples statement: {shown}", "mend or remove the line")


def _iri(text: bytes) -> str:
    decoded = text.decode("utf-8")
    return _unescaped(decoded) if "\\" in decoded else decoded


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code is None:
        return _SHORT.get(found[3], found[3])
    point = int(code, 16)
    return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else "\ufffd"


def _is_abbreviated(path: Path) -> bool:
    """Return whether an RDF/XML file has facts in attributes, which owlready2's parser passes over."""
    rest = b""
    with buffered(path) as stream:
        while data := stream.read(_BLOCK):
            if _ABBREVIATION.search(rest + data):
                return True
            rest = data[-256:]
    return False


def _xml(path: Path, emit: Emit) -> dict[str, str]:
    from owlready2 import rdfxml_2_ntriples

    prefixes, root = prolog(path)
    if root == "Ontology":
        from conceptx.ontology.sources.owlxml import read_owlxml

        return {**prefixes, **read_owlxml(path, _put(emit), BASE)}
    if root.endswith("TriX") or (root.endswith("RDF") and _is_abbreviated(path)):
        _rdflib(path, emit, "trix" if root.endswith("TriX") else "xml")
        return prefixes

    def link(subject: str, predicate: str, target: str) -> None:
        emit(subject, predicate, target, None)

    def literal(subject: str, predicate: str, text: Any, datatype: str) -> None:
        emit(subject, predicate, str(text), datatype[1:] if datatype.startswith("@") else "")

    try:
        with buffered(path) as stream:
            if root.endswith("RDF"):
                rdfxml_2_ntriples.parse(stream, link, literal, lambda *_: None, None, BASE)
            else:
                what = f"is XML with the root element '{root}', not an ontology"
                raise InputError(str(path), what, "give RDF/XML, OWL/XML or another RDF syntax")
    except InputError:
        raise
    except Exception as error:  # the parser's own exceptions have no common base below Exception
        raise InputError(str(path), f"cannot be parsed as XML ({_first_line(error)})", "mend the file") from error
    return prefixes


def prolog(path: Path) -> tuple[dict[str, str], str]:
    """Return the namespace prefixes and the root element; refuse entities that could expand or reach outside.

    Only the part before the first element is read, so a hostile declaration is refused before anything expands it.
    Abbreviations of namespaces, as ontology editors write them, are short and refer to nothing: they may stay.
    """
    from xml.parsers import expat

    prefixes: dict[str, str] = {}
    root: list[str] = []
    count = 0
    parser = expat.ParserCreate()

    def entity(
        name: str, is_parameter: int, value: str | None, base: str | None, system: str | None, *_: object
    ) -> None:
        nonlocal count
        count += 1
        harmful = is_parameter or value is None or system or len(value) > _MAX_ENTITY or set(value) & set("&%<")
        if harmful or count > _MAX_ENTITIES:
            what = f"declares the XML entity '{name}', which can expand without bound or reach outside the file"
            raise InputError(str(path), what, "remove the entity; only short namespace abbreviations are allowed")

    def element(name: str, attributes: dict[str, str]) -> None:
        if not root:
            root.append(name)
            prefixes.update({k.partition(":")[2]: v for k, v in attributes.items() if k.startswith("xmlns")})

    parser.EntityDeclHandler = entity
    parser.StartElementHandler = element
    with buffered(path) as stream:
        try:
            while not root and (data := stream.read(4096)):
                parser.Parse(data, False)
        except expat.ExpatError as error:
            if not root:
                raise InputError(str(path), f"cannot be parsed as XML ({error})", "mend the file") from error
        except LookupError as error:
            raise InputError(str(path), f"cannot be decoded ({error})", "save it as UTF-8") from error
    if not root:
        raise InputError(str(path), "is XML without any element", "give a complete file")
    return prefixes, root[0].rpartition(":")[2]


def _json_ld(path: Path, emit: Emit) -> dict[str, str]:
    try:
        document = json.loads(content(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), f"cannot be parsed as JSON ({_first_line(error)})", "mend the file") from error
    if _remote_context(document):
        what = "refers to a context or an import on the network, which is never fetched"
        raise InputError(str(path), what, "write the @context into the file")
    return _rdflib(path, emit, "json-ld")


def _remote_context(value: Any) -> bool:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            given = current.get("@context", ())
            if "@import" in current or any(isinstance(c, str) for c in (given if isinstance(given, list) else [given])):
                return True
            waiting += current.values()
        elif isinstance(current, list):
            waiting += current
    return False


def _rdflib_syntax(path: Path, start: bytes) -> str:
    endings = {".trig": "trig", ".n3": "n3", ".nq": "nquads", ".nt": "nt"}
    for ending, syntax in endings.items():
        if ending in path.suffixes:
            return syntax
    if path.suffix in (".owl", ".rdf", ".xml", ".owx") and not re.match(rb"(?i)@?(prefix|base)\b|[<#\[]", start):
        shown = ascii(start[:40].decode("utf-8", "replace"))
        raise InputError(str(path), f"has no ontology syntax; it begins {shown}", "save it as RDF/XML or Turtle")
    return "turtle"


def _rdflib(path: Path, emit: Emit, syntax: str) -> dict[str, str]:
    from rdflib import Dataset, Graph, Literal, Namespace
    from rdflib.plugins.stores.memory import Memory

    def spoken(term: Any) -> str:
        return f"_:{term}" if type(term).__name__ == "BNode" else str(term)

    class Passing(Memory):
        """Hands statements on instead of keeping them."""

        def add(self, triple: Any, context: Any = None, quoted: bool = False) -> None:
            s, p, o = triple
            emit(spoken(s), str(p), spoken(o), (o.language or "") if isinstance(o, Literal) else None)

    logging.getLogger("rdflib").addHandler(logging.NullHandler())  # what it says of odd IRIs would go to stderr
    passing = Passing()
    graph = Dataset(store=passing) if syntax in ("trig", "trix", "nquads", "json-ld") else Graph(store=passing)
    try:
        with literals_as_written():
            graph.parse(data=content(path), format=syntax, publicID=BASE)
    except InputError:
        raise
    except RecursionError as error:
        what = f"is nested too deep to be parsed as {syntax}"
        raise InputError(str(path), what, "save it as N-Triples, which has no nesting") from error
    except Exception as error:  # every rdflib parser raises its own kind
        if "integer string conversion" in str(error):
            what = "holds a number of more than 4,300 digits"
            raise InputError(str(path), what, "mend the file") from error
        what = f"cannot be parsed as {syntax} ({_first_line(error)})"
        raise InputError(str(path), what, "mend the file, or save it in another RDF syntax") from error
    return {prefix: str(Namespace(namespace)) for prefix, namespace in graph.namespaces()}


@contextmanager
def literals_as_written() -> Iterator[None]:
    """Let rdflib keep literals as they are written: ``1E1000000000`` has a billion digits where it writes it out.

    Its parsers use names that it deprecates, of which nothing is said.
    """
    import rdflib

    before = rdflib.NORMALIZE_LITERALS
    rdflib.NORMALIZE_LITERALS = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        rdflib.NORMALIZE_LITERALS = before


def _quadstore(path: Path, emit: Emit) -> dict[str, str]:
    """Emit the statements of an owlready2 quadstore, opened read-only."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            iri = dict(connection.execute("SELECT storid, iri FROM resources"))

            def term(number: int) -> str:
                return str(iri[number]) if number > 0 else f"_:{-number}"

            for s, p, o in connection.execute("SELECT s, p, o FROM objs"):
                emit(term(s), term(p), term(o), None)
            for s, p, o, d in connection.execute("SELECT s, p, o, d FROM datas"):
                emit(term(s), term(p), str(o), d[1:] if isinstance(d, str) and d.startswith("@") else "")
        finally:
            connection.close()
    except (sqlite3.Error, KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        what = f"is an SQLite file, but no owlready2 quadstore ({_first_line(error)})"
        raise InputError(str(path), what, "give a quadstore that owlready2 wrote") from error
    return {}


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
