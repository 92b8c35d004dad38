"""CIFAR-10 and CIFAR-100 in their binary version (the other one is a pickle and is not read)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from conceptx.errors import InputError
from conceptx.files import digest_bytes
from conceptx.images.containers import PICTURE_BYTES, SIDE
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import ObjectColumns
from conceptx.images.formats.reading import existing_folder, files_below, numbered_lines
from conceptx.images.formats.words import SUPERCATEGORY
from conceptx.progress import Progress, silent
from conceptx.tables import IMAGES

_MAX_RECORDS = 10_000_000


def read_cifar(path: Path, progress: Progress = silent) -> ImageSet:
    """Read the ``*.bin`` files of either data set; an image's name is its file's and its number in it."""
    files = [name for name in files_below(existing_folder(path)) if name.endswith(".bin")]
    fine = _names(path, "batches.meta.txt") or _names(path, "fine_label_names.txt")
    coarse = _names(path, "coarse_label_names.txt")
    if not files or not fine:
        what = "there is no *.bin file" if not files else "there is neither batches.meta.txt nor fine_label_names.txt"
        raise InputError(str(path), what, "unpack the binary version of CIFAR-10 or CIFAR-100")
    columns = ObjectColumns(str(path))
    batches, splits = [], []
    for name in progress(files, label="pictures"):
        file = path / name
        head = 2 if coarse else 1
        size, record = file.stat().st_size, head + PICTURE_BYTES
        if size == 0 or size % record or size // record > _MAX_RECORDS:
            what = f"the file has {size:,} bytes, no multiple of {record:,}"
            raise InputError(str(file), what, "unpack the binary version of CIFAR-10 or CIFAR-100 again")
        held = np.memmap(file, np.uint8, "r").reshape(-1, record)
        rows = []
        for number, data in enumerate(held):
            image, label = f"{name.removesuffix('.bin')}/{number}", int(data[head - 1])
            where = f"{file}, picture {number}"
            category = _name(where, fine, label)
            row = columns.add(image, "1", category, (0, 0, SIDE, SIDE), SIDE * SIDE)
            if coarse:
                columns.attribute(row, SUPERCATEGORY, _name(where, coarse, int(data[0])))
            facts = {"path": f"{name}#{number * record + head}", "sha256": digest_bytes(data[head:].tobytes())}
            rows.append({"image": image, "category": category, "width": SIDE, "height": SIDE} | facts)
        splits += ["test" if "test" in file.name else "train"] * len(rows)
        batches.append(pa.RecordBatch.from_pylist(rows, IMAGES))
    table = pa.Table.from_batches(batches, IMAGES)
    return ImageSet(path.resolve().name, path, table, columns.table(), original_splits=tuple(splits))


def _names(path: Path, name: str) -> list[str]:
    file = path / name
    return [line.strip() for _, line in numbered_lines(file)] if file.is_file() else []


def _name(where: str, names: list[str], label: int) -> str:
    if label >= len(names):
        raise InputError(where, f"the label is {label}, there are {len(names)} classes", "unpack the archive again")
    return names[label]
