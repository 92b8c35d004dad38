"""The enumeration against plain sets: nothing is missing, nothing is longer than it must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.annotation.evaluate import holds
from conceptx.expressions import to_manchester
from conceptx.induction.individuals.lengths import symbols
from conceptx.induction.individuals.space import Room, Space, pack, unpack
from tests.induction.individuals.worlds import bases, everything, meaning, random_base


@settings(max_examples=40, deadline=None)
@given(bases())
def test_the_space_holds_every_extent_under_its_shortest_expression(kb) -> None:
    space = Space(kb)
    assert space.grow(5)
    ours = {}
    for row, bits in enumerate(unpack(space.rows[: space.ends[5]], space.n)):
        expression = space.expression(row)
        assert set(np.flatnonzero(bits).tolist()) == meaning(expression, kb)
        ours[frozenset(np.flatnonzero(bits).tolist())] = symbols(expression)
    assert ours == everything(kb, 5)
    assert len(ours) == space.ends[5]


def test_lengths_in_the_space_are_symbols() -> None:
    space = Space(random_base(3, 8, numbers=True))
    space.grow(6)
    for length in range(1, 7):
        for row in range(space.ends[length - 1], space.ends[length]):
            assert symbols(space.expression(row)) == length, to_manchester(space.expression(row))


def test_little_room_leaves_whole_lengths_complete() -> None:
    kb = random_base(5, 9)
    space = Space(kb, Room(extents=1200))
    space.grow(12)
    assert space.full
    assert 3 <= space.complete < 12
    reached = unpack(space.rows[: space.ends[space.complete]], space.n)
    ours = {frozenset(np.flatnonzero(bits).tolist()) for bits in reached}
    assert ours == set(everything(kb, space.complete))
    rows = space.rows[: space.used]
    assert len(np.unique(rows, axis=0)) == space.used
    for row in range(space.used):
        assert (unpack(rows[row : row + 1], space.n)[0] == holds(space.expression(row), kb.scenes)).all()


def test_growing_changes_no_row_that_is_there() -> None:
    space = Space(random_base(6, 8))
    space.grow(4)
    before = space.rows[: space.used].copy()
    space.grow(6)
    assert (space.rows[: len(before)] == before).all()


def test_a_class_can_be_left_out() -> None:
    space = Space(random_base(1), without=("A",))
    space.grow(4)
    assert not any("A" in to_manchester(space.expression(row)).split() for row in range(space.used))


@given(st.integers(1, 200), st.integers(0, 10**6))
def test_packing_keeps_every_bit(n: int, seed: int) -> None:
    bits = np.random.Generator(np.random.PCG64(seed)).random((3, n)) < 0.5
    packed = pack(bits)
    assert packed.shape == (3, (n + 63) // 64)
    assert (unpack(packed, n) == bits).all()


@pytest.mark.parametrize("seed", range(3))
def test_equal_knowledge_bases_give_equal_spaces(seed: int) -> None:
    one, other = (Space(random_base(seed, 9)) for _ in range(2))
    one.grow(6)
    other.grow(6)
    assert [one.expression(i) for i in range(one.used)] == [other.expression(i) for i in range(other.used)]
