"""Where in an image a unit fires: a layer's spatial maps, block by block, for comparison with masks of objects.

`capture_maps` yields them. Nothing is stored: maps of a whole image set seldom fit on a disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from conceptx.activations.decode import Images, batches
from conceptx.activations.forward import BATCH
from conceptx.activations.layers import capturing
from conceptx.activations.units import reductions
from conceptx.errors import InputError
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.activations.preprocess import Preprocess


@dataclass(frozen=True, slots=True, eq=False)
class MapBlock:
    """Maps (images, units, height, width) of the images at `positions`; unreadable images, by position, have none."""

    positions: tuple[int, ...]
    maps: npt.NDArray[np.float32]
    unreadable: dict[int, str]


def capture_maps(
    model: nn.Module,
    layer: str,
    images: Images,
    preprocess: Preprocess,
    *,
    units: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Iterator[MapBlock]:
    """Yield the maps of a layer for all images in their order, in blocks; `units` chooses some of them.

    Maps that have their channels last are turned, and tokens on a square grid become maps (a class token before them is
    left out). The values are those that `extract` reduces to one number, to the last bit.
    """
    chosen = None if units is None else torch.tensor(list(units), dtype=torch.int64)

    def keep(_: str, output: Tensor) -> Tensor:
        maps = as_maps(layer, output)
        if chosen is not None:
            if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < maps.shape[1]:
                what = f"it has {maps.shape[1]} units, not one of number {int(chosen.max())}"
                raise InputError(f"layer {layer!r}", what, f"choose from 0 to {maps.shape[1] - 1}")
            maps = maps[:, chosen.to(maps.device)]
        return maps.float().cpu().clone(memory_format=torch.contiguous_format)

    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    with capturing(model, [layer], keep) as run:

        def use(inputs: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32] | None:
            if inputs is None:
                return None
            batch = torch.from_numpy(inputs)
            found: npt.NDArray[np.float32] = run(batch if weight is None else batch.to(weight.device, weight.dtype))[
                layer
            ].numpy()
            return found

        found = batches(images, preprocess, 0, len(images.ids), size=BATCH, use=lambda batch: use(batch.inputs))
        total = -(-len(images.ids) // BATCH)
        for batch, maps in progress(found, total=total, label=f"maps of {layer}"):
            places = [
                p for p in range(min(BATCH, len(images.ids) - batch.first)) if batch.first + p not in batch.unreadable
            ]
            if maps is None:
                maps = np.zeros((0, 0, 0, 0), dtype=np.float32)
            yield MapBlock(tuple(batch.first + place for place in places), maps[places], batch.unreadable)


def as_maps(layer: str, output: Tensor) -> Tensor:
    """Return a layer's output for a batch as maps (images, units, height, width)."""
    if output.ndim == 4:
        return output.permute(0, 3, 1, 2) if reductions(output.shape[1:])[0].endswith(":last") else output
    if output.ndim == 3:
        for extra in (0, 1):
            side = math.isqrt(output.shape[1] - extra)
            if side and side * side == output.shape[1] - extra:
                return output[:, extra:].transpose(1, 2).reshape(len(output), -1, side, side)
    shape = " × ".join(map(str, output.shape[1:]))
    raise InputError(f"layer {layer!r}", f"its output of {shape} per image has no places", "choose a layer of maps")
