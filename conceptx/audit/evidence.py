"""The evidence of a run as the audit reads it: pictures, extents, values and splits, from the stored tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from conceptx.activations.store import Activations
from conceptx.annotation.sssom import read_sssom
from conceptx.artefacts import hierarchy_of, layers_of
from conceptx.audit.scenes import IMAGE, Picture, holds, read_pictures
from conceptx.expressions import CONTAINS, And, Count, Expression, Named, Not, Or, Some, parse
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
    _known: dict[Expression, npt.NDArray[np.uint8]] = field(default_factory=dict)
    _containing: dict[str, npt.NDArray[np.intp]] = field(default_factory=dict)
    _rows: dict[str, dict[str, int]] = field(default_factory=dict)

    def values(self, layer: str, unit: str, split: str) -> Floats:
        """Return the values of a unit on the images of a split."""
        return np.asarray(self.all_values(layer, unit)[self.splits == split], dtype=np.float64)

    def all_values(self, layer: str, unit: str) -> Floats:
        """Return the values of a unit on all images."""
        stored = self.layers[layer]
        if layer not in self._rows:
            self._rows[layer] = {name: i for i, name in enumerate(stored.units)}
        return np.asarray(stored.values[self._rows[layer][unit]], dtype=np.float64)[self.places[layer]]

    def extent(self, text: str, split: str) -> Bools:
        """Return for which images of a split an expression holds."""
        return np.asarray(self.whole_extent(parse(text))[self.splits == split], dtype=bool)

    def whole_extent(self, expression: Expression) -> Bools:
        """Return for which of all images an expression holds."""
        match expression:
            case And(operands):
                return np.asarray(np.all([self.whole_extent(operand) for operand in operands], axis=0))
            case Or(operands):
                return np.asarray(np.any([self.whole_extent(operand) for operand in operands], axis=0))
            case Not(operand):
                return ~self.whole_extent(operand)
            case Some(role, Or(operands)):
                return self.whole_extent(Or(tuple(Some(role, operand) for operand in operands)))
        if expression not in self._known:
            self._known[expression] = np.packbits(self._decided(expression))
        return np.unpackbits(self._known[expression], count=len(self.pictures)).astype(bool)

    @property
    def containing(self) -> Mapping[str, npt.NDArray[np.intp]]:
        """The pictures that contain something of each class, rising."""
        if not self._containing:
            found: dict[str, dict[int, None]] = {}
            for i, picture in enumerate(self.pictures):
                for thing in picture.links.get((CONTAINS.name, IMAGE), ()):
                    for name in picture.classes.get(thing, ()):
                        found.setdefault(name, {})[i] = None
            self._containing.update({name: np.fromiter(of, np.intp, len(of)) for name, of in found.items()})
        return self._containing

    @property
    def held_out(self) -> Bools:
        """Which images are held out."""
        return np.isin(self.splits, ("evaluation", "verification"))

    def _decided(self, expression: Expression) -> Bools:
        """Ask every picture that contains what the expression needs; it holds for no other."""
        able = np.arange(len(self.pictures))
        for name in sorted(_needed(expression)):
            able = np.intersect1d(able, self.containing.get(name, able[:0]), assume_unique=True)
        found = np.zeros(len(self.pictures), dtype=bool)
        found[able] = [holds(expression, self.pictures[i]) for i in able.tolist()]
        return found


def _needed(expression: Expression) -> frozenset[str]:
    """Return classes that something in a picture has to have so that the expression holds for the picture."""
    match expression:
        case Some(role, filler) if role == CONTAINS:
            return _shared(filler)
        case Count("min" | "exactly", number, role, filler) if role == CONTAINS and number > 0:
            return _shared(filler)
    return frozenset()


def _shared(filler: Expression) -> frozenset[str]:
    """Return classes that everything has for which an expression holds."""
    match filler:
        case Named(name):
            return frozenset({name})
        case And(operands):
            return frozenset().union(*map(_shared, operands))
    return frozenset()


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
