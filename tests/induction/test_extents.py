from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import And, Named, Not, Or, contains, length, to_manchester
from conceptx.induction.atoms import MAKERS
from conceptx.induction.extents import Evaluator, Extents, atoms, extent, pack, restrict, unpack
from tests.annotation.strategies import expressions, scenes
from tests.induction.worlds import example


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 130])
def test_packing_round_trips(n):
    held = np.random.Generator(np.random.PCG64(n)).random((3, n)) < 0.5
    rows = pack(held)
    assert rows.shape == (3, -(-n // 64)) and rows.dtype == np.uint64
    assert np.array_equal(unpack(rows, n), held)
    assert [int(row[i // 64]) >> (i % 64) & 1 for row in rows for i in range(n)] == held.ravel().astype(int).tolist()


@settings(deadline=None)
@given(scenes(), expressions())
def test_the_fast_path_equals_the_reference(world, expression):
    assert np.array_equal(unpack(extent(expression, world), world.n_images), evaluate(expression, world))


@settings(deadline=None)
@given(scenes())
def test_atoms_hold_where_the_reference_says(world):
    found = atoms(world, image_classes=True)
    assert len(set(map(bytes, found.packed))) == len(found)
    for row, size, e, twins, n in zip(
        found.unpacked(), found.counts, found.expressions, found.twins, found.lengths, strict=True
    ):
        assert 0 < size < world.n_images and size == row.sum() and n == length(e)
        for same in (e, *twins):
            assert np.array_equal(evaluate(same, world), row)
            assert length(same) >= n


@settings(deadline=None)
@given(scenes())
def test_every_class_is_an_atom_or_a_twin_or_trivial(world):
    found = atoms(world, ("classes",))
    listed = {e for pair in zip(found.expressions, found.twins, strict=True) for e in (pair[0], *pair[1])}
    for i in range(len(world.hierarchy)):
        e = contains(Named(world.hierarchy.name(i)))
        held = evaluate(e, world)
        assert (e in listed) == bool(held.any() and not held.all())


def test_attributes_and_relations_are_atoms_with_support():
    world, _ = example(1, 300)
    found = atoms(world, ("attributes", "relations"), min_support=10)
    texts = [to_manchester(e) for e in found.expressions]
    assert any("hasColor some Red" in t for t in texts) and any(" on some " in t for t in texts)
    assert found.counts.min() >= 10 and found.counts.max() <= 290 and set(found.lengths.tolist()) == {2}
    for row, e in zip(found.unpacked()[::25], found.expressions[::25], strict=True):
        assert np.array_equal(evaluate(e, world), row)


def test_the_representative_is_the_most_specific_class():
    world, found = example(2, 300)
    depth = world.hierarchy.depth()
    for e, twins in zip(found.expressions, found.twins, strict=True):
        depths = [int(depth[world.hierarchy.id(t.filler.name)]) for t in (e, *twins)]
        assert depths == sorted(depths, reverse=True)


def arrays_of(world: Scenes, found: Extents, judge: Evaluator) -> dict[str, np.ndarray]:
    """Everything that is kept: of the scenes, their closure, the extents and the evaluator."""
    kept: dict[str, np.ndarray] = {"types": world.type_of, "classes": world.type_class}
    kept |= {f"{name} {side}": a for name, pair in world.roles.items() for side, a in enumerate(pair)}
    kept |= {f"{name} {side}": a for name, pair in world.numbers.items() for side, a in enumerate(pair)}
    kept |= {f"closure {name}": getattr(world.closure, name) for name in ("classes", "starts", "individuals")}
    kept |= {f"extents {name}": getattr(found, name) for name in ("packed", "counts", "lengths", "depths")}
    kept |= {f"row {to_manchester(e)}": row for e, row in judge._known.items()}
    return kept


def digests(kept: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for name, a in kept.items()}


@settings(deadline=None, max_examples=30)
@given(scenes(), st.lists(expressions(), min_size=1, max_size=6), st.data())
def test_no_operation_changes_what_is_kept(world, asked, data):
    judge = Evaluator(world)
    found = atoms(world, tuple(MAKERS), image_classes=True)
    for e in (*asked, *found.expressions):
        judge.row(e)
    links = (world.hierarchy.parents_indptr, world.hierarchy.parents_indices, world.hierarchy.children_indices)
    before, linked = digests(arrays_of(world, found, judge)), [a.tobytes() for a in links]
    texts = (world.digest, repr(found.expressions))
    used = np.array(data.draw(st.lists(st.booleans(), min_size=world.n_images, max_size=world.n_images)), dtype=bool)
    results = [evaluate(e, world) for e in asked] + [unpack(extent(e, world), world.n_images) for e in asked]
    results += [judge.held(e) for e in asked] + [found.unpacked(), unpack(found.packed, found.n_images)]
    for a, b in pairwise([*asked, asked[0]]):
        for e in (And((a, b)), Or((a, b)), Not(a), contains(Or((a, b))), contains(And((a, b))), And((a,)), Or((a,))):
            results.append(judge.held(e))
            assert not judge.row(e).flags.writeable
    restrict(found, used)
    atoms(world, tuple(MAKERS), min_support=2)
    for result in results:
        result[...] = ~result  # what a caller gets is the caller's
    kept = arrays_of(world, found, judge)
    assert {name: digest for name, digest in digests(kept).items() if name in before} == before
    assert (world.digest, repr(found.expressions)) == texts and [a.tobytes() for a in links] == linked
    for array in (*kept.values(), *(judge.row(e) for e in asked)):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_restriction_collapses_what_is_equal_there():
    world, found = example(4, 200)
    used = np.zeros(200, dtype=bool)
    used[:25] = True
    narrowed, places = restrict(found, used)
    assert len(narrowed) < len(found) and narrowed.n_images == 25
    for row, place, e, twins in zip(narrowed.unpacked(), places, narrowed.expressions, narrowed.twins, strict=True):
        assert found.expressions[place] == e and np.array_equal(row, found.unpacked()[place][used])
        for twin in twins:
            assert np.array_equal(evaluate(twin, world)[used], row)


def test_an_unknown_kind_of_atom_is_an_error():
    world, _ = example(1, 50)
    with pytest.raises(InputError, match="'colours' is not a kind of atom; use some of classes, attributes, rel"):
        atoms(world, ("colours",))
