from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conceptx.errors import InputError
from conceptx.induction import scores
from conceptx.induction.problem import OBJECTIVES, Problem, problem_from_names, problem_from_values, target

CASES = st.integers(4, 25).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, n, elements=st.floats(-5, 5).map(lambda x: round(x, 2))),
        arrays(np.bool_, n),
        arrays(np.bool_, n),
    )
)


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(case=CASES)
def test_targets_equal_the_scores(objective, case):
    values, extent, positive = case
    assume(values.min() < values.max() and extent.any() and not extent.all() and positive.any() and not positive.all())
    goal = target(values, objective, 1, positive)
    found = goal.score(float(goal.q[extent].sum()), int(extent.sum()))
    expected = scores.score_all(values, extent, positive)[objective]
    if objective == "correlation":
        assert found == pytest.approx(expected, abs=1e-7)
    else:
        assert found == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(goal.q, np.rint(goal.q)) and np.abs(goal.q).sum() < 2**53
    assert goal.reported(goal.ceiling()) >= found - 1e-9


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_over_the_factor_is_concave(objective):
    values = np.random.Generator(np.random.PCG64(0)).standard_normal(50)
    factor = target(values, objective, 3).factor
    inverse = 1 / factor[factor > 0]
    assert np.all(np.diff(inverse, 2) <= 1e-9 * np.abs(inverse).max())
    assert np.flatnonzero(factor).tolist() == list(range(3, 48))


def test_a_constant_unit_has_no_target():
    assert target([2.0, 2.0, 2.0], "correlation") is None


def test_an_unknown_objective_names_the_nearest():
    with pytest.raises(InputError, match="'corelation' is not an objective of the search; did you mean 'correlation'"):
        target([1.0, 2.0], "corelation")


def test_problems_by_names_and_by_values():
    p = problem_from_names(["a", "b", "c"], ["a"], ["c"])
    assert p.used.tolist() == [True, False, True]
    q = problem_from_values([10, 8, 7.9, 2, 0])
    assert q.positive.tolist() == [True, True, False, False, False]
    assert q.negative.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: problem_from_names(["a", "b"], [], ["b"]), "there is no positive image; give at least one image"),
        (lambda: problem_from_names(["a", "b"], ["a"], []), "there is no negative image; give at least one image"),
        (lambda: problem_from_names(["a", "b"], ["a"], ["a", "b"]), "1 image is both positive and negative; put every"),
        (lambda: problem_from_names(["ant"], ["ants"], ["ant"]), "image 'ants' is not among the scenes; did you mean"),
        (lambda: problem_from_values([0.0, -1.0]), "the unit has no value above 0; choose another unit"),
        (lambda: Problem(np.ones(2, bool), np.ones(2, bool)), "2 images are both positive and negative"),
    ],
)
def test_bad_problems_say_what_where_and_how_to_mend(make, message):
    with pytest.raises(InputError, match=message):
        make()
