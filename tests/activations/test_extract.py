"""The extractor against a plain loop with a plain hook, to the last bit; bad images; resuming; stale stores."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conceptx.activations import extract as extractor
from conceptx.activations.decode import AHEAD
from conceptx.activations.extract import BATCH, extract, extract_layers
from conceptx.activations.layers import list_layers
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.store import Activations
from conceptx.errors import InputError
from tests.activations.networks import PREPROCESS, MemoryImages, inputs_of, noise_images, residual, tokens


def _plain(
    model: nn.Module, path: str, images: MemoryImages, call: int = 1, key: int | str | None = None
) -> np.ndarray:
    """Return (units, images) as a plain hook in a plain loop over full batches gives them, maps by their maximum."""
    inputs = inputs_of(images)
    filled = torch.cat([inputs, inputs[:1].expand(-len(inputs) % BATCH, -1, -1, -1)])
    rows = []

    def hook(_: nn.Module, __: object, output: object) -> None:
        rows.append((output if key is None else output[key]).clone())

    model.eval()
    handle = model.get_submodule(path).register_forward_hook(hook)
    with torch.inference_mode():
        for batch in filled.split(BATCH):
            model(batch)
    handle.remove()
    calls = len(rows) // (len(filled) // BATCH)
    values = torch.cat(rows[call - 1 :: calls])[: len(inputs)]
    values = values.amax((2, 3)) if values.ndim == 4 else values.amax(1) if values.ndim == 3 else values
    return values.numpy().T


def _extract(folder: Path, layer: str = "fc", model: nn.Module | None = None, images=None, **options) -> Activations:
    images = noise_images(37) if images is None else images
    options = {"preprocess": PREPROCESS, **options}
    return extract(residual() if model is None else model, layer, images, out=folder, **options)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 37, 64])
@pytest.mark.parametrize(("layer", "path", "call"), [("fc", "fc", 1), ("relu@2", "relu", 2), ("conv1", "conv1", 1)])
def test_values_are_those_of_a_plain_hook(tmp_path: Path, n: int, layer: str, path: str, call: int) -> None:
    images = noise_images(n)
    found = _extract(tmp_path, layer, images=images)
    np.testing.assert_array_equal(found.values, _plain(residual(), path, images, call))
    assert found.images == tuple(images.ids) and found.units == tuple(map(str, range(len(found.values))))


def test_all_listed_layers_in_one_pass_are_as_one_by_one(tmp_path: Path) -> None:
    images = noise_images(20)
    for network in (residual, tokens):
        model = network()
        listed = [info.name for info in list_layers(model, inputs_of(images))]
        together = extract_layers(model, listed, images, out=tmp_path / "all", preprocess=PREPROCESS)
        for layer in listed:
            alone = _extract(tmp_path / "one", layer, model=model, images=images)
            np.testing.assert_array_equal(together[layer].values, alone.values)
            assert together[layer].meta == alone.meta


def test_neither_blocks_nor_workers_nor_threads_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, threads = noise_images(100, bad=[3, 50]), torch.get_num_threads()
    want = _extract(tmp_path / "want", images=images, max_bad=0.1)
    for n, (block, workers, n_threads) in enumerate([(16, 1, 1), (48, 5, 1), (1, 2, 2), (10_000, 3, 2)]):
        monkeypatch.setattr(extractor, "_BLOCK", block)
        torch.set_num_threads(n_threads)
        try:
            got = _extract(tmp_path / str(n), images=images, max_bad=0.1, workers=workers)
        finally:
            torch.set_num_threads(threads)
        np.testing.assert_array_equal(got.values, want.values)
        for ending in ("npy", "json"):
            assert (tmp_path / str(n) / f"fc.{ending}").read_bytes() == (
                tmp_path / "want" / f"fc.{ending}"
            ).read_bytes()


def test_an_unreadable_image_changes_no_other_value(tmp_path: Path) -> None:
    images, bad = noise_images(40), [0, 16, 17, 39]
    want = _extract(tmp_path / "all", images=images)
    broken = MemoryImages(images.pixels, bad)
    got = _extract(tmp_path / "some", images=broken, max_bad=0.1)
    np.testing.assert_array_equal(got.values, np.delete(want.values, bad, axis=1))
    assert got.images == tuple(i for n, i in enumerate(images.ids) if n not in bad)
    assert [image for image, _ in got.skipped] == [images.ids[n] for n in bad]
    assert got.skipped[0][1] == "the file is not an image; replace it"


def test_a_whole_batch_of_unreadable_images(tmp_path: Path) -> None:
    images = noise_images(48)
    got = _extract(tmp_path / "some", images=MemoryImages(images.pixels, range(16, 32)), max_bad=0.5)
    want = _extract(tmp_path / "all", images=images)
    np.testing.assert_array_equal(got.values, np.delete(want.values, range(16, 32), axis=1))


@pytest.mark.parametrize(("n", "bad", "max_bad"), [(100, [1, 2], 0.01), (10, [4], 0.0), (3, [0, 1, 2], 1.0)])
def test_too_many_unreadable_images_end_the_job(tmp_path: Path, n: int, bad: list[int], max_bad: float) -> None:
    with pytest.raises(InputError, match=r"images cannot be read so far, the first is '000\d.png'"):
        _extract(tmp_path, images=noise_images(n, bad=bad), max_bad=max_bad)
    assert not list(tmp_path.glob("*.json"))


def test_nothing_is_read_again_unless_something_changed(tmp_path: Path) -> None:
    images = noise_images(20)
    first = _extract(tmp_path, images=images)
    images.loaded.clear()
    np.testing.assert_array_equal(_extract(tmp_path, images=images).values, first.values)
    assert images.loaded == []

    other_images = noise_images(20, seed=1)
    other_model = residual(seed=1)
    other_print = residual()
    other_print.out = nn.LeakyReLU()
    buffers = residual()
    buffers.bn1.running_mean += 1
    seen = {str(first.meta["key"])}
    for change in (
        {"images": other_images},
        {"model": other_model},
        {"model": other_print},
        {"model": buffers},
        {"preprocess": Preprocess(size=12, crop=12, mean=PREPROCESS.mean, std=PREPROCESS.std)},
        {"layer": "conv1"},
        {"layer": "conv1", "reduction": "mean"},
    ):
        again = _extract(tmp_path, **{"images": images, **change})
        assert again.meta["key"] not in seen
        seen.add(str(again.meta["key"]))


def test_decoding_runs_ahead_but_not_without_bound(tmp_path: Path) -> None:
    images, ahead = noise_images(400), []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Flatten()
            self.batches = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ahead.append(len(images.loaded) - BATCH * len(ahead))
            time.sleep(0.002)
            return self.fc(x)[:, :2]

    _extract(tmp_path, model=Watching(), images=images)
    assert max(ahead) <= BATCH * (AHEAD + torch.get_num_threads() + 2)


class _Odd(nn.Module):
    """Goes wrong as told."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.fc = nn.Flatten()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "shape":
            return self.fc(x.reshape(-1, 3, 6, 12))
        if self.how == "nan":
            x = torch.where(x.sum((1, 2, 3), keepdim=True) == x[:, :, :1, :1].sum() * 0 + self.total, torch.nan, x)
        if self.how == "input" and x.shape[-1] != 99:
            raise RuntimeError("expected 99 columns")
        return self.fc(x)


