"""The comparison over a run: its own explanations beside other methods, on the images of its verification split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.annotation.scenes import Scenes
from conceptx.comparison.clip_dissect import embed, label_units
from conceptx.comparison.imported import imported
from conceptx.comparison.invert import invert
from conceptx.comparison.labelling import Key, Labelling, chance
from conceptx.comparison.llm import Endpoint, asker, label_with_llm
from conceptx.comparison.scoring import Comparison, compare_methods
from conceptx.errors import InputError
from conceptx.expressions import Expression, Named, contains, parse
from conceptx.progress import Progress, silent

METHODS = ("own", "single", "published", "invert")
"""What needs nothing but the run. `published`: images at 80 % of the maximum against those at 20 %, by coverage."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which methods to compare: of `METHODS`, files of other tools, a CLIP model's folder, a language model."""

    methods: Sequence[str] = METHODS
    files: Sequence[Path] = ()
    clip: Path | None = None
    clip_functions: Sequence[str] = ("soft-wpmi",)
    llm: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What the methods may look at: everything of the induction images; and, for the scoring, all images.

    `values` are in the order of `splits`; `proposed` is what the run's search proposed for each unit. `objects` are the
    labels of each image, in the same order. `images` is needed by CLIP alone.
    """

    values: Mapping[Key, npt.NDArray[np.floating[Any]]]
    scenes: Scenes
    splits: Mapping[str, str]
    proposed: Mapping[Key, str]
    objects: Sequence[Sequence[str]] = field(default_factory=tuple)
    images: Any = None
    seed: int = 0
    min_targets: int = 8

    @property
    def learning(self) -> list[int]:
        """The places of the induction images."""
        return [i for i, split in enumerate(self.splits.values()) if split == "induction"]

    @property
    def learned(self) -> Scenes:
        """The scenes of the induction images."""
        return self.scenes.subset([image for image, split in self.splits.items() if split == "induction"])

    @property
    def used(self) -> list[str]:
        """The classes that the induction images show, with all above them."""
        hierarchy = self.scenes.hierarchy
        return [hierarchy.name(int(i)) for i in hierarchy.ancestors(np.unique(self.learned.type_class))]


def compare(material: Material, wanted: Wanted, progress: Progress = silent) -> Comparison:
    """Label the units with every wanted method and measure all of them, chance included."""
    if "induction" not in material.splits.values():
        raise InputError("compare", "no image is in the split 'induction'", "give the methods images to learn from")
    keys = list(material.values)
    found = [_of(method, material, progress) for method in wanted.methods]
    units: dict[str, list[str]] = {}
    for layer, unit in keys:
        units.setdefault(layer, []).append(unit)
    found += [imported(path, units, material.scenes.hierarchy, material.used) for path in wanted.files]
    rows = np.stack([material.values[key][material.learning] for key in keys])
    if wanted.clip is not None:
        found += _clip(material, wanted, rows, progress)
    if wanted.llm is not None:
        objects = [material.objects[i] for i in material.learning]
        hierarchy, used = material.scenes.hierarchy, set(material.used)
        ask = asker(wanted.llm)
        name = f"LLM ({wanted.llm.model})"
        found.append(label_with_llm(keys, rows, objects, hierarchy, used, ask, name=name, progress=progress))
    found.append(chance(found[0], keys, material.seed))
    return compare_methods(
        found,
        material.values,
        material.scenes,
        material.splits,
        min_targets=material.min_targets,
        progress=progress,
    )


def _of(method: str, material: Material, progress: Progress) -> Labelling:
    keys = list(material.values)
    rows = np.stack([material.values[key][material.learning] for key in keys])
    if method == "own":
        labels = {key: parse(text) for key, text in material.proposed.items()}
        return Labelling("conceptx", labels, note="what the run's search proposed")
    if method == "invert":
        return invert(keys, rows, material.learned, progress=progress)
    if method == "single":
        return _searched("best single class", keys, rows, material, progress, objective="correlation", max_length=1)
    if method == "published":
        published = {"objective": "coverage", "max_length": 2, "negation": False}
        sides = {"positive_from": 0.8, "negative_to": 0.2}
        name = "concept induction as published"
        return _searched(name, keys, rows, material, progress, **published, **sides)
    raise InputError("--method", f"there is no method {method!r}", f"use some of {', '.join(METHODS)}")


def _searched(
    name: str, keys: Sequence[Key], rows: npt.NDArray[Any], material: Material, progress: Progress, **settings: Any
) -> Labelling:
    import time

    from conceptx.induction.learn import Settings, induce

    started = time.perf_counter()
    found = induce(material.learned, np.asarray(rows, dtype=np.float64), Settings(**settings, top=1), progress)
    labels = {key: unit.hypotheses[0].expression for key, unit in zip(keys, found, strict=True) if len(unit)}
    return Labelling(name, labels, seconds=time.perf_counter() - started)


def _clip(material: Material, wanted: Wanted, rows: npt.NDArray[Any], progress: Progress) -> list[Labelling]:
    assert wanted.clip is not None
    if material.images is None:
        raise InputError("--clip", "the run has no pictures to show to a CLIP model", "explain a set of images")
    hierarchy = material.scenes.hierarchy
    names = material.used
    labels = [hierarchy.label(hierarchy.id(name)) or name for name in names]
    meant: list[Expression] = [contains(Named(name)) for name in names]
    place = {image: i for i, image in enumerate(material.images.ids)}
    learned = [image for image, split in material.splits.items() if split == "induction"]
    similarity = embed(wanted.clip, material.images, [place[image] for image in learned], labels, progress)
    return [
        label_units(list(material.values), rows, similarity, labels, meant, function=function)
        for function in wanted.clip_functions
    ]
