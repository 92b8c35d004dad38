"""The compiled preparation against `Preprocess`, which is Pillow: the same bits for every size, method and content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.activations.preprocess import Preprocess
from conceptx.activations.resample import Preparer

_SIDES = st.integers(1, 90)


def _image(seed: int, height: int, width: int, kind: str) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(seed))
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "hard":
        return (image > 128).astype(np.uint8) * np.uint8(255)
    return np.full_like(image, seed % 256) if kind == "flat" else image


def _prepared(preparer: Preparer, image: np.ndarray, side: int) -> np.ndarray:
    out = np.full((3, side, side), np.nan, dtype=np.float32)
    preparer(image, out)
    return out


@settings(max_examples=60, deadline=None)
@given(
    height=_SIDES,
    width=_SIDES,
    size=st.integers(8, 40),
    crop=st.one_of(st.none(), st.integers(4, 48)),
    method=st.sampled_from(["bilinear", "bicubic", "lanczos", "nearest"]),
    kinds=st.lists(st.sampled_from(["noise", "hard", "flat"]), min_size=3, max_size=5),
)
def test_the_bits_are_those_of_preprocess(
    height: int, width: int, size: int, crop: int | None, method: str, kinds: list[str]
) -> None:
    preprocess = Preprocess(size=size, crop=crop, interpolation=method)
    preparer = Preparer(preprocess)
    for seed, kind in enumerate(kinds):
        image = _image(seed, height, width, kind)
        np.testing.assert_array_equal(_prepared(preparer, image, preprocess.side), preprocess(image))


def test_the_usual_size_goes_the_fast_way_and_a_kind_of_its_own_does_not() -> None:
    image = _image(0, 375, 500, "noise")
    preparer = Preparer(Preprocess(size=256, crop=224))
    _prepared(preparer, image, 224)
    assert preparer._ways == {(375, 500): "once"}, "a size that occurs once is not worth learning"
    _prepared(preparer, image, 224)
    assert preparer._ways[375, 500] in ("across", "down")

    class Own(Preprocess):
        def __call__(self, image: np.ndarray) -> np.ndarray:
            return super().__call__(image) + 1

    own = Own(size=20, crop=16)
    np.testing.assert_array_equal(_prepared(Preparer(own), image, 16), own(image))


def test_a_version_of_pillow_that_resamples_otherwise_does_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    preprocess = Preprocess(size=20, crop=16)
    monkeypatch.setattr(Preprocess, "pixels", lambda self, image: np.full((16, 16, 3), 7, dtype=np.uint8))
    preparer, image = Preparer(preprocess), _image(0, 30, 40, "noise")
    for _ in range(2):
        np.testing.assert_array_equal(_prepared(preparer, image, 16), preprocess(image))
    assert preparer._ways == {(30, 40): "pillow"}


def test_views_and_turned_images() -> None:
    preprocess = Preprocess(size=20, crop=16)
    preparer = Preparer(preprocess)
    for image in (_image(1, 60, 80, "noise")[::2, ::-1], np.rot90(_image(2, 40, 30, "noise"))) * 2:
        np.testing.assert_array_equal(_prepared(preparer, image, 16), preprocess(image))
