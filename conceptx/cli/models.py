"""Commands over models: the layers that one has, and a classifier from its features."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conceptx.cli.options import print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.activations.layers import LayerInfo
    from conceptx.activations.preprocess import Preprocess


@click.command("train-head")
@click.option("--model", required=True, help="The backbone, for example efficientnet-lite0.")
@click.option("--weights", default="default", show_default=True, help="default, none, or a file with a state dict.")
@click.option("--layer", required=True, help="The layer whose values are the features.")
@click.option("--reduction", help="Maps to numbers: max, mean, top:0.1, token:cls.  [default: by the layer's shape]")
@click.option(
    "--preprocess", help='How pictures become input: "size=256 crop=224 mean=…".  [default: the weights\' own]'
)
@click.option("--images", required=True, help="KIND:PATH of pictures with a category each, such as folder:PATH.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder of the head.")
@click.option("--units", type=click.IntRange(1, 65536), default=64, show_default=True, help="Hidden units.")
@click.option("--epochs", type=click.IntRange(min=1), default=200, show_default=True, help="The most epochs.")
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Epochs without progress before it ends.",
)
@click.option(
    "--max-bad",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="The share of unreadable images that is fatal.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of everything random.")
@shared
def train_head(
    model: str,
    weights: str,
    layer: str,
    reduction: str | None,
    preprocess: str | None,
    images: str,
    out: Path,
    units: int,
    epochs: int,
    patience: int,
    max_bad: float,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a classifier of the images' categories on a frozen network's features.

    The backbone runs over the images once; a hidden layer of ReLU units and a softmax over the categories are trained
    until the validation loss stops falling. Explain its units with --model head:OUT --layer hidden.
    """
    from dataclasses import replace

    from conceptx.activations.heads import HeadSettings
    from conceptx.activations.heads import train_head as train
    from conceptx.activations.models import load_model
    from conceptx.activations.naming import parse_model
    from conceptx.activations.preprocess import Preprocess
    from conceptx.images.formats import open_images

    progress = progress_for(quiet or as_json)
    backbone = load_model(model, weights)
    if preprocess is not None:
        backbone = replace(backbone, preprocess=Preprocess.from_text(preprocess))
    result = train(
        backbone,
        layer,
        open_images(images),
        out=out,
        weights=weights,
        reduction=reduction,
        seed=seed,
        settings=HeadSettings(units=units, epochs=epochs, patience=patience),
        max_bad=max_bad,
        progress=progress,
    )
    if as_json:
        print_json(asdict(result))
    elif not quiet:
        tested = result.accuracy["test"]
        click.echo(
            f"{len(result.classes)} categories; {100 * tested:.1f} % of {result.images['test']} held-out images are "
            f"recognised (epoch {result.best_epoch + 1} of {len(result.curves['loss'])}, "
            f"{result.dead_units} of {units} units dead)"
        )
        for image, reason in result.skipped:
            click.echo(f"left out: {image}: {reason}")
        named = f"--model head:{out}"
        if parse_model(model).kind == "factory":  # a folder may not name code to run
            named = f"a factory that returns load_head({str(out)!r}, load_model({model!r})) (see docs/models.md)"
        click.echo(f"curves: {out / 'curves.svg'}; explain its units with {named} and --layer hidden")


def show_layers(model: str, weights: str, preprocess: Preprocess | None, *, as_json: bool) -> None:
    """Print every layer of a model: its name, type, shape and units, and on which side of a nonlinearity it is."""
    from conceptx.activations.layers import list_functions, list_layers
    from conceptx.activations.models import example_input, load_model
    from conceptx.errors import InputError

    loaded = load_model(model, weights)
    chosen = preprocess or loaded.preprocess
    example = example_input(loaded.model, chosen)
    side = example.shape[-1]
    try:
        modules = list_layers(loaded.model, example)
    except RuntimeError as error:
        first = (str(error).splitlines() or [""])[0]
        what = f"it fails on an image of {side} × {side} pixels ({first})"
        raise InputError("model", what, "check the model's input, or give --preprocess size=…") from error
    functions: list[LayerInfo] = []
    untraceable = None
    try:
        functions = list_functions(loaded.model, example)
    except InputError as error:
        untraceable = error.what
    if as_json:
        facts = {"model": model, "digest": loaded.digest, "preprocess": None if chosen is None else chosen.facts()}
        listed = {"layers": [asdict(info) for info in modules], "functions": [asdict(info) for info in functions]}
        print_json({**facts, "side": side, **listed, "untraceable": untraceable})
        return
    _table(modules)
    if functions:
        click.echo("\nOperations between modules:")
        _table(functions)
    if untraceable is not None:
        click.echo(f"\nOperations between modules have no names: {untraceable}.")
    known = chosen.text() if chosen is not None else f"unknown (tried with {side} × {side} pixels): give --preprocess"
    click.echo(f"\npreprocessing: {known}")


def _table(rows: list[LayerInfo]) -> None:
    shown = [
        (info.name, info.type, " × ".join(map(str, info.shape)), str(info.units), info.reduction, info.nonlinearity)
        for info in rows
    ]
    head = ("layer", "type", "shape", "units", "reduction", "nonlinearity")
    widths = [max(len(row[column]) for row in [head, *shown]) for column in range(len(head))]
    for row in (head, *shown):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
