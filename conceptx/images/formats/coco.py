"""COCO: instances and panoptic segments, one JSON file a split, read one annotation at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns
from conceptx.images.formats.json_stream import members
from conceptx.images.formats.reading import (
    Entry,
    Pictures,
    existing_folder,
    files_below,
    image_table,
    split_of,
    splits_or_none,
)
from conceptx.images.formats.shapes import numbers, segmentation_area_and_box
from conceptx.images.formats.words import SUPERCATEGORY
from conceptx.progress import Progress, silent

_FOLDERS = ("images", "train2017", "val2017", "test2017", "train2014", "val2014", "test2014", "train", "val", "test")


@dataclass(frozen=True, slots=True)
class _File:
    """What one JSON file says of its categories (name, supercategory) and images (path, height)."""

    categories: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    images: dict[int, tuple[str, int | None]] = field(default_factory=dict)


def read_coco(path: Path, progress: Progress = silent) -> ImageSet:
    """Read instances: `path` is a JSON file, or a folder with some in it (``instances*.json`` where there are such)."""
    return _read(path, "instances", progress)


def read_coco_panoptic(path: Path, progress: Progress = silent) -> ImageSet:
    """Read panoptic segments: `path` is a JSON file, or a folder with ``panoptic*.json`` in it."""
    return _read(path, "panoptic", progress)


def _read(path: Path, kind: str, progress: Progress) -> ImageSet:
    root, files = coco_files(path, kind)
    pictures = Pictures(root)
    columns = ObjectColumns(str(path))
    entries: dict[str, Entry] = {}
    splits: list[str | None] = []
    for file in files:
        split = split_of(file.stem.split("_"))
        folders = _FOLDERS if split is None else (f"{split}2017", f"{split}2014", split, *_FOLDERS)
        known = _File()
        for key, where, record in _records(file, ("categories", "images")):
            if key == "categories":
                known.categories[_id(where, record, "id")] = _category(where, record)
                continue
            name = _picture(where, record, pictures, folders)
            known.images[_id(where, record, "id")] = (name, _whole(record.get("height")))
            if name not in entries:
                entries[name] = Entry(name, name)
                splits.append(split)
        for _, where, record in progress(_records(file, ("annotations",)), label=file.name):
            if "segments_info" in record:
                _add_segments(where, record, known, columns)
            else:
                _add_instance(where, record, known, columns)
    if not entries:
        raise InputError(str(path), "there are no images", "give a file with the lists images and annotations")
    return ImageSet(
        path.resolve().stem,
        root,
        image_table(root, list(entries.values()), progress),
        columns.table(),
        original_splits=splits_or_none(splits),
    )


def coco_files(path: Path, kind: str) -> tuple[Path, list[Path]]:
    """Return the folder of the pictures and the JSON files of a kind (instances, panoptic)."""
    if path.is_file():
        above = path.parent
        return (above.parent if above.name == "annotations" else above), [path]
    found = [name for name in files_below(existing_folder(path)) if name.endswith(".json")]
    own = [name for name in found if PurePosixPath(name).name.startswith(kind)]
    if not own and len(found) == 1:
        own = found
    if not own:
        what = f"there is no {kind}*.json" + (f" among {len(found)} JSON files" if found else "")
        raise InputError(str(path), what, "name the file itself")
    return path, [path / name for name in own]


def _records(file: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (list, where, record) of the wanted lists of the file, and stop once all of them are over."""
    seen: set[str] = set()
    for key, place, record in members(file):
        if key not in wanted:
            if len(seen) == len(wanted):
                return
            continue
        seen.add(key)
        where = f"{file}, {key}[{place}]"
        if place < 0 or not isinstance(record, dict):
            raise InputError(where, "this is no record", "write COCO's form")
        yield key, where, record


def _id(where: str, record: dict[str, Any], key: str) -> int:
    value = record.get(key)
    if type(value) is not int:
        raise InputError(where, f"{key} is {value!r}"[:120], f"give {key} as a whole number")
    return value


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _category(where: str, record: dict[str, Any]) -> tuple[str, str | None]:
    name, above = record.get("name"), record.get("supercategory")
    if not isinstance(name, str) or not name.strip():
        raise InputError(where, "the category has no name", "give it one")
    known = isinstance(above, str) and above.strip() and above != "none" and above != name
    return name.strip(), above.strip() if known and isinstance(above, str) else None


def _picture(where: str, record: dict[str, Any], pictures: Pictures, folders: tuple[str, ...]) -> str:
    name = record.get("file_name")
    if not name and isinstance(record.get("coco_url"), str):  # LVIS names pictures by address only
        name = "/".join(record["coco_url"].split("/")[-2:])
    if not isinstance(name, str) or not name:
        raise InputError(where, "the image has no file_name", "give it one")
    return pictures.find(where, name, [*folders, *(f"images/{folder}" for folder in folders)])


def _of(where: str, record: dict[str, Any], known: _File) -> tuple[str, int | None]:
    number = _id(where, record, "image_id")
    if number not in known.images:
        what = f"the annotation names image {number}, which the file does not list"
        raise InputError(where, what, "list the image, or remove the annotation")
    return known.images[number]


def _label(where: str, record: dict[str, Any], known: _File) -> tuple[str, str | None]:
    number = _id(where, record, "category_id")
    if number not in known.categories:
        what = f"the annotation names category {number}, which the file does not list"
        raise InputError(where, what, "list the category, or remove the annotation")
    return known.categories[number]


def _add_instance(where: str, record: dict[str, Any], known: _File, columns: ObjectColumns) -> None:
    image, height = _of(where, record, known)
    drawn = None
    box, area = _box(where, record), _area(record)
    if area is None or box is None:
        drawn = segmentation_area_and_box(record.get("segmentation"), height)
    if area is None:
        area = drawn[0] if drawn is not None else box[2] * box[3] if box is not None else None
    _add(str(_id(where, record, "id")), image, _label(where, record, known), box or (drawn and drawn[1]), area, columns)


def _add_segments(where: str, record: dict[str, Any], known: _File, columns: ObjectColumns) -> None:
    image, _ = _of(where, record, known)
    segments = record["segments_info"]
    if not isinstance(segments, list):
        raise InputError(where, "segments_info is no list", "write COCO's panoptic form")
    for place, segment in enumerate(segments):
        inner = f"{where}, segments_info[{place}]"
        if not isinstance(segment, dict):
            raise InputError(inner, "this is no segment", "write COCO's panoptic form")
        name = str(_id(inner, segment, "id"))
        _add(name, image, _label(inner, segment, known), _box(inner, segment), _area(segment), columns)


def _add(
    name: str, image: str, label: tuple[str, str | None], box: Box | None, area: float | None, columns: ObjectColumns
) -> None:
    row = columns.add(image, name, label[0], box, area)
    if label[1] is not None:
        columns.attribute(row, SUPERCATEGORY, label[1])


def _box(where: str, record: dict[str, Any]) -> Box | None:
    if record.get("bbox") in (None, []):
        return None
    box = numbers(record["bbox"], 4)
    if box is None or box[2] < 0 or box[3] < 0:
        raise InputError(where, f"bbox is {record['bbox']!r}"[:120], "give x, y, width and height")
    return box[0], box[1], box[2], box[3]


def _area(record: dict[str, Any]) -> float | None:
    area = numbers([record.get("area")])
    return area[0] if area and area[0] >= 0 else None
