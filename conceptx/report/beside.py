"""What stands beside the verdicts, from the run's tables and its plan: records for the report.

`Beside` looks rows up by unit; `TABLES` are the tables that a run of this version has, with their schemas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conceptx.errors import InputError
from conceptx.report.checks import (
    Change,
    CounterExample,
    Effects,
    Ensemble,
    EnsembleShares,
    Estimate,
    Interval,
    Plan,
    Stability,
)
from conceptx.report.examples import HELD_OUT, N_AGAINST, Against
from conceptx.report.records import ReportInput
from conceptx.report.text import clean
from conceptx.tables import SPLITS
from conceptx.verification.counterexamples import COUNTEREXAMPLES, SILENT, UNEXPECTED
from conceptx.verification.ensembles import ENSEMBLES
from conceptx.verification.plan import read_plan
from conceptx.verification.sanity import SANITY
from conceptx.verification.stability import STABILITY
from conceptx.verification.supplement import EFFECTS

TABLES = {
    "effects": EFFECTS,
    "stability": STABILITY,
    "sanity": SANITY,
    "counterexamples": COUNTEREXAMPLES,
    "ensembles": ENSEMBLES,
}

_FILLED = {
    "effects": ("split",),
    "stability": ("rank", "wins", "rank_low", "rank_high", "in_set", "set_size", "stability", "n_images"),
    "sanity": ("change", "outcome"),
    "counterexamples": ("unit", "kind", "rank", "image", "value", "level"),
    "ensembles": ("threshold", "units", "single", "split"),
}
N_LISTED = 10
"""So many counter-examples of a kind are part of the report."""

Row = Mapping[str, Any]
_Key = tuple[str, str]

_INTERVALS = ("auroc_bootstrap", "auprc_bootstrap", "correlation_bootstrap", "auroc_bound", "tla_bound")
_NUMBERS = ("base_rate", "smallest_p", "p_permutation", "p_max_t", "r_brightness", "r_partial")
_SHARES = ("tla", "non_tla", "single_tla", "single_non_tla", "drop", "loss")


class Beside:
    """Rows of the tables beside the verdicts, by layer and unit; a table that is missing has none."""

    def __init__(self, inputs: ReportInput) -> None:
        self._rows = {name: _by_unit(inputs.beside[name].to_pylist()) for name in _OF_UNITS if name in inputs.beside}
        self._ensembles = inputs.beside["ensembles"].to_pylist() if "ensembles" in inputs.beside else []

    def effects(self, key: _Key, expression: str | None) -> tuple[Effects, ...]:
        """Return the rows of the judged expression, one a held-out split; the table has those of all others too."""
        return tuple(_effects(row) for row in self._of("effects", key) if row["expression"] == expression)

    def stability(self, key: _Key, expression: str) -> Stability | None:
        """Return the row of one hypothesis."""
        rows = (row for row in self._of("stability", key) if row["expression"] == expression)
        return next(map(_stability, rows), None)

    def sanity(self, key: _Key, expression: str | None) -> tuple[Change, ...]:
        """Return what changes of the judged expression do."""
        return tuple(_change(row) for row in self._of("sanity", key) if row["expression"] == expression)

    def counterexamples(self, key: _Key, expression: str | None) -> tuple[CounterExample, ...]:
        """Return the first images of each kind that speak against the judged expression; the table has more."""
        rows = (row for row in self._of("counterexamples", key) if row["expression"] == expression)
        return tuple(_against(row) for row in rows if row["rank"] <= N_LISTED)

    def against(self, key: _Key, expression: str | None) -> Against | None:
        """Return the images to show against the judged expression, the held-out ones first; None without the table."""
        if "counterexamples" not in self._rows:
            return None
        rows = [row for row in self._of("counterexamples", key) if row["expression"] == expression]
        rows.sort(key=lambda row: (row["split"] not in HELD_OUT, row["rank"]))
        silent, unexpected = ([row["image"] for row in rows if row["kind"] == kind] for kind in (SILENT, UNEXPECTED))
        return silent[:N_AGAINST], unexpected[:N_AGAINST]

    def ensembles(self, layer: str, words_of: Callable[[str], str]) -> tuple[Ensemble, ...]:
        """Return the units of a layer that answer together, in the order of the table."""
        found: dict[tuple[str, float], list[Row]] = defaultdict(list)
        for row in self._ensembles:
            if row["layer"] == layer:
                found[row["expression"], row["threshold"]].append(row)
        return tuple(_ensemble(rows, words_of) for rows in found.values())

    def _of(self, name: str, key: _Key) -> Sequence[Row]:
        return self._rows.get(name, {}).get(key, ())


def unusable(name: str, table: pa.Table) -> str:
    """Return why a table that was read cannot be shown, or nothing: empty cells, numbers that are none, odd splits."""
    for column in ("layer", "expression", *_FILLED[name]):
        if table[column].null_count:
            return f"the column {column!r} has empty cells"
    for column in table.column_names:
        if not pa.types.is_floating(table.schema.field(column).type):
            continue
        if not pc.all(pc.is_finite(table[column]), min_count=0).as_py():
            return f"the column {column!r} has values that are no numbers"
    if "split" in table.column_names and not set(table["split"].unique().to_pylist()) <= {*SPLITS, None}:
        return "the column 'split' names splits that there are not"
    return ""


_OF_UNITS = ("effects", "stability", "sanity", "counterexamples")


def registered(inputs: ReportInput) -> Plan | None:
    """Return the plan of the run beside what the verification says of it, or None where there is no plan."""
    plan, said = inputs.plan, inputs.verification.get("plan")
    shown: Row = said if isinstance(said, Mapping) else {}
    if not plan:
        return None
    try:
        read_plan(plan, "plan.json")
        intact = True
    except InputError:
        intact = False
    digest = clean(str(plan.get("digest")))
    matched = shown.get("matched")
    splits = _mapping(plan.get("splits"))
    parts = {f"images of {name}": facts.get("digest") for name, facts in splits.items() if isinstance(facts, Mapping)}
    parts |= {"hypotheses": _mapping(plan.get("hypotheses")).get("digest")}
    parts |= {name: plan.get(name) for name in ("annotations", "activations")}
    return Plan(
        digest=digest,
        intact=intact,
        before=inputs.plan_was_read,
        matched=None if not isinstance(matched, bool) else matched and shown.get("digest") == digest,
        differs=tuple(clean(str(text)) for text in shown.get("differs") or ()),
        planned=_counts(shown.get("planned") or plan.get("tests")),
        tested=_counts(shown.get("tested")),
        images={clean(str(n)): f["images"] for n, f in splits.items() if isinstance(f, Mapping) and "images" in f},
        parts={clean(name): clean(str(value)) for name, value in parts.items() if value},
    )


def _mapping(value: object) -> Row:
    return value if isinstance(value, Mapping) else {}


def _counts(value: object) -> dict[str, int]:
    return {clean(str(name)): int(n) for name, n in _mapping(value).items() if isinstance(n, int)}


def _effects(row: Row) -> Effects:
    estimates = {name: estimate(row, name) for name in ("cliffs_delta", "f1", "iou")}
    intervals = {name: Interval(row[f"{name}_low"], row[f"{name}_high"]) for name in _INTERVALS}
    numbers = {name: row[name] for name in _NUMBERS}
    found: dict[str, Any] = estimates | intervals | numbers
    return Effects(split=row["split"], n_either=row["n_either"], **found)


def _stability(row: Row) -> Stability:
    plain = ("rank", "wins", "rank_low", "rank_high", "in_set", "set_size", "stability", "n_images")
    return Stability(correlation=estimate(row, "correlation"), **{name: row[name] for name in plain})


def _change(row: Row) -> Change:
    text = {name: None if row[name] is None else clean(row[name]) for name in ("part", "variant")}
    return Change(
        change=clean(row["change"]),
        **text,
        n_target=row["n_target"],
        correlation=row["correlation"],
        fall=estimate(row, "fall"),
        outcome=clean(row["outcome"]),
    )


def _against(row: Row) -> CounterExample:
    return CounterExample(
        kind=clean(row["kind"]),
        rank=row["rank"],
        image=clean(row["image"]),
        split=row["split"],
        value=float(f"{row['value']:.6g}"),
        level=round(row["level"], 4),
        word=None if row["word"] is None else clean(row["word"]),
    )


def _ensemble(rows: Sequence[Row], words_of: Callable[[str], str]) -> Ensemble:
    first = rows[0]
    shares = tuple(
        EnsembleShares(row["split"], row["n_target"], row["n_other"], **{name: estimate(row, name) for name in _SHARES})
        for row in rows
    )
    return Ensemble(
        expression=clean(first["expression"]),
        words=words_of(first["expression"]),
        threshold=first["threshold"],
        units=tuple(map(clean, first["units"])),
        single=clean(first["single"]),
        shares=shares,
    )


def estimate(row: Row, name: str) -> Estimate:
    """Return a statistic of a table's row with its interval."""
    return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _by_unit(rows: Sequence[Row]) -> dict[_Key, list[Row]]:
    found: dict[_Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["layer"], row["unit"]].append(row)
    return dict(found)
