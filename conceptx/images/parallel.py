"""Work on many pictures at once: decoding and hashing leave the interpreter's lock, so threads are enough."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from conceptx.progress import Progress, silent

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 256


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], progress: Progress = silent, label: str = ""
) -> Iterator[Result]:
    """Yield ``work(item)`` for all items, in their order; only a few hundred wait in memory at a time."""

    def results() -> Iterator[Result]:
        waiting = iter(items)
        with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 2)) as pool:
            while block := list(islice(waiting, _AT_ONCE)):
                yield from pool.map(work, block)

    return progress(results(), total=len(items), label=label)
