"""The other layouts of published data sets: Tiny ImageNet, Kaggle's ImageNet, SUN's tables, the hub's Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptx.errors import InputError
from conceptx.images.check import check_images
from conceptx.images.formats import open_images
from conceptx.images.formats.sun import category
from tests.images.formats import fixtures
from tests.images.formats.fixtures import save, write


def test_tiny_imagenet(tmp_path: Path) -> None:
    save(tmp_path / "train/n04379243/images/n04379243_0.JPEG", fixtures.kitchen())
    write(tmp_path / "train/n04379243/n04379243_boxes.txt", "n04379243_0.JPEG\t2\t8\t17\t13\n")
    save(tmp_path / "val/images/val_0.JPEG", fixtures.room())
    write(tmp_path / "val/val_annotations.txt", "val_0.JPEG\tn04256520\t1\t2\t10\t10\n")
    write(tmp_path / "words.txt", "n04256520\tstudio couch, day bed\nn04379243\ttable\n")
    images = open_images(f"imagenet:{tmp_path}")
    assert images.images["category"].to_pylist() == ["table", "studio couch, day bed"]
    assert images.original_splits == ("train", "val")


def test_the_kaggle_release_of_imagenet(tmp_path: Path) -> None:
    base = tmp_path / "ILSVRC"
    save(base / "Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG", fixtures.room())
    box = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>11</xmax><ymax>11</ymax></bndbox>"
    write(
        base / "Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml",
        f"<annotation><object><name>n04256520</name>{box}</object></annotation>",
    )
    write(tmp_path / "LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n04256520 2 3 11 11 \n")
    write(tmp_path / "LOC_synset_mapping.txt", "n04256520 studio couch, day bed\n")
    images = open_images(f"imagenet:{tmp_path}")
    (sofa,) = images.objects.to_pylist()
    assert (sofa["label"], sofa["x"], sofa["w"], sofa["area"]) == ("studio couch, day bed", 1, 10, 90)
    assert images.images["category"].to_pylist() == ["studio couch, day bed"]


def test_imagenet_without_words_says_so(tmp_path: Path) -> None:
    save(tmp_path / "n04379243/a.JPEG", fixtures.kitchen())
    images = open_images(f"imagenet:{tmp_path}")
    assert images.objects["label"].to_pylist() == ["n04379243"]
    assert images.notes == ("without words: 'n04379243'; add synset_words.txt",)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/abbey/x.jpg", "abbey"),
        ("a/apartment_building/outdoor/x.jpg", "apartment_building_outdoor"),
        ("abbey/x.jpg", "abbey"),
        ("x.jpg", None),
    ],
)
def test_categories_of_sun(key: str, expected: str | None) -> None:
    assert category(key) == expected


def _attributes(root: Path, shares: np.ndarray) -> None:
    from scipy.io import savemat

    def cells(*texts: str) -> np.ndarray:
        found = np.empty((len(texts), 1), object)
        found[:, 0] = texts
        return found

    save(root / "images/k/kitchen/sun_aaa.jpg", fixtures.kitchen())
    savemat(root / "images.mat", {"images": cells("k/kitchen/sun_aaa.jpg", "b/bog/sun_gone.jpg")})
    savemat(root / "attributes.mat", {"attributes": cells("eating", "natural light")})
    savemat(root / "attributeLabels_continuous.mat", {"labels_cv": shares})


def test_scene_attributes_that_most_agree_on_are_objects(tmp_path: Path) -> None:
    _attributes(tmp_path, np.array([[1.0, 1 / 3], [0.0, 1.0]]))
    images = open_images(f"sun:{tmp_path}")
    assert images.objects["label"].to_pylist() == ["eating"]
    assert images.images["category"].to_pylist() == ["kitchen"]


def test_scene_attributes_that_do_not_fit(tmp_path: Path) -> None:
    _attributes(tmp_path, np.array([[1.0]]))
    with pytest.raises(InputError, match=r"continuous\.mat: the shares have the shape \(1, 1\) beside 2 images and 2"):
        open_images(f"sun:{tmp_path}")
    (tmp_path / "images.mat").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"images\.mat: this is no MATLAB table with 'images'"):
        open_images(f"sun:{tmp_path}")


def _parquet(path: Path, rows: list[dict[str, object]], features: dict[str, object] | None, size: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    others = {key for row in rows for key in row} - {"image"}
    table = pa.table(
        {"image": pa.array([row["image"] for row in rows], kind)} | {k: [r[k] for r in rows] for k in others}
    )
    meta = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    pq.write_table(table.replace_schema_metadata(meta), path, row_group_size=size)


def _picture(pixels: np.ndarray) -> dict[str, object]:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    shades = [np.full((3, 4, 3), shade, np.uint8) for shade in range(5)]
    rows = [{"image": _picture(shade), "label": i % 2} for i, shade in enumerate(shades)]
    _parquet(tmp_path / "data/train-00000-of-00002.parquet", rows[:3], features)
    _parquet(tmp_path / "data/train-00001-of-00002.parquet", rows[3:], features)
    _parquet(tmp_path / "data/test-00000-of-00001.parquet", [{"image": _picture(shades[0]), "label": -1}], features)
    images = open_images(f"hf:{tmp_path}")
    assert images.ids == ["test/0", *(f"train/{i}" for i in range(5))]
    assert images.images["category"].to_pylist() == [None, "cat", "dog", "cat", "dog", "cat"]
    assert [int(images.load(i)[0, 0, 0]) for i in range(6)] == [0, 0, 1, 2, 3, 4]
    assert images.original_splits == ("test", *["train"] * 5)
    assert images.objects.num_rows == 5


@pytest.mark.parametrize(
    ("row", "features", "labels"),
    [
        ({"label": "cat"}, None, ["cat"]),
        ({"label": 3}, None, ["3"]),
        ({"labels": [0, 1]}, {"labels": {"feature": {"names": ["a", "b"]}}}, ["a", "b"]),
        ({"scene": 1}, {"scene": {"names": ["a", "b"]}}, ["b"]),
        (
            {"objects": [{"bbox": [0.0, 0, 2, 2], "category": 1}]},
            {"objects": [{"category": {"names": ["a", "b"]}}]},
            ["b"],
        ),
        ({"objects": {"bbox": [[0.0, 0, 2, 2]], "category": ["x"]}}, None, ["x"]),
    ],
)
def test_label_columns_of_every_kind(
    row: dict[str, object], features: dict[str, object] | None, labels: list[str], tmp_path: Path
) -> None:
    _parquet(tmp_path / "train.parquet", [{"image": _picture(fixtures.kitchen()), **row}], features)
    assert open_images(f"hf:{tmp_path}").objects["label"].to_pylist() == labels


@pytest.mark.parametrize(
    ("row", "features", "message"),
    [
        ({"label": 2}, {"label": {"names": ["a"]}}, r"train\.parquet, row 0: the label is 2, there are 1 names"),
        ({"objects": [{"bbox": [0.0, 1, 2], "category": "a"}]}, None, "a bbox is no list of four numbers"),
        ({"objects": [{"bbox": [0.0, 1, 2, 3]}]}, None, "object 1 has no category"),
    ],
)
def test_wrong_label_columns(
    row: dict[str, object], features: dict[str, object] | None, message: str, tmp_path: Path
) -> None:
    _parquet(tmp_path / "train.parquet", [{"image": _picture(fixtures.kitchen()), **row}], features)
    with pytest.raises(InputError, match=message):
        open_images(f"hf:{tmp_path}")


def test_what_datasets_itself_writes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    held = {"image": [Image.fromarray(fixtures.kitchen()), Image.fromarray(fixtures.room())], "label": [1, 0]}
    made = datasets.Dataset.from_dict(held, features=features)
    datasets.DatasetDict({"train": made, "validation": made.select([1])}).save_to_disk(str(tmp_path / "x"))
    images = open_images(f"hf:{tmp_path / 'x'}")
    assert images.images["category"].to_pylist() == ["dog", "cat", "cat"]
    assert images.original_splits == ("train", "train", "val")
    assert np.array_equal(images.load(0), fixtures.kitchen())


def test_labels_in_json_lines_beside_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "a.png", fixtures.kitchen())
    lines = [
        {"image": "a.png", "label": "cup"},
        {"image": "a.png", "objects": [{"label": "table", "box": [2, 8, 16, 6]}]},
    ]
    write(tmp_path / "labels.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    images = open_images(f"folder:{tmp_path}")
    assert images.objects["label"].to_pylist() == ["cup", "table"]
    write(tmp_path / "labels.jsonl", '{"image": "b.png", "label": "cup"}\n')
    with pytest.raises(InputError, match=r"labels\.jsonl:1: there is no image 'b\.png'"):
        open_images(f"folder:{tmp_path}")


def test_lvis_names_pictures_by_address(tmp_path: Path) -> None:
    save(tmp_path / "val2017/000000000002.jpg", fixtures.room())
    image = {"id": 2, "coco_url": "http://images.cocodataset.org/val2017/000000000002.jpg", "height": 20}
    held = {"images": [image], "categories": [{"id": 1, "name": "sofa"}], "annotations": []}
    write(tmp_path / "lvis.json", json.dumps(held))
    assert open_images(f"coco:{tmp_path}").ids == ["val2017/000000000002.jpg"]


def test_a_file_of_coco_beside_one_that_holds_it_changes_nothing(tmp_path: Path) -> None:
    fixtures.coco(tmp_path)
    alone = open_images(f"coco:{tmp_path}")
    held = (tmp_path / "annotations/instances_val2017.json").read_bytes()
    (tmp_path / "annotations/instances_valminival2017.json").write_bytes(held)
    both = check_images(open_images(f"coco:{tmp_path}"))
    assert (both.images, both.objects) == (len(alone), 3)
