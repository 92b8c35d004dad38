"""The explorer: a web application over one run, for the browser on the same machine.

Callers need `serve(run_folder)`; `make_app(run_folder)` gives the application to tests. `state` opens the run,
`whatif` and `remap` answer questions that the run did not ask (marked as exploratory, kept out of the verdicts),
`own_image` sends a picture through the model, `notes` keeps what a person marks, `guard` lets nobody else in, `pages`
are the routes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conceptx.explorer.pages import make_app
    from conceptx.explorer.server import serve

__all__ = ["make_app", "serve"]


def __getattr__(name: str) -> object:
    homes = {"make_app": "pages", "serve": "server"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
