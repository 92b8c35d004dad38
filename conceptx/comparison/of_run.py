"""The comparison over a run: its own explanations beside other methods, on the images of its verification split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.annotation.scenes import Scenes
from conceptx.comparison.clip_dissect import FUNCTIONS, embed, label_units
from conceptx.comparison.imported import imported
from conceptx.comparison.invert import invert
from conceptx.comparison.labelling import Key, Labelling, chance
from conceptx.comparison.llm import Endpoint, asker, label_with_llm
from conceptx.comparison.meaning import Meaning
from conceptx.comparison.netdissect import netdissect
from conceptx.comparison.scoring import Comparison, compare_methods
from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import Expression, Named, contains, parse
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.comparison.netdissect import Network
    from conceptx.comparison.regions import Masks
    from conceptx.images.dataset import ImageSet

METHODS = ("own", "single", "published", "invert")
"""What is compared unless other methods are named. `published`: images at 80 % of the maximum against those at 20 %, by
coverage, all expressions of up to two classes."""

ON_REQUEST = ("ecii", "netdissect")
"""What takes longer: ECII's own scheme takes about a second a unit, over the same images as `published`; Network
Dissection sends the images through the run's network twice."""

_HIGH, _LOW = 0.8, 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which methods to compare: of `METHODS` and `ON_REQUEST`, other tools' files, a CLIP model, a language model."""

    methods: Sequence[str] = METHODS
    files: Sequence[Path] = ()
    clip: Path | None = None
    clip_functions: Sequence[str] = ("soft-wpmi",)
    llm: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What the methods may look at: everything of the induction images; and, for the scoring, all images.

    `values` are in the order of `splits`; `proposed` is what the run's search proposed for each unit. `objects` are the
    labels of each image, in the same order. `images` is needed by CLIP and Network Dissection, `network` by the latter:
    it gives the run's network and the preprocessing of its activations. `masks` are used there in place of boxes.
    """

    values: Mapping[Key, npt.NDArray[np.floating[Any]]]
    scenes: Scenes
    splits: Mapping[str, str]
    proposed: Mapping[Key, str]
    objects: Sequence[Sequence[str]] = field(default_factory=tuple)
    images: ImageSet | None = None
    network: Network | None = None
    masks: Masks | None = None
    seed: int = 0
    min_targets: int = 8


@dataclass(frozen=True, slots=True, eq=False)
class _Learning:
    """The part of the material that methods may look at: the induction images. `rows` are the units' values."""

    keys: list[Key]
    images: list[str]
    rows: npt.NDArray[np.float64]
    scenes: Scenes
    objects: list[Sequence[str]]

    @property
    def used(self) -> list[str]:
        """The classes that the images show, with all above them."""
        hierarchy = self.scenes.hierarchy
        return [hierarchy.name(int(i)) for i in hierarchy.ancestors(np.unique(self.scenes.type_class))]


def compare(material: Material, wanted: Wanted, progress: Progress = silent) -> Comparison:
    """Label the units with every wanted method and measure all of them, chance included."""
    _check(material, wanted)
    learning = _learning(material)
    hierarchy = material.scenes.hierarchy
    units: dict[str, list[str]] = {}
    for layer, unit in learning.keys:
        units.setdefault(layer, []).append(unit)
    read = _told_apart([imported(path, units, hierarchy, learning.used) for path in wanted.files], wanted.files)
    methods = tuple(dict.fromkeys(wanted.methods))
    # What can only be refused with the network at hand goes first, before others take their time.
    labelled = {m: _of(m, material, learning, progress) for m in sorted(methods, key=lambda m: m != "netdissect")}
    found = [labelled[method] for method in methods] + read
    if wanted.clip is not None:
        found += _clip(material, wanted, learning, progress)
    if wanted.llm is not None:
        ask, meaning = asker(wanted.llm), Meaning(hierarchy, learning.used)
        name = f"LLM ({wanted.llm.model})"
        rows, objects = learning.rows, learning.objects
        found.append(label_with_llm(learning.keys, rows, objects, meaning, ask, name=name, progress=progress))
    found.append(chance(found[0], learning.keys, material.seed))
    return compare_methods(
        found,
        material.values,
        material.scenes,
        material.splits,
        min_targets=material.min_targets,
        progress=progress,
    )


def _check(material: Material, wanted: Wanted) -> None:
    """Refuse what cannot be compared before anything takes time."""
    if "induction" not in material.splits.values():
        raise InputError("compare", "no image is in the split 'induction'", "give the methods images to learn from")
    if not (wanted.methods or wanted.files or wanted.clip or wanted.llm):
        raise InputError("compare", "no method is named", f"use some of {', '.join(METHODS)}")
    known = (*METHODS, *ON_REQUEST)
    for method in wanted.methods:
        if method not in known:
            mend = did_you_mean(method, known) or f"use some of {', '.join(known)}"
            raise InputError("--method", f"there is no method {method!r}", mend)
    if "netdissect" in wanted.methods and (material.network is None or material.images is None):
        lacks = "network" if material.network is None else "pictures"
        what = f"Network Dissection looks at maps, and the run names no {lacks} that can be opened again"
        raise InputError("--method netdissect", what, "explain a named --model over --images KIND:PATH")
    for function in wanted.clip_functions:
        if function not in FUNCTIONS:
            mend = did_you_mean(function, FUNCTIONS) or f"use some of {', '.join(FUNCTIONS)}"
            raise InputError("--clip-function", f"CLIP-Dissect has no function {function!r}", mend)
    if wanted.clip is not None and material.images is None:
        raise InputError("--clip", "the run has no pictures to show to a CLIP model", "explain a set of images")
    if wanted.clip is not None and not wanted.clip.is_dir():
        raise InputError(str(wanted.clip), "there is no such folder", "name the folder of a CLIP model")
    if wanted.llm is not None:
        asker(wanted.llm)


