"""Atomic writes: whole or absent, also on a full disk."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from conceptx.errors import JobError
from conceptx.files import (
    atomic_path,
    digest_file,
    digest_json,
    remove_leftovers,
    write_json,
    write_many,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("conceptx.files.os.fsync", full)
    with pytest.raises(JobError) as caught:
        write_text(tmp_path / "a.txt", "new")
    assert "a.txt: the disk is full; free some space and run the same command again" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_json_is_equal_for_equal_values(tmp_path: Path) -> None:
    value = {"b": (1, float("nan")), "a": np.float32(0.5), "c": np.array([1, 2]), "é": None}
    write_json(tmp_path / "a.json", value)
    write_json(tmp_path / "b.json", dict(reversed(value.items())))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 0.5, "b": [1, None], "c": [1, 2], "é": None}
    assert digest_json(value) == digest_json(dict(reversed(value.items())))
    with pytest.raises(TypeError):
        write_json(tmp_path / "c.json", {"a": object()})


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".table.parquet.ab12.partial").write_text("half")
    (tmp_path / "sub" / "table.parquet").write_text("whole")
    remove_leftovers(tmp_path)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["table.parquet"]


def test_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_many_files_are_written_and_none_is_left_half(tmp_path: Path) -> None:
    written = write_many(tmp_path, [("a/b.txt", b"x"), ("c.txt", b"")])
    assert [p.relative_to(tmp_path).as_posix() for p in written] == ["a/b.txt", "c.txt"]
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"x"
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith(".partial")]
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError):
        write_many(tmp_path, [("file/x.txt", b"x")])
