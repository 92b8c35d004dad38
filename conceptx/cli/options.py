"""Options that all commands share, and how their results reach stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import click

from conceptx.progress import Progress, bar, silent

Command = TypeVar("Command", bound=Callable[..., object])


def shared(command: Command) -> Command:
    """Add ``--json``, ``--quiet`` and ``--debug`` to a command; it receives `as_json` and `quiet`."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks and debug messages."),
        click.option("--quiet", is_flag=True, help="No progress and no summary."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."),
    ):
        command = option(command)
    return command


def progress_for(quiet: bool) -> Progress:
    """Return the progress bar, or silence."""
    return silent if quiet else bar


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 edge, 2,000 edges, 2 leaves."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def print_json(value: object) -> None:
    """Print one JSON document."""
    from conceptx.files import json_ready

    click.echo(json.dumps(json_ready(value), indent=1, ensure_ascii=False))
