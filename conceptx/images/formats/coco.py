"""COCO: instances and panoptic segments, one JSON file a split, read one annotation at a time."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

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

_LARGEST_ID = 1 << 62
_FOLDERS = ("images", "train2017", "val2017", "test2017", "train2014", "val2014", "test2014", "train", "val", "test")


@dataclass(frozen=True, slots=True)
class _File:
    """What one JSON file says of its categories (name, supercategory) and images (path, height)."""

    categories: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    images: dict[int, tuple[str, int | None]] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)


class _Keys:
    """The ids of the annotations of each image, 16 bytes for each; two of one id would become one object."""

    def __init__(self) -> None:
        self._images: dict[str, int] = {}
        self._image, self._id = array("q"), array("q")

    def add(self, image: str, number: int) -> None:
        """Take an annotation."""
        self._image.append(self._images.setdefault(image, len(self._images)))
        self._id.append(number)

    def check(self, file: Path) -> None:
        """Refuse two annotations of one image with one id; in several files they are one object."""
        if not len(self._id):
            return
        image, number = np.frombuffer(self._image, np.int64), np.frombuffer(self._id, np.int64)
        order = np.lexsort((number, image))
        same = (np.diff(image[order]) == 0) & (np.diff(number[order]) == 0)
        if same.any():
            place = int(order[np.flatnonzero(same)[0]])
            name = list(self._images)[int(image[place])]
            what = f"two annotations of the image {name!r} have the id {int(number[place])}"
            raise InputError(str(file), what, "give every annotation an id of its own")


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
    notes: list[str] = []
    for file in files:
        split = split_of(file.stem.split("_"))
        folders = _FOLDERS if split is None else (f"{split}2017", f"{split}2014", split, *_FOLDERS)
        known = _File()
        for key, where, record in _records(file, ("categories", "images")):
            number = _new_id(where, record, known.categories if key == "categories" else known.images)
            if key == "categories":
                known.categories[number] = _category(where, record)
                continue
            name = _picture(where, record, pictures, folders)
            if name in known.pictures:
                raise InputError(where, f"the picture {name!r} is listed above already", "list every picture once")
            known.pictures.add(name)
            known.images[number] = (name, _whole(record.get("height")))
            if name not in entries:
                entries[name] = Entry(name, name)
                splits.append(split)
        before, keys = len(columns), _Keys()
        for _, where, record in progress(_records(file, ("annotations",)), label=file.name):
            if "segments_info" in record:
                _add_segments(where, record, known, columns, keys)
            else:
                _add_instance(where, record, known, columns, keys)
        if known.images and len(columns) == before:
            notes.append(f"{file.name}: there is no annotation in it")
        keys.check(file)
    if not entries:
        raise InputError(str(path), "there are no images", "give a file with the lists images and annotations")
    return ImageSet(
        path.resolve().stem,
        root,
        image_table(root, list(entries.values()), progress),
        columns.table(),
        notes=tuple(notes),
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
        if not key and place >= 0:
            raise InputError(str(file), "this is a list", "write COCO's form: an object with images and annotations")
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
    if type(value) is not int or abs(value) > _LARGEST_ID:
        raise InputError(where, f"{key} is {value!r}"[:120], f"give {key} as a whole number")
    return value


def _new_id(where: str, record: dict[str, Any], known: Collection[int]) -> int:
    number = _id(where, record, "id")
    if number in known:
        raise InputError(where, f"the id {number} appears twice", "give everything in this list an id of its own")
    return number


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


def _add_instance(where: str, record: dict[str, Any], known: _File, columns: ObjectColumns, keys: _Keys) -> None:
    image, height = _of(where, record, known)
    drawn = None
    box, area = _box(where, record), _area(record)
    if area is None or box is None:
        drawn = segmentation_area_and_box(record.get("segmentation"), height)
    if area is None:
        area = drawn[0] if drawn is not None else box[2] * box[3] if box is not None else None
    number = _id(where, record, "id")
    keys.add(image, number)
    _add(str(number), image, _label(where, record, known), box or (drawn and drawn[1]), area, columns)


def _add_segments(where: str, record: dict[str, Any], known: _File, columns: ObjectColumns, keys: _Keys) -> None:
    image, _ = _of(where, record, known)
    segments = record["segments_info"]
    if not isinstance(segments, list):
        raise InputError(where, "segments_info is no list", "write COCO's panoptic form")
    for place, segment in enumerate(segments):
        inner = f"{where}, segments_info[{place}]"
        if not isinstance(segment, dict):
            raise InputError(inner, "this is no segment", "write COCO's panoptic form")
        number = _id(inner, segment, "id")
        keys.add(image, number)
        _add(str(number), image, _label(inner, segment, known), _box(inner, segment), _area(segment), columns)


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
