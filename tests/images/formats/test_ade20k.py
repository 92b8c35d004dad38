"""ADE20K's full form: masks decoded pixel by pixel, the lists' variants, the index, and what is wrong with them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.images.formats import open_images
from conceptx.images.formats.ade20k import instances
from conceptx.images.formats.ade20k_lists import read_atr
from tests.images.formats import fixtures

KITCHEN = "images/training/k/kitchen/ADE_train_00000001"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures.ade20k(tmp_path)
    return tmp_path


@settings(deadline=None)
@given(st.integers(1, 255), st.data())
def test_the_blue_channel_gives_the_objects_whatever_others_hide(count: int, data: st.DataObject) -> None:
    shown = data.draw(st.lists(st.integers(0, count), min_size=1, max_size=30))
    blue = np.array([[round(255 * i / count + 1e-9) for i in shown]], np.uint8)
    found = instances(blue, count)
    assert found is not None
    assert found.tolist() == [shown]


def test_masks_written_otherwise() -> None:
    ranks = instances(np.array([[0, 7, 90, 7]], np.uint8), 2)
    assert ranks is not None
    assert ranks.tolist() == [[0, 1, 2, 1]]
    numbers = instances(np.array([[0, 3, 1]], np.uint8), 5)
    assert numbers is not None
    assert numbers.tolist() == [[0, 3, 1]]
    empty = instances(np.zeros((1, 2), np.uint8), 3)
    assert empty is not None
    assert empty.tolist() == [[0, 0]]


def test_objects_that_cannot_be_told_apart_have_no_box(root: Path) -> None:
    assert instances(np.array([[1, 2]], np.uint8), 300) is None
    assert instances(np.array([[1, 99, 200]], np.uint8), 2) is None
    lines = "".join(f'{i:03d} # 0 # 0 # cup # cup # ""\n' for i in range(1, 301))
    (root / f"{KITCHEN}_atr.txt").write_text(lines)
    images = open_images(f"ade20k:{root}")
    assert images.objects.num_rows == 301
    assert images.objects["area"].null_count == 300


@pytest.mark.parametrize(
    "line",
    [
        '001 # 0 # 1 # sofa, couch,lounge # couch # "red, soft"',
        '001#0#1#sofa, couch, lounge#couch#"red,soft"',
        '  1 # 0 # 1 # sofa,  couch, lounge # couch # "red, soft" # 0.93',
        '001 # 0.93 # 0 # 1 # sofa, couch, lounge # couch # "red, soft"',
        '001 # 0 # 1 # sofa, couch, lounge # couch # 9.3e-1 # "red, soft"'.replace("9.3e-1", "0.93"),
    ],
)
@pytest.mark.parametrize("header", ["", "Prediction:\nkitchen\nLabel:\nkitchen\n", "Prediction: a\nLabel: b\n\n"])
def test_the_lists_variants(line: str, header: str, tmp_path: Path) -> None:
    (tmp_path / "x_atr.txt").write_text(f"{header}{line}\n")
    (item,) = read_atr(tmp_path / "x_atr.txt")
    assert (item.name, item.instance, item.level, item.label) == ("1", 1, 0, "sofa, couch, lounge")
    assert item.attributes == ("red", "soft")


def test_an_object_without_wordnet_names_has_its_raw_name(tmp_path: Path) -> None:
    (tmp_path / "x_atr.txt").write_text('001 # 0 # 0 #  # lava lamp # ""\n002 # 0 # 0 # - # gizmo # ""\n')
    assert [item.label for item in read_atr(tmp_path / "x_atr.txt")] == ["lava lamp", "gizmo"]


def test_a_list_in_latin_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "x_atr.txt").write_bytes('001 # 0 # 0 # café # café # ""\n'.encode("latin-1"))
    assert read_atr(tmp_path / "x_atr.txt")[0].label == "café"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("001 # 0 # 0 # a # a\n", r"x_atr\.txt:1: the line has 5 fields"),
        ('001 # 0 # 0 # a # a # ""\n\nnonsense\n', r"x_atr\.txt:3: the line has 1 fields"),
        ("Prediction:\na\nLabel:\nb\nc\n", r"x_atr\.txt:5: the line has 1 fields"),
        ('one # 0 # 0 # a # a # ""\n', r"x_atr\.txt:1: 'one' and '0' are no numbers"),
        ('000 # 0 # 0 # a # a # ""\n', r"there is no object 0 of part level 0"),
        ('999999 # 0 # 0 # a # a # ""\n', r"there is no object 999999"),
        ('001 # 0 # 0 #  #  # ""\n', r"the object has no name"),
        ('001 # 0 # 0 # a # a # ""\n001 # 0 # 0 # b # b # ""\n', r":2: object 1 of part level 0 appears twice"),
    ],
)
def test_wrong_lists_are_named_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x_atr.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_atr(tmp_path / "x_atr.txt")


def test_a_broken_mask_is_noted_and_costs_only_the_boxes(root: Path) -> None:
    (root / f"{KITCHEN}_seg.png").write_bytes(b"hello")
    images = open_images(f"ade20k:{root}")
    assert images.notes == (
        f"{KITCHEN}_seg.png: the picture cannot be read (its format is not known); replace or remove it",
    )
    assert images.objects["label"].to_pylist()[:2] == ["wall", "table"]
    assert images.objects["area"].null_count == 5


def test_a_grey_mask_is_noted(root: Path) -> None:
    fixtures.save(root / f"{KITCHEN}_seg.png", np.zeros((16, 24), np.uint8))
    assert "the mask has no red, green and blue channel" in open_images(f"ade20k:{root}").notes[0]


def test_a_picture_that_is_not_there_stays_in_the_set(root: Path) -> None:
    (root / f"{KITCHEN}.jpg").unlink()
    images = open_images(f"ade20k:{root}")
    assert images.ids[0] == f"{KITCHEN}.jpg"
    with pytest.raises(InputError, match="there is no such file"):
        images.load(0)


def test_without_a_list_the_index_names_the_masks_classes(root: Path) -> None:
    for path in root.rglob("*_atr.txt"):
        path.unlink()
    names = ["-"] * 2978
    names[2977], names[2683], names[528] = "wall", "table", "cup"
    (root / "index_ade20k.pkl").write_bytes(pickle.dumps({"objectnames": names, "filename": [], "scene": []}))
    labels = open_images(f"ade20k:{root}").objects["label"].to_pylist()
    assert labels == ["wall", "table", "cup", "-"]


def test_the_index_is_found_above_the_pictures(root: Path) -> None:
    index = root / "index_ade20k.pkl"
    index.write_bytes(pickle.dumps({"filename": ["ADE_train_00000001.jpg"], "scene": ["/galley"], "objectnames": []}))
    assert open_images(f"ade20k:{root / 'images'}").images["category"].to_pylist() == ["galley", "living_room"]


class _Runs:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self._path}",)


def test_a_malicious_index_is_refused_and_does_not_run(root: Path) -> None:
    (root / "index_ade20k.pkl").write_bytes(pickle.dumps({"filename": [_Runs(root / "it-ran")]}))
    with pytest.raises(InputError, match=r"index_ade20k\.pkl: the pickle holds more than data"):
        open_images(f"ade20k:{root}")
    assert not (root / "it-ran").exists()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([1], "the index is no dictionary"),
        ({"filename": [1]}, "filename: this is no list of texts"),
        ({"filename": ["a"], "scene": []}, "there are 1 file names and 0 scenes"),
        ({"filename": 5}, "filename: this is no list of texts"),
    ],
)
def test_an_index_of_another_kind(index: object, message: str, root: Path) -> None:
    (root / "index_ade20k.pkl").write_bytes(pickle.dumps(index))
    with pytest.raises(InputError, match=message):
        open_images(f"ade20k:{root}")


def test_scenes_come_from_folders_where_there_is_no_index(root: Path) -> None:
    (root / "index_ade20k.pkl").unlink()
    shutil.move(root / "images/validation/l/living_room", root / "images/validation/a/apartment_building/outdoor")
    images = open_images(f"ade20k:{root}")
    assert images.images["category"].to_pylist() == ["kitchen", "apartment_building_outdoor"]


def test_a_folder_without_annotations(tmp_path: Path) -> None:
    fixtures.save(tmp_path / "a.jpg", fixtures.kitchen())
    with pytest.raises(InputError, match=r"there is neither an \*_atr\.txt nor a \*\.json beside the pictures"):
        open_images(f"ade20k:{tmp_path}")


def _of_2021(root: Path, **changes: object) -> Path:
    cup = {
        **{"id": 0, "name": "cup", "raw_name": "teacup", "attributes": ["red"], "occluded": "no"},
        "parts": {"hasparts": [1], "ispartof": [], "part_level": 0},
        "polygon": {"x": [6, 10, 10, 6], "y": [4, 4, 8, 8]},
    }
    handle = {
        **{"id": 1, "name": "handle, grip", "raw_name": "handle", "attributes": []},
        "parts": {"hasparts": [], "ispartof": 0, "part_level": 1},
        "polygon": {"x": [9, 10, 10, 9], "y": [5, 5, 7, 7]},
    }
    annotation = {"filename": "a.jpg", "scene": ["home", "kitchen"], "object": [cup | changes, handle]}
    stem = root / "images/ADE/training/home_or_hotel/kitchen/ADE_train_00000001"
    fixtures.save(stem.with_suffix(".jpg"), fixtures.kitchen())
    fixtures.write(stem.with_suffix(".json"), json.dumps({"annotation": annotation}))
    return stem


def test_the_release_of_2021(tmp_path: Path) -> None:
    _of_2021(tmp_path)
    images = open_images(f"ade20k:{tmp_path}")
    assert images.images["category"].to_pylist() == ["kitchen"]
    assert images.original_splits == ("train",)
    cup, handle = images.objects.to_pylist()
    assert (cup["label"], cup["area"], cup["x"], cup["w"]) == ("cup", 16, 6, 4)
    assert cup["attributes"] == [{"role": "hasColor", "value": "red"}]
    assert handle["relations"] == [{"role": "partOf", "object": "0"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "x"}, r"object\[0\]: the object has no id, part level or name"),
        ({"name": "", "raw_name": None}, r"object\[0\]: the object has no id, part level or name"),
        ({"id": 1}, "two objects have one id"),
    ],
)
def test_wrong_files_of_2021(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    _of_2021(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        open_images(f"ade20k:{tmp_path}")


@pytest.mark.parametrize("text", ["[]", "{}", '{"annotation": {"object": 3}}', '{"annotation": {"object": [3]}}'])
def test_other_json_of_2021(text: str, tmp_path: Path) -> None:
    _of_2021(tmp_path).with_suffix(".json").write_text(text)
    with pytest.raises(InputError, match="give ADE20K's own file"):
        open_images(f"ade20k:{tmp_path}")
