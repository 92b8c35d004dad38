"""Open Images: CSV files of millions of boxes and image-level labels, read in columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import first_few, numbers_of, texts_of
from conceptx.images.formats.reading import (
    Entry,
    Pictures,
    existing_folder,
    image_table,
    split_of,
    splits_or_none,
)
from conceptx.progress import Progress, silent
from conceptx.tables import OBJECTS
from conceptx.tables.artefacts import first_line

_BLOCK = 1 << 22
_EDGES = ("XMin", "XMax", "YMin", "YMax")
_BOXES = frozenset({"ImageID", "LabelName", *_EDGES})
_LABELS = frozenset({"ImageID", "LabelName", "Confidence"})
_DESCRIPTIONS = "class-descriptions"


@dataclass(frozen=True, slots=True)
class Known:
    """The images by name, in the order of their numbers, with their sizes (NaN if unknown), and the classes' names."""

    images: pa.Array
    widths: npt.NDArray[np.float32]
    heights: npt.NDArray[np.float32]
    classes: Mapping[str, str]


def read_open_images(path: Path, progress: Progress = silent) -> ImageSet:
    """Read boxes and image-level labels from the CSV files below `path`, told apart by their columns.

    The images are the pictures ``ID.jpg`` that lie below `path`; what is said of others is left out and counted. An
    image-level label that a person has confirmed is an object without a box, unless a box of it is in the image.
    """
    (boxes, labels, descriptions), images, splits, unused = _found(path, progress)
    known = Known(
        images["image"].combine_chunks(),
        *_sizes(images),
        {key: name for file in descriptions for key, name in _class_names(file)},
    )
    if not known.classes:
        raise InputError(str(descriptions[0]), "there are no classes", "download the file again")
    objects = Objects(known, labels_follow=bool(labels))
    for file in boxes:
        for batch in progress(batches(file, ("ImageID", "LabelName", *_EDGES)), label=file.name):
            objects.add(file, batch)
    for file in labels:
        for batch in progress(batches(file, ("ImageID", "LabelName", "Confidence")), label=file.name):
            objects.add(file, batch)
    return ImageSet(
        path.resolve().name,
        path,
        images,
        objects.table(),
        notes=(*objects.notes(), *unused),
        original_splits=splits,
    )


def _found(
    path: Path, progress: Progress
) -> tuple[tuple[list[Path], list[Path], list[Path]], pa.Table, tuple[str | None, ...], tuple[str, ...]]:
    """Return the annotation files, the table of the pictures below `path`, their original splits, and notes."""
    pictures = Pictures(existing_folder(path))
    if not pictures.paths:
        raise InputError(str(path), "there is no picture", "put the downloaded pictures below the folder")
    boxes, labels, descriptions = _files(path, pictures.files)
    if not boxes and not labels:
        what = "there is no CSV file with the columns ImageID and LabelName"
        raise InputError(str(path), what, "put the annotation files into the folder")
    if not descriptions:
        raise InputError(str(path), f"there is no *{_DESCRIPTIONS}*.csv", "download the classes' names")
    stems = {p.rpartition("/")[2].rpartition(".")[0]: p for p in reversed(pictures.paths)}
    entries = [Entry(stem, stems[stem]) for stem in sorted(stems)]
    splits = splits_or_none([split_of(entry.path.split("/")[:-1]) for entry in entries])
    unused = sorted(set(pictures.paths) - set(stems.values())) if len(stems) < len(pictures.paths) else []
    notes = (f"left out: pictures of an id that another picture has: {first_few(unused)}",) if unused else ()
    return (boxes, labels, descriptions), image_table(path, entries, progress), splits, notes


def _sizes(images: pa.Table) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    width, height = (images[side].to_numpy(zero_copy_only=False).astype(np.float32) for side in ("width", "height"))
    return width, height


