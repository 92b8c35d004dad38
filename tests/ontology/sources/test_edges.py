"""Edge lists with and without headers, in three forms, and what is wrong with bad ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptx.errors import InputError
from conceptx.ontology import open_ontology
from conceptx.ontology.build import build_edges

EDGES = {("a b", "root"), ("Épée", "a b"), ('say "x"', "root")}


def _edges(path: Path) -> set[tuple[str, str]]:
    h = open_ontology(path)
    return {(h.name(i), h.name(int(p))) for i in range(len(h)) for p in h.parents(i)}


@pytest.mark.parametrize("head", ["", "child\tparent\n", "Child\tParent\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tab_separated(tmp_path: Path, head: str, end: str) -> None:
    text = head + "".join(f"{c}\t{p}\n" for c, p in sorted(EDGES))
    (tmp_path / "e.tsv").write_bytes(text.replace("\n", end).encode())
    assert _edges(tmp_path / "e.tsv") == EDGES
    (tmp_path / "e.tsv.gz").write_bytes(gzip.compress(text.encode()))
    assert _edges(tmp_path / "e.tsv.gz") == EDGES


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text('weight,superclass,subclass\n1,root,"a, b"\n')
    assert _edges(tmp_path / "e.csv") == {("a, b", "root")}


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"parent": [p for _, p in sorted(EDGES)], "child": [c for c, _ in sorted(EDGES)]})
    pq.write_table(table, tmp_path / "e.parquet")
    assert _edges(tmp_path / "e.parquet") == EDGES


BAD = [
    ("e.tsv", b"", "is empty"),
    ("e.tsv", b"child\tparent\n", "holds no classes"),
    ("e.tsv", b"only one column\n", "has no tab between child and parent"),
    ("e.tsv", b"a\tb\nc\td\te\n", r"e\.tsv:2: has 3 columns, not 2; mend the line"),
    ("e.csv", b'child,parent\n"a,b",c\nd,e,f\n', r"e\.csv:3: has 3 columns, not 2"),
    ("e.tsv", b"a\tb\nc\t\n", "row 2: lacks a child or a parent"),
    ("e.tsv", b"a\tb\n\xff\xfe\tb\n", r"e\.tsv:2: is not UTF-8; save the file as UTF-8"),
    ("e.tsv", "a\tb\u200e\n".encode(), r"the class name 'b\\u200e' holds a mark that turns the reading direction"),
    ("e.tsv", b"a\x07\tb\n", r"the class name 'a\\x07' holds a control character"),
    ("e.tsv", b"x" * (3 << 20), "has a line of more than 1 MB"),
    ("e.parquet", b"PAR1 broken", "cannot be read as Parquet"),
]


@pytest.mark.parametrize(("name", "data", "message"), BAD)
def test_bad_lists_are_refused_and_nothing_is_left(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        build_edges(tmp_path / name, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_names_with_tabs_and_newlines_from_parquet_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"child": ["a\tb"], "parent": ["root"]}), tmp_path / "e.parquet")
    with pytest.raises(InputError, match=r"the class name 'a\\tb' holds a control character"):
        open_ontology(tmp_path / "e.parquet")
    pq.write_table(pa.table({"child": [1], "parent": [2]}), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="has the column 'child' of type int64, not text"):
        open_ontology(tmp_path / "e.parquet")


@pytest.mark.parametrize("text", ["child;parent\nsofa, couch;Seats\n", "parent;child;note\nSeats;sofa, couch;1\n"])
def test_the_first_line_tells_the_separator(text: str, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text(f"\ufeff{text}", encoding="utf-8")
    assert _edges(tmp_path / "edges.csv") == {("sofa, couch", "Seats")}
