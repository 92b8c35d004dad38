"""Throughput of the extractor against the bare forward pass and the usual ways, on the same images in the same run.

Run with ``python tests/benchmarks/bench_extract.py [ARCHITECTURE[/LAYER]] [IMAGES] [ROUNDS]``; without a layer it is
the last pooling. The bare forward pass, always a whole one, gets tensors that are ready, all cores on one batch.
torchvision's feature extractor, which ends after the layer as ours does, gets the same tensors. The decoder alone only
reads and prepares the files (Pillow, a thread for each core). The plain loop reads JPEG files one after the other,
stacks sixteen and keeps a hook's output. The extractor reads them as the image set `folder:`, as a run does. All but
the decoder end in the same bits, which is checked.

In every round the plain ways and the extractor take turns, so that other work on the machine meets both, each in a
process of its own, because the extractor changes how a process keeps its memory. The ratios are the medians of the
rounds' ratios. Seconds of processor time stand beside them; of them too a busy machine takes more, because threads that
wait for each other in one batch count as busy.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
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
from conceptx.images.dataset import ImageSet
from conceptx.images.formats import open_images

BARE, EXTRACTOR, DECODER, LOOP = "bare forward pass", "feature extractor", "decoder alone, JPEG", "plain loop, JPEG"
DECODED, JPEG = "extract, decoded", "extract, JPEG"


def write_files(folder: Path, n: int) -> None:
    """Write JPEG files of noise that compresses like a photograph."""
    folder.mkdir()
    rng = np.random.Generator(np.random.PCG64(0))
    for i in range(n):
        small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        small.resize((500, 375), Image.Resampling.BICUBIC).save(folder / f"{i:05}.jpg", quality=90)


class _Ready:
    """Images that are already decoded, resized and cropped."""

    def __init__(self, images: ImageSet, preprocess: Preprocess) -> None:
        self.ids, self.images = images.ids, pa.table({"sha256": images.ids})
        self.pixels = [preprocess.pixels(images.load(i)) for i in range(len(images))]

    def load(self, i: int) -> np.ndarray:
        return self.pixels[i]


def measured(runs: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Return the wall seconds and the seconds of processor time of each."""
    found = {}
    for name, run in runs.items():
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        run()
        after = resource.getrusage(resource.RUSAGE_SELF)
        busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        found[name] = (time.perf_counter() - started, busy)
    return found


def plainly(folder: Path, architecture: str) -> dict[str, tuple[float, float]]:
    """Measure the ways without conceptx."""
    model, preprocess, layer, images = _loaded(folder, architecture)
    cropped = replace(preprocess, size=preprocess.side, crop=None)
    tensors = torch.from_numpy(np.stack([cropped(image) for image in _Ready(images, preprocess).pixels]))

    def load(i: int) -> np.ndarray:
        with Image.open(folder / "jpeg" / images.ids[i]) as image:
            return np.asarray(image.convert("RGB"))

    def forward(limit: int | None = None) -> None:
        with torch.inference_mode():
            for batch in tensors[:limit].split(BATCH):
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
            for start in range(0, len(images), BATCH):
                batch = [preprocess(load(i)) for i in range(start, min(start + BATCH, len(images)))]
                model(torch.from_numpy(np.stack(batch)))
        hook.remove()
        np.save(folder / "loop.npy", torch.cat(kept).numpy().T)

    def decode() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda i: preprocess(load(i)), range(len(images))))

    forward(2 * BATCH)
    return measured({BARE: forward, EXTRACTOR: torchvisions, DECODER: decode, LOOP: loop})


def ours(folder: Path, architecture: str) -> dict[str, tuple[float, float]]:
    """Measure the extractor."""
    model, preprocess, layer, images = _loaded(folder, architecture)
    ready = _Ready(images, preprocess)
    cropped = replace(preprocess, size=preprocess.side, crop=None)

    def run(name: str, of: ImageSet | _Ready, prepare: Preprocess) -> Callable[[], object]:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            out = Path(place)  # the name alone: the folder is made again
        return lambda: extract(model, layer, of, out=out.with_name(f"{out.name}-{name}"), preprocess=prepare)

    run("first", images.subset(images.ids[: 2 * BATCH]), preprocess)()
    return measured({DECODED: run("decoded", ready, cropped), JPEG: run("jpeg", images, preprocess)})


def _loaded(folder: Path, architecture: str) -> tuple[torch.nn.Module, Preprocess, str, ImageSet]:
    name, _, layer = architecture.partition("/")
    loaded = load_model(name, "none")
    assert loaded.preprocess is not None
    pooling = [name for name, part in loaded.model.named_modules() if isinstance(part, torch.nn.AdaptiveAvgPool2d)]
    return loaded.model, loaded.preprocess, layer or pooling[-1], open_images(f"folder:{folder / 'jpeg'}")


def main(architecture: str = "resnet18", n: int = 256, rounds: int = 3) -> None:
    """Measure and print."""
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_files(folder / "jpeg", n)
        for _ in range(rounds):
            for part in ("plainly", "ours"):
                command = [sys.executable, __file__, part, scratch, architecture]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                for name, taken in json.loads(done.stdout).items():
                    found.setdefault(name, []).append(taken)
        files = (folder / "loop.npy", folder / "torchvision.npy", *folder.glob("*-decoded/*.npy"))
        values = [np.load(path) for path in (*files, *folder.glob("*-jpeg/*.npy"))]
        assert len(values) == 2 + 2 * rounds and all(np.array_equal(values[0], other) for other in values)
    print(f"{architecture}, {n} images, {torch.get_num_threads()} threads, {rounds} rounds, medians")
    for name, taken in found.items():
        wall, busy = (1000 * float(np.median(seconds)) / n for seconds in zip(*taken, strict=True))
        print(f"  {name:<22}{wall:9.2f} ms an image, {busy:7.2f} ms of processor time")
    wall_of = {name: np.array(taken)[:, 0] for name, taken in found.items()}
    for what, ratios in (
        ("decoded images, of the bare forward pass", wall_of[BARE] / wall_of[DECODED]),
        ("decoded images, times the feature extractor", wall_of[EXTRACTOR] / wall_of[DECODED]),
        (
            "JPEG, of the slower of decoding and forward pass",
            np.maximum(wall_of[BARE], wall_of[DECODER]) / wall_of[JPEG],
        ),
        ("JPEG, of both, one after the other", (wall_of[BARE] + wall_of[DECODER]) / wall_of[JPEG]),
        ("JPEG, times the plain loop", wall_of[LOOP] / wall_of[JPEG]),
    ):
        print(f"  {what}: {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    if sys.argv[1:2] in (["plainly"], ["ours"]):
        print(json.dumps({"plainly": plainly, "ours": ours}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])))
    else:
        main(*sys.argv[1:2], *map(int, sys.argv[2:4]))
