"""The plan of an extraction: all that decides about its values, checked and with a digest, before any is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from conceptx.activations.decode import Images
from conceptx.activations.forward import Recorded, checked_device, checked_precision
from conceptx.activations.identity import model_digest
from conceptx.activations.layers import capturing
from conceptx.activations.space import matrix_bytes
from conceptx.activations.units import checked_reduction, n_units
from conceptx.errors import InputError
from conceptx.files import digest_bytes, digest_json

if TYPE_CHECKING:
    from conceptx.activations.preprocess import Preprocess


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be recorded, of what, and how: all that decides about the values.

    `recorded` and `meta` are by layer; `ids` are the names of the images.
    """

    model: nn.Module
    images: Images
    ids: tuple[str, ...]
    preprocess: Preprocess
    recorded: Mapping[str, Recorded]
    meta: Mapping[str, Mapping[str, Any]]
    device: str | None = None
    autocast: str | None = None
    workers: int | None = None

    def units(self, layer: str) -> int:
        """Return the number of units of a layer."""
        recorded = self.recorded[layer]
        return n_units(recorded.shape, recorded.reduction)

    @property
    def bytes(self) -> int:
        """The size of all values on the disk."""
        return sum(matrix_bytes(self.units(layer), len(self.ids)) for layer in self.recorded)

    def key(self, layer: str) -> str:
        """Return the digest of all that the values of a layer depend on."""
        return digest_json({**self.meta[layer], "layer": layer})


def plan(
    model: nn.Module,
    layers: Sequence[str],
    images: Images,
    preprocess: Preprocess | None,
    *,
    reduction: str | None = None,
    device: str | None = None,
    autocast: str | None = None,
    workers: int | None = None,
) -> Plan:
    """Check a request, learn the layers' shapes from one small forward pass, and return the plan of the job."""
    if preprocess is None:
        raise InputError(
            "model",
            "nothing says how images become its input",
            "give preprocess=Preprocess(size, mean, std), or let the model's factory return (model, Preprocess(…))",
        )
    checked_device(device, model)
    checked_precision(autocast)
    ids = _checked_ids(images)
    shapes, dtypes = _probe(model, list(dict.fromkeys(layers)), preprocess)
    shared = {
        "model": model_digest(model),
        "preprocess": preprocess.facts(),
        "images": _content_digest(images, ids),
        **({} if autocast is None else {"autocast": autocast}),
    }
    recorded, meta = {}, {}
    for layer, shape in shapes.items():
        how = checked_reduction(layer, shape, reduction)
        recorded[layer] = Recorded(shape, how)
        meta[layer] = {"reduction": how, "shape": list(shape), "dtype": dtypes[layer], **shared}
    return Plan(model, images, tuple(ids), preprocess, recorded, meta, device, autocast, workers)


def _probe(
    model: nn.Module, layers: Sequence[str], preprocess: Preprocess
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Return the shape (without the batch) and the type of each layer's output, by one small forward pass."""
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}

    def keep(layer: str, output: Tensor) -> Tensor:
        shapes[layer] = tuple(output.shape[1:])
        dtypes[layer] = str(output.dtype).removeprefix("torch.")
        return output.new_empty(0)

    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    example = torch.zeros((1, 3, preprocess.side, preprocess.side))
    with capturing(model, layers, keep) as run:
        try:
            run(example if weight is None else example.to(weight.device, weight.dtype))
        except RuntimeError as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                "model",
                f"it fails on an image of {preprocess.side} × {preprocess.side} pixels ({first})",
                "check the preprocessing's size and the model's input",
            ) from error
    return {layer: shapes[layer] for layer in layers}, dtypes


def _checked_ids(images: Images) -> list[str]:
    """Return the images' names, which must be there and differ."""
    ids = list(images.ids)
    if not ids:
        raise InputError("images", "the image set has no image", "give an image set with at least one image")
    seen: set[str] = set()
    for image in ids:
        if image in seen:
            raise InputError("images", f"image {image!r} appears twice", "keep one image of this name")
        seen.add(image)
    return ids


def _content_digest(images: Images, ids: Sequence[str]) -> str:
    """Return one digest over the names and the contents of the images; one that cannot be read counts as such."""
    contents = images.images.column("sha256").to_pylist()
    known = [_pixels_digest(images, i) if sha256 is None else sha256 for i, sha256 in enumerate(contents)]
    return digest_json([list(ids), known])


def _pixels_digest(images: Images, i: int) -> str:
    """Return the digest of an image whose file has none: one that is made in memory, or that is missing."""
    try:
        return digest_bytes(np.ascontiguousarray(images.load(i)).tobytes())
    except (InputError, OSError):
        return "unreadable"
