"""Commands over image sets: what is in one, and what is wrong with it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conceptx.cli.options import print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.images.check import ImageCheck

_SHOWN = 20
_FEW = 10
_BAR = 40
_BEFORE = 62
"""Columns that stand before a bar."""


@click.group()
def images() -> None:
    """Look into labelled image sets."""


@images.command()
@click.argument("spec", metavar="KIND:PATH")
@click.option("--out", type=click.Path(path_type=Path), help="Draw the histogram of the labels into this .svg file.")
@click.option(
    "--max-bad", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="The share of bad images."
)
@shared
def check(spec: str, out: Path | None, max_bad: float, as_json: bool, quiet: bool) -> int:
    """Say what would be read from an image set, and what is wrong with it.

    The kind may be left out where the files tell it. Exit code 0: a run on this set could go on. 2: more pictures than
    --max-bad are missing or broken, or the annotations are wrong.
    """
    from conceptx.errors import InputError
    from conceptx.files import write_text
    from conceptx.images.check import check_images
    from conceptx.images.formats import FORMATS, open_images
    from conceptx.images.formats.guess import guess_kind
    from conceptx.images.histogram import label_histogram

    if out is not None and out.suffix != ".svg":
        raise InputError("request", f"--out is {str(out)!r}", "name a file that ends in .svg")
    kind, colon, _ = spec.partition(":")
    if not colon or (kind not in FORMATS and Path(spec).exists()):
        kind = guess_kind(Path(spec))
        spec = f"{kind}:{spec}"
    progress = progress_for(quiet or as_json)
    found = check_images(open_images(spec, progress), progress)
    if out is not None:
        write_text(out, label_histogram(found.name, found.labels))
    if as_json:
        picture = None if out is None else str(out)
        print_json({"kind": kind, **found.to_dict(), "bad_share": found.bad_share, "picture": picture})
    elif not quiet:
        _print(kind, found)
        if out is not None:
            click.echo(f"drawn: {out}")
    if found.bad_share > max_bad:
        bad = len(found.missing) + len(found.unreadable)
        what = f"{bad:,} of {found.images:,} pictures are missing or broken"
        click.echo(f"error: {InputError(found.name, what, 'mend or remove them, or raise --max-bad')}", err=True)
        return 2
    return 0


def _print(kind: str, found: ImageCheck) -> None:
    click.echo(f"{found.name}: {found.images:,} images and {found.objects:,} objects, read as {kind}")
    most = max((label.objects for label in found.labels), default=1)
    longest = min(_BAR, max(shutil.get_terminal_size((_BEFORE + _BAR, 24)).columns - _BEFORE, 1))
    for label in found.labels[:_SHOWN]:
        bar = "█" * max(round(longest * label.objects / most), 1)
        click.echo(f"{_plain(label.label, 30):30}  {label.objects:9,d} in {label.images:8,d} images  {bar}")
    if len(found.labels) > _SHOWN:
        click.echo(f"… and {len(found.labels) - _SHOWN:,} more labels (all with --json)")
    _print_counts("categories", found.categories)
    _print_counts("attributes", found.attributes)
    _print_counts("relations", found.relations)
    _print_counts("splits", found.splits)
    for note in found.notes[:_FEW]:
        click.echo(f"note: {_plain(note, 500)}")
    if len(found.notes) > _FEW:
        click.echo(f"… and {len(found.notes) - _FEW:,} more notes (all with --json)")
    _print_list("images whose picture is missing", found.missing)
    _print_list("images whose picture is broken", [bad.reason for bad in found.unreadable])
    _print_list("images without any annotation", found.unannotated)
    _print_list("groups of near-duplicates", [", ".join(group) for group in found.duplicates])
    if len(found.splits) > 1:
        _print_list("groups of near-duplicates lie in several splits", [", ".join(group) for group in found.leaks])
        if not found.leaks:
            click.echo("The splits do not leak.")


def _print_counts(what: str, counts: Mapping[str, int]) -> None:
    if counts:
        shown = ", ".join(f"{_plain(name, 40)} {count:,}" for name, count in list(counts.items())[:_FEW])
        click.echo(f"{what}: {shown}" + (f" and {len(counts) - _FEW:,} more" if len(counts) > _FEW else ""))


def _print_list(what: str, items: Sequence[str]) -> None:
    if not items:
        return
    click.echo(f"{len(items):,} {what}:")
    for item in items[:_FEW]:
        click.echo(f"    {_plain(item, 200)}")
    if len(items) > _FEW:
        click.echo("    … (all with --json)")


def _plain(text: str, longest: int) -> str:
    """Return a text for a terminal: on one line, without control characters, cut to a length."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
