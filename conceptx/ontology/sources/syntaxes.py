"""OWL documents that are no RDF: functional and Manchester syntax, told from their first words."""

from __future__ import annotations

import re
from pathlib import Path

from conceptx.errors import InputError
from conceptx.ontology.sources.streams import content
from conceptx.ontology.sources.structure import Put

_FUNCTIONAL = re.compile(rb"(?:\s|#[^\n]*\n)*(?:Prefix|Ontology)\s*\(")
_MANCHESTER = re.compile(
    rb"(?:\s|#[^\n]*\n)*(?:Prefix:\s*[\w.\-]*:\s|(?:Ontology|Class|Individual|ObjectProperty|DataProperty):\s)"
)


def is_document(start: bytes) -> bool:
    """Return whether a file that begins like this is in functional or in Manchester syntax."""
    return bool(_FUNCTIONAL.match(start) or _MANCHESTER.match(start))


def read_document(path: Path, put: Put) -> dict[str, str]:
    """Put every statement of a document in functional or Manchester syntax, and return its prefixes."""
    data = content(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}", "is not UTF-8", "convert the file to UTF-8") from error
    if _FUNCTIONAL.match(data.removeprefix(b"\xef\xbb\xbf")):
        from conceptx.ontology.sources.functional import read_functional

        return read_functional(text, str(path), put)
    from conceptx.ontology.sources.manchester import read_manchester

    return read_manchester(text, str(path), put)
