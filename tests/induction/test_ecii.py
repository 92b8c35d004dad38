"""The scheme of ECII: every score is what a brute-force evaluation says, and the parameters bound what they name."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conceptx.annotation.scenes import evaluate
from conceptx.errors import InputError
from conceptx.expressions import And, Named, Not, Or, Some, contains, length, to_manchester, walk
from conceptx.induction.ecii import Parameters, ecii
from conceptx.induction.learn import Settings, induce_problem
from conceptx.induction.problem import Problem
from conceptx.induction.scores import count, coverage, f1, precision, recall
from tests.annotation.strategies import judge, scenes
from tests.induction.worlds import example

MEASURES = {"coverage": coverage, "precision": precision, "recall": recall, "f1": f1}


@st.composite
def problems(draw, n):
    sides = np.array(draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n)))
    assume((sides == 1).any() and (sides == -1).any())
    return Problem(sides == 1, sides == -1)


@settings(deadline=None)
@given(scenes(), st.data())
def test_every_score_equals_a_brute_force_evaluation(world, data):
    problem = data.draw(problems(world.n_images))
    objective = data.draw(st.sampled_from(list(MEASURES)))
    number = st.integers(1, 3)
    limits = {f"k{i}": data.draw(number) for i in (2, 3, 4, 5, 6, 9, 10)}
    parameters = Parameters(k1=data.draw(st.integers(0, 2)), k7=data.draw(st.booleans()), k8=1000, **limits)
    found = ecii(world, problem, parameters, roles=("contains", "on"), objective=objective, top=1000)
    for h in found:
        held = np.array([i in judge(h.expression, world) for i in range(world.n_images)])
        counted = count(held, problem.positive, problem.negative)
        assert h.score == MEASURES[objective](counted)
        assert h.scores["f1"] == f1(counted) and h.scores["coverage"] == coverage(counted)
        assert h.extent_size == held.sum() and h.length == length(h.expression)
    order = [(-h.score, h.length) for h in found]
    assert order == sorted(order) and len({h.expression for h in found}) == len(found)
    assert [h.proposed for h in found] == [True, *[False] * (len(found) - 1)][: len(found)]


def problem_of(world, text_held):
    return Problem(text_held, ~text_held)


def test_a_planted_clause_is_found():
    world, _ = example(3, 200)
    hierarchy = world.hierarchy
    for b, a in ((int(c), int(p)) for c in world.closure.classes for p in hierarchy.parents(int(c))):
        truth = contains(And((Named(hierarchy.name(a)), Not(Named(hierarchy.name(b))))))
        held = evaluate(truth, world)
        if 20 <= held.sum() <= 100 and held.sum() <= evaluate(contains(Named(hierarchy.name(a))), world).sum() - 10:
            break
    found = ecii(world, problem_of(world, held), Parameters(k7=False), objective="f1")
    assert found.hypotheses[0].score == 1.0 and np.array_equal(evaluate(found.hypotheses[0].expression, world), held)


def test_the_parameters_bound_what_they_name():
    world, _ = example(4, 120)
    held = np.random.Generator(np.random.PCG64(1)).random(120) < 0.4

    def shapes(**k):
        found = ecii(world, problem_of(world, held), Parameters(k7=False, **k), top=100_000)
        clauses = [e for h in found for e in walk(h.expression) if isinstance(e, And) and e.operands]
        refused = [len(walk_names(e.operands[-1])) for e in clauses if isinstance(e.operands[-1], Not)]
        positive = [sum(isinstance(o, Named) for o in e.operands) for e in clauses]
        alternatives = [len(e.operands) for h in found for e in walk(h.expression) if isinstance(e, Or)]
        return len(found), max(refused, default=0), max(positive, default=0), max(alternatives, default=1)

    def walk_names(e):
        return [x for x in walk(e) if isinstance(x, Named)]

    assert shapes(k1=0, k2=1, k4=1)[1:] == (0, 0, 1)
    assert shapes(k1=1, k2=1, k4=2)[1:] == (1, 2, 1)
    assert shapes(k1=0, k2=3, k4=1, k5=4)[3] == 3
    sizes = [shapes(k1=1, k2=2, k4=2, k5=n, k9=n)[0] for n in (2, 4, 6)]
    assert all(a < b for a, b in pairwise(sizes))


def test_common_classes_count_for_one_side_only():
    world, _ = example(5, 150)
    held = np.random.Generator(np.random.PCG64(2)).random(150) < 0.5
    few, many = (ecii(world, problem_of(world, held), Parameters(k7=k7, k2=1), top=10**6) for k7 in (True, False))
    assert len(few) < len(many)
    assert {h.expression for h in few if isinstance(h.expression, Some)} <= {h.expression for h in many}


def test_the_certified_search_is_never_worse():
    world, _ = example(6, 150)
    held = np.random.Generator(np.random.PCG64(3)).random(150) < 0.3
    problem = problem_of(world, held)
    theirs = ecii(world, problem, Parameters(k1=0, k2=3, k3=1, k4=1), objective="f1")
    ours = induce_problem(world, problem, Settings(objective="f1", atoms=("classes",), search="optimal"))
    best = next(h for h in theirs if h.length <= 3)
    assert ours.hypotheses[0].score >= best.score - 1e-12
    assert "contains some" in to_manchester(best.expression)


def test_wrong_requests_are_errors():
    world, _ = example(6, 40)
    problem = problem_of(world, np.arange(40) < 10)
    with pytest.raises(InputError, match="'mcc' is not an objective of this scheme; use one of coverage"):
        ecii(world, problem, objective="mcc")
    with pytest.raises(InputError, match="the scenes have no role 'has'; they have contains"):
        ecii(world, problem, roles=("has",))
    with pytest.raises(InputError, match="k4: 0 is too small"):
        Parameters(k4=0)
    with pytest.raises(InputError, match="k1: it is negative"):
        Parameters(k1=-1)
