"""The forward pass: several lanes on a CPU, one on a GPU, reduced precision on request, and room when memory is short.

`Forward` sends batches through a model and returns the reduced values of chosen layers.

On a CPU every lane is a thread with its own copy of the model (the weights are shared) that works with its share of
the cores on a batch of its own: nothing waits at the end of every operation, which is faster than all cores on one
batch. Which kernels PyTorch chooses may depend on the number of threads, and with them the last bits of a value. So
the first batch goes both ways, and only where all bits of all layers agree the lanes are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from conceptx.activations.layers import capturing
from conceptx.activations.space import fitting_batch
from conceptx.activations.units import reduce
from conceptx.errors import InputError, JobError, did_you_mean

Floats = npt.NDArray[np.float32]
Values = dict[str, Floats]

BATCH = 16
"""The number of images in every forward pass on a CPU."""

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
_MOST_LANES = 16
_LEAST = 8
"""Jobs of fewer batches are over before lanes have proved themselves."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """How one layer is recorded: its output's shape without the batch, and the reduction to units."""

    shape: tuple[int, ...]
    reduction: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far values in reduced precision are from those in full precision, over the first images.

    `absolute` is max |a - b|, `relative` is max |a - b| / max |b|.
    """

    absolute: float
    relative: float


class NotFinite(InputError):  # noqa: N818 - the name says what it is
    """A value is no number; `row` is the image's place in the batch."""

    def __init__(self, layer: str, row: int, unit: int, value: float) -> None:
        mend = "check the weights and the preprocessing of the model"
        super().__init__(f"layer {layer!r}, unit '{unit}'", f"the value is {value}", mend)
        self.row = row


def deviation(reduced: npt.ArrayLike, full: npt.ArrayLike) -> Deviation:
    """Return the deviation of values `reduced` from `full`.

    >>> deviation([1.0, 2.5], [1.0, 2.0])
    Deviation(absolute=0.5, relative=0.25)
    """
    a, b = np.asarray(reduced, dtype=np.float64), np.asarray(full, dtype=np.float64)
    absolute = float(np.abs(a - b).max(initial=0.0))
    greatest = float(np.abs(b).max(initial=0.0))
    return Deviation(absolute, absolute / greatest if greatest else absolute)


def checked_device(device: str | None, model: nn.Module) -> torch.device:
    """Return the device to compute on: the named one where this machine has it, else where the weights are."""
    if device is None:
        weight = next(model.parameters(), None)
        return torch.device("cpu") if weight is None else weight.device
    return named_device(device)


