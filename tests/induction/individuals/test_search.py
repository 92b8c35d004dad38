"""The search against exhaustive enumeration, and what it promises of its answers."""

from __future__ import annotations

import itertools
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.expressions import parse, to_manchester
from conceptx.induction.individuals import combinations
from conceptx.induction.individuals.cover import shortest_cover
from conceptx.induction.individuals.lengths import symbols
from conceptx.induction.individuals.search import learn
from conceptx.induction.individuals.settings import Settings
from conceptx.induction.individuals.shorten import factored, shorten
from conceptx.induction.individuals.space import Room, Space, pack
from tests.induction.individuals.worlds import base, bases, everything, meaning, random_base


def score_of(extent, positives, negatives, objective: str) -> float:
    tp, fp = len(extent & set(positives)), len(extent & set(negatives))
    if objective == "f1":
        return 2 * tp / (tp + fp + len(positives))
    return (tp + len(negatives) - fp) / (len(positives) + len(negatives))


@settings(max_examples=100, deadline=None)
@given(bases(), st.sampled_from([40, 100, 1200]), st.data())
def test_what_is_called_optimal_is(kb, extents_kept: int, data) -> None:
    assume(len(kb) >= 4)
    order = data.draw(st.permutations(range(len(kb))))
    p = data.draw(st.integers(1, len(kb) - 2))
    n = data.draw(st.integers(1, len(kb) - p))
    positives, negatives = order[:p], order[p : p + n]
    objective = data.draw(st.sampled_from(["f1", "coverage"]))
    found = learn(kb, positives, negatives, Settings(objective, top=4), Space(kb, Room(extents=extents_kept)))
    extents = everything(kb, 6)
    best_of = [
        max((score_of(x, positives, negatives, objective) for x, k in extents.items() if k <= at), default=-1)
        for at in range(7)
    ]
    scores = []
    for solution in found.solutions:
        extent = meaning(solution.expression, kb)
        counts = solution.counts
        assert (counts.tp, counts.fp) == (len(extent & set(positives)), len(extent & set(negatives)))
        assert (counts.tp + counts.fn, counts.fp + counts.tn) == (p, n)
        assert solution.size == len(extent)
        score = score_of(extent, positives, negatives, objective)
        scores.append(score)
        for twin in solution.twins:
            assert meaning(twin, kb) & {*positives, *negatives} == extent & {*positives, *negatives}
        if solution.optimal and solution.length <= 6:
            assert score >= best_of[solution.length]
            assert score > best_of[solution.length - 1]
        if solution.optimal and score == 1.0 and solution.length == 7:
            assert best_of[6] < 1.0
    assert scores == sorted(scores, reverse=True)
    reachable = best_of[min(found.complete, 6)]
    assert scores[0] >= reachable


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([False, True]), st.sampled_from([0, 1]))
def test_combinations_are_the_best_there_are(seed: int, dual: bool, objective: int) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    n, p, q = 9, int(draw.integers(1, 9)), int(draw.integers(1, 70))
    bits = draw.random((n, p + q)) < draw.uniform(0.2, 0.8)
    lengths = np.sort(draw.integers(1, 6, n)).astype(np.int64)
    is_positive = np.arange(p + q) < p
    masks = pack(np.stack([is_positive, ~is_positive]))
    wanted, unwanted = (masks[1], masks[0]) if dual else (masks[0], masks[1])
    sizes = np.array([p, q], np.int64)
    rows = pack(bits)

    def value(extent) -> float:
        extent = ~extent if dual else extent
        tp, fp = int((extent & is_positive).sum()), int((extent & ~is_positive).sum())
        return 2 * tp / (tp + fp + p) if objective == 0 else (tp + q - fp) / (p + q)

    def run(kernel):
        best, found = np.array([-1.0, 1e9]), np.full(4, -1, np.int64)
        budget = np.array([10**9], np.int64)
        kernel(rows, lengths, wanted, unwanted, n, sizes, dual, objective, 30, best, found, budget)
        assert budget[0] >= 0
        return best, found

    best, found = run(combinations.conjunctions)
    options = [
        (value(bits[[x, y, z]].all(axis=0)), -int(lengths[[x, y, z]].sum()) - 2)
        for x, y, z in itertools.combinations(range(n), 3)
    ]
    assert (best[0], -best[1]) == max(options)
    best, found = run(combinations.triples)
    if found[0] >= 0:
        x, y, z = found[:3]
        assert value(bits[x] & (bits[y] | bits[z])) == best[0]
    for x, y, z in product(range(n), repeat=3):
        parts = [bits[x] & bits[y], bits[x] & bits[z]]
        good = ~is_positive if dual else is_positive
        if (
            all((part & good).any() and not (part == bits[x]).all() for part in parts)
            and not (parts[0] == parts[1]).all()
        ):
            assert value(parts[0] | parts[1]) <= best[0]
    pair, at = np.array([-1.0, 1e9]), np.full(2, -1, np.int64)
    combinations.pairs(rows, lengths, wanted, unwanted, 0, n, 0, n, sizes, dual, objective, 1, pair, at)
    options = [
        (value(bits[x] & bits[y]), -int(lengths[[x, y]].sum()) - 1) for x, y in itertools.combinations(range(n), 2)
    ]
    assert (pair[0], -pair[1]) == max(options)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 70))
