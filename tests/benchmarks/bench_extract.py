"""Throughput of the extractor against the bare forward pass and the usual ways, on the same images in the same run.

Run with ``python tests/benchmarks/bench_extract.py [ARCHITECTURE] [IMAGES]``. The bare forward pass gets tensors that
are ready, all cores on one batch. torchvision's feature extractor gets the same tensors. The decoder alone only reads
and prepares the files (Pillow, a thread for each core). The plain loop reads JPEG files one after the other, stacks
sixteen and keeps a hook's output. All but the decoder end in the same bits, which is checked.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from conceptx.activations.extract import BATCH, extract
from conceptx.activations.models import import_torchvision, load_model
from conceptx.activations.preprocess import Preprocess


class _Files:
    """JPEG files of noise that compresses like a photograph."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.ids = folder, [f"{i}.jpg" for i in range(n)]
        rng = np.random.Generator(np.random.PCG64(0))
        for name in self.ids:
            small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
            small.resize((500, 375), Image.Resampling.BICUBIC).save(folder / name, quality=90)
        self.images = pa.table({"sha256": self.ids})

    def load(self, i: int) -> np.ndarray:
        with Image.open(self.folder / self.ids[i]) as image:
            return np.asarray(image.convert("RGB"))


class _Ready:
    """The same images, already decoded, resized and cropped."""

    def __init__(self, files: _Files, preprocess: Preprocess) -> None:
        self.ids, self.images = files.ids, files.images
        self.pixels = [preprocess.pixels(files.load(i)) for i in range(len(files.ids))]

    def load(self, i: int) -> np.ndarray:
        return self.pixels[i]


def _fastest(runs: dict[str, Callable[[], object]], repeat: int = 3) -> dict[str, float]:
    """Return the least seconds of each, taken in turns so that a busy machine slows all of them."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeat):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def main(architecture: str = "resnet18", n: int = 256) -> None:
    """Measure and print."""
    loaded = load_model(architecture, "none")
    model, preprocess = loaded.model, loaded.preprocess
    assert preprocess is not None
    layer = [name for name, module in model.named_modules() if isinstance(module, torch.nn.AdaptiveAvgPool2d)][-1]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = _Files(folder, n)
        ready, cropped = _Ready(files, preprocess), replace(preprocess, size=preprocess.side, crop=None)
        tensors = torch.from_numpy(np.stack([cropped(image) for image in ready.pixels]))
        runs = 0

        def forward() -> None:
            with torch.inference_mode():
                for batch in tensors.split(BATCH):
                    model(batch)

        def torchvisions() -> None:
            import_torchvision()
            from torchvision.models.feature_extraction import create_feature_extractor

            with warnings.catch_warnings(), torch.inference_mode():
                warnings.simplefilter("ignore")
                extractor = create_feature_extractor(model, [layer])
                kept = [extractor(batch)[layer].amax((2, 3)) for batch in tensors.split(BATCH)]
            np.save(folder / "torchvision.npy", torch.cat(kept).numpy().T)

        def loop() -> None:
            kept: list[torch.Tensor] = []
            hook = model.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2].amax((2, 3))))
            with torch.inference_mode():
                for start in range(0, n, BATCH):
                    batch = [preprocess(files.load(i)) for i in range(start, min(start + BATCH, n))]
                    model(torch.from_numpy(np.stack(batch)))
            hook.remove()
            np.save(folder / "loop.npy", torch.cat(kept).numpy().T)

        def decode() -> None:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda i: preprocess(files.load(i)), range(n)))

        def ours(images: _Files | _Ready, prepare: Preprocess) -> None:
            nonlocal runs
            runs += 1
            extract(model, layer, images, out=folder / str(runs), preprocess=prepare)

        seconds = _fastest(
            {
                "bare forward pass, tensors": forward,
                "feature extractor, tensors": torchvisions,
                "extract, decoded images": lambda: ours(ready, cropped),
                "decoder alone, JPEG": decode,
                "plain loop, JPEG": loop,
                "extract, JPEG": lambda: ours(files, preprocess),
            }
        )
        values = [np.load(path) for path in (folder / "loop.npy", folder / "torchvision.npy", *folder.glob("*/*.npy"))]
        assert all(np.array_equal(values[0], other) for other in values)
    print(f"{architecture}, layer {layer}, {n} images, {torch.get_num_threads()} threads")
    for name, value in seconds.items():
        print(f"  {name:<28}{n / value:9.1f} images/s")
    bare, decoder = seconds["bare forward pass, tensors"], seconds["decoder alone, JPEG"]
    slower, both = max(bare, decoder), bare + decoder
    ours = seconds["extract, JPEG"]
    print(f"  decoded images: {bare / seconds['extract, decoded images']:.2f} of the bare forward pass")
    print(f"  decoded images: {_of(seconds, 'feature extractor, tensors', 'extract, decoded images')} the extractor")
    print(f"  JPEG: {slower / ours:.2f} of the slower of decoding and forward pass")
    print(f"  JPEG: {both / ours:.2f} of what these cores can do with both, one after the other")
    print(f"  JPEG: {_of(seconds, 'plain loop, JPEG', 'extract, JPEG')} the plain loop")


def _of(seconds: dict[str, float], baseline: str, ours: str) -> str:
    return f"{seconds[baseline] / seconds[ours]:.2f} times"


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
