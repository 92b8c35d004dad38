"""All methods in one table: how well their labels hold on images that none of them saw.

Every label is measured on the run's verification images with the statistics of the verification room. A method that
labels fewer units, or with things too rare to be tested, is not rewarded for it: methods are in the order of `overall`,
where such a unit counts as a correlation of 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from conceptx.annotation.scenes import Scenes
from conceptx.comparison.labelling import Key, Labelling
from conceptx.errors import InputError
from conceptx.expressions import Expression, to_manchester
from conceptx.progress import Progress, silent
from conceptx.verification.corrections import benjamini_hochberg
from conceptx.verification.measures import Measured, measure
from conceptx.verification.statistics import UNKNOWN, Estimate, rank, wilson
from conceptx.verification.verify import make_sample

SPLIT = "verification"
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One method's label for one unit, measured on the verification images."""

    method: str
    layer: str
    unit: str
    said: str
    measured: Measured

    def to_dict(self) -> dict[str, Any]:
        """Return the columns of the table."""
        row = self.measured.as_row(self.layer)
        return {"method": self.method, "said": self.said, **row}


@dataclass(frozen=True, slots=True)
class MethodScore:
    """One method over all units that it labels.

    Means come with 95 % intervals over units (Student's t). `overall` is the mean correlation over all units of the
    run, 0 where there is no label or it cannot be tested; `correlation` and `auroc` are means over the tested labels.
    `holds` is the share of labels with q < 0.05 and a positive correlation, of the tested ones; `distinct` counts
    different labels. `best` is on how many units no other method's label has a higher correlation.
    """

    method: str
    covered: int
    testable: int
    distinct: int
    overall: Estimate
    correlation: Estimate
    auroc: Estimate
    holds: Estimate
    best: int
    seconds: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """All methods on the same images; `methods` in the order of their mean correlation over all units."""

    units: int
    images: int
    methods: tuple[MethodScore, ...]
    rows: tuple[Row, ...]

    def to_pandas(self) -> Any:
        """Return every method's label of every unit as a pandas DataFrame (pandas must be installed)."""
        import pandas

        return pandas.DataFrame([row.to_dict() for row in self.rows])

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{name}</th>" for name in ("method", "labelled", "over all", "correlation", "AUROC", "holds", "best")
        )
        rows = "".join(
            f"<tr><th>{escape(m.method)}</th><td>{m.covered}</td><td>{_shown(m.overall)}</td><td>{_shown(m.correlation)}</td>"
            f"<td>{_shown(m.auroc)}</td><td>{_shown(m.holds)}</td><td>{m.best}</td></tr>"
            for m in self.methods
        )
        caption = f"{self.units} units, {self.images} verification images that no method saw"
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "units": self.units,
            "images": self.images,
            "methods": [asdict(m) for m in self.methods],
            "rows": [row.to_dict() for row in self.rows],
        }


def compare_methods(
    labellings: Sequence[Labelling],
    values: Mapping[Key, npt.NDArray[np.floating[Any]]],
    scenes: Scenes,
    splits: Mapping[str, str],
    *,
    min_targets: int = 8,
    progress: Progress = silent,
) -> Comparison:
    """Measure labellings; `values` has each unit's values on the images of `splits`, in that order."""
    names = [labelling.method for labelling in labellings]
    if len(set(names)) != len(names):
        raise InputError("compare", "two methods have the same name", "name each one once")
    sample = make_sample(scenes, splits, "splits")
    members = sample.splits[SPLIT]
    rankings = {key: rank(row[members]) for key, row in values.items()}
    jobs = [(labelling, key) for labelling in labellings for key in labelling.labels if key in rankings]
    rows: list[Row] = []
    for labelling, key in progress(jobs, total=len(jobs), label="compare"):
        expression: Expression = labelling.labels[key]
        extent = sample.extent_of(expression)[members]
        text = to_manchester(expression)
        measured = measure(key[1], text, SPLIT, rankings[key], extent, min_targets)
        rows.append(Row(labelling.method, *key, labelling.texts.get(key, text), measured))
    rows = _corrected(rows)
    best = _best(rows)
    scores = [
        _score(labelling, [r for r in rows if r.method == labelling.method], best, len(values))
        for labelling in labellings
    ]
    scores.sort(key=lambda score: -score.overall.value)
    return Comparison(len(values), len(members), tuple(scores), tuple(rows))


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Correct p within each method: each is judged as if it had been used alone."""
    found: list[Row] = []
    for method in dict.fromkeys(row.method for row in rows):
        mine = [row for row in rows if row.method == method]
        q = benjamini_hochberg([row.measured.p for row in mine])
        found += [replace(r, measured=replace(r.measured, q=float(v))) for r, v in zip(mine, q, strict=True)]
    return found


def _best(rows: Sequence[Row]) -> dict[Key, float]:
    best: dict[Key, float] = {}
    for row in rows:
        r = row.measured.correlation.value
        if not math.isnan(r):
            best[row.layer, row.unit] = max(best.get((row.layer, row.unit), -math.inf), r)
    return best


def _score(labelling: Labelling, rows: Sequence[Row], best: Mapping[Key, float], units: int) -> MethodScore:
    known = [r for row in rows if not math.isnan(r := row.measured.correlation.value)]
    tested = [row.measured for row in rows if not math.isnan(row.measured.p)]
    holding = sum(m.agrees(ALPHA) for m in tested)
    return MethodScore(
        method=labelling.method,
        covered=len(rows),
        testable=len(tested),
        distinct=len({row.measured.expression for row in rows}),
        overall=_mean([*known, *[0.0] * (units - len(known))]),
        correlation=_mean(known),
        auroc=_mean([row.measured.auroc.value for row in rows]),
        holds=wilson(holding, len(tested)),
        best=sum(row.measured.correlation.value == best.get((row.layer, row.unit)) for row in rows),
        seconds=labelling.seconds,
        note=labelling.note,
    )


def _shown(estimate: Estimate) -> str:
    value, low, high = estimate
    return "" if math.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _mean(numbers: Sequence[float]) -> Estimate:
    known = np.array([x for x in numbers if not math.isnan(x)])
    if not len(known):
        return UNKNOWN
    value = float(known.mean())
    if len(known) < 2:
        return Estimate(value, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, len(known) - 1)) * float(known.std(ddof=1)) / math.sqrt(len(known))
    return Estimate(value, value - half, value + half)
