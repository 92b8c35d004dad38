"""Label → class as a record, and as a SSSOM table (https://w3id.org/sssom) that a person can edit.

`write_sssom` and `read_sssom` are what callers need. The doubtful rows stand first. A person decides a row by changing
`object_id` or `predicate_id` (`sssom:NoTermFound` leaves the label without a class), or agrees with it by writing
`semapv:ManualMappingCuration` as its justification; such rows are kept when the labels are mapped again.
"""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from conceptx import __version__
from conceptx.annotation.iris import escape, namespace, unescape
from conceptx.errors import InputError, did_you_mean
from conceptx.files import digest_bytes, write_text

EXACT, CLOSE, BROAD = "skos:exactMatch", "skos:closeMatch", "skos:broadMatch"
PREDICATES = (EXACT, CLOSE, BROAD)
LEXICAL = "semapv:LexicalMatching"
SIMILAR = "semapv:LexicalSimilarityThresholdMatching"
SEMANTIC = "semapv:SemanticSimilarityThresholdMatching"
COMPOSITE = "semapv:CompositeMatching"
MANUAL = "semapv:ManualMappingCuration"
NO_TERM = "sssom:NoTermFound"
NO_LICENSE = "https://w3id.org/sssom/license/unspecified"
SURE = 0.9

_COLUMNS = (
    "subject_id",
    "subject_label",
    "predicate_id",
    "object_id",
    "object_label",
    "mapping_justification",
    "author_label",
    "mapping_tool",
    "mapping_tool_version",
    "confidence",
    "other",
    "comment",
)
_LONGEST_LABEL = 100_000
_LONGEST_ID = 120


