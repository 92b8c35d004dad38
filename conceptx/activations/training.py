"""The small network of the built-in world, and its training: the same bits for the same seed, also after a kill.

`train` fits a `WorldNet` to the categories of an image set and leaves ``weights.pt`` (a plain state dict) and
``training.json`` (accuracy and curves) in a folder. The layer to explain is ``fc``: 64 units after their ReLU.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from conceptx.activations.preprocess import Preprocess
from conceptx.activations.reproducible import reproducible, saved
from conceptx.errors import InputError
from conceptx.files import digest_json, write_bytes, write_json
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.images.dataset import ImageSet

SIDE = 96
PREPROCESS = Preprocess(size=SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
"""What `WorldNet` expects of images."""


class WorldNet(nn.Module):
    """A convolutional network for images of 96 × 96 pixels with a hidden dense layer `fc` of 64 ReLU units.

    Maps are pooled by their maximum and by their mean, because a small object fires few places of a map. What is
    pooled is never negative; without the normalisation half of the hidden units would be dead from the start.
    """

    def __init__(self, classes: int = 10, units: int = 64) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(3, 24, stride=2),
            _block(24, 48, stride=2),
            _block(48, 96, stride=2),
            _block(96, 128, stride=2),
            _block(128, 128, stride=1),
        )
        self.norm = nn.BatchNorm1d(2 * 128)
        self.fc = nn.Sequential(nn.Linear(2 * 128, units), nn.ReLU())
        self.head = nn.Linear(units, classes)

    def hidden(self, images: Tensor) -> Tensor:
        """Return the hidden units' values (N, units) of images (N, 3, H, W)."""
        maps = self.features(images)
        pooled = torch.cat([maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3))], dim=1)
        values: Tensor = self.fc(self.norm(pooled))
        return values

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, classes) of images (N, 3, H, W)."""
        scores: Tensor = self.head(self.hidden(images))
        return scores


def _block(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the network is trained; `sparsity` weighs the mean activity of the hidden units, so that they specialise."""

    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    sparsity: float = 0.3
    dropout: float = 0.2
    shift: int = 6
    brightness: float = 0.2
    tint: float = 0.05
    held_out: float = 0.15


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Where the weights are, the classes in the order of the scores, and how well held-out images were recognised."""

    weights: Path
    classes: tuple[str, ...]
    accuracy: float
    best_epoch: int
    curves: Mapping[str, tuple[float, ...]]


def train(
    model: WorldNet,
    images: ImageSet,
    *,
    out: Path,
    seed: int = 0,
    settings: TrainingSettings | None = None,
    progress: Progress = silent,
) -> TrainingResult:
    """Train `model` on the categories of `images` and load the best epoch's weights into it.

    A part of every category (`settings.held_out`) is kept for measuring. `out` gets a checkpoint after each epoch; a
    training that was killed goes on after its last one and ends in the same weights, bit for bit.
    """
    settings = settings or TrainingSettings()
    out = Path(out)
    classes, targets = _targets(images, model)
    key = digest_json(
        {"settings": asdict(settings), "seed": seed, "model": repr(model), "images": images.digest, "classes": classes}
    )
    finished = _finished(out, key)
    if finished is None:
        with reproducible():
            finished = _train(model, images, targets, classes, out, seed, settings, key, progress)
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model.load_state_dict(torch.load(finished.weights, weights_only=True))
    model.eval()
    return finished


def _train(
    model: WorldNet,
    images: ImageSet,
    targets: Tensor,
    classes: Sequence[str],
    out: Path,
    seed: int,
    settings: TrainingSettings,
    key: str,
    progress: Progress,
) -> TrainingResult:
    generator = torch.Generator().manual_seed(seed)
    fitted, held = _divide(targets, settings.held_out, generator)
    pixels = torch.from_numpy(decode(images, PREPROCESS, progress))
    _initialise(model, generator)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, foreach=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        settings.learning_rate,
        total_steps=max(settings.epochs * _steps(fitted, settings), 2),
        pct_start=0.25,
    )
    state = _State(model, optimizer, schedule, generator, out / "checkpoint.pt", key)
    first = state.restore()
    for epoch in progress(range(first, settings.epochs), total=settings.epochs - first, label="training"):
        loss = _epoch(state, pixels, targets, fitted, settings)
        state.record(epoch, loss=loss, accuracy=_accuracy(model, pixels, targets, held))
        state.save()
    result = TrainingResult(
        weights=out / "weights.pt",
        classes=tuple(classes),
        accuracy=max(state.curves["accuracy"]),
        best_epoch=state.best_epoch,
        curves={name: tuple(values) for name, values in state.curves.items()},
    )
    write_bytes(result.weights, saved(state.best))
    write_json(out / "training.json", {**asdict(result), "weights": "weights.pt", "key": key})
    state.path.unlink(missing_ok=True)
    return result


def decode(images: ImageSet, preprocess: Preprocess, progress: Progress = silent) -> npt.NDArray[np.uint8]:
    """Read all images into one array (n, side, side, 3)."""
    pixels = np.empty((len(images), preprocess.side, preprocess.side, 3), dtype=np.uint8)

    def read(position: int) -> None:
        pixels[position] = preprocess.pixels(images.load(position))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in progress(pool.map(read, range(len(images))), total=len(images), label="reading images"):
            pass
    return pixels


class _State:
    """All that a training needs to go on: weights, optimiser, schedule, random numbers, curves, the best epoch."""

    def __init__(
        self,
        model: WorldNet,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        generator: torch.Generator,
        path: Path,
        key: str,
    ) -> None:
        self.model, self.optimizer, self.schedule, self.generator = model, optimizer, schedule, generator
        self.path, self.key = path, key
        self.curves: dict[str, list[float]] = {"loss": [], "accuracy": []}
        self.best: dict[str, Tensor] = {}
        self.best_epoch = -1

    def record(self, epoch: int, *, loss: float, accuracy: float) -> None:
        """Add an epoch to the curves, and keep its weights when it is the best so far (the later of equals)."""
        if accuracy >= max(self.curves["accuracy"], default=0.0):
            state = self.model.state_dict()
            self.best = {name: v.detach().clone(memory_format=torch.contiguous_format) for name, v in state.items()}
            self.best_epoch = epoch
        self.curves["loss"].append(loss)
        self.curves["accuracy"].append(accuracy)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        write_bytes(
            self.path,
            saved(
                {
                    "key": self.key,
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                    "generator": self.generator.get_state(),
                    "curves": self.curves,
                    "best": self.best,
                    "best_epoch": self.best_epoch,
                }
            ),
        )

    def restore(self) -> int:
        """Take up the checkpoint of the same training, if there is one; return the epoch to go on with."""
        if not self.path.is_file():
            return 0
        try:
            found = torch.load(self.path, weights_only=True)
        except Exception:  # whatever a damaged file makes of the reader: this training starts from its beginning
            return 0
        if found["key"] != self.key:
            return 0
        self.model.load_state_dict(found["model"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.schedule.load_state_dict(found["schedule"])
        self.generator.set_state(found["generator"])
        self.curves, self.best, self.best_epoch = found["curves"], found["best"], found["best_epoch"]
        return len(self.curves["loss"])


def _epoch(state: _State, pixels: Tensor, targets: Tensor, fitted: Tensor, settings: TrainingSettings) -> float:
    """Fit one epoch; return its mean loss."""
    model, generator = state.model, state.generator
    model.train()
    order = fitted[torch.randperm(len(fitted), generator=generator)]
    total = 0.0
    for batch in torch.tensor_split(order, _steps(fitted, settings)):
        moved = augment(pixels[batch], settings.shift, generator)
        hidden = model.hidden(_lit(_inputs(moved), settings, generator))
        kept = torch.rand(hidden.shape, generator=generator) >= settings.dropout
        scores = model.head(hidden * kept / (1 - settings.dropout))
        loss = functional.cross_entropy(scores, targets[batch], label_smoothing=settings.label_smoothing)
        (loss + settings.sparsity * hidden.mean()).backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        state.optimizer.zero_grad()
        state.schedule.step()
        total += float(loss.detach()) * len(batch)
    return total / len(fitted)


def _steps(fitted: Tensor, settings: TrainingSettings) -> int:
    """Return the number of batches of an epoch; they are of equal size but for one image, so that none is tiny."""
    return -(-len(fitted) // settings.batch_size)


def _accuracy(model: WorldNet, pixels: Tensor, targets: Tensor, held: Tensor) -> float:
    """Return the share of the images `held` whose highest score is their class."""
    model.eval()
    with torch.inference_mode():
        found = torch.cat([model(_inputs(pixels[part])).argmax(dim=1) for part in torch.split(held, 256)])
    return float((found == targets[held]).double().mean())


def augment(pixels: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Shift each image of (N, H, W, 3) by up to `shift` pixels, repeating the border, and mirror half of them."""
    n, height, width = pixels.shape[:3]
    offsets = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(height) + offsets[0]).clamp(0, height - 1)
    columns = (torch.arange(width) + offsets[1]).clamp(0, width - 1)
    mirrored = torch.rand((n, 1), generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    return pixels[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _inputs(pixels: Tensor) -> Tensor:
    """Return pixels (N, H, W, 3) as the network's input (N, 3, H, W), channels last in memory."""
    scaled = (pixels.float() / 255 - torch.tensor(PREPROCESS.mean)) / torch.tensor(PREPROCESS.std)
    return scaled.permute(0, 3, 1, 2)


def _lit(inputs: Tensor, settings: TrainingSettings, generator: torch.Generator) -> Tensor:
    """Make every image brighter or darker as a whole, and a little in each colour."""
    gains = 1 + settings.brightness * (2 * torch.rand((len(inputs), 1, 1, 1), generator=generator) - 1)
    tints = settings.tint * (2 * torch.rand((len(inputs), 3, 1, 1), generator=generator) - 1)
    return inputs * gains + tints


def _targets(images: ImageSet, model: WorldNet) -> tuple[tuple[str, ...], Tensor]:
    """Return the classes, sorted by name, and each image's class as a number."""
    categories = images.images.column("category").to_pylist()
    if None in categories:
        image = images.ids[categories.index(None)]
        raise InputError(f"image {image!r}", "it has no category to learn", "add its category, or leave the image out")
    classes = tuple(sorted(set(categories)))
    if len(classes) < 2:
        raise InputError(
            "images", "they have no two categories to tell apart", "give images of at least two categories"
        )
    if len(classes) != model.head.out_features:
        what = f"they have {len(classes)} categories and the network has {model.head.out_features} classes"
        raise InputError("images", what, f"make it with WorldNet(classes={len(classes)})")
    number = {category: n for n, category in enumerate(classes)}
    return classes, torch.tensor([number[category] for category in categories])


def _divide(targets: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Divide the images into those to fit and those held out: the same share of every class, at least one image."""
    fitted, held = [], []
    for number in range(int(targets.max()) + 1):
        members = torch.nonzero(targets == number).flatten()
        if len(members) < 2:
            raise InputError("images", "a category has a single image", "give at least two images of every category")
        members = members[torch.randperm(len(members), generator=generator)]
        n_held = min(max(round(share * len(members)), 1), len(members) - 1)
        held.append(members[:n_held])
        fitted.append(members[n_held:])
    return torch.cat(fitted), torch.cat(held)


def _initialise(model: WorldNet, generator: torch.Generator) -> None:
    """Draw all weights anew from `generator`, so that nothing depends on where the model came from."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.reset_parameters()


def _finished(out: Path, key: str) -> TrainingResult | None:
    """Return the result of the same training when it has already ended in `out`."""
    try:
        facts = json.loads((out / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or facts.get("key") != key or not (out / "weights.pt").is_file():
        return None
    curves = {name: tuple(values) for name, values in facts["curves"].items()}
    return TrainingResult(out / "weights.pt", tuple(facts["classes"]), facts["accuracy"], facts["best_epoch"], curves)
