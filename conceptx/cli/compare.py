"""The command `compare`: the run's explanations beside those of other methods, on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conceptx.cli.options import print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.comparison import Comparison


@click.command(short_help="Put other methods' labels beside those of a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="One of these six; repeatable.  [default: the first four]",
)
@click.option(
    "--labels",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A table of labels that another tool wrote (CLIP-Dissect, MILAN, …); repeatable.",
)
@click.option("--clip", type=click.Path(path_type=Path), help="The folder of a CLIP model, for CLIP-Dissect.")
@click.option(
    "--clip-function",
    "functions",
    multiple=True,
    help="soft-wpmi, wpmi, cosine, rank-reorder; repeatable.  [default: soft-wpmi]",
)
@click.option(
    "--llm", metavar="URL", help="An endpoint that speaks OpenAI's protocol, such as http://localhost:8000/v1."
)
@click.option("--llm-model", default="gpt-4", show_default=True, help="The model to ask for at --llm.")
@click.option("--llm-key", default="", metavar="VARIABLE", help="The environment variable that holds its key.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the table of all labels as CSV.")
@shared
def compare(
    run: Path,
    methods: tuple[str, ...],
    files: tuple[Path, ...],
    clip: Path | None,
    functions: tuple[str, ...],
    llm: str | None,
    llm_model: str,
    llm_key: str,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put other methods' labels beside those of RUN, all measured on its verification images.

    own: what the run proposed. single: the best single class. published: concept induction as published. invert:
    INVERT. ecii: ECII's candidates. netdissect: Network Dissection (needs maps, and boxes or masks). Nothing is sent
    anywhere unless --llm names an address.
    """
    from conceptx.artefacts import comparison_material
    from conceptx.comparison.llm import Endpoint
    from conceptx.comparison.of_run import METHODS, Wanted
    from conceptx.comparison.of_run import compare as compare_all
    from conceptx.errors import InputError
    from conceptx.files import write_text
    from conceptx.report.export import to_csv
    from conceptx.run import Run

    for option, said, needed, whole in (
        ("--clip-function", functions, "--clip FOLDER", clip),
        ("--llm-key", llm_key, "--llm URL", llm),
    ):
        if said and whole is None:
            raise InputError(option, "there is no model that it could be for", f"add {needed}")
    if out is not None and out.is_dir():
        raise InputError(str(out), "this is a folder", "name the file to write, such as labels.csv")
    wanted = Wanted(
        methods=methods or METHODS,
        files=files,
        clip=clip,
        clip_functions=functions or ("soft-wpmi",),
        llm=None if llm is None else Endpoint(llm, llm_model, llm_key),
    )
    result = compare_all(comparison_material(Run.open(run)), wanted, progress_for(quiet or as_json))
    if out is not None:
        rows = [row.to_dict() for row in result.rows]
        columns = list(rows[0]) if rows else ["method"]
        write_text(out, to_csv(columns, ([row[name] for name in columns] for row in rows)))
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)


def _print(result: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def estimate(value: float, low: float, high: float) -> str:
        if value != value:
            return ""
        return f"{value:.2f}" + (f"\n±{(high - low) / 2:.2f}" if low == low else "")

    console = Console(highlight=False)
    table = Table(
        box=None, pad_edge=False, title=f"{result.units} units, {result.images} verification images that no method saw"
    )
    table.add_column("method", min_width=18)
    for name in ("units", "labels", "over all", "corr.", "AUROC", "holds", "best", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for m in result.methods:
        table.add_row(
            Text(m.method),
            str(m.covered),
            str(m.distinct),
            estimate(*m.overall),
            estimate(*m.correlation),
            estimate(*m.auroc),
            "" if m.holds.value != m.holds.value else f"{m.holds.value:.0%}\nof {m.testable}",
            str(m.best),
            "" if m.seconds is None else f"{m.seconds:.1f}",
        )
    console.print(table)
    console.print(
        "units: that have a label; labels: different ones; over all: mean correlation, 0 for a unit without a label "
        "that can be tested; corr., AUROC: means over the tested labels, ± is half a 95 % interval; holds: q < 0.05 "
        "within the method, with higher values on targets; best: no method correlates more; s: seconds."
    )
    for m in result.methods:
        if m.note:
            console.print(f"{m.method}: {m.note}", markup=False)
