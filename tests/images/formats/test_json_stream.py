"""Large JSON, element by element, against the whole file read at once; and every way in which it can be wrong."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.images.formats import json_stream
from conceptx.images.formats.json_stream import members, whole

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def expected(value: Any) -> list[tuple[str, int, Any]]:
    if isinstance(value, list):
        return [("", i, element) for i, element in enumerate(value)]
    found: list[tuple[str, int, Any]] = []
    for key, member in value.items():
        found += [(key, i, e) for i, e in enumerate(member)] if isinstance(member, list) else [(key, -1, member)]
    return found


@settings(deadline=None)
@given(
    st.lists(VALUES, max_size=5) | st.dictionaries(st.text(), VALUES, max_size=5),
    st.sampled_from([None, 1, 4]),
    st.booleans(),
    st.integers(1, 40),
)
def test_streaming_is_reading_at_once(value: Any, indent: int | None, ascii_only: bool, chunk: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(value, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
        assert list(members(path)) == expected(value)
        assert whole(path) == value


def test_one_element_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 64)
    path = tmp_path / "x.json"
    path.write_text("[" + ",".join('{"a": "' + "b" * 30 + '"}' for _ in range(200)) + "]")
    windows = []
    more = json_stream._Stream._more

    def watched(self: Any) -> bool:
        found = more(self)
        windows.append(len(self._window))
        return found

    monkeypatch.setattr(json_stream._Stream, "_more", watched)
    assert len(list(members(path))) == 200
    assert max(windows) < 256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the beginning: this is no valid JSON \(an object or an array is missing, the file ends here\)"),
        ("5", "an object or an array is missing"),
        ("[1, 2", r"\[1\]: this is no valid JSON \(',' or '\]' is missing, the file ends here\)"),
        ("[1, ]", r"\[1\]: this is no valid JSON"),
        ("[1 2]", r"\[0\]: this is no valid JSON \(',' or '\]' is missing\)"),
        ('{"a": [1, {"b": }]}', r"a\[1\]: this is no valid JSON"),
        ('{"a" 1}', "':' is missing"),
        ("{1: 2}", "a key"),
        ('{"a": 1', "',' or '}' is missing, the file ends here"),
        ('[{"a": "b', r"\[0\]: this is no valid JSON \(Unterminated string"),
        ("[NaN]", r"\[0\]: this is no valid JSON \(NaN is no JSON value\)"),
        ("[" * 100_000, r"\[0\]: this is no valid JSON \(it is nested too deeply\)"),
        ("[1" + "0" * 5000 + "]", r"\[0\]: this is no valid JSON"),
        ("[1] x", "there is more after the end"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        list(members(path))
    assert str(caught.value).startswith(f"{path}, ")
    assert "\n" not in str(caught.value)


def test_text_that_is_not_utf8_and_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'["\xff"]')
    with pytest.raises(InputError, match="the text is not UTF-8"):
        list(members(tmp_path / "x.json"))
    with pytest.raises(InputError, match="there is no such file"):
        list(members(tmp_path / "none.json"))
    with pytest.raises(InputError, match="cannot be read"):
        list(members(tmp_path))


def test_an_element_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_MAX_ELEMENT", 1000)
    monkeypatch.setattr(json_stream, "_CHUNK", 100)
    (tmp_path / "x.json").write_text('["' + "a" * 5000 + '"]')
    with pytest.raises(InputError, match="one element has more than 1,000 characters"):
        list(members(tmp_path / "x.json"))


@pytest.mark.parametrize("text", ["{", "[NaN]", "[" * 100_000])
def test_small_files_are_read_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="this is no valid JSON"):
        whole(tmp_path / "x.json")
