"""Concept activation analysis: does a layer as a whole know a class, whatever its single units say?

`probe_concepts` fits, for each class, a direction (CAV: `pattern`, `ridge`, `logistic`, `svm`) or a region (CAR:
`region`) that tells images with an instance of the class from images with an instance of a sibling only, on the
induction images, and measures it on held-out ones. `sensitivities` asks whether moving along the direction raises a
model's outputs.

Both are tested by permuting the labels of the images and fitting again: p = (1 + b) / (1 + m) for b of m permutations
that do at least as well. This is exact whatever the activations look like; a t-test over repeated fits on the same
images, as it is common, rejects a true null hypothesis in every second case. What permuted labels reach on average is
the control task; selectivity is what the concept reaches beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from conceptx.annotation.scenes import evaluate
from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import Named, Or, contains
from conceptx.progress import Progress, silent
from conceptx.verification.controls import generator
from conceptx.verification.corrections import benjamini_hochberg
from conceptx.verification.probe_fits import DIRECTIONS, FITS, Floats
from conceptx.verification.statistics import UNKNOWN, Estimate, auroc, tally, wilson

if TYPE_CHECKING:
    from conceptx.activations.store import Activations
    from conceptx.annotation.scenes import Scenes

Bools = npt.NDArray[np.bool_]

METHODS = tuple(FITS)
LEAST = 20
"""So many training images, and so many held-out ones, are needed on each side."""
MOST_FITTED = 2000
"""A region is fitted on so many training images at most, drawn with the seed; its cost grows with their cube."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How well one class can be read off a layer, on held-out images.

    `against`: "siblings", or "all" where too few images show a sibling. `accuracy` is at the threshold halfway between
    the two sides' mean scores in training, `base_rate` the share of the larger side. `control` is the mean AUROC of
    permuted labels and `selectivity` the AUROC beyond it. `q` is p corrected over the classes of the layer.
    """

    layer: str
    concept: str
    method: str
    against: str
    n_positive: int
    n_negative: int
    held_out_positive: int
    held_out_negative: int
    accuracy: Estimate = UNKNOWN
    base_rate: float = math.nan
    auroc: Estimate = UNKNOWN
    control: float = math.nan
    selectivity: float = math.nan
    p: float = math.nan
    q: float = math.nan
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; an estimate becomes three numbers."""
        row = asdict(self)
        for name in ("accuracy", "auroc"):
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), row[name], strict=True))
        return row


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How moving a layer along a concept's direction changes an output, on the `n` images with that output.

    `slope` is the mean change of the output for a step of length 1 along the direction; `share` (TCAV's score) is the
    share of the images on which it rises, `expected` its mean under permuted labels. `p` is that of the slope; the
    share says nothing where all gradients are alike, as they are below a linear layer. `q` is p corrected over the
    outputs.
    """

    layer: str
    concept: str
    output: str
    n: int
    slope: float
    share: float
    expected: float
    p: float
    q: float = math.nan


def probe_concepts(
    activations: Activations,
    scenes: Scenes,
    splits: Mapping[str, str],
    classes: Sequence[str] | None = None,
    *,
    method: str = "pattern",
    permutations: int = 199,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Probe]:
    """Probe a layer for classes (by default every class with enough images that is not on almost all of them)."""
    _check_method(method, METHODS)
    names, order = list(splits), np.array(list(splits.values()))
    features = np.asarray(activations.for_images(names).values, dtype=np.float64).T
    place = {image: i for i, image in enumerate(scenes.images)}
    rows = np.array([place[image] for image in names], dtype=np.int64)
    training = order == "induction"
    wanted = _classes(scenes, classes)
    found = []
    for name in progress(wanted, total=len(wanted), label=f"probes of {activations.layer}"):
        positive, negative, against = _sides(scenes, name, rows, training)
        enough = all(
            int((side & part).sum()) >= LEAST for side in (positive, negative) for part in (training, ~training)
        )
        if classes is None and not enough:
            continue
        empty = _unfitted(activations.layer, name, method, against, positive, negative, training)
        rng = generator(seed, "probe", activations.layer, name)
        found.append(_probe(empty, features, positive, negative, training, permutations, rng) if enough else empty)
    corrected = benjamini_hochberg([probe.p for probe in found])
    return [replace(probe, q=float(q)) for probe, q in zip(found, corrected, strict=True)]


def sensitivities(
    activations: Activations,
    gradients: npt.ArrayLike,
    outputs: Sequence[str],
    scenes: Scenes,
    splits: Mapping[str, str],
    concept: str,
    *,
    method: str = "pattern",
    permutations: int = 199,
    seed: int = 0,
) -> list[Sensitivity]:
    """Return for each output how a concept's direction moves it.

    `gradients` (held-out images, units) are those of each image's own output with respect to the layer, and `outputs`
    (held-out images) name it, both in the order of the held-out images of `splits`.
    """
    _check_method(method, tuple(DIRECTIONS))
    names, order = list(splits), np.array(list(splits.values()))
    training = order == "induction"
    place = {image: i for i, image in enumerate(scenes.images)}
    rows = np.array([place[image] for image in names], dtype=np.int64)
    positive, negative, _ = _sides(scenes, concept, rows, training)
    used = (positive | negative) & training
    if min((positive & used).sum(), (negative & used).sum()) < LEAST:
        what = f"fewer than {LEAST} training images with it, or without it"
        raise InputError(f"class {concept!r}", what, "choose a class with more images")
    features = np.asarray(activations.for_images(names).values, dtype=np.float64).T[used]
    middle, spread = _scale(features)
    labels = _permuted(positive[used], permutations, generator(seed, "sensitivity", activations.layer, concept))
    # A direction in standardised space, back in the units of the layer, where the gradients are.
    directions = DIRECTIONS[method]((features - middle) / spread, labels) * spread[:, None]
    directions /= np.maximum(np.sqrt((directions**2).sum(axis=0)), 1e-300)
    slopes = np.asarray(gradients, dtype=np.float64) @ directions
    named = np.array(outputs)
    found = []
    for output in sorted(set(outputs)):
        chosen = slopes[named == output]
        shares, means = (chosen > 0).mean(axis=0), chosen.mean(axis=0)
        p = (1 + int((np.abs(means[1:]) >= abs(means[0])).sum())) / (1 + permutations)
        numbers = (float(means[0]), float(shares[0]), float(shares[1:].mean()), p)
        found.append(Sensitivity(activations.layer, concept, output, len(chosen), *numbers))
    corrected = benjamini_hochberg([one.p for one in found])
    return [replace(one, q=float(q)) for one, q in zip(found, corrected, strict=True)]


def _probe(
    empty: Probe,
    features: Floats,
    positive: Bools,
    negative: Bools,
    training: Bools,
    permutations: int,
    rng: np.random.Generator,
) -> Probe:
    used, held_out = (positive | negative) & training, (positive | negative) & ~training
    fitted_on = np.flatnonzero(used)
    if empty.method == "region" and len(fitted_on) > MOST_FITTED:
        fitted_on = np.sort(rng.choice(fitted_on, MOST_FITTED, replace=False))
    middle, spread = _scale(features[fitted_on])
    train, test = (features[fitted_on] - middle) / spread, (features[held_out] - middle) / spread
    labels = _permuted(positive[fitted_on], permutations, rng)
    truth = _permuted(positive[held_out], permutations, rng).astype(bool)
    fit = FITS[empty.method](train, labels)
    learned, scored = fit(train), fit(test)
    reached = _areas(scored, truth)
    own, sides = learned[:, 0], labels[:, 0] > 0
    threshold = (own[sides].mean() + own[~sides].mean()) / 2
    right = int(((scored[:, 0] > threshold) == truth[:, 0]).sum())
    n = len(truth)
    control = float(reached[1:].mean()) if permutations else math.nan
    return replace(
        empty,
        accuracy=wilson(right, n),
        base_rate=max(empty.held_out_positive, empty.held_out_negative) / n,
        auroc=auroc(tally(scored[:, 0], truth[:, 0])),
        control=control,
        selectivity=float(reached[0]) - control,
        p=(1 + int((reached[1:] >= reached[0]).sum())) / (1 + permutations),
    )


def _permuted(sides: Bools, permutations: int, rng: np.random.Generator) -> Floats:
    """Return the true labels and as many permuted ones as columns (n, 1 + permutations)."""
    columns = [sides.astype(np.float64), *(rng.permutation(sides).astype(np.float64) for _ in range(permutations))]
    return np.stack(columns, axis=1)


def _areas(scores: Floats, truth: Bools) -> Floats:
    """Return the area under the ROC curve of each column: (Σ ranks of the true - k(k+1)/2) / (k(n-k))."""
    k = truth.sum(axis=0)
    ranks = np.where(truth, rankdata(scores, axis=0), 0.0).sum(axis=0)
    return np.asarray((ranks - k * (k + 1) / 2) / (k * (len(truth) - k)), dtype=np.float64)


def _sides(scenes: Scenes, name: str, rows: npt.NDArray[np.int64], training: Bools) -> tuple[Bools, Bools, str]:
    """Return the images with an instance of the class, those with one of a sibling only, and which these are."""
    hierarchy = scenes.hierarchy
    i = hierarchy.id(name)
    positive = evaluate(contains(Named(name)), scenes)[rows]
    above = set(hierarchy.ancestors([i]).tolist())
    siblings = {int(s) for parent in hierarchy.parents(i) for s in hierarchy.children(int(parent))} - above
    negative = np.zeros(len(rows), dtype=bool)
    if siblings:
        family = Or(tuple(Named(hierarchy.name(s)) for s in sorted(siblings)))
        negative = evaluate(contains(family), scenes)[rows] & ~positive
    if all(int((negative & part).sum()) >= LEAST for part in (training, ~training)):
        return positive, negative, "siblings"
    return positive, ~positive, "all"


def _unfitted(
    layer: str, name: str, method: str, against: str, positive: Bools, negative: Bools, training: Bools
) -> Probe:
    counts = [int((side & part).sum()) for part in (training, ~training) for side in (positive, negative)]
    note = "" if min(counts) >= LEAST else f"not testable: {min(counts)} images on one side, {LEAST} are needed"
    return Probe(layer, name, method, against, counts[0], counts[1], counts[2], counts[3], note=note)


def _classes(scenes: Scenes, classes: Sequence[str] | None) -> list[str]:
    hierarchy = scenes.hierarchy
    if classes is not None:
        for name in classes:
            hierarchy.id(name)
        return list(classes)
    return [hierarchy.name(int(c)) for c in hierarchy.ancestors(np.unique(scenes.type_class))]


def _scale(features: Floats) -> tuple[Floats, Floats]:
    spread = features.std(axis=0)
    return features.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _check_method(method: str, known: Sequence[str]) -> None:
    if method not in known:
        mend = did_you_mean(method, known) or f"use one of {', '.join(known)}"
        what = f"there is no probe {method!r}"
        if method == "region":
            what, mend = "a region has no direction for --sensitivity", f"use one of {', '.join(known)}"
        raise InputError("method", what, mend)
