"""Preprocessing against torchvision's own, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptx.activations.models import import_torchvision
from conceptx.activations.preprocess import Preprocess
from conceptx.errors import InputError


def _image(height: int, width: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(height * width)).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "vit_b_16", "swin_v2_t", "inception_v3"])
@pytest.mark.parametrize("shape", [(300, 400), (517, 301), (40, 30), (224, 224), (1, 700)])
def test_it_is_what_torchvision_records_with_the_weights(name: str, shape: tuple[int, int]) -> None:
    from PIL import Image

    weights = import_torchvision().models.get_model_weights(name).DEFAULT
    image = _image(*shape)
    want = weights.transforms()(Image.fromarray(image)).numpy()
    np.testing.assert_array_equal(Preprocess.from_weights(weights)(image), want)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.one_of(st.none(), st.integers(1, 30)))
def test_the_shape_is_always_the_side(height: int, width: int, size: int, crop: int | None) -> None:
    preprocess = Preprocess(size=size, crop=crop)
    assert preprocess(_image(height, width)).shape == (3, preprocess.side, preprocess.side)


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    image = _image(9, 9)
    np.testing.assert_array_equal(Preprocess(size=9).pixels(image), image)
    scaled = Preprocess(size=9, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)(image)
    np.testing.assert_allclose(scaled, (image.transpose(2, 0, 1) - 127.0) / 128, atol=1e-6)


def test_without_a_crop_the_whole_image_is_squeezed() -> None:
    image = np.zeros((10, 40, 3), dtype=np.uint8)
    image[:, 20:] = 255
    squeezed = Preprocess(size=8, interpolation="box").pixels(image)
    assert not squeezed[:, :4].any() and (squeezed[:, 4:] == 255).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size is 0; choose a number from 1 to 4096"),
        ({"size": 9, "crop": 10**6}, "crop is 1000000"),
        ({"size": 9, "interpolation": "bilinaer"}, "did you mean 'bilinear'"),
        ({"size": 9, "std": (1.0, 0.0, 1.0)}, "std is (1.0, 0.0, 1.0); give three positive numbers"),
    ],
)
def test_impossible_settings_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Preprocess(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(size=256, crop=224, interpolation="bicubic", mean=(127 / 255,) * 3, std=(0.1, 0.2, 1 / 3)),
        Preprocess(size=9),
    ],
)
def test_its_text_and_its_facts_make_it_again(preprocess: Preprocess) -> None:
    assert Preprocess.from_text(preprocess.text()) == preprocess
    facts = {name: value for name, value in preprocess.facts().items() if value is not None}
    assert Preprocess.from_table(facts) == preprocess


def test_one_number_stands_for_three_colours() -> None:
    assert Preprocess.from_table({"size": 8, "mean": 0.5, "std": [0.25]}).std == (0.25, 0.25, 0.25)
    assert Preprocess.from_text("size=8 mean=0.5").mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "run.toml: the preprocessing has no size"),
        ({"size": 8, "cropp": 3}, "run.toml: the preprocessing has no 'cropp'; did you mean 'crop'"),
        ({"size": "8"}, "size is '8'; give a number of pixels"),
        ({"size": True}, "size is True"),
        ({"size": 8, "mean": [0.5, 0.5]}, "mean is [0.5, 0.5]; give three numbers"),
        ({"size": 8, "std": [0.5, "a", 1]}, "give three numbers"),
        ({"size": 8, "mean": float("nan")}, "give three numbers"),
        ({"size": 8, "interpolation": 3}, "interpolation is 3"),
    ],
)
def test_tables_that_say_nothing_clear(table: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Preprocess.from_table(table, "run.toml")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["size", "size=x", "size=8 mean=a,b", "size=8 crop="])
def test_lines_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError, match=r"--preprocess: .* cannot be read; write it like size=256 crop=224"):
        Preprocess.from_text(text)
