"""A classifier from pretrained features: a frozen backbone, a hidden layer of ReLU units, a softmax over categories.

`train_head` trains one on the categories of an image set and writes it to a folder; `load_head` makes it a model again,
whose layer ``hidden`` is to be explained. The backbone runs over the images once; what is trained are two dense layers.

The folder has ``head.pt`` (a plain state dict), ``head.json`` (what the head was made of, and how well it does),
``curves.svg``, and ``features/`` (the backbone's values, which may be removed).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from conceptx.activations.curves import training_curves
from conceptx.activations.functions import PREFIX
from conceptx.activations.identity import LoadedModel
from conceptx.activations.models import load_model
from conceptx.activations.naming import model_file, with_location
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.reproducible import reproducible, saved
from conceptx.activations.sources.head import FORMAT, Head, HeadModel, read_head
from conceptx.errors import InputError
from conceptx.files import digest_file, write_bytes, write_json, write_text
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.images.dataset import ImageSet

HIDDEN = "hidden"
"""The layer of a head that is to be explained: dense units after their ReLU."""

_FEWEST = 3
"""Images of a category: one to fit, one to stop by, one to measure with."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How a head is trained; `validation` and `test` are shares of every category, `patience` counts epochs."""

    units: int = 64
    epochs: int = 200
    patience: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        for name in ("units", "epochs", "patience", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError("settings", f"{name} is {getattr(self, name)}", "choose a number from 1")
        shares = self.validation, self.test
        if min(shares) <= 0 or sum(shares) >= 1:
            raise InputError("settings", f"validation and test are {shares}", "choose shares whose sum is below 1")


@dataclass(frozen=True, slots=True)
class HeadResult:
    """Where a head is, the classes in the order of its scores, and the shares of images that it recognises.

    `accuracy` has ``fit``, ``validation`` (which chose the epoch) and ``test`` (which chose nothing); `images` has the
    numbers of images of these parts. `confusion` counts test images by true class (rows) and recognised class.
    """

    folder: Path
    classes: tuple[str, ...]
    accuracy: Mapping[str, float]
    images: Mapping[str, int]
    confusion: tuple[tuple[int, ...], ...]
    best_epoch: int
    curves: Mapping[str, tuple[float, ...]]
    dead_units: int
    skipped: tuple[tuple[str, str], ...]


def train_head(
    backbone: LoadedModel,
    layer: str,
    images: ImageSet,
    *,
    out: Path,
    weights: str | Path = "default",
    reduction: str | None = None,
    seed: int = 0,
    settings: HeadSettings | None = None,
    max_bad: float = 0.01,
    progress: Progress = silent,
) -> HeadResult:
    """Train a head on the categories of `images` and write it to the folder `out`.

    `weights` are those that `backbone` was loaded with; its name and they are recorded, so that `load_head` finds it
    again. The epoch with the smallest loss on the validation part is kept, and the training stops when `patience`
    epochs have not bettered it. The same seed and images give the same bits.
    """
    from conceptx.activations.extract import extract

    if layer.startswith(PREFIX):
        raise InputError(f"layer {layer!r}", "a head cannot stand on an operation", "name the output of a module")
    settings, out = settings or HeadSettings(), Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(str(out), "this is a file, not a folder", "name a folder for the head")
    category = dict(zip(images.ids, images.images.column("category").to_pylist(), strict=True))
    _check_categories(category)
    found = extract(
        backbone.model,
        layer,
        images,
        out=out / "features",
        preprocess=backbone.preprocess,
        reduction=reduction,
        max_bad=max_bad,
        progress=progress,
    )
    classes = tuple(sorted({category[image] for image in found.images}))
    number = {name: i for i, name in enumerate(classes)}
    targets = torch.tensor([number[category[image]] for image in found.images])
    features = torch.from_numpy(np.array(found.values.T, dtype=np.float32))
    generator = torch.Generator().manual_seed(seed)
    parts = _divide(targets, classes, settings, generator)
    with reproducible():
        head, curves, best = _fit(features, targets, parts, len(classes), settings, generator, progress)
        measured = {name: _accuracy(head, features[part], targets[part]) for name, part in parts.items()}
        test = parts["test"]
        confusion = torch.zeros((len(classes), len(classes)), dtype=torch.int64)
        confusion.index_put_((targets[test], _recognised(head, features[test])), torch.tensor(1), accumulate=True)
        with torch.inference_mode():
            dead = int((head.hidden(features) <= 0).all(dim=0).sum())
    state = {name: v for name, v in head.state_dict().items() if not name.startswith(f"{HIDDEN}.")}
    write_bytes(out / "head.pt", saved(state))
    result = HeadResult(
        folder=out,
        classes=classes,
        accuracy=measured,
        images={name: len(part) for name, part in parts.items()},
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        best_epoch=best,
        curves={name: tuple(values) for name, values in curves.items()},
        dead_units=dead,
        skipped=tuple(found.skipped),
    )
    facts = {name: value for name, value in asdict(result).items() if name != "folder"}
    write_json(
        out / "head.json",
        {
            **facts,
            "format": FORMAT,
            "model": _portable(backbone.name, out),
            "weights": _relative(weights, out),
            "backbone": backbone.digest,
            "layer": layer,
            "reduction": found.meta["reduction"],
            "features": features.shape[1],
            "preprocess": None if backbone.preprocess is None else backbone.preprocess.facts(),
            "image_set": images.digest,
            "settings": asdict(settings),
            "seed": seed,
            "sha256": digest_file(out / "head.pt"),
        },
    )
    title = f"{len(classes)} categories, test accuracy {100 * measured['test']:.1f} % of {len(test)} images"
    losses = {"fit": curves["loss"], "validation": curves["validation_loss"]}
    write_text(out / "curves.svg", training_curves(title, losses, {"validation": curves["validation_accuracy"]}, best))
    return result


def load_head(folder: Path, backbone: LoadedModel | None = None) -> tuple[HeadModel, Preprocess | None]:
    """Return the model of a folder that `train_head` wrote, and how images become its input.

    The backbone is loaded as the folder says, unless it is given. One that is code of the user's has to be given: a
    folder may not name code to run. A backbone that is not the one of the training is refused.
    """
    return read_head(Path(folder), backbone, load_model)


# ------------------------------------------------------------------------------------------------ the training


def _fit(
    features: Tensor,
    targets: Tensor,
    parts: Mapping[str, Tensor],
    classes: int,
    settings: HeadSettings,
    generator: torch.Generator,
    progress: Progress,
) -> tuple[Head, dict[str, list[float]], int]:
    """Return the head of the best epoch, taking features as they come, with the curves and that epoch."""
    fitted, held = parts["fit"], parts["validation"]
    mean, spread = features[fitted].mean(dim=0), features[fitted].std(dim=0, correction=0)
    scale = torch.where(spread > 0, 1 / spread.clamp_min(torch.finfo(spread.dtype).tiny), 0.0)
    inputs = (features - mean) * scale
    head = Head(features.shape[1], settings.units, classes)
    for module in (head.dense, head.scores):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(module.bias)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, foreach=True
    )
    curves: dict[str, list[float]] = {"loss": [], "validation_loss": [], "validation_accuracy": []}
    kept, best = copy.deepcopy(head.state_dict()), 0
    for epoch in progress(range(settings.epochs), total=settings.epochs, label="training"):
        order = fitted[torch.randperm(len(fitted), generator=generator)]
        total = 0.0
        for batch in torch.tensor_split(order, -(-len(order) // settings.batch_size)):
            loss = functional.cross_entropy(head(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(batch)
        with torch.inference_mode():
            held_loss = float(functional.cross_entropy(head(inputs[held]), targets[held]))
        curves["loss"].append(total / len(fitted))
        curves["validation_loss"].append(held_loss)
        curves["validation_accuracy"].append(_accuracy(head, inputs[held], targets[held]))
        if epoch == 0 or held_loss < curves["validation_loss"][best]:
            kept, best = copy.deepcopy(head.state_dict()), epoch
        elif epoch - best >= settings.patience:
            break
    head.load_state_dict(kept)
    with torch.no_grad():  # W ((x - mean) scale) + b = (W scale) x + (b - (W scale) mean)
        head.dense.weight.mul_(scale)
        head.dense.bias.sub_(head.dense.weight @ mean)
    return head.eval(), curves, best


def _recognised(head: Head, features: Tensor) -> Tensor:
    with torch.inference_mode():
        return head.forward(features).argmax(dim=1)


def _accuracy(head: Head, features: Tensor, targets: Tensor) -> float:
    return float((_recognised(head, features) == targets).double().mean())


def _divide(
    targets: Tensor, classes: Sequence[str], settings: HeadSettings, generator: torch.Generator
) -> dict[str, Tensor]:
    """Divide the images into ``fit``, ``validation`` and ``test``: the same shares of every class."""
    parts: dict[str, list[Tensor]] = {"fit": [], "validation": [], "test": []}
    for number, name in enumerate(classes):
        members = torch.nonzero(targets == number).flatten()
        if len(members) < _FEWEST:
            what = f"the category {name!r} has {len(members)} readable images"
            raise InputError("images", what, f"give at least {_FEWEST} of every category")
        members = members[torch.randperm(len(members), generator=generator)]
        validation = max(round(settings.validation * len(members)), 1)
        test = max(round(settings.test * len(members)), 1)
        if validation + test >= len(members):
            validation = test = 1
        parts["validation"].append(members[:validation])
        parts["test"].append(members[validation : validation + test])
        parts["fit"].append(members[validation + test :])
    return {name: torch.cat(members) for name, members in parts.items()}


def _check_categories(category: Mapping[str, str | None]) -> None:
    """Refuse images without a category, and images of one category, before anything long starts."""
    image = next((image for image, name in category.items() if name is None), None)
    if image is not None:
        raise InputError(f"image {image!r}", "it has no category to learn", "add its category, or leave the image out")
    if len(set(category.values())) < 2:
        raise InputError(
            "images", "they have no two categories to tell apart", "give images of at least two categories"
        )


# ------------------------------------------------------------------------------------------------ the folder


def _relative(weights: str | Path, folder: Path) -> str:
    """Return where a weights file is, seen from the head's folder; ``default`` and ``none`` stay."""
    return str(weights) if str(weights) in ("default", "none") else Path(os.path.relpath(weights, folder)).as_posix()


def _portable(name: str, folder: Path) -> str:
    """Return a model's name with its path, if it has one, seen from the head's folder."""
    location = model_file(name)
    return name if location is None else with_location(name, Path(os.path.relpath(location, folder)).as_posix())
