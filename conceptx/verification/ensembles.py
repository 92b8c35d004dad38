"""Several units together: does a conjunction of units answer for a concept where one unit alone fires too often?

`ensemble_rows` looks, for each expression and threshold, for the conjunction of up to three units that tells targets
from others best on evaluation (arXiv 2405.09580), and tests it on verification, beside its best single unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa

from conceptx.expressions import Expression, to_manchester
from conceptx.progress import Progress, silent
from conceptx.verification.statistics import Bools, Estimate, Floats, Ints, Values, wilson

_SHARES = ("tla", "non_tla", "single_tla", "single_non_tla", "drop", "loss")

ENSEMBLES = pa.schema(
    [
        ("layer", pa.string()),
        ("expression", pa.string()),
        ("threshold", pa.float64()),
        ("units", pa.list_(pa.string())),
        ("single", pa.string()),
        ("split", pa.string()),
        ("n_target", pa.int64()),
        ("n_other", pa.int64()),
        *((share + end, pa.float64()) for share in _SHARES for end in ("", "_low", "_high")),
    ]
)
"""One row a concept, threshold and split. `units` fire together (each above threshold · its maximum); `single` is the
best one alone and is among them. `drop` is how much lower the ensemble's non-TLA is than the single unit's, `loss` the
same for TLA; the ensemble's images are among the single unit's, so both are plain shares with Wilson's interval."""

LARGEST = 3
CONSIDERED = 8
"""So many units are combined for a concept: those with the highest correlation with it on evaluation."""


def ensemble_rows(
    layer: str,
    units: Sequence[str],
    values: Sequence[Values],
    maxima: Sequence[float],
    expressions: Sequence[Expression],
    extent_of: Callable[[Expression], Bools],
    splits: Mapping[str, Ints],
    thresholds: Sequence[float],
    progress: Progress = silent,
) -> list[dict[str, object]]:
    """Return the rows of ENSEMBLES for the units of a layer; `maxima` are theirs on the images they were learned from.

    The ensemble and the single unit are those with the highest TLA - non-TLA on evaluation; smaller ensembles, then
    units in the order of their correlation, come first where it ties. Without a better conjunction there is no row.
    """
    able = [i for i, top in enumerate(maxima) if top > 0]
    if len(able) < 2 or not expressions:
        return []
    evaluation = splits["evaluation"]
    standard = np.stack([_standardised(values[i][evaluation]) for i in able])
    rows: list[dict[str, object]] = []
    for expression in progress(expressions, total=len(expressions), label="ensembles"):
        extent = extent_of(expression)
        target = extent[evaluation]
        if not target.any() or target.all():
            continue
        # Rounded, so that the order of equal correlations does not depend on how a sum was taken.
        r = np.round(standard @ (target - target.mean()), 6)
        order = [able[i] for i in np.argsort(-r, kind="stable")[:CONSIDERED] if r[i] > 0]
        for threshold in thresholds:
            fires = {i: values[i] > threshold * maxima[i] for i in order}
            chosen = _chosen(order, {i: f[evaluation] for i, f in fires.items()}, target)
            if chosen is None:
                continue
            single, members = chosen
            together = np.logical_and.reduce([fires[i] for i in members])
            for split in ("evaluation", "verification"):
                places = splits[split]
                rows.append(
                    {
                        "layer": layer,
                        "expression": to_manchester(expression),
                        "threshold": threshold,
                        "units": [units[i] for i in members],
                        "single": units[single],
                        "split": split,
                        **_shares(together[places], fires[single][places], extent[places]),
                    }
                )
    return rows


def _chosen(order: Sequence[int], fires: Mapping[int, Bools], target: Bools) -> tuple[int, tuple[int, ...]] | None:
    """Return the best single unit and the best conjunction that contains it, or None where none is better."""

    def quality(together: Bools) -> float:
        return float(together[target].mean() - together[~target].mean())

    if not order:
        return None
    alone = [quality(fires[i]) for i in order]
    single = order[int(np.argmax(alone))]
    best, found = max(alone), None
    for size in range(1, LARGEST):
        for others in combinations([i for i in order if i != single], size):
            reached = quality(np.logical_and.reduce([fires[i] for i in (single, *others)]))
            if reached > best + 1e-12:
                best, found = reached, (single, *others)
    return None if found is None else (single, found)


def _shares(together: Bools, single: Bools, target: Bools) -> dict[str, object]:
    n1, n0 = int(target.sum()), int((~target).sum())

    def share(chosen: Bools, of: Bools, n: int) -> Estimate:
        return wilson(int((chosen & of).sum()), n)

    lost = single & ~together
    measured = (
        share(together, target, n1),
        share(together, ~target, n0),
        share(single, target, n1),
        share(single, ~target, n0),
        share(lost, ~target, n0),
        share(lost, target, n1),
    )
    found: dict[str, object] = {"n_target": n1, "n_other": n0}
    for name, estimate in zip(_SHARES, measured, strict=True):
        ends = zip(("", "_low", "_high"), estimate, strict=True)
        found |= {name + end: None if np.isnan(number) else number for end, number in ends}
    return found


def _standardised(values: Values) -> Floats:
    wide = np.asarray(values, dtype=np.float64)
    centred = wide - wide.mean()
    size = float(np.linalg.norm(centred))
    return centred / size if size > 0 else np.zeros(len(wide))
