"""The audit's slow path and the fast path agree: they share formulas, and no code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conceptx.audit import slow
from conceptx.audit.differences import closed
from conceptx.audit.evidence import Evidence
from conceptx.audit.scenes import Picture, holds, read_pictures
from conceptx.expressions import parse
from conceptx.induction import scores
from conceptx.verification.corrections import benjamini_hochberg, holm
from conceptx.verification.measures import measure
from conceptx.verification.statistics import rank

VALUES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 7.0]), min_size=2, max_size=60)


@st.composite
def units(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    if draw(st.booleans()):
        values = np.array(draw(VALUES))
    else:
        values = np.random.default_rng(draw(st.integers(0, 2**32))).standard_normal(draw(st.integers(2, 80)))
    extent = np.array(draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    return values, extent


@given(units())
@settings(max_examples=300, deadline=None)
def test_every_statistic_of_a_row_agrees(unit: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = unit
    row = measure("u", "A", "evaluation", rank(values), extent, 1).as_row("layer")
    again = slow.statistics_of(values[extent], values[~extent])
    tested = row["p"] is not None
    for name, number in again.items():
        if not tested and name in ("u", "z", "p", "z_uncorrected", "p_one_tailed"):
            continue
        stored = math.nan if row[name] is None else float(str(row[name]))
        if closed(name, stored, number, again):
            continue
        assert stored == pytest.approx(number, rel=1e-6, abs=1e-9, nan_ok=True), name


@given(units())
@settings(max_examples=200, deadline=None)
def test_every_score_of_a_hypothesis_agrees(unit: tuple[np.ndarray, np.ndarray]) -> None:
    values, extent = unit
    if extent.all() or not extent.any() or values.min() == values.max():
        return
    fires = scores.firing(values)
    kept = scores.score_all(values, extent)
    again = slow.scores_of(values, extent, fires, ~fires)
    for name, number in again.items():
        assert kept[name] == pytest.approx(number, abs=1e-9), name


@given(VALUES)
@settings(deadline=None)
def test_both_say_the_same_of_when_a_unit_fires(values: list[float]) -> None:
    array = np.array(values)
    assert np.array_equal(scores.firing(array), slow.fires(array)) or _equally_good(array)


@given(st.integers(1, 400), st.floats(0, 1))
@settings(deadline=None)
def test_intervals_of_shares_are_those_of_scipy(n: int, share: float) -> None:
    hits = round(n * share)
    test = stats.binomtest(hits, n)
    assert slow.wilson(hits, n) == pytest.approx(tuple(test.proportion_ci(method="wilson")), abs=1e-12)
    exact = tuple(test.proportion_ci(0.999, method="exact"))
    assert slow.clopper_pearson(hits, n, 0.999) == pytest.approx(exact, abs=1e-11)


def _equally_good(values: np.ndarray) -> bool:
    """Two thresholds may separate equally well; rounding then decides between them."""
    sides = (scores.firing(values), slow.fires(values))
    left = [sum(float(((part - part.mean()) ** 2).sum()) for part in (values[s], values[~s])) for s in sides]
    return math.isclose(left[0], left[1], rel_tol=1e-9)


@given(st.lists(st.one_of(st.just(math.nan), st.floats(0, 1)), max_size=30))
def test_corrections_agree(p: list[float]) -> None:
    for method, fast in (("benjamini-hochberg", benjamini_hochberg), ("holm", holm)):
        assert slow.corrected(p, method) == pytest.approx(fast(p).tolist(), nan_ok=True)


def test_pictures_are_read_as_scenes_are_built() -> None:
    from conceptx.annotation.mapping import map_labels
    from conceptx.annotation.scenes import build_scenes, evaluate, labels_in
    from conceptx.images.dataset import ImageSet
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.tables import IMAGES, OBJECTS, from_rows

    hierarchy = Hierarchy.from_edges(
        [("cup", "vessel"), ("vessel", "thing"), ("table", "thing"), ("red", "colour"), ("kitchen", "room")]
    )
    images = [
        {"image": "a", "category": "kitchen", "width": 10, "height": 10},
        {"image": "b", "width": 10, "height": 10},
        {"image": "c"},
    ]
    red = [{"role": "hasColor", "value": "red"}]
    objects = [
        {"image": "a", "object": "1", "label": "cup", "area": 30.0, "attributes": red},
        {"image": "a", "object": "2", "label": "table", "relations": [{"role": "under", "object": "1"}]},
        {"image": "a", "object": "3", "label": "cup"},
        {"image": "b", "object": "1", "label": "unknown", "attributes": red},
        {"image": "b", "object": "1", "label": "table", "area": 5.0},
        {"image": "b", "object": "2", "label": "unknown", "relations": [{"role": "under", "object": "1"}]},
    ]
    table = ImageSet("test", None, from_rows(images, IMAGES), from_rows(objects, OBJECTS))
    mapping = map_labels(labels_in(table), hierarchy)
    scenes, _ = build_scenes(table, mapping, hierarchy)
    class_of = {row.label: row.class_name for row in mapping.rows if row.class_name}
    pictures = read_pictures(table.images, table.objects, class_of, hierarchy)
    for text in (
        "kitchen",
        "room",
        "contains some vessel",
        "contains min 2 vessel",
        "contains max 1 cup",
        "contains exactly 0 cup",
        "contains only (cup or table)",
        "not (contains some cup)",
        "contains some (cup and hasColor some colour)",
        "contains some (table and under some (cup and hasColor some red))",
        "contains some (cup and inverse under some table)",
        "contains some (hasArea some xsd:double[>= 0.2])",
        "contains some owl:Thing",
    ):
        expression = parse(text)
        assert [holds(expression, pictures[i]) for i in scenes.images] == evaluate(expression, scenes).tolist(), text


SOME = st.sampled_from(("cup", "vessel", "table", "thing", "red"))


@given(
    things=st.lists(st.lists(st.tuples(SOME, SOME), max_size=4), min_size=1, max_size=6),
    first=SOME,
    second=SOME,
    number=st.integers(0, 3),
)
@settings(deadline=None)
def test_only_pictures_that_can_are_asked_and_all_of_these(
    things: list[list[tuple[str, str]]], first: str, second: str, number: int
) -> None:
    pictures = [
        Picture(
            {(str(i),): frozenset(pair) for i, pair in enumerate(of)},
            {("contains", ()): {(str(i),) for i in range(len(of))}} if of else {},
        )
        for of in things
    ]
    names = [str(i) for i in range(len(pictures))]
    evidence = Evidence({}, names, pictures, np.array(["evaluation"] * len(names)), {})
    for text in (
        f"contains some {first}",
        f"contains some ({first} and {second})",
        f"contains some ({first} and not ({second}))",
        f"contains some ({first} or {second})",
        f"contains min {number} {first}",
        f"contains max {number} {first}",
        f"contains exactly {number} ({first} and {second})",
        f"contains only {first}",
        f"contains some {first} and not (contains some {second}) or contains only {second}",
        f"contains some unheard-of or contains some {first}".replace("unheard-of", "nothing_of_that_name"),
    ):
        expression = parse(text)
        expected = [holds(expression, picture) for picture in pictures]
        for _ in range(2):
            assert evidence.whole_extent(expression).tolist() == expected, text
