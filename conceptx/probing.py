"""Probes over a run: the stored activations for directions and regions, the model for sensitivities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from conceptx.artefacts import layers_of, scenes_of, splits_of
from conceptx.errors import InputError, did_you_mean
from conceptx.inputs import Given, image_set_of, model_of
from conceptx.progress import Progress, silent
from conceptx.request import GIVEN
from conceptx.run import Run
from conceptx.verification.probes import Probe, Sensitivity, probe_concepts, sensitivities

if TYPE_CHECKING:
    from torch import Tensor

    from conceptx.activations.store import Activations

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Probed:
    """The probes of a run's layers, and the sensitivities of its outputs where they were asked for."""

    probes: tuple[Probe, ...]
    sensitivities: tuple[Sensitivity, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "probes": [probe.to_dict() for probe in self.probes],
            "sensitivities": [asdict(s) for s in self.sensitivities],
        }


def probe_run(
    run: Run,
    classes: Sequence[str] = (),
    *,
    method: str = "pattern",
    layer: str | None = None,
    permutations: int = 199,
    sensitivity: bool = False,
    progress: Progress = silent,
) -> Probed:
    """Probe the layers of a run for classes (none: all with enough images)."""
    run.require("images", "extract", "annotate")
    layers = layers_of(run)
    if layer is not None and layer not in [one.layer for one in layers]:
        mend = did_you_mean(layer, [one.layer for one in layers]) or "use one of the run's layers"
        raise InputError(f"layer {layer!r}", "the run has no such layer", mend)
    if sensitivity and not classes:
        raise InputError("probe", "no class is given for the sensitivities", "add --class NAME")
    layers = [one for one in layers if layer in (None, one.layer)]
    scenes, splits, seed = scenes_of(run), splits_of(run), run.request.seed
    settings: dict[str, Any] = {"method": method, "permutations": permutations, "seed": seed}
    probes = [
        probe
        for one in layers
        for probe in probe_concepts(one, scenes, splits, classes or None, **settings, progress=progress)
    ]
    found: list[Sensitivity] = []
    for one in layers if sensitivity else ():
        gradients, outputs = _gradients(run, one, [i for i, s in splits.items() if s != "induction"], progress)
        for name in classes:
            found += sensitivities(one, gradients, outputs, scenes, splits, name, **settings)
    return Probed(tuple(probes), tuple(found))


def _gradients(run: Run, layer: Activations, images: Sequence[str], progress: Progress) -> tuple[Any, list[str]]:
    import numpy as np
    import torch

    from conceptx.activations.gradients import output_gradients
    from conceptx.activations.preprocess import Preprocess

    if run.request.model is None or run.request.model.startswith(f"{GIVEN}:"):
        raise InputError("probe", "the run has no model that can be loaded", "leave out --sensitivity")
    model, _ = model_of(run, Given())
    recorded: dict[str, Any] = layer.meta["preprocess"]
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in recorded.items()}
    preprocess = Preprocess(**settings)
    pictures = image_set_of(run, Given())
    place = {image: i for i, image in enumerate(pictures.ids)}

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(images), _BATCH):
            loaded = [preprocess(pictures.load(place[image])) for image in images[start : start + _BATCH]]
            yield torch.from_numpy(np.stack(loaded))

    total = -(-len(images) // _BATCH)
    reduction = str(layer.meta["reduction"])
    made = [
        output_gradients(model, layer.layer, batch, reduction)
        for batch in progress(batches(), total=total, label=f"gradients of {layer.layer}")
    ]
    rows = np.concatenate([gradients for gradients, _ in made])
    return rows, [str(k) for _, chosen in made for k in chosen.tolist()]
