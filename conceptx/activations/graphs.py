"""Models that are a list of named values instead of a tree of modules: ONNX graphs and exported programs.

A `GraphModel` is a torch module like any other to its callers; `layers` asks it for values by name where it hooks
modules of the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Self

import torch
from torch import Tensor, nn


class GraphModel(nn.Module, ABC):
    """A model whose layers are the values of a graph.

    `sha256` says by content which graph it is, and is part of how the model prints, and so of its digest. `fixed_batch`
    is the only number of images that the graph takes, or None where it takes any.
    """

    def __init__(self, sha256: str, fixed_batch: int | None) -> None:
        super().__init__()
        self.sha256, self.fixed_batch = sha256, fixed_batch

    @abstractmethod
    def names(self) -> Mapping[str, str]:
        """Return the names of all values in the order of calculation, and the operator that each comes from."""

    @abstractmethod
    def calculate(self, batch: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """Return the values `wanted` (names of `names`) of a batch that has a size which the graph takes.

        Each is a copy of its own. Values that are no tensors are left out.
        """

    def values(self, batch: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """Return the values `wanted` of a batch of any size; a graph of fixed size runs as often as it takes."""
        size = self.fixed_batch
        if size is None or len(batch) == size:
            return self.calculate(batch, wanted)
        parts = []
        for part in torch.split(batch, size):
            lacking = size - len(part)
            whole = part if not lacking else torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])])
            found = self.calculate(whole, wanted)
            parts.append({name: value[: len(part)] for name, value in found.items() if value.shape[:1] == (size,)})
        return {name: torch.cat([found[name] for found in parts]) for name in parts[0]}

    @abstractmethod
    def output(self) -> str:
        """Return the name of the graph's (first) output."""

    def forward(self, batch: Tensor) -> Tensor:
        """Return the graph's (first) output for a batch of images."""
        return self.values(batch, [self.output()])[self.output()]

    def extra_repr(self) -> str:
        """Return what tells this graph from others."""
        return f"sha256={self.sha256}"

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the graph itself: nothing in it ever changes."""
        return self
