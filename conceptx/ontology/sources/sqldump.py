"""MediaWiki SQL dumps as columns of numbers and texts, in bounded memory.

`DumpReader` streams a dump: it finds the columns by their names in ``CREATE TABLE`` (or in the INSERT), and a compiled
scanner walks the rows byte by byte, so that sort keys with quotes, brackets and raw bytes stay inside their strings.
Layouts differ between years and two of them have equally many columns; nothing here goes by position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.ontology.sources.sqlscan import END, FAULT, FULL, INT, MORE, TEXT, compiled_scan
from conceptx.ontology.sources.streams import open_bytes

if TYPE_CHECKING:
    import pyarrow as pa

MEGABYTE = 1 << 20
_BLOCK = 8 * MEGABYTE
_MAX_ROW = 64 * MEGABYTE
_MAX_STATEMENT = MEGABYTE
_ROWS = 1 << 17

_CREATE = re.compile(rb"CREATE TABLE(?: IF NOT EXISTS)? [`\"]?(\w+)[`\"]?", re.IGNORECASE)
_INSERT = re.compile(
    rb"(?:INSERT|REPLACE)(?: IGNORE)? INTO [`\"]?(\w+)[`\"]?\s*(?:\(([^()]*)\)\s*)?VALUES\s*", re.IGNORECASE
)
_ROWS_FOLLOW = (b"INSERT ", b"REPLACE ", b"insert ", b"replace ")
_COLUMN = re.compile(rb"^\s*[`\"](\w+)[`\"]\s")


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a table: whole numbers by column (`NULL` where there is none), texts as Arrow binaries."""

    numbers: dict[str, npt.NDArray[np.int64]]
    texts: dict[str, pa.Array]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where reading a dump can go on: `offset` bytes of the unpacked text are done with, the rest is the scanner's."""

    offset: int = 0
    in_rows: bool = False
    creating: bool = False
    created: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


