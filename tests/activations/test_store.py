"""Matrices on disk: whole or absent, resumed after a stop at any step, never stale."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptx.activations.store import (
    Activations,
    Writer,
    open_activations,
    save_activations,
    store_name,
    stored_layers,
)
from conceptx.errors import InputError, JobError

UNITS, IMAGES = ("0", "1", "2"), tuple(f"{i}.png" for i in range(10))


def _values(seed: int = 0) -> np.ndarray:
    values = np.random.Generator(np.random.PCG64(seed)).normal(size=(3, 10)).astype(np.float32)
    values[1] = 0
    return values


def _write(
    folder: Path, values: np.ndarray, key: str = "k", skipped: dict[int, str] | None = None, step: int = 4
) -> None:
    writer = Writer(folder, "fc", UNITS, IMAGES, key)
    for start in range(writer.done, 10, step):
        block = values[:, start : start + step].T
        writer.write(start, block, {p: r for p, r in (skipped or {}).items() if start <= p < start + step})
    if not writer.finished:
        writer.finish({"reduction": "value"})


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    _write(tmp_path, _values())
    found = open_activations(tmp_path, "fc", key="k")
    assert (found.layer, found.units, found.images) == ("fc", UNITS, IMAGES)
    np.testing.assert_array_equal(found.values, _values())
    assert isinstance(found.values, np.memmap) and not found.values.flags.writeable
    assert found.meta["dead"] == ["1"] and found.meta["reduction"] == "value" and found.skipped == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fc.json", "fc.npy", "fc.units.parquet"]
    assert stored_layers(tmp_path) == ["fc"]


@given(st.text(max_size=8), st.text(max_size=8))
def test_file_names_are_safe_and_differ(a: str, b: str) -> None:
    names = store_name(a), store_name(b)
    assert (names[0] == names[1]) == (a == b)
    for name in names:
        assert name and not name.startswith(".") and not set(name) & set('/\\~\0:*?"<>|\n ')
        assert Path(name + ".npy~").name == name + ".npy~"


def test_long_names_are_bounded_and_differ() -> None:
    one, two = store_name("layer." * 100 + "a"), store_name("layer." * 100 + "b")
    assert one != two and len(one) < 200


def test_layers_whose_names_look_like_working_files(tmp_path: Path) -> None:
    for n, layer in enumerate(("fc", "fc.npy", "fc.json", "fc.npy~", "a/b", "..", "relu@3", "x[0]")):
        values = _values(n)
        save_activations(tmp_path, Activations(layer, UNITS, IMAGES, values), key=layer)
        np.testing.assert_array_equal(open_activations(tmp_path, layer, key=layer).values, values)
    assert len(stored_layers(tmp_path)) == 8


class _Stop(BaseException):
    """Stands for a kill: nothing after it runs except what a new process would do."""


def _stopping(real: Callable[..., object], steps: Iterator[int], stop_at: int) -> Callable[..., object]:
    """Return `real`, which stops everything just before step `stop_at` // 2, or just after it when that is odd."""

    def call(*args: object, **kwargs: object) -> object:
        step = next(steps)
        if 2 * step == stop_at:
            raise _Stop
        result = real(*args, **kwargs)
        if 2 * step + 1 == stop_at:
            raise _Stop
        return result

    return call


@pytest.mark.parametrize("skipped", [{}, {2: "broken", 9: "broken"}])
@pytest.mark.parametrize("published_before", [False, True])
def test_a_stop_at_any_step_is_resumed_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skipped: dict[int, str], published_before: bool
) -> None:
    _write(tmp_path / "want", _values(), skipped=skipped)
    want = _content(tmp_path / "want")
    for stop_at in range(2, 200):
        folder = tmp_path / f"stopped{stop_at}"
        if published_before:
            _write(folder, _values(9), key="old")
        stopped = False
        with monkeypatch.context() as patch:
            steps = itertools.count(1)
            for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
                patch.setattr(owner, name, _stopping(getattr(owner, name), steps, stop_at))
            try:
                _write(folder, _values(), skipped=skipped)
            except _Stop:
                stopped = True
        if stopped and (folder / "fc.json").is_file():
            facts = json.loads((folder / "fc.json").read_text())
            old = facts["meta"]["key"] == "old"
            expected = _values(9) if old else np.delete(_values(), list(skipped), axis=1)
            np.testing.assert_array_equal(open_activations(folder, "fc").values, expected)
        _write(folder, _values(), skipped=skipped)
        assert {n: c for n, c in _content(folder).items() if not n.startswith(".")} == want
        if not stopped:
            break
    else:
        raise AssertionError("the writer never ended")
    assert stop_at > 10


def test_resuming_goes_on_after_the_last_whole_block(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "fc", UNITS, IMAGES, "k")
    writer.write(0, _values()[:, :4].T, {1: "broken"})
    again = Writer(tmp_path, "fc", UNITS, IMAGES, "k")
    assert (again.done, again.skipped) == (4, {1: "broken"})
    assert Writer(tmp_path, "fc", UNITS, IMAGES, "other").done == 0, "another key must not go on with these values"
    assert Writer(tmp_path, "fc", UNITS, IMAGES[::-1], "k").done == 0
    with pytest.raises(ValueError, match="only 0"):
        Writer(tmp_path, "fc", UNITS, IMAGES, "new").write(4, _values()[:, 4:8].T)


