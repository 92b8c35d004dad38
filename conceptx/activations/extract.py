"""The streaming extractor: images through a model, one number per unit and image onto the disk.

`extract` records one layer and `extract_layers` several in one pass. Images are read and prepared by threads
(`decode`) while the model works on the batches before (`forward`); values go block by block to the disk, so that a
killed run resumes, and the statistics of every unit are stored beside them. `planning.plan` and `values_of` are the two
halves of the job, for those who divide the images among machines.

On a CPU the bits of a value do not depend on how the work was divided. The matrix kernels of PyTorch choose their
order of summation by the number of rows (a batch of one image gives other last bits than a batch of sixteen), and, for
a few small odd-sized layers, by the place in the batch. So every forward pass gets exactly `BATCH` images, image *i* is
always in place *i* mod `BATCH` of its batch, and where there is no image (at the end, or an unreadable file) the
batch is filled with copies of another one. Sixteen is enough for full speed: larger batches measured no faster. A GPU
needs larger ones, chosen by its memory, and promises no bits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import nn

from conceptx.activations.decode import Batch, Images, batches
from conceptx.activations.forward import (
    BATCH as BATCH,
)
from conceptx.activations.forward import (
    Forward,
    NotFinite,
    Values,
    deviation,
)
from conceptx.activations.memory import kept_memory
from conceptx.activations.planning import Plan, plan
from conceptx.activations.space import printed, require
from conceptx.activations.statistics import checked_kept
from conceptx.activations.store import Activations, Writer
from conceptx.activations.top_store import TallyWriter
from conceptx.errors import InputError
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.activations.preprocess import Preprocess

_BLOCK = 512
"""Images between two marks that a killed run can resume from; has no influence on the result."""

_TALLY_BLOCK = 4096
"""The same where only statistics are kept: each mark writes all that has been gathered."""

_PARITY_BATCHES = 2


def extract(
    model: nn.Module, layer: str, images: Images, *, out: Path, preprocess: Preprocess | None, **options: Any
) -> Activations:
    """Record one layer over all images and return its activations, which lie in the folder `out`.

    The options are those of `extract_layers`.
    """
    return extract_layers(model, [layer], images, out=out, preprocess=preprocess, **options)[layer]


def extract_layers(
    model: nn.Module,
    layers: Sequence[str],
    images: Images,
    *,
    out: Path,
    preprocess: Preprocess | None,
    reduction: str | None = None,
    max_bad: float = 0.01,
    keep: str = "all",
    device: str | None = None,
    autocast: str | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> dict[str, Activations]:
    """Record several layers in one pass over the images, into the folder `out`.

    `reduction` is one of `units.reduce` (None: each layer's default). Images that cannot be read are left out and
    listed in `Activations.skipped`; more than the share `max_bad` of them is an error. What `out` already holds from
    the same weights, images and settings is returned at once; a part of it is completed.

    `keep` is ``all``, or ``top``: no values, only the statistics and the top images of every unit (see
    `store.open_statistics`). `device` is where to compute (None: where the model is). `autocast` is ``bf16`` or
    ``fp16``: then `meta` has under `parity` how far the values of the first images are from full precision.
    """
    planned = plan(
        model, layers, images, preprocess, reduction=reduction, device=device, autocast=autocast, workers=workers
    )
    return record(planned, Path(out), keep=keep, max_bad=max_bad, progress=progress)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The values (images, units) by layer of `n` images from position `first` on; no values where none is readable."""

    first: int
    n: int
    values: Values | None
    unreadable: Mapping[int, str]


class Source(Protocol):
    """Where the values of a plan are computed."""

    def parts(self, planned: Plan, start: int) -> tuple[Iterator[Part], int]:
        """Return the values of the images from `start` on, in order, and the number of parts they come in."""
        ...

    def parity(self, planned: Plan) -> dict[str, dict[str, float]]:
        """Return how far the reduced precision is from the full one, for each layer (see `Deviation`)."""
        ...


class Here:
    """Computes in this process."""

    def parts(self, planned: Plan, start: int) -> tuple[Iterator[Part], int]:
        """Return the values batch by batch."""
        end = len(planned.ids)
        return values_of(planned, start, end), -(-(end - start) // BATCH)

    def parity(self, planned: Plan) -> dict[str, dict[str, float]]:
        """Return the deviations over the first images."""
        return parity_of(planned)


def record(
    planned: Plan,
    out: Path,
    *,
    keep: str = "all",
    max_bad: float = 0.01,
    source: Source | None = None,
    progress: Progress = silent,
) -> dict[str, Activations]:
    """Store what `source` (None: this process) computes of a plan, from where an earlier attempt stopped."""
    checked_kept(keep)
    source = source or Here()
    made = Writer if keep == "all" else TallyWriter
    ids = planned.ids
    writers: dict[str, Writer | TallyWriter] = {}
    for layer in planned.recorded:
        units = [str(unit) for unit in range(planned.units(layer))]
        writers[layer] = made(out, layer, units, ids, planned.key(layer))
    pending = {layer: writer for layer, writer in writers.items() if not writer.finished}
    if pending:
        if keep == "all":
            require(out, sum(writer.missing for writer in pending.values()), "the activations still need")
        part = replace(planned, recorded={layer: planned.recorded[layer] for layer in pending})
        _fill(part, pending, source, _BLOCK if keep == "all" else _TALLY_BLOCK, max_bad, progress)
        parity = source.parity(part) if planned.autocast is not None else None
        for layer, writer in pending.items():
            writer.finish({**planned.meta[layer], **({} if parity is None else {"parity": parity[layer]})})
    return {layer: writer.open() for layer, writer in writers.items()}


def values_of(planned: Plan, start: int, end: int) -> Iterator[Part]:
    """Yield the values of the images `start` to `end` in order; `start` is a multiple of `BATCH`."""
    with kept_memory(), _forward(planned, -(-(end - start) // BATCH)) as forward:
        expected: Values | None = None
        if forward.can_settle:
            sample = next(_prepared(planned, start, min(start + BATCH, end)))
            with _told(sample, planned.ids[:end]):
                expected = None if sample.inputs is None else forward.settle(sample.inputs)
        parts = _passes(planned, forward, start, end)
        if expected is not None:
            first = next(parts)
            if _same(first, expected):
                yield first
            else:
                parts.close()
                forward.give_up_lanes()
                parts = _passes(planned, forward, start, end)
        yield from parts


def _passes(planned: Plan, forward: Forward, start: int, end: int) -> Generator[Part, None, None]:
    """Yield the values of the images `start` to `end` in order, in the way that `forward` has settled for."""
    ids, size = planned.ids, forward.batch

    def use(batch: Batch) -> Callable[[], Values] | None:
        with _told(batch, ids[:end]):
            return None if batch.inputs is None else forward(batch.inputs)

    found = batches(
        planned.images,
        planned.preprocess,
        start,
        end,
        size=size,
        use=use,
        users=forward.lanes,
        workers=planned.workers,
        allocate=forward.allocate,
    )
    with closing(found):
        for batch, wait in found:
            n = min(size, end - batch.first)
            values = None if wait is None else {layer: rows[:n] for layer, rows in wait().items()}
            yield Part(batch.first, n, values, batch.unreadable)


def _same(part: Part, expected: Values) -> bool:
    """Tell whether all bits of a part are as expected."""
    values = part.values or {}
    return all(layer in values and np.array_equal(values[layer], rows[: part.n]) for layer, rows in expected.items())


def parity_of(planned: Plan) -> dict[str, dict[str, float]]:
    """Return how far the reduced precision is from the full one over the first images, for each layer."""
    reduced: dict[str, list[npt.NDArray[np.float32]]] = {layer: [] for layer in planned.recorded}
    full: dict[str, list[npt.NDArray[np.float32]]] = {layer: [] for layer in planned.recorded}
    end = min(_PARITY_BATCHES * BATCH, len(planned.ids))
    with _forward(planned) as forward:
        for batch in _prepared(planned, 0, end):
            if batch.inputs is not None:
                for gathered, values in ((reduced, forward(batch.inputs)()), (full, forward.exact(batch.inputs))):
                    for layer, rows in values.items():
                        gathered[layer].append(rows)
    return {layer: asdict(deviation(_joined(reduced[layer]), _joined(full[layer]))) for layer in planned.recorded}


def _forward(planned: Plan, n_batches: int = 0) -> Forward:
    return Forward(
        planned.model, planned.recorded, device=planned.device, autocast=planned.autocast, n_batches=n_batches
    )


def _joined(parts: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)


def _prepared(planned: Plan, start: int, end: int) -> Iterator[Batch]:
    """Yield the batches of a few images, ready for the model."""
    found = batches(
        planned.images, planned.preprocess, start, end, size=BATCH, use=lambda _: None, workers=planned.workers
    )
    return (batch for batch, _ in found)


def _fill(
    planned: Plan,
    writers: Mapping[str, Writer | TallyWriter],
    source: Source,
    block: int,
    max_bad: float,
    progress: Progress,
) -> None:
    """Let `source` compute what is not yet stored, and store it in blocks of at least `block` images."""
    done = min(writer.done for writer in writers.values())
    start = done - done % BATCH
    skipped = {p: why for writer in writers.values() for p, why in writer.skipped.items() if p < start}
    _check_bad(skipped, planned.ids, max_bad)
    blocks = {layer: _Block(writer, start, block) for layer, writer in writers.items()}
    parts, total = source.parts(planned, start)
    label = f"activations of {', '.join(writers)} ({printed(planned.bytes)})"
    for part in progress(parts, total=total, label=label):
        skipped.update(part.unreadable)
        _check_bad(skipped, planned.ids, max_bad)
        for layer, gathering in blocks.items():
            rows = np.zeros((part.n, gathering.units), np.float32) if part.values is None else part.values[layer]
            gathering.add(rows, part.unreadable)
    for gathering in blocks.values():
        gathering.flush()


class _Block:
    """Gathers the values of one layer until there are enough to make them durable."""

    def __init__(self, writer: Writer | TallyWriter, start: int, size: int) -> None:
        self.units = len(writer.units)
        self._writer, self._start, self._size = writer, start, size
        self._rows: list[npt.NDArray[np.float32]] = []
        self._skipped: dict[int, str] = {}

    def add(self, rows: npt.NDArray[np.float32], skipped: Mapping[int, str]) -> None:
        """Take the values (images, units) of the next images."""
        self._rows.append(rows)
        self._skipped.update(skipped)
        if sum(map(len, self._rows)) >= self._size:
            self.flush()

    def flush(self) -> None:
        """Hand what has gathered to the writer."""
        if self._rows:
            block = np.concatenate(self._rows)
            self._writer.write(self._start, block, self._skipped)
            self._start += len(block)
            self._rows, self._skipped = [], {}


@contextmanager
def _told(batch: Batch, ids: Sequence[str]) -> Iterator[None]:
    """Let an error of the model say on which images it is."""
    try:
        yield
    except (InputError, RuntimeError) as error:
        raise _failed(error, batch, ids) from error


def _failed(error: InputError | RuntimeError, batch: Batch, ids: Sequence[str]) -> InputError:
    """Return what to raise where a model that worked on one image fails on a batch; it says on which images."""
    assert batch.inputs is not None
    if isinstance(error, NotFinite):
        places = range(batch.first, batch.first + len(batch.inputs))
        readable = [place for place in places if place not in batch.unreadable]
        place = batch.first + error.row
        image = ids[place if place in readable and place < len(ids) else readable[0]]
        return InputError(f"{error.where}, image {image!r}", error.what, error.mend)
    first, last = ids[batch.first], ids[min(batch.first + len(batch.inputs), len(ids)) - 1]
    if isinstance(error, InputError):
        return InputError(f"{error.where}, images {first!r} to {last!r}", error.what, error.mend)
    what = f"it fails on the images {first!r} to {last!r} ({str(error).splitlines()[0] if str(error) else 'no reason'})"
    return InputError("model", what, "mend the model, or leave these images out")


def _check_bad(skipped: Mapping[int, str], ids: Sequence[str], max_bad: float) -> None:
    """Stop when more images are unreadable than may be."""
    if skipped and (len(skipped) > max_bad * len(ids) or len(skipped) == len(ids)):
        position = min(skipped)
        raise InputError(
            "images",
            f"{len(skipped)} of {len(ids)} images cannot be read so far, the first is {ids[position]!r} "
            f"({skipped[position]})",
            "mend or remove them, or allow a greater share with --max-bad",
        )
