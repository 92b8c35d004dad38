"""ADE20K in its full form: every picture with the list of its objects and parts, and masks of both.

`read_ade20k` takes the releases of 2016 (``X_atr.txt``) and 2021 (``X.json``). In a mask ``X_seg.png`` or
``X_parts_1.png`` the red and green channels tell the class, R // 10 · 256 + G, and the blue one the object: object i
of n has the value round(255 · i / n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.ade20k_lists import Item, read_atr, read_json
from conceptx.images.formats.columns import Box, ObjectColumns, first_few
from conceptx.images.formats.pickled import load_plain
from conceptx.images.formats.reading import (
    BadImage,
    Entry,
    existing_folder,
    files_below,
    image_table,
    split_of,
    splits_or_none,
)
from conceptx.images.formats.shapes import mask_areas_and_boxes
from conceptx.images.formats.words import PART_OF, attribute_role
from conceptx.images.parallel import in_threads
from conceptx.images.pictures import inside, read_mask
from conceptx.progress import Progress, silent

INDEX = "index_ade20k.pkl"
_FOLDERS_ABOVE = 4
_MAX_INSTANCES = 255


@dataclass(frozen=True, slots=True)
class _Index:
    """What the data set's own index tells: the scene of each picture, and the names of the classes."""

    scenes: dict[str, str] = field(default_factory=dict)
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """One picture's annotations: its objects, the place of each one's whole, and what is wrong with its masks."""

    scene: str | None
    items: Sequence[Item]
    shapes: Sequence[tuple[float, Box] | None]
    wholes: Sequence[int | None]
    note: str | None


def read_ade20k(path: Path, progress: Progress = silent) -> ImageSet:
    """Read all pictures below `path`, whatever folders they lie in; an image's name is its path.

    An object's label is its list of WordNet names (``sofa, couch, lounge``), or its raw name where it has none.
    """
    files = set(files_below(existing_folder(path)))
    annotated = {name[: -len(end)] for end in ("_atr.txt", ".json") for name in files if name.endswith(end)}
    stems = sorted({name[:-4] for name in files if name.lower().endswith(".jpg")} | annotated)
    index = _index(path)
    if not annotated and not (index.objects and any(name.endswith("_seg.png") for name in files)):
        what = "there is neither an *_atr.txt nor a *.json beside the pictures"
        raise InputError(str(path), what, "give a folder of the full form, or use ade20k_scenes or folder")
    entries, splits = [], []
    columns = ObjectColumns(str(path))
    notes = []
    read = in_threads(partial(_read, path, files, index.objects), stems, progress, "masks")
    for stem, found in zip(stems, read, strict=True):
        name = next((stem + end for end in (".jpg", ".JPG") if stem + end in files), f"{stem}.jpg")
        of_2021 = f"{stem}.json" in files
        scene = index.scenes.get(PurePosixPath(stem).name) or found.scene or _scene_of_folder(stem, of_2021)
        entries.append(Entry(name, name, scene))
        splits.append(split_of([*PurePosixPath(stem).parts[:-1], *PurePosixPath(stem).name.split("_")[1:2]]))
        rows = []
        for item, shape in zip(found.items, found.shapes, strict=True):
            area, box = shape or (None, None)
            rows.append(columns.add(name, item.name, item.label, box, area))
            for value in item.attributes:
                columns.attribute(rows[-1], attribute_role(value), value)
        for row, whole in zip(rows, found.wholes, strict=True):
            if whole is not None:
                columns.relation(row, PART_OF, rows[whole])
        if found.note:
            notes.append(found.note)
    bare = [name for name in sorted(annotated) if f"{name}_atr.txt" in files and f"{name}_seg.png" not in files]
    if bare:
        notes.append(f"without a mask, and so without boxes: {first_few([f'{stem}.jpg' for stem in bare])}")
    images = image_table(path, entries, progress)
    return ImageSet(
        path.resolve().name,
        path,
        images,
        columns.table(),
        notes=tuple(notes),
        original_splits=splits_or_none(splits),
    )


def _index(path: Path) -> _Index:
    """Return the index in the folder or the nearest folder above it."""
    for folder in [path, *list(path.resolve().parents)[:_FOLDERS_ABOVE]]:
        file = folder / INDEX
        if file.is_file():
            return _read_index(file)
    return _Index()


def _read_index(file: Path) -> _Index:
    held = load_plain(file)

    def texts(key: str) -> list[str]:
        values = held.get(key, []) if isinstance(held, dict) else []
        values = values.tolist() if isinstance(values, np.ndarray) else values
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise InputError(f"{file}, {key}", "this is no list of texts", "get the data set's own index")
        return values

    if not isinstance(held, dict):
        raise InputError(str(file), "the index is no dictionary", "get the data set's own index")
    names, scenes = texts("filename"), texts("scene")
    if len(names) != len(scenes):
        what = f"there are {len(names)} file names and {len(scenes)} scenes"
        raise InputError(str(file), what, "get the data set's own index")
    of_picture = {name.rpartition(".")[0]: scene.strip("/ ") for name, scene in zip(names, scenes, strict=True)}
    return _Index(of_picture, tuple(texts("objectnames")))


