"""Lanes, devices, reduced precision and too little memory: on a processor, with faults that are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptx.activations.extract import extract_layers
from conceptx.activations.forward import BATCH, Forward, Recorded, checked_device, deviation
from conceptx.activations.space import fitting_batch, require
from conceptx.activations.store import open_statistics
from conceptx.errors import InputError, JobError
from tests.activations.networks import PREPROCESS, inputs_of, noise_images, residual

_LAYERS = {"fc": Recorded((5,), "value"), "relu@2": Recorded((7, 12, 12), "max")}


def _inputs() -> np.ndarray:
    return inputs_of(noise_images(BATCH)).numpy()


class _Hungry(nn.Module):
    """Has memory for so many images at a time; the weights are those of `residual`."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.inner, self.room = residual(), room
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self.inner(x)


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_lanes_give_the_bits_of_one_batch_after_the_other(two_threads: None) -> None:
    model = residual()
    with Forward(model, _LAYERS, n_batches=1) as alone:
        assert not alone.can_settle and alone.lanes == 1
        want = alone(_inputs())()
    with Forward(model, _LAYERS, n_batches=100) as forward:
        assert forward.can_settle and forward.settle(_inputs()) is not None and forward.lanes == 2
        for _ in range(4):
            for layer, values in forward(_inputs())().items():
                np.testing.assert_array_equal(values, want[layer])
    assert not any(module._forward_hooks for module in model.modules())


class _Depends(nn.Module):
    """Puts out what depends on the number of threads; `alone` refuses to be copied."""

    def __init__(self, alone: bool) -> None:
        super().__init__()
        self.fc, self.alone = nn.Flatten(), alone

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x[:, :, 0] + torch.get_num_threads())

    def __deepcopy__(self, _: object) -> nn.Module:
        if self.alone:
            raise TypeError("there is only one")
        return _Depends(False)


@pytest.mark.parametrize("alone", [False, True])
def test_a_model_whose_bits_depend_on_threads_keeps_one_lane(tmp_path: Path, two_threads: None, alone: bool) -> None:
    images = noise_images(BATCH * 12)
    found = extract_layers(_Depends(alone), ["fc"], images, out=tmp_path, preprocess=PREPROCESS)["fc"]
    np.testing.assert_array_equal(found.values, (inputs_of(images)[:, :, 0] + 2).flatten(1).numpy().T)


def test_all_cores_are_used_the_same_way_with_many_lanes(tmp_path: Path, two_threads: None) -> None:
    images = noise_images(BATCH * 20 + 3, bad=[0, 40])
    for name, threads in (("lanes", 2), ("alone", 1)):
        torch.set_num_threads(threads)
        extract_layers(residual(), ["fc"], images, out=tmp_path / name, preprocess=PREPROCESS, max_bad=0.1)
        torch.set_num_threads(2)
    assert (tmp_path / "lanes" / "fc.npy").read_bytes() == (tmp_path / "alone" / "fc.npy").read_bytes()


