"""Torchvision's architectures, with the weights ``default`` (from its cache), ``none`` or a file.

`from_torchvision` makes a model with the preprocessing that its weights record; `import_torchvision` is the one way in
which the package is imported.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.weights import load_weights, other_classes, read_pickled, read_weights
from conceptx.errors import InputError
from conceptx.files import digest_file

_LOG = logging.getLogger(__name__)
_operators: torch.library.Library | None = None


def torchvision_names() -> list[str]:
    """Return the names of torchvision's models for classification, and of those for segmentation."""
    models = import_torchvision().models
    return [*models.list_models(module=models), *models.list_models(module=models.segmentation)]


def from_torchvision(name: str, weights: str) -> tuple[nn.Module, Preprocess]:
    """Return the model `name` (one of `torchvision_names`) and how images become its input."""
    models = import_torchvision().models
    recorded = models.get_model_weights(name).DEFAULT
    preprocess = Preprocess.from_weights(recorded)
    if weights == "default":
        _check_in_cache(name, recorded)
        return models.get_model(name, weights=recorded, progress=False), preprocess
    options = _options(name)
    model = models.get_model(name, weights=None, **options)
    if weights != "none":
        path = Path(weights)
        classes = other_classes(model, read_weights(path))
        if classes is not None:
            model = models.get_model(name, weights=None, num_classes=classes, **options)
        load_weights(model, path)
    return model, preprocess


def _options(name: str) -> dict[str, Any]:
    """Return what makes an architecture the one of its published weights, without any download."""
    if name in ("googlenet", "inception_v3"):
        return {"init_weights": True}
    segmentation = name in import_torchvision().models.list_models(module=import_torchvision().models.segmentation)
    without = {"weights_backbone": None} if segmentation else {}
    return {**without, "aux_loss": True} if segmentation and not name.startswith("lraspp") else without


def import_torchvision() -> ModuleType:
    """Import torchvision, also one that was built for another PyTorch than the one that is installed.

    Such a build cannot load its compiled operators and fails at import, because two of them have no schema. With the
    schemas declared all that needs no compiled operator works: models, the metadata of weights, transforms.
    """
    global _operators
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _operators is not None:
            raise
    except ImportError as error:
        raise InputError("torchvision", f"it cannot be imported ({error})", "install torchvision") from error
    for loaded in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    _operators = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        _operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _LOG.debug("torchvision's compiled operators cannot be loaded: detection is unavailable")
    return importlib.import_module("torchvision")


def _check_in_cache(name: str, recorded: Any) -> None:
    """Refuse default weights that would have to be downloaded, or that are not what their name promises."""
    file = Path(urlparse(recorded.url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if not path.is_file():
        raise InputError(
            f"model {name!r}",
            "its default weights are not on this machine, and nothing is downloaded without being asked",
            f"fetch {recorded.url} to {path}, or give --weights FILE or --weights none",
        )
    promised = re.search(r"-([0-9a-f]{8,})\.", file)
    if promised and not digest_file(path).startswith(promised[1]):
        raise InputError(str(path), "the file is damaged (its digest is not that in its name)", "fetch it again")
    read_pickled(path)
