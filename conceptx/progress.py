"""Progress that a person sees on a terminal and a program never does.

Every long function takes ``progress: Progress = silent`` and wraps its loop in it; the command line passes `bar`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

T = TypeVar("T")
_LONGEST_LABEL = 40


class Progress(Protocol):
    """Wraps an iterable and shows how far it is."""

    def __call__(self, iterable: Iterable[T], *, total: int | None = None, label: str = "") -> Iterator[T]:
        """Yield the items of `iterable`; `total` is their number where `len` does not tell it."""
        ...


def silent(iterable: Iterable[T], *, total: int | None = None, label: str = "") -> Iterator[T]:
    """Yield the items and show nothing."""
    yield from iterable


def bar(iterable: Iterable[T], *, total: int | None = None, label: str = "") -> Iterator[T]:
    """Yield the items behind a bar with the time left, on stderr, and only when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield from iterable
        return
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), refresh_per_second=8) as shown:
        task = shown.add_task(_short(label), total=total)
        for item in iterable:
            yield item
            shown.advance(task)


def _short(label: str) -> str:
    """Return a label that leaves room for bar and time on 80 columns; a long one loses its middle, not its end."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 15]}…{label[-14:]}"
