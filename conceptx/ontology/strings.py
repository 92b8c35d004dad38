"""Millions of strings in two arrays: where each one starts, and their UTF-8 bytes one after the other.

`Strings` reads single entries without touching the others (the arrays may be memory-mapped), and finds a string by
binary search where the entries are sorted by their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Strings:
    """Strings by position: entry i is ``blob[offsets[i]:offsets[i + 1]]``."""

    offsets: npt.NDArray[np.int64]
    blob: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def raw(self, i: int) -> bytes:
        """Return the UTF-8 bytes of entry i."""
        return self.blob[self.offsets[i] : self.offsets[i + 1]].tobytes()

    def __getitem__(self, i: int) -> str:
        return self.raw(i).decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        return self.slice(0, len(self))

    def slice(self, start: int, stop: int) -> Iterator[str]:
        """Yield the entries from `start` up to `stop`, reading the bytes in blocks."""
        for first in range(start, stop, 65536):
            ends = self.offsets[first : min(first + 65536, stop) + 1]
            block = self.blob[ends[0] : ends[-1]].tobytes()
            places = (ends - ends[0]).tolist()
            for a, b in pairwise(places):
                yield block[a:b].decode("utf-8")

    def take(self, places: npt.NDArray[np.integer]) -> list[str]:
        """Return the entries at these places."""
        blob = self.blob.data
        starts, ends = self.offsets[places].tolist(), self.offsets[1:][places].tolist()
        return [str(blob[a:b], "utf-8") for a, b in zip(starts, ends, strict=True)]

    def place(self, text: bytes) -> int:
        """Return where `text` stands, or would stand, among the sorted entries."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.raw(middle) < text:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, text: str) -> int | None:
        """Return the position of `text` among the sorted entries, or None."""
        wanted = text.encode("utf-8", "surrogatepass")
        i = self.place(wanted)
        return i if i < len(self) and self.raw(i) == wanted else None

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        """Store `texts` in their order."""
        parts = [text.encode("utf-8") for text in texts]
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(p) for p in parts], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(parts), np.uint8))

    @classmethod
    def from_arrow(cls, array: pa.Array) -> Strings:
        """Take over the buffers of an Arrow array of (large) strings or binaries; nulls become empty."""
        import pyarrow as pa

        large = array.cast(pa.large_binary()).fill_null(b"")
        if len(large) == 0:
            return cls.of(())
        _, starts, data = large.buffers()
        offsets = np.frombuffer(starts, np.int64)[large.offset : large.offset + len(large) + 1]
        blob = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        return cls(offsets - offsets[0], blob[offsets[0] : offsets[-1]])

    def to_arrow(self) -> pa.Array:
        """Return the entries as an Arrow array of large binaries, without copying them."""
        import pyarrow as pa

        buffers: Sequence[Any] = (None, pa.py_buffer(self.offsets), pa.py_buffer(self.blob))
        return pa.Array.from_buffers(pa.large_binary(), len(self), buffers)
