"""Training that gives the same bits every time: fixed threads, deterministic algorithms, files without their names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_THREADS = 2
"""Training always uses as many threads: the order of summation of a gradient, and so its last bits, depends on it."""


def saved(value: Any) -> bytes:
    """Return what `torch.save` writes; into memory, because a file's name would become part of its content."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@contextmanager
def reproducible() -> Iterator[None]:
    """Fix the number of threads and choose deterministic algorithms, and undo both at the end."""
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    deterministic: Any = torch.utils.deterministic
    fill = deterministic.fill_uninitialized_memory
    try:
        torch.set_num_threads(_THREADS)
        torch.use_deterministic_algorithms(True)
        deterministic.fill_uninitialized_memory = False  # it takes a tenth of the time, and nothing reads such memory
        yield
    finally:
        deterministic.fill_uninitialized_memory = fill
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)
        torch.set_num_threads(threads)
