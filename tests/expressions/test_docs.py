"""What the documentation of expressions shows is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.expressions import MAX_DEPTH, parse, to_dl, to_manchester
from conceptx.induction.atoms import KINDS, MAKERS, MAX_ROLE_ATOMS

PAGE = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| ", PAGE.partition("## Grammar")[0], re.MULTILINE)


@pytest.mark.parametrize(("manchester", "dl"), ROWS)
def test_each_example_reads_and_prints_in_both_syntaxes(manchester: str, dl: str) -> None:
    assert to_manchester(parse(manchester)) == manchester
    assert to_dl(parse(manchester)) == dl
    assert parse(dl) == parse(manchester)


def test_the_page_has_the_examples_the_kinds_and_the_bounds() -> None:
    assert len(ROWS) >= 15
    kinds = re.findall(r"^\| `(\w+)` \| `contains .* \| (yes)? ?\|$", PAGE, re.MULTILINE)
    assert [kind for kind, _ in kinds] == list(MAKERS)
    assert tuple(kind for kind, default in kinds if default) == KINDS
    assert f"the {MAX_ROLE_ATOMS} most specific" in PAGE and f"at most {MAX_DEPTH} levels deep" in PAGE


def test_the_shown_mistake_is_the_real_one() -> None:
    with pytest.raises(InputError) as caught:
        parse("contains some (Bed and Lamp")
    assert str(caught.value) in PAGE