def named_device(device: str) -> torch.device:
    """Return the device of this name, or say that this machine has none."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        mend = did_you_mean(device, ("cpu", "cuda", "mps")) or "choose cpu, cuda, cuda:1 or mps"
        raise InputError(f"device {device!r}", "there is no device of this kind", mend) from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(chosen.type, False):
        raise InputError(f"device {device!r}", "this machine has none that PyTorch can use", "choose cpu")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        have = torch.cuda.device_count()
        raise InputError(f"device {device!r}", f"this machine has {have} GPUs", f"choose cuda:0 to cuda:{have - 1}")
    return chosen


def checked_precision(autocast: str | None) -> str | None:
    """Return the name of a reduced precision, or say which there are."""
    if autocast is not None and autocast not in PRECISIONS:
        mend = did_you_mean(autocast, PRECISIONS) or f"choose {' or '.join(PRECISIONS)}"
        raise InputError("autocast", f"{autocast!r} is no precision", mend)
    return autocast


class Forward(AbstractContextManager["Forward"]):
    """Values of layers for batches of inputs; use it as a context manager, which leaves the model as it was."""

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[str, Recorded],
        *,
        device: str | None = None,
        autocast: str | None = None,
        n_batches: int = 0,
    ) -> None:
        self.device = checked_device(device, model)
        self.autocast = checked_precision(autocast)
        self.lanes = 1
        self.batch = BATCH
        self._layers, self._n_batches = layers, n_batches
        self._stack = ExitStack()
        self._twins: list[nn.Module] = []
        self._free: SimpleQueue[Callable[[Tensor], dict[str, Tensor]]] = SimpleQueue()
        self._threads = torch.get_num_threads()
        here = checked_device(None, model)
        stays = here == self.device or _is_current(here, self.device)
        self._model = model if stays else copy.deepcopy(model).to(self.device)
        weight = next((p for p in self._model.parameters() if p.is_floating_point()), None)
        self._dtype = torch.float32 if weight is None else weight.dtype

    def __enter__(self) -> Forward:
        if self._is_parallel:
            self._twins = _twins(self._model, min(self._threads, _MOST_LANES) - 1)
        self._add_lane(self._model)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        torch.set_num_threads(self._threads)

    def __call__(self, inputs: Floats) -> Callable[[], Values]:
        """Send a batch (n, 3, side, side) through the model; the returned function waits for the values."""
        run = self._free.get()
        try:
            if self.device.type == "cpu":
                torch.set_num_threads(self._threads // self.lanes)
            with self._precision():
                return _fetched(self._run_in_room(run, self._moved(inputs)))
        finally:
            self._free.put(run)

    def exact(self, inputs: Floats) -> Values:
        """Return the values without the reduced precision, to compare with."""
        wanted, self.autocast = self.autocast, None
        try:
            return self(inputs)()
        finally:
            self.autocast = wanted

    def allocate(self, shape: tuple[int, ...]) -> Floats:
        """Return an array for inputs; for a GPU in pinned memory, which it reads while the processor goes on."""
        if self.device.type != "cuda":
            return np.empty(shape, dtype=np.float32)
        pinned: Floats = torch.empty(shape, dtype=torch.float32, pin_memory=True).numpy()
        return pinned

    @property
    def can_settle(self) -> bool:
        """Whether a first batch can tell how to go about the others (see `settle`)."""
        return bool(self._twins) or self.device.type == "cuda"

    def settle(self, inputs: Floats) -> Values | None:
        """Choose the batch (GPU), or open the lanes (CPU) and return the values that they have to give for `inputs`."""
        if self.device.type == "cuda":
            self.batch = self._batch_by_memory(inputs)
            return None
        expected = self(inputs)()
        for twin in self._twins:
            self._add_lane(twin)
        self.lanes = len(self._twins) + 1
        return expected

    def give_up_lanes(self) -> None:
        """Compute with all cores on one batch from now on."""
        self.lanes = 1

    # ------------------------------------------------------------------------------------------ how

    @property
    def _is_parallel(self) -> bool:
        return self.device.type == "cpu" and self._threads > 1 and self._n_batches >= max(_LEAST, 2 * self._threads)

    def _add_lane(self, model: nn.Module) -> None:
        self._free.put(self._stack.enter_context(capturing(model, list(self._layers), self._keep)))

    def _keep(self, layer: str, output: Tensor) -> Tensor:
        recorded = self._layers[layer]
        if output.shape[1:] != recorded.shape:
            raise _odd_shape(layer, recorded, tuple(output.shape))
        values = reduce(output, recorded.reduction).float()
        if self.device.type == "cpu" and not values.isfinite().all():  # a GPU would have to be waited for
            row, unit = (int(i) for i in (~values.isfinite()).nonzero()[0])
            raise NotFinite(layer, row, unit, float(values[row, unit]))
        return values

    def _run_in_room(self, run: Callable[[Tensor], dict[str, Tensor]], batch: Tensor) -> dict[str, Tensor]:
        """Run a batch; a GPU without room for it gets halves, and halves of these, down to single images."""
        parts: list[dict[str, Tensor]] = []
        start = 0
        while start < len(batch):
            part = batch[start : start + self.batch]
            try:
                values = run(part)
            except torch.OutOfMemoryError as error:
                if len(part) == 1:
                    what = "its memory does not hold the model with one image"
                    raise JobError(f"device {self.device}", what, "use a larger one, or --device cpu") from error
                self.batch = len(part) // 2
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            for layer, value in values.items():
                if len(value) != len(part):
                    raise _odd_shape(layer, self._layers[layer], (len(value), *self._layers[layer].shape))
            parts.append(values)
            start += len(part)
        return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _batch_by_memory(self, inputs: Floats) -> int:
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        self(inputs)()
        used = torch.cuda.max_memory_allocated(self.device) - before
        free, _ = torch.cuda.mem_get_info(self.device)
        return fitting_batch(free, used)

    def _moved(self, inputs: Floats) -> Tensor:
        batch = torch.from_numpy(inputs)
        return batch.to(self.device, self._dtype, non_blocking=True)

    def _precision(self) -> AbstractContextManager[object]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=PRECISIONS[self.autocast])


def _odd_shape(layer: str, recorded: Recorded, shape: tuple[int, ...]) -> InputError:
    """Return what to raise where a layer's output does not have one entry for each image."""
    what = f"its output for several images is {shape}, for one image {(1, *recorded.shape)}"
    return InputError(f"layer {layer!r}", what, "choose a layer whose first dimension is the image")


def _fetched(values: Mapping[str, Tensor]) -> Callable[[], Values]:
    """Start the way back to the processor's memory, and return what waits for its end."""
    first = next(iter(values.values()), None)
    if first is None or first.device.type != "cuda":
        arrays = {name: value.cpu().numpy() for name, value in values.items()}
        return lambda: arrays
    host = {name: value.to("cpu", non_blocking=True) for name, value in values.items()}
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record()

    def wait() -> Values:
        done.synchronize()
        return {name: value.numpy() for name, value in host.items()}

    return wait


def _twins(model: nn.Module, n: int) -> list[nn.Module]:
    """Return `n` copies of a model that share its weights; none where it cannot be copied in this way."""
    try:
        twins = [_copied(model) for _ in range(n)]
    except Exception:  # a model may refuse to be copied in any way it likes
        return []
    return twins if all(_shares_weights(model, twin) for twin in twins) else []


def _copied(model: nn.Module) -> nn.Module:
    """Return a copy of the model that shares its parameters and buffers."""
    shared: list[Tensor] = [*model.parameters(), *model.buffers()]
    twin: nn.Module = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    return twin


def _shares_weights(model: nn.Module, twin: nn.Module) -> bool:
    """Tell whether a copy uses the very memory of the model's weights."""

    def places(of: nn.Module) -> Sequence[int]:
        return [tensor.data_ptr() for tensor in (*of.parameters(), *of.buffers())]

    return places(model) == places(twin)


def _is_current(here: torch.device, wanted: torch.device) -> bool:
    """Tell whether ``cuda`` means the GPU where the model is."""
    return here.type == wanted.type and (wanted.index is None or here.index is None)
