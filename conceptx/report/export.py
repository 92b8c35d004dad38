"""The report's tables as CSV for spreadsheets and scripts.

Cells of text that a spreadsheet would take for a formula get a leading apostrophe; numbers are left as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from conceptx.report.checks import Estimate
from conceptx.report.records import Evidence, ReportInput, Statistics
from conceptx.report.text import clean

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

MOST_ROWS = 50_000
"""A table beside the verdicts that is longer is no table for a spreadsheet: the run folder has it as Parquet."""

_UNIT_COLUMNS = (
    "layer",
    "unit",
    "verdict",
    "expression",
    "in_words",
    "score",
    "controls_below",
    "split",
    "n_target",
    "n_other",
    "tla",
    "non_tla",
    "auroc",
    "auprc",
    "correlation",
    "p",
    "q",
    "n_hypotheses",
    "n_twins",
    "note",
)
_MAPPING_FIELDS = (
    "label",
    "class_name",
    "predicate",
    "confidence",
    "justification",
    "author",
    "comment",
    "alternatives",
    "objects",
    "doubtful",
)


def csv_files(evidence: Evidence, inputs: ReportInput) -> dict[str, str]:
    """Return the content of every CSV file by its name."""
    beside = {f"{name}.csv": _table(table) for name, table in inputs.beside.items() if table.num_rows <= MOST_ROWS}
    return beside | {
        "units.csv": to_csv(_UNIT_COLUMNS, _unit_rows(evidence, inputs)),
        "verdicts.csv": _table(inputs.verdicts),
        "hypotheses.csv": _table(inputs.hypotheses),
        "controls.csv": _table(inputs.controls),
        "margins.csv": _table(inputs.margins),
        "mapping.csv": to_csv(
            ("class" if name == "class_name" else name for name in _MAPPING_FIELDS),
            ([getattr(row, name) for name in _MAPPING_FIELDS] for row in evidence.quality.mapping),
        ),
    }


def to_csv(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a CSV table with a header; None is an empty cell, a list is joined by `` | ``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = " | ".join(map(str, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A spreadsheet also skips blanks before it decides what a cell is.
        return "'" + value if value.lstrip(" ").startswith(_FORMULA_STARTS) else value.replace("\x00", "�")
    return value


def _table(table: pa.Table) -> str:
    columns = [table[name].to_pylist() for name in table.column_names]
    return to_csv(table.column_names, zip(*columns, strict=True))


def _unit_rows(evidence: Evidence, inputs: ReportInput) -> Iterable[list[Any]]:
    known: dict[tuple[str, str], set[str]] = {}
    for table in (inputs.hypotheses, inputs.verdicts):
        columns = (table[name].to_pylist() for name in ("layer", "unit", "expression"))
        for layer, unit, expression in zip(*columns, strict=True):
            if expression is not None:
                known.setdefault((clean(layer), clean(unit)), set()).add(expression)
    place = {layer.layer: i for i, layer in enumerate(evidence.layers)}
    for unit in sorted(evidence.units, key=lambda u: (place[u.layer], u.index)):
        last = unit.statistics[-1] if unit.statistics else None
        own = {name: getattr(unit, name) for name in ("layer", "unit", "verdict", "expression", "score", "note")}
        own |= {"in_words": unit.words, "controls_below": unit.controls_below}
        own |= {"n_hypotheses": len(known.get((unit.layer, unit.unit), ())), "n_twins": len(unit.twins)}
        yield [own[name] if name in own else _statistic(last, name) for name in _UNIT_COLUMNS]


def _statistic(statistics: Statistics | None, name: str) -> Any:
    """Return one statistic, an estimate without its interval."""
    value = None if statistics is None else getattr(statistics, name)
    return value.value if isinstance(value, Estimate) else value
