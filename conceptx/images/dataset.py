"""Image sets: which images there are, what is in them, and how each is read.

`ImageSet` is the record that everything else works on. `ImageSet.load` reads one picture and never more than that: a
broken, oversized or misplaced file is a `BadImage` that names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptx.errors import InputError
from conceptx.images.containers import read_stored
from conceptx.images.pictures import BadImage, Pixels, inside, read_picture
from conceptx.tables import IMAGES, OBJECTS

__all__ = ["BadImage", "ImageSet", "inside", "read_picture"]

_ROWS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class ImageSet:
    """Images (table IMAGES) and the objects in them (table OBJECTS); paths are relative to the folder `root`.

    `notes` are sentences about what was left out when the set was read. `original_splits` are the splits that the data
    set's publishers made (`train`, `val`, `test` or None for each image); `conceptx.images.splits` may use them.
    `pictures` gives an image's pixels by its name where they are in no file.
    """

    name: str
    root: Path | None
    images: pa.Table
    objects: pa.Table
    attribution: str = ""
    notes: tuple[str, ...] = ()
    original_splits: tuple[str | None, ...] = ()
    pictures: Callable[[str], Pixels] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", self.images.select(IMAGES.names).cast(IMAGES))
        object.__setattr__(self, "objects", self.objects.select(OBJECTS.names).cast(OBJECTS))
        if self.original_splits and len(self.original_splits) != len(self):
            what = f"there are {len(self.original_splits)} original splits for {len(self)} images"
            raise InputError(self.name, what, "give one for each image, or none")
        if pc.count_distinct(self.images["image"], mode="all").as_py() < len(self):
            seen: set[str] = set()
            image = next(image for image in self.ids if image in seen or seen.add(image))  # type: ignore[func-returns-value]
            raise InputError(self.name, f"image {image!r} appears twice", "keep one image of that name")

    def __len__(self) -> int:
        return int(self.images.num_rows)

    @cached_property
    def ids(self) -> list[str]:
        """The images' names, in the order of the table."""
        names: list[str] = self.images["image"].to_pylist()
        return names

    @cached_property
    def digest(self) -> str:
        """SHA-256 over both tables, the pictures' own digests included."""
        total = hashlib.sha256()
        _hash_table(self.images, total)
        total.update(b"\0")
        _hash_table(self.objects, total)
        return total.hexdigest()

    def subset(self, images: Sequence[str]) -> ImageSet:
        """Return the image set of these images, in this order."""
        place = {image: i for i, image in enumerate(self.ids)}
        missing = next((image for image in images if image not in place), None)
        if missing is not None:
            raise InputError(self.name, f"there is no image {missing!r}", "check the name")
        rows = [place[image] for image in images]
        kept = pc.is_in(self.objects["image"], value_set=pa.array(images, pa.string()))
        splits = tuple(self.original_splits[i] for i in rows) if self.original_splits else ()
        return replace(self, images=self.images.take(rows), objects=self.objects.filter(kept), original_splits=splits)

    def load(self, i: int) -> Pixels:
        """Return picture `i` as RGB (H, W, 3), turned as its EXIF data say."""
        if self.pictures is not None:
            return self.pictures(self.ids[i])
        path = self.images["path"][i].as_py()
        if self.root is None or path is None:
            raise BadImage(f"image {self.ids[i]!r}", "there is no picture of it", "give the pictures with --images")
        return read_stored(self.root, path)


class _Hashing:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self, total: Any) -> None:
        self._total = total
        self._size = 0

    def write(self, data: Any) -> int:
        self._total.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _hash_table(table: pa.Table, total: Any) -> None:
    """Add a table to a hash; the result depends on the rows alone, never on how they lie in memory."""
    with pa.ipc.new_stream(pa.PythonFile(_Hashing(total), mode="w"), table.schema) as writer:
        for start in range(0, max(table.num_rows, 1), _ROWS_AT_ONCE):
            part = table.slice(start, _ROWS_AT_ONCE)
            # A slice shares its memory, whose unused bits would be hashed too; `take` copies the rows alone.
            writer.write_table(part.take(pa.array(np.arange(part.num_rows))).combine_chunks())
