"""Progress: seen on a terminal, never by a program."""

from __future__ import annotations

import sys

import pytest

from conceptx.progress import _short, bar, silent


@pytest.mark.parametrize("progress", [bar, silent])
def test_the_items_come_through_and_nothing_is_printed_to_a_pipe(
    progress: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(progress)
    assert list(progress(iter("abc"), total=3, label="letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_label_and_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(bar([1, 2, 3], label="counting")) == [1, 2, 3]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "counting" in shown.err
    assert "3/3" in shown.err


def test_a_long_label_leaves_room_for_the_bar() -> None:
    label = "activations of " + ", ".join(f"layer{i}.conv2" for i in range(12)) + " (1.2 GB)"
    assert _short("search") == "search"
    assert _short(label).startswith("activations of layer0") and _short(label).endswith("(1.2 GB)")
    assert len(_short(label)) == 40
