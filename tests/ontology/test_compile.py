"""What the compiler does with roots, depths, equivalents, cycles and odd names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from conceptx.errors import InputError
from conceptx.ontology.compile import compile_graph
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.ontology.records import ClassGraph, clean_text, graph_of_edges, name_fault

EDGES = [("a", "root"), ("b", "a"), ("c", "b"), ("d", "c"), ("x", "other"), ("a", "c")]


def _compiled(graph: ClassGraph, root: str | None = None, max_depth: int | None = None) -> Hierarchy:
    result = compile_graph(graph, "here", root, max_depth)
    return Hierarchy(result.columns, result.removed)


def test_a_root_keeps_what_is_below_it() -> None:
    h = _compiled(graph_of_edges("here", EDGES), "root")
    assert list(h.names) == ["a", "b", "c", "d", "root"]
    assert [(r.child, r.parent) for r in h.removed] == [("a", "c")]
    assert "a > b > c" in h.removed[0].reason
    assert h.roots.tolist() == [h.id("root")]


def test_a_root_inside_a_cycle_ends_without_parents() -> None:
    h = _compiled(graph_of_edges("here", EDGES), "b")
    assert list(h.names) == ["a", "b", "c", "d"]
    assert h.roots.tolist() == [h.id("b")]


def test_the_depth_limit_counts_from_the_root() -> None:
    h = _compiled(graph_of_edges("here", EDGES), "root", max_depth=2)
    assert list(h.names) == ["a", "b", "root"]


def test_several_roots_stay_several() -> None:
    h = _compiled(graph_of_edges("here", EDGES))
    assert {h.name(int(i)) for i in h.roots} == {"root", "other"}


def test_an_unknown_root_is_refused_with_near_names() -> None:
    with pytest.raises(InputError, match="has no class 'rot' to start from; did you mean 'root'"):
        _compiled(graph_of_edges("here", EDGES), "rot")


def test_an_empty_graph_is_refused() -> None:
    with pytest.raises(InputError, match="here: holds no classes"):
        _compiled(graph_of_edges("here", []))


def test_equivalent_classes_become_one_that_answers_to_all_names() -> None:
    graph = ClassGraph(
        names=pa.array([b"Sofas", b"Couches", b"Furniture", b"Beds"], pa.large_binary()),
        child=np.array([0, 3], np.int32),
        parent=np.array([2, 2], np.int32),
        label_of=np.array([0, 1], np.int32),
        labels=["sofa", "couch"],
        same=np.array([[0, 1]], np.int32),
    )
    h = _compiled(graph)
    assert list(h.names) == ["Beds", "Couches", "Furniture"]
    assert h.id("Sofas") == h.id("Couches")
    assert h.label(h.id("Sofas")) == "couch"
    assert h.synonyms(h.id("Sofas")) == ("sofa",)
    assert h.parents(h.id("Couches")).tolist() == [h.id("Furniture")]


def test_cycles_of_a_logical_hierarchy_are_equivalences() -> None:
    graph = graph_of_edges("here", [("a", "b"), ("b", "c"), ("c", "a"), ("c", "root")])
    from dataclasses import replace

    h = _compiled(replace(graph, merge_cycles=True))
    assert list(h.names) == ["a", "root"]
    assert h.id("b") == h.id("c") == h.id("a")
    assert h.removed == ()
    assert any("a, b, c" in note for note in h.about["notes"])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("tab\there", r"holds a control character \(U\+0009\)"),
        ("line\nbreak", r"holds a control character \(U\+000A\)"),
        ("turned\u202eabc", r"holds a mark that turns the reading direction \(U\+202E\)"),
        ("x" * 20_000, "has 20,000 characters; 16,384 are allowed"),
    ],
)
def test_unfit_names_are_refused(name: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        Hierarchy.from_edges([(name, "root")])


@pytest.mark.parametrize("name", ["Épée", "日本の城", "می‌خواهم", "AC/DC", "100 %", "a'b\"c", "Ω"])
def test_names_of_all_scripts_are_fit(name: str) -> None:
    assert name_fault(name) == ""
    h = Hierarchy.from_edges([(name, "root")])
    assert h.name(h.id(name)) == name


def test_labels_become_one_line() -> None:
    assert clean_text("two\nlines\t here \u202e") == "two lines here"
    assert clean_text("plain") == "plain"
