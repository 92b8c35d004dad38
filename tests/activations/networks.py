"""Small networks with every difficulty a hook can meet, and image sets that need no files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from conceptx.activations.preprocess import Preprocess
from conceptx.errors import InputError

SIDE = 12
PREPROCESS = Preprocess(size=SIDE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@dataclass
class MemoryImages:
    """An image set in memory; `bad` are the positions that cannot be read."""

    pixels: np.ndarray
    bad: Sequence[int] = ()
    category: Sequence[str] = ()
    loaded: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def ids(self) -> list[str]:
        return [f"{i:04}.png" for i in range(len(self.pixels))]

    @property
    def images(self) -> pa.Table:
        hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in self.pixels]
        category = list(self.category) or [None] * len(self.pixels)
        return pa.table({"image": self.ids, "sha256": hashes, "category": pa.array(category, pa.string())})

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.pixels.tobytes() + "|".join(self.category).encode()).hexdigest()

    def load(self, i: int) -> np.ndarray:
        self.loaded.append(i)
        if i in self.bad:
            raise InputError(self.ids[i], "the file is not an image", "replace it")
        return self.pixels[i]


def noise_images(n: int, seed: int = 0, bad: Sequence[int] = (), side: int = SIDE) -> MemoryImages:
    pixels = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return MemoryImages(pixels, bad)


def inputs_of(images: MemoryImages, preprocess: Preprocess = PREPROCESS) -> Tensor:
    return torch.from_numpy(np.stack([preprocess(image) for image in images.pixels]))


class Residual(nn.Module):
    """One in-place ReLU, called twice, after additions that reuse its own output; then batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 7, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(7)
        self.conv2 = nn.Conv2d(7, 7, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.skipped = nn.Linear(5, 5)
        self.fc = nn.Linear(7, 5)
        self.out = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        first = self.relu(self.bn1(self.conv1(x)))
        second = self.conv2(first)
        second += first
        maps = self.relu(second)
        return self.out(self.fc(self.drop(maps.mean((2, 3)))))


class Tokens(nn.Module):
    """Puts out tokens as a tuple and as a dictionary."""

    class _Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x * 2

    class _Named(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"ids": torch.zeros(len(x), dtype=torch.int64), "hidden": x + 1}

    class _TimeFirst(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.transpose(0, 1).contiguous()

    class _Scalar(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum()

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
        self.pair, self.named = self._Pair(), self._Named()
        self.time_first, self.scalar = self._TimeFirst(), self._Scalar()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.encoder(self.patches(x).flatten(2).transpose(1, 2))
        second = self.pair(tokens)[1]
        self.scalar(self.time_first(second))
        hidden: Tensor = self.named(second)["hidden"]
        return hidden.mean(1)


def residual(seed: int = 0) -> Residual:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Residual()
        nn.init.normal_(model.bn1.running_mean)
        nn.init.uniform_(model.bn1.running_var, 0.5, 2)
    return model


def tokens(seed: int = 0) -> Tokens:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Tokens()


class Branching(nn.Module):
    """Calls `extra` only where the first image of a batch is bright, and `gate` never."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.extra = nn.ReLU()
        self.gate = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.extra(maps) if float(x[0].mean()) > 0 else maps


class Functional(nn.Module):
    """Adds, activates (in place) and pools with functions, inside a part that is called twice."""

    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.relu((self.conv(x) + x).mul_(2), inplace=True)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.part = self.Part()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.part(self.part(self.stem(x)))
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Restless(nn.Module):
    """Draws random numbers in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(nn.functional.dropout(x.flatten(1), 0.5))


def seeded(make: type[nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()