@dataclass(frozen=True, slots=True)
class Row:
    """What one label means: a class or none, how that was found, and which other classes it could mean."""

    label: str
    class_name: str | None
    predicate: str = EXACT
    confidence: float = 1.0
    justification: str = LEXICAL
    author: str = ""
    comment: str = ""
    alternatives: tuple[str, ...] = ()

    @property
    def reviewed(self) -> bool:
        """Whether a person decided this row."""
        return self.justification == MANUAL

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at this row."""
        unsure = self.class_name is None or bool(self.alternatives) or self.confidence < SURE
        return not self.reviewed and (unsure or self.justification == SEMANTIC)


@dataclass(frozen=True)
class Mapping:
    """One row for each label, the doubtful rows first, then by label.

    `source` names the mapping in messages; `iri_base` and an escaped class name make the IRI of a class.
    """

    rows: tuple[Row, ...]
    source: str = "mapping"
    iri_base: str = namespace("class")

    def __post_init__(self) -> None:
        rows = tuple(sorted(self.rows, key=lambda row: (not row.doubtful, row.label)))
        object.__setattr__(self, "rows", rows)
        if len(self._row_of) != len(rows):
            raise ValueError("a label has two rows")

    @cached_property
    def _row_of(self) -> dict[str, Row]:
        return {row.label: row for row in self.rows}

    def row(self, label: str) -> Row | None:
        """Return the row of a label, or None where the mapping does not know the label."""
        return self._row_of.get(label)

    def class_of(self, label: str) -> str | None:
        """Return the name of the class that a label means, or None."""
        row = self._row_of.get(label)
        return None if row is None else row.class_name

    @property
    def doubtful(self) -> tuple[Row, ...]:
        """The rows that a person should look at."""
        return tuple(row for row in self.rows if row.doubtful)


def write_sssom(path: Path, mapping: Mapping, license: str = NO_LICENSE) -> None:
    """Write a mapping as a SSSOM table with its metadata; equal mappings give equal bytes."""
    path = Path(path)
    for row in mapping.rows:
        if len(row.label) > _LONGEST_LABEL or not _is_text(row.label):
            what = f"the label {row.label[:40]!r} … cannot be written ({len(row.label)} characters)"
            raise InputError(str(path), what, f"use labels of up to {_LONGEST_LABEL} whole characters")
    labels = "\n".join(sorted(row.label for row in mapping.rows))
    identity = uuid.uuid5(uuid.NAMESPACE_URL, namespace("label") + labels)
    metadata = [
        "#curie_map:",
        f"#  class: {json.dumps(mapping.iri_base)}",
        f"#  label: {json.dumps(namespace('label'))}",
        f"#mapping_set_id: https://w3id.org/sssom/mappings/{identity}",
        "#mapping_set_title: What the annotators' labels mean, as classes of the hierarchy",
        f"#license: {json.dumps(license)}",
    ]
    table = ["\t".join(map(_quoted, cells)) for cells in (_COLUMNS, *map(_cells, mapping.rows))]
    write_text(path, "\n".join([*metadata, *table]) + "\n")


def read_sssom(path: Path) -> Mapping:
    """Read a mapping from a SSSOM table; a row that a person changed counts as decided by a person."""
    path = Path(path)
    metadata, table, first_line = _parts(path)
    rows: dict[str, Row] = {}
    for line, cells in _records(path, table, first_line):
        where = f"{path}:{line}"
        row = _row(where, cells)
        if row.label in rows:
            raise InputError(where, f"label {_short(row.label)} has a second row", "keep one row for each label")
        rows[row.label] = row
    base = re.search(r'^#\s*class:\s*["\']?([^"\'\s]+)["\']?\s*$', metadata, re.MULTILINE)
    return Mapping(tuple(rows.values()), str(path), base[1] if base else namespace("class"))


def _cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row, in the order of the columns."""
    tool = ("", "") if row.reviewed else ("conceptx", __version__)
    notes = [] if row.reviewed else [f"suggested={row.predicate} {_object_id(row.class_name)}"]
    if row.alternatives:
        notes.append("alternatives=" + " ".join(_object_id(name) for name in row.alternatives))
    subject = escape(row.label)
    if len(subject) > _LONGEST_ID:
        subject = re.sub("%.?$", "", subject[: _LONGEST_ID // 2]) + "~" + digest_bytes(row.label.encode())[:16]
    return (
        f"label:{subject}",
        row.label,
        row.predicate,
        _object_id(row.class_name),
        row.class_name or "",
        row.justification,
        row.author,
        *tool,
        f"{row.confidence:.3f}".rstrip("0").rstrip("."),
        "|".join(notes),
        row.comment,
    )


def _row(where: str, cells: dict[str, str]) -> Row:
    """Return the row that the cells say, with a person's edits marked as such."""
    label = cells.get("subject_label") or unescape(cells.get("subject_id", "").removeprefix("label:"))
    if not label:
        raise InputError(where, "the row has no label", "write it in subject_label, or remove the row")
    predicate, object_id = cells["predicate_id"].strip() or EXACT, cells["object_id"].strip()
    if predicate not in PREDICATES:
        mend = did_you_mean(predicate, PREDICATES) or f"use one of {', '.join(PREDICATES)}"
        raise InputError(where, f"{predicate!r} is not a predicate of this table", mend)
    if not object_id:
        raise InputError(where, "object_id is empty", f"write class:NAME, or {NO_TERM} for a label without a class")
    class_name = None if object_id == NO_TERM else unescape(object_id.removeprefix("class:"))
    notes = dict(note.partition("=")[::2] for note in cells.get("other", "").split("|"))
    suggested = notes.get("suggested")
    justification = cells.get("mapping_justification", "").strip() or MANUAL
    written = cells.get("object_label", "")
    if suggested == f"{predicate} {object_id}":
        if written and written != class_name:
            what = f"object_label was changed to {_short(written)}, but object_id still says {object_id!r}"
            raise InputError(where, what, "object_id is what counts: write the class there as class:NAME")
    elif suggested is not None:
        justification = MANUAL
    alternatives = tuple(unescape(x.removeprefix("class:")) for x in notes.get("alternatives", "").split(" ") if x)
    return Row(
        label,
        class_name,
        predicate,
        _confidence(where, cells.get("confidence", "").strip()),
        justification,
        cells.get("author_label", "") or cells.get("author_id", ""),
        cells.get("comment", ""),
        alternatives,
    )


def _confidence(where: str, text: str) -> float:
    """Return the confidence that a cell says; an empty cell means 1, as the standard says."""
    try:
        value = float(text or "1")
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise InputError(where, f"the confidence {text!r} is not a number from 0 to 1", "mend it, or leave it empty")
    return value


def _parts(path: Path) -> tuple[str, str, int]:
    """Return the metadata block, the table below it, and the line that the table begins in."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(str(path), f"the file cannot be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}", "the text is not UTF-8", "save the file as UTF-8") from error
    block = re.match(r"(?:#[^\n]*(?:\n|\Z))*", text)
    end = block.end() if block else 0
    return text[:end], text[end:], text.count("\n", 0, end) + 1


def _records(path: Path, table: str, first_line: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) of the rows of the table."""
    reader = csv.reader(io.StringIO(table, newline=""), delimiter="\t", strict=True)
    columns: list[str] = []
    line = first_line
    try:
        for cells in reader:
            if not columns:
                columns = _columns_of(f"{path}:{line}", cells)
            elif any(cells):
                if len(cells) > len(columns) and any(cells[len(columns) :]):
                    what = f"the row has {len(cells)} cells, not {len(columns)}"
                    raise InputError(f"{path}:{line}", what, "put values with tabs or line breaks in double quotes")
                # Spreadsheets leave out empty cells at the end of a row.
                yield line, dict(zip(columns, [*cells, *[""] * len(columns)], strict=False))
            line = first_line + reader.line_num
    except csv.Error as error:
        raise InputError(f"{path}:{line}", f"the row cannot be read ({error})", "mend the double quotes") from error
    if not columns:
        raise InputError(str(path), "the table is missing", f"begin it with the columns {', '.join(_COLUMNS[:6])}")


def _columns_of(where: str, cells: Sequence[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    for name in ("subject_label", "predicate_id", "object_id"):
        if name not in columns and not (name == "subject_label" and "subject_id" in columns):
            hint = did_you_mean(name, columns)
            what = f"the column {name!r} is missing" + (f" ({hint})" if hint else "")
            raise InputError(where, what, f"name the columns {', '.join(_COLUMNS[:6])}, separated by tabs")
    if len(set(columns)) != len(columns):
        raise InputError(where, "a column appears twice", "keep one column of each name")
    return columns


def _quoted(cell: str) -> str:
    """Return the cell in double quotes where it needs them (RFC 4180, with tabs in place of commas)."""
    return '"' + cell.replace('"', '""') + '"' if re.search(r'[\t\n\r"]', cell) else cell


def _object_id(class_name: str | None) -> str:
    return NO_TERM if class_name is None else f"class:{escape(class_name)}"


def _is_text(label: str) -> bool:
    """Whether the label has no half of a surrogate pair, which no file can hold as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in label)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
