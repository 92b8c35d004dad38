"""Objects gathered in columns against a table of dictionaries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.images.formats import columns as module
from conceptx.images.formats.columns import ObjectColumns, first_few, union_box
from conceptx.tables import OBJECTS, from_rows

TEXT = st.sampled_from(["a", "b", "ü", "cup, mug"])
NUMBER = st.none() | st.integers(0, 100).map(float)
ROWS = st.lists(st.tuples(TEXT, TEXT, st.booleans(), NUMBER), max_size=12)


@settings(deadline=None)
@given(ROWS, st.data(), st.sampled_from([1, 3, 1 << 20]))
def test_columns_are_the_table_of_the_rows(rows: list[Any], data: st.DataObject, at_once: int) -> None:
    made = ObjectColumns("some.json")
    expected: list[dict[str, Any]] = []
    for image, label, boxed, area in rows:
        number = made.add(image, str(len(expected)), label, (1, 2, 3, 4) if boxed else None, area)
        assert number == len(expected)
        box = dict(zip("xywh", (1, 2, 3, 4), strict=True)) if boxed else {}
        expected.append({"image": image, "object": str(number), "label": label, "area": area, **box})
    places = st.integers(0, max(len(rows) - 1, 0))
    most = 8 if rows else 0
    for row, role, value in data.draw(st.lists(st.tuples(places, TEXT, TEXT), max_size=most)):
        made.attribute(row, role, value)
        expected[row].setdefault("attributes", []).append({"role": role, "value": value})
    for row, role, other in data.draw(st.lists(st.tuples(places, TEXT, places), max_size=most)):
        made.relation(row, role, other)
        expected[row].setdefault("relations", []).append({"role": role, "object": str(other)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS_AT_ONCE", at_once)
        table = made.table()
    assert table.schema.equals(OBJECTS)
    assert table.to_pylist() == from_rows(expected, OBJECTS).to_pylist()


def test_many_names_are_kept_in_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NAMES_AT_ONCE", 2)
    made = ObjectColumns("x")
    for i in range(5):
        made.add("a", f"o{i}", "cup")
    made.relation(0, "on", 4)
    table = made.table()
    assert table["object"].to_pylist() == ["o0", "o1", "o2", "o3", "o4"]
    assert table["relations"][0].as_py() == [{"role": "on", "object": "o4"}]


@pytest.mark.parametrize("place", range(3))
def test_a_text_that_no_file_can_hold(place: int) -> None:
    texts = ["a", "b", "c"]
    texts[place] = "\ud800"
    with pytest.raises(InputError, match=r"some\.json: '\\ud800' is no valid Unicode text"):
        ObjectColumns("some.json").add(*texts)


def test_boxes_around_boxes() -> None:
    assert union_box([None, (1, 1, 2, 2), (0, 4, 1, 1)]) == (0, 1, 3, 4)
    assert union_box([None]) is None


def test_few_names_of_many() -> None:
    assert first_few(["a", "b"]) == "'a', 'b'"
    assert first_few(["a\n", "b", "c", "d", "e"]) == r"'a\n', 'b', 'c' and 2 more"
