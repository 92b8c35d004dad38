"""The untrained copy: other weights, same network, nothing else touched."""

from __future__ import annotations

import threading

import torch
from torch import nn

from conceptx.activations.untrained import untrained_copy


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def test_the_copy_has_fresh_weights_and_the_original_keeps_its_own() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    twin = untrained_copy(model, seed=1)
    assert twin is not None
    assert not twin.training
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not torch.equal(twin.state_dict()["0.weight"], before["0.weight"])
    assert not torch.equal(twin.state_dict()["4.weight"], before["4.weight"])


def test_a_seed_gives_the_same_weights_and_leaves_the_global_state() -> None:
    model = network()
    state = torch.get_rng_state()
    first, second, other = (untrained_copy(model, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert first is not None
    assert second is not None
    assert other is not None
    assert torch.equal(first.state_dict()["0.weight"], second.state_dict()["0.weight"])
    assert not torch.equal(first.state_dict()["0.weight"], other.state_dict()["0.weight"])


def test_a_network_without_weights_has_no_untrained_copy() -> None:
    assert untrained_copy(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), seed=0) is None


def test_a_model_that_cannot_be_copied_has_no_untrained_copy() -> None:
    model = nn.Linear(2, 2)
    model.lock = threading.Lock()
    assert untrained_copy(model, 0) is None
