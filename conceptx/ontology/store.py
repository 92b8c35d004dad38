"""The compiled form of a hierarchy: a folder of plain numpy arrays under one versioned header.

`Columns` are the arrays in memory or memory-mapped; `write_columns` stores them, `open_columns` maps them and reads
no more than the header and the array heads, `verify_columns` reads everything and compares the checksums.

::

    hierarchy.json         format, version, sizes, SHA-256 of every array, what it was compiled from
    parents.*.npy          CSR: the parents of class i are indices[indptr[i]:indptr[i + 1]]
    children.*.npy         the same the other way round
    depth.npy              edges on the shortest path from a root
    names.*.npy            unique names, sorted by their UTF-8 bytes; a class's id is its name's rank
    labels.*.npy           empty where the label is the name with spaces for underscores
    synonyms.*.npy         CSR of strings
    iris.*.npy             empty where the IRI is the header's base followed by the name
    aliases.*.npy          further names, sorted, and the class that each one means (merged equivalent classes)
    removed.tsv            every edge that the compiler left out, and why
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.files import atomic_path, digest_file, digest_json, map_array, write_failure, write_json
from conceptx.ontology.strings import Strings

HEADER = "hierarchy.json"
FORMAT = "conceptx-hierarchy"
VERSION = 1

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

_DTYPES = {
    "parents.indptr": "<i8",
    "parents.indices": "<i4",
    "children.indptr": "<i8",
    "children.indices": "<i4",
    "depth": "<i4",
    "names.offsets": "<i8",
    "names.blob": "|u1",
    "labels.offsets": "<i8",
    "labels.blob": "|u1",
    "synonyms.indptr": "<i8",
    "synonyms.offsets": "<i8",
    "synonyms.blob": "|u1",
    "iris.offsets": "<i8",
    "iris.blob": "|u1",
    "aliases.class": "<i4",
    "aliases.offsets": "<i8",
    "aliases.blob": "|u1",
    "aliases.iris.offsets": "<i8",
    "aliases.iris.blob": "|u1",
}
FILES = frozenset((HEADER, "removed.tsv", *(f"{name}.npy" for name in _DTYPES)))


@dataclass(frozen=True, slots=True)
class Removed:
    """An edge that the compiler left out: `child` is no longer filed under `parent`."""

    child: str
    parent: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """All arrays of a hierarchy, by their name in the stored form, and what is known about their making."""

    arrays: Mapping[str, npt.NDArray[Any]]
    iri_base: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    def strings(self, name: str) -> Strings:
        """Return the string column `name`."""
        return Strings(self.arrays[f"{name}.offsets"], self.arrays[f"{name}.blob"])

    def checksums(self) -> dict[str, str]:
        """Return the SHA-256 of every array's little-endian bytes."""
        return {name: _checksum(self.arrays[name], dtype) for name, dtype in _DTYPES.items()}


def require_own(folder: Path) -> None:
    """Refuse a place for a compiled hierarchy where something else lies."""
    if folder.exists() and not folder.is_dir():
        raise InputError(str(folder), "is a file", "name a folder for the compiled hierarchy")
    if folder.is_dir() and not all(
        path.name in FILES or path.name == "lookup" or path.suffix == ".partial" for path in folder.iterdir()
    ):
        raise InputError(str(folder), "is a folder with other files in it", "name a new or empty folder")


def columns_digest(checksums: Mapping[str, str], iri_base: str) -> str:
    """Return the digest of a hierarchy's content: equal classes, names, labels and edges give equal digests."""
    return digest_json({"arrays": dict(checksums), "iri_base": iri_base})


def write_columns(folder: Path, columns: Columns, removed: tuple[Removed, ...] = ()) -> None:
    """Store the arrays in `folder`; the header is written last, so that a folder with a header is complete."""
    folder = Path(folder)
    require_own(folder)
    try:
        (folder / HEADER).unlink(missing_ok=True)
    except OSError as error:
        raise write_failure(folder / HEADER, error) from error
    described = {}
    checksums = columns.checksums()
    for name, dtype in _DTYPES.items():
        array = np.ascontiguousarray(columns.arrays[name], dtype)
        with atomic_path(folder / f"{name}.npy") as path, path.open("wb") as out:
            np.save(out, array, allow_pickle=False)
        size = (folder / f"{name}.npy").stat().st_size
        described[name] = {"dtype": dtype, "length": len(array), "bytes": size, "sha256": checksums[name]}
    with atomic_path(folder / "removed.tsv") as path:
        lines = ["child\tparent\treason", *(f"{r.child}\t{r.parent}\t{r.reason}" for r in removed)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    removed_digest = digest_file(folder / "removed.tsv")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "digest": columns_digest(checksums, columns.iri_base),
        "iri_base": columns.iri_base,
        "about": dict(columns.about),
        "removed": removed_digest,
        "arrays": described,
    }
    write_json(folder / HEADER, header)


