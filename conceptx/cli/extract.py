"""The command that records what units do, and lists the layers that a model has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptx.cli.options import print_json, progress_for, shared
from conceptx.cli.requests import RECORD_OPTIONS, SEED, add_options, request_of

if TYPE_CHECKING:
    from conceptx.run import Run

_SHOWN = 10


@click.command(short_help="Record what the units of a layer do on images, or list a model's layers.")
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--list-layers", is_flag=True, help="List every layer of --model, with shapes and units, and stop.")
@add_options(*RECORD_OPTIONS, SEED)
@click.option("--out", type=click.Path(path_type=Path), help="The folder of a new run, in place of RUN.")
@shared
def extract(run: Path | None, list_layers: bool, out: Path | None, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Record what the units of a layer do on images; or list a model's layers.

    The network of RUN runs over its images, and a value of every unit for every image is stored; flags take the place
    of what RUN says. A new run needs --model, --layer, --images and --out; conceptx explain OUT/run.toml goes on with
    it. With --list-layers no run is needed, and random weights are enough.
    """
    from conceptx.errors import InputError
    from conceptx.run import Run

    if list_layers:
        if flags["model"] is None:
            raise InputError("request", "no model is given", "add --model NAME")
        from conceptx.activations.preprocess import Preprocess
        from conceptx.cli.models import show_layers

        said = None if flags["preprocess"] is None else Preprocess.from_text(flags["preprocess"])
        show_layers(flags["model"], flags["weights"] or "none", said, as_json=as_json)
        return
    folder = run or out
    if folder is None or (run is not None and out is not None):
        what = "no run is given" if folder is None else "a run and --out are given"
        raise InputError("request", what, "give the folder of a run, or --out FOLDER, or --list-layers --model NAME")
    if run is not None:
        Run.open(run)
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    opened = Run.open(folder) if not given else None
    if opened is None:
        from conceptx.pipeline import start_run

        opened = start_run(folder, request_of(None if run is None else run / "run.toml", given, folder))
    _extract(opened, as_json, quiet)


def _extract(run: Run, as_json: bool, quiet: bool) -> None:
    """Bring a run up to date as far as its activations, and say which images were left out."""
    from conceptx.activations.store import store_name
    from conceptx.inputs import recorded_layers
    from conceptx.pipeline import run_stages

    with run:
        done = run_stages(run, upto="extract", progress=progress_for(quiet or as_json))
    meta = run.read_json(f"activations/{store_name(recorded_layers(run)[0])}.json")["meta"]
    left_out = [{"image": image, "reason": reason} for image, reason in meta.get("skipped", ())]
    notes = run.read_json("images.json")["notes"]
    if as_json:
        told = {"left_out": left_out, "notes": notes}
        print_json({"run": str(run.path), "stage": "extract", "done": done, **{k: v for k, v in told.items() if v}})
    elif not quiet:
        from conceptx.cli.summary import print_parity

        click.echo(f"extract: {'done' if 'extract' in done else 'nothing has changed'}")
        for note in notes[:_SHOWN]:
            click.echo(f"note: {_plain(note)}")
        for one in left_out[:_SHOWN]:
            click.echo(f"left out: {_plain(one['image'])}: {_plain(one['reason'])}")
        for what, items in (("notes", notes), ("images left out", left_out)):
            if len(items) > _SHOWN:
                click.echo(f"… and {len(items) - _SHOWN:,} more {what} (all with --json)")
        print_parity(run)


def _plain(text: str) -> str:
    """Return a text for a terminal: without control characters, whatever names are in it."""
    return "".join(c if c.isprintable() else "�" for c in text)
