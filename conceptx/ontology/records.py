"""What a source says about classes, before anything is compiled: names, edges, labels, synonyms, IRIs.

Every reader under `sources/` returns one `ClassGraph`; `compile_graph` turns it into the compiled form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.ontology.csr import Ints

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_IRI_BASE = "urn:conceptx:class:"
_LONGEST_NAME = 1 << 14

# Marks that turn the reading direction make two different names look alike; control characters break lines.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_IRI = re.compile(r'[\x00-\x20\x7f<>"{}|^`\\%/?#\[\]]')


def _no_ints() -> Ints:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class ClassGraph:
    """Classes by position in `names` (UTF-8, unique); all other arrays refer to these positions.

    `same` holds pairs of equivalent classes, shape (pairs, 2). `label_of[k]` is the class whose label is
    ``labels[k]``, likewise for synonyms and IRIs; a class without a label is called by its name.
    `merge_cycles`: classes that are subclasses of each other are equivalent (OWL) instead of wrongly filed (others).
    """

    names: pa.Array
    child: Ints
    parent: Ints
    label_of: Ints = field(default_factory=_no_ints)
    labels: Sequence[str] | pa.Array = ()
    synonym_of: Ints = field(default_factory=_no_ints)
    synonyms: Sequence[str] | pa.Array = ()
    iri_of: Ints = field(default_factory=_no_ints)
    iris: Sequence[str] | pa.Array = ()
    same: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    merge_cycles: bool = False
    iri_base: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def graph_of_edges(
    where: str,
    edges: Iterable[tuple[str, str]],
    labels: Mapping[str, str] | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    classes: Iterable[str] = (),
) -> ClassGraph:
    """Return the graph of (child, parent) pairs of names, and of `classes` that no edge mentions."""
    import pyarrow as pa

    number: dict[str, int] = {}
    child: list[int] = []
    parent: list[int] = []
    for a, b in edges:
        child.append(number.setdefault(a, len(number)))
        parent.append(number.setdefault(b, len(number)))
    for name in classes:
        number.setdefault(name, len(number))
    for name in (*(labels or ()), *(synonyms or ())):
        number.setdefault(name, len(number))
    for name in number:
        check_name(where, name)
    pairs = [(number[name], text) for name, texts in (synonyms or {}).items() for text in texts]
    return ClassGraph(
        names=pa.array([name.encode("utf-8") for name in number], pa.large_binary()),
        child=np.array(child, np.int32),
        parent=np.array(parent, np.int32),
        label_of=np.array([number[name] for name in labels or ()], np.int32),
        labels=[clean_text(text) for text in (labels or {}).values()],
        synonym_of=np.array([owner for owner, _ in pairs], np.int32),
        synonyms=[clean_text(text) for _, text in pairs],
    )


def name_fault(name: str) -> str:
    """Return what makes `name` unfit as a class name, or an empty string."""
    if not name.strip():
        return "is empty"
    if len(name) > _LONGEST_NAME:
        return f"has {len(name):,} characters; {_LONGEST_NAME:,} are allowed"
    direction, control = _DIRECTION.search(name), _CONTROL.search(name)
    if direction:
        return f"holds a mark that turns the reading direction (U+{ord(direction[0]):04X})"
    if control:
        return f"holds a control character (U+{ord(control[0]):04X})"
    return ""


def check_name(where: str, name: str) -> None:
    """Refuse a class name that would break lines, tables or a reader's eye."""
    if name.isascii() and name.isprintable() and 0 < len(name) <= _LONGEST_NAME and name != " " * len(name):
        return
    fault = name_fault(name)
    if fault:
        shown = ascii(name if len(name) <= 60 else name[:60] + "…")
        raise InputError(where, f"the class name {shown} {fault}", "rename the class")


def clean_text(text: str) -> str:
    """Return a label on one line: white space and control characters become single spaces, direction marks go."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text or text[:1] == " " or text[-1:] == " " else text
    kept = _DIRECTION.sub("", _CONTROL.sub(" ", unicodedata.normalize("NFC", text)))
    return " ".join(kept.split())


def iri_tail(name: str) -> str:
    """Return the name as the last part of an IRI: only what an IRI cannot hold there is percent-encoded."""
    return _NOT_IN_IRI.sub(lambda found: quote(found[0], safe=""), name)
