"""Tables of images: `image[,path][,category][,split]`, with the objects in `labels.csv` beside it or, in JSON lines,
in the rows themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns
from conceptx.images.formats.reading import Entry, image_table
from conceptx.images.formats.shapes import numbers
from conceptx.progress import Progress, silent
from conceptx.tables import OBJECTS, SPLITS, alike, from_rows, read_labels, read_rows

LABELS = ("labels.csv", "labels.tsv", "labels.parquet", "labels.jsonl")
"""The files that may lie beside pictures or a table of images, in the order in which they are looked for."""

_JSON_LINES = (".jsonl", ".ndjson")
_MAX_LINE = 1 << 24


def read_table(path: Path, progress: Progress = silent) -> ImageSet:
    """Read a table of images; paths are relative to its folder, and by default the image's name."""
    if path.suffix.lower() in _JSON_LINES:
        return _read_lines(path, progress)
    rows = read_rows(path, ("image",), ("path", "category", "split"))
    if not rows:
        raise InputError(str(path), "there are no images", "add one row per image")
    entries: dict[str, Entry] = {}
    for number, row in enumerate(rows, start=1):
        _add_entry(f"{path}, row {number}", row, entries)
    images = image_table(path.parent, list(entries.values()), progress)
    return ImageSet(path.stem, path.parent, images, labels_beside(path.parent, list(entries), path))


def labels_beside(folder: Path, images: Sequence[str], table: Path | None = None) -> pa.Table:
    """Return the objects of the table of labels in a folder; the table of images itself is none."""
    file = next((folder / name for name in LABELS if (folder / name).is_file() and folder / name != table), None)
    if file is None:
        return from_rows([], OBJECTS)
    known = set(images)
    columns = ObjectColumns(str(file))
    if file.suffix in _JSON_LINES:
        for where, row in json_lines(file):
            image = _known(where, _text(where, row, "image"), known)
            _add_objects(where, image, row.get("objects", [row] if "label" in row else []), columns)
        return columns.table()
    labels = read_labels(file)
    names = labels.objects or tuple(map(str, range(len(labels.images))))
    for image, name, label, line in zip(labels.images, names, labels.labels, labels.lines, strict=True):
        columns.add(_known(f"{file}:{line}", image, known), name, label)
    return columns.table()


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, object) of the lines of a JSON-lines file that are not blank."""
    try:
        handle = path.open("rb")
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "check the path") from error
    with handle:
        number = 0
        while line := handle.readline(_MAX_LINE):
            number += 1
            where = f"{path}:{number}"
            if len(line) == _MAX_LINE:
                raise InputError(where, f"the line has {_MAX_LINE:,} bytes or more", "write one image a line")
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                what = f"this is no valid JSON ({str(error).splitlines()[0]})"
                raise InputError(where, what, "write one JSON object a line, as UTF-8") from error
            if not isinstance(row, dict):
                raise InputError(where, "this is no JSON object", "write one JSON object a line")
            yield where, row


def _read_lines(path: Path, progress: Progress) -> ImageSet:
    entries: dict[str, Entry] = {}
    columns = ObjectColumns(str(path))
    for where, row in json_lines(path):
        texts = {key: _text(where, row, key) for key in ("image", "path", "category", "split") if row.get(key)}
        image = _add_entry(where, {"image": _text(where, row, "image"), **texts}, entries)
        _add_objects(where, image, row.get("objects", []), columns)
    if not entries:
        raise InputError(str(path), "there are no images", "write one JSON object an image")
    objects = columns.table()
    if not len(columns):
        objects = labels_beside(path.parent, list(entries), path)
    return ImageSet(path.stem, path.parent, image_table(path.parent, list(entries.values()), progress), objects)


def _add_entry(where: str, row: dict[str, str], entries: dict[str, Entry]) -> str:
    """Add the image of a row and return its name; each image has one row."""
    split = row.get("split") or None
    if split is not None and split not in SPLITS:
        raise InputError(where, f"{split!r} is not a split", f"use one of {', '.join(SPLITS)}")
    name = row["image"]
    if name in entries:
        mend = f"write one row an image, and its labels into {LABELS[0]} beside the table"
        raise InputError(where, f"image {name!r} is listed above already", mend)
    entries[name] = Entry(name, row.get("path") or name, row.get("category") or None, split)
    return name


def _known(where: str, image: str, known: set[str]) -> str:
    if image not in known:
        same = alike(image, known)
        mend = "remove the row or add the picture" if same is None else f"write it as the images have it: {same!r}"
        raise InputError(where, f"there is no image {image!r}", mend)
    return image


def _text(where: str, row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(where, f"{key} is {value!r}"[:120], f"give {key} as a text")
    return value.strip()


def _add_objects(where: str, image: str, objects: object, columns: ObjectColumns) -> None:
    """Add objects with a `label` and, as far as known, `object`, `box`, `area`, `attributes` and `relations`."""
    if not isinstance(objects, list):
        raise InputError(where, "objects is no list", "write a list of objects")
    rows: dict[str, int] = {}
    links: list[tuple[str, int, str, str]] = []
    for number, thing in enumerate(objects, start=1):
        inner = f"{where}, object {number}"
        thing = {"label": thing} if isinstance(thing, str) else thing
        if not isinstance(thing, dict):
            raise InputError(inner, "this is neither a label nor an object", 'write {"label": "cup"}')
        name = str(thing["object"]) if isinstance(thing.get("object"), (str, int)) else str(number)
        box = _box(inner, thing.get("box"))
        area = numbers([thing["area"]]) if thing.get("area") is not None else None
        if thing.get("area") is not None and area is None:
            raise InputError(inner, "area is no number", "give the area in pixels")
        row = columns.add(image, name, _text(inner, thing, "label"), box, area[0] if area else box and box[2] * box[3])
        rows.setdefault(name, row)
        links += [(inner, row, role, other) for role, other in _pairs(inner, thing, "relations", "object")]
        for role, value in _pairs(inner, thing, "attributes", "value"):
            columns.attribute(row, role, value)
    for inner, row, role, other in links:
        if other not in rows:
            raise InputError(inner, f"there is no object {other!r} in the image", "name one of its objects")
        columns.relation(row, role, rows[other])


def _pairs(where: str, thing: dict[str, Any], key: str, second: str) -> list[tuple[str, str]]:
    """Return (role, value) of ``{"role": "value", …}`` or ``[{"role": …, "value": …}, …]``."""
    held = thing.get(key) or []
    pairs = list(held.items()) if isinstance(held, dict) else held
    if isinstance(held, list):
        pairs = [(one.get("role"), one.get(second)) if isinstance(one, dict) else (None, None) for one in held]
    if not isinstance(pairs, list) or not all(isinstance(t, str) and t for pair in pairs for t in pair):
        raise InputError(where, f"{key} are no roles with texts", f'write {{"role": "{second}"}}')
    return pairs


def _box(where: str, value: object) -> Box | None:
    if value is None:
        return None
    box = numbers(value, 4)
    if box is None or box[2] < 0 or box[3] < 0:
        raise InputError(where, f"box is {value!r}"[:120], "give x, y, width and height")
    return box[0], box[1], box[2], box[3]
