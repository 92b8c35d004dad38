"""Gradients of a unit agree with finite differences, and leave the model as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from conceptx.activations.gradients import output_gradients
from conceptx.errors import InputError


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.act = nn.ReLU(inplace=True)
        self.hidden = nn.Linear(4, 5)
        self.head = nn.Linear(5, 3)
        self.unused = nn.Linear(2, 2)
        self.shift: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if self.shift is not None and self.shift.ndim == 1 and len(self.shift) == 4:
            x = x + self.shift[None, :, None, None]
        x = self.hidden(self.act(x).mean(dim=(2, 3)))
        if self.shift is not None and len(self.shift) == 5:
            x = x + self.shift
        return self.head(torch.tanh(x))


@pytest.mark.parametrize(("layer", "units", "reduction"), [("conv", 4, "max"), ("hidden", 5, "value")])
def test_gradients_are_those_of_finite_differences(layer: str, units: int, reduction: str) -> None:
    model = Small().double()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    batch = torch.rand(6, 3, 8, 8, dtype=torch.float64)
    model.train()
    found, chosen = output_gradients(model, layer, batch, reduction)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        base = model(batch)
        assert chosen.tolist() == base.argmax(dim=1).tolist()
        for unit in range(units):
            model.shift = torch.zeros(units, dtype=torch.float64)
            model.shift[unit] = 1e-6
            moved = (model(batch) - base).gather(1, torch.tensor(chosen)[:, None])[:, 0] / 1e-6
            assert found[:, unit] == pytest.approx(moved.numpy(), abs=1e-4)
            model.shift = None


def test_a_layer_off_the_way_and_a_model_without_classes_are_refused() -> None:
    model = Small()
    with pytest.raises(InputError, match="does not call"):
        output_gradients(model, "unused", torch.rand(2, 3, 8, 8), "value")
    with pytest.raises(InputError, match="one number per class"):
        output_gradients(nn.Sequential(nn.Conv2d(3, 4, 3)), "0", torch.rand(2, 3, 8, 8), "max")
    assert np.isfinite(output_gradients(model, "act", torch.rand(2, 3, 8, 8), "max")[0]).all()
