"""Masks of image sets: those on disk agree with the boxes and areas that the readers tell."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.comparison.masks import masks_of
from conceptx.comparison.segments import drawn, read_segments
from conceptx.images.dataset import ImageSet
from conceptx.images.formats import open_images
from tests.images.formats import fixtures


def agree(images: ImageSet, spec: str, areas: bool = True) -> int:
    """Compare every mask with its object's box and area; return how many there are."""
    masks = masks_of(spec, images)
    assert masks is not None
    compared = 0
    rows = images.objects.to_pylist()
    for image in images.ids:
        found = masks(image)
        for row in (r for r in rows if r["image"] == image):
            if row["x"] is None:  # hidden by others, or of a level that is not drawn
                assert row["object"] not in found or not found[row["object"]].any()
                continue
            y, x = np.nonzero(found[row["object"]])
            box = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
            assert box == (row["x"], row["y"], row["w"], row["h"])
            assert len(x) == row["area"] or not areas
            compared += 1
    return compared


@pytest.mark.parametrize(("kind", "objects"), [("ade20k", 5), ("ade20k_scenes", 3)])
def test_masks_are_where_the_boxes_are(kind: str, objects: int, tmp_path: Path) -> None:
    getattr(fixtures, kind)(tmp_path)
    assert agree(open_images(f"{kind}:{tmp_path}"), f"{kind}:{tmp_path}") == objects


def test_a_mask_that_cannot_be_used_leaves_the_box(tmp_path: Path) -> None:
    fixtures.ade20k_scenes(tmp_path)
    images = open_images(f"ade20k_scenes:{tmp_path}")
    first, second = images.ids
    for file in (tmp_path / "annotations").rglob("ADE_train*.png"):
        file.write_bytes(b"no picture")
    for file in (tmp_path / "annotations").rglob("ADE_val*.png"):
        fixtures.save(file, np.full((3, 3), 24, np.uint8))
    masks = masks_of("ade20k_scenes:x", images)
    assert masks is not None
    assert (masks(first), masks(second)) == ({}, {})


def test_other_kinds_have_none(tmp_path: Path) -> None:
    fixtures.ade20k_scenes(tmp_path)
    images = open_images(f"ade20k_scenes:{tmp_path}")
    assert masks_of("voc:x", images) is None
    assert masks_of("", images) is None


def test_the_segmentations_of_coco_are_drawn(tmp_path: Path) -> None:
    fixtures.coco(tmp_path)
    spec = f"coco:{tmp_path}"
    assert agree(open_images(spec), spec, areas=False) == 3
    assert agree(open_images(f"{spec}/annotations/instances_val2017.json"), spec) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-8, 40), st.integers(-8, 40)), min_size=3, max_size=9), st.booleans())
def test_a_pixel_is_in_a_polygon_if_its_centre_is(corners: list[tuple[int, int]], halves: bool) -> None:
    polygon = np.array(corners, dtype=float) / (2 if halves else 1) + 0.125  # no corner is at the height of a centre
    mask = drawn((polygon,), 12, 17)
    assert mask is not None
    for row in range(12):
        for column in range(17):
            x, y, inside = column + 0.5, row + 0.5, False
            for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                if (y0 > y) != (y1 > y):
                    at = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
                    if abs(at - x) < 1e-9:  # on the edge, where either is right
                        break
                    inside ^= at < x
            else:
                assert mask[row, column] == inside


def test_what_is_no_segmentation_leaves_the_box(tmp_path: Path) -> None:
    file = tmp_path / "instances.json"
    good = [[0, 0, 4, 0, 4, 4]]
    bad = [None, [], [[1, 2]], [[1, 2, 3, 4, 5, "x"]], {"counts": "~~"}, {"counts": [-1]}, "text"]
    rows = [{"id": i, "segmentation": value} for i, value in enumerate([good, *bad])]
    rows += [{"id": 90, "segmentation": good}, {"id": 90, "segmentation": good}, {"id": 91, "segmentation": good}]
    file.write_text(json.dumps({"annotations": rows}))
    found = read_segments(tmp_path, {str(i) for i in range(91)})
    assert set(found) == {"0"}
    assert drawn(np.array([3, 4, 5]), 5, 5) is None


@pytest.mark.slow
@pytest.mark.skipif("CONCEPTX_SHARED_DATA" not in os.environ, reason="no shared data")
def test_masks_of_published_pictures_are_where_their_boxes_are() -> None:
    spec = f"ade20k:{os.environ['CONCEPTX_SHARED_DATA']}/ade20k/full"
    assert agree(open_images(spec), spec) > 1000


@pytest.mark.skipif("CONCEPTX_SHARED_DATA" not in os.environ, reason="no shared data")
def test_published_segmentations_fill_their_boxes_and_areas() -> None:
    """The published areas of crowds, whose segmentations are run lengths, are those of something else."""
    file = Path(os.environ["CONCEPTX_SHARED_DATA"], "coco", "instances.json")
    images = open_images(f"coco:{file}")
    masks = masks_of(f"coco:{file}", images)
    assert masks is not None
    rows = [row for row in images.objects.to_pylist() if row["area"] > 500]
    segments = read_segments(file, {row["object"] for row in rows})
    polygons, off = 0, []
    known = {image: masks(image) for image in {row["image"] for row in rows}}
    for row in rows:
        mask = known[row["image"]][row["object"]]
        y, x = np.nonzero(mask)
        box = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
        off.append(np.abs(np.array(box) - [row[name] for name in "xywh"]).max())
        if isinstance(segments[row["object"]], tuple):
            assert mask.sum() == pytest.approx(row["area"], rel=0.04)
            polygons += 1
    assert polygons > 700
    assert np.quantile(off, 0.95) < 1.5 and max(off) < 15  # tips of polygons are thinner than a pixel
