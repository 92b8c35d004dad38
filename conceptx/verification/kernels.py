"""The compiled loops of `resampling`. Every loop runs over resamples innermost, so that they are computed side by side.

A unit's images lie in *cells*: images of one cell are held for by the same of the unit's hypotheses. Cells are cut
into *segments* by *bins* of the unit's values. Sums of ranks are whole numbers; sums of values are float32, each over
one segment, which is far below what an interval shows. Machine code is kept on disk by the calling file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.induction.kernels.shared import compiled

Array = npt.NDArray[Any]


@compiled
def permuted_sums(scores: Array, cell: Array, left_out: int, orders: Array, sums: Array) -> None:
    """Add to ``sums`` (cells, resamples) the scores that each permutation puts on the images of each cell.

    `scores` (n,) are whole numbers, `cell` (n,) is each image's cell; the images of the cell `left_out` are passed
    over. Permutation b puts the score of image ``orders[i, b]`` on image i.
    """
    for i in range(len(cell)):
        c = cell[i]
        if c != left_out:
            row, order = sums[c], orders[i]
            for b in range(len(row)):
                row[b] += scores[order[b]]


@compiled
def weighted_sums(
    values: Array, cell: Array, segment: Array, weights: Array, counts: Array, sums: Array, squares: Array
) -> None:
    """Add up the weights of each segment, the weighted values of each cell and all weighted squares, per resample.

    `weights` (n, resamples) say how often each image was drawn; `counts` is (segments, resamples), `sums` (cells,
    resamples) and `squares` (resamples,).
    """
    for i in range(len(cell)):
        x = values[i]
        xx = x * x
        weight, count, total = weights[i], counts[segment[i]], sums[cell[i]]
        for b in range(len(squares)):
            w = np.float32(weight[b])
            count[b] += w
            total[b] += w * x
            squares[b] += w * xx


@compiled
def measures_of(
    counts: Array,
    sums: Array,
    squares: Array,
    bins: Array,
    held: Array,
    held_cells: Array,
    n_bins: int,
    found: Array,
) -> None:
    """Write AUROC, average precision and correlation of one hypothesis to ``found`` (3, resamples).

    `bins` (segments,) is each segment's bin, ascending in value; `held` (segments,) and `held_cells` (cells,) say where
    the hypothesis holds; the sums are those of `weighted_sums`.
    A resample without targets or without others, or in which the unit is constant, gives NaN.
    """
    n = found.shape[1]
    target, every = np.zeros((n_bins, n)), np.zeros((n_bins, n))
    of_target, of_all = np.zeros(n), np.zeros(n)
    for c in range(len(held_cells)):
        for b in range(n):
            of_all[b] += sums[c, b]
        if held_cells[c]:
            for b in range(n):
                of_target[b] += sums[c, b]
    for s in range(len(bins)):
        k = bins[s]
        for b in range(n):
            every[k, b] += counts[s, b]
        if held[s]:
            for b in range(n):
                target[k, b] += counts[s, b]
    n1, total = np.zeros(n), np.zeros(n)
    wins, precision = np.zeros(n), np.zeros(n)
    for k in range(n_bins):
        for b in range(n):
            others = every[k, b] - target[k, b]
            wins[b] += target[k, b] * (total[b] - n1[b] + others / 2)
            n1[b] += target[k, b]
            total[b] += every[k, b]
    hits, reached = np.zeros(n), np.zeros(n)
    for k in range(n_bins - 1, -1, -1):
        for b in range(n):
            hits[b] += target[k, b]
            reached[b] += every[k, b]
            precision[b] += target[k, b] * hits[b] / max(reached[b], 1.0)
    for b in range(n):
        n0 = total[b] - n1[b]
        if n1[b] > 0 and n0 > 0:
            found[0, b] = wins[b] / (n1[b] * n0)
            found[1, b] = precision[b] / n1[b]
        else:
            found[0, b] = np.nan
            found[1, b] = np.nan
        mean = of_all[b] / total[b]
        square = squares[b] / total[b]
        variance = square - mean * mean
        share = n1[b] / total[b]
        # single precision cannot tell less from a resample in which all drawn images have one value
        if variance > total[b] * 2.0**-24 * square and n1[b] > 0 and n0 > 0:
            found[2, b] = (of_target[b] / total[b] - share * mean) / np.sqrt(variance * share * (1 - share))
        else:
            found[2, b] = np.nan
