"""Commands over banks: pictures that are gathered for each label."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from conceptx.cli.options import print_json, progress_for, shared


@click.group()
def bank() -> None:
    """Gather new pictures for labels, for conceptx verify --bank."""


@bank.command(short_help="Gather pictures for labels over the network.")
@click.argument("labels", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder of the bank.")
@click.option(
    "--source",
    type=click.Choice(["openverse", "commons"]),
    default="openverse",
    show_default=True,
    help="Openverse, or Wikimedia Commons.",
)
@click.option("--number", type=int, default=20, show_default=True, help="Pictures of each label.")
@click.option("--address", help="Another server with the source's interface.")
@click.option("--pause", type=click.FloatRange(0, 60), default=1.0, show_default=True, help="Seconds between requests.")
@shared
def fetch(
    labels: tuple[str, ...],
    out: Path,
    source: str,
    number: int,
    address: str | None,
    pause: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Gather pictures for LABELS over the network; "bed + lamp" asks for pictures that show both.

    Authors and licences are kept in sources.csv in the folder. The pictures stay their authors' own: read the licences
    before you pass them on.
    """
    from conceptx.errors import InputError
    from conceptx.verification.gathering import gather

    if out.is_file():
        raise InputError(str(out), "this is a file", "name a folder for the bank")
    progress = progress_for(quiet or as_json)
    found = gather(labels, out, source=source, number=number, address=address, pause=pause, progress=progress)
    if as_json:
        print_json(
            {
                "out": str(out),
                "pictures": [asdict(credit) for credit in found.credits],
                "passed_over": found.passed_over,
                "missing": found.missing,
            }
        )
    elif not quiet:
        click.echo(f"{len(found.credits)} pictures in {out}; authors and licences are in {out / 'sources.csv'}")
        for reason, n in sorted(found.passed_over.items()):
            click.echo(f"passed over: {n} × {reason}")
        for label in found.missing:
            click.echo(f"{label}: the source has no more pictures")
