"""The tables that users bring: activations, labels and hypotheses as CSV, TSV, Parquet or NPZ.

Every message names the file and the line (the row number in Parquet).
"""

from __future__ import annotations

import csv
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from conceptx.errors import InputError, did_you_mean
from conceptx.tables.artefacts import SPLITS, first_line, open_parquet


@dataclass(frozen=True, slots=True)
class ActivationTable:
    """A user's activations: `values` is float32, units × images."""

    source: str
    images: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A user's labels, one row a label; `objects` and `splits` are None where the table has no such column.

    `lines` are the rows' places in the file (line numbers for text, row numbers for Parquet), for messages.
    """

    source: str
    images: tuple[str, ...]
    labels: tuple[str, ...]
    objects: tuple[str, ...] | None
    splits: tuple[str, ...] | None
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HypothesisTable:
    """A user's hypotheses: for each row a unit's name and an expression as text (not yet parsed)."""

    source: str
    units: tuple[str, ...]
    expressions: tuple[str, ...]
    lines: tuple[int, ...]


def read_activations(path: Path) -> ActivationTable:
    """Read activations: the first column is `image`, each other column one unit.

    An NPZ holds `values` (units × images), `images` and optionally `units`. Images must be distinct and values finite.
    """
    path = Path(path)
    if _kind(path) == "npz":
        table = _activations_npz(path)
    elif _kind(path) == "parquet":
        table = _activations_parquet(path)
    else:
        table = _activations_text(path)
    if not table.units:
        raise InputError(str(path), "there is no unit column", "add one column per unit after the column 'image'")
    if not table.images:
        raise InputError(str(path), "there are no images", "add one row per image")
    _check_unique(path, table.units, "unit")
    _check_unique(path, table.images, "image")
    bad = np.argwhere(~np.isfinite(table.values))
    if len(bad):
        unit, image = (int(i) for i in bad[0])
        raise InputError(
            str(path),
            f"unit {table.units[unit]!r} has the value {table.values[unit, image]} on image {table.images[image]!r}"
            f" ({len(bad)} such values in all)",
            "write finite numbers, or leave these images out",
        )
    table.values.setflags(write=False)
    return table


def read_labels(path: Path) -> LabelTable:
    """Read labels: columns `image` and `label`, optionally `object` and `split`."""
    path = Path(path)
    rows, lines = _read_columns(path, required=("image", "label"), optional=("object", "split"))
    if not rows["image"]:
        raise InputError(str(path), "there are no labels", "add one row per label: image,label")
    splits = rows.get("split")
    if splits is not None:
        for line, split in zip(lines, splits, strict=True):
            if split not in SPLITS:
                raise InputError(f"{path}:{line}", f"{split!r} is not a split", f"use one of {', '.join(SPLITS)}")
        of_image: dict[str, str] = {}
        for line, image, split in zip(lines, rows["image"], splits, strict=True):
            if of_image.setdefault(image, split) != split:
                raise InputError(
                    f"{path}:{line}",
                    f"image {image!r} is in {split} here and in {of_image[image]} above",
                    "give every image one split",
                )
    for line, image, label in zip(lines, rows["image"], rows["label"], strict=True):
        if not image or not label:
            raise InputError(f"{path}:{line}", "the image or the label is empty", "fill both or remove the row")
    objects = rows.get("object")
    return LabelTable(
        source=str(path),
        images=tuple(rows["image"]),
        labels=tuple(rows["label"]),
        objects=None if objects is None else tuple(objects),
        splits=None if splits is None else tuple(splits),
        lines=tuple(lines),
    )


def read_hypotheses(path: Path) -> HypothesisTable:
    """Read hypotheses: columns `unit` and `expression`."""
    path = Path(path)
    rows, lines = _read_columns(path, required=("unit", "expression"), optional=())
    if not rows["unit"]:
        raise InputError(str(path), "there are no hypotheses", "add one row per hypothesis: unit,expression")
    return HypothesisTable(str(path), tuple(rows["unit"]), tuple(rows["expression"]), tuple(lines))


def read_rows(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read the named text columns of a CSV, TSV or Parquet file as one dictionary a row."""
    columns, _ = _read_columns(Path(path), required, optional)
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _kind(path: Path) -> str:
    """Return csv, tsv, parquet or npz by the file's ending."""
    kinds = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            str(path), f"the ending {path.suffix!r} is not one of a table", "use .csv, .tsv, .parquet or .npz"
        )
    if not path.is_file():
        raise InputError(str(path), "there is no such file", "check the path")
    return kind


