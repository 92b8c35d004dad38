"""Strings by position: what is stored comes back, one by one, in slices and by places."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conceptx.ontology.strings import Strings

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=20)


@given(texts, st.data())
def test_strings_come_back(stored, data):
    strings = Strings.of(stored)
    assert list(strings) == stored
    assert [strings[i] for i in range(len(strings))] == stored
    places = data.draw(st.lists(st.integers(0, len(stored) - 1), max_size=9)) if stored else []
    assert strings.take(np.array(places, dtype=np.int64)) == [stored[k] for k in places]


@given(texts, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_string_is_found_among_sorted_ones(stored, wanted):
    ordered = sorted({text.encode() for text in stored})
    strings = Strings.of(text.decode() for text in ordered)
    expected = ordered.index(wanted.encode()) if wanted.encode() in ordered else None
    assert strings.find(wanted) == expected
