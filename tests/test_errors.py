"""What a person reads when something is wrong: one line, whatever its words come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptx.errors import InputError, did_you_mean


@given(st.text(), st.text(), st.text())
def test_an_error_is_one_line_without_control_characters(where: str, what: str, mend: str) -> None:
    shown = str(InputError(where, what, mend.replace("\n", "")))
    assert shown.replace("\u200c", "").replace("\u200d", "").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\nc", "a b  c"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("txt.\u202eexe", "txt.\ufffdexe"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("\U0001f469\u200d\U0001f373 Küche 台所", "\U0001f469\u200d\U0001f373 Küche 台所"),
        ("x" * 5000, "x" * 1999 + "…"),
    ],
)
def test_words_from_files_cannot_move_the_cursor_or_hide(text: str, shown: str) -> None:
    error = InputError(text, text, "mend it")
    assert (error.where, error.what) == (shown, shown)


def test_the_place_of_a_mistake_keeps_its_own_lines() -> None:
    assert InputError("x", "y", "mend:\n  a b\n    ^").mend == "mend:\n  a b\n    ^"


def test_the_nearest_name_is_offered() -> None:
    assert did_you_mean("Bedd", ["cup", "bed"]) == "did you mean 'bed'?"
    assert did_you_mean("zzz", ["cup", "bed"]) == ""
