"""Scenes for other classes of the labels are those that a whole rebuild from the tables gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.annotation.mapping import NO_TERM, Mapping, Row
from conceptx.annotation.scenes import build_scenes, evaluate
from conceptx.errors import InputError
from conceptx.explorer.annotated import read_annotations
from conceptx.expressions import parse
from conceptx.images.dataset import ImageSet
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables import IMAGES, OBJECTS, from_rows

LABELS = ("a", "b", "c", "red", "blue")
CLASSES = ("A", "B", "C", "Red", "Blue", "Thing_like", "Colour")
EDGES = [("A", "Thing_like"), ("B", "Thing_like"), ("C", "B"), ("Red", "Colour"), ("Blue", "Colour")]
QUESTIONS = (
    "contains some A",
    "contains some Thing_like and not (contains some C)",
    "contains some (A and B)",
    "contains min 2 Thing_like",
    "contains some (A and hasColor some Red)",
    "contains some (Thing_like and hasColor some Colour)",
    "contains some (A and on some B)",
    "contains some (B and inverse on some A)",
    "contains only Thing_like",
    "contains some (B and hasArea some xsd:double[>= 0.25])",
    "A",
)
ANY_LABEL = st.sampled_from(LABELS)
FACTS = st.lists(st.fixed_dictionaries({"role": st.just("hasColor"), "value": ANY_LABEL}), max_size=2)
LINKS = st.lists(st.fixed_dictionaries({"role": st.just("on"), "object": st.sampled_from("123")}), max_size=2)
OBJECT = st.fixed_dictionaries(
    {
        "image": st.sampled_from(("x", "y#1", "z")),
        "object": st.sampled_from("123"),
        "label": ANY_LABEL,
        "area": st.sampled_from((None, 1.0, 6.0, float("inf"))),
        "attributes": FACTS,
        "relations": LINKS,
    }
)


@settings(max_examples=200, deadline=None)
@given(
    objects=st.lists(OBJECT, min_size=1, max_size=9),
    categories=st.lists(st.one_of(st.none(), ANY_LABEL), min_size=3, max_size=3),
    widths=st.lists(st.sampled_from((None, 4)), min_size=3, max_size=3),
    classes=st.lists(st.one_of(st.none(), st.sampled_from(CLASSES)), min_size=5, max_size=5),
    among=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_they_are_those_of_a_whole_rebuild(objects, categories, widths, classes, among) -> None:  # type: ignore[no-untyped-def]
    names = ("x", "y#1", "z")
    table = [
        {"image": name, "category": category, "width": width, "height": 3}
        for name, category, width in zip(names, categories, widths, strict=True)
    ]
    images = ImageSet("made up", None, from_rows(table, IMAGES), from_rows(objects, OBJECTS))
    hierarchy = Hierarchy.from_edges(EDGES)
    class_of = dict(zip(LABELS, classes, strict=True))
    rows = [Row(label, name) if name else Row(label, None, NO_TERM) for label, name in class_of.items()]
    order = ["z", "x", "y#1"]
    try:
        slow = build_scenes(images, Mapping(tuple(rows)), hierarchy)[0].subset(order)
    except InputError:
        return
    annotations = read_annotations(images, order, hierarchy)
    for label in LABELS:
        said = {row["image"] for row in objects if label in (row["label"], *(f["value"] for f in row["attributes"]))}
        said |= {row["image"] for row in table if row["category"] == label}
        assert [order[i] for i in np.flatnonzero(annotations.bearing(label))] == [o for o in order if o in said]
    fast = annotations.scenes(class_of, np.array(among))
    for question in map(parse, QUESTIONS):
        try:
            expected = evaluate(question, slow)
        except InputError:
            continue
        assert evaluate(question, fast)[among].tolist() == expected[among].tolist(), question