class Objects:
    """The table OBJECTS while its rows arrive in batches; each batch is in its final form at once."""

    def __init__(self, known: Known, labels_follow: bool = True) -> None:
        self._known, self._labels_follow = known, labels_follow
        self._image_places = _Places(known.images)
        self._class_places = _Places(pa.array(list(known.classes), pa.string()))
        self._names = pa.array(list(known.classes.values()), pa.string())
        self._counts = np.zeros(len(known.images), np.int64)
        self._boxed: list[npt.NDArray[np.int64]] = []
        self._boxed_at_all: npt.NDArray[np.int64] | None = None
        self._batches: list[pa.RecordBatch] = []
        self._nulls = {field.name: pa.nulls(0, field.type) for field in OBJECTS}
        self._others, self._machine, self._unnamed = 0, 0, 0

    def add(self, file: Path, batch: pa.RecordBatch) -> None:
        """Take boxes (with the columns XMin, XMax, YMin, YMax) or image-level labels (with Confidence)."""
        image = self._image_places.of(batch["ImageID"])
        label = self._class_places.of(batch["LabelName"])
        kept = (image >= 0) & (label >= 0)
        self._others += int((image < 0).sum())
        self._unnamed += int(((image >= 0) & (label < 0)).sum())
        with_boxes = "XMin" in batch.schema.names
        keys = image * len(self._names) + label
        if with_boxes and self._labels_follow:
            self._boxed.append(keys[kept])
        elif not with_boxes:
            sure = batch["Confidence"].to_numpy(zero_copy_only=False) >= 1
            self._machine += int((kept & ~sure & (batch["Confidence"].to_numpy(zero_copy_only=False) > 0)).sum())
            kept &= sure & ~self._has_box(keys)
        image, label = image[kept], label[kept]
        numbers = [self._null("area", len(image))] * 5
        if with_boxes:
            numbers = [numbers_of(column) for column in self._boxes_of(file, batch, kept, image)]
        columns = [
            texts_of(image, self._known.images),
            pa.array(self._numbers(image)).cast(pa.string()),
            texts_of(label, self._names),
            *numbers,
            *(self._null(name, len(image)) for name in ("attributes", "relations")),
        ]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=OBJECTS))

    def table(self) -> pa.Table:
        """Return the table OBJECTS."""
        return pa.Table.from_batches(self._batches, OBJECTS)

    def notes(self) -> tuple[str, ...]:
        """Return what was left out."""
        counted = (
            (self._others, "annotations of images that have no picture here"),
            (self._machine, "image-level labels that only a machine has given"),
            (self._unnamed, "annotations with a class that the descriptions do not name"),
        )
        return tuple(f"left out: {count:,} {what}" for count, what in counted if count)

    def _null(self, name: str, length: int) -> pa.Array:
        """Return nulls for a column; all batches share their memory."""
        if len(self._nulls[name]) < length:
            self._nulls[name] = pa.nulls(length, OBJECTS.field(name).type)
        return self._nulls[name].slice(0, length)

    def _has_box(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Tell which (image, class) pairs have a box; all boxes are read before the first label."""
        if self._boxed_at_all is None:
            self._boxed_at_all = np.concatenate([*self._boxed, [np.iinfo(np.int64).max]])
            self._boxed_at_all.sort()
            self._boxed = []
        found: npt.NDArray[np.bool_] = self._boxed_at_all[np.searchsorted(self._boxed_at_all, keys)] == keys
        return found

    def _numbers(self, image: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the objects' running numbers within their images."""
        order = np.argsort(image, kind="stable")
        ordered = image[order]
        first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, bool)
        starts = np.flatnonzero(first)
        lengths = np.diff(np.append(starts, len(ordered)))
        within = np.arange(len(ordered)) - np.repeat(starts, lengths)
        numbers = np.empty(len(image), np.int64)
        numbers[order] = self._counts[ordered] + within + 1
        self._counts[ordered[starts]] += lengths
        return numbers

    def _boxes_of(
        self, file: Path, batch: pa.RecordBatch, kept: npt.NDArray[np.bool_], image: npt.NDArray[np.int64]
    ) -> list[npt.NDArray[np.float32]]:
        """Return x, y, w, h and area in pixels; the file has edges as shares of the picture."""
        edges = [batch[name].to_numpy(zero_copy_only=False) for name in _EDGES]
        wrong = ~np.logical_and.reduce([np.isfinite(e) & (e > -1e-3) & (e < 1.001) for e in edges])
        wrong |= (edges[1] < edges[0]) | (edges[3] < edges[2])
        if (wrong & kept).any():
            raise _first_wrong(file)
        left, right, top, bottom = (e[kept] for e in edges)
        wide, high = self._known.widths[image], self._known.heights[image]
        w, h = (right - left) * wide, (bottom - top) * high
        return [c.astype(np.float32, copy=False) for c in (left * wide, top * high, w, h, w * h)]


