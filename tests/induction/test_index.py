"""Sums over extents are those of plain loops, for one row of values and for many, of two values and of more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conceptx.induction.index import Index, sums_over, view
from conceptx.induction.kernels import packed
from conceptx.induction.problem import OBJECTIVES, target
from conceptx.induction.rows import narrowed, pack, unpack, words


@settings(deadline=None)
@given(st.integers(1, 130), st.integers(1, 40), st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_sums_are_those_of_a_loop(n_images, atoms, rows, levels, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    held = rng.random((atoms, n_images)) < rng.random()
    index = Index(pack(held), held.sum(axis=1), np.ones(atoms, np.int64), np.zeros(n_images))
    values = rng.integers(-(2**40), 2**40, size=levels)[rng.integers(levels, size=(rows, n_images))].astype(np.float64)
    expected = [[int(v[h].astype(np.int64).sum()) for h in held] for v in values]
    assert sums_over(index, list(values)).astype(np.int64).tolist() == expected


@settings(deadline=None)
@given(st.integers(2, 300), st.sampled_from(["correlation", "f1", "coverage", "mcc"]), st.integers(0, 10**6))
def test_a_view_has_every_image_in_its_slot(n_images, objective, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    held, marks = rng.random((20, n_images)) < rng.random(), rng.integers(1 << 40, size=n_images).astype(np.float64)
    index = Index(pack(held), held.sum(axis=1), np.ones(20, np.int64), marks)
    goal = target(rng.standard_normal(n_images), objective)
    assume(goal is not None)
    seen = view(index, goal, sums_over(index, [goal.q])[0])
    bits = np.unpackbits(seen.lanes.view(np.uint8), axis=1, bitorder="little").astype(bool)
    assert np.array_equal(bits[:, seen.layout.slot], held) and np.array_equal(bits.sum(axis=1), held.sum(axis=1))
    assert np.array_equal(seen.layout.q[seen.layout.slot], goal.q)
    assert np.array_equal(index.mark_sums, held @ marks)


@settings(deadline=None)
@given(st.integers(1, 300), st.floats(0, 1), st.integers(0, 70), st.integers(0, 10**6))
def test_bits_are_gathered_side_by_side(n_images, share, first, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    held, used = rng.random((5, n_images)) < rng.random(), rng.random(n_images) < share
    used[0] = True
    out = np.zeros((5, words(first + n_images)), np.uint64)
    packed.gather(pack(held), pack(used), first, out)
    expected = np.zeros((5, first + n_images), dtype=bool)
    expected[:, first : first + used.sum()] = held[:, used]
    assert np.array_equal(unpack(out, first + n_images), expected)
    assert np.array_equal(unpack(narrowed(pack(held), used), int(used.sum())), held[:, used])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_polynomial_gives_the_factor(objective):
    rng = np.random.Generator(np.random.PCG64(1))
    goal = target(rng.standard_normal(50), objective, 3)
    assert goal is not None
    a, b, c = goal.polynomial
    k = np.arange(3, 48)
    np.testing.assert_allclose(goal.factor[k] ** -goal.power, a + b * k + c * k * k, rtol=1e-12)
    assert not goal.factor[:3].any() and not goal.factor[48:].any()
