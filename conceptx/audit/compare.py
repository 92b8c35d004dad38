"""Two runs beside each other: what was asked differently, unit by unit, and concept by concept.

Units of one network are compared by name. Units of different networks, layers or seeds have no common names: each is
then compared with the unit of the other run whose values over the common images correlate most with its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.artefacts import layers_of
from conceptx.audit.findings import MISSHAPEN
from conceptx.errors import ConceptxError, InputError
from conceptx.expressions import names, parse
from conceptx.run import Run

if TYPE_CHECKING:
    from conceptx.activations.store import Activations

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Side:
    """One unit in one run: its verdict, the expression that this is about, its correlation on verification."""

    layer: str
    unit: str
    verdict: str
    expression: str | None
    correlation: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A unit of the first run and the one of the second that it is compared with.

    `similarity` is the correlation of their values over the common images; `change` says in a word what differs.
    """

    first: Side
    second: Side | None
    similarity: float | None
    change: str


@dataclass(frozen=True, slots=True)
class Concept:
    """A class that confirmed expressions name: how many units of each run stand for it."""

    name: str
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two runs. `settings` has the values of the request and the packages that are not equal."""

    first: str
    second: str
    settings: Mapping[str, tuple[object, object]]
    counts: tuple[Mapping[str, int], Mapping[str, int]]
    floors: tuple[float | None, float | None]
    common_images: int
    paired_by: str
    pairs: Sequence[Pair]
    concepts: Sequence[Concept]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare two runs whose verification has ended well."""
    try:
        return _compared(first, second)
    except ConceptxError:
        raise
    except MISSHAPEN as error:
        what = f"one of them has files of another shape than this version writes ({type(error).__name__}: {error})"
        raise InputError(f"{first} and {second}", what, "see which with conceptx audit") from error


def _compared(first: Path, second: Path) -> Comparison:
    runs = [Run.open(path) for path in (first, second)]
    for run in runs:
        if not run.has("verify"):
            raise InputError(str(run.path), "the run has no verdicts yet", f"run conceptx explain {run.path}/run.toml")
    sides = [_sides(run) for run in runs]
    layers = [layers_of(run) for run in runs]
    weights = [run.manifest.get("inputs", {}).get("weights") for run in runs]
    same_network = runs[0].digest_of("extract") == runs[1].digest_of("extract") or (
        weights[0] is not None
        and weights[0] == weights[1]
        and [layer.layer for layer in layers[0]] == [layer.layer for layer in layers[1]]
    )
    common, nearest = _nearest(*layers)
    by_name = same_network and set(sides[0]) == set(sides[1])
    pairs = [_pair(side, sides[1], (key, None) if by_name else nearest.get(key)) for key, side in sides[0].items()]
    summaries = [run.summary for run in runs]
    return Comparison(
        first=str(first),
        second=str(second),
        settings=_settings(*runs),
        counts=(summaries[0]["counts"], summaries[1]["counts"]),
        floors=(summaries[0]["floor"]["verification"], summaries[1]["floor"]["verification"]),
        common_images=common,
        paired_by="name" if by_name else "values",
        pairs=pairs,
        concepts=_concepts(*sides),
    )


def _sides(run: Run) -> dict[Key, Side]:
    found: dict[Key, Side] = {}
    judged = {
        (row["layer"], row["unit"]): row["correlation"]
        for row in run.verdicts.to_pylist()
        if row["verdict"] and row["split"] == "verification"
    }
    for unit in run.summary["units"]:
        key = (unit["layer"], unit["unit"])
        found[key] = Side(*key, unit["verdict"], unit["expression"], judged.get(key))
    return found


def _pair(side: Side, others: Mapping[Key, Side], match: tuple[Key, float | None] | None) -> Pair:
    if match is None or match[0] not in others:
        return Pair(side, None, None, "no counterpart")
    other = others[match[0]]
    if side.expression == other.expression and side.verdict == other.verdict:
        change = "same"
    elif side.expression == other.expression:
        change = "other verdict"
    elif (
        side.expression
        and other.expression
        and set(names(parse(side.expression))) & set(names(parse(other.expression)))
    ):
        change = "other expression, common classes"
    else:
        change = "other expression"
    return Pair(side, other, match[1], change)


def _nearest(
    first: Sequence[Activations], second: Sequence[Activations]
) -> tuple[int, dict[Key, tuple[Key, float | None]]]:
    """Return how many images both runs have, and for each unit of the first the most similar one of the second."""
    known = set(second[0].images)
    common = [image for image in first[0].images if image in known]
    if len(common) < 3:
        return len(common), {}
    (own, one), (others, two) = (_standardised(layers, common) for layers in (first, second))
    similar = one @ two.T / len(common)
    return len(common), {
        key: (others[int(best)], float(row[best]))
        for key, row, best in zip(own, similar, similar.argmax(1), strict=True)
    }


def _standardised(layers: Sequence[Activations], images: Sequence[str]) -> tuple[list[Key], npt.NDArray[np.float64]]:
    """Return the units and their values (units, images) with mean 0 and variance 1; a constant unit's are 0."""
    keys = [(layer.layer, unit) for layer in layers for unit in layer.units]
    values = np.concatenate([np.asarray(layer.for_images(images).values, dtype=np.float64) for layer in layers])
    values -= values.mean(axis=1, keepdims=True)
    spread = values.std(axis=1, keepdims=True)
    return keys, np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)


def _settings(first: Run, second: Run) -> dict[str, tuple[object, object]]:
    asked = [asdict(run.request) for run in (first, second)]
    made = [
        {**run.manifest.get("packages", {}), "conceptx": run.manifest.get("conceptx"), **run.manifest.get("inputs", {})}
        for run in (first, second)
    ]
    found = {name: (asked[0][name], asked[1][name]) for name in asked[0] if asked[0][name] != asked[1][name]}
    for name in sorted(made[0].keys() | made[1].keys()):
        pair = (made[0].get(name), made[1].get(name))
        if pair[0] != pair[1]:
            found[f"digest of {name}" if name in first.manifest.get("inputs", {}) else name] = pair
    return found


def _concepts(first: Mapping[Key, Side], second: Mapping[Key, Side]) -> list[Concept]:
    counts = [
        Counter(
            name
            for side in sides.values()
            if side.verdict == "confirmed" and side.expression
            for name in names(parse(side.expression))
        )
        for sides in (first, second)
    ]
    everything = sorted(counts[0].keys() | counts[1].keys(), key=lambda n: (-counts[0][n] - counts[1][n], n))
    return [Concept(name, counts[0][name], counts[1][name]) for name in everything]
