"""How a layer's units move a model's outputs: the gradient of each image's own output, for concept sensitivities.

`output_gradients` is what callers need. A unit's gradient is that of the output when the unit rises by the same amount
everywhere: for maps and tokens the sum over places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from conceptx.activations.layer_names import check_calls, resolve, tensor_of
from conceptx.errors import InputError


def output_gradients(
    model: nn.Module, layer: str, batch: Tensor, reduction: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return d output_k / d unit (images, units) for each image's highest output k, and k (images,).

    The model must put out one number per class. It is in evaluation mode; its modes, gradients and hooks are restored.
    """
    with _watched(model, layer) as captured, torch.enable_grad():
        # Gradients flow from the input on, so that frozen weights do not matter.
        outputs = model(batch.clone().requires_grad_(True))
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or outputs.shape[0] != batch.shape[0]:
            raise InputError("model", "it does not put out one number per class", "use a classifier for sensitivities")
        if not captured:
            raise InputError(f"layer {layer!r}", "the forward pass does not call this module", "choose another layer")
        chosen = outputs.argmax(dim=1)
        total = outputs.gather(1, chosen[:, None]).sum()
        (found,) = torch.autograd.grad(total, captured, allow_unused=True)
    if found is None:
        raise InputError(f"layer {layer!r}", "the outputs do not depend on it", "choose a layer on the way to them")
    return _per_unit(found, reduction).detach().double().numpy(), chosen.numpy()


def _per_unit(gradient: Tensor, reduction: str) -> Tensor:
    """Sum a gradient (N, …) over the places of each unit: (N, U)."""
    if gradient.ndim == 2:
        return gradient
    channels_last = reduction.endswith(":last") or gradient.ndim == 3
    places = tuple(range(1, gradient.ndim - 1)) if channels_last else tuple(range(2, gradient.ndim))
    return gradient.sum(dim=places)


@contextmanager
def _watched(model: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Give a list into which the pass puts the layer's output, as a node that later operations cannot overwrite."""
    modules = dict(model.named_modules(remove_duplicate=False))
    place = resolve(layer, modules)
    captured: list[Tensor] = []
    calls = 0

    def hook(_: nn.Module, __: object, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if place.call not in (None, calls):
            return output
        tensor = tensor_of(place, output)
        captured.append(tensor)
        # An in-place operation after the layer then changes the copy, and the gradient of the original stands.
        return tensor.clone() if isinstance(output, Tensor) else output

    modes = [(module, module.training) for module in model.modules()]
    handle = modules[place.path].register_forward_hook(hook)
    try:
        model.eval()
        yield captured
        check_calls(place, calls, False)
    finally:
        handle.remove()
        for module, mode in modes:
            module.training = mode
