"""Edge lists: one (child, parent) pair a row, as TSV, CSV or Parquet, with or without a header of column names.

The columns are found by their names (`child`, `parent`; also `subclass`, `superclass`, `source`, `target`), else the
first two are taken in that order. Files of millions of rows are read column by column, not row by row.
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from conceptx.errors import InputError
from conceptx.ontology.records import ClassGraph, check_name
from conceptx.ontology.sources.streams import buffered

if TYPE_CHECKING:
    import pyarrow as pa

_CHILD = ("child", "subclass", "source", "sub", "narrower")
_PARENT = ("parent", "superclass", "target", "super", "broader", "category")
_MAX_LINE = 1 << 20
_BLOCK = 1 << 24


def read_edges(path: Path) -> ClassGraph:
    """Read an edge list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _parquet(path) if ".parquet" in path.suffixes else _delimited(path)
    child, parent = (column.combine_chunks().cast(pa.large_string()) for column in table.columns)
    both = pa.concat_arrays([child, parent])
    if both.null_count or pc.any(pc.equal(both, "")).as_py():
        empty = pc.or_(pc.fill_null(pc.equal(child, ""), True), pc.fill_null(pc.equal(parent, ""), True))
        row = int(np.flatnonzero(empty.to_numpy(zero_copy_only=False))[0]) + 1
        raise InputError(f"{path}: row {row}", "lacks a child or a parent", "remove the row or fill in the name")
    coded = both.dictionary_encode()
    names = coded.dictionary
    odd = pc.match_substring_regex(names, r"[^\x21-\x7e]|^\s*$")
    for name in names.filter(pc.and_(odd, pc.invert(pc.match_substring_regex(names, r"^[\x20-\x7e]+$")))).to_pylist():
        check_name(str(path), name)
    numbers = coded.indices.to_numpy().astype(np.int32)
    return ClassGraph(
        names=names.cast(pa.large_binary()),
        child=numbers[: len(child)],
        parent=numbers[len(child) :],
        about={"source": "edges", "file": path.name},
    )


def _parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            columns = _columns(path, file.schema_arrow.names)
            table = file.read(columns=columns).select(columns)
        table.validate(full=True)
        for field in table.schema:
            if not _is_text(field.type):
                what = f"has the column '{field.name}' of type {field.type}, not text"
                raise InputError(str(path), what, "store the names as text")
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"cannot be read as Parquet ({str(error).splitlines()[0]})"
        raise InputError(str(path), what, "write it again, or give a TSV file") from error
    return table


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or (types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _delimited(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    comma = ".csv" in path.suffixes
    with buffered(path) as stream:
        head = stream.peek(_MAX_LINE)[:_MAX_LINE]
        first, newline, _ = head.partition(b"\n")
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(str(path), "is UTF-16 text", "save it as UTF-8")
        if not head:
            raise InputError(str(path), "is empty", "give one child and one parent a line")
        if not newline and len(head) >= _MAX_LINE:
            what = f"has a line of more than {_MAX_LINE >> 20} MB"
            raise InputError(f"{path}:1", what, "give one child and one parent a line")
        order = ("," if comma else "\t", "\t", ";", ",")
        able = [separator for separator in order if len(_cells(first, separator)) > 1]
        separator = next((s for s in able if len(_ends(_cells(first, s))) > 1), able[0] if able else None)
        if separator is None:
            what = f"has no {'comma' if comma else 'tab'} between child and parent"
            raise InputError(f"{path}:1", what, "give two columns")
        cells = _cells(first, separator)
        named = _ends(cells)
        names = cells if len(named) >= 2 else [str(i) for i in range(len(cells))]
        chosen = _columns(path, names)
        try:
            return arrow.read_csv(
                stream,
                read_options=arrow.ReadOptions(
                    column_names=names, skip_rows=1 if len(named) >= 2 else 0, block_size=_BLOCK
                ),
                parse_options=arrow.ParseOptions(
                    delimiter=separator, quote_char=False if separator == "\t" else '"', newlines_in_values=False
                ),
                convert_options=arrow.ConvertOptions(
                    include_columns=chosen,
                    column_types=dict.fromkeys(chosen, pa.large_string()),
                    strings_can_be_null=False,
                    check_utf8=True,
                ),
            )
        except pa.ArrowException as error:
            raise _fault(path, len(cells), separator, error) from error


def _fault(path: Path, n_columns: int, separator: str, error: Exception) -> InputError:
    """Return what is wrong with a table that the parser refused: the first line that is too long, odd or not UTF-8."""
    with buffered(path) as stream:
        for number in itertools.count(1):
            line = stream.readline(_BLOCK)
            if len(line) == _BLOCK:
                what = f"has a line of more than {_BLOCK >> 20} MB"
                return InputError(f"{path}:{number}", what, "give one child and one parent a line")
            if not line:
                break
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                return InputError(f"{path}:{number}", "is not UTF-8", "save the file as UTF-8")
            found = text.count("\t") + 1
            if separator != "\t":
                found = len(next(csv.reader([text], delimiter=separator), []))
            if text.strip("\r\n") and found != n_columns:
                counted = f"{found} column{'' if found == 1 else 's'}"
                return InputError(f"{path}:{number}", f"has {counted}, not {n_columns}", "mend the line")
    kind = "TSV" if separator == "\t" else "CSV"
    what = f"cannot be read as {kind} ({_plain(error)})"
    return InputError(str(path), what, "give one child and one parent a line, in UTF-8")


def _cells(line: bytes, separator: str) -> list[str]:
    text = line.decode("utf-8", "replace").rstrip("\r").removeprefix("\ufeff")
    return [cell.strip('"') for cell in text.split(separator)]


def _ends(cells: list[str]) -> set[str]:
    """Return the names of columns that a first line has for child and parent."""
    return {cell.lower() for cell in cells} & {*_CHILD, *_PARENT}


def _columns(path: Path, names: list[str]) -> list[str]:
    folded = {name.lower(): name for name in names}
    child = next((folded[c] for c in _CHILD if c in folded), None)
    parent = next((folded[p] for p in _PARENT if p in folded), None)
    if child is None or parent is None:
        if len(names) < 2:
            raise InputError(str(path), f"has the columns {', '.join(names)}", "give two columns, child and parent")
        child, parent = names[:2]
    return [child, parent]


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
