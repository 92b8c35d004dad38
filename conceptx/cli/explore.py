"""The command `explore`: the web application over a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; 0 takes a free one.  [default: 0]")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks and debug messages.")
def explore(run: Path, port: int, opened: bool) -> None:
    """Question a run in the browser, on 127.0.0.1; Ctrl-C ends it."""
    from conceptx.explorer import serve

    def ready(address: str) -> None:
        click.echo(f"The explorer of {run} is at {address} (Ctrl-C ends it)", err=True)
        if opened:
            click.launch(address)

    serve(run, port, ready)
