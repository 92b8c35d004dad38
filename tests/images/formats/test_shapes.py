"""Areas and boxes against pixel-by-pixel counting and the published text form of run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conceptx.images.formats.shapes import (
    mask_areas_and_boxes,
    numbers,
    points_box,
    polygon_area,
    run_lengths,
    runs_area_and_box,
    segmentation_area_and_box,
)

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7)))
LABELLED = arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 4))


def slow(mask: np.ndarray) -> tuple[int, tuple[int, int, int, int]] | None:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    box = (columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)
    return int(mask.sum()), tuple(int(v) for v in box)  # type: ignore[return-value]


def runs_of(mask: np.ndarray) -> list[int]:
    runs, current = [0], False
    for pixel in mask.T.ravel():
        if bool(pixel) != current:
            runs.append(0)
            current = not current
        runs[-1] += 1
    return runs


def text_of(runs: list[int]) -> str:
    """The text form, written after its description."""
    text = ""
    for i, run in enumerate(runs):
        rest = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = rest & 31
            rest >>= 5
            more = rest != -1 if bits & 16 else rest != 0
            text += chr((bits | (32 if more else 0)) + 48)
    return text


@settings(deadline=None)
@given(MASKS)
def test_run_lengths_in_both_forms(mask: np.ndarray) -> None:
    runs = runs_of(mask)
    expected = slow(mask)
    for counts in (runs, text_of(runs)):
        read = run_lengths(counts)
        assert read is not None
        assert read.tolist() == runs
        found = runs_area_and_box(read, mask.shape[0])
        assert found == (expected or (0, None))
        size = list(mask.shape)
        assert segmentation_area_and_box({"counts": counts, "size": size}, None) == found


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=30))
def test_large_numbers_in_the_text_form(runs: list[int]) -> None:
    read = run_lengths(text_of(runs))
    assert read is not None
    assert read.tolist() == runs


@pytest.mark.parametrize("counts", ["\x00", "o" * 20, "ooo", 5, None, [1.5], [-1], ["1"], [True], "é"])
def test_what_is_no_run_length(counts: object) -> None:
    assert run_lengths(counts) is None


@pytest.mark.parametrize(
    "segmentation",
    [None, [], [[1, 2, 3, 4]], [[0, 0, 1, 0, 1]], [["a"] * 6], {"counts": [9], "size": [2, 2]}, {"size": [2, 2]}, "x"],
)
def test_what_is_no_segmentation(segmentation: object) -> None:
    assert segmentation_area_and_box(segmentation, 4) is None


@settings(deadline=None)
@given(LABELLED, st.integers(0, 5))
def test_masks_against_counting(mask: np.ndarray, count: int) -> None:
    assert mask_areas_and_boxes(mask, count) == [slow(mask == k) for k in range(1, count + 1)]


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 40), st.integers(1, 40))
def test_polygons_of_known_area(x: int, y: int, w: int, h: int) -> None:
    corners = ([x, x + w, x + w, x], [y, y, y + h, y + h])
    assert polygon_area(*corners) == w * h
    assert polygon_area(corners[0][::-1], corners[1][::-1]) == w * h
    assert polygon_area(corners[0][:3], corners[1][:3]) == w * h / 2
    assert points_box(*corners) == (x, y, w, h)


def test_a_polygon_far_from_the_origin_keeps_its_area() -> None:
    assert polygon_area([1e9, 1e9 + 1, 1e9 + 1, 1e9], [1e9, 1e9, 1e9 + 1, 1e9 + 1]) == 1


@pytest.mark.parametrize("values", ["ab", [1, "2"], [1, None], [float("nan"), 1], [True, 1], [10**400, 1], [1], None])
def test_what_are_no_two_numbers(values: object) -> None:
    assert numbers(values, 2) is None
