"""How fast the other methods are: each beside the plain loop that the published programs run, on the same data.

Run as ``python tests/benchmarks/bench_comparison.py [images] [units]``; the default is 300 images and 256 units with
maps of 14 × 14. The results of both ways are compared, too. Seconds are of the processor.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.activations.preprocess import Preprocess
from conceptx.annotation.mapping import map_labels
from conceptx.annotation.scenes import build_scenes
from conceptx.comparison.counting import enlarged
from conceptx.comparison.invert import search
from conceptx.comparison.meaning import Meaning
from conceptx.comparison.netdissect import overlaps, thresholds
from conceptx.comparison.regions import Regions
from conceptx.expressions import Named, contains
from conceptx.images.dataset import ImageSet
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables import IMAGES, OBJECTS, from_rows

Result = TypeVar("Result")

CLASSES = 60
SIDE = 224
GRID = 112


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def report(what: str, fast: float, slow: float) -> None:
    print(f"{what}: {fast:.2f} s; the plain loop {slow:.2f} s; {slow / fast:.0f} times as fast")


def dissection(images: int, units: int) -> None:
    """The overlaps, unit by unit and class by class as NetDissect-Lite counts them, and the thresholds in one array."""
    rng = np.random.default_rng(0)
    hierarchy = Hierarchy.from_edges([(f"c{i}", f"g{i % 6}") for i in range(CLASSES)])
    objects = []
    for i in range(images):
        for k in range(12):
            x, y = rng.integers(0, 280, 2).tolist()
            place = {"x": x, "y": y, "w": int(rng.integers(8, 320 - x)), "h": int(rng.integers(8, 320 - y))}
            objects.append({"image": str(i), "object": f"o{k}", "label": f"c{rng.integers(CLASSES)}", **place})
    rows = [{"image": str(i), "width": 320, "height": 320} for i in range(images)]
    table = ImageSet("made up", None, from_rows(rows, IMAGES), from_rows(objects, OBJECTS))
    scenes, _ = build_scenes(table, map_labels([f"c{i}" for i in range(CLASSES)], hierarchy), hierarchy)
    maps = np.maximum(rng.standard_normal((images, units, 14, 14)), 0).astype(np.float32)
    blocks = [maps[start : start + 16] for start in range(0, images, 16)]

    limits, fast = timed(lambda: thresholds(blocks, images))
    whole, slow = timed(lambda: np.quantile(maps.transpose(1, 0, 2, 3).reshape(units, -1), 0.995, axis=1))
    np.testing.assert_allclose(limits, whole, rtol=1e-5)
    report("thresholds, streamed, beside numpy on all maps in memory", fast, slow)

    regions = Regions(scenes, table, Preprocess(256, crop=SIDE), GRID)
    overlaps(zip(table.ids[:1], maps[:1], strict=True), limits, regions)  # compiles
    found, fast = timed(lambda: overlaps(zip(table.ids, maps, strict=True), limits, regions))
    part = max(1, images // 30)

    def loop() -> np.ndarray:
        both = np.zeros((units, len(regions.classes)), np.int64)
        for image, values in zip(table.ids[:part], maps[:part], strict=True):
            shown = regions(image)
            assert shown is not None
            for unit in range(units):
                if values[unit].max() > limits[unit]:
                    fires = enlarged(values[unit : unit + 1], GRID)[0].ravel() > limits[unit]
                    for place, region in zip(*shown, strict=True):
                        both[unit, place] += np.count_nonzero(fires & region)
        return both

    plain, slow = timed(loop)
    assert (plain <= found.both).all()
    np.testing.assert_array_equal(
        plain, overlaps(zip(table.ids[:part], maps[:part], strict=True), limits, regions).both
    )
    report(f"overlaps (the loop projected from {part} images)", fast, slow * images / part)


def beam(images: int) -> None:
    """INVERT's beam, beside one AUROC a formula."""
    rng = np.random.default_rng(1)
    n = images * 10
    extents = rng.random((CLASSES, n)) < rng.uniform(0.02, 0.3, (CLASSES, 1))
    values = extents[:3].any(axis=0) + rng.standard_normal(n)
    names = [contains(Named(f"c{i}")) for i in range(CLASSES)]
    found, fast = timed(lambda: search(values, extents, names))

    def auroc(held: np.ndarray) -> float:
        return float(stats.mannwhitneyu(values[held], values[~held], method="asymptotic").statistic)

    _, slow = timed(lambda: [auroc(held) for held in extents])
    formulas = 2 * CLASSES + 2 * 5 * 2 * 2 * CLASSES
    assert found is not None
    np.testing.assert_allclose(
        found.auroc, auroc(found.extent) / (found.extent.sum() * (~found.extent).sum()), rtol=1e-12
    )
    report(f"INVERT, one unit, {n} images, {formulas} formulas (projected)", fast, slow * formulas / CLASSES)


def captions(units: int) -> None:
    """What captions mean, beside a new look-up for every caption."""
    words = ["wooden", "bed", "red", "car", "window", "by", "the", "lamp", "dog", "grass", "edges", "of", "objects"]
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(words, 9)) for _ in range(units)]
    edges = [(word, "thing") for word in words[:9]] + [(f"x{i}", "thing") for i in range(20_000)]
    hierarchy = Hierarchy.from_edges(edges)
    used = {*words[:9], "thing"}

    def shared() -> list[object]:
        meaning = Meaning(hierarchy, used)
        return [meaning(text) for text in texts]

    found, fast = timed(shared)
    again, slow = timed(lambda: [Meaning(hierarchy, used)(text) for text in texts[:4]])
    assert found[:4] == again
    report(f"{units} captions, 20,000 classes (the loop projected from 4)", fast, slow * units / 4)


def main() -> None:
    images, units = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (300, 256)
    dissection(images, units)
    beam(images)
    captions(units)


if __name__ == "__main__":
    main()
