"""LabelMe: the JSON files of the desktop tool, and the XML files of the web tool."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns, first_few, union_box
from conceptx.images.formats.json_stream import whole
from conceptx.images.formats.reading import (
    Entry,
    Pictures,
    existing_folder,
    image_table,
    split_of,
    splits_or_none,
)
from conceptx.images.formats.shapes import numbers, points_box, polygon_area
from conceptx.images.formats.words import PART_OF, attribute_role
from conceptx.images.formats.xml_tree import number_of, read_xml, text_of
from conceptx.progress import Progress, silent

_Find = Callable[[str, str], str]


def read_labelme(path: Path, progress: Progress = silent) -> ImageSet:
    """Read all LabelMe files below a folder, JSON and XML; pictures lie where the files say, or beside them."""
    columns = ObjectColumns(str(path))
    pictures, found, unnamed = _read_all(path, columns, progress)
    if not found:
        raise InputError(str(path), "no file is one of LabelMe's", "give the folder with the annotations")
    names = sorted({*found, *pictures.paths})
    return ImageSet(
        path.resolve().name,
        path,
        image_table(path, [Entry(name, name) for name in names], progress),
        columns.table(),
        notes=(f"left out: objects without a name: {first_few(unnamed)}",) if unnamed else (),
        original_splits=splits_or_none([split_of(PurePosixPath(name).parts[:-1]) for name in names]),
    )


def _once(where: Path, picture: str, found: dict[str, str]) -> str:
    if picture in found:
        what = f"the picture {picture!r} is annotated in {found[picture]} already"
        raise InputError(str(where), what, "keep one file a picture")
    return picture


def _read_json(
    file: Path, name: str, pictures: Pictures, columns: ObjectColumns, found: dict[str, str], _: list[str]
) -> str | None:
    held = whole(file)
    if not isinstance(held, dict) or not ("shapes" in held or "imagePath" in held):
        return None  # other JSON files may lie in the folder
    if not isinstance(held.get("shapes"), list):
        raise InputError(f"{file}, shapes", "this is no list of shapes", "save the annotations again")
    said = held.get("imagePath")
    picture = _beside(file, name, said if isinstance(said, str) else "", pictures)
    _once(file, picture, found)
    for number, (label, shapes) in enumerate(grouped(file, held), start=1):
        drawn = [_drawn(f"{file}, shapes[{place}]", shape) for place, shape in shapes]
        areas = [area for area, _ in drawn if area is not None]
        row = columns.add(
            picture, str(number), label, union_box(box for _, box in drawn), sum(areas) if areas else None
        )
        flags = [flags for _, shape in shapes if isinstance(flags := shape.get("flags"), dict)]
        for flag in sorted({key for one in flags for key, value in one.items() if value is True and key.strip()}):
            columns.attribute(row, attribute_role(flag), flag)
    return picture


def grouped(file: Path, held: Any) -> list[tuple[str, list[tuple[int, dict[str, Any]]]]]:
    """Return the objects in a JSON file: the label of each with its shapes and their places in the list.

    Shapes of one group and label are one object.
    """
    parts: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    for place, shape in enumerate(held["shapes"]):
        where = f"{file}, shapes[{place}]"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str) or not shape["label"].strip():
            raise InputError(where, "the shape has no label", "give it one")
        group = shape.get("group_id")
        key = f"group {group}" if isinstance(group, (int, str)) else f"shape {place}"
        parts.setdefault((key, shape["label"].strip()), []).append((place, shape))
    return [(label, shapes) for (_, label), shapes in parts.items()]


def named_objects(tree: ElementTree.Element) -> list[tuple[int, str, ElementTree.Element]]:
    """Return the objects of an XML file that were not deleted: the place of each, its name in the picture, itself."""
    return [
        (place, text_of(thing, "id") or f"object {place}", thing)
        for place, thing in enumerate(tree.findall("object"), start=1)
        if text_of(thing, "deleted") != "1"
    ]


def annotation_files(path: Path) -> dict[str, str]:
    """Return the annotation file of each picture below a folder that has one."""
    return _read_all(path, ObjectColumns(str(path)), silent)[1]


def _read_all(path: Path, columns: ObjectColumns, progress: Progress) -> tuple[Pictures, dict[str, str], list[str]]:
    """Read all files into `columns`.

    Return the pictures below the folder, the file of each annotated one, and the web tool's objects without a name.
    """
    pictures = Pictures(existing_folder(path))
    files = [name for name in pictures.files if name.endswith((".json", ".xml"))]
    if not files:
        raise InputError(str(path), "there is neither a JSON nor an XML file", "give the folder with the annotations")
    found: dict[str, str] = {}
    unnamed: list[str] = []
    for name in progress(files, label="annotations"):
        read = _read_json if name.endswith(".json") else _read_xml
        picture = read(path / name, name, pictures, columns, found, unnamed)
        if picture is not None:
            found[picture] = name
    return pictures, found, unnamed


def _drawn(where: str, shape: dict[str, Any]) -> tuple[float | None, Box | None]:
    """Return area and box of a shape; a line or a point has no area."""
    points = shape.get("points")
    pairs = [numbers(point, 2) for point in points] if isinstance(points, list) else [None]
    if not pairs or any(pair is None for pair in pairs):
        raise InputError(where, "the shape's points are no pairs of numbers", "draw it again")
    xs, ys = [p[0] for p in pairs if p], [p[1] for p in pairs if p]
    kind = shape.get("shape_type") or "polygon"
    if kind == "circle" and len(xs) == 2:
        radius = ((xs[1] - xs[0]) ** 2 + (ys[1] - ys[0]) ** 2) ** 0.5
        return 3.141592653589793 * radius**2, (xs[0] - radius, ys[0] - radius, 2 * radius, 2 * radius)
    box = points_box(xs, ys)
    if kind == "rectangle":
        return box[2] * box[3], box
    return (polygon_area(xs, ys) if kind == "polygon" and len(xs) > 2 else None), box


def _beside(file: Path, name: str, said: str, pictures: Pictures) -> str:
    """Return the path of a JSON file's picture: where it says, relative to itself, or beside it under its own name."""
    folder = PurePosixPath(name).parent
    wanted = PurePosixPath(said.replace("\\", "/"))
    if said and not wanted.is_absolute():
        path = os.path.normpath(folder / wanted)
        if PurePosixPath(path).parts[:1] == ("..",):
            what = f"the picture {said!r} is outside the data folder"
            raise InputError(str(file), what, "give the folder that holds pictures and annotations")
        if path in pictures:
            return path
    stem = PurePosixPath(name).stem
    same = [p for p in (f"{(folder / stem).as_posix()}{end}" for end in (".jpg", ".jpeg", ".png")) if p in pictures]
    return same[0] if same else pictures.find(str(file), wanted.name or f"{stem}.jpg", [folder.as_posix()])