def test_a_model_that_returns_nan_names_the_image(tmp_path: Path) -> None:
    images, model = noise_images(37), _Odd("nan")
    model.total = inputs_of(images)[20].sum()
    with pytest.raises(InputError, match=r"layer 'fc', unit '0', image '0020.png': the value is nan"):
        _extract(tmp_path, model=model, images=images)


def test_a_model_that_returns_nan_in_the_batch_that_settles_the_lanes_names_the_image(tmp_path: Path) -> None:
    images, model, threads = noise_images(20 * BATCH), _Odd("nan"), torch.get_num_threads()
    model.total = inputs_of(images)[5].sum()
    torch.set_num_threads(2)
    try:
        with pytest.raises(InputError, match=r"layer 'fc', unit '0', image '0005.png': the value is nan"):
            _extract(tmp_path, model=model, images=images)
    finally:
        torch.set_num_threads(threads)


def test_a_model_that_fails_on_some_images_says_on_which(tmp_path: Path) -> None:
    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.rare = nn.Flatten(), nn.Identity()
            self.limit = float("-inf")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.sum() == self.limit:
                raise RuntimeError("not this one")
            return self.rare(self.fc(x)) if x.shape[0] == 1 or self.limit < 0 else self.fc(x)

    images, model = noise_images(37), Picky()
    model.limit = float(inputs_of(images)[16:32].sum())
    with pytest.raises(InputError, match=r"model: it fails on the images '0016.png' to '0031.png' \(not this one\)"):
        _extract(tmp_path, model=model, images=images)
    model.limit = 1e9
    with pytest.raises(InputError, match=r"layer 'rare', images '0000.png' to '0015.png': "):
        _extract(tmp_path, "rare", model=model, images=images)


def test_images_that_changed_while_a_run_was_stopped_are_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extractor, "_BLOCK", 16)
    for keep in ("all", "top"):
        monkeypatch.setattr(extractor, "_TALLY_BLOCK", 16)
        images = noise_images(80)
        with pytest.raises(KeyboardInterrupt):
            _extract(tmp_path / keep, images=images, keep=keep, progress=_stop_at(3))
        images.loaded.clear()
        changed = MemoryImages(images.pixels.copy())
        changed.pixels[5] = 0
        _extract(tmp_path / keep, images=changed, keep=keep)
        assert sorted(set(changed.loaded)) == list(range(80))
        _extract(tmp_path / f"{keep} whole", images=changed, keep=keep)
        assert _content(tmp_path / keep) == _content(tmp_path / f"{keep} whole")


