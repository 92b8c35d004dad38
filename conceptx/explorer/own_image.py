"""Which units fire for a picture that a person brings, what they stand for, and how sure that is."""

from __future__ import annotations

import base64
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.explorer.state import Explorer, Key
from conceptx.images.pictures import decode, named
from conceptx.inputs import Given, model_of
from conceptx.report.records import Margin, UnitEvidence
from conceptx.request import GIVEN

if TYPE_CHECKING:
    from torch import nn

    from conceptx.activations.preprocess import Preprocess

MOST_PIXELS = 50_000_000
"""More than any camera phone gives; the whole picture is decoded in memory."""

_SHOWN = 24
_PREVIEW = 320


@dataclass(frozen=True, slots=True)
class Firing:
    """A unit that a picture excites: the value, its share of the unit's maximum over the run's images, and the margin.

    `margin` is measured on verification images above the highest threshold that the value passes: how often images with
    and without the concept excite the unit this much.
    """

    unit: UnitEvidence
    value: float
    level: float
    margin: Margin | None


@dataclass(frozen=True, slots=True)
class OwnImage:
    """The answer for one picture: `firing` are the units with the highest levels, `silent` how many do not fire."""

    preview: str
    width: int
    height: int
    firing: tuple[Firing, ...]
    silent: int


class Asker:
    """Sends encoded pictures through the run's network, which is loaded for the first and kept."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer

    def __call__(self, data: bytes) -> OwnImage:
        """Answer for one picture; it is treated exactly as the run's own images were."""
        import torch

        from conceptx.activations.forward import BATCH
        from conceptx.activations.layers import capturing
        from conceptx.activations.units import reduce

        explorer = self._explorer
        model, preprocess = self._network
        pixels = _decoded(data)
        # The run's batches have this many images, and the last bits of the values depend on it.
        batch = torch.from_numpy(np.repeat(preprocess(pixels)[None], BATCH, axis=0))
        reductions = {layer.layer: str(layer.meta["reduction"]) for layer in explorer.layers}
        with capturing(model, list(reductions), lambda name, out: reduce(out, reductions[name]).float().cpu()) as run:
            found = run(batch)
        firing: list[Firing] = []
        silent = 0
        for layer in explorer.layers:
            values = found[layer.layer][0].numpy()
            for unit, value in zip(layer.units, values.tolist(), strict=True):
                made = _firing(explorer, (layer.layer, unit), value)
                silent += made is None
                firing += [] if made is None else [made]
        firing.sort(key=lambda f: -f.level)
        return OwnImage(_preview(pixels), pixels.shape[1], pixels.shape[0], tuple(firing[:_SHOWN]), silent)

    @cached_property
    def _network(self) -> tuple[nn.Module, Preprocess]:
        """The run's network, and how the run made images into its input."""
        request = self._explorer.run.request
        if request.model is None or request.model.startswith(f"{GIVEN}:"):
            what, mend = "the run has no network to send it through", "explain a model that can be loaded"
            raise InputError("picture", what, mend)
        try:
            from conceptx.activations.preprocess import Preprocess

            model, _ = model_of(self._explorer.run, Given())
            recorded: dict[str, Any] = self._explorer.layers[0].meta["preprocess"]
            settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in recorded.items()}
            return model, Preprocess(**settings)
        except InputError:
            raise
        except Exception as error:  # a model's own code, or a package that is not there
            what = f"the run's network {request.model!r} cannot be loaded ({type(error).__name__}: {error})"
            raise InputError("picture", what, "explore the run where its model is installed") from error


def _decoded(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the pixels, turned as the picture's EXIF data say; its size is looked at before anything is decoded."""
    import io

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as picture:
                width, height = picture.size
        if width * height > MOST_PIXELS:
            what = f"it has {width} × {height} pixels"
            raise InputError("picture", what, f"reduce it to {MOST_PIXELS:,} pixels or fewer")
        return decode(data)
    except InputError:
        raise
    except Exception as error:  # a decoder meets a hostile file with whatever its code runs into
        raise named("picture", error) from error


def _firing(explorer: Explorer, key: Key, value: float) -> Firing | None:
    top = explorer.tops[key]
    if value <= 0 or top <= 0:
        return None
    unit = explorer.units[key]
    passed = [m for m in unit.margins if m.split == "verification" and value > m.threshold * top]
    return Firing(unit, value, value / top, max(passed, key=lambda m: m.threshold, default=None))


def _preview(pixels: np.ndarray) -> str:
    """Return the picture, small, as a data URI, so that a person sees what the network saw."""
    import io

    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((_PREVIEW, _PREVIEW))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
