"""ADE20K's scene-parsing form: pictures, masks of class numbers, and one table of scenes and one of classes."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns, first_few
from conceptx.images.formats.reading import (
    BadImage,
    Entry,
    Pictures,
    existing_folder,
    image_table,
    numbered_lines,
    split_of,
    splits_or_none,
)
from conceptx.images.formats.shapes import mask_areas_and_boxes
from conceptx.images.parallel import in_threads
from conceptx.images.pictures import inside, read_mask
from conceptx.progress import Progress, silent

SCENES = "sceneCategories.txt"
CLASSES = ("objectInfo150.txt", "objectInfo150.csv")

_SHOWN = 10
_CLASSES = 1 << 16
"""Larger numbers are none of a class."""

_Regions = list[tuple[int, int, Box]]


def read_ade20k_scenes(path: Path, progress: Progress = silent) -> ImageSet:
    """Read `images/` with `annotations/`; every class that occurs in a mask is one object, the region it covers."""
    pictures = Pictures(existing_folder(path))
    below = [p for p in pictures.paths if p.startswith("images/")]
    if not below:
        raise InputError(str(path), "there is no picture in images/", "give the folder with images/ and annotations/")
    classes = _classes(path)
    scenes = _scenes(path / SCENES) if (path / SCENES).is_file() else {}
    masks = ["annotations/" + p[len("images/") :].rpartition(".")[0] + ".png" for p in below]
    known = [mask if mask in pictures else None for mask in masks]
    if not any(known):
        raise InputError(str(path), "there is no mask in annotations/", "give masks of the pictures' names")
    columns = ObjectColumns(str(path))
    entries, notes = [], []
    largest, beyond = max(classes), dict[int, str]()
    read = in_threads(partial(_regions, path), known, progress, "masks")
    for picture, mask, found in zip(below, known, read, strict=True):
        stem = PurePosixPath(picture).stem
        entries.append(Entry(picture, picture, scenes.get(stem)))
        if isinstance(found, str):
            notes.append(found)
            continue
        for number, area, box in found:
            if number <= largest:
                columns.add(picture, str(number), classes.get(number, f"class {number}"), box, area)
            else:
                beyond.setdefault(number, str(mask))
    for number, mask in sorted(beyond.items())[:_SHOWN]:
        notes.append(f"left out: regions of class {number}, which the table does not name; the first is in {mask}")
    bare = [picture for picture, mask in zip(below, known, strict=True) if mask is None]
    if bare:
        notes.append(f"without a mask, and so without objects: {first_few(bare)}")
    lost = sorted(scenes.keys() - {PurePosixPath(picture).stem for picture in below})
    if lost:
        notes.append(f"left out: scenes of {len(lost):,} pictures that are not here: {first_few(lost)}")
    orphans = sorted({p for p in pictures.paths if p.startswith("annotations/")} - set(masks))
    if orphans:
        notes.append(f"left out: masks without a picture: {first_few(orphans)}")
    return ImageSet(
        path.resolve().name,
        path,
        image_table(path, entries, progress),
        columns.table(),
        notes=tuple(notes),
        original_splits=splits_or_none([split_of(PurePosixPath(p).parts[:-1]) for p in below]),
    )


def _regions(root: Path, mask: str | None) -> _Regions | str:
    """Return (class, area, box) of the classes in a mask, or the sentence that tells why it cannot be read."""
    if mask is None:
        return []
    try:
        values = read_mask(inside(root, mask))
    except BadImage as error:
        return f"{mask}: {error.what}; {error.mend}"
    if values.ndim != 2 or values.dtype.kind not in "ui":
        return f"{mask}: the mask has several channels; give the masks of the scene-parsing form"
    largest = int(values.max(initial=0))
    if largest >= _CLASSES:
        return f"{mask}: the mask has the value {largest}; give the masks of the scene-parsing form"
    shapes = enumerate(mask_areas_and_boxes(values, largest), start=1)
    return [(number, shape[0], shape[1]) for number, shape in shapes if shape is not None]


def _scenes(file: Path) -> dict[str, str]:
    scenes = {}
    for number, line in numbered_lines(file):
        parts = line.split()
        if len(parts) != 2:
            raise InputError(f"{file}:{number}", f"the line has {len(parts)} words", "write a picture and its scene")
        scenes[parts[0]] = parts[1]
    return scenes


def _classes(path: Path) -> dict[int, str]:
    """Return the classes' names by number, the synonyms joined by commas."""
    file = next((path / name for name in CLASSES if (path / name).is_file()), None)
    if file is None:
        raise InputError(str(path), f"there is no {' or '.join(CLASSES)}", "put the table of classes beside images/")
    found: dict[int, str] = {}
    for number, line in numbered_lines(file):
        cells = _cells(line, file.suffix == ".csv")
        if number == 1 and not cells[0].isdecimal():
            continue
        if len(cells) < 2 or not cells[0].isdecimal() or not 0 < int(cells[0]) < _CLASSES or not cells[-1]:
            raise InputError(f"{file}:{number}", "the line is no class", "write its number first and its names last")
        found[int(cells[0])] = ", ".join(part.strip() for part in re.split("[,;]", cells[-1]) if part.strip())
    if not found:
        raise InputError(str(file), "there are no classes", "give the table of classes of the scene-parsing form")
    return found


def _cells(line: str, commas: bool) -> Sequence[str]:
    cells = next(csv.reader([line])) if commas else re.split(r"\t+", line)
    return [cell.strip() for cell in cells if cell.strip()] or [""]
