"""What a person reads on the terminal at the end: verdicts, noise floor, the best explanations, where the report is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from conceptx.cli.options import counted

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from conceptx.run import Run
    from conceptx.verification.results import Verification

_COLOURS = {"confirmed": "green", "weak": "yellow", "rejected": "red", "unexplained": "bright_black"}
_BEST = 5

Row = Mapping[str, Any]


def print_summary(run: Run) -> None:
    """Print how a run ended."""
    from rich.console import Console

    console = Console(highlight=False)
    summary = run.summary
    console.print(_counts(summary["counts"]))
    floor = summary["floor"]
    if floor["n"]:
        console.print(
            f"Noise floor: {floor['n']} control units with nothing to explain reach a correlation of "
            f"{_number(floor['search'])} in the search and {_number(floor['verification'])} on verification images "
            "(95 % of them stay at or below it)."
        )
    if summary["n_searched"]:
        console.print(f"Hypotheses tried: {summary['n_searched']:,}")
    if run.has("truth"):
        console.print(_truth(run.read_json("planted.json")))
    print_parity(run)
    rows = run.verdicts.to_pylist()
    best = _confirmed(rows)
    if best:
        console.print(_best_table(best[:_BEST], several_layers=len({row["layer"] for row in rows}) > 1))
    for warning in run.warnings:
        console.print(f"note: {warning}", markup=False)
    console.print(f"Report: {run.report_path}", markup=False, soft_wrap=True)


def print_verdicts(result: Verification) -> None:
    """Print a verification without a run: a hypothesis, and a line for each split below it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"Protocol {result.protocol.name}: {_counts(result.summary.counts).plain}")
    floor = result.summary.floor
    if floor.n:
        console.print(
            f"Noise floor: {floor.n} control units with nothing to explain reach a correlation of "
            f"{_number(floor.verification)} on verification images (95 % of them stay at or below it)."
        )
    rows = result.verdicts.to_pylist()
    for (unit, expression), of_unit in groupby(rows, key=lambda row: (row["unit"], row["expression"])):
        group = list(of_unit)
        console.print(Text(f"\nunit {unit}: {expression or 'no hypothesis'}", style="bold"))
        table = Table(box=None, pad_edge=False)
        for name in ("split", "targets", "TLA", "non-TLA", "AUROC", "corr.", "z", "q", "verdict"):
            table.add_column(name, justify="left" if name in ("split", "verdict") else "right", no_wrap=True)
        for row in group:
            verdict = row["verdict"] or ""
            table.add_row(
                row["split"] or "",
                "" if row["n_target"] is None else f"{row['n_target']}/{row['n_target'] + row['n_other']}",
                *("" if row[name] is None else f"{row[name]:.0%}" for name in ("tla", "non_tla")),
                *(_number(row[name]) for name in ("auroc", "correlation", "z")),
                "" if row["q"] is None else f"{row['q']:.0e}",
                Text(verdict, style=_COLOURS.get(verdict, "")),
            )
        console.print(table)
        for note in dict.fromkeys(row["note"] for row in group if row["note"]):
            console.print(f"  {note}", markup=False)
    for warning in result.warnings:
        console.print(f"\nnote: {warning}", markup=False)


def print_parity(run: Run) -> None:
    """Print how far the values that a run computed in reduced precision are from full precision, layer by layer."""
    if run.request.autocast is None:
        return
    from rich.console import Console

    from conceptx.activations.store import read_facts, store_name
    from conceptx.inputs import recorded_layers

    console = Console(highlight=False)
    for layer in recorded_layers(run):
        parity = read_facts(run.path / "activations" / f"{store_name(layer)}.json")["meta"].get("parity")
        if parity is not None:
            console.print(
                f"{layer}: values of the first images in {run.request.autocast} differ from full precision by "
                f"{parity['absolute']:.2g} at most, {parity['relative']:.2%} of the largest.",
                markup=False,
            )


def _counts(counts: Mapping[str, int]) -> Text:
    """Return the units per verdict, the best verdict first."""
    from rich.text import Text

    parts = [Text(f"{counted(sum(counts.values()), 'unit')}: ", style="bold")]
    for i, (verdict, colour) in enumerate(_COLOURS.items()):
        parts += [Text(", " if i else ""), Text(f"{counts[verdict]} {verdict}", style=colour)]
    return Text.assemble(*parts)


def _truth(truth: Mapping[str, Any]) -> str:
    """Say what became of the planted units."""
    found = "; ".join(
        f"{row['same_extent']} of {row['units']} at signal-to-noise {row['strength']:g}" for row in truth["strengths"]
    )
    noise = truth["noise"]
    return (
        f"Ground truth: planted expressions recovered exactly: {found}. "
        f"Of {noise['units']} units of pure noise {noise['confirmed']} were confirmed."
    )


def _confirmed(rows: Sequence[Row]) -> list[Row]:
    """Return the confirmed verification rows, the strongest correlation first."""
    found = [row for row in rows if row["verdict"] == "confirmed" and row["split"] == "verification"]
    return sorted(found, key=lambda row: (-row["correlation"], row["layer"], row["unit"]))


def _best_table(rows: Sequence[Row], several_layers: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Best explanations, on the verification images")
    if several_layers:
        table.add_column("layer", overflow="fold")
    table.add_column("unit", justify="right")
    table.add_column("expression", overflow="fold")
    for row in rows:
        low, high = _number(row["correlation_low"]), _number(row["correlation_high"])
        figures = (
            f"correlation {_number(row['correlation'])} ({low} to {high}), AUROC {_number(row['auroc'])}, "
            f"{row['n_target']} of {row['n_target'] + row['n_other']} images"
        )
        layer = (Text(row["layer"]),) if several_layers else ()
        table.add_row(*layer, Text(row["unit"]), Text.assemble(row["expression"], "\n", (figures, "dim")))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
