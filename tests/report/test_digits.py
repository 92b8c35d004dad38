"""Reports have ten digits of a figure: as many as an audit compares, and more."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptx.report.digits import shortened
from conceptx.report.turtle import iri

FIGURES = st.floats(allow_infinity=False, min_value=-1e300, max_value=1e300, allow_nan=False) | st.just(math.nan)


@given(st.lists(st.one_of(st.none(), FIGURES), max_size=20))
def test_figures_stay_what_they_are_to_ten_digits(figures: list[float | None]) -> None:
    names = [f"unit {i}" for i in range(len(figures))]
    table = pa.table({"unit": names, "x": pa.array(figures, pa.float64()), "n": range(len(figures))})
    short = shortened(table)
    assert short.schema == table.schema
    assert short["unit"].to_pylist() == names
    for kept, figure in zip(short["x"].to_pylist(), figures, strict=True):
        if figure is None or math.isnan(figure):
            assert kept is None or math.isnan(kept)
        else:
            assert kept == pytest.approx(figure, rel=5.1e-10, abs=1e-320)
            assert float(f"{kept:.10g}") == kept
    assert shortened(short).equals(short) or any(f is not None and math.isnan(f) for f in figures)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("urn:conceptx:unit:fc:12", "x:unit:fc:12"),
        ("urn:conceptx:class:a%20b", "x:class:a%20b"),
        ("urn:conceptx:class:a.", "<urn:conceptx:class:a.>"),
        ("urn:conceptx:world#Beds", "<urn:conceptx:world#Beds>"),
        ("urn:conceptx:-a", "<urn:conceptx:-a>"),
        ("urn:conceptx:a%2", "<urn:conceptx:a%2>"),
        ("urn:conceptx:", "<urn:conceptx:>"),
        ("http://example.org/a b", "<http://example.org/a%20b>"),
    ],
)
def test_own_names_are_written_with_a_prefix_where_they_can(text: str, written: str) -> None:
    assert iri(text) == written


@given(st.text(max_size=12))
def test_both_ways_of_writing_a_name_are_read_as_the_same(name: str) -> None:
    from rdflib import Graph

    written = iri(f"urn:conceptx:{name}")
    if written.startswith("<"):
        return
    graph = Graph().parse(data=f"@prefix x: <urn:conceptx:> . {written} a {written} .", format="turtle")
    assert [str(node) for node in graph.subjects()] == [f"urn:conceptx:{name}"]