def test_a_matrix_with_another_key_counts_as_absent(tmp_path: Path) -> None:
    _write(tmp_path, _values(), key="old")
    assert not Writer(tmp_path, "fc", UNITS, IMAGES, "new").finished
    with pytest.raises(InputError, match="made from something else"):
        open_activations(tmp_path, "fc", key="new")
    _write(tmp_path, _values(5), key="new")
    np.testing.assert_array_equal(open_activations(tmp_path, "fc", key="new").values, _values(5))


def test_skipped_images_have_no_column_and_are_listed(tmp_path: Path) -> None:
    values = _values()
    values[:, 3] = np.nan
    _write(tmp_path, values, skipped={3: "truncated"})
    found = open_activations(tmp_path, "fc")
    assert found.skipped == [("3.png", "truncated")]
    assert found.images == tuple(i for i in IMAGES if i != "3.png")
    np.testing.assert_array_equal(found.values, np.delete(_values(), 3, axis=1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_names_the_unit_and_the_image(tmp_path: Path, value: float) -> None:
    values = _values()
    values[2, 5] = value
    with pytest.raises(InputError) as caught:
        _write(tmp_path, values)
    assert f"layer 'fc', unit '2', image '5.png': the value is {value}; check the weights" in str(caught.value)


def test_columns_for_images(tmp_path: Path) -> None:
    found = Activations("fc", UNITS, IMAGES, _values())
    chosen = found.for_images(["7.png", "2.png", "7.png"])
    assert chosen.images == ("7.png", "2.png", "7.png")
    np.testing.assert_array_equal(chosen.values, _values()[:, [7, 2, 7]])
    with pytest.raises(InputError, match=r"image '77.png' is not among the activations; did you mean '7.png'"):
        found.for_images(["77.png"])
    with pytest.raises(InputError, match="one row per unit"):
        Activations("fc", UNITS, IMAGES, _values().T)


def test_what_is_not_there_or_broken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no activations of layer 'fc' are here; extract this layer first"):
        open_activations(tmp_path / "nothing", "fc")
    _write(tmp_path, _values())
    with pytest.raises(InputError, match="did you mean 'fc'"):
        open_activations(tmp_path, "fd")
    (tmp_path / "fc.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"fc\.npy: the matrix cannot be read"):
        open_activations(tmp_path, "fc")
    for text in ("[]", "{", '{"format": 1}', '{"format": 0, "layer": "fc"}'):
        (tmp_path / "fc.json").write_text(text)
        with pytest.raises(InputError, match=r"fc\.json: this"):
            open_activations(tmp_path, "fc")


def test_a_matrix_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    _write(tmp_path, _values())
    np.save(tmp_path / "fc.npy", np.array([[object()]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        open_activations(tmp_path, "fc")


def test_a_full_disk_is_said_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    writer = Writer(tmp_path, "fc", UNITS, IMAGES, "k")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(JobError, match="the disk is full"):
            writer.write(0, _values()[:, :4].T)
    _write(tmp_path, _values())
    np.testing.assert_array_equal(open_activations(tmp_path, "fc").values, _values())


def test_no_units_and_no_variation_at_one_image(tmp_path: Path) -> None:
    save_activations(tmp_path, Activations("none", (), IMAGES, np.zeros((0, 10), np.float32)), key="k")
    assert open_activations(tmp_path, "none").values.shape == (0, 10)


def test_a_matrix_of_another_shape_or_head_is_refused(tmp_path: Path) -> None:
    values = np.ones((2, 3), np.float32)
    save_activations(tmp_path, Activations("fc", ("0", "1"), ("a", "b", "c"), values, {}), key="k")
    whole = (tmp_path / "fc.npy").read_bytes()
    np.save(tmp_path / "fc.npy", np.ones((2, 4), np.float32))
    with pytest.raises(InputError, match="this is not the float32 matrix of 'fc'"):
        open_activations(tmp_path, "fc")
    for head in (whole.replace(b"'shape': (", b"'shape': \x00"), whole.replace(b"(2, 3)", b"(2, 3["), b"PK\x03\x04"):
        (tmp_path / "fc.npy").write_bytes(head)
        with pytest.raises(InputError, match="the matrix cannot be read"):
            open_activations(tmp_path, "fc")


@pytest.mark.parametrize("facts", ["[" * 100_000, "[]", '{"format": 1}', '{"format": 1, "layer": 3, "meta": []}'])
def test_a_description_of_another_shape_is_refused(tmp_path: Path, facts: str) -> None:
    values = np.ones((1, 3), np.float32)
    save_activations(tmp_path, Activations("fc", ("0",), ("a", "b", "c"), values, {}), key="k")
    (tmp_path / "fc.json").write_text(facts)
    with pytest.raises(InputError, match=r"fc\.json: this (does not describe activations|was written by another)"):
        open_activations(tmp_path, "fc")