def open_columns(folder: Path) -> tuple[Columns, str]:
    """Map the arrays of `folder` and return them with the stored digest; nothing but the heads is read."""
    folder = Path(folder)
    header = read_header(folder)
    arrays = {name: _map(folder, name, dtype, header["arrays"]) for name, dtype in _DTYPES.items()}
    for name in ("parents", "children"):
        _check_ends(folder, f"{name}.indptr", arrays[f"{name}.indptr"], len(arrays[f"{name}.indices"]))
    for name in ("names", "labels", "synonyms", "iris", "aliases", "aliases.iris"):
        _check_ends(folder, f"{name}.offsets", arrays[f"{name}.offsets"], len(arrays[f"{name}.blob"]))
    n = len(arrays["depth"])
    for name in ("parents.indptr", "children.indptr", "names.offsets", "labels.offsets", "synonyms.indptr"):
        if len(arrays[name]) != n + 1:
            raise _damaged(folder, f"'{name}.npy' has {len(arrays[name])} entries for {n} classes")
    return Columns(arrays, str(header["iri_base"]), dict(header["about"])), str(header["digest"])


def verify_columns(folder: Path) -> None:
    """Read every array and compare it with its checksum."""
    columns, digest = open_columns(folder)
    header = read_header(folder)
    stored = header["arrays"]
    checksums = columns.checksums()
    for name, checksum in checksums.items():
        if checksum != stored[name]["sha256"]:
            raise _damaged(Path(folder), f"'{name}.npy' does not match its checksum")
    removed = Path(folder) / "removed.tsv"
    if not removed.is_file() or digest_file(removed) != header["removed"]:
        raise _damaged(Path(folder), "'removed.tsv' does not match its checksum")
    if columns_digest(checksums, columns.iri_base) != digest:
        raise _damaged(Path(folder), "the header's digest does not match its checksums")


def read_header(folder: Path) -> dict[str, Any]:
    """Return the header of a compiled hierarchy, refusing other formats and versions by name."""
    path = Path(folder) / HEADER
    if not path.is_file():
        what = "is no compiled hierarchy" if Path(folder).is_dir() else "does not exist"
        raise InputError(str(folder), what, "build one with `conceptx ontology build`")
    try:
        header = json.loads(path.read_bytes()[: 1 << 24])
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(Path(folder), f"'{HEADER}' cannot be read ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(Path(folder), f"'{HEADER}' is no JSON object")
    found, version, arrays = header.get("format"), header.get("version"), header.get("arrays")
    if found != FORMAT:
        what = f"holds the format {str(found)[:40]!r}, not {FORMAT!r}"
        raise InputError(str(path), what, "give a compiled hierarchy")
    if version != VERSION:
        what = f"has version {str(version)[:40]}; this program reads version {VERSION}"
        raise InputError(str(path), what, "build it again")
    complete = (
        all(isinstance(header.get(name), str) for name in ("digest", "iri_base", "removed"))
        and isinstance(header.get("about"), dict)
        and isinstance(arrays, dict)
        and arrays.keys() == _DTYPES.keys()
        and all(isinstance(facts, dict) and {"bytes", "length", "sha256"} <= facts.keys() for facts in arrays.values())
    )
    if not complete:
        raise _damaged(Path(folder), f"'{HEADER}' does not describe the arrays of this version")
    return header


def read_removed(folder: Path) -> Iterator[Removed]:
    """Yield the edges that were left out, in the stored order."""
    try:
        lines = (Path(folder) / "removed.tsv").read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise _damaged(Path(folder), f"'removed.tsv' cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise _damaged(Path(folder), "'removed.tsv' is not UTF-8") from error
    for line in filter(None, lines[1:]):
        cells = line.split("\t")
        if len(cells) != 3:
            raise _damaged(Path(folder), "'removed.tsv' has a line without three columns")
        yield Removed(*cells)


def _map(folder: Path, name: str, dtype: str, described: Mapping[str, Any]) -> npt.NDArray[Any]:
    path = folder / f"{name}.npy"
    try:
        size = path.stat().st_size
        if size != described[name]["bytes"]:
            raise _damaged(folder, f"'{path.name}' has {size} bytes instead of {described[name]['bytes']}")
        array = map_array(path)
    except InputError:
        raise
    except OSError as error:
        raise _damaged(folder, f"'{path.name}' cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise _damaged(folder, f"'{path.name}' is no array of numbers") from error
    if array.dtype.str != dtype or array.shape != (described[name]["length"],):
        raise _damaged(folder, f"'{path.name}' holds other numbers than the header says")
    return np.asarray(array)


def _check_ends(folder: Path, name: str, starts: npt.NDArray[Any], total: int) -> None:
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != total:
        raise _damaged(folder, f"'{name}.npy' does not fit the array that it divides")


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(str(folder), what, "the hierarchy is damaged: build or copy it again")


def _checksum(array: npt.NDArray[Any], dtype: str) -> str:
    return hashlib.sha256(np.ascontiguousarray(array, dtype).view(np.uint8).data).hexdigest()
