"""Statistics of units against exact fractions and sorted values; blocks, merges and stored states change nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.activations.statistics import (
    QUANTILES,
    SKETCH_ERROR,
    TOP,
    Tally,
    of_matrix,
    quantile_name,
    rank,
)

_NUMBERS = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, float(np.float32(1e-40)), float(np.float32(3.4e38))]),
)
_MATRICES = st.integers(1, 3).flatmap(
    lambda units: st.lists(st.lists(_NUMBERS, min_size=units, max_size=units), min_size=1, max_size=60)
)


def _names(n: int, letter: str) -> list[str]:
    return [f"{letter}{i}" for i in range(n)]


@settings(deadline=None)
@given(_MATRICES)
def test_every_figure_is_that_of_exact_arithmetic(rows: list[list[float]]) -> None:
    x = np.array(rows, dtype=np.float32).T
    units, images = _names(len(x), "u"), _names(x.shape[1], "i")
    for row, unit in zip(of_matrix(x, units, images).to_pylist(), x.tolist(), strict=True):
        exact = [Fraction(v) for v in unit]
        mean = sum(exact) / len(exact)
        assert row["mean"] == float(mean)
        assert row["variance"] == float(sum((v - mean) ** 2 for v in exact) / len(exact))
        assert (row["minimum"], row["maximum"]) == (min(unit), max(unit))
        assert row["sparsity"] == sum(v <= 0 for v in unit) / len(unit)
        assert row["dead"] == (min(unit) == max(unit))
        for share in QUANTILES:
            assert row[quantile_name(share)] == sorted(unit)[rank(share, len(unit))]
        order = sorted(range(len(unit)), key=lambda i: (-unit[i], i))[:TOP]
        assert row["top_images"] == [images[i] for i in order] and row["top_values"] == [unit[i] for i in order]


@settings(deadline=None)
@given(_MATRICES, st.integers(1, 20), st.integers(0, 60), st.data())
def test_neither_blocks_nor_machines_matter(rows: list[list[float]], size: int, cut: int, data: st.DataObject) -> None:
    x = np.array(rows, dtype=np.float32)
    skipped = data.draw(st.sets(st.integers(0, len(x) - 1), max_size=len(x) - 1))
    kept = [i for i in range(len(x)) if i not in skipped]
    units, images = _names(x.shape[1], "u"), _names(len(x), "i")

    def tally(start: int, end: int) -> Tally:
        made = Tally(x.shape[1])
        for first in range(start, end, size):
            last = min(first + size, end)
            made.add(x[first:last], first, [p for p in skipped if first <= p < last])
            made = Tally.from_state({name: array.copy() for name, array in made.state().items()})
        return made

    whole = tally(0, len(x)).table(units, images)
    assert tally(min(cut, len(x)), len(x)).merged(tally(0, min(cut, len(x)))).table(units, images) == whole
    exact = of_matrix(np.ascontiguousarray(x[kept].T), units, [images[i] for i in kept])
    assert whole.drop_columns(list(map(quantile_name, QUANTILES))) == exact.drop_columns(
        list(map(quantile_name, QUANTILES))
    )
    for name in map(quantile_name, QUANTILES):
        a, b = np.array(whole[name]), np.array(exact[name])
        assert (np.abs(a - b) <= np.maximum(np.abs(b) * SKETCH_ERROR, 2.0**-30)).all()


@pytest.mark.parametrize("n", [TOP - 1, TOP, 8 * TOP + 1, 500])
def test_top_images_with_ties_and_negative_values(n: int) -> None:
    rng = np.random.Generator(np.random.PCG64(n))
    x = np.stack([-rng.integers(1, 4, n), np.zeros(n), rng.normal(size=n)]).astype(np.float32)
    images = _names(n, "i")
    for row, values in zip(of_matrix(x, ["a", "b", "c"], images).to_pylist(), x, strict=True):
        order = np.argsort(-values, kind="stable")[:TOP]
        assert row["top_images"] == [images[i] for i in order]
        assert row["top_values"] == values[order].tolist()


def test_no_image_and_no_unit() -> None:
    (row,) = of_matrix(np.zeros((1, 0), np.float32), ["u"], []).to_pylist()
    assert row["mean"] is None and row["q50"] is None and row["dead"] is False and row["top_images"] == []
    assert of_matrix(np.zeros((0, 3), np.float32), [], _names(3, "i")).num_rows == 0
    assert Tally(1).table(["u"], []).to_pylist()[0]["maximum"] is None