def batches(file: Path, wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the wanted columns of a CSV file in batches of a few megabytes."""
    texts = {"ImageID": pa.string(), "LabelName": pa.string()}
    options = {
        "read_options": arrow_csv.ReadOptions(block_size=_BLOCK),
        "convert_options": arrow_csv.ConvertOptions(
            include_columns=list(wanted), column_types={name: texts.get(name, pa.float32()) for name in wanted}
        ),
    }
    try:
        with arrow_csv.open_csv(file, **options) as reader:
            yield from reader
    except (pa.ArrowException, OSError) as error:
        raise _first_wrong(file, first_line(error)) from error


class _Places:
    """Finds the places of texts in a list; each distinct text of a batch is looked up once."""

    def __init__(self, texts: pa.Array) -> None:
        held = np.array([text.encode() for text in texts.to_pylist()] or [b""])
        self._order = np.argsort(held, kind="stable").astype(np.int64)
        self._sorted = held[self._order]

    def of(self, values: pa.Array) -> npt.NDArray[np.int64]:
        """Return the place of each text, -1 where it is not in the list."""
        coded = values.dictionary_encode()
        wanted = np.array([text.encode() for text in coded.dictionary.to_pylist()] or [b""])
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        found = np.where(self._sorted[at] == wanted, self._order[at], -1)
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        places: npt.NDArray[np.int64] = np.append(found, -1)[codes]
        return places


def _first_wrong(file: Path, reason: str = "") -> InputError:
    """Return the error for the first line that is wrong; the fast reader does not always tell which it is."""
    with file.open(encoding="utf-8", errors="replace", newline="") as handle:
        reader = csv.reader(handle)
        rows = _until_unreadable(reader)
        names = next(rows, [])
        for row in rows:
            where = f"{file}:{reader.line_num}"
            if row and len(row) != len(names):
                return InputError(where, f"the row has {len(row)} cells, not {len(names)}", "mend the row")
            cells = dict(zip(names, row, strict=False))
            for name in ("Confidence", *_EDGES):
                if name in cells and not _is_share(cells[name]):
                    return InputError(where, f"{name} is {cells[name]!r}"[:120], "give a number from 0 to 1")
            if cells.keys() >= set(_EDGES) and any(
                float(cells[a]) > float(cells[b]) for a, b in (_EDGES[:2], _EDGES[2:])
            ):
                return InputError(where, "the box is turned inside out", "give XMin ≤ XMax and YMin ≤ YMax")
    return InputError(str(file), f"the table cannot be read ({reason})", "download it again")


def _until_unreadable(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield rows as long as they can be read: where that ends the fast reader's own reason is told."""
    try:
        yield from rows
    except csv.Error:
        return


def _is_share(cell: str) -> bool:
    try:
        return -1e-3 < float(cell) < 1.001
    except ValueError:
        return False


def _files(path: Path, names: Sequence[str]) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the files of boxes, of image-level labels and of class names."""
    boxes, labels, descriptions = [], [], []
    for name in names:
        if not name.endswith(".csv"):
            continue
        file = path / name
        with file.open(encoding="utf-8-sig", errors="replace") as handle:
            columns = set(handle.readline(10_000).strip().split(","))
        if _DESCRIPTIONS in file.name:
            descriptions.append(file)
        elif columns >= _BOXES:
            boxes.append(file)
        elif columns >= _LABELS:
            labels.append(file)
    return boxes, labels, descriptions


def _class_names(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle)
        try:
            for row in reader:
                if not row or row[0] == "LabelName":
                    continue
                if len(row) != 2 or not row[0] or not row[1].strip():
                    where = f"{file}:{reader.line_num}"
                    raise InputError(where, f"the row has {len(row)} cells", "give a class and its name")
                yield row[0], row[1].strip()
        except (UnicodeDecodeError, csv.Error) as error:
            where = f"{file}:{reader.line_num + isinstance(error, UnicodeDecodeError)}"
            raise InputError(
                where, f"the row cannot be read ({first_line(error)})", "download the file again"
            ) from error
