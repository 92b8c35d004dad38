"""What published files have that their descriptions do not mention."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from conceptx.images.formats import open_images
from conceptx.images.formats.guess import guess_kind
from tests.images.formats import fixtures
from tests.images.formats.fixtures import save, write


def _thing(number: int, name: str, merged: tuple[int, ...] = (), **more: object) -> dict[str, object]:
    box = {"x": -1, "y": 0, "w": 4, "h": 3}
    return {"object_id": number, "names": [name], "synsets": [], "merged_object_ids": [*merged], **box, **more}


def test_what_visual_genome_says_of_merged_objects_is_said_of_the_one_they_became(tmp_path: Path) -> None:
    save(tmp_path / "VG_100K/1.jpg", fixtures.kitchen())
    things = [_thing(10, "trees", (11, 12, 13)), _thing(13, "man")]
    write(tmp_path / "objects.json", json.dumps([{"image_id": 1, "objects": things, "image_url": "https://x/1.jpg"}]))
    said = [_thing(11, "tree", attributes=["tall"]), _thing(12, "tree", attributes=["tall", "Green "])]
    write(tmp_path / "attributes.json", json.dumps([{"image_id": 1, "attributes": said}]))
    ends = {"subject": _thing(13, "man"), "object": {"name": "tree", "object_id": 12}}
    relation = {"relationship_id": 1, "predicate": "next to", "synsets": [], **ends}
    write(tmp_path / "relationships.json", json.dumps([{"image_id": 1, "relationships": [relation]}]))
    images = open_images(f"visual_genome:{tmp_path}")
    trees, man = images.objects.to_pylist()
    assert trees["attributes"] == [
        {"role": "hasAttribute", "value": "tall"},
        {"role": "hasColor", "value": "Green"},
    ]
    assert man["relations"] == [{"role": "nextTo", "object": "10"}], "an object's own number comes first"
    assert images.notes == ()


def test_objects_of_labelme_without_a_name_are_left_out_and_painted_ones_have_a_box(tmp_path: Path) -> None:
    save(tmp_path / "Images/street/p1.jpg", fixtures.kitchen())
    corners = "".join(f"<pt><x>\n{x}\n</x><y>\n{y}\n</y></pt>" for x, y in ((2, 3), (8, 3), (8, 7)))
    segment = "<segm><box><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>9</ymax></box><mask>m.png</mask></segm>"
    write(
        tmp_path / "Annotations/street/p1.xml",
        "<annotation><filename>\np1.jpg\n</filename><folder>\nstreet\n</folder>"
        f"<object><name>\ncar az270deg\n</name><deleted>\n0\n</deleted><id>0</id><polygon>{corners}</polygon></object>"
        "<object><name></name><deleted>0</deleted><id>1</id><polygon/></object>"
        f"<object><name>sky</name><deleted>0</deleted><id>2</id>{segment}</object></annotation>",
    )
    images = open_images(f"labelme:{tmp_path}")
    car, sky = images.objects.to_pylist()
    assert (car["label"], car["object"], car["area"]) == ("car az270deg", "0", 12)
    assert (sky["label"], sky["x"], sky["w"], sky["h"], sky["area"]) == ("sky", 1, 19, 8, None)
    assert images.notes == ("left out: objects without a name: 'Annotations/street/p1.xml, object 2'",)


def test_the_release_of_2021_of_ade20k_is_told_by_its_masks(tmp_path: Path) -> None:
    stem = tmp_path / "images/ADE/training/urban/street/ADE_train_00016869"
    save(stem.with_suffix(".jpg"), fixtures.kitchen())
    thing = {"id": 0, "name": "car", "raw_name": "car", "attributes": [], "polygon": {"x": [1, 5, 5], "y": [1, 1, 4]}}
    held = {"annotation": {"source": {"filename": "café"}, "scene": ["outdoor", "urban", "street"], "object": [thing]}}
    stem.with_suffix(".json").write_bytes(json.dumps(held, ensure_ascii=False).encode("latin-1"))
    for mask in (f"{stem.name}_seg.png", f"{stem.name}_parts_1.png", f"{stem.name}/instance_000_{stem.name}.png"):
        save(stem.parent / mask, np.zeros((16, 24, 3), np.uint8))
    assert guess_kind(tmp_path) == "ade20k"
    images = open_images(f"ade20k:{tmp_path}")
    assert images.objects["label"].to_pylist() == ["car"] and images.images["category"].to_pylist() == ["street"]


def test_a_picture_that_coco_names_and_nobody_has_keeps_a_sensible_path(tmp_path: Path) -> None:
    save(tmp_path / "images/1.jpg", fixtures.kitchen())
    listed = [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "gone.jpg"}]
    held = {"images": listed, "categories": [{"id": 1, "name": "cup"}], "annotations": []}
    write(tmp_path / "instances.json", json.dumps(held))
    assert open_images(f"coco:{tmp_path}").ids == ["images/1.jpg", "images/gone.jpg"]
