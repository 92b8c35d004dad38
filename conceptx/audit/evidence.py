"""The evidence of a run as the audit reads it: pictures, extents, values and splits, from the stored tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from conceptx.activations.store import Activations
from conceptx.annotation.sssom import read_sssom
from conceptx.artefacts import hierarchy_of, layers_of
from conceptx.audit.scenes import Picture, holds, read_pictures
from conceptx.expressions import And, Expression, Not, Or, Some, parse
from conceptx.inputs import Given, image_set_of
from conceptx.run import Run

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What every figure of a run is computed from; `images`, `pictures` and `splits` are in the same order."""

    layers: Mapping[str, Activations]
    images: Sequence[str]
    pictures: Sequence[Picture]
    splits: npt.NDArray[np.str_]
    places: Mapping[str, npt.NDArray[np.intp]]
    _known: dict[Expression, Bools] = field(default_factory=dict)

    def values(self, layer: str, unit: str, split: str) -> Floats:
        """Return the values of a unit on the images of a split."""
        return np.asarray(self.all_values(layer, unit)[self.splits == split], dtype=np.float64)

    def all_values(self, layer: str, unit: str) -> Floats:
        """Return the values of a unit on all images."""
        stored = self.layers[layer]
        return np.asarray(stored.values[stored.units.index(unit)], dtype=np.float64)[self.places[layer]]

    def extent(self, text: str, split: str) -> Bools:
        """Return for which images of a split an expression holds."""
        return np.asarray(self.whole_extent(parse(text))[self.splits == split], dtype=bool)

    def whole_extent(self, expression: Expression) -> Bools:
        """Return for which of all images an expression holds."""
        return self._extent(expression)

    @property
    def held_out(self) -> Bools:
        """Which images are held out."""
        return np.isin(self.splits, ("evaluation", "verification"))

    def _extent(self, expression: Expression) -> Bools:
        if expression not in self._known:
            match expression:
                case And(operands):
                    found = np.all([self._extent(operand) for operand in operands], axis=0)
                case Or(operands):
                    found = np.any([self._extent(operand) for operand in operands], axis=0)
                case Not(operand):
                    found = ~self._extent(operand)
                case Some(role, Or(operands)):
                    found = self._extent(Or(tuple(Some(role, operand) for operand in operands)))
                case _:
                    found = np.array([holds(expression, picture) for picture in self.pictures], dtype=bool)
            self._known[expression] = found
        return self._known[expression]


def read_evidence(run: Run) -> Evidence:
    """Read the stored tables of a run whose stages up to `annotate` have ended well."""
    layers = {layer.layer: layer for layer in layers_of(run)}
    table = image_set_of(run, Given())
    measured = set(next(iter(layers.values())).images)
    listed = zip(table.images["image"].to_pylist(), table.images["split"].to_pylist(), strict=True)
    kept = [(image, split) for image, split in listed if image in measured]
    mapping = read_sssom(run.path / "mapping.sssom.tsv")
    class_of = {row.label: row.class_name for row in mapping.rows if row.class_name is not None}
    pictures = read_pictures(table.images, table.objects, class_of, hierarchy_of(run))
    places = {
        name: np.array([place[image] for image, _ in kept], dtype=np.intp)
        for name, layer in layers.items()
        for place in [{image: i for i, image in enumerate(layer.images)}]
    }
    images = [image for image, _ in kept]
    return Evidence(
        layers, images, [pictures[image] for image, _ in kept], np.array([split for _, split in kept]), places
    )
