"""Files that are whole or absent: atomic writes, and digests of what was read and written.

Callers need `atomic_path` (any writer that wants a path), `write_json` / `write_text` / `write_bytes` / `write_many`,
and `digest_file` / `digest_json`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptx.errors import JobError

if TYPE_CHECKING:
    import numpy as np

_TEMPORARY_SUFFIX = ".partial"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends well.

    The data reaches the disk (fsync) before the rename, so a killed process or a power cut leaves either the old
    file or the new one. A failure removes the temporary file; a full disk becomes a `JobError`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name[:80]}.{secrets.token_hex(6)}{_TEMPORARY_SUFFIX}"
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise write_failure(path, error) from error
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_failure(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_many(folder: Path, files: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Write many small files, each whole or not at all, and return their paths; made durable together at the end.

    To wait for the disk after every one of thousands costs minutes.
    """
    written: list[Path] = []
    try:
        for name, data in files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.parent / f".{path.name[:80]}{_TEMPORARY_SUFFIX}"
            temporary.write_bytes(data)
            temporary.replace(path)
            written.append(path)
        if hasattr(os, "sync"):
            os.sync()
    except OSError as error:
        raise write_failure(folder, error) from error
    return written


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8 with the line ends that it has."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` atomically as JSON that is equal for equal values: sorted keys, no NaN."""
    write_text(path, json.dumps(json_ready(value), sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def json_ready(value: object) -> object:
    """Return `value` with NaN and infinities as null, tuples as lists and numpy scalars as Python numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return json_ready(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def map_array(path: Path) -> np.ndarray[Any, Any]:
    """Map the array of an ``.npy`` file, read-only; a file that holds anything else is a `ValueError`."""
    import numpy as np

    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # a damaged head goes through Python's own parser, which raises its own errors
        raise ValueError("it is no whole array of numbers") from error


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of the file's content in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_json(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON form."""
    text = json.dumps(json_ready(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return digest_bytes(text.encode("utf-8"))


def is_leftover(path: Path) -> bool:
    """Tell whether a file is a temporary one that a killed process left."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY_SUFFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in `folder` (below it too)."""
    for path in Path(folder).rglob(f".*{_TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def write_failure(path: Path, error: OSError) -> JobError:
    """Return what to raise when writing to `path` failed: a full disk is said as such."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JobError(str(path), "the disk is full", "free some space and run the same command again; it resumes")
    return JobError(str(path), f"cannot be written ({error.strerror or error})", "choose a folder that is writable")


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; folders cannot be opened for this on every system."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
