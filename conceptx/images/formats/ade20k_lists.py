"""The lists of objects in ADE20K's full form: ``X_atr.txt`` (2016) and ``X.json`` (2021)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptx.errors import InputError
from conceptx.images.formats.columns import Box
from conceptx.images.formats.json_stream import whole
from conceptx.images.formats.reading import numbered_lines
from conceptx.images.formats.shapes import numbers, points_box, polygon_area

_FORM = 'instance # part level # occluded # WordNet names # raw name # "attributes"'
_HEADER = re.compile(r"\s*(prediction|label)\s*:", re.IGNORECASE)
_HEADER_LINES = 4
_QUOTED = re.compile(r'"(.*)"\Z', re.DOTALL)
_FRACTION = re.compile(r"-?\d*\.\d+(e-?\d+)?\Z", re.IGNORECASE)
_MAX_INSTANCE = 100_000


@dataclass(frozen=True, slots=True)
class Item:
    """One object or part: its name within the picture, its number within its level (0 for whole objects), its label.

    `shape` (area and box) and `whole` (the place of the object it is a part of) are known here in the release of 2021.
    """

    name: str
    instance: int
    level: int
    label: str
    attributes: tuple[str, ...] = ()
    shape: tuple[float, Box] | None = None
    whole: int | None = None


def read_atr(file: Path) -> list[Item]:
    """Read an ``X_atr.txt``; some have a header of four lines and a column with a score, both of which are passed."""
    items: list[Item] = []
    seen: set[tuple[int, int]] = set()
    header = 0
    for number, line in numbered_lines(file):
        fields = [part.strip() for part in line.split("#")]
        if len(fields) < 6:
            # The header is two titles, `Prediction:` and `Label:`, and what stands under them.
            if not items and (header or _HEADER.match(line)) and header < _HEADER_LINES:
                header += 1
                continue
            raise InputError(f"{file}:{number}", f"the line has {len(fields)} fields", f"write {_FORM}")
        instance, level, label, attributes = _fields(f"{file}:{number}", fields)
        if (level, instance) in seen:
            what = f"object {instance} of part level {level} appears twice"
            raise InputError(f"{file}:{number}", what, "keep one line of it")
        seen.add((level, instance))
        name = str(instance) if level == 0 else f"{level}.{instance}"
        items.append(Item(name, instance, level, label, attributes))
    return items


def _fields(where: str, fields: list[str]) -> tuple[int, int, str, tuple[str, ...]]:
    quoted = next((i for i in range(len(fields) - 1, 2, -1) if _QUOTED.match(fields[i])), len(fields) - 1)
    found = _QUOTED.match(fields[quoted])
    attributes = found[1] if found else fields[quoted]
    before = fields[:quoted]
    if len(before) > 5:  # the score stands before the attributes
        score = next((i for i in range(1, len(before)) if _FRACTION.match(before[i])), None)
        if score is not None:
            del before[score]
    if len(before) < 5:
        raise InputError(where, "there are too few fields before the attributes", f"write {_FORM}")
    try:
        instance, level = int(before[0]), int(before[1])
    except ValueError:
        what = f"{before[0]!r} and {before[1]!r} are no numbers of an object and a part level"
        raise InputError(where, what, f"write {_FORM}") from None
    if not 0 < instance <= _MAX_INSTANCE or not 0 <= level <= 20:
        raise InputError(where, f"there is no object {instance} of part level {level}", "count objects from 1")
    label = _label(before[3], before[4])
    if not label:
        raise InputError(where, "the object has no name", "give it one")
    return instance, level, label, tuple(v for v in (part.strip() for part in attributes.split(",")) if v)


def _label(wordnet: str, raw: str) -> str:
    """Return the WordNet names where there are some, else the raw name, with one space after each comma."""
    text = wordnet if wordnet.strip(" -") else raw
    return ", ".join(part for part in (part.strip() for part in text.split(",")) if part)


def read_json(file: Path) -> tuple[str | None, list[Item]]:
    """Read an ``X.json`` of 2021: the scene (None where it tells none) and the objects with their polygons."""
    held = whole(file)
    annotation = held.get("annotation") if isinstance(held, dict) else None
    objects = annotation.get("object") if isinstance(annotation, dict) else None
    if not isinstance(annotation, dict) or not isinstance(objects, (list, dict)):
        raise InputError(str(file), "there is no annotation with a list of objects", "give ADE20K's own file")
    objects = objects if isinstance(objects, list) else [objects]
    scene = annotation.get("scene")
    parts = [part for part in scene if isinstance(part, str)] if isinstance(scene, list) else []
    items, places = [], {}
    for place, thing in enumerate(objects):
        where = f"{file}, object[{place}]"
        if not isinstance(thing, dict):
            raise InputError(where, "this is no object", "give ADE20K's own file")
        items.append(_item(where, thing))
        places[thing.get("id")] = place
    wholes = [places.get(_part(thing).get("ispartof")) for thing in objects]
    joined = [
        Item(i.name, i.instance, i.level, i.label, i.attributes, i.shape, None if whole == place else whole)
        for place, (i, whole) in enumerate(zip(items, wholes, strict=True))
    ]
    if len({item.name for item in joined}) < len(joined):
        raise InputError(str(file), "two objects have one id", "give ADE20K's own file")
    return parts[-1] if parts else None, joined


def _part(thing: dict[str, Any]) -> dict[str, Any]:
    part = thing.get("parts")
    if not isinstance(part, dict):
        return {}
    whole = part.get("ispartof")
    return part if isinstance(whole, (int, str)) else {**part, "ispartof": None}


def _item(where: str, thing: dict[str, Any]) -> Item:
    number, level = thing.get("id"), _part(thing).get("part_level", 0)
    label = _label(str(thing.get("name") or ""), str(thing.get("raw_name") or ""))
    if type(number) is not int or type(level) is not int or not label:
        raise InputError(where, "the object has no id, part level or name", "give ADE20K's own file")
    attributes = thing.get("attributes") or []
    words = attributes.split(",") if isinstance(attributes, str) else attributes
    values = [str(v).strip() for v in words if isinstance(v, str) and v.strip()] if isinstance(words, list) else []
    polygon = thing.get("polygon")
    xs, ys = (numbers(polygon.get(axis)) for axis in "xy") if isinstance(polygon, dict) else (None, None)
    shape = None
    if xs and ys and len(xs) == len(ys):
        shape = (polygon_area(xs, ys), points_box(xs, ys))
    return Item(str(number), number, level, label, tuple(values), shape)
