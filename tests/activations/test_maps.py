"""Spatial maps: the values that extraction reduces, whatever form the layer gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conceptx.activations.extract import extract
from conceptx.activations.maps import as_maps, capture_maps
from conceptx.errors import InputError
from tests.activations.networks import PREPROCESS, SIDE, noise_images, residual, tokens


def test_the_maps_are_what_extraction_reduces(tmp_path: Path) -> None:
    model, images = residual(), noise_images(37, bad=(3, 20))
    blocks = list(capture_maps(model, "relu@1", images, PREPROCESS))
    stored = extract(model, "relu@1", images, out=tmp_path, preprocess=PREPROCESS, max_bad=0.5)
    positions = [p for block in blocks for p in block.positions]
    assert [images.ids[p] for p in positions] == list(stored.images) and len(positions) == 35
    maps = np.concatenate([block.maps for block in blocks])
    assert maps.shape == (35, 7, SIDE, SIDE) and maps.dtype == np.float32
    np.testing.assert_array_equal(maps.max((2, 3)).T, stored.values)
    assert {p for block in blocks for p in block.unreadable} == {3, 20}


def test_chosen_units() -> None:
    model, images = residual(), noise_images(5)
    (every,) = capture_maps(model, "conv2", images, PREPROCESS)
    (some,) = capture_maps(model, "conv2", images, PREPROCESS, units=[5, 0])
    np.testing.assert_array_equal(some.maps, every.maps[:, [5, 0]])
    with pytest.raises(InputError, match="it has 7 units, not one of number 7; choose from 0 to 6"):
        list(capture_maps(model, "conv2", images, PREPROCESS, units=[7]))


def test_images_that_cannot_be_read_at_all() -> None:
    blocks = list(capture_maps(residual(), "conv1", noise_images(18, bad=range(16)), PREPROCESS))
    assert [block.positions for block in blocks] == [(), (16, 17)]


def test_tokens_on_a_grid_become_maps() -> None:
    (block,) = capture_maps(tokens().eval(), "encoder", noise_images(2), PREPROCESS)
    assert block.maps.shape == (2, 6, 3, 3)
    values = torch.arange(2 * 5 * 3.0).reshape(2, 5, 3)
    assert torch.equal(as_maps("t", values)[1, :, 1, 0], values[1, 3])
    last = torch.arange(2 * 4 * 4 * 3.0).reshape(2, 4, 4, 3)
    assert torch.equal(as_maps("swin", last)[1, 2], last[1, :, :, 2])


def test_a_layer_without_places_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        list(capture_maps(residual(), "fc", noise_images(2), PREPROCESS))
    assert str(caught.value) == "layer 'fc': its output of 5 per image has no places; choose a layer of maps"
    with pytest.raises(InputError, match="6 × 3 per image has no places"):
        as_maps("t", torch.zeros(2, 6, 3))


def test_the_model_is_left_as_it_was() -> None:
    model = residual().train()
    for _ in capture_maps(model, "conv1", noise_images(20), PREPROCESS):
        break
    list(capture_maps(model, "conv1", noise_images(2), PREPROCESS))
    assert model.training and not any(isinstance(m, nn.Module) and m._forward_hooks for m in model.modules())
