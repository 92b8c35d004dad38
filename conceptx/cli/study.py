"""The command `study`: a published study's own files, tested again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from conceptx.cli.options import print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.verification.study import Retest

_WIDE = 110
"""Columns that the table needs with all figures beside each other."""


@click.command(short_help="Test a published study's own activations and labels again.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=0, show_default=True, help="Of the control units.")
@shared
def study(folder: Path, seed: int, as_json: bool, quiet: bool) -> None:
    """Test the labels of a published study on its own activations, as published and with correction and controls.

    FOLDER has evaluation/ and verification/ with one CSV a label, neuron_22_54_….csv: one column a unit, then
    Class_names and Filenames.
    """
    from conceptx.verification.study import read_study, retest

    found = retest(read_study(folder), seed=seed, progress=progress_for(quiet or as_json))
    if as_json:
        print_json({"study": str(folder), **found.numbers(), "rows": found.rows()})
    elif not quiet:
        _print(found)


def _print(found: Retest) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    narrow = console.width < _WIDE
    titles = ("unit", "label", "TLA", "TLA", "non-TLA", "z", "p", "published", "z ties", "q", "conceptx")
    table = Table(box=None, pad_edge=False)
    for title in _stacked(titles) if narrow else titles:
        left = title.startswith(("label", "published", "conceptx"))
        justify: Literal["left", "right"] = "left" if left else "right"
        table.add_column(title, justify=justify, overflow="fold", no_wrap=title != "label")
    for row in found.rows():
        shares = (row["tla_evaluation"], row["tla_verification"], row["non_tla_verification"])
        cells = (
            row["unit"],
            row["label"].removeprefix("contains some "),
            *("" if share is None else f"{100 * share:.3f}" for share in shares),
            _number(row["z_uncorrected"]),
            _p(row["p_one_tailed"]),
            row["published"] or "",
            _number(row["z"]),
            _p(row["q"]),
            row["conceptx"] or "",
        )
        table.add_row(*map(Text, _stacked(cells) if narrow else cells))
    console.print(table)
    numbers = found.numbers()
    console.print(
        f"{numbers['published']} of {numbers['hypotheses']} labels are confirmed as published; {numbers['both']} of "
        "these are left by the correction for ties and for all tests, both splits and the noise floor "
        f"({_number(numbers['floor'])})."
    )
    if numbers["other_labels_pass"] is not None:
        console.print(f"Of other units' labels {numbers['other_labels_pass']:.1%} pass the published threshold too.")
    console.print(
        "TLA: of evaluation, then of verification. z and p as published (no correction for ties, one tail; negative z: "
        "targets are higher); z ties: corrected for ties, positive where targets are higher; q: two tails, corrected."
    )


def _stacked(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of a row for a narrow terminal: what belongs together stands in one cell, line below line."""
    unit, label, evaluation, verification, others, z, p, published, ties, q, conceptx = cells
    pairs = ((evaluation, verification), ("", others), (z, ties), (p, q), (published, conceptx))
    return unit, label, *(f"{above}\n{below}" for above, below in pairs)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "<.00001" if value < 0.00001 else f"{value:.5f}"
