"""What one hypothesis says of one unit on one split: a row of the table VERDICTS, before the verdict.

`measure` fills in every statistic that the split allows; `as_row` gives the row. A test that cannot be run leaves a
note "not testable: …" and no p-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from conceptx.verification.statistics import (
    NO_TEST,
    UNKNOWN,
    Bools,
    Estimate,
    Ranking,
    auprc,
    auroc,
    correlation,
    mann_whitney,
    smallest_p,
    wilson,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The statistics of a unit, an expression and a split; NaN where there is none."""

    unit: str
    expression: str | None
    split: str | None
    n_target: int | None = None
    n_other: int | None = None
    tla: Estimate = UNKNOWN
    non_tla: Estimate = UNKNOWN
    auroc: Estimate = UNKNOWN
    auprc: Estimate = UNKNOWN
    correlation: Estimate = UNKNOWN
    u: float = math.nan
    z: float = math.nan
    p: float = math.nan
    z_uncorrected: float = math.nan
    p_one_tailed: float = math.nan
    q: float = math.nan
    verdict: str | None = None
    note: str = ""

    def agrees(self, alpha: float) -> bool:
        """Say whether targets are higher here, significantly after correction (q < alpha)."""
        return self.q < alpha and self.correlation.value > 0

    def noted(self, note: str) -> Measured:
        """Return the same with one note more."""
        return replace(self, note=f"{self.note}; {note}" if self.note and note else self.note or note)

    def as_row(self, layer: str) -> dict[str, object]:
        """Return the row of VERDICTS; NaN becomes null."""
        row: dict[str, object] = {"layer": layer}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Estimate):
                ends = zip(("", "_low", "_high"), value, strict=True)
                row |= {name + end: _number(number) for end, number in ends}
            else:
                row[name] = _number(value) if isinstance(value, float) else value
        return row


def measure(
    unit: str, expression: str, split: str, ranking: Ranking, extent: Bools, min_targets: int, tested: bool = True
) -> Measured:
    """Measure a unit's values on a split (`ranking`) against the extent (n,) of an expression there.

    With `tested` False (the split that the hypothesis was learned from) there is no test.
    """
    counted = ranking.tally(extent)
    n1, n0 = counted.n_target, counted.n_other
    active, active_others = counted.above(0.0)
    obstacle = _obstacle(n1, n0, len(counted.values), split, min_targets) if tested else ""
    test = mann_whitney(counted) if tested and not obstacle else NO_TEST
    note = f"not testable: {obstacle}" if obstacle else ""
    if test.method == "pearson3":
        note = f"p allows for the skewness {test.skewness:.2f} that ties at one value give the statistic"
    return Measured(
        unit=unit,
        expression=expression,
        split=split,
        n_target=n1,
        n_other=n0,
        tla=wilson(active, n1),
        non_tla=wilson(active_others, n0),
        auroc=auroc(counted),
        auprc=auprc(counted),
        correlation=correlation(counted),
        u=test.u,
        z=test.z,
        p=test.p,
        z_uncorrected=test.z_uncorrected,
        p_one_tailed=test.p_one_tailed,
        note=note,
    )


def _obstacle(n1: int, n0: int, n_values: int, split: str, min_targets: int) -> str:
    """Say why there can be no test, or nothing."""
    if n1 + n0 == 0:
        return f"{split} has no images"
    if n1 == 0 or n0 == 0:
        there, missing = ("others", "targets") if n1 == 0 else ("targets", "others")
        return f"{split} has no {missing}, all its {n1 + n0} images are {there}"
    for n, what in ((n1, "targets"), (n0, "others")):
        if n < min_targets:
            return (
                f"{split} has {n} {what if n > 1 else what[:-1]} and the protocol wants {min_targets}; with {n} among "
                f"{n1 + n0} images no p below {smallest_p(n1, n0):.2g} could be reached"
            )
    if n_values < 2:
        return f"the unit has the same value on all images of {split}"
    return ""


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
