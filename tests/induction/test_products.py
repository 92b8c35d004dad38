"""On a torch device the search adds up the very numbers of the compiled loops, and finds the very same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.induction import products
from conceptx.induction.extents import pack
from conceptx.induction.index import Index, first_level, intersections, view
from conceptx.induction.learn import Settings, induce
from conceptx.induction.problem import OBJECTIVES, target
from conceptx.induction.products import Products
from conceptx.induction.relaxation import middling
from tests.induction.worlds import random_scenes


@settings(deadline=None)
@given(st.integers(6, 150), st.integers(1, 40), st.integers(1, 7), st.sampled_from(OBJECTIVES), st.integers(0, 10**6))
def test_products_are_the_compiled_loops(n_images, atoms, sets, objective, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    held = rng.random((atoms, n_images)) < rng.random()
    x = rng.standard_normal(n_images)
    x[:2] = 1, 2
    index = Index(pack(held), held.sum(axis=1), np.ones(atoms, np.int64), np.zeros(n_images))
    other = replace(index, products=Products.of(index.packed, n_images, "cpu"))
    goal = target(x, objective)
    assert goal is not None
    sums = first_level(index, [goal])
    assert np.array_equal(first_level(other, [goal]), sums)
    assert np.array_equal(first_level(other, [goal] * 3), first_level(index, [goal] * 3))
    seen = view(index, goal, sums[0])
    weight = middling(seen.layout)[0]
    members = seen.lanes[rng.integers(atoms, size=sets)]
    for mine, theirs in zip(
        intersections(index, seen, members, weight), intersections(other, seen, members, weight), strict=True
    ):
        assert np.array_equal(mine, theirs)
    chosen = rng.permutation(atoms)[: atoms // 2]
    assert np.array_equal(first_level(other.subset(chosen), [goal]), first_level(index, [goal])[:, chosen])


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.Generator(np.random.PCG64(1))
    held = rng.random((50, 70)) < 0.3
    there = Products.of(pack(held), 70, "cpu")
    values = rng.integers(-1000, 1000, size=(3, 70)).astype(np.float64)
    whole = there.sums(values)
    monkeypatch.setattr(products, "_NUMBERS", 200)
    assert np.array_equal(there.sums(values), whole)
    assert np.array_equal(whole, values @ held.T)


@pytest.mark.parametrize("search", ["auto", "beam", "optimal"])
@pytest.mark.parametrize("objective", ["correlation", "f1"])
def test_a_search_finds_the_same_on_a_device(search, objective):
    scenes = random_scenes(np.random.Generator(np.random.PCG64(7)), 60, leaves=20)
    values = np.random.Generator(np.random.PCG64(7)).standard_normal((5, scenes.n_images))
    asked = Settings(objective=objective, search=search, max_length=3, min_support=2, budget=1000)
    assert list(induce(scenes, values, replace(asked, device="cpu"))) == list(induce(scenes, values, asked))


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(InputError, match="device 'cuda:99'"):
        Products.of(np.zeros((1, 1), np.uint64), 3, "cuda:99")
