"""Images become batches that are ready for a model, decoded and prepared by threads ahead of the work.

`batches` yields them in order; `Images` says what an image set must offer. A batch is always whole: where there is no
image (at the end, or an unreadable file) it holds a copy of another one, so that a model never meets an odd batch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from conceptx.activations.resample import Preparer
from conceptx.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from conceptx.activations.preprocess import Preprocess

Floats = npt.NDArray[np.float32]
Result = TypeVar("Result")

AHEAD = 3
"""So many batches are prepared ahead of the model, beside those it is working on."""


class Images(Protocol):
    """What the extractor needs of an image set; `conceptx.images.dataset.ImageSet` has it."""

    @property
    def ids(self) -> Sequence[str]:
        """The images' names."""
        ...

    @property
    def images(self) -> pa.Table:
        """The table IMAGES, whose column `sha256` tells the content."""
        ...

    def load(self, i: int) -> npt.NDArray[np.uint8]:
        """Return image `i` as (H, W, 3); an unreadable one raises `InputError` or `OSError`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs (size, 3, side, side) of the images from position `first` on; None where no image can be read."""

    first: int
    inputs: Floats | None
    unreadable: dict[int, str]


def batches(
    images: Images,
    preprocess: Preprocess,
    start: int,
    end: int,
    *,
    size: int,
    use: Callable[[Batch], Result],
    users: int = 1,
    workers: int | None = None,
    allocate: Callable[[tuple[int, ...]], Floats] = lambda shape: np.empty(shape, dtype=np.float32),
) -> Generator[tuple[Batch, Result], None, None]:
    """Yield each batch of the images `start` to `end` with what `use` makes of it, in order.

    `users` threads call `use` while `workers` threads (by default one for each core) prepare the next batches in
    arrays that `allocate` makes. An exception of `use` ends the iteration.
    """
    prepare = Preparer(preprocess)

    def prepared(place: Floats, position: int) -> str | None:
        try:
            prepare(images.load(position), place)
        except InputError as error:
            return f"{error.what}; {error.mend}"
        except OSError as error:
            return error.strerror or type(error).__name__
        return None

    def used(first: int, inputs: Floats, waited: Sequence[Future[str | None]]) -> tuple[Batch, Result]:
        batch = _filled(first, inputs, waited)
        return batch, use(batch)

    shape = (size, 3, preprocess.side, preprocess.side)
    waiting: deque[Future[tuple[Batch, Result]]] = deque()
    decoders = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="conceptx-decode")
    lanes = ThreadPoolExecutor(users, thread_name_prefix="conceptx-forward")
    try:
        for first in range(start, end, size):
            inputs = allocate(shape)
            positions = range(first, min(first + size, end))
            futures = [decoders.submit(prepared, inputs[p - first], p) for p in positions]
            waiting.append(lanes.submit(used, first, inputs, futures))
            if len(waiting) >= AHEAD + users:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        decoders.shutdown(wait=False, cancel_futures=True)
        lanes.shutdown(wait=True, cancel_futures=True)
        decoders.shutdown(wait=True)


def _filled(first: int, inputs: Floats, prepared: Sequence[Future[str | None]]) -> Batch:
    """Wait for a batch, and fill the places without an image with copies of the batch's first readable one."""
    reasons = [future.result() for future in prepared]
    readable = [place for place, reason in enumerate(reasons) if reason is None]
    unreadable = {first + place: reason for place, reason in enumerate(reasons) if reason is not None}
    if not readable:
        return Batch(first, None, unreadable)
    empty = [place for place in range(len(inputs)) if place >= len(reasons) or reasons[place] is not None]
    inputs[empty] = inputs[readable[0]]
    return Batch(first, inputs, unreadable)
