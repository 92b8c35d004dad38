"""Hugging Face data sets on disk: the folders that ``save_to_disk`` writes, or Parquet files as the hub has them.

They are Arrow and Parquet files, and are read as such; the package `datasets` is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conceptx.errors import InputError
from conceptx.images.containers import open_arrow, picture_column
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns
from conceptx.images.formats.json_stream import whole
from conceptx.images.formats.reading import Entry, existing_folder, files_below, image_table, splits_or_none
from conceptx.images.formats.shapes import numbers
from conceptx.progress import Progress, silent
from conceptx.tables.artefacts import first_line

_LABELS = ("label", "labels", "fine_label", "category", "class", "scene_category")
_OBJECT_LABELS = ("category", "label", "labels", "name", "category_id")
_BATCH = 1024


def read_hugging_face(path: Path, progress: Progress = silent) -> ImageSet:
    """Read a data set or a dictionary of them; an image's name is its split and its number in it.

    The first label column is the category and an object of the image; `objects` with `bbox` and `category` are its
    objects.
    """
    files = [name for name in files_below(existing_folder(path)) if name.endswith((".arrow", ".parquet"))]
    files = [name for name in files if not name.rpartition("/")[2].startswith(("cache-", "tmp"))]
    if not files:
        raise InputError(str(path), "there is neither an Arrow nor a Parquet file", "give a folder of save_to_disk")
    columns = ObjectColumns(str(path))
    entries: list[Entry] = []
    splits: list[str | None] = []
    counts: dict[str, int] = {}
    for name in progress(files, label="labels"):
        file = path / name
        split = _split(name)
        for first, batch, features in _batches(file):
            start = counts.get(split, 0)
            for number, row in enumerate(batch.to_pylist()):
                image = f"{split}/{start + number}" if split else str(start + number)
                where = f"{file}, row {first + number}"
                category = _add(where, image, row, features, columns)
                entries.append(Entry(image, f"{name}#{first + number}", category))
                splits.append({"validation": "val"}.get(split, split) or None)
            counts[split] = start + batch.num_rows
    if not entries:
        raise InputError(str(path), "there are no images", "give a data set with at least one row")
    images = image_table(path, entries, progress)
    return ImageSet(path.resolve().name, path, images, columns.table(), original_splits=splits_or_none(splits))


def _split(name: str) -> str:
    """Return the split that a file's folder or name tells: ``train/data-0.arrow``, ``train-0.parquet``."""
    parts = name.split("/")
    for text in (*reversed(parts[:-1]), parts[-1].partition("-")[0]):
        if text in ("train", "test", "validation", "val"):
            return text
    return parts[-2] if len(parts) > 1 and name.endswith(".arrow") else ""


def _batches(file: Path) -> Any:
    """Yield (number of the first row, rows without their pictures, features) of a file."""
    try:
        if file.suffix == ".parquet":
            opened = pq.ParquetFile(file)
            schema, stretches = opened.schema_arrow, opened.iter_batches
        else:
            table = open_arrow(file)
            schema = table.schema
            stretches = lambda batch_size, columns: table.select(columns).to_batches(batch_size)  # noqa: E731
        picture = picture_column(schema)
        if picture is None:
            raise InputError(str(file), "no column holds pictures", "give a data set with an image column")
        kept = [field.name for field in schema if not _holds_bytes(field.type)]
        features = _features(file, schema)
        first = 0
        for batch in stretches(batch_size=_BATCH, columns=kept):
            yield first, batch if kept else _empty(batch), features
            first += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise InputError(str(file), f"the file cannot be read ({first_line(error)})", "write it again") from error


def _empty(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(batch.num_rows)], ["nothing"])


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _features(file: Path, schema: pa.Schema) -> Mapping[str, Any]:
    """Return the data set's description of its columns: from the file itself, or from the JSON file beside it."""
    try:
        held = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = held.get("info", {}).get("features")
        beside = file.with_name("dataset_info.json")
        if features is None and beside.is_file():
            features = whole(beside).get("features")
    except (ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(file), "its description of the columns is no JSON object", "write it again") from error
    return features if isinstance(features, dict) else {}


def _names(feature: object) -> list[str] | None:
    """Return the class names of a label column, whatever lists it is wrapped in."""
    while isinstance(feature, (dict, list)) and feature:
        if isinstance(feature, list):
            feature = feature[0]
        elif isinstance(names := feature.get("names"), list) and all(isinstance(name, str) for name in names):
            return names
        else:
            feature = feature.get("feature")
    return None


def _named(where: str, value: object, feature: object) -> str | None:
    """Return a label's text: itself, or the name of its number."""
    if isinstance(value, str):
        return value.strip() or None
    if type(value) is not int or value < 0:  # -1 is the hub's way to say that a test image has no label
        return None
    names = _names(feature)
    if names is None:
        return str(value)
    if value >= len(names):
        raise InputError(where, f"the label is {value}, there are {len(names)} names", "write the data set again")
    return names[value]


def _add(
    where: str, image: str, row: dict[str, Any], features: Mapping[str, Any], columns: ObjectColumns
) -> str | None:
    """Add one row's objects and return its category."""
    labelled = [key for key in row if _names(features.get(key)) is not None and not isinstance(row[key], (list, dict))]
    key = next((k for k in (*_LABELS, *labelled) if k in row and not isinstance(row[k], (list, dict))), None)
    category = _named(where, row[key], features.get(key)) if key else None
    things = row.get("objects")
    if things is None:
        values = next((row[k] for k in _LABELS if isinstance(row.get(k), list)), [category])
        of = features.get(key) if key else features.get("labels", features.get("label"))
        for number, value in enumerate(values, start=1):
            label = _named(where, value, of)
            if label:
                columns.add(image, str(number), label)
        return category
    feature = features.get("objects")
    inner = feature.get("feature", feature) if isinstance(feature, dict) else feature
    inner = inner[0] if isinstance(inner, list) and inner else inner
    for number, thing in enumerate(_as_records(where, things), start=1):
        name = next((k for k in _OBJECT_LABELS if k in thing), None)
        label = _named(where, thing[name], inner.get(name) if isinstance(inner, dict) else None) if name else None
        if not label:
            raise InputError(where, f"object {number} has no category", "give objects with bbox and category")
        box = _box(where, thing.get("bbox"))
        columns.add(image, str(number), label, box, box and box[2] * box[3])
    return category


def _as_records(where: str, things: object) -> list[dict[str, Any]]:
    """Return a list of dictionaries, from one or from a dictionary of lists."""
    if isinstance(things, list):
        return [thing for thing in things if isinstance(thing, dict)]
    if isinstance(things, dict):
        lists = {key: values for key, values in things.items() if isinstance(values, list)}
        lengths = sorted(set(map(len, lists.values())))
        if len(lengths) > 1:
            what = f"the lists of its objects have {lengths[0]} to {lengths[-1]} items"
            raise InputError(where, what, "give every object a bbox and a category")
        return [{k: values[i] for k, values in lists.items()} for i in range(lengths[0] if lengths else 0)]
    return []


def _box(where: str, value: object) -> Box | None:
    if value is None:
        return None
    box = numbers(value, 4)
    if box is None:
        raise InputError(where, "a bbox is no list of four numbers", "give x, y, width and height")
    return box[0], box[1], max(box[2], 0.0), max(box[3], 0.0)
