"""The options that make a request, and the request that they make; with a file's values where they are not given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from conceptx.request import Request

SEED = click.option(
    "--seed", type=click.IntRange(min=0), help="The seed of everything random.  [default: the run's own, or 0]"
)

RECORD_OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option("--model", help="A torchvision or timm name, a model file, head:FOLDER, or package.module:factory."),
    click.option("--weights", help="default, none, or a file with a state dict.  [default: default]"),
    click.option("--layer", "layers", multiple=True, help="A module path, relu@3, fx:NAME, or a pattern: conv*."),
    click.option("--preprocess", help='How images become input: "size=256 crop=224 …".  [default: the weights\' own]'),
    click.option(
        "--reduction", help="Maps to numbers: max, mean, top:0.1, token:cls.  [default: by the layer's shape]"
    ),
    click.option("--images", help="KIND:PATH, for example folder:PATH, coco:PATH or table:FILE."),
    click.option(
        "--splits",
        type=click.Choice(["own", "original"]),
        help="own: divided by the seed; original: the set's train, val and test.  [default: own]",
    ),
    click.option("--max-bad", type=float, help="The share of unreadable images that is fatal.  [default: 0.01]"),
    click.option(
        "--keep",
        type=click.Choice(["all", "top"]),
        help="all values, or top: statistics and top images, and no search.  [default: all]",
    ),
    click.option(
        "--device", help="Where network and search compute: cpu, cuda, cuda:1.  [default: where the weights are]"
    ),
    click.option("--autocast", type=click.Choice(["bf16", "fp16"]), help="Half precision; its deviation is recorded."),
    click.option("--cluster", metavar="auto|ray://…", help="Extract and search on a Ray cluster."),
    click.option(
        "--blocks", help="Where the cluster's machines exchange blocks: a folder, s3://…  [default: in the run]"
    ),
)
"""What the recorded values depend on, and where they are calculated."""

EXPLAIN_OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option("--activations", type=click.Path(), help="A table in place of --model: image, then a column a unit."),
    click.option(
        "--labels", type=click.Path(), help="A table of labels, beside --activations: image,label[,object][,split]."
    ),
    click.option(
        "--ontology",
        type=click.Path(),
        help="A compiled hierarchy, an OWL, SKOS or edge file, or world.  [default: each label is a class]",
    ),
    click.option(
        "--sentences/--no-sentences",
        default=None,
        help="Ask a local sentence model about labels that no class name resembles (extra sentences).",
    ),
    click.option(
        "--reasoner/--no-reasoner", default=None, help="Let HermiT check the expressions on 30 images (extra reasoner)."
    ),
    click.option("--protocol", help="conceptx, dalal2024 or a TOML file.  [default: conceptx]"),
    click.option("--objective", help="The score that the search maximises.  [default: the protocol's]"),
    click.option("--max-length", type=int, help="The most classes in an expression.  [default: the protocol's]"),
    click.option("--search", help="auto, optimal, beam, or ecii for comparison.  [default: auto]"),
    click.option("--seconds", type=float, help="The longest proof of a unit's optimum.  [default: a fixed effort]"),
    click.option("--image-classes/--no-image-classes", default=None, help="Allow the images' categories as terms."),
)


def add_options(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds options to a command, in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def request_of(file: Path | None, flags: dict[str, Any], out: Path) -> Request:
    """Return what the file asks for, with the flags that were given in its place."""
    from dataclasses import replace

    from conceptx.request import Request, read_request, with_paths

    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    if file is None:
        return with_paths(Request(**given), Path.cwd(), out)
    from_flags = with_paths(Request(**given), Path.cwd(), out)
    from_file = with_paths(read_request(file), file.parent, out)
    return replace(from_file, **{name: getattr(from_flags, name) for name in given})
