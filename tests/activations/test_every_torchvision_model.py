"""Torchvision's models one by one: every layer that is listed, against plain hooks, to the last bit.

Detectors, which need large pictures, are in `test_detectors`.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from conceptx.activations.layers import capturing, list_layers
from conceptx.activations.models import load_model
from conceptx.activations.sources.torchvision_zoo import import_torchvision, torchvision_names
from conceptx.activations.units import checked_reduction, n_units, reduce

_FEW = ("squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small", "lraspp_mobilenet_v3_large")
_SIDES = {"inception_v3": 75, "vit_h_14": 224, "googlenet": 64, "alexnet": 64, "maxvit_t": 224}
"""Smaller pictures than the weights' where the architecture allows them."""


def _plain(model: nn.Module, batch: Tensor) -> dict[str, list[object]]:
    """Return what plain hooks see: by module path, the output of every call (a copy, for what works in place)."""
    outputs: dict[str, list[object]] = {}

    def copied(output: object) -> object:
        if isinstance(output, Tensor):
            return output.clone()
        if isinstance(output, dict):
            return {str(key): copied(value) for key, value in output.items()}
        if isinstance(output, (tuple, list)):
            return {str(key): copied(value) for key, value in enumerate(output)}
        return output

    def hook_for(path: str) -> Callable[[nn.Module, object, object], None]:
        return lambda _, __, output: outputs.setdefault(path, []).append(copied(output))

    handles = [module.register_forward_hook(hook_for(path)) for path, module in model.named_modules()]
    with torch.no_grad():
        model.eval()(batch)
    for handle in handles:
        handle.remove()
    return outputs


def _side(name: str) -> int:
    if name.startswith("vit") or name == "maxvit_t":
        return 224
    return _SIDES.get(name, 64)


def _compare(name: str) -> int:
    model = load_model(name, "none").model
    side = _side(name)
    batch = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0))
    listed = list_layers(model, batch)
    model.train()
    with capturing(model, [info.name for info in listed]) as run:
        got = run(batch)
        alone = run(batch)
    assert model.training and not any(module._forward_hooks for module in model.modules())
    wanted = _plain(model, batch)
    for info in listed:
        match = re.fullmatch(r"(.+?)(?:@(\d+))?(?:\[(.+)\])?", info.name)
        assert match is not None
        output = wanted[match[1]][int(match[2] or 1) - 1]
        if isinstance(output, dict):
            output = output[match[3] or "0"]
        assert torch.equal(got[info.name], output), info.name
        assert torch.equal(alone[info.name], output), info.name
        assert tuple(output.shape[1:]) == info.shape
        how = checked_reduction(info.name, info.shape, None)
        assert how == info.reduction
        assert reduce(output, how).shape == (2, info.units) == (2, n_units(info.shape, how))
    called = {path for path, outputs in wanted.items() if path and outputs}
    assert {re.sub(r"(@\d+)?(\[.+\])?$", "", info.name) for info in listed} <= called
    return len(listed)


@pytest.mark.parametrize("name", _FEW)
def test_a_few(name: str) -> None:
    assert _compare(name) > 40


@pytest.mark.slow
def test_all() -> None:
    models = import_torchvision().models
    names = [name for name in torchvision_names() if name not in models.list_models(module=models.detection)]
    assert len(names) >= 86
    failed = {}
    for name in names:
        try:
            n = _compare(name)
            print(f"{name}: {n} layers", flush=True)
        except Exception as error:  # one line for each architecture says more than the first failure
            failed[name] = f"{type(error).__name__}: {str(error)[:300]}"
        gc.collect()
    assert not failed, failed
