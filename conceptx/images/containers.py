"""Pictures as an image set's table names them: a file, or ``FILE#PLACE`` for one inside a larger file.

`read_stored` reads either.
`FILE.bin#OFFSET` is a CIFAR picture (three planes of 32 × 32 bytes from this byte on); `FILE.arrow#ROW` and
`FILE.parquet#ROW` are encoded pictures in a column of a Hugging Face data set. Nothing is unpacked onto the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from conceptx.images.pictures import (
    MAX_BYTES,
    BadImage,
    MissingImage,
    Pixels,
    decode,
    inside,
    named,
    read_bytes,
    read_picture,
)
from conceptx.tables.artefacts import first_line

SIDE = 32
"""The width and height of a CIFAR picture."""

PICTURE_BYTES = 3 * SIDE * SIDE

_PLACE = re.compile(r"(?P<file>.+\.(?P<kind>bin|arrow|parquet))#(?P<place>\d{1,15})\Z", re.DOTALL)


def is_contained(path: str) -> bool:
    """Tell whether a path names a place inside a larger file."""
    return _PLACE.match(path) is not None


def read_stored(root: Path, path: str) -> Pixels:
    """Return the picture that a table names: a file below `root`, or ``FILE#PLACE`` for one inside a larger file."""
    return read_contained(root, path) if is_contained(path) else read_picture(inside(root, path))


def read_contained(root: Path, path: str) -> Pixels:
    """Return the picture at ``FILE#PLACE`` below `root`."""
    found = _PLACE.match(path)
    if found is None:
        raise BadImage(path, "this names no place in a file", "write FILE#PLACE")
    file, place = inside(root, found["file"]), int(found["place"])
    where = f"{file}#{place}"
    if found["kind"] == "bin":
        return _planes(file, place, where)
    try:
        return decode(_content(root, encoded(file, place)))
    except Exception as error:
        raise named(where, error) from error


def contained_bytes(root: Path, path: str) -> bytes:
    """Return the encoded picture at ``FILE#ROW`` of an Arrow or Parquet file below `root`."""
    file, _, row = path.rpartition("#")
    return _content(root, encoded(inside(root, file), int(row)))


def _content(root: Path, found: bytes | Path) -> bytes:
    return read_bytes(inside(root, str(found))) if isinstance(found, Path) else found


def encoded(file: Path, row: int) -> bytes | Path:
    """Return the encoded picture in a row of an Arrow or Parquet file, or the path that stands in its place."""
    where = f"{file}#{row}"
    try:
        status = file.stat()
        column, first = _block(file, status.st_mtime_ns, row)
        value: Any = column[row - first].as_py()
    except BadImage:
        raise
    except FileNotFoundError:
        raise MissingImage(str(file), "there is no such file", "add it, or remove its pictures from the list") from None
    except (OSError, pa.ArrowException, IndexError, UnicodeError) as error:
        raise BadImage(where, f"the row cannot be read ({first_line(error)})", "write the data set again") from error
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if isinstance(data, bytes):
        if len(data) > MAX_BYTES:
            raise BadImage(where, f"the picture has {len(data):,} bytes", f"reduce it to {MAX_BYTES:,} or fewer")
        return data
    if isinstance(path, str) and path:
        return Path(path)
    raise BadImage(where, "there is no picture in this row", "remove the row")


def open_arrow(file: Path) -> pa.Table:
    """Return the table of an Arrow file (stream or file form), memory-mapped and checked as untrusted data must be."""
    source = pa.memory_map(str(file))
    try:
        table = pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        source.seek(0)
        table = pa.ipc.open_file(source).read_all()
    table.validate(full=True)
    return table


def picture_column(schema: pa.Schema) -> str | None:
    """Return the first column of encoded pictures: binary, or a struct with the field `bytes`."""
    for field in schema:
        kind = field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return str(field.name)
    return None


def _block(file: Path, changed: int, row: int) -> tuple[pa.ChunkedArray, int]:
    """Return the stretch of the picture column that holds a row, and the number of its first row."""
    if file.suffix == ".arrow":
        return _arrow_column(file, changed), 0
    starts = _parquet_starts(file, changed)
    group = int(np.searchsorted(starts, row, side="right")) - 1
    if group >= len(starts) - 1:
        raise IndexError(f"it has {starts[-1]} rows")
    return _parquet_group(file, changed, group), int(starts[group])


@lru_cache(maxsize=64)
def _arrow_column(file: Path, changed: int) -> pa.ChunkedArray:
    table = open_arrow(file)
    return _pictures(file, table.schema, table.column)


@lru_cache(maxsize=64)
def _parquet_starts(file: Path, changed: int) -> np.ndarray:
    meta = pq.read_metadata(file)
    return np.cumsum([0, *(meta.row_group(g).num_rows for g in range(meta.num_row_groups))])


@lru_cache(maxsize=4)
def _parquet_group(file: Path, changed: int, group: int) -> pa.ChunkedArray:
    opened = pq.ParquetFile(file)

    def column(name: str) -> pa.ChunkedArray:
        return opened.read_row_group(group, columns=[name]).column(0)

    return _pictures(file, opened.schema_arrow, column)


def _pictures(file: Path, schema: pa.Schema, column: Callable[[str], pa.ChunkedArray]) -> pa.ChunkedArray:
    name = picture_column(schema)
    if name is None:
        raise BadImage(str(file), "no column holds pictures", "give a data set with an image column")
    return column(name)


def _planes(file: Path, offset: int, where: str) -> Pixels:
    try:
        with file.open("rb") as handle:
            handle.seek(offset)
            data = handle.read(PICTURE_BYTES)
    except FileNotFoundError:
        raise MissingImage(str(file), "there is no such file", "add it, or remove its pictures from the list") from None
    except OSError as error:
        what = f"the file cannot be read ({error.strerror or error})"
        raise BadImage(str(file), what, "make it readable") from error
    if len(data) < PICTURE_BYTES:
        raise BadImage(where, f"the file ends after {len(data)} of {PICTURE_BYTES} bytes", "download it again")
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(3, SIDE, SIDE).transpose(1, 2, 0))
