"""CLIP-Dissect (Oikarinen and Weng 2023): the label whose CLIP similarity over the images is most like the unit.

`label_units` needs the similarities (images, labels) of image and text embeddings and the units' values on the same
images; `embed` makes them with a CLIP model that the user has on disk. The four similarity functions of the paper are
pure functions with the published code's defaults. Where that code draws random permutations (rank reorder), the mean
over all of them is used; where it leaves open which of equal values come first, the earlier image does; where there are
fewer images than it asks for, all of them are used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, softmax

from conceptx.comparison.labelling import Key, Labelling
from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import Expression
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.images.dataset import ImageSet

Floats = npt.NDArray[np.float64]

_SMALLEST = 1e-7
_SHORTEST = 1e-3
"""The published code divides by no norm below this: similarities that hardly vary count less."""
_BATCH = 16
_TEXTS = 256


def soft_wpmi(similarity: Floats, values: Floats, top: int = 100, a: float = 10.0, weight: float = 1.0) -> Floats:
    """Return log p(label | unit) - weight · log p(label), (units, labels), over the `top` images of each unit.

    p(label | image) = softmax(a · similarity) over labels; an image of rank r counts as one of the unit's with
    probability p_r = 0.998 - 0.028 r / top: log p(label | unit) = Σ log(1 + p_r (p(label | image) - 1)).
    """
    given = softmax(a * similarity, axis=1)
    top = min(top, len(values))
    likely = 0.998 - np.arange(top) / top * (0.998 - 0.97)
    return _wpmi(given, values, top, weight, lambda p: np.log(1 + likely[:, None] * (p - 1) + _SMALLEST))


def wpmi(similarity: Floats, values: Floats, top: int = 28, a: float = 2.0, weight: float = 0.6) -> Floats:
    """Return Σ log p(label | image) over the `top` images of each unit, less weight · log p(label)."""
    return _wpmi(
        softmax(a * similarity, axis=1), values, min(top, len(values)), weight, lambda p: np.log(p + _SMALLEST)
    )


def cosine(similarity: Floats, values: Floats) -> Floats:
    """Return the cosine of a label's similarities and a unit's values over the images, both centred and cubed.

    A norm below 0.001 counts as 0.001.
    """
    x, y = (((m - m.mean(axis=0)) ** 3) for m in (similarity, values))
    x, y = (m / np.maximum(np.sqrt((m**2).sum(axis=0)), _SHORTEST) for m in (x, y))
    return np.asarray(y.T @ x)


def rank_reorder(similarity: Floats, values: Floats, power: float = 3.0, share: float = 0.05) -> Floats:
    """Return how little a unit's top values change when they are put into the order of a label's similarities.

    -mean(|t - t'|³) / E(|t - t''|³) / √(mean similarity), t the values of the top 5 % of the images, t' the same in the
    label's order, t'' in random order; similarities that are not positive count as 1e-7.
    """
    n = max(1, int(len(values) * share))
    found = np.zeros((values.shape[1], similarity.shape[1]))
    for unit in range(values.shape[1]):
        order = np.argsort(-values[:, unit], kind="stable")[:n]
        rising = values[order, unit][::-1]
        ranks = np.argsort(np.argsort(similarity[order], axis=0, kind="stable"), axis=0, kind="stable")
        moved = np.abs(values[order, unit][:, None] - rising[ranks]) ** power
        chance = float((np.abs(rising[:, None] - rising[None, :]) ** power).mean())
        mean = np.maximum(similarity[order].mean(axis=0), _SMALLEST)
        found[unit] = -moved.mean(axis=0) / (chance if chance > 0 else 1.0) / np.sqrt(mean)
    return found


FUNCTIONS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "soft-wpmi": soft_wpmi,
    "wpmi": wpmi,
    "cosine": cosine,
    "rank-reorder": rank_reorder,
}


def label_units(
    keys: Sequence[Key],
    values: npt.NDArray[np.floating],
    similarity: Floats,
    labels: Sequence[str],
    expressions: Sequence[Expression],
    *,
    function: str = "soft-wpmi",
    seconds: float = 0.0,
) -> Labelling:
    """Label units by values (units, images) and similarities (images, labels); `expressions` says what a label means.

    p(label), which the first two functions compare with, is the mean over the units of the same layer. A constant unit,
    and a unit that likes all labels alike, gets none.
    """
    if function not in FUNCTIONS:
        mend = did_you_mean(function, FUNCTIONS) or f"use one of {', '.join(FUNCTIONS)}"
        raise InputError("compare", f"CLIP-Dissect has no function {function!r}", mend)
    started = time.perf_counter()
    rows = np.asarray(values, dtype=np.float64)
    likes_of_label = np.asarray(similarity, dtype=np.float64)
    found = np.zeros((len(keys), len(labels)))
    for layer in dict.fromkeys(layer for layer, _ in keys):
        of_layer = [i for i, (name, _) in enumerate(keys) if name == layer]
        found[of_layer] = FUNCTIONS[function](likes_of_label, rows[of_layer].T)
    labelled: dict[Key, Expression] = {}
    texts: dict[Key, str] = {}
    for key, row, likes in zip(keys, rows, found, strict=True):
        if row.min() < row.max() and np.isfinite(likes).all() and likes.min() < likes.max():
            best = int(np.argmax(likes))
            labelled[key], texts[key] = expressions[best], labels[best]
    took = seconds + time.perf_counter() - started
    return Labelling(f"CLIP-Dissect ({function})", labelled, texts, took, f"{len(labels)} labels")


def embed(
    model: Path, images: ImageSet, places: Sequence[int], labels: Sequence[str], progress: Progress = silent
) -> Floats:
    """Return the cosine similarities (images, labels) by a CLIP model in a folder (as `transformers` saves it).

    Nothing is downloaded: the folder must have the model and its tokenizer.
    """
    import torch

    model_class, processor_class = _clip_classes()
    mend = "name a folder with config, weights and tokenizer, as save_pretrained writes it"
    if not Path(model).is_dir():
        raise InputError(str(model), "there is no such folder", mend)
    try:
        processor = processor_class.from_pretrained(str(model), local_files_only=True)
        with _without_bars():
            network = model_class.from_pretrained(str(model), local_files_only=True).eval()
    except Exception as error:  # the package raises whatever its parts raise
        what = f"this is not a CLIP model ({(str(error).splitlines() or [type(error).__name__])[0][:200]})"
        raise InputError(str(model), what, mend) from error
    with torch.inference_mode():
        texts = []
        for start in range(0, len(labels), _TEXTS):
            # The published code gives CLIP the bare label, without "a photo of".
            tokens = processor(
                text=list(labels[start : start + _TEXTS]), return_tensors="pt", padding=True, truncation=True
            )
            texts.append(_unit_length(network.get_text_features(**tokens)))
        text = torch.cat(texts)
        rows = []
        starts = range(0, len(places), _BATCH)
        for start in progress(starts, total=len(starts), label="CLIP"):
            pictures = [images.load(i) for i in places[start : start + _BATCH]]
            pixels = processor(images=pictures, return_tensors="pt")
            rows.append(_unit_length(network.get_image_features(**pixels)) @ text.T)
    return np.asarray(torch.cat(rows).double().numpy())


def _clip_classes() -> tuple[Any, Any]:
    """Return the classes of the model and of its processor."""
    from importlib.util import find_spec

    from conceptx.activations.sources.torchvision_zoo import import_torchvision

    try:
        if find_spec("torchvision") is not None:
            import_torchvision()  # which transformers imports too, but only where it fits the installed PyTorch
        from transformers import CLIPModel, CLIPProcessor
    except ImportError as error:
        what = f"the package transformers cannot be imported ({str(error).splitlines()[0]})"
        raise InputError("--clip", what, "pip install transformers") from error
    return CLIPModel, CLIPProcessor


@contextmanager
def _without_bars() -> Iterator[None]:
    """Let transformers draw no progress bars of its own."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def _unit_length(features: Any) -> Any:
    found = getattr(features, "pooler_output", features)
    return found / found.norm(dim=-1, keepdim=True)


def _wpmi(given: Floats, values: Floats, top: int, weight: float, likelihood: Callable[[Floats], Floats]) -> Floats:
    order = np.argsort(-values, axis=0, kind="stable")[:top]
    by_unit = np.stack([likelihood(given[order[:, unit]]).sum(axis=0) for unit in range(values.shape[1])])
    prior = logsumexp(by_unit, axis=0) - np.log(len(by_unit))
    return np.asarray(by_unit - weight * prior)
