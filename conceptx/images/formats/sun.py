"""SUN: pictures in folders of scene categories, and the scene attributes of the SUN attribute data set."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import ObjectColumns, first_few
from conceptx.images.formats.reading import (
    Entry,
    Pictures,
    existing_folder,
    image_table,
    numbered_lines,
    splits_or_none,
)
from conceptx.progress import Progress, silent

_TABLES = {"images.mat": "images", "attributes.mat": "attributes", "attributeLabels_continuous.mat": "labels_cv"}
_MAX_TABLE = 256_000_000
_AGREED = 0.5
"""An image has an attribute when more than this share of the annotators gave it."""


def read_sun(path: Path, progress: Progress = silent) -> ImageSet:
    """Read SUN397 or the SUN attribute data set: ``a/abbey/sun_x.jpg`` is of the category `abbey`.

    An attribute of the scene that most annotators gave is an object without a box. `Training_01.txt` and
    `Testing_01.txt` tell the splits.
    """
    pictures = Pictures(existing_folder(path))
    if not pictures.paths:
        raise InputError(str(path), "there is no picture in the folder", "give the folder that holds SUN397")
    columns = ObjectColumns(str(path))
    shared = _shared(pictures.paths)
    keys = {picture: "/".join(picture.split("/")[shared:]) for picture in pictures.paths}
    attributes = _attributes(path, pictures.files)
    entries = []
    for picture in pictures.paths:
        entries.append(Entry(picture, picture, category(keys[picture])))
        for number, label in enumerate(attributes.get(keys[picture], ()), start=1):
            columns.add(picture, str(number), label)
    lists = {"Training_01.txt": "train", "Testing_01.txt": "test"}
    splits: dict[str, str] = {}
    for name in pictures.files:
        if (split := lists.get(name.rpartition("/")[2])) is not None:
            splits |= {line.strip().strip("/"): split for _, line in numbered_lines(path / name)}
    lost = sorted((splits.keys() | attributes.keys()) - set(keys.values()))
    told = f"left out: what is said of {len(lost):,} pictures that are not here: {first_few(lost)}"
    return ImageSet(
        path.resolve().name,
        path,
        image_table(path, entries, progress),
        columns.table(),
        notes=(told,) if lost else (),
        original_splits=splits_or_none([splits.get(keys[picture]) for picture in pictures.paths]),
    )


def category(key: str) -> str | None:
    """Return the category of ``a/apartment_building/outdoor/x.jpg``: its folders, the single letter left out."""
    parts = PurePosixPath(key).parts[:-1]
    parts = parts[1:] if parts and len(parts[0]) == 1 else parts
    return "_".join(parts) or None


def _shared(paths: list[str]) -> int:
    """Return how many folders all pictures share above the folders of single letters (``SUN397/a/abbey``)."""
    for place, part in enumerate(PurePosixPath(paths[0]).parts[:-1]):
        if len(part) == 1:
            return place
    return 0


def _attributes(path: Path, files: list[str]) -> dict[str, list[str]]:
    """Return the agreed attributes of each picture from the three tables of the SUN attribute data set."""
    found = {name: next((path / f for f in files if f.rpartition("/")[2] == name), None) for name in _TABLES}
    if not all(found.values()):
        return {}
    names, attributes, shares = (_table(file, _TABLES[name]) for name, file in found.items() if file)
    images, labels = _texts(names), _texts(attributes)
    if shares.shape != (len(images), len(labels)) or shares.dtype.kind not in "fiu":
        file = found["attributeLabels_continuous.mat"]
        what = f"the shares have the shape {shares.shape} beside {len(images)} images and {len(labels)} attributes"
        raise InputError(str(file), what, "download the three tables again")
    rows = (np.flatnonzero(row > _AGREED).tolist() for row in shares)
    return {image: [labels[k] for k in row] for image, row in zip(images, rows, strict=True)}


def _table(file: Path, key: str) -> Any:
    from scipy.io import loadmat

    if file.stat().st_size > _MAX_TABLE:
        raise InputError(str(file), f"the file has more than {_MAX_TABLE:,} bytes", "give SUN's own table")
    try:
        return loadmat(file, variable_names=[key])[key]
    except Exception as error:  # a decoder meets a hostile file with whatever its code runs into
        what = f"this is no MATLAB table with {key!r} ({type(error).__name__})"
        raise InputError(str(file), what, "download it again") from error


def _texts(cells: Any) -> list[str]:
    """Return the texts in a column of MATLAB cells."""
    return [str(cell.flat[0]) if getattr(cell, "size", 0) else "" for cell in np.asarray(cells).flat]
