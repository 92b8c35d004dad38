"""Folders and tables of images, and requests that name nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conceptx.errors import InputError
from conceptx.images.formats import FORMATS, open_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("kitchen/a.png", "kitchen/b.jpg", "street/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((5, 7, 3), 90, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_names_images_by_path_and_categories_by_folder(folder: Path) -> None:
    images = open_images(f"folder:{folder}")
    assert images.ids == ["kitchen/a.png", "kitchen/b.jpg", "street/c.png"]
    assert images.images["category"].to_pylist() == ["kitchen", "kitchen", "street"]
    assert images.images["width"].to_pylist() == [7, 7, 7]
    assert images.load(1).shape == (5, 7, 3)
    assert images.objects.num_rows == 0


def test_labels_lie_beside_the_pictures(folder: Path) -> None:
    (folder / "labels.csv").write_text("image,label,object\nkitchen/a.png,cup,1\nkitchen/a.png,mug,1\n")
    images = open_images(f"folder:{folder}")
    assert images.objects["label"].to_pylist() == ["cup", "mug"]
    assert images.objects["object"].to_pylist() == ["1", "1"]


def test_a_table_says_which_images_there_are(folder: Path) -> None:
    table = folder / "some.csv"
    table.write_text("image,path,category,split\nx,kitchen/a.png,room,induction\ny,street/c.png,,evaluation\n")
    (folder / "labels.csv").write_text("image,label\nx,cup\nx,plate\n")
    images = open_images(f"table:{table}")
    assert images.ids == ["x", "y"]
    assert images.images["category"].to_pylist() == ["room", None]
    assert images.images["split"].to_pylist() == ["induction", "evaluation"]
    assert images.load(1).shape == (5, 7, 3)
    assert len(set(images.objects["object"].to_pylist())) == 2


def test_the_digest_is_of_the_content_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (folder / "kitchen").rename(moved / "kitchen")
    before = open_images(f"folder:{moved}").digest
    moved.rename(tmp_path / "again")
    assert open_images(f"folder:{tmp_path / 'again'}").digest == before
    picture = tmp_path / "again" / "kitchen" / "a.png"
    Image.fromarray(np.full((5, 7, 3), 91, np.uint8)).save(picture)
    assert open_images(f"folder:{tmp_path / 'again'}").digest != before


def test_a_picture_that_cannot_be_opened_is_listed_and_fails_when_it_is_loaded(folder: Path) -> None:
    (folder / "kitchen" / "a.png").write_bytes(b"")
    images = open_images(f"folder:{folder}")
    assert images.images["width"].to_pylist()[0] is None
    with pytest.raises(InputError, match=r"a\.png: the picture cannot be read"):
        images.load(0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "image\n", "there are no images"),
        ("t.csv", "image,path\na,../../x.png\n", "the path leaves the folder"),
        ("t.csv", "image,split\na,train\n", "'train' is not a split"),
        ("t.csv", "image\na\na\n", r"t\.csv, row 2: image 'a' is listed above already; write one row an image"),
        ("t.csv", "picture\na\n", "image"),
        ("labels.csv", "image,label\nnone,cup\n", r"labels\.csv:2: there is no image 'none'"),
    ],
)
def test_mistakes_in_tables_are_named(folder: Path, name: str, content: str, message: str) -> None:
    (folder / "t.csv").write_text("image,path\na,kitchen/a.png\n")
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        open_images(f"table:{folder / 't.csv'}")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("foldr:x", "there is no kind 'foldr'; did you mean 'folder'"),
        ("zzz:x", "there is no kind 'zzz'; use one of"),
        ("folder", "'folder' names no path; write folder:PATH"),
        ("folder:nowhere", "nowhere: there is no such folder"),
        ("table:nowhere.csv", "nowhere.csv"),
    ],
)
def test_requests_that_name_nothing(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_images(spec)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no picture in the folder"):
        open_images(f"folder:{tmp_path}")


def test_the_registry_is_plain() -> None:
    assert {"folder", "table"} <= set(FORMATS)


def test_grey_and_two_valued_pictures_of_the_simplest_formats(tmp_path: Path) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(grey).save(tmp_path / "a.pgm")
    Image.fromarray(grey > 20).save(tmp_path / "b.pbm")
    found = open_images(f"folder:{tmp_path}")
    assert found.ids == ["a.pgm", "b.pbm"]
    np.testing.assert_array_equal(found.load(0), np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(found.load(1)[:, :, 0], np.where(grey > 20, 255, 0))
