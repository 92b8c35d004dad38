"""What a verification gives: three tables and a summary.

`Verification.verdicts`, `.margins` and `.controls` are the artefact tables; `.summary` counts and says the noise floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from conceptx.verification.controls import Floor
from conceptx.verification.protocol import Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """The one verdict of a unit, and the expression that it is about (None if there is none).

    `above_floor` is the correlation on verification minus the noise floor there; NaN where one of the two is missing.
    """

    layer: str
    unit: str
    verdict: str
    expression: str | None
    note: str
    above_floor: float = math.nan


@dataclass(frozen=True, slots=True)
class Summary:
    """A verification in numbers.

    `counts` are units per verdict; `floors` has the floor of each kind of control, `floor` that over all kinds that
    the protocol names; `control_counts` are the verdicts of the controls under the same rule; `n_tests` counts the
    p-values that q corrects for, per split; `n_searched` the expressions that the search looked at;
    `other_labels_pass` is the share of pairs (unit, another unit's hypothesis) that would pass as well.
    """

    protocol: str
    units: tuple[UnitVerdict, ...]
    counts: Mapping[str, int]
    floor: Floor
    floors: Mapping[str, Floor]
    control_counts: Mapping[str, Mapping[str, int]]
    n_tests: Mapping[str, int]
    n_searched: int | None = None
    other_labels_pass: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Return plain data for `report.json`."""
        return {
            "protocol": self.protocol,
            "units": [{f.name: getattr(unit, f.name) for f in fields(unit)} for unit in self.units],
            "counts": dict(self.counts),
            "floor": _floor_data(self.floor),
            "floors": {kind: _floor_data(floor) for kind, floor in self.floors.items()},
            "control_counts": {kind: dict(counts) for kind, counts in self.control_counts.items()},
            "n_tests": dict(self.n_tests),
            "n_searched": self.n_searched,
            "other_labels_pass": self.other_labels_pass,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What the stage gives: the tables VERDICTS, MARGINS and CONTROLS, and the summary.

    In `verdicts` the rows with a verdict are those of the hypothesis that was judged, one a unit in a run; a unit
    without hypotheses has one row without an expression. `warnings` say what of the labels was not used.
    """

    protocol: Protocol
    verdicts: pa.Table
    margins: pa.Table
    controls: pa.Table
    summary: Summary = field(repr=False)
    warnings: tuple[str, ...] = ()


def _floor_data(floor: Floor) -> dict[str, object]:
    return {f.name: getattr(floor, f.name) for f in fields(floor)}