def _read_xml(
    file: Path, name: str, pictures: Pictures, columns: ObjectColumns, found: dict[str, str], unnamed: list[str]
) -> str | None:
    tree = read_xml(file)
    if tree.tag != "annotation" or (tree.find("object") is not None and tree.find("object/bndbox") is not None):
        return None
    folder, picture = text_of(tree, "folder"), text_of(tree, "filename") or f"{PurePosixPath(name).stem}.jpg"
    image = pictures.find(str(file), picture, [f"Images/{folder}", f"images/{folder}", folder])
    _once(file, image, found)
    rows: dict[str, int] = {}
    belongs: list[tuple[int, str]] = []
    for place, number, thing in named_objects(tree):
        where = f"{file}, object {place}"
        label = text_of(thing, "name")
        if not label:
            unnamed.append(f"{name}, object {place}")
            continue
        corners = thing.findall("polygon/pt")
        xs, ys = ([number_of(where, corner, axis) for corner in corners] for axis in "xy")
        if number in rows:
            raise InputError(where, f"object id {number} appears twice", "give every object its own")
        box = points_box(xs, ys) if xs else _segment_box(where, thing)
        rows[number] = columns.add(image, number, label, box, polygon_area(xs, ys) if len(xs) > 2 else None)
        for value in filter(None, (part.strip() for part in text_of(thing, "attributes").split(","))):
            columns.attribute(rows[number], attribute_role(value), value)
        if text_of(thing, "parts/ispartof"):
            belongs.append((rows[number], text_of(thing, "parts/ispartof")))
    for row, owner in belongs:
        if owner in rows:
            columns.relation(row, PART_OF, rows[owner])
    return image


def _segment_box(where: str, thing: ElementTree.Element) -> Box | None:
    """Return the box of an object that is painted and not drawn; None where there is none."""
    box = thing.find("segm/box")
    if box is None:
        return None
    left, top, right, bottom = (number_of(where, box, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    return left, top, max(right - left, 0.0), max(bottom - top, 0.0)
