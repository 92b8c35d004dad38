"""Torchvision's architectures, with the weights ``default`` (from its cache), ``none`` or a file.

`from_torchvision` makes a model with the preprocessing that its weights record; `import_torchvision` is the one way in
which the package is imported.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.detectors import Detector, detector_preprocess, per_image
from conceptx.activations.sources.weights import load_weights, other_classes, read_pickled, read_weights
from conceptx.errors import InputError
from conceptx.files import digest_file

_LOG = logging.getLogger(__name__)
_operators: torch.library.Library | None = None


def torchvision_names() -> list[str]:
    """Return the names of torchvision's models for classification, of those for segmentation, and of detectors."""
    models = import_torchvision().models
    return [
        name for kind in (models, models.segmentation, models.detection) for name in models.list_models(module=kind)
    ]


def why_not(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a torchvision model whose input is no picture, and what mends it; None for others."""
    models = import_torchvision().models
    for module, takes in ((models.video, "a video"), (models.optical_flow, "two pictures")):
        if name in models.list_models(module=module):
            what = f"it takes {takes}, and only networks of single pictures can be explained"
            return what, "choose one for classification, segmentation or detection, or wrap it in a factory"
    if name in models.list_models(module=models.quantization):
        what = "its quantised form calculates in whole numbers, and units are recorded in floating point"
        return what, f"write {name.removeprefix('quantized_')}, or give a factory"
    return None


def from_torchvision(name: str, weights: str) -> tuple[nn.Module, Preprocess]:
    """Return the model `name` (one of `torchvision_names`) and how images become its input."""
    models = import_torchvision().models
    recorded = models.get_model_weights(name).DEFAULT
    if weights == "default":
        _check_in_cache(name, recorded)
        return _with_preprocess(models.get_model(name, weights=recorded, progress=False), recorded)
    options = _options(name)
    model = models.get_model(name, weights=None, **options)
    if weights != "none":
        path = Path(weights)
        state = read_weights(path)
        classes = other_classes(model, state, len(recorded.meta["categories"]))
        if classes is not None:
            model = models.get_model(name, weights=None, num_classes=classes, **options)
        _check_frozen(path, state, model)
        load_weights(model, path)
    return _with_preprocess(model, recorded)


def _with_preprocess(model: nn.Module, recorded: Any) -> tuple[nn.Module, Preprocess]:
    """Return a model with what its weights record of its input; a detector scales pictures by itself."""
    detector = per_image(model)
    return detector, Preprocess.from_weights(recorded) if detector is model else detector_preprocess(model)


def _check_frozen(path: Path, state: Mapping[str, Tensor], model: nn.Module) -> None:
    """Refuse weights with frozen normalisations for an architecture that is made with others.

    Detectors are trained with frozen ones, whose epsilon depends on what the training began with.
    """
    counts = [name for name in model.state_dict() if name.endswith(".num_batches_tracked")]
    if isinstance(per_image(model), Detector) and counts and not any(name in state for name in counts):
        what = "the weights are of a detector with frozen normalisations, and do not tell their epsilon"
        raise InputError(
            str(path), what, "make it as it was trained, in a factory of yours: --model package.module:factory"
        )


def _options(name: str) -> dict[str, Any]:
    """Return what makes an architecture the one of its published weights, without any download."""
    if name in ("googlenet", "inception_v3"):
        return {"init_weights": True}
    models = import_torchvision().models
    segmentation = name in models.list_models(module=models.segmentation)
    detection = name in models.list_models(module=models.detection)
    without = {"weights_backbone": None} if segmentation or detection else {}
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
    _LOG.debug("torchvision's compiled operators cannot be loaded: the choice of a detector's boxes is unavailable")
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
