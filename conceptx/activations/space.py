"""How much room a job needs: on the disk for its matrices, in a GPU's memory for a batch.

`require` refuses a job that the disk cannot hold before it begins; `fitting_batch` chooses a batch by memory.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from conceptx.errors import JobError

SMALLEST_BATCH = 16
_LARGEST_BATCH = 1024
_USABLE = 0.6
_RESERVE = 64_000_000


def matrix_bytes(units: int, images: int) -> int:
    """Return the bytes of a matrix: 4 (a float32) · units · images."""
    return 4 * units * images


def printed(size: int) -> str:
    """Return a number of bytes as people read it.

    >>> printed(512), printed(8_400_000), printed(8_192_000_000_000)
    ('512 bytes', '8.4 MB', '8.2 TB')
    """
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def require(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk under `folder` cannot hold; `needed` bytes are still to be written."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if needed + _RESERVE > free:
        raise JobError(
            str(folder),
            f"{what} {printed(needed)}, and {printed(free)} are free",
            "free some space, choose another place with --out, or keep statistics and top images only (--keep top)",
        )


def fitting_batch(free: int, used_by_smallest: int) -> int:
    """Return the largest batch 16 · 2^k that takes at most 60 % of the free bytes; memory grows with the batch.

    >>> fitting_batch(16_000_000_000, 300_000_000), fitting_batch(100, 300)
    (512, 16)
    """
    size = SMALLEST_BATCH
    while size < _LARGEST_BATCH and 2 * size * used_by_smallest <= _USABLE * SMALLEST_BATCH * free:
        size *= 2
    return size
