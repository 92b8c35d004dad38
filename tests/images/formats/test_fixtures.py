"""Every format: the fixtures that ship are read in full, each the same two scenes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conceptx.images.formats import FORMATS, open_images
from conceptx.images.formats.guess import guess_kind
from tests.images.formats.fixtures import CUP, HANDLE, MAKERS, SOFA, TABLE, kitchen, path_of, room

SHIPPED = Path(__file__).parents[3] / "data" / "fixtures" / "images"

BOXED = {
    "ade20k": [("table", TABLE, 96), ("cup", CUP, 16), ("handle, grip, handgrip, hold", HANDLE, 2)],
    "ade20k_scenes": [("table", TABLE, 96), ("cup", CUP, 16)],
    "coco": [("dining table", TABLE, 80), ("cup", CUP, 16)],
    "coco_panoptic": [("dining table", TABLE, 80), ("cup", CUP, 16)],
    "hf": [("table", TABLE, 96), ("cup", CUP, 16)],
    "imagenet": [("table", TABLE, 96)],
    "labelme": [("table", TABLE, 96), ("cup", (6, 4, 4, 4), 18)],
    "open_images": [("Table", TABLE, 96), ("Coffee cup", CUP, 16)],
    "table": [("cup", CUP, 16)],
    "visual_genome": [("table.n.02", TABLE, 96), ("cup.n.01", CUP, 16)],
    "voc": [("diningtable", TABLE, 96), ("cup", CUP, 16), ("handle", HANDLE, 2)],
}
SOFA_LABEL = {
    **dict.fromkeys(("ade20k", "ade20k_scenes"), "sofa, couch, lounge"),
    **dict.fromkeys(("coco", "coco_panoptic", "visual_genome"), "couch"),
    "open_images": "Couch",
}
ATTRIBUTES = {
    "ade20k": {("table", "hasAttribute", "wooden"), ("cup", "hasColor", "red"), ("cup", "hasAttribute", "small")},
    "table": {("cup", "hasColor", "red")},
    "visual_genome": {("cup.n.01", "hasColor", "red"), ("couch", "hasAttribute", "soft")},
    "labelme": {("cup", "hasColor", "red"), ("sofa", "hasColor", "dark blue"), ("sofa", "hasAttribute", "soft")},
}
RELATIONS = {
    "ade20k": {("handle, grip, handgrip, hold", "partOf", "cup")},
    "voc": {("handle", "partOf", "cup")},
    "labelme": {("arm", "partOf", "sofa")},
    "table": {("cup", "on", "table")},
    "visual_genome": {("cup.n.01", "onTopOf", "table.n.02")},
}
SPLITS = ("ade20k", "ade20k_scenes", "coco", "hf", "imagenet", "open_images", "sun", "voc", "cifar")


@pytest.fixture(params=sorted(FORMATS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def objects(kind: str) -> list[dict[str, Any]]:
    return open_images(f"{kind}:{path_of(kind, SHIPPED / kind)}").objects.to_pylist()


def test_every_format_has_a_fixture_that_its_maker_still_makes(kind: str, tmp_path: Path) -> None:
    MAKERS[kind](tmp_path / kind)
    made = open_images(f"{kind}:{path_of(kind, tmp_path / kind)}")
    shipped = open_images(f"{kind}:{path_of(kind, SHIPPED / kind)}")
    assert made.objects.equals(shipped.objects)
    assert made.ids == shipped.ids
    assert made.original_splits == shipped.original_splits
    assert made.notes == shipped.notes


def test_all_pictures_are_read(kind: str) -> None:
    images = open_images(f"{kind}:{path_of(kind, SHIPPED / kind)}")
    found = [images.load(i) for i in range(len(images))]
    if kind != "cifar":
        for picture in found:
            like = kitchen() if picture.shape[:2] == (16, 24) else room()
            assert np.abs(picture.astype(int) - like).mean() < 12
    assert images.images["width"].to_pylist() == [picture.shape[1] for picture in found]
    assert images.images["height"].to_pylist() == [picture.shape[0] for picture in found]
    assert all(len(digest) == 64 for digest in images.images["sha256"].to_pylist())


@pytest.mark.parametrize("kind", sorted(BOXED))
def test_labels_boxes_and_areas(kind: str) -> None:
    sofa = [] if kind in ("table", "imagenet") else [(SOFA_LABEL.get(kind, "sofa"), SOFA, 90)]
    found = {
        (o["label"], tuple(round(o[side], 3) for side in "xywh"), round(o["area"], 2))
        for o in objects(kind)
        if o["x"] is not None and o["label"] not in ("wall", "arm")
    }
    assert found == {(label, tuple(map(float, box)), float(area)) for label, box, area in (*BOXED[kind], *sofa)}


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_attributes_and_relations(kind: str) -> None:
    rows = objects(kind)
    label = {(o["image"], o["object"]): o["label"] for o in rows}
    attributes = {(o["label"], a["role"], a["value"]) for o in rows for a in o["attributes"] or ()}
    relations = {(o["label"], r["role"], label[o["image"], r["object"]]) for o in rows for r in o["relations"] or ()}
    assert {a for a in attributes if a[1] != "hasSupercategory"} == ATTRIBUTES.get(kind, set())
    assert relations == RELATIONS.get(kind, set())


def test_supercategories_are_kept_as_attributes() -> None:
    held = {(o["label"], o["attributes"][0]["value"]) for o in objects("coco")}
    assert held == {("dining table", "furniture"), ("cup", "kitchen"), ("couch", "furniture")}


def test_an_object_that_others_hide_has_a_label_and_no_box() -> None:
    (plate,) = [o for o in objects("ade20k") if o["label"] == "plate"]
    assert plate["area"] is None
    assert plate["x"] is None


def test_categories_come_from_folders_lists_and_classes() -> None:
    for kind, expected in {
        "ade20k": ["kitchen", "living_room"],
        "ade20k_scenes": ["kitchen", "living_room"],
        "cifar": ["couch", "table", "lamp"],
        "folder": ["kitchen", "living room"],
        "hf": ["living room", "kitchen"],
        "imagenet": ["table", "studio couch, day bed"],
        "sun": ["apartment_building_outdoor", "kitchen"],
        "table": ["kitchen", None],
    }.items():
        images = open_images(f"{kind}:{path_of(kind, SHIPPED / kind)}")
        assert images.images["category"].to_pylist() == expected


def test_the_publishers_splits_are_kept_beside_ours(kind: str) -> None:
    images = open_images(f"{kind}:{path_of(kind, SHIPPED / kind)}")
    assert set(images.images["split"].to_pylist()) == {None}
    assert bool(images.original_splits) == (kind in SPLITS)
    assert set(images.original_splits) <= {"train", "val", "test"}


def test_open_images_says_what_it_leaves_out() -> None:
    assert open_images(f"open_images:{SHIPPED / 'open_images'}").notes == (
        "left out: 1 annotations of images that have no picture here",
        "left out: 1 image-level labels that only a machine has given",
    )


def test_the_kind_is_told_by_the_files(kind: str) -> None:
    assert guess_kind(path_of(kind, SHIPPED / kind)) == kind


@pytest.mark.skipif("CONCEPTX_SHARED_DATA" not in os.environ, reason="no shared data")
@pytest.mark.slow
def test_real_sets() -> None:
    shared = Path(os.environ["CONCEPTX_SHARED_DATA"])
    full = open_images(f"ade20k:{shared / 'ade20k' / 'full'}")
    assert (len(full), full.objects.num_rows) == (60, 1267)
    hidden = [o for o in full.objects.to_pylist() if o["area"] is None and "." not in o["object"]]
    assert len(hidden) == 7  # of 1,215: they have no pixel in their masks
    coco = open_images(f"coco:{shared / 'coco'}")
    assert (len(coco), coco.objects.num_rows, coco.objects["area"].null_count) == (120, 1126, 0)
    scenes = open_images(f"folder:{shared / 'ade20k' / 'scenes'}")
    assert (len(scenes), len(set(scenes.images["category"].to_pylist()))) == (400, 10)
