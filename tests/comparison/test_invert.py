"""INVERT's beam against the published loops, written out one formula at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conceptx.comparison.invert import search
from conceptx.expressions import Named, contains, to_manchester


def slow(values: np.ndarray, extents: np.ndarray, length: int, width: int, least: float) -> tuple[float, np.ndarray]:
    def auroc(held: np.ndarray) -> float:
        u = stats.mannwhitneyu(values[held], values[~held], method="asymptotic").statistic
        return float(u / (held.sum() * (~held).sum()))

    def fits(held: np.ndarray) -> bool:
        return max(1, least * len(values)) <= held.sum() <= 0.5 * len(values)

    literals = [*extents, *~extents]
    scored = sorted(((auroc(held), held) for held in literals), key=lambda pair: -round(pair[0], 12))

    def cut(formulas: list) -> list:
        beam: list = []
        for score, held in sorted(formulas, key=lambda pair: -round(pair[0], 12)):
            if not any((held == other).all() for _, other in beam):
                beam.append((score, held))
        return beam[:width]

    beam = cut([(score, held) for score, held in scored if fits(held)])
    for _ in range(1, length):
        more = list(beam)
        for _, start in beam:
            for _, other in scored:
                more += [(auroc(held), held) for held in (start & other, start | other) if fits(held)]
        beam = cut(more)
    return beam[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_the_beam_is_the_published_one(seed: int, length: int, width: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    n, m = 30, 5
    extents = rng.random((m, n)) < rng.uniform(0.15, 0.6, (m, 1))
    extents = extents[extents.any(axis=1) & ~extents.all(axis=1)]
    values = extents.T @ rng.standard_normal(len(extents)) + rng.standard_normal(n)
    if ties:
        values = np.maximum(np.round(values), 0)
    if np.ptp(values) == 0 or not len(extents):
        return
    names = [contains(Named(f"c{i}")) for i in range(len(extents))]
    found = search(values, extents, names, length=length, width=width, least=0.1)
    allowed = [held for held in (*extents, *~extents) if 3 <= held.sum() <= 15]
    if not allowed:
        assert found is None
        return
    assert found is not None
    score, held = slow(values, extents, length, width, 0.1)
    assert found.auroc == pytest.approx(score, rel=1e-12)
    assert np.array_equal(found.extent, held)


def test_the_formula_says_what_its_images_are() -> None:
    rng = np.random.default_rng(3)
    extents = rng.random((3, 400)) < 0.3
    wanted = extents[0] & ~extents[1]
    found = search(wanted + 0.05 * rng.standard_normal(400), extents, [contains(Named(c)) for c in "abc"])
    assert found is not None and np.array_equal(found.extent, wanted) and found.auroc == 1.0
    assert to_manchester(found.expression) == "contains some a and not (contains some b)"
