"""The objects of an image set, gathered column by column: a few bytes an object, whatever their number.

Readers make one `ObjectColumns`, call `add` for every object (and `attribute` and `relation` for its row), and `table`
at the end.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptx.errors import InputError
from conceptx.tables import OBJECTS

Box = tuple[float, float, float, float]
"""x, y, width and height in pixels, from the upper left corner."""

_ROWS_AT_ONCE = 1 << 20
_NAMES_AT_ONCE = 1 << 16


class Names:
    """Distinct texts and their numbers."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def number(self, text: str) -> int:
        """Return the number of a text, a new one for a new text."""
        found = self._number.get(text)
        if found is None:
            check_text(self._source, text)
            found = self._number[text] = len(self._number)
        return found

    def array(self) -> pa.Array:
        """Return the texts in the order of their numbers."""
        return pa.array(self._number, pa.string())


class ObjectColumns:
    """A growing table of objects."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._images, self._labels = Names(source), Names(source)
        self._roles, self._values = Names(source), Names(source)
        self._image, self._label = array("i"), array("i")
        self._numbers = tuple(array("f") for _ in range(5))
        self._names: list[pa.Array] = []
        self._new_names: list[str] = []
        self._attribute = (array("q"), array("i"), array("i"))
        self._relation = (array("q"), array("i"), array("q"))

    def __len__(self) -> int:
        return len(self._image)

    def add(self, image: str, name: str, label: str, box: Box | None = None, area: float | None = None) -> int:
        """Add an object (one row a label) and return the number of its row."""
        self._image.append(self._images.number(image))
        self._label.append(self._labels.number(label))
        for column, value in zip(self._numbers, (*(box or (None,) * 4), area), strict=True):
            column.append(math.nan if value is None else value)
        if not name.isascii():
            check_text(self._source, name)
        self._new_names.append(name)
        if len(self._new_names) >= _NAMES_AT_ONCE:
            self._keep_names()
        return len(self._image) - 1

    def attribute(self, row: int, role: str, value: str) -> None:
        """Say that the object of a row has an attribute."""
        for column, item in zip(
            self._attribute, (row, self._roles.number(role), self._values.number(value)), strict=True
        ):
            column.append(item)

    def relation(self, row: int, role: str, other: int) -> None:
        """Say that the object of a row stands in a relation to the object of another row."""
        for column, item in zip(self._relation, (row, self._roles.number(role), other), strict=True):
            column.append(item)

    def table(self) -> pa.Table:
        """Return the table OBJECTS."""
        self._keep_names()
        names = pa.chunked_array(self._names, pa.string())
        roles = self._roles.array()
        lists = (
            _Lists(OBJECTS.field("attributes").type, self._attribute, roles, self._values.array()),
            _Lists(OBJECTS.field("relations").type, self._relation, roles, names),
        )
        codes = (_numpy(self._image), _numpy(self._label))
        texts = (self._images.array(), self._labels.array())
        batches = []
        for start in range(0, len(self), _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, len(self))
            image, label = (texts_of(number[start:stop], text) for number, text in zip(codes, texts, strict=True))
            numbers = [numbers_of(_numpy(column)[start:stop]) for column in self._numbers]
            name = names.slice(start, stop - start).combine_chunks()
            columns = [image, name, label, *numbers, *(part.between(start, stop) for part in lists)]
            batches.append(pa.RecordBatch.from_arrays(columns, schema=OBJECTS))
        return pa.Table.from_batches(batches, OBJECTS)

    def _keep_names(self) -> None:
        self._names.append(pa.array(self._new_names, pa.string()))
        self._new_names = []


class _Lists:
    """A column of lists of structs, given by (row, role, value) in any order."""

    def __init__(
        self,
        kind: pa.DataType,
        entries: tuple[array[int], array[int], array[int]],
        role_names: pa.Array,
        value_names: pa.Array | pa.ChunkedArray,
    ) -> None:
        rows, roles, values = map(_numpy, entries)
        order = np.argsort(rows, kind="stable")
        self._kind, self._rows = kind, rows[order]
        self._roles, self._values = roles[order], values[order]
        self._role_names, self._value_names = role_names, value_names

    def between(self, start: int, stop: int) -> pa.Array:
        """Return the lists of the rows from `start` to `stop`; a row without entries is null."""
        if not len(self._rows):
            return pa.nulls(stop - start, self._kind)
        first, last = np.searchsorted(self._rows, [start, stop])
        counts = np.bincount(self._rows[first:last] - start, minlength=stop - start)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        values = self._value_names.take(pa.array(self._values[first:last]))
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        entries = pa.StructArray.from_arrays(
            [texts_of(self._roles[first:last], self._role_names), values],
            fields=[self._kind.value_type.field(i) for i in range(2)],
        )
        return pa.ListArray.from_arrays(pa.array(offsets), entries, type=self._kind, mask=pa.array(counts == 0))


def texts_of(numbers: npt.NDArray[np.integer], texts: pa.Array) -> pa.Array:
    """Return the texts at these numbers as plain strings."""
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32, copy=False)), texts).cast(pa.string())


def numbers_of(values: npt.NDArray[np.float32]) -> pa.Array:
    """Return float32 values with nulls in place of NaN."""
    return pa.array(values, pa.float32(), from_pandas=True)


def check_text(source: str, text: str) -> None:
    """Refuse a text that no file can hold: half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(source, f"{text!a} is no valid Unicode text", "rename it") from None


def union_box(boxes: Iterable[Box | None]) -> Box | None:
    """Return the smallest box around all boxes, or None where there is none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    x, y = min(box[0] for box in known), min(box[1] for box in known)
    return x, y, max(b[0] + b[2] for b in known) - x, max(b[1] + b[3] for b in known) - y


def _numpy(column: array[Any]) -> npt.NDArray[Any]:
    kinds = {"i": np.int32, "q": np.int64, "f": np.float32}
    return np.frombuffer(column, kinds[column.typecode]) if len(column) else np.zeros(0, kinds[column.typecode])


def first_few(names: Sequence[str]) -> str:
    """Return the first names of a list for a message, and how many more there are."""
    shown = ", ".join(ascii(name) if len(name) <= 60 else ascii(name[:57]) + "..." for name in names[:3])
    return shown + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
