"""Reductions against loops, and the ranking of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conceptx.activations.units import checked_reduction, default_reduction, n_units, reduce, reductions, top_images
from conceptx.errors import InputError


@pytest.mark.parametrize(
    ("shape", "reduction", "formula"),
    [
        ((5,), "value", lambda image, u: image[u]),
        ((3, 4, 2), "max", lambda image, u: image[u].max()),
        ((3, 4, 2), "mean", lambda image, u: image[u].astype(np.float64).mean()),
        ((3, 4, 2), "max:last", lambda image, u: image[..., u].max()),
        ((3, 4, 2), "mean:last", lambda image, u: image[..., u].astype(np.float64).mean()),
        ((6, 3), "max", lambda image, u: image[:, u].max()),
        ((6, 3), "mean", lambda image, u: image[:, u].astype(np.float64).mean()),
        ((6, 3), "token:cls", lambda image, u: image[0, u]),
    ],
)
def test_a_reduction_is_its_formula(shape, reduction, formula) -> None:
    output = torch.randn((2, *shape), generator=torch.Generator().manual_seed(1))
    before = output.clone()
    got = reduce(output, reduction)
    assert got.shape == (2, n_units(shape, reduction))
    want = [[formula(image, u) for u in range(got.shape[1])] for image in output.numpy()]
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    got += 1
    assert torch.equal(output, before), "the reduction must be a copy"


def test_the_default_is_the_first_that_fits() -> None:
    assert default_reduction((64,)) == "value"
    assert default_reduction((8, 7, 7)) == "max"
    assert default_reduction((17, 64)) == "max"
    assert default_reduction(()) is None
    assert all(checked_reduction("a", (2,) * n, r) == r for n in (1, 2, 3) for r in reductions((2,) * n))


def test_a_reduction_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError) as caught:
        checked_reduction("fc", (64,), "max")
    assert str(caught.value) == (
        "layer 'fc': the reduction 'max' does not fit an output of 64 per image; choose 'value'"
    )
    with pytest.raises(InputError, match="neither units, nor tokens, nor maps"):
        checked_reduction("video", (1, 2, 3, 4), None)


def test_top_images_of_a_unit_that_is_negative_everywhere() -> None:
    assert top_images(np.array([-3.0, -1.0, -2.0, -1.0], dtype=np.float32), 3).tolist() == [1, 3, 2]


@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0]), max_size=12), st.integers(0, 15))
def test_top_images_are_the_greatest_with_ties_in_image_order(values: list[float], k: int) -> None:
    want = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert top_images(values, k).tolist() == want


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 1.0])
def test_the_mean_over_the_greatest_places(share: float) -> None:
    maps = torch.randn((2, 3, 4, 5), generator=torch.Generator().manual_seed(1))
    taken = int(np.ceil(share * 20))
    want = np.sort(maps.numpy().reshape(2, 3, 20), axis=2)[:, :, ::-1][:, :, :taken].astype(np.float64).mean(2)
    np.testing.assert_allclose(reduce(maps, f"top:{share}").numpy(), want, rtol=1e-5, atol=1e-7)
    last = maps.permute(0, 2, 3, 1)
    np.testing.assert_allclose(reduce(last, f"top:{share}:last").numpy(), want, rtol=1e-5, atol=1e-7)
    tokens = maps.flatten(2).transpose(1, 2)
    np.testing.assert_allclose(reduce(tokens, f"top:{share}").numpy(), want, rtol=1e-5, atol=1e-7)
    assert checked_reduction("a", (3, 4, 5), f"top:{share}") == f"top:{share}"
    assert n_units((4, 5, 3), f"top:{share}:last") == 3


@pytest.mark.parametrize(
    ("shape", "reduction"),
    [((3, 4, 5), "top:0"), ((3, 4, 5), "top:1.5"), ((3,), "top:0.1"), ((4, 3), "top:0.1:last"), ((3, 4, 5), "top:x")],
)
def test_a_share_that_does_not_fit_is_refused(shape: tuple[int, ...], reduction: str) -> None:
    with pytest.raises(InputError, match="does not fit an output of"):
        checked_reduction("a", shape, reduction)


def test_square_maps_that_have_their_channels_last_are_recognised() -> None:
    assert default_reduction((7, 7, 96)) == "max:last"
    assert default_reduction((96, 7, 7)) == "max"
    assert default_reduction((7, 7, 7)) == "max"
    assert set(reductions((7, 7, 96))) == set(reductions((96, 7, 7)))
