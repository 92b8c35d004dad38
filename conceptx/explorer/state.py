"""A run, opened for questions: everything that answers need is read once and never changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conceptx.activations.store import Activations
from conceptx.annotation.mapping import Mapping
from conceptx.annotation.scenes import Scenes
from conceptx.annotation.sssom import read_sssom
from conceptx.artefacts import layers_of, protocol_of, scenes_of, splits_of
from conceptx.errors import InputError
from conceptx.explorer.annotated import Annotations, read_annotations
from conceptx.expressions import Expression, names, parse
from conceptx.images.dataset import ImageSet
from conceptx.induction.extents import Evaluator
from conceptx.inputs import Given, image_set_of
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.report.records import Evidence, UnitEvidence
from conceptx.run import Run
from conceptx.verification.protocol import Protocol

_EVIDENCE = ("images", "extract", "annotate")
"""The stages whose artefacts questions are answered from."""

Key = tuple[str, str]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Explorer:
    """The run's report, annotations and activations. Images are in the order of `splits`."""

    run: Run
    evidence: Evidence
    images: ImageSet
    layers: tuple[Activations, ...]
    splits: dict[str, str]
    scenes: Scenes
    protocol: Protocol

    @classmethod
    def open(cls, path: Path) -> Explorer:
        """Open a run that has its report, and whose evidence is as the run left it."""
        run = Run.open(path)
        run.require(*_EVIDENCE)
        report = run.path / "report" / "report.json"
        if not run.keeps("report"):
            what = "the run has no report, or it was changed since"
            raise InputError(str(run.path), what, f"run conceptx report {run.path}")
        try:
            evidence = Evidence.from_dict(json.loads(report.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            mend = f"run conceptx report {run.path}"
            raise InputError(str(report), f"this is not a report of this version ({error})", mend) from error
        splits = splits_of(run)
        order = list(splits)
        layers = tuple(layer.for_images(order) for layer in layers_of(run))
        scenes = scenes_of(run).subset(order)
        return cls(run, evidence, image_set_of(run, Given()), layers, splits, scenes, protocol_of(run))

    @property
    def hierarchy(self) -> Hierarchy:
        """The classes that expressions may name."""
        return self.scenes.hierarchy

    @cached_property
    def units(self) -> dict[Key, UnitEvidence]:
        """The report's units by (layer, unit), the best explained first."""
        return {(u.layer, u.unit): u for u in self.evidence.units}

    @cached_property
    def expressions(self) -> dict[Key, Expression]:
        """The judged or best expression of every unit that has one."""
        return {key: parse(unit.expression) for key, unit in self.units.items() if unit.expression is not None}

    @cached_property
    def named(self) -> dict[Key, frozenset[str]]:
        """The classes that each unit's expression names."""
        return {key: frozenset(names(expression)) for key, expression in self.expressions.items()}

    @cached_property
    def order(self) -> list[str]:
        """The images in their order."""
        return list(self.splits)

    @cached_property
    def keys(self) -> list[Key]:
        """(layer, unit) of every row of `standardised`."""
        return [(layer.layer, unit) for layer in self.layers for unit in layer.units]

    @cached_property
    def row_of(self) -> dict[Key, int]:
        """The row of `standardised` that each unit has."""
        return {key: i for i, key in enumerate(self.keys)}

    @cached_property
    def members(self) -> dict[str, npt.NDArray[np.intp]]:
        """The places of each split's images."""
        names = np.array(list(self.splits.values()))
        return {split: np.flatnonzero(names == split) for split in ("induction", "evaluation", "verification")}

    @cached_property
    def held_out(self) -> npt.NDArray[np.intp]:
        """The places of the images that no hypothesis was learned from."""
        return np.sort(np.concatenate([self.members["evaluation"], self.members["verification"]]))

    @cached_property
    def standardised(self) -> Floats:
        """The units' values on held-out images (units, images), each row with mean 0 and norm 1 (constant: all 0)."""
        values = np.concatenate([np.asarray(layer.values[:, self.held_out], dtype=np.float32) for layer in self.layers])
        values -= values.mean(axis=1, keepdims=True)
        norm = np.sqrt((values.astype(np.float64) ** 2).sum(axis=1, keepdims=True)).astype(np.float32)
        return np.asarray(np.divide(values, norm, out=np.zeros_like(values), where=norm > 0))

    @cached_property
    def evaluator(self) -> Evaluator:
        """Extents of expressions; remembers those of single classes."""
        return Evaluator(self.scenes)

    @cached_property
    def mapping(self) -> Mapping:
        """Which class each label was given."""
        return read_sssom(self.run.path / "mapping.sssom.tsv")

    @cached_property
    def labels(self) -> dict[str, str | None]:
        """The class of every label, None for those without."""
        return {row.label: row.class_name for row in self.mapping.rows}

    @cached_property
    def label_counts(self) -> Counter[str]:
        """How many annotations bear each label: objects, categories and attribute values."""
        counts = Counter(self.images.objects["label"].to_pylist())
        counts.update(category for category in self.images.images["category"].to_pylist() if category)
        counts.update(value for _, value in self._values())
        return counts

    @cached_property
    def annotations(self) -> Annotations:
        """The annotations, ready to be read with other classes for the labels."""
        return read_annotations(self.images, self.order, self.hierarchy)

    @cached_property
    def tops(self) -> dict[Key, float]:
        """The maximum of every unit over the induction images, from 0; 0 without any."""
        places = self.members["induction"]
        found = ((key, values[places]) for key, values in self._rows.items())
        return {key: float(learned.max(initial=0.0)) for key, learned in found}

    @cached_property
    def ranges(self) -> dict[Key, tuple[float, float]]:
        """The least value or 0, whichever is less, and the greatest value of every unit over all images."""
        return {key: (min(0.0, float(v.min())), float(v.max())) for key, v in self._rows.items()}

    def _values(self) -> Iterator[tuple[str, str]]:
        columns = (self.images.objects[name].to_pylist() for name in ("image", "attributes"))
        for image, facts in zip(*columns, strict=True):
            for fact in facts or ():
                if fact["value"]:
                    yield image, fact["value"]

    @cached_property
    def _rows(self) -> dict[Key, npt.NDArray[np.float32]]:
        rows = ((layer.layer, unit, layer.values[i]) for layer in self.layers for i, unit in enumerate(layer.units))
        return {(layer, unit): row for layer, unit, row in rows}

    def values(self, key: Key) -> npt.NDArray[np.float32]:
        """Return a unit's values on all images."""
        return np.asarray(self._rows[key])

    def prepare(self) -> None:
        """Compute now what every question needs, so that the first one waits no longer than the others."""
        for name in ("units", "expressions", "named", "order", "row_of", "members", "held_out", "standardised"):
            getattr(self, name)
        for name in ("evaluator", "mapping", "labels", "label_counts", "annotations", "_rows", "tops", "ranges"):
            getattr(self, name)
        for expression in self.expressions.values():
            self.evaluator.held(expression)
