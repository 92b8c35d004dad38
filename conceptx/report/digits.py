"""The figures of a run with ten significant digits, for the pages, the JSON and the RDF of a report.

An audit compares eight. The run's tables keep all digits, and so do the report's CSV files but for what stands beside
the verdicts. Most of a report for programs are figures, and thousands of units have many.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from conceptx.report.records import ReportInput

DIGITS = 10


def with_ten_digits(inputs: ReportInput) -> ReportInput:
    """Return the same input with shortened figures in its tables of results."""
    names = ("hypotheses", "verdicts", "controls", "margins")
    tables = {name: shortened(getattr(inputs, name)) for name in names}
    beside = {name: shortened(table) for name, table in inputs.beside.items()}
    return replace(inputs, beside=beside, **tables)


def shortened(table: pa.Table) -> pa.Table:
    """Return a table whose columns of doubles are rounded to ten significant digits."""
    for i, field in enumerate(table.schema):
        if pa.types.is_float64(field.type):
            figures = (None if v is None else float(f"{v:.{DIGITS}g}") for v in table.column(i).to_pylist())
            table = table.set_column(i, field, pa.array(figures, field.type))
    return table
