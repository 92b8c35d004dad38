"""XML of one image, read without document types, entities or anything from outside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from conceptx.errors import InputError
from conceptx.images.formats.reading import MAX_TEXT

_MAX_DEPTH = 50


def read_xml(path: Path) -> ElementTree.Element:
    """Return the top element of a small XML file; a document type (and so any entity of its own) is refused."""
    try:
        if path.stat().st_size > MAX_TEXT:
            raise InputError(str(path), f"the file has more than {MAX_TEXT:,} bytes", "give a file of this format")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "make it readable") from error
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            what = f"elements are nested more than {_MAX_DEPTH} deep"
            raise InputError(f"{path}:{parser.CurrentLineNumber}", what, "write the file again")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: Any) -> NoReturn:
        where = f"{path}:{parser.CurrentLineNumber}"
        raise InputError(where, "the file declares a document type", "remove the DOCTYPE; annotations need none")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        what = f"this is no valid XML ({expat.errors.messages.get(error.code, 'malformed')})"
        raise InputError(f"{path}:{error.lineno}", what, "write the file again") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), f"this is no valid XML ({error})", "save it as UTF-8") from error


def text_of(element: ElementTree.Element, name: str) -> str:
    """Return the text in a child element, or an empty text where there is no such child."""
    found = element.find(name)
    return (found.text or "").strip() if found is not None else ""


def number_of(where: str, element: ElementTree.Element, name: str) -> float:
    """Return the finite number in a child element."""
    text = text_of(element, name)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:
        raise InputError(where, f"{name} is {text!r}"[:120], "write a number")
    return value
