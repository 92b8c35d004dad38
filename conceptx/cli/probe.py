"""The command `probe`: what a layer as a whole knows of classes, and how it uses that."""

from __future__ import annotations

from pathlib import Path

import click

from conceptx.cli.options import print_json, progress_for, shared


@click.command(short_help="Ask what the layers of a run know of classes (CAV, CAR).")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--class", "classes", multiple=True, help="A class; repeatable.  [default: all with enough images]")
@click.option(
    "--method", default="pattern", show_default=True, help="pattern, ridge, logistic or svm (directions), or region."
)
@click.option("--layer", help="One of the run's layers.  [default: all]")
@click.option(
    "--permutations", type=click.IntRange(19), default=199, show_default=True, help="How often labels are permuted."
)
@click.option("--sensitivity", is_flag=True, help="Also how the outputs depend on each --class (needs the model).")
@shared
def probe(
    run: Path,
    classes: tuple[str, ...],
    method: str,
    layer: str | None,
    permutations: int,
    sensitivity: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Probe the layers of RUN for classes: directions (CAV) or regions (CAR), tested against permuted labels.

    Learned on the induction images, measured on the others: images that show the class against images that show a class
    beside it in the hierarchy, or against all others where these are too few.
    """
    from conceptx.probing import probe_run
    from conceptx.run import Run

    found = probe_run(
        Run.open(run),
        classes,
        method=method,
        layer=layer,
        permutations=permutations,
        sensitivity=sensitivity,
        progress=progress_for(quiet or as_json),
    )
    if as_json:
        print_json(found.to_dict())
        return
    if quiet:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, title=f"Probes ({method}), on held-out images")
    for name in ("layer", "class", "against", "accuracy", "base", "AUROC", "control", "p", "q"):
        table.add_column(name, justify="left" if name in ("layer", "class", "against") else "right")
    for p in sorted(found.probes, key=lambda p: -p.selectivity if p.selectivity == p.selectivity else 9):
        numbers = (p.accuracy.value, p.base_rate, p.auroc.value, p.control)
        shown = ["" if value != value else f"{value:.2f}" for value in numbers]
        tests = ["" if value != value else f"{value:.3f}" for value in (p.p, p.q)]
        table.add_row(Text(p.layer), Text(p.concept), p.against, *shown, *tests)
    console.print(table)
    for p in found.probes:
        if p.note:
            console.print(f"{p.layer}, {p.concept}: {p.note}", markup=False)
    for s in found.sensitivities:
        line = f"{s.layer}, {s.concept}: output {s.output} changes by {s.slope:+.3f} a step"
        console.print(f"{line} (p {s.p:.3f}, q {s.q:.3f}), rises on {s.share:.0%} of {s.n} images", markup=False)
