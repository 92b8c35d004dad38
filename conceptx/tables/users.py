"""The tables that users bring: activations, labels and hypotheses as CSV, TSV, Parquet or NPZ.

Every message names the file and the line (the row number in Parquet). Text may be separated by commas, tabs or
semicolons; in a table with semicolons, as Excel writes it in many countries, numbers may have a decimal comma.
"""

from __future__ import annotations

import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from conceptx.errors import InputError, did_you_mean
from conceptx.tables.artefacts import SPLITS, first_line, open_parquet
from conceptx.tables.text import text_rows, wrong_width

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name in Parquet; it numbers rows and is no unit."""


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
    """Read activations: the first column (in Parquet any) is `image`, each other column one unit.

    An NPZ holds `values` (units × images), `images` and optionally `units`. Images must be distinct and values finite.
    """
    path = Path(path)
    lines: Sequence[int] = ()
    if _kind(path) == "npz":
        table = _activations_npz(path)
    elif _kind(path) == "parquet":
        table = _activations_parquet(path)
    else:
        table, lines = _activations_text(path)
    if not table.units:
        raise InputError(str(path), "there is no unit column", "add one column per unit after the column 'image'")
    if not table.images:
        raise InputError(str(path), "there are no images", "add one row per image")
    _check_unique(path, table.units, "unit", (1,) * len(table.units) if lines else ())
    _check_unique(path, table.images, "image", lines)
    bad = np.argwhere(~np.isfinite(table.values))
    if len(bad):
        unit, image = (int(i) for i in bad[0])
        raise InputError(
            _place(path, lines, image),
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
    if path.is_dir():
        raise InputError(str(path), "this is a folder, not a table", "give a file: .csv, .tsv, .parquet or .npz")
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            str(path), f"the ending {path.suffix!r} is not one of a table", "save it as .csv, .tsv, .parquet or .npz"
        )
    if not path.is_file():
        raise InputError(str(path), "there is no such file", "check the path")
    return kind


def _usual(path: Path) -> str:
    """Return the separator that the file's ending promises."""
    return "\t" if _kind(path) == "tsv" else ","


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
    separator, rows = text_rows(path, _usual(path), lambda names: set(required) <= set(names))
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
            raise wrong_width(path, line, len(cells), len(names), separator)
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


def _activations_text(path: Path) -> tuple[ActivationTable, list[int]]:
    """Return the table and the line of each image."""
    separator, rows = text_rows(path, _usual(path), lambda names: names[:1] == ["image"] and len(names) > 1)
    header = next(rows, None)
    names = [] if header is None else [cell.strip() for cell in header[1]]
    if names[:1] != ["image"]:
        raise InputError(f"{path}:1", *_not_image(names))
    units = tuple(names[1:])
    if "" in units:
        what = f"column {units.index('') + 2} has no name"
        raise InputError(f"{path}:1", what, "name every unit, or remove the column and the separators at the line ends")
    images: list[str] = []
    lines: list[int] = []
    values: list[np.ndarray] = []
    commas: int | None = None
    points: int | None = None
    for line, cells in rows:
        if len(cells) != len(names):
            raise wrong_width(path, line, len(cells), len(names), separator)
        if not cells[0].strip():
            raise InputError(f"{path}:{line}", "the image is empty", "write its name, or remove the row")
        numbers = cells[1:]
        if separator == ";":
            commas = line if commas is None and any("," in cell for cell in numbers) else commas
            points = line if points is None and any("." in cell for cell in numbers) else points
            if commas is not None and points is not None:
                what = f"numbers have a decimal comma in line {commas} and a point in line {points}"
                raise InputError(f"{path}:{line}", what, "write all of them with a point")
            numbers = [cell.replace(",", ".") for cell in numbers] if commas is not None else numbers
        try:
            values.append(np.array(numbers, dtype=np.float64))
        except ValueError:
            place = next(i for i, number in enumerate(numbers) if not _is_number(number))
            raise InputError(f"{path}:{line}", *_no_number(cells[place + 1].strip(), units[place])) from None
        images.append(cells[0].strip())
        lines.append(line)
    matrix = np.array(values, dtype=np.float64).reshape(len(images), len(units)).T
    return ActivationTable(str(path), tuple(images), units, _as_float32(path, matrix)), lines


def _not_image(names: Sequence[str]) -> tuple[str, str]:
    """Say what is the first column, which should be 'image', and the mend."""
    what, mend = "the first column is not 'image'", "name it 'image' and one column per unit after it"
    if "image" in names:
        mend = "put the column 'image' in front, and leave all columns out that are no units"
    elif names and not names[0]:
        what, mend = f"{what}, it has no name", "name it 'image', or leave it out if it counts the rows"
    elif names:
        what = f"{what} but {names[0][:40]!r}"
    return what, mend


def _no_number(cell: str, unit: str) -> tuple[str, str]:
    """Say that a cell is no number, and the mend."""
    if not cell:
        return f"the cell in column {unit!r} is empty", "write a number, or leave the image out"
    what = f"{cell[:40]!r} in column {unit!r} is not a number"
    if cell.endswith("%"):
        return what, "write the number without %, alike in all rows"
    if "," in cell:
        return what, "write decimals with a point and no separators between thousands"
    return what, "write a number, or leave the column out if it is no unit"


def _activations_parquet(path: Path) -> ActivationTable:
    table = open_parquet(path)
    names = [name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)]
    if "image" not in names:
        raise InputError(str(path), *_not_image(names))
    names.remove("image")
    columns = []
    for name in names:
        kind = table.schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise InputError(str(path), f"the column {name!r} holds {kind}, not numbers", "leave it out")
        columns.append(table[name].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    matrix = np.array(columns, dtype=np.float64).reshape(len(columns), table.num_rows)
    images = tuple(str(v) for v in table["image"].to_pylist())
    return ActivationTable(str(path), images, tuple(names), _as_float32(path, matrix))


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


def _check_unique(path: Path, names: Sequence[str], what: str, lines: Sequence[int]) -> None:
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        before = first.setdefault(name, i)
        if before != i:
            again = f", first in line {lines[before]}" if lines and lines[before] != lines[i] else ""
            raise InputError(
                _place(path, lines, i), f"{what} {name!r} appears twice{again}", f"keep one {what} of that name"
            )


def _place(path: Path, lines: Sequence[int], i: int) -> str:
    """Return the place of a row for a message: its line, where the file has lines."""
    return f"{path}:{lines[i]}" if lines else str(path)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
