from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conceptx.verification import corrections as s


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=30))
def test_benjamini_hochberg_is_scipys_and_leaves_nan_out(p: list[float]) -> None:
    values = np.array(p, dtype=float)
    q = s.benjamini_hochberg(values)
    tested = ~np.isnan(values)
    assert np.isnan(q[~tested]).all()
    if tested.any():
        np.testing.assert_allclose(q[tested], stats.false_discovery_control(values[tested]), rtol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_steps_down(p: list[float]) -> None:
    found = s.holm(p)
    order = np.argsort(p, kind="stable")
    largest = 0.0
    for step, i in enumerate(order):
        largest = max(largest, min(1.0, p[i] * (len(p) - step)))
        assert found[i] == pytest.approx(largest)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=30))
def test_benjamini_yekutieli_is_scipys_and_leaves_nan_out(p: list[float]) -> None:
    values = np.array(p, dtype=float)
    q = s.benjamini_yekutieli(values)
    tested = ~np.isnan(values)
    assert np.isnan(q[~tested]).all()
    if tested.any():
        np.testing.assert_allclose(q[tested], stats.false_discovery_control(values[tested], method="by"), rtol=1e-12)


@pytest.mark.parametrize("name", s.CORRECTIONS)
def test_a_single_test_is_not_corrected_and_none_gives_none(name: str) -> None:
    assert s.CORRECTIONS[name]([0.3]).tolist() == [0.3]
    assert s.CORRECTIONS[name]([]).tolist() == []
