"""Image sets of objects in memory: what torch data sets give, and what they get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conceptx.errors import InputError
from conceptx.images.check import check_images
from conceptx.images.from_python import from_hf_dataset, from_torch_dataset

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
CHANNELS = torch.from_numpy(PIXELS).permute(2, 0, 1)


class Items(torch.utils.data.Dataset[Any]):
    """Gives what it was given."""

    def __init__(self, *items: Any, classes: list[str] | None = None) -> None:
        self.items = items
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Any:
        if isinstance(self.items[i], Exception):
            raise self.items[i]
        return self.items[i]


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(PIXELS),
        PIXELS,
        CHANNELS,
        CHANNELS.float() / 255,
        (CHANNELS.double() / 255).requires_grad_(),
        PIXELS.astype(np.float64) / 255,
    ],
)
def test_pictures_of_every_kind(picture: Any) -> None:
    images = from_torch_dataset(Items((picture, 1), classes=["cat", "dog"]))
    assert np.array_equal(images.load(0), PIXELS)
    assert images.images["width"].to_pylist() == [3]
    assert images.images["category"].to_pylist() == ["dog"]
    assert images.objects["label"].to_pylist() == ["dog"]


def test_grey_pictures() -> None:
    for grey in (PIXELS[:, :, 0], PIXELS[:, :, :1], CHANNELS[:1]):
        assert np.array_equal(from_torch_dataset(Items(grey)).load(0), np.repeat(PIXELS[:, :, :1], 3, axis=2))


def test_targets_of_every_kind() -> None:
    boxes = {"boxes": torch.tensor([[1.0, 0.0, 3.0, 2.0]]), "labels": torch.tensor([1])}
    items = Items((PIXELS, torch.tensor(0)), (PIXELS, "bird"), (PIXELS, boxes), PIXELS, (PIXELS, [0, 1]), (PIXELS,))
    images = from_torch_dataset(items, classes=["cat", "dog"], name="mine")
    assert images.images["category"].to_pylist() == ["cat", "bird", None, None, None, None]
    assert images.objects["label"].to_pylist() == ["cat", "bird", "dog", "cat", "dog"]
    assert images.objects["x"].to_pylist() == [None, None, 1, None, None]
    assert images.objects["area"].to_pylist() == [None, None, 4, None, None]
    assert images.ids == ["0", "1", "2", "3", "4", "5"]


def test_without_class_names_the_numbers_are_the_labels() -> None:
    assert from_torch_dataset(Items((PIXELS, 7))).objects["label"].to_pylist() == ["7"]


def test_the_digest_is_of_the_pixels() -> None:
    one, other = from_torch_dataset(Items((PIXELS, 1))), from_torch_dataset(Items((PIXELS + 1, 1)))
    assert one.digest == from_torch_dataset(Items((CHANNELS, 1))).digest
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (Items(), "there are no images"),
        (iter([1]), "the data set has no length"),
        (Items((PIXELS, 5), classes=["a"]), r"mine, image 0: the label is 5, there are 1 classes"),
        (Items((PIXELS, 1.5)), r"mine, image 0: the label is 1\.5"),
        (Items((PIXELS, {"boxes": [[0, 0, 1, 1]], "labels": []})), "there are 1 boxes for 0 labels"),
        (Items((PIXELS, {"boxes": [[2, 0, 1, 1]], "labels": ["a"]})), r"a box is \[2, 0, 1, 1\]"),
        (Items(OSError("gone\nfor good")), r"mine, image 0: the data set cannot give it \(gone\)"),
    ],
)
def test_wrong_data_sets(items: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_torch_dataset(items, name="mine")


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (CHANNELS.float() / 255 - 0.5, r"image 0: its values run from -0\.5 to .*; give the pictures without normal"),
        (CHANNELS.float() * float("nan"), "its values run from nan to nan"),
        (CHANNELS.long(), "its values are int64"),
        (torch.zeros(4, 2, 2), r"it is an array of the shape \(4, 2, 2\)"),
        (np.zeros((0, 2, 3), np.uint8), r"it is an array of the shape \(0, 2, 3\)"),
        (None, "it is an array of the shape"),
    ],
)
def test_wrong_pictures_are_listed_and_fail_when_they_are_loaded(picture: Any, message: str) -> None:
    images = from_torch_dataset(Items((picture, "a"), (PIXELS, "b")))
    with pytest.raises(InputError, match=message):
        images.load(0)
    (bad,) = check_images(images).unreadable
    assert bad.image == "0"


def test_hugging_face_data_sets() -> None:
    datasets = pytest.importorskip("datasets")
    features = {"picture": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    held = {"picture": [Image.fromarray(PIXELS)], "label": [1]}
    made = datasets.Dataset.from_dict(held, features=datasets.Features(features))
    images = from_hf_dataset(made, image="picture")
    assert np.array_equal(images.load(0), PIXELS)
    assert images.objects["label"].to_pylist() == ["dog"]
    with pytest.raises(InputError, match="the data set has no column 'image'; name one of picture, label"):
        from_hf_dataset(made)