def _scene_of_folder(stem: str, of_2021: bool) -> str | None:
    """Return the scene that the folders tell: ``training/a/apartment_building/outdoor`` in the release of 2016."""
    parts = PurePosixPath(stem).parts[:-1]
    for place, part in enumerate(parts):
        if split_of([part]) is not None:
            parts = parts[place + 1 :]
            break
    if of_2021:
        parts = parts[-1:]
    parts = tuple(part for part in parts if len(part) > 1)
    return "_".join(parts) or None


def _read(root: Path, files: set[str], classes: Sequence[str], stem: str) -> _Read:
    """Read one picture's list and masks."""
    scene = None
    items: Sequence[Item] = ()
    if f"{stem}_atr.txt" in files:
        items = read_atr(inside(root, f"{stem}_atr.txt"))
    elif f"{stem}.json" in files:
        scene, items = read_json(inside(root, f"{stem}.json"))
        return _Read(scene, items, [item.shape for item in items], [item.whole for item in items], None)
    names = [name for name in (f"{stem}_seg.png", *_part_masks(stem, files)) if name in files]
    masks = []
    for name in names if items else names[:1]:
        try:
            masks.append(_channels(root, name))
        except BadImage as error:
            note = f"{name}: {error.what}; {error.mend}"
            return _Read(scene, items, [None] * len(items), [None] * len(items), note)
    if not items and masks and classes:
        items = _items_of_mask(masks[0], classes)
    shapes, wholes = _shapes(items, masks)
    return _Read(scene, items, shapes, wholes, None)


def _part_masks(stem: str, files: set[str]) -> list[str]:
    found: list[str] = []
    while (name := f"{stem}_parts_{len(found) + 1}.png") in files:
        found.append(name)
    return found


def _channels(root: Path, name: str) -> npt.NDArray[np.uint8]:
    mask = read_mask(inside(root, name))
    if mask.ndim != 3 or mask.shape[2] < 3 or mask.dtype != np.uint8:
        raise BadImage(name, "the mask has no red, green and blue channel", "give the mask as it was published")
    return mask


def _items_of_mask(mask: npt.NDArray[np.uint8], classes: Sequence[str]) -> list[Item]:
    """Return the objects of a mask without a list: the class of each comes from the mask, its name from the index."""
    blue = mask[:, :, 2]
    items = []
    for number, value in enumerate(np.unique(blue[blue > 0]).tolist(), start=1):
        red, green = (int(v) for v in mask[blue == value][0, :2])
        of_class = red // 10 * 256 + green
        label = classes[of_class - 1] if 0 < of_class <= len(classes) else ""
        items.append(Item(str(number), number, 0, label or f"class {of_class}"))
    return items


def _shapes(
    items: Sequence[Item], masks: Sequence[npt.NDArray[np.uint8]]
) -> tuple[list[tuple[float, Box] | None], list[int | None]]:
    """Return area and box of each object, and the place of the object that it is a part of."""
    shapes: list[tuple[float, Box] | None] = [None] * len(items)
    wholes: list[int | None] = [None] * len(items)
    above: npt.NDArray[np.int32] | None = None
    places_above: list[int] = []
    for level, mask in enumerate(masks):
        places = [place for place, item in enumerate(items) if item.level == level]
        numbers = [items[place].instance for place in places]
        instance = instances(mask[:, :, 2], max(numbers, default=0))
        if instance is None:
            break
        found = mask_areas_and_boxes(instance, max(numbers, default=0))
        for place, number in zip(places, numbers, strict=True):
            shapes[place] = found[number - 1]
        if above is not None and above.shape == instance.shape:
            owner = _owners(instance, above, max(numbers, default=0))
            whole_of = {items[place].instance: place for place in places_above}
            for place, number in zip(places, numbers, strict=True):
                wholes[place] = whole_of.get(owner[number - 1])
        above, places_above = instance, places
    return shapes, wholes


def instances(blue: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.int32] | None:
    """Return for each pixel the number of its object, 1 to `count` (0 for none), or None where it cannot be told.

    Object i of n has the value floor(255 · i / n + 1/2). An object that others hide altogether has no pixel, so the
    rank of a value among those that occur would be a wrong number. A mask written otherwise has the ranks.
    """
    present = np.unique(blue[blue > 0])
    if not len(present):
        return np.zeros(blue.shape, np.int32)
    if not len(present) <= count <= _MAX_INSTANCES:
        return None
    numbers = np.arange(1, count + 1)
    values = (255 * numbers * 2 + count) // (2 * count)
    table = np.zeros(256, np.int32)
    if np.isin(present, values).all():
        table[values] = numbers
    elif len(present) == count:
        table[present] = numbers
    elif int(present[-1]) <= count:
        table[1 : count + 1] = numbers
    else:
        return None
    return table[blue]


def _owners(parts: npt.NDArray[np.int32], above: npt.NDArray[np.int32], count: int) -> list[int]:
    """Return for each part the object of the level above that most of its pixels lie on (0 for none)."""
    on_part = parts > 0
    wide = int(above.max(initial=0)) + 1
    pairs = np.bincount(parts[on_part].astype(np.int64) * wide + above[on_part], minlength=(count + 1) * wide)
    table = pairs.reshape(-1, wide)[1 : count + 1].copy()
    table[:, 0] = 0
    return [int(row.argmax()) if row.any() else 0 for row in table]


__all__: list[Any] = ["INDEX", "instances", "read_ade20k"]