def test_a_stopped_run_goes_on_at_the_last_whole_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "_BLOCK", 32)
    monkeypatch.setattr(extractor, "_TALLY_BLOCK", 32)
    for keep in ("all", "top"):
        images = noise_images(100, bad=[3, 70])
        _extract(tmp_path / f"{keep} whole", images=images, keep=keep, max_bad=0.1)
        with pytest.raises(KeyboardInterrupt):
            _extract(tmp_path / keep, images=images, keep=keep, max_bad=0.1, progress=_stop_at(5))
        images.loaded.clear()
        _extract(tmp_path / keep, images=images, keep=keep, max_bad=0.1)
        assert min(images.loaded) == 64
        assert _content(tmp_path / keep) == _content(tmp_path / f"{keep} whole")


def _stop_at(step: int) -> Callable[..., Iterator[object]]:
    def progress(iterable: Iterable[object], **_: object) -> Iterator[object]:
        for n, item in enumerate(iterable):
            if n == step:
                raise KeyboardInterrupt
            yield item

    return progress


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_layer_whose_first_dimension_is_not_the_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose a layer whose first dimension is the image"):
        _extract(tmp_path, model=_Odd("shape"))


def test_a_batch_as_large_as_a_first_dimension_that_is_not_the_image(tmp_path: Path) -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.turn(x.flatten(2)[:, :, :BATCH].permute(2, 0, 1).contiguous())

    with pytest.raises(InputError, match="choose a layer whose first dimension is the image"):
        _extract(tmp_path, "turn", model=TimeFirst())


def test_a_model_that_fails_says_on_what(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model: it fails on an image of 12 × 12 pixels \(expected 99 columns\)"):
        _extract(tmp_path, model=_Odd("input"))


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing says how images become its input"):
        _extract(tmp_path, preprocess=None)
    with pytest.raises(InputError, match="the image set has no image"):
        _extract(tmp_path, images=noise_images(0))
    with pytest.raises(InputError, match="the forward pass does not call this module"):
        _extract(tmp_path, "skipped")
    with pytest.raises(InputError, match="did you mean 'conv1'"):
        _extract(tmp_path, "conv11")


def test_images_of_one_name(tmp_path: Path) -> None:
    class Twice(MemoryImages):
        @property
        def ids(self) -> list[str]:
            return ["a.png", "b.png", "a.png"]

    with pytest.raises(InputError, match=r"image 'a.png' appears twice"):
        _extract(tmp_path, images=Twice(noise_images(3).pixels))


def test_a_dead_unit_is_reported_and_no_error(tmp_path: Path) -> None:
    model = residual()
    with torch.no_grad():
        model.fc.weight[3], model.fc.bias[3] = 0, -1
    found = _extract(tmp_path, "out", model=model)
    assert "3" in found.meta["dead"] and not found.values[3].any()


def test_a_half_precision_model_is_stored_in_single_precision(tmp_path: Path) -> None:
    found = _extract(tmp_path, model=residual().bfloat16())
    assert found.meta["dtype"] == "bfloat16" and found.values.dtype == np.float32


_CHILD = """
import sys, time
from pathlib import Path
import torch
from conceptx.activations import extract as extractor
from tests.activations.networks import PREPROCESS, MemoryImages, noise_images, residual

class Slow(MemoryImages):
    def load(self, i):
        time.sleep(float(sys.argv[2]))
        return super().load(i)

extractor._BLOCK = extractor._TALLY_BLOCK = 32
images = Slow(noise_images(1200).pixels, bad=[5, 700])
extractor.extract_layers(residual(), ["relu@1", "fc"], images, out=Path(sys.argv[1]), preprocess=PREPROCESS,
                         keep=sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "mark"), [("all", "fc.json~"), ("top", "fc.tally~")])
def test_killed_at_random_moments_it_resumes_and_ends_in_the_same_files(tmp_path: Path, keep: str, mark: str) -> None:
    def start(folder: str, seconds: float) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path / folder), str(seconds), keep])

    assert start("want", 0).wait() == 0
    rng, sidecar, kills = np.random.Generator(np.random.PCG64(4)), tmp_path / "got" / mark, 0
    while True:
        before = _read(sidecar)
        child = start("got", 0.004)
        while child.poll() is None and (_read(sidecar) or before) == before:
            time.sleep(0.005)
        time.sleep(float(rng.uniform(0, 0.4)))
        if child.poll() is not None:
            break
        child.kill()
        child.wait()
        kills += 1
    assert child.returncode == 0 and kills >= 3
    want = {p.name: p.read_bytes() for p in (tmp_path / "want").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "got").iterdir() if not p.name.startswith(".")} == want


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