def test_a_cover_is_the_shortest(seed: int, n: int) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    bits = draw.random((8, n)) < 0.6
    lengths = np.sort(draw.integers(1, 8, 8)).astype(np.int64)
    everything_ = pack(np.ones((1, n), bool))[0]
    parts = shortest_cover(pack(bits), lengths, everything_, 1000)
    sums = [
        sum(int(lengths[i]) + 1 for i in chosen) - 1
        for size in range(1, 256)
        if bits[chosen := [i for i in range(8) if size >> i & 1]].any(axis=0).all()
    ]
    if not sums:
        assert parts == ()
        return
    assert bits[list(parts)].any(axis=0).all()
    assert sum(int(lengths[i]) + 1 for i in parts) - 1 == min(sums)
    assert shortest_cover(pack(bits), lengths, everything_, min(sums)) == ()


@settings(max_examples=40, deadline=None)
@given(bases(), st.integers(0, 10**6))
def test_shortening_changes_no_example(kb, seed: int) -> None:
    texts = [
        "r some A or r some (B and C) or s some owl:Thing",
        "(A and B) or (A and C)",
        "not A and not B and not (r some C)",
        "r only A and r only (not B) and inverse s min 2 (A or C)",
    ]
    expression = parse(texts[seed % len(texts)])
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(kb))[: max(len(kb) // 2, 1)].astype(np.int64)
    space = Space(kb)
    space.grow(4)
    assert meaning(factored(expression), kb) == meaning(expression, kb)
    assert symbols(factored(expression)) <= symbols(expression)
    short = shorten(expression, space, chosen, lambda: False)
    assert symbols(short) <= symbols(expression)
    assert meaning(short, kb) & set(chosen.tolist()) == meaning(expression, kb) & set(chosen.tolist())


def test_factoring_takes_out_what_parts_share() -> None:
    assert to_manchester(factored(parse("r some A or r some B or C"))) == "C or r some (A or B)"
    assert to_manchester(factored(parse("(A and B) or (A and C)"))) == "A and (B or C)"
    assert to_manchester(factored(parse("not A and not B"))) == "not (A or B)"
    assert to_manchester(factored(parse("r only A and r only B"))) == "r only (A and B)"


def test_results_do_not_depend_on_the_order_of_examples_or_on_shared_spaces() -> None:
    kb = random_base(11, 9)
    space = Space(kb)
    one = learn(kb, [0, 1, 2, 3], [4, 5, 6, 7], space=space)
    learn(kb, [1, 7], [0, 2], space=space)
    again = learn(kb, [3, 1, 2, 0], [7, 6, 5, 4], space=Space(kb))
    assert [s.row(1) for s in one.solutions] == [s.row(1) for s in again.solutions]


def test_a_uncle_is_a_man_with_a_parent_as_sibling_or_sibling_in_law() -> None:
    members = {"Male": {0, 2, 4, 6}, "Parent": {1, 3, 5}}
    links = {"sibling": {(0, 1), (2, 3), (7, 5), (6, 8)}, "married": {(4, 7)}}
    kb = base(10, members, links)
    found = learn(kb, [0, 2, 4], [1, 3, 5, 6, 7, 8, 9], Settings(top=1))
    assert found.solutions[0].f1 == 1.0
    assert found.solutions[0].optimal
    assert found.solutions[0].length <= 11


def test_a_time_limit_still_gives_an_answer() -> None:
    kb = random_base(2, 9)
    found = learn(kb, [0, 1], [2, 3], Settings(seconds=1e-6))
    assert all(not s.optimal or s.length <= found.complete + 1 for s in found.solutions)


@pytest.mark.parametrize("settings_", [{"objective": "accuracy"}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_wrong_settings_are_refused(settings_: dict) -> None:
    with pytest.raises(InputError):
        Settings(**settings_)
