"""INVERT (Bykov et al. 2023): a beam search over compositions of labels by AUROC.

A formula combines labels with and, or and not; the one with the highest area under the ROC curve of the unit's values
is its label. As published, no formula may hold for fewer than a fraction of the images, and the p-value that the method
prints comes from the images that chose the formula; here the label is measured like all others, on images that the
search has not seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from conceptx.annotation.scenes import Scenes
from conceptx.comparison.labelling import Key, Labelling
from conceptx.progress import Progress, silent

LENGTH = 3
WIDTH = 5
LEAST = 0.01
"""The published setting: formulas of up to three labels, a beam of five, one image in a hundred at least."""


def invert(
    keys: Sequence[Key],
    values: npt.NDArray[np.floating],
    scenes: Scenes,
    *,
    length: int = LENGTH,
    width: int = WIDTH,
    progress: Progress = silent,
) -> Labelling:
    """Label units by their values (units, images) on the induction images of these scenes."""
    from conceptx.induction.learn import Settings, induce

    settings = Settings(
        objective="auroc",
        max_length=length,
        search="beam",
        beam_width=width,
        top=1,
        min_support=max(1, round(LEAST * scenes.n_images)),
        atoms=("classes",),
    )
    started = time.perf_counter()
    found = induce(scenes, np.asarray(values, dtype=np.float64), settings, progress)
    labels = {key: unit.hypotheses[0].expression for key, unit in zip(keys, found, strict=True) if len(unit)}
    return Labelling(
        "INVERT", labels, seconds=time.perf_counter() - started, note=f"length {length}, beam {width}, by AUROC"
    )
