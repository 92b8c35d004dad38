"""Pickles of plain data are read; whatever else a pickle can do is refused before it happens."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.images.formats.pickled import load_plain

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(value=PLAIN, protocol=st.integers(2, 5))
def test_plain_data_come_back(value: Any, protocol: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("pickles") / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert load_plain(path) == value


@pytest.mark.parametrize("protocol", range(2, 5))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", "bc"]),
        np.array([b"x"]),
        np.array([True, False]),
        np.arange(3, dtype=">i4"),
        np.zeros((0, 4)),
        np.array(7.5),
    ],
)
def test_arrays_come_back(array: np.ndarray, protocol: int, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pickle.dumps({"a": array}, protocol))
    found = load_plain(tmp_path / "x")["a"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_scalars_tuples_and_arrays_of_objects(tmp_path: Path) -> None:
    value = [np.float64(1.5), np.int64(3), (1, "a"), np.array(["a", [1]], dtype=object), {7}]
    (tmp_path / "x").write_bytes(pickle.dumps(value, 2))
    assert load_plain(tmp_path / "x") == [1.5, 3, [1, "a"], ["a", [1]], [7]]


def test_text_of_python_2_comes_back(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"(lp0\nS'caf\\xe9'\np1\na.")
    assert load_plain(tmp_path / "x") == ["café"]


class _Runs:
    """Whatever it is told to call when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_does_not_run(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    for number, call in enumerate(
        (
            _Runs(os.system, f"touch {mark}"),
            _Runs(eval, f"open({str(mark)!r}, 'w').close()"),
            _Runs(exec, f"open({str(mark)!r}, 'w').close()"),
            _Runs(subprocess.Popen, ["touch", str(mark)]),
            _Runs(getattr, "x", "__class__"),
            _Runs(Path, "x"),
        )
    ):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(pickle.dumps({"filename": [call]}, protocol))
        with pytest.raises(InputError, match=r"the pickle holds more than data \(the name .*\); do not use this file"):
            load_plain(path)
    assert not mark.exists()


GLOBAL_DTYPE = b"cnumpy\ndtype\n"
HOSTILE = {
    "nothing": b"",
    "no pickle": b"hello",
    "cut off": pickle.dumps(list(range(100)))[:50],
    "a long text that is not there": b"\x80\x04\x8d" + (1 << 50).to_bytes(8, "little") + b"x.",
    "an array of more than it holds": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R("
    + b"K\x01\x8a\x05\x00\x00\x00\x00\x01\x85"
    + GLOBAL_DTYPE
    + b"X\x02\x00\x00\x00f8\x85RK\x00U\x01xtb.",
    "an array made directly": b"\x80\x02cnumpy\nndarray\n\x8a\x05\x00\x00\x00\x00\x01\x85\x85R.",
    "a name that is written to": b"\x80\x02" + GLOBAL_DTYPE + b"}X\x01\x00\x00\x00aK\x01sb.",
    "attributes of a name": b"\x80\x02" + GLOBAL_DTYPE + b"N}X\x01\x00\x00\x00aK\x01s\x86b.",
    "a data type of objects and code": b"\x80\x02" + GLOBAL_DTYPE + b"X\x02\x00\x00\x00V8\x85R.",
    "a bare name": b"\x80\x02" + GLOBAL_DTYPE + b".",
    "an extension": b"\x80\x02\x82\x01.",
    "something outside": b"\x80\x02K\x01Q.",
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "a key that is a list": b"\x80\x02}]K\x01s.",
    "an encoding of another kind": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles_are_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(HOSTILE[kind])
    with pytest.raises(InputError, match=r"x\.pkl: ") as caught:
        load_plain(tmp_path / "x.pkl")
    assert "\n" not in str(caught.value)


def test_a_wild_place_in_the_memo_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    assert load_plain(tmp_path / "x.pkl") is None


def test_shared_containers_are_built_once(tmp_path: Path) -> None:
    value: Any = ["a"]
    for _ in range(40):
        value = [value, value]
    (tmp_path / "x").write_bytes(pickle.dumps(value))
    found = load_plain(tmp_path / "x")
    assert found[0] is found[1]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_plain(tmp_path / "none.pkl")