class DumpReader:
    """Reads chosen columns of one table's dump; rows where `only` holds another text or number are left out.

    With `start` reading goes on where another reader of the same dump was when it gave that checkpoint.
    """

    def __init__(
        self,
        path: Path,
        table: str,
        numbers: tuple[str, ...],
        texts: tuple[str, ...],
        only: tuple[str, bytes] | None = None,
        accept_incomplete: bool = False,
        start: Checkpoint | None = None,
    ) -> None:
        self.path, self.table = path, table
        self.checkpoint = start or Checkpoint()
        self.complete = True
        self.rows_read = 0
        self.columns: tuple[str, ...] = ()
        self._numbers, self._texts, self._only = numbers, texts, only
        self._accept_incomplete = accept_incomplete
        self._pieces: list[Rows] = []

    @property
    def megabytes(self) -> int:
        """Size of the file on disk in megabytes, rounded up: how often `run` yields."""
        return -(-self.path.stat().st_size // MEGABYTE)

    def run(self) -> Iterator[Rows]:
        """Yield the rows in pieces."""
        for _ in self.steps():
            yield from self._pieces
            self._pieces = []

    def steps(self) -> Iterator[None]:
        """Read the dump and yield once for each megabyte of the file; `take` returns what was read since.

        After `take`, all rows before `checkpoint` have been handed out, and none behind it.
        """
        done = 0
        with open_bytes(self.path) as stream:
            scanner = _Scanner(self, self.checkpoint)
            position = self.checkpoint.offset
            stream.skip(position, self._step)
            while True:
                data = self._read(stream)
                position += len(data)
                scanner.feed(data)
                self._pieces += scanner.pieces
                scanner.pieces = []
                self.checkpoint = scanner.checkpoint(position)
                reached = min(stream.packed_position() // MEGABYTE, self.megabytes - 1)
                for _ in range(done, reached):
                    yield
                done = max(done, reached)
                if not data:
                    break
        for _ in range(done, self.megabytes):
            yield

    def take(self) -> list[Rows]:
        """Return the pieces read since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces

    @property
    def _step(self) -> int:
        # What an unpacker has not yet handed out is lost where the file breaks off, so little is asked for then.
        return 1 << 13 if self._accept_incomplete else MEGABYTE

    def _read(self, stream: Any) -> bytes:
        parts: list[bytes] = []
        size = 0
        while size < _BLOCK:
            try:
                data = stream.read(self._step)
            except InputError:
                if not self._accept_incomplete:
                    raise
                self.complete = False
                data = b""
            if not data:
                break
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def fault(self, what: str, mend: str) -> InputError:
        """Return the error that says what is wrong with this dump."""
        return InputError(str(self.path), what, mend)

    def cut(self) -> None:
        """Note, or refuse, that the dump ends inside a row."""
        self.complete = False
        if not self._accept_incomplete:
            raise self.fault("ends in the middle of a row: the download was cut off", "download it again")


class _Scanner:
    """The state between two blocks: what stands unread, the table's columns, and whether rows are being read."""

    def __init__(self, reader: DumpReader, start: Checkpoint) -> None:
        self.reader = reader
        self.pieces: list[Rows] = []
        self.rest = b""
        self.in_rows = start.in_rows
        self.creating = start.creating
        self.created: list[str] = list(start.created)
        self.plan: tuple[Any, ...] = ()
        if start.columns:
            self._lay_out(list(start.columns))

    def checkpoint(self, position: int) -> Checkpoint:
        """Return the state, `position` bytes of the unpacked dump having been fed."""
        offset = position - len(self.rest)
        return Checkpoint(offset, self.in_rows, self.creating, tuple(self.created), self.reader.columns)

    def feed(self, data: bytes) -> None:
        """Read the next block; an empty one ends the dump."""
        buffer = self.rest + data
        place, last = 0, not data
        while True:
            if self.in_rows:
                place, waiting = self._rows(buffer, place)
                if waiting:
                    if last and place < len(buffer):
                        self.reader.cut()
                        place = len(buffer)
                    break
            newline = buffer.find(b"\n", place)
            insert = _INSERT.match(buffer, place, min(len(buffer), place + _MAX_STATEMENT))
            if insert is not None and (insert.end() < len(buffer) or last):
                self._begin_rows(insert)
                place = insert.end()
            elif not last and (newline < 0 or buffer.startswith(_ROWS_FOLLOW, place)):
                if len(buffer) - place > _MAX_STATEMENT:
                    what = f"has a line of more than {_MAX_STATEMENT // MEGABYTE} MB that is no INSERT statement"
                    raise self.reader.fault(what, "give a MediaWiki SQL dump")
                break
            else:
                stop = newline if newline >= 0 else len(buffer)
                self._line(buffer[place:stop])
                place = stop + 1
                if place >= len(buffer):
                    place = len(buffer)
                    if not last or newline < 0:
                        break
        self.rest = buffer[place:]
        if len(self.rest) > _MAX_ROW:
            raise self.reader.fault(f"has a row of more than {_MAX_ROW // MEGABYTE} MB", "give a MediaWiki SQL dump")
        if last and not self.created and not self.plan:
            raise self.reader.fault("holds no CREATE TABLE and no INSERT statement", "give a MediaWiki SQL dump")

    def _line(self, line: bytes) -> None:
        """Take in a line outside of rows: it may begin a table or name one of its columns."""
        create = _CREATE.match(line.lstrip())
        if create is not None:
            self._check_table(create[1])
            self.creating, self.created = True, []
        elif self.creating:
            column = _COLUMN.match(line)
            if column is not None:
                self.created.append(column[1].decode("ascii", "replace"))
            elif line.lstrip().startswith(b")"):
                self.creating = False

    def _check_table(self, name: bytes) -> None:
        found = name.decode("ascii", "replace")
        if found != self.reader.table:
            what = f"is a dump of the table '{found}', not of '{self.reader.table}'"
            raise self.reader.fault(what, f"give the dump of '{self.reader.table}'")

    def _begin_rows(self, insert: re.Match[bytes]) -> None:
        self._check_table(insert[1])
        if insert[2] is not None:
            columns = [c.strip(b' `"\n\r\t').decode("ascii", "replace") for c in insert[2].split(b",")]
        elif self.created:
            columns = self.created
        else:
            raise self.reader.fault("names no columns: it has no CREATE TABLE", "give the whole dump")
        self._lay_out(columns)
        self.in_rows = True

    def _lay_out(self, columns: list[str]) -> None:
        """Plan what to take from each of the columns of a row."""
        reader = self.reader
        wanted = [*reader._numbers, *reader._texts, *([reader._only[0]] if reader._only else [])]
        missing = [c for c in wanted if c not in columns]
        if missing:
            what = f"lacks the column '{missing[0]}'; it has {', '.join(columns)}"
            raise reader.fault(what, f"give a dump of '{reader.table}' as Wikimedia publishes it")
        reader.columns = tuple(columns)
        kinds = np.zeros(len(columns), np.int64)
        slots = np.zeros(len(columns), np.int64)
        for names, kind in ((reader._numbers, INT), (reader._texts, TEXT)):
            for slot, name in enumerate(names):
                kinds[columns.index(name)], slots[columns.index(name)] = kind, slot
        only = columns.index(reader._only[0]) if reader._only else -1
        text = np.frombuffer(reader._only[1] if reader._only else b"", np.uint8)
        self.plan = (kinds, slots, only, text)

    def _rows(self, buffer: bytes, place: int) -> tuple[int, bool]:
        """Read rows from `place`; return where reading stopped and whether more bytes are needed."""
        view = np.frombuffer(buffer, np.uint8)
        reader = self.reader
        while True:
            numbers = np.empty((len(reader._numbers), _ROWS), np.int64)
            ends = np.zeros((len(reader._texts), _ROWS + 1), np.int64)
            room = len(buffer) - place + 1 if reader._texts else 1
            blobs = np.empty((len(reader._texts), min(room, _MAX_ROW * 2)), np.uint8)
            state = np.zeros(3, np.int64)
            state[2] = place
            compiled_scan()(view, len(buffer), *self.plan, numbers, ends, blobs, state)
            count, code, place = state.tolist()
            if count:
                self.pieces.append(self._piece(count, numbers, ends, blobs))
                reader.rows_read += count
            if code == FAULT:
                shown = ascii(buffer[max(place - 20, 0) : place + 40].decode("utf-8", "replace"))
                what = f"has a row that does not fit the {len(self.plan[0])} columns of its table, near {shown}"
                raise reader.fault(what, "download the dump again")
            if code != FULL:
                self.in_rows = code != END
                return place, code == MORE

    def _piece(self, count: int, numbers: Any, ends: Any, blobs: Any) -> Rows:
        import pyarrow as pa

        reader = self.reader
        texts = {}
        for slot, name in enumerate(reader._texts):
            offsets = np.ascontiguousarray(ends[slot, : count + 1])
            data = blobs[slot, : offsets[-1]].copy()
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
            texts[name] = pa.Array.from_buffers(pa.large_binary(), count, buffers)
        return Rows({name: numbers[slot, :count].copy() for slot, name in enumerate(reader._numbers)}, texts)
