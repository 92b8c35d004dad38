"""Open Images and Visual Genome: batches and joins against a slow reading of the same files."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.images.formats import open_images
from conceptx.images.formats.openimages import Known, Objects, batches
from tests.images.formats import fixtures

IMAGES = ("a", "b", "c")
CLASSES = {"/m/1": "Cup", "/m/2": "Table"}
BOX = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
ROW = st.tuples(st.sampled_from([*IMAGES, "not here"]), st.sampled_from([*CLASSES, "/m/3"]), BOX)
LABEL = st.tuples(st.sampled_from([*IMAGES, "not here"]), st.sampled_from([*CLASSES]), st.sampled_from([0, 0.4, 1]))


def write(path: Path, header: str, rows: list[Any]) -> None:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([header.split(","), *rows])


def slow(boxes: list[Any], labels: list[Any]) -> list[tuple[Any, ...]]:
    """One row after the other, as the documentation says."""
    found = []
    numbers: dict[str, int] = defaultdict(int)
    boxed = set()
    for image, label, (x, y, w, h) in boxes:
        if image in IMAGES and label in CLASSES:
            numbers[image] += 1
            boxed.add((image, label))
            found.append((image, str(numbers[image]), CLASSES[label], x, y * 2, w, h * 2, w * h * 2))
    for image, label, sure in labels:
        if image in IMAGES and sure == 1 and (image, label) not in boxed:
            numbers[image] += 1
            found.append((image, str(numbers[image]), CLASSES[label], None, None, None, None, None))
    return found


@settings(deadline=None, max_examples=40)
@given(boxes=st.lists(ROW, max_size=12), labels=st.lists(LABEL, max_size=8), at_once=st.integers(1, 5))
def test_batches_of_boxes_and_labels(
    boxes: list[Any], labels: list[Any], at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("boxes")
    rows = [(i, c, x / 10, (x + w) / 10, y / 10, (y + h) / 10) for i, c, (x, y, w, h) in boxes]
    write(folder / "b.csv", "ImageID,LabelName,XMin,XMax,YMin,YMax", rows)
    write(folder / "l.csv", "ImageID,LabelName,Confidence", labels)
    order = pa.array(["c", "a", "b"])
    objects = Objects(Known(order, np.full(3, 10, np.float32), np.full(3, 20, np.float32), CLASSES))
    for name, columns in (("b.csv", ("XMin", "XMax", "YMin", "YMax")), ("l.csv", ("Confidence",))):
        for batch in batches(folder / name, ("ImageID", "LabelName", *columns)):
            for start in range(0, batch.num_rows, at_once):
                objects.add(folder / name, batch.slice(start, at_once))
    found = [tuple(row.values())[:8] for row in objects.table().to_pylist()]
    expected = slow(boxes, labels)
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one[3:] == (other[3:] if other[3] is None else pytest.approx(other[3:], abs=1e-4))


def test_columns_may_stand_in_any_order_and_pictures_in_any_folder(tmp_path: Path) -> None:
    fixtures.save(tmp_path / "some/where/x.jpg", fixtures.kitchen())
    write(tmp_path / "class-descriptions-boxable.csv", "LabelName,DisplayName", [("/m/1", "Cup")])
    row = (0.5, 1.0, "x", 0.25, "/m/1", 0.5)
    write(tmp_path / "sub-boxes.csv", "YMin,YMax,ImageID,XMin,LabelName,XMax", [row])
    (found,) = open_images(f"open_images:{tmp_path}").objects.to_pylist()
    assert (found["x"], found["y"], found["w"], found["h"]) == (6, 8, 6, 8)


def test_a_picture_of_unknown_size_has_boxes_without_numbers(tmp_path: Path) -> None:
    fixtures.open_images(tmp_path)
    (tmp_path / "train/000a1b2c3d4e5f60.jpg").write_bytes(b"hello")
    rows = open_images(f"open_images:{tmp_path}").objects.to_pylist()
    assert [row["area"] for row in rows if row["image"] == "000a1b2c3d4e5f60"] == [None] * 3


def _genome(root: Path, order: list[int]) -> None:
    fixtures.visual_genome(root)
    for name in ("objects", "attributes", "relationships"):
        held = json.loads((root / f"{name}.json").read_text())
        held = [held[i % len(held)] for i in order] if len(held) > 1 else held
        (root / f"{name}.json").write_text(json.dumps(held))


def test_the_files_may_name_images_in_any_order(tmp_path: Path) -> None:
    found = []
    for i, order in enumerate(([0, 1], [1, 0])):
        _genome(tmp_path / str(i), order)
        rows = open_images(f"visual_genome:{tmp_path / str(i)}").objects.to_pylist()
        found.append(sorted(rows, key=lambda row: (row["image"], row["object"])))
    assert found[0] == found[1]


def test_scene_graphs_hold_the_same(tmp_path: Path) -> None:
    fixtures.visual_genome(tmp_path)
    expected = open_images(f"visual_genome:{tmp_path}").objects
    held = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("objects", "attributes")}
    told = {t["object_id"]: t.get("attributes", []) for r in held["attributes"] for t in r["attributes"]}
    graphs = []
    for record in held["objects"]:
        things = [{**t, "attributes": told.get(t["object_id"], [])} for t in record["objects"]]
        links = [{"predicate": "ON top of", "subject_id": 12, "object_id": 11}] if record["image_id"] == 1 else []
        graphs.append({"image_id": record["image_id"], "objects": things, "relationships": links})
    for name in ("objects", "attributes", "relationships"):
        (tmp_path / f"{name}.json").unlink()
    (tmp_path / "scene_graphs.json").write_text(json.dumps(graphs))
    assert open_images(f"visual_genome:{tmp_path}").objects.equals(expected)


def test_what_names_nothing_is_counted(tmp_path: Path) -> None:
    fixtures.visual_genome(tmp_path)
    (tmp_path / "VG_100K_2/2.jpg").unlink()
    for name, old, new in (("relationships", 11, 99), ("attributes", 12, 77)):
        path = tmp_path / f"{name}.json"
        path.write_text(path.read_text().replace(f'"object_id": {old}', f'"object_id": {new}'))
    images = open_images(f"visual_genome:{tmp_path}")
    assert images.notes == (
        "left out: 1 annotated images without a picture",
        "left out: 2 attributes or relations of objects that there are not",
    )
    assert images.ids == ["1"]
    assert images.objects["relations"].null_count == images.objects.num_rows


def test_an_object_with_several_senses_has_a_row_for_each(tmp_path: Path) -> None:
    fixtures.visual_genome(tmp_path)
    path = tmp_path / "objects.json"
    path.write_text(path.read_text().replace('["cup.n.01"]', '["cup.n.01", "mug.n.04", "cup.n.01"]'))
    rows = [row for row in open_images(f"visual_genome:{tmp_path}").objects.to_pylist() if row["object"] == "12"]
    assert [row["label"] for row in rows] == ["cup.n.01", "mug.n.04"]
    assert rows[0]["attributes"] is not None
    assert rows[1]["attributes"] is None
