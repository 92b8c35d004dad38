"""A tiny world for reports: coloured shapes, a hierarchy over them, units that respond to known expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from conceptx.activations.store import Activations
from conceptx.annotation.mapping import NO_TERM, Row
from conceptx.annotation.mapping import Mapping as LabelMapping
from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import Expression, length, parse, to_manchester
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.report import ReportInput
from conceptx.tables import HYPOTHESES, IMAGES, OBJECTS, from_rows
from conceptx.verification.controls import Candidate
from conceptx.verification.plan import make_plan, proof
from conceptx.verification.protocol import Protocol
from conceptx.verification.supplement import supplement
from conceptx.verification.verify import verify

KINDS = ("ball", "box", "cone", "ring", "lamp", "tree")
COLOURS = {"ball": (213, 94, 0), "box": (0, 114, 178), "cone": (0, 158, 115), "ring": (230, 159, 0)}
COLOURS |= {"lamp": (204, 121, 167), "tree": (86, 180, 233)}
EXPRESSIONS = (
    "contains some Balls",
    "contains some Boxes and not (contains some Cones)",
    "contains some (Rings or Lamps)",
    "contains some Round_things",
    "contains some Trees and contains some Balls",
)
CLASS_OF = {"ball": "Balls", "box": "Boxes", "cone": "Cones", "ring": "Rings", "lamp": "Lamps", "tree": "Trees"}
EDGES = [("Balls", "Round_things"), ("Rings", "Round_things"), ("Round_things", "Things")]
EDGES += [(name, "Things") for name in ("Boxes", "Cones", "Lamps", "Trees")]


@dataclass(frozen=True)
class TinyImages:
    """An image set that draws its images: one coloured square for each object."""

    images: pa.Table
    objects: pa.Table
    name: str = "coloured shapes"
    attribution: str = "Shapes drawn for the tests, public domain"
    root: Path | None = None
    broken: frozenset[str] = frozenset()

    @property
    def ids(self) -> list[str]:
        return self.images["image"].to_pylist()

    def load(self, i: int) -> np.ndarray:
        image = self.ids[i]
        if image in self.broken:
            raise InputError(image, "the file is truncated", "restore it")
        size = self.images["width"][i].as_py()
        picture = np.full((size, size, 3), 228, np.uint8)
        picture += np.arange(size, dtype=np.uint8)[:, None, None] // 6
        picture[:8, :8] = (i * 37 % 256, i * 11 % 256, 128)
        rows = self.objects.filter(pa.array([name == image for name in self.objects["image"].to_pylist()]))
        for row in rows.to_pylist():
            x, y, w, h = (int(row[k]) for k in ("x", "y", "w", "h"))
            picture[y : y + h, x : x + w] = COLOURS.get(row["label"], (90, 90, 90))
        return picture


World = Callable[..., ReportInput]
BESIDE = Protocol("conceptx", n_controls=20, bootstrap=60, permutations=60)


def brightness_of(names: Sequence[str]) -> dict[str, float]:
    """Return a made-up brightness of every image."""
    return {name: 0.2 + 0.6 * ((i * 7919) % 101) / 100 for i, name in enumerate(names)}


def make_world(
    n_images: int = 150,
    n_units: int = 8,
    size: int = 64,
    seed: int = 0,
    n_controls: int = 20,
    rename: Callable[[str], str] = lambda image: image,
    label_of: Mapping[str, str] | None = None,
    noise: float = 0.6,
    beside: bool = False,
) -> ReportInput:
    """Return the input of a report on `n_units` units, every fourth of them pure noise.

    `beside` adds the tables that stand beside the verdicts, and a plan.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    splits = ["induction", "evaluation", "verification"]
    label_of = label_of or {kind: kind for kind in KINDS}
    images, objects = [], []
    for i in range(n_images):
        name = rename(f"scene-{i:04d}.png")
        split = splits[0 if i % 5 < 3 else i % 5 - 2]
        images.append({"image": name, "path": None, "sha256": None, "width": size, "height": size, "split": split})
        for k, kind in enumerate(KINDS):
            if rng.random() < 0.35:
                w = int(rng.integers(size // 6, size // 3))
                x, y = (int(v) for v in rng.integers(0, size - w, 2))
                row = {"image": name, "object": str(k), "label": label_of[kind], "x": x, "y": y, "w": w, "h": w}
                objects.append(row)
    image_table, object_table = from_rows(images, IMAGES), from_rows(objects, OBJECTS)
    scenes = _scenes(images, objects, {label_of[kind]: CLASS_OF[kind] for kind in KINDS})
    names = tuple(row["image"] for row in images)
    values = np.zeros((n_units, n_images), np.float32)
    for k in range(n_units):
        extent = evaluate(parse(EXPRESSIONS[k % len(EXPRESSIONS)]), scenes)
        strength = 0.0 if k % 4 == 3 else 2.0 / (1 + k % 7)
        values[k] = np.maximum(0, strength * extent + rng.normal(0, noise, n_images) - 0.2)
    values[n_units - 1] = 0
    tables = _judged(values, names, images, scenes, n_controls)
    if beside:
        tables |= _beside(values, names, images, scenes, tables)
    return ReportInput(
        request={"model": "tiny-cnn", "layers": ["fc"], "images": "rendered:/elsewhere/tiny", "protocol": "conceptx"},
        images=image_table,
        objects=object_table,
        **tables,
        activations=(Activations("fc", tuple(map(str, range(n_units))), names, values, {"reduction": "max"}),),
        scenes=scenes,
        mapping=LabelMapping(
            (
                *(Row(label_of[kind], CLASS_OF[kind]) for kind in KINDS),
                Row("thingummy", None, NO_TERM, 0.0, comment="no class is near", alternatives=("Things",)),
            )
        ),
        skipped=[("broken.png", "the file is truncated")],
        warnings=["labels: 1 label without a class, dropped: 'thingummy'; give it a class in the mapping table"],
        image_set=TinyImages(image_table, object_table),
    )


def _scenes(images: list[dict], objects: list[dict], class_of: Mapping[str, str]) -> Scenes:
    hierarchy = Hierarchy.from_edges(EDGES)
    place = {row["image"]: i for i, row in enumerate(images)}
    names = [row["image"] for row in images]
    escaped = [f"{row['image'].replace('%', '%25').replace('#', '%23')}#{row['object']}" for row in objects]
    first = len(names)
    numbers = np.arange(first, first + len(objects))
    sources = np.array([place[row["image"]] for row in objects])
    types = np.array([hierarchy.id(class_of[row["label"]]) for row in objects])
    return Scenes(hierarchy, tuple(names), (*names, *escaped), numbers, types, {"contains": (sources, numbers)})


def _judged(
    values: np.ndarray, names: Sequence[str], images: list[dict[str, Any]], scenes: Scenes, n_controls: int
) -> dict[str, Any]:
    """Send units and controls through a search over a handful of expressions, and verify what it finds."""
    learned = [i for i, row in enumerate(images) if row["split"] == "induction"]
    known = [parse(text) for text in (*EXPRESSIONS, *(f"contains some {name}" for name in CLASS_OF.values()))]
    extents = {e: evaluate(e, scenes)[learned] for e in known}

    def search(rows: np.ndarray) -> list[list[Candidate]]:
        return [_ranked(row, extents) for row in rows]

    activations = Activations("fc", tuple(map(str, range(len(values)))), tuple(names), values)
    hypotheses = [
        {
            "layer": "fc",
            "unit": str(k),
            "rank": rank,
            "expression": to_manchester(c.expression),
            "length": length(c.expression),
            "extent_size": int(extents[c.expression].sum()),
            "correlation": c.score,
            "f1": 0.5,
            "twins": ["contains some (Balls and Things)"] if rank == 1 else [],
            "optimal": rank == 1,
            "proposed": False,
        }
        for k, row in enumerate(values[:, learned])
        for rank, c in enumerate(_ranked(row, extents), start=1)
    ]
    table = from_rows(hypotheses, HYPOTHESES)
    found = verify(
        activations,
        scenes,
        {row["image"]: row["split"] for row in images},
        table,
        protocol=Protocol("conceptx", n_controls=n_controls),
        search=search,
        n_searched=4321,
    )
    tables = {"hypotheses": table, "verdicts": found.verdicts, "controls": found.controls, "margins": found.margins}
    return {**tables, "verification": found.summary.to_dict(), "protocol": found.protocol.describe()}


def _beside(
    values: np.ndarray, names: Sequence[str], images: list[dict[str, Any]], scenes: Scenes, tables: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the tables beside the verdicts and a plan that was kept to."""
    activations = Activations("fc", tuple(map(str, range(len(values)))), tuple(names), values)
    splits = {row["image"]: row["split"] for row in images}
    found = supplement(
        [activations],
        scenes,
        splits,
        tables["hypotheses"],
        tables["verdicts"],
        protocol=BESIDE,
        brightness=brightness_of(names),
    )
    plan = make_plan(tables["hypotheses"], splits, BESIDE, seed=0, annotations=scenes.digest, activations="ab" * 32)
    shown = {**tables["verification"], "plan": proof(plan, plan, tables["verdicts"]), "beside": found.numbers}
    return {"beside": found.tables, "plan": plan, "plan_was_read": True, "verification": shown}


def _ranked(row: np.ndarray, extents: Mapping[Expression, np.ndarray]) -> list[Candidate]:
    if row.std() == 0:
        return []
    scores = {e: float(np.corrcoef(extent, row)[0, 1]) for e, extent in extents.items() if 0 < extent.sum() < len(row)}
    return [Candidate(e, scores[e]) for e in sorted(scores, key=lambda e: -scores[e])[:4]]
