"""Every question to the arrays against a walk over the plain list of edges."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.ontology import Hierarchy, csr
from tests.ontology.strategies import Edges, acyclic_edges, ancestors

VEHICLES = [("car", "vehicle"), ("bus", "vehicle"), ("vehicle", "thing"), ("bed", "furniture"), ("furniture", "thing")]


def _names(hierarchy: Hierarchy, ids: np.ndarray) -> set[str]:
    return {hierarchy.name(int(i)) for i in ids}


@given(acyclic_edges())
@settings(max_examples=80, deadline=None)
def test_ancestors_descendants_parents_and_children(edges: Edges) -> None:
    h = Hierarchy.from_edges(edges)
    names = {name for edge in edges for name in edge}
    assert list(h.names) == sorted(names, key=str.encode)
    for name in names:
        i = h.id(name)
        assert _names(h, h.parents(i)) == {p for c, p in edges if c == name}
        assert _names(h, h.children(i)) == {c for c, p in edges if p == name}
        above = h.ancestors(i)
        assert above.dtype == np.int32 and (np.diff(above) > 0).all()
        assert _names(h, above) == ancestors(edges, name)
        assert _names(h, h.descendants(i)) == {n for n in names if name in ancestors(edges, n)}
    some = [h.id(name) for name in sorted(names)[:3]]
    assert _names(h, h.ancestors(some)) == set().union(*(ancestors(edges, n) for n in sorted(names)[:3]))


@given(acyclic_edges())
@settings(max_examples=50, deadline=None)
def test_depth_paths_and_roots(edges: Edges) -> None:
    h = Hierarchy.from_edges(edges)
    assert _names(h, h.roots) == {n for e in edges for n in e} - {c for c, _ in edges}
    for i in range(len(h)):
        path = h.path_to_root(i)
        assert path[0] == i and path[-1] in h.roots
        assert all(b in h.parents(a) for a, b in pairwise(path))
        shortest = 0
        level = {i}
        while not level & set(h.roots.tolist()):
            level = {int(p) for k in level for p in h.parents(k)}
            shortest += 1
        assert len(path) - 1 == shortest == h.depth([i])[0]


@given(acyclic_edges(), st.data())
@settings(max_examples=50, deadline=None)
def test_lowest_common_ancestors_and_wu_palmer(edges: Edges, data: st.DataObject) -> None:
    h = Hierarchy.from_edges(edges)
    a, b = (data.draw(st.integers(0, len(h) - 1)) for _ in range(2))
    common = set(h.ancestors(a).tolist()) & set(h.ancestors(b).tolist())
    lowest = {c for c in common if not any(d != c and c in h.ancestors(d) for d in common)}
    assert set(h.lowest_common_ancestors(a, b).tolist()) == lowest
    similarity = h.wu_palmer(a, b)
    assert similarity == h.wu_palmer(b, a)
    assert (similarity == 0) == (not common)
    assert 0 <= similarity <= 1
    assert h.wu_palmer(a, a) == 1


def test_wu_palmer_of_a_known_tree() -> None:
    h = Hierarchy.from_edges(VEHICLES)
    assert h.wu_palmer(h.id("car"), h.id("bus")) == pytest.approx(2 * 2 / (1 + 1 + 2 * 2))
    assert h.wu_palmer(h.id("car"), h.id("bed")) == pytest.approx(2 * 1 / (2 + 2 + 2 * 1))


@pytest.mark.parametrize("count", [3, 99, 100, 1500])
def test_ancestor_sets_are_the_ancestors_of_each(count: int) -> None:
    random = np.random.Generator(np.random.PCG64(4))
    edges = [(f"c{i}", f"c{random.integers(0, i)}") for i in range(1, 300) for _ in range(3)]
    h = Hierarchy.from_edges(edges)
    ids = random.integers(0, len(h), count)
    indptr, found = h.ancestor_sets(ids)
    for k, i in enumerate(ids.tolist()):
        assert found[indptr[k] : indptr[k + 1]].tolist() == h.ancestors(i).tolist()


@given(acyclic_edges(), st.data())
@settings(max_examples=100, deadline=None)
def test_the_compiled_walk_finds_what_a_walk_over_the_edges_finds(edges: Edges, data: st.DataObject) -> None:
    h = Hierarchy.from_edges(edges)
    ids = np.array(data.draw(st.lists(st.integers(0, len(h) - 1), max_size=70)), np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csr, "_WORTH_COMPILING", 0)
        indptr, found = h.ancestor_sets(ids)
    assert len(indptr) == len(ids) + 1 and indptr[-1] == len(found)
    for k, i in enumerate(ids.tolist()):
        row = found[indptr[k] : indptr[k + 1]]
        assert (np.diff(row) > 0).all()
        assert _names(h, row) == ancestors(edges, h.name(i))


@given(acyclic_edges())
@settings(max_examples=20, deadline=None)
def test_what_is_saved_opens_as_the_same(edges: Edges) -> None:
    import tempfile

    h = Hierarchy.from_edges(edges, labels={edges[0][0]: "A label"}, synonyms={edges[0][1]: ["one", "other", "one"]})
    with tempfile.TemporaryDirectory() as folder:
        h.save(folder)
        opened = Hierarchy.open(folder)
        opened.verify()
        assert opened.digest == h.digest == pickle.loads(pickle.dumps(h)).digest
        assert list(opened.names) == list(h.names)
        assert [opened.label(i) for i in range(len(h))] == [h.label(i) for i in range(len(h))]
        assert opened.synonyms(opened.id(edges[0][1])) == ("one", "other")
        assert (opened.parents_indices == h.parents_indices).all()
        assert pickle.loads(pickle.dumps(opened)).digest == h.digest


def test_names_labels_and_iris() -> None:
    h = Hierarchy.from_edges([("Dining_tables", "Tables")], labels={"Tables": "Flat tops"}, classes=["Alone/100%"])
    assert h.label(h.id("Dining_tables")) == "Dining tables"
    assert h.label(h.id("Tables")) == "Flat tops"
    assert h.iri(h.id("Alone/100%")) == "urn:conceptx:class:Alone%2F100%25"
    assert "Tables" in h and "tables" not in h and 3 not in h
    assert h.get("tables") is None


def test_an_unknown_name_is_refused_with_near_ones() -> None:
    h = Hierarchy.from_edges(VEHICLES)
    with pytest.raises(InputError, match="there is no class 'vehicel'; did you mean 'vehicle'"):
        h.id("vehicel")


def test_near_names_of_a_large_hierarchy_begin_alike() -> None:
    h = Hierarchy.from_edges([(f"Name_{i:05d}", "Root") for i in range(5000)])
    with pytest.raises(InputError, match="did you mean 'Name_04321', "):
        h.id("Name_04321x")


def test_ids_outside_are_refused() -> None:
    h = Hierarchy.from_edges(VEHICLES)
    for call in (h.name, h.label, h.synonyms, h.parents, h.children, h.path_to_root, h.ancestors, h.iri):
        with pytest.raises(IndexError):
            call(len(h))
        with pytest.raises(IndexError):
            call(-1)
    assert len(h.ancestors([])) == 0


def test_saving_over_an_older_one_replaces_it(tmp_path: Path) -> None:
    Hierarchy.from_edges(VEHICLES).save(tmp_path)
    Hierarchy.from_edges([("a", "b")]).save(tmp_path)
    assert list(Hierarchy.open(tmp_path).names) == ["a", "b"]


def test_importing_and_opening_needs_no_heavy_library(tmp_path: Path) -> None:
    import subprocess
    import sys

    Hierarchy.from_edges(VEHICLES).save(tmp_path)
    code = (
        "import sys; from conceptx.ontology import Hierarchy\n"
        "h = Hierarchy.open(sys.argv[1]); h.ancestors(h.id('car'))\n"
        "heavy = ('torch', 'pyarrow', 'scipy', 'numba', 'owlready2', 'rdflib', 'pandas')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
