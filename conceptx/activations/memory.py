"""Memory that is kept from batch to batch instead of being given back and asked for again.

A forward pass allocates and frees hundreds of megabytes. By default the C library returns much of it to the operating
system each time, and every page that comes back has to be cleared: a fifth of a network's time on a processor, and as
much of a decoder's. `kept_memory` lets the library keep what is freed while a job runs. No value depends on it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""glibc's numbers of three settings: what may stay free, what is asked for beyond a need, what is mapped alone."""

_KEEP = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 64 << 20}
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10}
"""Where glibc itself arrives in a process that once freed a block of 32 MB; its first settings cannot be restored."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let freed memory stay with the process, and give it back at the end; does nothing where there is no glibc."""
    library = _glibc()
    if library is None:
        yield
        return
    _set(library, _KEEP)
    try:
        yield
    finally:
        _set(library, _USUAL)
        library.malloc_trim(0)


def _set(library: Any, settings: dict[int, int]) -> None:
    for number, value in settings.items():
        library.mallopt(number, value)


def _glibc() -> Any:
    """Return the C library of this process if it is glibc, else None."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt")) else None
