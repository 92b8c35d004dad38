"""INVERT (Bykov et al. 2023): a beam search over compositions of labels by AUROC.

A formula combines labels and negated labels with and and or; the one with the highest area under the ROC curve of the
unit's values is its label. As in the published program a formula is extended by one literal at a time, shorter formulas
stay in the beam, and no formula may hold for fewer images than a fraction or for more than half of them. Unlike there,
formulas of the same images take one place in the beam, not several. The p-value that the method prints comes from the
images that chose the formula; here the label is measured like all others, on images that the search has not seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from conceptx.annotation.scenes import Scenes
from conceptx.comparison.labelling import Key, Labelling
from conceptx.errors import InputError
from conceptx.expressions import And, Expression, Not, Or, normalise
from conceptx.progress import Progress, silent

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LENGTH = 3
WIDTH = 5
LEAST = 0.01
"""The paper leaves these to the user: formulas of up to three labels, a beam of five, at least 1 % of the images."""
MOST = 0.5
"""The published program's bound: a formula holds for half of the images at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """A formula, the images that it holds for, and its AUROC."""

    expression: Expression
    extent: Bools
    auroc: float


def invert(
    keys: Sequence[Key],
    values: npt.NDArray[np.floating],
    scenes: Scenes,
    *,
    length: int = LENGTH,
    width: int = WIDTH,
    least: float = LEAST,
    progress: Progress = silent,
) -> Labelling:
    """Label units by their values (units, images) on the induction images of these scenes."""
    from conceptx.induction.extents import atoms

    started = time.perf_counter()
    found = atoms(scenes, ("classes",))
    if not len(found):
        what = "no class is shown by some of the images and not by others"
        raise InputError("INVERT", what, "bring more labelled images")
    extents = found.unpacked()
    labels: dict[Key, Expression] = {}
    printed: list[float] = []
    pairs = list(zip(keys, np.asarray(values, dtype=np.float64), strict=True))
    for key, row in progress(pairs, total=len(pairs), label="INVERT"):
        if row.min() == row.max():
            continue
        best = search(row, extents, found.expressions, length=length, width=width, least=least)
        if best is not None:
            labels[key] = best.expression
            test = stats.mannwhitneyu(row[best.extent], row[~best.extent], alternative="two-sided")
            printed.append(float(test.pvalue))
    note = f"length {length}, beam {width}, by AUROC on {least:.2g} to {MOST:.2g} of the images"
    if printed:
        note += f"; its own p, on the images that chose the formula: median {float(np.median(printed)):.1e}"
    return Labelling("INVERT", labels, seconds=time.perf_counter() - started, note=note)


def search(
    values: Floats,
    extents: Bools,
    expressions: Sequence[Expression],
    *,
    length: int = LENGTH,
    width: int = WIDTH,
    least: float = LEAST,
    most: float = MOST,
) -> Found | None:
    """Return the formula of the highest AUROC that the beam finds, of at most `length` literals.

    AUROC = (Σ ranks - k (k + 1) / 2) / (k (n - k)) for the k of n images with the formula, equal values at their mean
    rank. extents: (labels, images). Among equals the shorter stands first, then the one of earlier labels, labels
    before their negations. None where every label alone holds for too few or too many images.
    """
    from conceptx.induction.scores import mid_ranks

    n, m = len(values), len(extents)
    ranks = mid_ranks(values)
    matrix = sparse.csr_array(extents.astype(np.float64))
    total = float(ranks.sum())
    sizes, sums = matrix.sum(axis=1), matrix @ ranks
    sizes, sums = np.concatenate([sizes, n - sizes]), np.concatenate([sums, total - sums])
    order = np.argsort(-_auroc(sums, sizes, n), kind="stable")

    def literal(j: int) -> tuple[Expression, Bools]:
        return (expressions[j], extents[j]) if j < m else (Not(expressions[j - m]), ~extents[j - m])

    scores = _admitted(_auroc(sums, sizes, n), sizes, n, least, most)[order]
    beam: list[Found] = []
    for place in _best(scores):
        expression, extent = literal(int(order[place]))
        _enter(beam, Found(expression, extent, float(scores[place])))
        if len(beam) == width:
            break
    for _ in range(1, length):
        found = [np.array([formula.auroc for formula in beam])]
        for formula in beam:
            held = formula.extent.astype(np.float64)
            both, both_sum = matrix @ held, matrix @ (held * ranks)
            size, own = float(held.sum()), float(ranks @ held)
            both, both_sum = np.concatenate([both, size - both]), np.concatenate([both_sum, own - both_sum])
            either, either_sum = size + sizes - both, own + sums - both_sum
            pair = np.stack(
                [
                    _admitted(_auroc(both_sum, both, n), both, n, least, most),
                    _admitted(_auroc(either_sum, either, n), either, n, least, most),
                ],
                axis=1,
            )[order]
            found.append(pair.ravel())
        scores = np.concatenate(found)
        longer: list[Found] = []
        for place in _best(scores):
            if place < len(beam):
                candidate = beam[place]
            else:
                parent, rest = divmod(int(place) - len(beam), 2 * len(order))
                expression, extent = literal(int(order[rest // 2]))
                start = beam[parent]
                if rest % 2 == 0:
                    candidate = Found(And((start.expression, expression)), start.extent & extent, float(scores[place]))
                else:
                    candidate = Found(Or((start.expression, expression)), start.extent | extent, float(scores[place]))
            _enter(longer, candidate)
            if len(longer) == width:
                break
        beam = longer
    return None if not beam else Found(normalise(beam[0].expression), beam[0].extent, beam[0].auroc)


def _auroc(sums: Floats, sizes: Floats, n: int) -> Floats:
    pairs = sizes * (n - sizes)
    above = sums - sizes * (sizes + 1) / 2
    return np.asarray(np.divide(above, pairs, out=np.full(len(sums), -np.inf), where=pairs > 0))


def _admitted(scores: Floats, sizes: Floats, n: int, least: float, most: float) -> Floats:
    """Return the scores, -inf where a formula holds for too few or too many images."""
    return np.where((sizes >= max(1.0, least * n)) & (sizes <= most * n), scores, -np.inf)


def _best(scores: Floats) -> list[int]:
    """Return the places of the finite scores, the highest first, equals in order."""
    order = np.argsort(-scores, kind="stable")
    return [int(i) for i in order if np.isfinite(scores[i])]


def _enter(beam: list[Found], candidate: Found) -> None:
    """Add a formula unless one of the same images is there."""
    if not any(np.array_equal(candidate.extent, other.extent) for other in beam):
        beam.append(candidate)
