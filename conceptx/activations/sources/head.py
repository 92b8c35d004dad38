"""A head that `conceptx train-head` wrote, on its backbone: the network, and how it is read from its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from conceptx.activations.identity import LoadedModel
from conceptx.activations.layers import capturing
from conceptx.activations.naming import model_file, parse_model, with_location
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.weights import load_weights
from conceptx.activations.units import reduce
from conceptx.errors import InputError

FORMAT = 1


class Head(nn.Module):
    """What is trained: `hidden` dense ReLU units over features, and `scores` of categories over these."""

    def __init__(self, features: int, units: int, classes: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # the layers draw weights, which nobody uses
            self.dense = nn.Linear(features, units)
            self.scores = nn.Linear(units, classes)
        self.hidden = nn.Sequential(self.dense, nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        """Return the scores (N, classes) of features (N, features)."""
        scores: Tensor = self.scores(self.hidden(features))
        return scores


class HeadModel(nn.Module):
    """A backbone, one of its layers reduced to features, and the `hidden` units and `scores` of a head."""

    def __init__(self, backbone: nn.Module, layer: str, reduction: str, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.layer, self.reduction = layer, reduction
        self.hidden, self.scores = head.hidden, head.scores

    def features(self, images: Tensor) -> Tensor:
        """Return the backbone's values (N, features) of images (N, 3, H, W); no gradient goes through them."""
        with capturing(self.backbone, [self.layer], lambda _, output: reduce(output, self.reduction).float()) as run:
            return run(images)[self.layer].clone()

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, classes) of images (N, 3, H, W)."""
        scores: Tensor = self.scores(self.hidden(self.features(images)))
        return scores

    def extra_repr(self) -> str:
        """Return what tells this head from others with the same parts."""
        return f"layer={self.layer!r}, reduction={self.reduction!r}"


def read_head(
    folder: Path, backbone: LoadedModel | None, load: Callable[[str, str | Path], LoadedModel]
) -> tuple[HeadModel, Preprocess | None]:
    """Return the model of a folder that `train_head` wrote, and how images become its input.

    `load` loads the backbone by the name and the weights that the folder says, unless it is given. One that is code of
    the user's has to be given: a folder may not name code to run. A backbone that is not the one of the training is
    refused.
    """
    path = folder / "head.json"
    facts = _facts(path)
    if backbone is None:
        name = _found(str(facts["model"]), folder)
        if parse_model(name).kind in ("factory", "head"):
            mend = "write a factory that returns load_head(FOLDER, backbone), and give --model package.module:factory"
            raise InputError(str(path), f"its backbone is {name!r}, which a folder may not name", mend)
        weights = str(facts["weights"])
        backbone = load(name, weights if weights in ("default", "none") else folder / weights)
    if backbone.digest != facts["backbone"]:
        what = f"the backbone {backbone.name!r} is not the one that the head was trained on"
        raise InputError(str(path), what, "train the head again, or bring the same weights and versions")
    head = Head(facts["features"], facts["settings"]["units"], len(facts["classes"]))
    load_weights(nn.ModuleDict({"dense": head.dense, "scores": head.scores}), folder / "head.pt")
    model = HeadModel(backbone.model, str(facts["layer"]), str(facts["reduction"]), head)
    preprocess = facts["preprocess"]
    return model.eval(), None if preprocess is None else Preprocess.from_table(
        {name: value for name, value in preprocess.items() if value is not None}, str(path)
    )


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), "there is no such file", "give the folder that conceptx train-head wrote") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"it cannot be read ({error})", "train the head again") from error
    needed = {"model": str, "weights": str, "backbone": str, "layer": str, "reduction": str, "features": int}
    whole = isinstance(facts, dict) and facts.get("format") == FORMAT
    whole = whole and all(isinstance(facts.get(name), kind) for name, kind in needed.items())
    whole = whole and isinstance(facts.get("classes"), list) and isinstance(facts.get("preprocess"), (dict, type(None)))
    units = facts["settings"].get("units") if whole and isinstance(facts.get("settings"), dict) else None
    sizes = (facts["features"], units, len(facts["classes"])) if whole else (0,)
    if not all(isinstance(n, int) and 0 < n < 10**6 for n in sizes) or math.prod(sizes) > 10**12:
        raise InputError(str(path), "it is not what conceptx train-head writes", "train the head again")
    return dict(facts)


def _found(name: str, folder: Path) -> str:
    """Return a model's name with its path, if it has one, as it is from here."""
    location = model_file(name)
    return name if location is None else with_location(name, str(folder / location))
