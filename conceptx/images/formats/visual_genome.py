"""Visual Genome: objects, their attributes and the relations between them, from files of a gigabyte.

Everything is kept as numbers while it is read, so the files may name images in any order.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, Names, ObjectColumns, first_few
from conceptx.images.formats.json_stream import members
from conceptx.images.formats.reading import Entry, Pictures, existing_folder, image_table
from conceptx.images.formats.shapes import numbers
from conceptx.images.formats.words import attribute_role, predicate_role
from conceptx.progress import Progress, silent

GRAPHS = "scene_graphs.json"
OBJECTS_FILE = "objects.json"
ATTRIBUTES = "attributes.json"
RELATIONS = "relationships.json"

_NUMBER = re.compile(r"\d{1,12}\Z")
_ID_BITS = 40
_LARGEST_ID = 1 << _ID_BITS
_NOT_A_WORD = frozenset({"", "none", "null"})


def read_visual_genome(path: Path, progress: Progress = silent) -> ImageSet:
    """Read `objects.json` with `attributes.json` and `relationships.json`, or `scene_graphs.json` alone.

    The images are the pictures ``ID.jpg`` that lie below `path`; what is said of others is left out and counted. An
    object's labels are its WordNet senses (``tree.n.01``), or its names where it has none.
    """
    pictures = Pictures(existing_folder(path))
    of_image: dict[int, str] = {}
    unused: list[str] = []
    for picture in pictures.paths:
        stem = picture.rpartition("/")[2].rpartition(".")[0]
        if not _NUMBER.match(stem) or of_image.setdefault(int(stem), picture) != picture:
            unused.append(picture)
    if not of_image:
        raise InputError(str(path), "there is no picture ID.jpg", "put VG_100K and VG_100K_2 into the folder")
    graphs, objects = path / GRAPHS, path / OBJECTS_FILE
    if not graphs.is_file() and not objects.is_file():
        raise InputError(str(path), f"there is neither {OBJECTS_FILE} nor {GRAPHS}", "download one of them")
    gathered = Gathered(str(path), of_image)
    if objects.is_file():
        for where, image, record in progress(_images(objects), label=OBJECTS_FILE):
            gathered.objects(where, image, record)
        if (path / ATTRIBUTES).is_file():
            for where, image, record in progress(_images(path / ATTRIBUTES), label=ATTRIBUTES):
                gathered.attributes(where, image, _list(where, record, "attributes"))
        if (path / RELATIONS).is_file():
            for where, image, record in progress(_images(path / RELATIONS), label=RELATIONS):
                gathered.relations(where, image, record)
    else:
        for where, image, record in progress(_images(graphs), label=GRAPHS):
            gathered.objects(where, image, record)
            gathered.attributes(where, image, _list(where, record, "objects"))
            gathered.relations(where, image, record)
    gathered.join()
    entries = [Entry(str(number), picture) for number, picture in sorted(of_image.items())]
    told = f"left out: pictures whose name is no id, or one that another picture has: {first_few(unused)}"
    return ImageSet(
        path.resolve().name,
        path,
        image_table(path, entries, progress),
        gathered.columns.table(),
        notes=(*gathered.notes(), told) if unused else gathered.notes(),
    )


class Gathered:
    """The objects, and the attributes and relations that wait to be joined to them by (image, object id)."""

    def __init__(self, source: str, of_image: dict[int, str]) -> None:
        self.columns = ObjectColumns(source)
        self._of_image = of_image
        self._place = {number: place for place, number in enumerate(sorted(of_image))}
        self._keys, self._rows = array("q"), array("q")
        self._merged_keys, self._merged_rows = array("q"), array("q")
        self._attribute_of, self._attribute = array("q"), array("i")
        self._subject, self._object, self._predicate = array("q"), array("q"), array("i")
        self._words, self._roles = Names(source), Names(source)
        self._missing: set[int] = set()
        self._dropped = 0

    def objects(self, where: str, image: int, record: dict[str, Any]) -> None:
        """Take the objects of one image."""
        if not self._known(image):
            return
        for place, thing in enumerate(_list(where, record, "objects")):
            inner = f"{where}, objects[{place}]"
            number = _object_id(inner, thing)
            labels = _texts(thing.get("synsets")) or _texts(thing.get("names")) or _texts([thing.get("name")])
            if not labels:
                raise InputError(inner, "the object has no name", "give it one")
            box = _box(inner, thing)
            rows = [
                self.columns.add(str(image), str(number), label, box, box and box[2] * box[3])
                for label in dict.fromkeys(labels)
            ]
            self._keys.append(self._key(image, number))
            self._rows.append(rows[0])
            for merged in _merged(thing):
                self._merged_keys.append(self._key(image, merged))
                self._merged_rows.append(rows[0])

    def attributes(self, where: str, image: int, things: Sequence[Any]) -> None:
        """Take the attributes of one image's objects."""
        if not self._known(image):
            return
        for place, thing in enumerate(things):
            inner = f"{where}, attributes[{place}]"
            if not isinstance(thing, dict):
                raise InputError(inner, "this is no object", "write Visual Genome's form")
            words = _texts(thing.get("attributes"))
            key = self._key(image, _object_id(inner, thing)) if words else 0
            for word in dict.fromkeys(words):
                self._attribute_of.append(key)
                self._attribute.append(self._words.number(word))

    def relations(self, where: str, image: int, record: dict[str, Any]) -> None:
        """Take the relations between one image's objects."""
        if not self._known(image):
            return
        for place, relation in enumerate(_list(where, record, "relationships")):
            inner = f"{where}, relationships[{place}]"
            if not isinstance(relation, dict):
                raise InputError(inner, "this is no relation", "write Visual Genome's form")
            ends = [
                _id(inner, relation, f"{end}_id") if f"{end}_id" in relation else _object_id(inner, relation.get(end))
                for end in ("subject", "object")
            ]
            predicate = relation.get("predicate")
            role = predicate_role(predicate) if isinstance(predicate, str) else ""
            if role:
                self._subject.append(self._key(image, ends[0]))
                self._object.append(self._key(image, ends[1]))
                self._predicate.append(self._roles.number(role))

    def join(self) -> None:
        """Give the objects their attributes and relations; what names an object that there is not is counted."""
        keys = np.concatenate([_integers(self._keys), _integers(self._merged_keys)])
        order = np.argsort(keys, kind="stable")  # an object's own number comes before what was merged into others
        keys = keys[order]
        row_of = np.concatenate([_integers(self._rows), _integers(self._merged_rows)])[order]

        def rows(of: array[int]) -> npt.NDArray[np.int64]:
            """Return the first row of each object, -1 where there is none."""
            wanted = _integers(of)
            place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
            if not len(keys):
                return np.full(len(wanted), -1)
            return np.where(keys[place] == wanted, row_of[place], -1)

        words, roles = self._words.array().to_pylist(), self._roles.array().to_pylist()
        of, word = rows(self._attribute_of), np.array(self._attribute, np.int64)
        self._dropped += int((of < 0).sum())
        for pair in np.unique(of[of >= 0] << 32 | word[of >= 0]).tolist():
            text = words[pair & 0xFFFFFFFF]
            self.columns.attribute(pair >> 32, attribute_role(text), text)
        ends = zip(rows(self._subject).tolist(), rows(self._object).tolist(), self._predicate, strict=True)
        for subject, other, role in ends:
            if subject < 0 or other < 0:
                self._dropped += 1
            else:
                self.columns.relation(subject, roles[role], other)

    def notes(self) -> tuple[str, ...]:
        """Return what was left out."""
        found = []
        if self._missing:
            found.append(f"left out: {len(self._missing):,} annotated images without a picture")
        if self._dropped:
            found.append(f"left out: {self._dropped:,} attributes or relations of objects that there are not")
        return tuple(found)

    def _known(self, image: int) -> bool:
        if image in self._of_image:
            return True
        self._missing.add(image)
        return False

    def _key(self, image: int, number: int) -> int:
        return self._place[image] << _ID_BITS | number


