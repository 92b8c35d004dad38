"""What all readers of annotation formats share: the pictures below a folder, their table, and small text files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

import pyarrow as pa

from conceptx.errors import InputError
from conceptx.files import digest_bytes
from conceptx.images.containers import contained_bytes, is_contained
from conceptx.images.formats.columns import check_text, first_few
from conceptx.images.parallel import in_threads
from conceptx.images.pictures import BadImage, inside, picture_size, read_bytes
from conceptx.progress import Progress, silent
from conceptx.tables import IMAGES

ENDINGS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
"""Endings of files that are taken for pictures, in lower case."""

_OTHER_PICTURES = frozenset(
    {
        *(".heic", ".heif", ".jxl", ".svg", ".psd", ".tga", ".ico", ".exr", ".hdr"),
        *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    }
)
"""Endings of pictures that are not read."""

MAX_TEXT = 64_000_000
"""Larger text files that belong to one image are refused before they are read."""

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Entry:
    """An image before its file is looked at."""

    name: str
    path: str
    category: str | None = None
    split: str | None = None


def image_table(root: Path, entries: Sequence[Entry], progress: Progress = silent) -> pa.Table:
    """Return the table IMAGES of these images; a picture that cannot be read has no size and no digest."""
    return pa.Table.from_batches(_batches(root, entries, progress), IMAGES)


def _batches(root: Path, entries: Sequence[Entry], progress: Progress) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, object]] = []
    facts = in_threads(partial(_facts, root), [entry.path for entry in entries], progress, "pictures")
    for entry, found in zip(entries, facts, strict=True):
        for text in (entry.name, entry.path, entry.category or ""):
            check_text(str(root), text)
        rows.append({"image": entry.name, "path": entry.path, "category": entry.category, "split": entry.split} | found)
        if len(rows) == _ROWS_AT_ONCE:
            yield pa.RecordBatch.from_pylist(rows, IMAGES)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, IMAGES)


def _facts(root: Path, path: str) -> dict[str, object]:
    file = None if is_contained(path) else inside(root, path)
    facts: dict[str, object] = {}
    try:
        data = contained_bytes(root, path) if file is None else read_bytes(file)
        facts["sha256"] = digest_bytes(data)
        facts["width"], facts["height"] = picture_size(data)
    except Exception:  # whatever a decoder runs into: reading the picture later says what is wrong with it
        pass
    return facts


class Pictures:
    """The files below a folder (`files`), and the pictures among them (`paths`) by path and by name."""

    def __init__(self, root: Path) -> None:
        self.root = existing_folder(root)
        self.files = files_below(root)
        self.paths = [p for p in self.files if os.path.splitext(p)[1].lower() in ENDINGS]  # noqa: PTH122 - many files

    def find(self, where: str, name: str, folders: Sequence[str] = ()) -> str:
        """Return the path of the picture that an annotation names; where there is none, the path it should have.

        The name is tried as it stands, below each of `folders`, and then as a file name that only one picture has.
        A name that leads upwards or starts at the root of the file system is an `InputError` at `where`.
        """
        wanted = PurePosixPath(name.replace("\\", "/"))
        if not name or wanted.is_absolute() or ".." in wanted.parts or "\0" in name:
            what = f"the picture {name!r} is no path below the data folder"
            raise InputError(where, what, "name pictures by their path below it")
        tried = [wanted.as_posix(), *((PurePosixPath(folder) / wanted).as_posix() for folder in folders)]
        for path in tried:
            if path in self._known:
                return path
        return self._by_name.get(wanted.name) or tried[min(1, len(tried) - 1)]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.paths)

    @cached_property
    def _by_name(self) -> dict[str, str | None]:
        """The paths by file name; None for a name that several pictures have."""
        found: dict[str, str | None] = {}
        for path in self.paths:
            name = path.rpartition("/")[2]
            found[name] = None if name in found else path
        return found

    def __contains__(self, path: str) -> bool:
        return path in self._known


def existing_folder(path: Path) -> Path:
    """Return the folder, or say that there is none."""
    if path.is_file():
        raise InputError(str(path), "this is a file and no folder", "unpack it, or give the folder that holds it")
    if not path.is_dir():
        raise InputError(str(path), "there is no such folder", "check the path")
    return path


def files_below(root: Path) -> list[str]:
    """Return the paths of all plain files below a folder, in the order of their parts.

    Links to folders are passed. A picture's link that leads nowhere is a file that is missing.
    """
    return _walked(root)[0]


def not_read(root: Path) -> tuple[str, ...]:
    """Return sentences on what lies below a folder and is not looked at: links to folders, and other kinds of files."""
    files, links = _walked(root)
    others = [name for name in files if PurePosixPath(name).suffix.lower() in _OTHER_PICTURES]
    notes = []
    if links:
        notes.append(f"left out: links to folders, or to nothing: {first_few(links)}")
    if others:
        notes.append(f"left out: pictures in formats that are not read: {first_few(others)}")
    return tuple(notes)


def _walked(root: Path) -> tuple[list[str], list[str]]:
    """Return the paths of all plain files below a folder, and those of the links that are not followed."""
    found: list[str] = []
    links: list[str] = []
    waiting = [("", root)]
    while waiting:
        below, folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((f"{below}{entry.name}/", folder / entry.name))
                    elif _leads_to_a_file(entry):
                        found.append(below + entry.name)
                    elif entry.is_symlink():
                        links.append(below + entry.name)
        except OSError as error:
            what = f"the folder cannot be read ({error.strerror or error})"
            raise InputError(str(folder), what, "make it readable") from error
    return sorted(found, key=lambda path: path.split("/")), sorted(links)


def _leads_to_a_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a plain file or a link to one; or a picture's link to nothing, which is missing."""
    try:
        if entry.is_file():
            return True
        nothing = entry.is_symlink() and not entry.is_dir()
    except OSError:  # a link that leads to itself
        nothing = True
    return nothing and PurePosixPath(entry.name).suffix.lower() in ENDINGS


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """Return a text file of bounded size as UTF-8; the old data sets' Latin-1 files are read as such."""
    try:
        if path.stat().st_size > limit:
            raise InputError(str(path), f"the file has more than {limit:,} bytes", "give a file of this format")
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(str(path), "there is no such file", "add it") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "make it readable") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of the lines of a text file that are not blank."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield number, line


def split_of(parts: Iterable[str]) -> str | None:
    """Return `train`, `val` or `test` where a folder or file name says so (``train2017``, ``validation``)."""
    names = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
    for part in parts:
        word = part.lower().rstrip("0123456789")
        if word in names or word == "testing":
            return names.get(word, "test")
    return None


def splits_or_none(splits: Sequence[str | None]) -> tuple[str | None, ...]:
    """Return the original splits, or nothing where no image has one."""
    return tuple(splits) if any(splits) else ()


__all__ = [
    "ENDINGS",
    "BadImage",
    "Entry",
    "Pictures",
    "existing_folder",
    "files_below",
    "image_table",
    "not_read",
    "numbered_lines",
    "read_text",
    "split_of",
    "splits_or_none",
]
