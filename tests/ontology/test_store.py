"""The stored form: whole or refused, whatever is damaged, and refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conceptx.errors import InputError
from conceptx.ontology import Hierarchy
from conceptx.ontology.store import _DTYPES, FILES, HEADER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "root")]
    Hierarchy.from_edges(edges, labels={"a": "The a"}, synonyms={"a": ["alpha"]}).save(tmp_path / "h")
    return tmp_path / "h"


def test_the_folder_holds_exactly_the_files_of_the_format(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES


def test_removed_edges_are_kept_with_their_reason(folder: Path) -> None:
    (removed,) = Hierarchy.open(folder).removed
    assert (removed.child, removed.parent) == ("a", "b")
    assert removed.reason == "closes a cycle: the parent is below the child by a > c > b"


def test_a_changed_list_of_removed_edges_is_found(folder: Path) -> None:
    with (folder / "removed.tsv").open("a") as lines:
        lines.write("one\ttwo\n")
    with pytest.raises(InputError, match=r"'removed\.tsv' does not match its checksum"):
        Hierarchy.open(folder).verify()
    with pytest.raises(InputError, match=r"'removed\.tsv' has a line without three columns"):
        _ = Hierarchy.open(folder).removed


@pytest.mark.parametrize("name", sorted(FILES - {HEADER, "removed.tsv"}))
def test_a_shortened_array_is_refused_on_opening(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1])
    with pytest.raises(InputError, match=f"'{name}' has {len(data) - 1} bytes instead of {len(data)}; .* damaged"):
        Hierarchy.open(folder)


@pytest.mark.parametrize("name", ["names.blob.npy", "parents.indices.npy", "depth.npy", "labels.blob.npy"])
def test_a_changed_byte_is_found_by_verify(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=f"'{name}' does not match its checksum|does not fit"):
        Hierarchy.open(folder).verify()


def test_a_missing_array_is_refused(folder: Path) -> None:
    (folder / "depth.npy").unlink()
    with pytest.raises(InputError, match=r"'depth\.npy' cannot be read \(No such file"):
        Hierarchy.open(folder)


def test_a_pickle_in_the_place_of_an_array_is_not_loaded(folder: Path) -> None:
    np.save(folder / "depth.npy", np.array([{"a": 1}], object), allow_pickle=True)
    header = json.loads((folder / HEADER).read_text())
    header["arrays"]["depth"]["bytes"] = (folder / "depth.npy").stat().st_size
    (folder / HEADER).write_text(json.dumps(header))
    with pytest.raises(InputError, match=r"'depth\.npy' is no array of numbers"):
        Hierarchy.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "something-else"}, "holds the format 'something-else', not 'conceptx-hierarchy'"),
        ({"version": 99}, "has version 99; this program reads version 1"),
        ({"arrays": {}}, "does not describe the arrays of this version"),
        ({"about": 7}, "does not describe the arrays of this version"),
        ({"arrays": dict.fromkeys(_DTYPES, 7)}, "does not describe the arrays of this version"),
    ],
)
def test_foreign_headers_are_refused_by_name(folder: Path, change: dict[str, object], message: str) -> None:
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps({**header, **change}))
    with pytest.raises(InputError, match=message):
        Hierarchy.open(folder)


def test_other_folders_are_no_hierarchies(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no compiled hierarchy; build one with `conceptx ontology build`"):
        Hierarchy.open(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        Hierarchy.open(tmp_path / "nothing")
    (tmp_path / HEADER).write_text("{ not json")
    with pytest.raises(InputError, match="cannot be read"):
        Hierarchy.open(tmp_path)


def test_a_folder_without_its_header_is_an_unfinished_one(folder: Path) -> None:
    (folder / HEADER).unlink()
    with pytest.raises(InputError, match="is no compiled hierarchy"):
        Hierarchy.open(folder)


@pytest.mark.parametrize("text", ["[]", "null", "7", "[" * 100_000, "{"])
def test_a_header_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / HEADER).write_text(text)
    with pytest.raises(InputError, match=r"hierarchy\.json' (is no JSON object|cannot be read).* damaged"):
        Hierarchy.open(folder)


def test_a_hierarchy_is_never_stored_among_other_files(folder: Path, tmp_path: Path) -> None:
    hierarchy = Hierarchy.open(folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="is a folder with other files in it"):
        hierarchy.save(other)
    assert [path.name for path in other.iterdir()] == ["mine.txt"]
    with pytest.raises(InputError, match="is a file"):
        hierarchy.save(other / "mine.txt")
