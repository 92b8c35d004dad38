"""Source files as streams of bytes: plain, gz, bz2 or zst, recognised by their first bytes, damage named.

`open_bytes` is what readers use; a truncated or corrupted file becomes an `InputError` where it is read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from conceptx.errors import InputError

_GZIP, _BZIP2, _ZSTD = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"
_BUFFER = 1 << 20


class SourceStream(io.RawIOBase):
    """The unpacked bytes of a file; `packed_position` tells how far the file itself has been read."""

    def __init__(self, path: Path, packed: BinaryIO, unpacked: Any) -> None:
        self._path = path
        self._packed = packed
        self._unpacked = unpacked

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with unpacked bytes and return how many there were."""
        view = memoryview(buffer).cast("B")
        try:
            data = self._unpacked.read(len(view))
        except (EOFError, zlib.error, OSError, ValueError) as error:
            what = f"cannot be unpacked: the file is truncated or damaged ({error})"
            raise InputError(str(self._path), what, "download it again") from error
        view[: len(data)] = data
        return len(data)

    def packed_position(self) -> int:
        """Return how many bytes of the file on disk have been read."""
        return self._packed.tell()

    def skip(self, size: int, step: int) -> None:
        """Pass over `size` unpacked bytes: at once in a file that is not packed, else by unpacking `step` at a time."""
        if self._unpacked is self._packed:
            self._packed.seek(size, io.SEEK_CUR)
            return
        while size > 0 and (data := self.read(min(step, size))):
            size -= len(data)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()


def open_bytes(path: Path) -> SourceStream:
    """Open `path` for reading its unpacked bytes."""
    try:
        packed: BinaryIO = path.open("rb")
    except OSError as error:
        raise InputError(str(path), f"cannot be opened ({error.strerror})", "give a file that can be read") from error
    head = packed.read(4)
    packed.seek(0)
    unpack: Callable[[BinaryIO], Any] = _as_it_is
    if head.startswith(_GZIP):
        unpack = _gzip
    elif head.startswith(_BZIP2):
        unpack = bz2.BZ2File
    elif head.startswith(_ZSTD):
        unpack = _zstd
    return SourceStream(path, packed, unpack(packed))


def buffered(path: Path) -> io.BufferedReader:
    """Open `path` for reading its unpacked bytes through a buffer (lines, peeks)."""
    return io.BufferedReader(open_bytes(path), _BUFFER)


def content(path: Path, most: int = 1 << 30) -> bytes:
    """Return the unpacked bytes of a file that is parsed as a whole; more than `most` are refused."""
    with buffered(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise InputError(
            str(path), f"has more than {most >> 20:,} MB", "save it as N-Triples, which is read line by line"
        )
    return data


def _as_it_is(packed: BinaryIO) -> Any:
    return packed


def _gzip(packed: BinaryIO) -> Any:
    return gzip.GzipFile(fileobj=packed)


def _zstd(packed: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