def _text_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of a CSV or TSV file, blank lines left out."""
    delimiter = "\t" if _kind(path) == "tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}:{reader.line_num + 1}", "the text is not UTF-8", "save the file as UTF-8"
            ) from error
        except csv.Error as error:
            long = "field limit" in str(error)
            what = f"the row cannot be read ({error})"
            if long:
                what = f"a cell has more than {csv.field_size_limit():,} characters"
            mend = "shorten it, or close the quotes before it" if long else "mend the quotes"
            raise InputError(f"{path}:{reader.line_num}", what, mend) from error


def _read_columns(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> tuple[dict[str, list[str]], list[int]]:
    """Return the named columns as lists of text, and the place of each row."""
    if _kind(path) == "npz":
        raise InputError(str(path), "an NPZ file holds no text columns", "use .csv, .tsv or .parquet")
    if _kind(path) == "parquet":
        table = open_parquet(path)
        wanted = _wanted(path, table.column_names, required, optional)
        columns = {name: ["" if v is None else str(v) for v in table[name].to_pylist()] for name in wanted}
        return columns, list(range(1, table.num_rows + 1))
    rows = _text_rows(path)
    header = next(rows, None)
    if header is None:
        raise InputError(str(path), "the file is empty", f"begin it with the line {','.join(required)}")
    names = [cell.strip() for cell in header[1]]
    wanted = _wanted(path, names, required, optional)
    places = {name: names.index(name) for name in wanted}
    columns = {name: [] for name in wanted}
    lines: list[int] = []
    for line, cells in rows:
        if len(cells) != len(names):
            raise InputError(f"{path}:{line}", f"the row has {len(cells)} cells, not {len(names)}", "mend the row")
        lines.append(line)
        for name, place in places.items():
            columns[name].append(cells[place].strip())
    return columns, lines


def _wanted(path: Path, names: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    for name in required:
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(
                f"{path}:1",
                f"the column {name!r} is missing" + (f" ({hint})" if hint else ""),
                f"name the columns {', '.join(required)}",
            )
    return [*required, *(name for name in optional if name in names)]


def _activations_text(path: Path) -> ActivationTable:
    rows = _text_rows(path)
    header = next(rows, None)
    if header is None or header[1][0].strip() != "image":
        raise InputError(
            f"{path}:1", "the first column is not 'image'", "name it 'image' and one column per unit after it"
        )
    units = tuple(cell.strip() for cell in header[1][1:])
    images: list[str] = []
    values: list[np.ndarray] = []
    for line, cells in rows:
        if len(cells) != len(units) + 1:
            raise InputError(f"{path}:{line}", f"the row has {len(cells)} cells, not {len(units) + 1}", "mend the row")
        images.append(cells[0].strip())
        try:
            values.append(np.array(cells[1:], dtype=np.float64))
        except ValueError:
            place = next(i for i, cell in enumerate(cells[1:]) if not _is_number(cell))
            raise InputError(
                f"{path}:{line}", f"{cells[place + 1]!r} in column {units[place]!r} is not a number", "write a number"
            ) from None
    matrix = np.array(values, dtype=np.float64).reshape(len(images), len(units)).T
    return ActivationTable(str(path), tuple(images), units, _as_float32(path, matrix))


def _activations_parquet(path: Path) -> ActivationTable:
    table = open_parquet(path)
    names = table.column_names
    if not names or names[0] != "image":
        raise InputError(
            str(path), "the first column is not 'image'", "name it 'image' and one column per unit after it"
        )
    columns = []
    for name in names[1:]:
        kind = table.schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise InputError(str(path), f"the column {name!r} holds {kind}, not numbers", "leave it out")
        columns.append(table[name].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    matrix = np.array(columns, dtype=np.float64).reshape(len(columns), table.num_rows)
    images = tuple(str(v) for v in table["image"].to_pylist())
    return ActivationTable(str(path), images, tuple(names[1:]), _as_float32(path, matrix))


def _activations_npz(path: Path) -> ActivationTable:
    try:
        with zipfile.ZipFile(path) as archive:
            held = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            arrays = {name: _member(archive, held[name]) for name in ("values", "images", "units") if name in held}
    except (OSError, ValueError, EOFError, MemoryError, NotImplementedError, RuntimeError, SyntaxError) as error:
        raise InputError(
            str(path), f"this is not a plain NPZ file ({first_line(error)})", "save it with numpy.savez"
        ) from error
    except (zipfile.BadZipFile, zlib.error, struct.error, lzma.LZMAError) as error:
        raise InputError(
            str(path), f"this is not a plain NPZ file ({first_line(error)})", "save it with numpy.savez"
        ) from error
    for name in ("values", "images"):
        if name not in arrays:
            raise InputError(str(path), f"the array {name!r} is missing", "save values (units × images) and images")
    values, images = arrays["values"], tuple(str(v) for v in arrays["images"].ravel())
    if values.ndim != 2 or values.shape[1] != len(images) or values.dtype.kind not in "fiu":
        raise InputError(
            str(path),
            f"values has the shape {values.shape} and type {values.dtype} beside {len(images)} images",
            "save numbers as units × images",
        )
    units = tuple(str(v) for v in arrays["units"].ravel()) if "units" in arrays else tuple(map(str, range(len(values))))
    if len(units) != len(values):
        raise InputError(str(path), f"there are {len(units)} unit names for {len(values)} rows", "name every row once")
    return ActivationTable(str(path), images, units, _as_float32(path, values))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read one array of an NPZ file that is as large as its head says; objects are refused unread."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read_head(stream)
        head = stream.tell()
    if kind.hasobject:
        raise ValueError("it holds Python objects")
    if head + math.prod(shape) * kind.itemsize != member.file_size:
        raise ValueError(f"{member.filename} is not as large as its head says")
    with archive.open(member) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _as_float32(path: Path, values: np.ndarray) -> np.ndarray:
    """Return a C-contiguous float32 copy; a finite value that float32 cannot hold is an error."""
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(values, dtype=np.float32)
    if bool(np.any(np.isfinite(values) & ~np.isfinite(narrow))):
        raise InputError(str(path), "a value is larger than a float32 can hold", "scale the activations")
    return narrow


def _check_unique(path: Path, names: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(str(path), f"{what} {name!r} appears twice", f"keep one {what} of that name")
        seen.add(name)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
