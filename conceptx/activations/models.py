"""Models by name, by file and by factory.

`load_model` turns what a user names (see `naming`) into a model with its preprocessing; `model_digest` says by content
which model it is. The ways in which a model is made are in `conceptx.activations.sources`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from conceptx.activations.identity import LoadedModel, model_digest
from conceptx.activations.naming import FILE_KINDS, LITE, WORLD, ModelName, parse_model
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.detectors import per_image
from conceptx.activations.sources.factory import from_factory
from conceptx.activations.sources.torchvision_zoo import (
    from_torchvision,
    import_torchvision,
    torchvision_names,
    why_not,
)
from conceptx.activations.sources.weights import load_weights, read_weights
from conceptx.errors import InputError, did_you_mean

__all__ = [
    "LoadedModel",
    "example_input",
    "import_torchvision",
    "load_model",
    "load_weights",
    "model_digest",
    "read_weights",
]

_SIDE = 224


def load_model(name: str, weights: str | Path = "default", *, seed: int = 0) -> LoadedModel:
    """Load the model that `name` and `weights` say; `seed` draws the random weights of ``none``."""
    weights = str(weights)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model, preprocess = _made(name, parse_model(name), weights)
    model.eval()
    return LoadedModel(model, preprocess, name, model_digest(model))


def example_input(model: nn.Module, preprocess: Preprocess | None) -> Tensor:
    """Return a black picture as a batch, where the model's weights are; its size is guessed where nobody says it."""
    side = preprocess.side if preprocess is not None else getattr(model, "side", None) or _SIDE
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    example = torch.zeros((1, 3, side, side))
    return example if weight is None else example.to(weight.device, weight.dtype)


def _made(name: str, parsed: ModelName, weights: str) -> tuple[nn.Module, Preprocess | None]:
    kind, location = parsed.kind, parsed.location
    if kind in FILE_KINDS:
        if weights not in ("default", "none"):
            raise InputError(f"model {name!r}", "it brings its own weights", "leave --weights out")
        return _from_file(kind, Path(location))
    if kind == "factory":
        model, preprocess = from_factory(location)
        if weights not in ("default", "none"):
            load_weights(model, Path(weights))
        return per_image(model), preprocess
    if kind == "world":
        return _world_cnn(weights)
    if kind == "lite":
        from conceptx.activations.sources.lite import efficientnet_lite

        return efficientnet_lite(weights)
    return _from_zoo(kind, location, weights)


def _from_file(kind: str, path: Path) -> tuple[nn.Module, Preprocess | None]:
    if kind == "onnx":
        from conceptx.activations.sources.onnx_graph import from_onnx

        return from_onnx(path), None
    if kind == "exported":
        from conceptx.activations.sources.exported import from_exported

        return from_exported(path), None
    if kind == "torchscript":
        from conceptx.activations.sources.scripted import from_scripted

        return from_scripted(path), None
    from conceptx.activations.sources.head import read_head

    return read_head(path, None, load_model)


def _from_zoo(kind: str, name: str, weights: str) -> tuple[nn.Module, Preprocess]:
    """Return an architecture by name: torchvision's, else timm's, or of the one that the name asks for."""
    from conceptx.activations.sources.timm_zoo import from_timm, timm_names

    if kind == "timm":
        return from_timm(name, weights)
    known = torchvision_names()
    if name in known:
        return from_torchvision(name, weights)
    if (refusal := why_not(name)) is not None:
        raise InputError(f"model {name!r}", *refusal)
    others = [] if kind == "torchvision" else timm_names() or []
    if name.partition(".")[0] in others:
        return from_timm(name, weights)
    mend = did_you_mean(name, [*known, WORLD, LITE, *others]) or (
        "give the name of a torchvision or timm model, efficientnet-lite0, world-cnn, a file or package.module:factory"
    )
    raise InputError(f"model {name!r}", "there is no architecture of this name", mend)


def _world_cnn(weights: str) -> tuple[nn.Module, Preprocess]:
    from conceptx.activations.training import PREPROCESS, WorldNet

    if weights == "default":
        raise InputError(
            f"model {WORLD!r}",
            "it has no default weights",
            "give a weights file (conceptx demo trains one), or 'none'",
        )
    if weights == "none":
        return WorldNet(), PREPROCESS
    state = read_weights(Path(weights))
    head = state.get("head.weight")
    model = WorldNet(classes=int(head.shape[0]) if head is not None and head.ndim and len(head) else 10)
    load_weights(model, Path(weights))
    return model, PREPROCESS