def _learning(material: Material) -> _Learning:
    places = [i for i, split in enumerate(material.splits.values()) if split == "induction"]
    images = [image for image, split in material.splits.items() if split == "induction"]
    keys = list(material.values)
    return _Learning(
        keys=keys,
        images=images,
        rows=np.array([material.values[key][places] for key in keys], dtype=np.float64).reshape(len(keys), len(places)),
        scenes=material.scenes.subset(images),
        objects=[material.objects[i] for i in places] if material.objects else [() for _ in places],
    )


def _of(method: str, material: Material, learning: _Learning, progress: Progress) -> Labelling:
    if method == "own":
        labels = {key: parse(text) for key, text in material.proposed.items()}
        return Labelling("conceptx", labels, note="what the run's search proposed")
    if method == "invert":
        return invert(learning.keys, learning.rows, learning.scenes, progress=progress)
    if method == "ecii":
        return _ecii(learning, progress)
    if method == "single":
        return _searched("best single class", learning, progress, objective="correlation", max_length=1)
    if method == "published":
        published = {"objective": "coverage", "max_length": 2, "negation": False}
        name = "concept induction as published"
        return _searched(name, learning, progress, **published, positive_from=_HIGH, negative_to=_LOW)
    if material.network is None or material.images is None:
        raise AssertionError("checked before")
    shown = material.images.subset(learning.images)
    return netdissect(learning.keys, material.network, shown, learning.scenes, masks=material.masks, progress=progress)


def _searched(name: str, learning: _Learning, progress: Progress, **settings: Any) -> Labelling:
    from conceptx.induction.learn import Settings, induce

    started = time.perf_counter()
    found = induce(learning.scenes, learning.rows, Settings(**settings, top=1), progress)
    labels = {key: unit.hypotheses[0].expression for key, unit in zip(learning.keys, found, strict=True) if len(unit)}
    return Labelling(name, labels, seconds=time.perf_counter() - started)


def _ecii(learning: _Learning, progress: Progress) -> Labelling:
    """Label units by ECII's scheme over images at 80 % of the maximum and images at 20 % at most."""
    from conceptx.induction.ecii import ecii
    from conceptx.induction.problem import problem_from_values

    started = time.perf_counter()
    labels: dict[Key, Expression] = {}
    pairs = list(zip(learning.keys, learning.rows, strict=True))
    for key, row in progress(pairs, total=len(pairs), label="ECII"):
        try:
            problem = problem_from_values(row, _HIGH, _LOW, f"unit {key[1]!r}")
        except InputError:  # the unit has no such images, and so no label
            continue
        found = ecii(learning.scenes, problem, top=1).hypotheses
        if found:
            labels[key] = found[0].expression
    return Labelling("ECII", labels, seconds=time.perf_counter() - started, note="its scheme, scored exactly")


def _clip(material: Material, wanted: Wanted, learning: _Learning, progress: Progress) -> list[Labelling]:
    assert wanted.clip is not None
    assert material.images is not None
    started = time.perf_counter()
    hierarchy, names = material.scenes.hierarchy, learning.used
    labels = [hierarchy.label(hierarchy.id(name)) or name for name in names]
    meant: list[Expression] = [contains(Named(name)) for name in names]
    place = {image: i for i, image in enumerate(material.images.ids)}
    places = [place[image] for image in learning.images]
    similarity = embed(wanted.clip, material.images, places, labels, progress)
    seconds = time.perf_counter() - started
    return [
        label_units(learning.keys, learning.rows, similarity, labels, meant, function=function, seconds=seconds)
        for function in dict.fromkeys(wanted.clip_functions)
    ]


def _told_apart(found: Sequence[Labelling], files: Sequence[Path]) -> list[Labelling]:
    """Give labellings of files that are called the same the folders' names too, as far up as they differ."""
    names = [labelling.method for labelling in found]
    apart = []
    for labelling, file in zip(found, files, strict=True):
        if names.count(labelling.method) > 1:
            alike = [other.absolute().parts for other in files if other.name == file.name and other != file]
            parts = file.absolute().parts
            depth = next((d for d in range(2, len(parts)) if all(p[-d:] != parts[-d:] for p in alike)), len(parts))
            shown = "/".join(parts[-depth:])
            labelling = replace(labelling, method=labelling.method.replace(f"({file.name})", f"({shown})"))
        apart.append(labelling)
    return apart