@pytest.mark.parametrize(("room", "sizes"), [(16, [16]), (8, [16, 8, 8]), (5, [16, 8, 4, 4, 4, 4])])
def test_without_memory_for_a_batch_halves_go_through(room: int, sizes: list[int]) -> None:
    model = _Hungry(room)
    with Forward(residual(), _LAYERS) as whole, Forward(model, {"inner.fc": _LAYERS["fc"]}) as forward:
        want = whole(_inputs())()["fc"]
        np.testing.assert_allclose(forward(_inputs())()["inner.fc"], want, rtol=1e-4, atol=1e-6)
        assert model.sizes == sizes and forward.batch == min(room, sizes[-1])
        forward(_inputs())
        assert model.sizes[len(sizes) :] == [sizes[-1]] * (16 // sizes[-1]), "the smaller size is remembered"


class _Counted(nn.Module):
    """Doubles pixels, exactly; counts how often each image went through, and has memory for `room` images at a time."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.fc, self.room = nn.Flatten(), room
        self.sizes: list[int] = []
        self.done: dict[float, int] = {}

    def forward(self, x: Tensor) -> Tensor:
        found = self.fc(x * 2)
        if not bool(x.any()):  # the probe
            return found
        self.sizes.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        for image in x:
            key = float(image.double().sum())
            self.done[key] = self.done.get(key, 0) + 1
        return found


@pytest.mark.parametrize("room", [1, 3, 7, 12])
def test_every_image_is_done_once_though_memory_is_short(tmp_path: Path, room: int) -> None:
    images, threads = noise_images(5 * BATCH, bad=[17, 40]), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        options = {"preprocess": PREPROCESS, "max_bad": 0.1}
        want, model = _Counted(BATCH), _Counted(room)
        for name, network in (("want", want), ("short", model)):
            extract_layers(network, ["fc"], images, out=tmp_path / name, **options)
    finally:
        torch.set_num_threads(threads)
    assert (tmp_path / "short" / "fc.npy").read_bytes() == (tmp_path / "want" / "fc.npy").read_bytes()
    assert model.done == want.done
    halves = [size for size in (16, 8, 4, 2, 1) if size > room]
    assert model.sizes[: len(halves)] == halves and max(model.sizes[len(halves) :]) <= room


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_inputs_are_pinned_for_a_gpu_alone(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    asked: list[bool] = []
    made = torch.empty

    def empty(*args: object, pin_memory: bool = False, **options: object) -> Tensor:
        asked.append(pin_memory)
        return made(*args, **options)

    forward = Forward(residual(), _LAYERS)
    forward.device = torch.device(device)
    monkeypatch.setattr(torch, "empty", empty)
    inputs = forward.allocate((2, 3, 4, 4))
    assert inputs.shape == (2, 3, 4, 4) and inputs.dtype == np.float32
    assert asked == ([True] if device == "cuda" else [])


def test_a_batch_by_memory_on_a_gpu_that_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    allocated = iter([100, 0])
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: next(allocated))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 100 + 3_000_000)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100_000_000, 0))
    with Forward(residual(), _LAYERS) as forward:
        assert forward._batch_by_memory(_inputs()) == fitting_batch(100_000_000, 3_000_000) == 256


def test_without_memory_for_a_single_image_the_job_ends(tmp_path: Path) -> None:
    model = _Hungry(1)
    images = noise_images(20)

    class Full(_Hungry):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if self.training or not self.sizes else self._full(x)

        def _full(self, x: Tensor) -> Tensor:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(JobError, match="its memory does not hold the model with one image; use a larger one"):
        extract_layers(Full(1), ["inner.fc"], images, out=tmp_path, preprocess=PREPROCESS)
    assert model.sizes == []


@pytest.mark.parametrize("autocast", ["bf16", "fp16"])
def test_reduced_precision_says_how_far_it_is(tmp_path: Path, autocast: str) -> None:
    images = noise_images(40)
    options = {"images": images, "preprocess": PREPROCESS}
    full = extract_layers(residual(), ["fc", "conv1"], out=tmp_path / "full", **options)
    reduced = extract_layers(residual(), ["fc", "conv1"], out=tmp_path / "reduced", autocast=autocast, **options)
    for layer, made in reduced.items():
        assert made.meta["key"] != full[layer].meta["key"] and made.meta["autocast"] == autocast
        parity = made.meta["parity"]
        found = deviation(made.values[:, :32], full[layer].values[:, :32])
        assert 0 < parity["relative"] < 0.05
        assert (parity["absolute"], parity["relative"]) == (found.absolute, found.relative)
    assert "parity" not in full["fc"].meta


def test_devices_and_precisions_that_cannot_be() -> None:
    model = residual()
    assert checked_device(None, model) == checked_device("cpu", nn.Flatten()) == torch.device("cpu")
    with pytest.raises(InputError, match="there is no device of this kind; did you mean 'cuda'"):
        checked_device("cud", model)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="this machine has none that PyTorch can use; choose cpu"):
            checked_device("cuda", model)
    with pytest.raises(InputError, match="'bf8' is no precision; did you mean 'bf16'"):
        Forward(model, _LAYERS, autocast="bf8")


def test_a_batch_that_memory_holds() -> None:
    for free in (10**6, 10**9, 10**10, 10**12):
        size = fitting_batch(free, 300_000_000)
        assert size == 16 or size / 16 * 300_000_000 <= 0.6 * free
        assert size == 1024 or 2 * size / 16 * 300_000_000 > 0.6 * free


def test_what_the_disk_cannot_hold_is_refused_before_it_begins(tmp_path: Path) -> None:
    require(tmp_path / "a" / "b", 1000, "the activations still need")
    with pytest.raises(JobError, match=r"a: the activations still need 1000.0 PB, and .*--keep top"):
        require(tmp_path / "a", 10**18, "the activations still need")


def test_only_statistics_are_kept(tmp_path: Path) -> None:
    images = noise_images(50, bad=[4])
    options = {"preprocess": PREPROCESS, "max_bad": 0.1}
    whole = extract_layers(residual(), ["fc"], images, out=tmp_path / "all", **options)["fc"]
    top = extract_layers(residual(), ["fc"], images, out=tmp_path / "top", keep="top", **options)["fc"]
    assert not list((tmp_path / "top").glob("*.npy*")) and top.values.shape == (5, 0)
    assert top.meta["n_images"] == 49 and top.skipped == whole.skipped and top.units == whole.units
    names = ["unit", "maximum", "minimum", "mean", "variance", "sparsity", "dead", "top_images", "top_values"]
    exact, sketch = (open_statistics(tmp_path / name, "fc").select(names) for name in ("all", "top"))
    assert exact == sketch
    images.loaded.clear()
    again = extract_layers(residual(), ["fc"], images, out=tmp_path / "top", keep="top", **options)["fc"]
    assert images.loaded == [] and again.meta == top.meta
    extract_layers(residual(), ["fc"], images, out=tmp_path / "all", keep="top", **options)
    assert images.loaded == [], "statistics beside a whole matrix are as good"
    extract_layers(residual(), ["fc"], images, out=tmp_path / "top", **options)
    assert (tmp_path / "top" / "fc.npy").read_bytes() == (tmp_path / "all" / "fc.npy").read_bytes()
    with pytest.raises(InputError, match="'some' is not known"):
        extract_layers(residual(), ["fc"], images, out=tmp_path / "x", keep="some", **options)
