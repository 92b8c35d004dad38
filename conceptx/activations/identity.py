"""Which model it is: a model with what is known of it, and a digest of its content."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from conceptx.activations.preprocess import Preprocess
from conceptx.errors import InputError
from conceptx.files import digest_file, digest_json

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_RECORDED = ("torch", "torchvision", "timm", "conceptx", "efficientnet_lite_pytorch")
"""Packages whose code is told by their version and by how a model prints; their forward passes keep nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model, how images become its input (None where nobody says), what it is called, and its content digest."""

    model: nn.Module
    preprocess: Preprocess | None
    name: str
    digest: str


def model_digest(model: nn.Module) -> str:
    """Return the SHA-256 over the architecture as it prints, its code, and all parameters and buffers by name.

    The print is part of it because a ReLU and a tanh have the same weights: none. The code is part of it because what a
    forward pass does between its modules shows nowhere else; it is that of the files which define the model's classes,
    but for the packages `_RECORDED`.
    """
    digest = hashlib.sha256(_ADDRESS.sub("", repr(model)).encode())
    for code in sorted({_code(kind) for kind in {type(module) for module in model.modules()}} - {""}):
        digest.update(f"\n{code}\n".encode())
    for module in model.modules():
        if isinstance(module, fx.GraphModule):
            digest.update(f"\n{module.code}\n".encode())
    tensors = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
    for name, tensor in sorted(tensors.items()):
        _check_real(name, tensor)
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data if values.numel() else b"")
    return digest.hexdigest()


def is_of_known_code(model: nn.Module) -> bool:
    """Tell whether all modules are of packages whose forward passes keep nothing, so that one may be ended halfway.

    A module with a forward pass put onto it, and a compiled one, are not of these.
    """
    return all(
        type(module).__module__.partition(".")[0] in _RECORDED and "forward" not in vars(module)
        for module in model.modules()
    )


def _check_real(name: str, tensor: Tensor) -> None:
    """Refuse a weight without values: of a lazy module before its first batch, or on the device `meta`."""
    if is_lazy(tensor) or tensor.is_meta:
        what = f"the weights {name!r} have no {'shape' if is_lazy(tensor) else 'values'} yet"
        raise InputError("model", what, "send a batch through a lazy model, or load the weights, before it is given")


def _code(kind: type) -> str:
    """Return the digest of the file (in a notebook: of the text) that defines a class; empty for recorded packages."""
    if kind.__module__.partition(".")[0] in _RECORDED:
        return ""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if isinstance(file, str) and Path(file).is_file():
        return digest_file(Path(file))
    try:
        return digest_json(inspect.getsource(kind))
    except (OSError, TypeError):
        return ""
