"""Timm's architectures, with the weights ``default`` (from a cache on this machine), ``none`` or a file.

`from_timm` makes a model with the preprocessing that timm records for it. Nothing is fetched: default weights are taken
from the cache of Hugging Face or of PyTorch, where an earlier use of timm has left them.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.weights import load_weights, other_classes, read_weights
from conceptx.errors import InputError, did_you_mean

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def timm_names() -> list[str] | None:
    """Return the names of timm's architectures, or None where timm is not installed."""
    try:
        return list(importlib.import_module("timm").list_models())
    except ImportError:
        return None


def from_timm(name: str, weights: str) -> tuple[nn.Module, Preprocess]:
    """Return the model `name`, which may end in the tag of its weights, and how images become its input."""
    timm = _timm()
    architecture = name.partition(".")[0]
    known = timm_names() or []
    if architecture not in known:
        mend = did_you_mean(architecture, known) or "see timm.list_models()"
        raise InputError(f"model 'timm:{name}'", "timm has no architecture of this name", mend)
    try:
        model = timm.create_model(name, pretrained=False)
    except (RuntimeError, ValueError) as error:  # an unknown tag
        raise InputError(
            f"model 'timm:{name}'", f"timm cannot make it ({error})", "see timm.list_pretrained()"
        ) from error
    config = dict(model.pretrained_cfg)
    if weights == "default":
        state = read_weights(_cached(name, config))
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": state})
    elif weights != "none":
        path = Path(weights)
        classes = other_classes(model, read_weights(path), int(config.get("num_classes") or 1000))
        if classes is not None:
            model = timm.create_model(name, pretrained=False, num_classes=classes)
        load_weights(model, path)
    return model, _preprocess(name, timm.data.resolve_model_data_config(model))


def _timm() -> ModuleType:
    from conceptx.activations.sources.torchvision_zoo import import_torchvision

    import_torchvision()  # timm imports it too, and cannot where its compiled operators do not load
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise InputError("--model", "timm is not installed", "pip install 'conceptx[models]'") from None


def _cached(name: str, config: dict[str, Any]) -> Path:
    """Return the file of the default weights on this machine."""
    repository, address = config.get("hf_hub_id"), config.get("url")
    if isinstance(repository, str):
        for file in (config.get("hf_hub_filename"), *_HUB_FILES):
            found = (
                importlib.import_module("huggingface_hub").try_to_load_from_cache(repository, file) if file else None
            )
            if isinstance(found, str):
                return Path(found)
    if isinstance(address, str):
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name
        if path.is_file():
            return path
    if not repository and not address:
        raise InputError(f"model 'timm:{name}'", "it has no default weights", "give --weights FILE or --weights none")
    raise InputError(
        f"model 'timm:{name}'",
        "its default weights are not on this machine, and nothing is downloaded without being asked",
        f"fetch them with timm.create_model({name!r}, pretrained=True), or give --weights FILE or --weights none",
    )


def _preprocess(name: str, config: dict[str, Any]) -> Preprocess:
    """Return the preprocessing of timm's data configuration for evaluation."""
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        what = f"its input is {channels} × {height} × {width}, not a square picture of three colours"
        raise InputError(f"model 'timm:{name}'", what, "wrap it in a factory that takes such pictures")
    squeezed = config.get("crop_mode") == "squash"
    return Preprocess(
        size=height if squeezed else math.floor(height / config["crop_pct"]),
        crop=None if squeezed else height,
        mean=tuple(map(float, config["mean"])),  # type: ignore[arg-type]
        std=tuple(map(float, config["std"])),  # type: ignore[arg-type]
        interpolation=config["interpolation"],
    )