def _integers(values: array[int]) -> npt.NDArray[np.int64]:
    return np.frombuffer(values, np.int64) if len(values) else np.zeros(0, np.int64)


def _images(file: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for key, place, record in members(file):
        where = f"{file}, image {place + 1}"
        if key or not isinstance(record, dict):
            raise InputError(where, "this is no record of an image", "write Visual Genome's form: a list of images")
        yield where, _id(where, record, "image_id" if "image_id" in record else "id"), record


def _id(where: str, record: object, key: str) -> int:
    value = record.get(key) if isinstance(record, dict) else None
    if type(value) is not int or not 0 <= value < _LARGEST_ID:
        raise InputError(where, f"{key} is {value!r}"[:120], f"give {key} as a whole number")
    return value


def _object_id(where: str, thing: object) -> int:
    """Return an object's number; the first release calls it `id`."""
    return _id(where, thing, "object_id" if isinstance(thing, dict) and "object_id" in thing else "id")


def _merged(thing: dict[str, Any]) -> list[int]:
    """Return the numbers of the objects that are one with this one; attributes and relations may go by these."""
    numbers = thing.get("merged_object_ids")
    return [n for n in numbers if type(n) is int and 0 <= n < _LARGEST_ID] if isinstance(numbers, list) else []


def _list(where: str, record: dict[str, Any], key: str) -> list[Any]:
    found = record.get(key, [])
    if not isinstance(found, list):
        raise InputError(where, f"{key} is no list", "write Visual Genome's form")
    return found


def _texts(values: object) -> list[str]:
    found = [v.strip() for v in values if isinstance(v, str)] if isinstance(values, list) else []
    return [text for text in found if text.casefold() not in _NOT_A_WORD]


def _box(where: str, thing: dict[str, Any]) -> Box | None:
    if "x" not in thing:
        return None
    box = numbers(
        [thing.get("x"), thing.get("y"), thing.get("w", thing.get("width")), thing.get("h", thing.get("height"))]
    )
    if box is None or box[2] < 0 or box[3] < 0:
        raise InputError(where, "x, y, w and h are no box", "give four numbers")
    return box[0], box[1], box[2], box[3]
