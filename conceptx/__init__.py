"""Explain the hidden neurons of vision models in the terms of an ontology, and prove it on unseen images.

`explain` does the whole job and returns a `Run`; `extract`, `annotate`, `induce`, `verify` and `write_report` bring one
stage of a run up to date; `verify_tables` tests hypotheses of your own; `demo` shows it all on the built-in world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.3.0"

if TYPE_CHECKING:
    from conceptx.api import annotate, demo, explain, extract, induce, verify, verify_tables, write_report
    from conceptx.request import Request
    from conceptx.run import Run

__all__ = [
    "Request",
    "Run",
    "annotate",
    "demo",
    "explain",
    "extract",
    "induce",
    "verify",
    "verify_tables",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: importing the package loads nothing heavy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("Request", "Run"):
        from conceptx import run

        return getattr(run, name)
    from conceptx import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
