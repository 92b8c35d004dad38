"""Sums over extents are those of plain loops, for one row of values and for many, of two values and of more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.induction.extents import pack
from conceptx.induction.index import Index, sums_over, view
from conceptx.induction.problem import target


@settings(deadline=None)
@given(st.integers(1, 130), st.integers(1, 40), st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_sums_are_those_of_a_loop(n_images, atoms, rows, levels, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    held = rng.random((atoms, n_images)) < rng.random()
    index = Index(pack(held), held.sum(axis=1), np.ones(atoms, np.int64), np.zeros(n_images))
    values = rng.integers(-(2**40), 2**40, size=levels)[rng.integers(levels, size=(rows, n_images))].astype(np.float64)
    expected = [[int(v[h].astype(np.int64).sum()) for h in held] for v in values]
    assert sums_over(index, list(values)).astype(np.int64).tolist() == expected


@pytest.mark.parametrize("objective", ["correlation", "f1"])
def test_a_view_has_the_sums_of_the_marks(objective):
    rng = np.random.Generator(np.random.PCG64(4))
    held, marks = rng.random((20, 90)) < 0.4, rng.integers(1 << 40, size=90).astype(np.float64)
    index = Index(pack(held), held.sum(axis=1), np.ones(20, np.int64), marks)
    goal = target(rng.standard_normal(90), objective)
    assert goal is not None
    seen = view(index, goal, sums_over(index, [goal.q])[0])
    assert np.array_equal(seen.marks, held @ marks)
