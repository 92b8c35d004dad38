"""The kinds of statements: each holds where the reference says, and none that has support is missing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conceptx.induction.atoms as module
from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.expressions import (
    And,
    Count,
    Expression,
    Named,
    Not,
    Role,
    Some,
    Value,
    contains,
    length,
    to_manchester,
    walk,
)
from conceptx.induction.atoms import KINDS, MAKERS, MAX_ROLE_ATOMS, statements
from conceptx.induction.extents import atoms
from conceptx.induction.rows import pack, pack_sparse, same_rows, unpack
from conceptx.ontology.hierarchy import Hierarchy
from tests.annotation.strategies import CLASSES, scenes


@settings(deadline=None)
@given(scenes(), st.sampled_from(list(MAKERS)), st.integers(1, 2))
def test_every_statement_holds_where_the_reference_says(world, kind, support):
    found = statements(world, (kind,), image_classes=False, min_support=support)
    assert len(found.starts) == len(found) + 1 == len(found.depths) + 1
    for k, e in enumerate(found.expressions):
        held = np.zeros(world.n_images, dtype=bool)
        held[found.images[found.starts[k] : found.starts[k + 1]]] = True
        assert np.array_equal(evaluate(e, world), held)
        assert support <= held.sum() <= world.n_images - support


def fits(world: Scenes, e: Expression, support: int) -> bool:
    return support <= int(evaluate(e, world).sum()) <= world.n_images - support


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_no_count_with_support_is_missing(world):
    found = set(statements(world, ("counts",), image_classes=False, min_support=1).expressions)
    for name, n in product(CLASSES, (2, 3, 4)):
        e, fewer = Count("min", n, Role("contains"), Named(name)), Count("min", n - 1, Role("contains"), Named(name))
        changes = evaluate(e, world).sum() < evaluate(fewer, world).sum()
        assert (e in found) == (changes and fits(world, e, 1))


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_no_negation_or_conjunction_with_support_is_missing(world):
    refused = set(statements(world, ("negations",), image_classes=False, min_support=1).expressions)
    joined = set(statements(world, ("conjunctions",), image_classes=False, min_support=1).expressions)
    hierarchy = world.hierarchy
    asserted = list(zip(world.type_of.tolist(), [hierarchy.name(int(c)) for c in world.type_class], strict=True))
    for a, b in product(CLASSES, CLASSES):
        held = {x: evaluate(contains(Named(x)), world) for x in (a, b)}
        e = contains(And((Named(a), Not(Named(b)))))
        above = hierarchy.id(a) in hierarchy.parents(hierarchy.id(b)) and hierarchy.id(b) in world.closure.classes
        assert (e in refused) == (above and fits(world, e, 1) and evaluate(e, world).sum() < held[a].sum())
        both = contains(And((Named(a), Named(b))))
        together = a < b and any((i, b) in asserted for i, c in asserted if c == a)
        narrower = evaluate(both, world).sum() < min(held[a].sum(), held[b].sum())
        assert (both in joined) == (together and fits(world, both, 1) and narrower)


def street() -> Scenes:
    """Ten images with cars and trees: some cars are red, some stand on a wet street, sizes differ."""
    hierarchy = Hierarchy.from_edges(
        [("Car", "Vehicle"), ("Bus", "Vehicle"), ("Street", "Ground"), ("Red", "Colour"), ("Wet", "State")]
    )
    images = tuple(f"i{k}" for k in range(10))
    individuals, types, numbers = list(images), [], []
    roles: dict[str, list[tuple[int, int]]] = {"contains": [], "on": [], "hasColour": [], "hasState": []}

    def thing(name: str, image: int | None = None, area: float = 0.0) -> int:
        individuals.append(f"{name}{len(individuals)}")
        types.append((len(individuals) - 1, hierarchy.id(name)))
        if image is not None:
            roles["contains"].append((image, len(individuals) - 1))
            numbers.append((len(individuals) - 1, area))
        return len(individuals) - 1

    for image in range(10):
        car, ground = thing("Car" if image % 2 else "Bus", image, image / 10), thing("Street", image, 0.5)
        if image in (1, 2, 3):
            roles["hasColour"].append((car, thing("Red")))
        if image in (3, 4, 5, 6):
            roles["on"].append((car, ground))
        if image in (4, 5):
            roles["hasState"].append((ground, thing("Wet")))
        if image in (7, 9):
            thing("Car", image, 0.9)
    pairs = {name: np.array(p, np.int32).reshape(-1, 2).T for name, p in roles.items()}
    of, kind = np.array(types, np.int32).T
    sizes = (np.array([i for i, _ in numbers], np.int32), np.array([v for _, v in numbers]))
    return Scenes(hierarchy, images, tuple(individuals), of, kind, {n: (p[0], p[1]) for n, p in pairs.items()},
                  {"hasArea": sizes})  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("classes", "contains some Car"),
        ("attributes", "contains some (Vehicle and hasColour some Red)"),
        ("relations", "contains some (Vehicle and on some Ground)"),
        ("counts", "contains min 2 Car"),
        ("thresholds", "contains some (Car and hasArea some xsd:double[>= 0.5])"),
        ("inverses", "contains some (Ground and inverse on some Vehicle)"),
        ("nested", "contains some (Vehicle and on some (Street and hasState some Wet))"),
        ("negations", "contains some (Vehicle and not Car)"),
    ],
)
def test_each_kind_says_its_sentence(kind, expected):
    found = statements(street(), (kind,), image_classes=False, min_support=1)
    assert expected in [to_manchester(e) for e in found.expressions]


def test_more_kinds_never_change_the_others():
    world = street()
    few, all_kinds = atoms(world), atoms(world, tuple(MAKERS))
    rows = {bytes(row) for row in all_kinds.packed}
    assert {bytes(row) for row in few.packed} <= rows
    assert len(all_kinds) > len(few) and tuple(MAKERS)[:3] == KINDS
    assert max(max(len(list(walk(e))) for e in all_kinds.expressions), 1) <= 9
    assert {length(e) for e in all_kinds.expressions} <= {1, 2, 3}
    assert any(isinstance(e, Count) for e in all_kinds.expressions)


def test_a_bound_keeps_the_most_specific(monkeypatch):
    world = street()
    everything = statements(world, ("thresholds",), image_classes=False, min_support=1)
    monkeypatch.setattr(module, "MAX_ROLE_ATOMS", 4)
    for kind in ("attributes", "relations", "counts", "thresholds", "inverses", "nested", "negations"):
        assert len(statements(world, (kind,), image_classes=False, min_support=1)) <= 4
    few = statements(world, ("thresholds",), image_classes=False, min_support=1)
    assert list(few.expressions) == list(everything.expressions[:4])
    assert few.depths.min() >= everything.depths[4:].max()


def test_thresholds_have_two_digits():
    rng = np.random.Generator(np.random.PCG64(1))
    world = street()
    of, _ = world.numbers["hasArea"]
    world = Scenes(world.hierarchy, world.images, world.individuals, world.type_of, world.type_class, world.roles,
                   {"hasArea": (of, rng.random(len(of)))})  # fmt: skip
    found = statements(world, ("thresholds",), image_classes=False, min_support=1)
    cuts = {e.number for outer in found.expressions for e in walk(outer) if isinstance(e, Value)}
    assert cuts and all(cut == float(f"{cut:.2g}") for cut in cuts)


def test_statements_do_not_depend_on_the_size_of_blocks(monkeypatch):
    world = street()
    expected = statements(world, tuple(MAKERS), image_classes=True, min_support=1)
    monkeypatch.setattr(module, "_BLOCK", 3)
    again = statements(world, tuple(MAKERS), image_classes=True, min_support=1)
    assert list(again.expressions) == list(expected.expressions)
    assert np.array_equal(again.images, expected.images) and np.array_equal(again.starts, expected.starts)


@given(st.lists(st.lists(st.integers(0, 129), unique=True).map(sorted), max_size=8))
def test_sparse_rows_are_packed_and_compared_as_dense_ones(parts):
    n = 130
    dense = np.zeros((len(parts), n), dtype=bool)
    for row, images in zip(dense, parts, strict=True):
        row[images] = True
    starts = np.cumsum([0, *map(len, parts)])
    images = np.array([i for part in parts for i in part], dtype=np.int64)
    assert np.array_equal(unpack(pack_sparse(starts, images, n), n), dense)
    assert np.array_equal(pack_sparse(starts, images, n), pack(dense))
    assert same_rows(starts, images, n).tolist() == [parts.index(part) for part in parts]


def test_roles_between_images_are_left_out():
    assert Some(Role("on"), Named("Ground")) not in atoms(street(), tuple(MAKERS)).expressions
    assert MAX_ROLE_ATOMS == 500
