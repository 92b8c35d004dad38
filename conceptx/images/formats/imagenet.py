"""ImageNet-style folders: pictures below folders named by WordNet numbers, with words and boxes where there are some.

It takes the layout of the Kaggle release (``ILSVRC/Data/CLS-LOC``), of torchvision (``train/n01440764``) and of Tiny
ImageNet (``train/n01443537/images``, ``val/val_annotations.txt``).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import ObjectColumns, first_few
from conceptx.images.formats.reading import (
    Entry,
    Pictures,
    existing_folder,
    image_table,
    numbered_lines,
    read_text,
    split_of,
    splits_or_none,
)
from conceptx.images.formats.voc import add_objects
from conceptx.images.formats.xml_tree import read_xml
from conceptx.progress import Progress, silent

_SYNSET = re.compile(r"n\d{8}\Z")
_LINE = re.compile(r"(?P<synset>n\d{8})[\s,]+(?P<words>.+)")
_WORDS = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")
_SOLUTIONS = ("LOC_val_solution.csv", "val_annotations.txt")
_MAX_LIST = 256_000_000


def read_imagenet(path: Path, progress: Progress = silent) -> ImageSet:
    """Read all pictures below `path`; the category is the synset's words, and every box in an XML file an object.

    A picture without boxes has one object, the thing that it is of.
    """
    pictures = Pictures(existing_folder(path))
    words = _words(path, pictures.files)
    told = _solutions(path, pictures.files)
    boxes = {PurePosixPath(name).stem: name for name in pictures.files if name.endswith(".xml")}
    columns = ObjectColumns(str(path))
    entries = []
    for picture in progress(pictures.paths, label="annotations"):
        parts = PurePosixPath(picture).parts
        synset = next((part for part in reversed(parts[:-1]) if _SYNSET.match(part)), None)
        synset = synset or told.get(parts[-1].rpartition(".")[0])
        label = words.get(synset, synset) if synset else None
        entries.append(Entry(picture, picture, label))
        xml = boxes.get(parts[-1].rpartition(".")[0])
        drawn = add_objects(path / xml, read_xml(path / xml), picture, columns, words) if xml else 0
        if not drawn and label:
            columns.add(picture, "1", label)
    if not any(entry.category for entry in entries):
        what = "no picture lies in a folder named like n01440764"
        raise InputError(str(path), what, "give an ImageNet-style folder, or use folder")
    bare = sorted({entry.category for entry in entries if entry.category and _SYNSET.match(entry.category)})
    notes = [f"without words: {first_few(bare)}; add {_WORDS[1]}"] if bare else []
    stems = {PurePosixPath(picture).stem for picture in pictures.paths}
    lost = sorted((boxes.keys() | told.keys()) - stems)
    if lost:
        notes.append(f"left out: annotations of {len(lost):,} pictures that are not here: {first_few(lost)}")
    return ImageSet(
        path.resolve().name,
        path,
        image_table(path, entries, progress),
        columns.table(),
        notes=tuple(notes),
        original_splits=splits_or_none([split_of(PurePosixPath(p).parts[:-1]) for p in pictures.paths]),
    )


def _words(path: Path, files: list[str]) -> dict[str, str]:
    """Return the words of each synset from the first table of words that there is."""
    for name in _WORDS:
        file = next((path / f for f in files if f.rpartition("/")[2] == name), None)
        if file is None:
            continue
        found = {}
        for number, line in numbered_lines(file):
            match = _LINE.match(line.strip())
            if match is None:
                raise InputError(f"{file}:{number}", "the line is no synset and its words", "write n01440764 tench")
            found[match["synset"]] = match["words"].strip()
        return found
    return {}


def _solutions(path: Path, files: list[str]) -> dict[str, str]:
    """Return the synset of each validation picture, by its name without the ending."""
    found = {}
    for name in files:
        if name.rpartition("/")[2] not in _SOLUTIONS:
            continue
        file = path / name
        for line, row in _rows(file):
            if row[:1] == ["ImageId"] or not row:
                continue
            synset = row[1].split()[0] if len(row) > 1 and row[1].split() else ""
            if not _SYNSET.match(synset):
                raise InputError(f"{file}:{line}", "the row names no synset", "write a picture and n01440764")
            found[row[0].rpartition(".")[0] or row[0]] = synset
    return found


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of the rows of a table, or say at which line it cannot be read."""
    rows = csv.reader(io.StringIO(read_text(file, _MAX_LIST)), delimiter="," if file.suffix == ".csv" else "\t")
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        where = f"{file}:{rows.line_num}"
        raise InputError(where, f"the row cannot be read ({error})", "download the file again") from error
