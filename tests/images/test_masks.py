"""Masks of the formats that have them: where the boxes are, for the objects that the reader names."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conceptx.images.dataset import ImageSet
from conceptx.images.formats import open_images
from conceptx.images.masks import mask_reader
from tests.images.formats import fixtures


def _agree(kind: str, path: Path) -> dict[str, np.ndarray]:
    """Check that every mask has the box of its object, and return the masks by image and object."""
    images = open_images(f"{kind}:{path}")
    masks = mask_reader(kind, path, images)
    assert masks is not None
    found: dict[str, np.ndarray] = {}
    for row in images.objects.to_pylist():
        mask = masks(row["image"]).get(row["object"])
        if mask is not None and mask.any():
            ys, xs = np.nonzero(mask)
            box = (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
            assert box == pytest.approx([row[side] for side in "xywh"], abs=1)
            found[f"{row['image']} {row['object']}"] = mask
    return found


def _coloured(box: fixtures.Box, size: tuple[int, int], segment: int) -> np.ndarray:
    x, y, w, h = box
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[y : y + h, x : x + w] = (segment % 256, segment // 256 % 256, segment // 65536)
    return picture


@pytest.mark.parametrize("below", ["annotations/panoptic_val2017", "panoptic_val2017"])
def test_panoptic_segments(below: str, tmp_path: Path) -> None:
    fixtures.coco_panoptic(tmp_path)
    file = tmp_path / "annotations/panoptic_val2017.json"
    file.parent.mkdir()
    (tmp_path / "panoptic.json").rename(file)
    table = _coloured(fixtures.TABLE, fixtures.KITCHEN, 3226956)
    cup = _coloured(fixtures.CUP, fixtures.KITCHEN, 6979964)
    fixtures.save(tmp_path / f"{below}/000000000001.png", np.where(cup > 0, cup, table))
    fixtures.save(tmp_path / f"{below}/000000000002.png", _coloured(fixtures.SOFA, fixtures.ROOM, 8345))
    found = _agree("coco_panoptic", tmp_path)
    assert len(found) == 3
    assert {key.split()[1]: int(mask.sum()) for key, mask in found.items()}["6979964"] == 16


def test_panoptic_pictures_without_png(tmp_path: Path) -> None:
    fixtures.coco_panoptic(tmp_path)
    assert _agree("coco_panoptic", tmp_path) == {}


def test_labelme_shapes_and_polygons(tmp_path: Path) -> None:
    fixtures.labelme(tmp_path)
    found = _agree("labelme", tmp_path)
    assert len(found) == 4
    assert int(found["pictures/kitchen.png 2"].sum()) == 16, "a group's shapes are one object"
    assert int(found["pictures/kitchen.png 1"].sum()) == 96
    assert int(found["Images/rooms/room.jpg 0"].sum()) == 90


def test_labelme_circles_masks_and_lines(tmp_path: Path) -> None:
    fixtures.save(tmp_path / "a.png", fixtures.kitchen())
    buffer = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).save(buffer, "PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    shapes = [
        {"label": "plate", "shape_type": "circle", "points": [[10, 8], [14, 8]]},
        {"label": "crumb", "shape_type": "mask", "points": [[3, 4], [4, 5]], "mask": encoded},
        {"label": "edge", "shape_type": "line", "points": [[0, 0], [5, 5]]},
        {"label": "spot", "shape_type": "mask", "points": [[3, 4], [4, 5]], "mask": "no picture"},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    images = open_images(f"labelme:{tmp_path}")
    masks = mask_reader("labelme", tmp_path, images)
    assert masks is not None
    found = masks("a.png")
    assert sorted(found) == ["1", "2"]
    ys, xs = np.mgrid[:16, :24]
    wanted = (xs + 0.5 - 10) ** 2 + (ys + 0.5 - 8) ** 2 <= 16
    assert (found["1"] != wanted).sum() <= 2
    assert np.argwhere(found["2"]).tolist() == [[4, 3], [5, 3], [5, 4]]


def test_the_release_of_2021_of_ade20k(tmp_path: Path) -> None:
    stem = tmp_path / "images/ADE/training/home/kitchen/ADE_train_00000001"
    fixtures.save(stem.with_suffix(".jpg"), fixtures.kitchen())
    x, y, w, h = fixtures.CUP
    thing = {
        **{"id": 0, "name": "cup", "raw_name": "cup", "attributes": [], "parts": {"part_level": 0, "ispartof": []}},
        "polygon": {"x": [x, x + w, x + w, x], "y": [y, y, y + h, y + h]},
    }
    undrawn = {"id": 1, "name": "air", "raw_name": "air", "polygon": {"x": [], "y": []}}
    fixtures.write(stem.with_suffix(".json"), json.dumps({"annotation": {"scene": [], "object": [thing, undrawn]}}))
    found = _agree("ade20k", tmp_path)
    assert [int(mask.sum()) for mask in found.values()] == [16]


def test_object_segmentations_of_voc(tmp_path: Path) -> None:
    fixtures.voc(tmp_path)
    masks = np.zeros(fixtures.KITCHEN[::-1], np.uint8)
    for number, (x, y, w, h) in ((1, fixtures.TABLE), (2, fixtures.CUP)):
        masks[y : y + h, x : x + w] = number
    masks[0] = 255
    picture = Image.fromarray(masks, mode="P")
    picture.putpalette([value for value in range(256) for _ in range(3)])
    (tmp_path / "VOC2012/SegmentationObject").mkdir()
    picture.save(tmp_path / "VOC2012/SegmentationObject/2007_000001.png")
    found = _agree("voc", tmp_path)
    assert sorted(key.split()[1] for key in found) == ["1", "2"]


def test_what_cannot_be_read_has_no_mask(tmp_path: Path) -> None:
    fixtures.voc(tmp_path)
    assert mask_reader("voc", tmp_path, open_images(f"voc:{tmp_path}")) is None
    folder = tmp_path / "VOC2012/SegmentationObject"
    folder.mkdir()
    (folder / "2007_000001.png").write_bytes(b"no picture")
    fixtures.save(folder / "2007_000002.png", np.ones((3, 3), np.uint8))
    images: ImageSet = open_images(f"voc:{tmp_path}")
    masks = mask_reader("voc", tmp_path, images)
    assert masks is not None
    assert [masks(image) for image in images.ids] == [{}, {}]
    assert mask_reader("open_images", tmp_path, images) is None
