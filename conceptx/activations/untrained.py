"""The untrained copy of a network: the same layers with fresh random weights, as a control.

`untrained_copy` is what callers need.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


def untrained_copy(model: nn.Module, seed: int) -> nn.Module | None:
    """Return a copy of `model` whose modules drew their weights anew; None where no module can, or nothing copies it.

    Every module with a `reset_parameters` of its own (all of torch's layers) is initialised by it, in the order of the
    modules, from `seed`; the global random state stays as it was. Parameters outside such modules keep their values.
    """
    if not any(True for module in _resettable(model) for _ in module.parameters(recurse=False)):
        return None
    try:
        twin = copy.deepcopy(model)
    except Exception:  # a model may refuse to be copied in any way it likes; it then has no such control
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in _resettable(twin):
            module.reset_parameters()  # type: ignore[operator]
    return twin.eval()


def _resettable(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if callable(getattr(module, "reset_parameters", None))]
