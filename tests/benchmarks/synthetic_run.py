"""A whole run of any size whose units are planted: made-up pictures with boxes, a taxonomy, and the stages of a run.

`make_run(folder, units, images)` goes through every stage, so that every table is what a run of that size has; nothing
is repeated. `make_large_run` has as many units and images, but searches and tests only some of them: the others repeat
these, which is as much to show and to ask of, and in minutes instead of an hour (its figures are not for an audit).

A picture carries its number as black and white squares, and the network recalls by it the planted values
of its units. Three quarters of the units answer to one or two classes, more or less clearly; the others are noise.
"""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.activations.preprocess import Preprocess
from conceptx.annotation.scenes import Scenes
from conceptx.files import write_json
from conceptx.inputs import Given
from conceptx.pipeline import run_stages, start_run
from conceptx.progress import Progress, silent
from conceptx.request import GIVEN, Request
from conceptx.run import Run
from conceptx.tables import write_parquet
from tests.benchmarks.synthetic_scenes import scenes_of, taxonomy

WIDTH, HEIGHT = 160, 120
PREPROCESS = Preprocess(size=HEIGHT, crop=HEIGHT, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SEARCHED, TESTED = 256, 10_000
"""Units and images of the smaller run that `make_large_run` repeats."""

_CLASSES, _VOCABULARY, _OBJECTS = 600, 150, 8
_BITS, _SQUARE, _ROW = 24, 8, 15
"""A number has so many squares of so many pixels, so many of them in a row (the network sees the middle 120 pixels)."""


class Recall(nn.Module):
    """A network that reads the number of a picture and gives the planted values of its units, or 0 for no number."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("values", torch.from_numpy(values))
        self.units = nn.ReLU()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the values (pictures, units) for pictures (pictures, 3, 120, 120)."""
        rows = -(-_BITS // _ROW)
        seen = pixels.mean(dim=1)[:, HEIGHT - rows * _SQUARE :, : _ROW * _SQUARE]
        squares = seen.reshape(-1, rows, _SQUARE, _ROW, _SQUARE).mean(dim=(2, 4)).reshape(len(pixels), -1)
        bits = (squares[:, :_BITS] > 0.5).to(torch.int64)
        number = (bits << torch.arange(_BITS)).sum(dim=1)
        known = number < len(self.values)
        return self.units(self.values[number * known] * known[:, None])


def make_run(folder: Path, units: int, images: int, *, seed: int = 1, progress: Progress = silent) -> Run:
    """Make a run with its report in `folder`/run, or take up the one that is there; what it is given is beside it."""
    request, given = _asked(folder, units, images, seed)
    with start_run(folder / "run", request) as run:
        run_stages(run, given=given, progress=progress)
    return run


def _asked(folder: Path, units: int, images: int, seed: int) -> tuple[Request, Given]:
    """Return the request of a run and the network that it is given; write the pictures where they are not there yet."""
    hierarchy = taxonomy(_CLASSES, seed)
    scenes = scenes_of(hierarchy, images, objects=_OBJECTS, vocabulary=_VOCABULARY, seed=seed)
    given = folder / "given"
    listing = given / "pictures.jsonl"
    if not listing.exists():
        _draw(given, scenes, seed)
        edges = [
            f"{hierarchy.name(c)}\t{hierarchy.name(int(p))}\n"
            for c in range(len(hierarchy))
            for p in hierarchy.parents(c)
        ]
        (given / "classes.tsv").write_text("".join(edges), encoding="utf-8")
        listing.write_text("".join(json.dumps(row) + "\n" for row in _rows(scenes, seed)), encoding="utf-8")
    request = Request(
        model=f"{GIVEN}:recall",
        layers=("units",),
        images=f"table:{listing.resolve()}",
        ontology=str((given / "classes.tsv").resolve()),
    )
    return request, Given(model=Recall(planted_values(scenes, units, seed)), preprocess=PREPROCESS)


def make_large_run(folder: Path, units: int, images: int, *, seed: int = 1, progress: Progress = silent) -> Run:
    """Make a run like `make_run`; where it is large, the tables are those of a smaller run, repeated."""
    if units <= SEARCHED and images <= TESTED:
        return make_run(folder, units, images, seed=seed, progress=progress)
    small = make_run(folder / "searched", min(units, SEARCHED), min(images, TESTED), seed=seed, progress=progress)
    request, given = _asked(folder, units, images, seed)
    with start_run(folder / "run", request) as run:
        run_stages(run, upto="annotate", given=given, progress=progress)
        for stage in ("induce", "plan", "verify"):
            reads = {name: run.digest_of(name) for name in ("images", "extract", "annotate")}
            run.stage(stage, reads=reads, work=partial(_repeat, small, run, stage, units))
        run_stages(run, only=("report",), given=given, progress=progress)
    return run


def _repeat(small: Run, run: Run, stage: str, units: int) -> list[str]:
    """Write the outputs of a stage of the smaller run for all units."""
    names = list(small.manifest["stages"][stage]["outputs"])
    for name in names:
        if name == "induction.json":
            found = small.read_json(name)
            known = found["frontier"]["units"]
            found["frontier"]["units"] = {str(k): known[str(k % len(known))] for k in range(units)}
            write_json(run.path / name, found)
        elif name.endswith(".parquet") and name not in ("controls.parquet", "ensembles.parquet"):
            write_parquet(run.path / name, _repeated(pq.read_table(small.path / name), units))
        else:
            shutil.copy(small.path / name, run.path / name)
    return names


def _repeated(table: pa.Table, units: int) -> pa.Table:
    """Return the rows of a table of units for so many units."""
    number = np.array(table["unit"].to_pylist(), dtype=np.int64)
    place = table.column_names.index("unit")
    every = [
        table.set_column(place, "unit", pa.array((number + first).astype(str))).filter(pa.array(number + first < units))
        for first in range(0, units, SEARCHED)
    ]
    return pa.concat_tables(every)


def planted_values(scenes: Scenes, units: int, seed: int) -> np.ndarray:
    """Return values (images, units): max(0, strength · extent + noise), of extents of 2 to 40 % of the images."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    words, place = np.unique(scenes.type_class, return_inverse=True)
    holds = np.zeros((len(words), scenes.n_images), dtype=bool)
    holds[place, np.repeat(np.arange(scenes.n_images), _OBJECTS)] = True
    holds = holds[(holds.mean(axis=1) >= 0.02) & (holds.mean(axis=1) <= 0.4)]
    values = np.empty((scenes.n_images, units), dtype=np.float32)
    for k in range(units):
        a, b = holds[rng.choice(len(holds), 2, replace=False)]
        extent = (a, a & ~b, a | b, a)[k % 4 if k % 8 < 4 else 0]
        strength = 0.0 if k % 4 == 3 else 2.0 / (1 + k % 7)
        values[:, k] = np.maximum(0, strength * extent + rng.normal(-0.3, 0.6, scenes.n_images))
    return values


def _boxes(scenes: Scenes, seed: int) -> np.ndarray:
    """Return x, y, width and height of every object, above the squares of the number."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    n = scenes.n_images * _OBJECTS
    w, h = rng.integers(16, 60, n), rng.integers(12, 50, n)
    return np.stack([rng.integers(0, WIDTH - w), rng.integers(0, HEIGHT - 16 - h), w, h], axis=1)


def _rows(scenes: Scenes, seed: int) -> list[dict[str, object]]:
    names = [scenes.hierarchy.name(int(c)) for c in scenes.type_class]
    boxes = _boxes(scenes, seed).tolist()
    return [
        {
            "image": f"{i:06d}.jpg",
            "path": f"pictures/{i:06d}.jpg",
            "objects": [{"label": names[j], "box": boxes[j]} for j in range(i * _OBJECTS, (i + 1) * _OBJECTS)],
        }
        for i in range(scenes.n_images)
    ]


def _draw(folder: Path, scenes: Scenes, seed: int) -> None:
    """Write the pictures: smooth colours with a little noise, a block in its class's colour for every object."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    boxes = _boxes(scenes, seed)
    colours = np.random.Generator(np.random.PCG64([seed, 3])).integers(0, 255, (len(scenes.hierarchy), 3))

    def draw(i: int) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 4, i]))
        smooth = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
        pixels = np.asarray(smooth, dtype=np.float32) + rng.normal(0, 8, (HEIGHT, WIDTH, 3)).astype(np.float32)
        for j in range(i * _OBJECTS, (i + 1) * _OBJECTS):
            x, y, w, h = boxes[j]
            pixels[y : y + h, x : x + w] = (pixels[y : y + h, x : x + w] + 2 * colours[scenes.type_class[j]]) / 3
        left = (WIDTH - HEIGHT) // 2
        for bit in range(_BITS):
            row, column = divmod(bit, _ROW)
            top = HEIGHT - (-(-_BITS // _ROW) - row) * _SQUARE
            x = left + column * _SQUARE
            pixels[top : top + _SQUARE, x : x + _SQUARE] = 255 * (i >> bit & 1)
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        picture.save(folder / "pictures" / f"{i:06d}.jpg", quality=80, subsampling=0)

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(draw, range(scenes.n_images)):
            pass
