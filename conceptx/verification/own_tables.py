"""Verification of a user's own tables: activations, labels and hypotheses, without a model and without a search.

`verify_tables` is what callers need. Every hypothesis of the table is tested and judged for itself, since no search
chose among them on these images; q corrects over all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from conceptx.annotation.scenes import Scenes, scenes_from_labels
from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import And, Expression, Named, Not, Or, contains, names, parse
from conceptx.progress import Progress, silent
from conceptx.tables import ActivationTable, HypothesisTable, LabelTable, alike, unknown_image
from conceptx.verification.controls import Candidate, generator
from conceptx.verification.judge import Subject
from conceptx.verification.protocol import Protocol, load_protocol
from conceptx.verification.results import Verification
from conceptx.verification.verify import controls_from, judge_subjects, make_sample

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy

_SHOWN = 120
_NAMED = 5


def verify_tables(
    activations: ActivationTable,
    labels: LabelTable,
    hypotheses: HypothesisTable,
    *,
    protocol: str | Path | Protocol = "conceptx",
    seed: int = 0,
    scenes: Scenes | None = None,
    progress: Progress = silent,
) -> Verification:
    """Verify a user's hypotheses on a user's activations and labels.

    The labels' column `split` decides which image is in which split; without it all images are held out and divided
    into evaluation and verification as the protocol says, seeded and stratified by label. `scenes` are the labels as
    classes of a hierarchy; without them every label is its own class. Controls are units with shuffled or drawn values
    that keep a real unit's hypothesis.
    """
    rules = load_protocol(protocol)
    splits = _splits(activations, labels, rules, seed)
    if scenes is None:
        scenes, _ = scenes_from_labels(labels, images=activations.images)
    sample = make_sample(scenes, splits, labels.source)
    row_of = {unit: i for i, unit in enumerate(activations.units)}
    column_of = {image: i for i, image in enumerate(activations.images)}
    columns = np.array([column_of[image] for image in splits], dtype=np.int64)
    together = activations.values[:, columns]
    _check_finite(together, activations, list(splits))
    values = list(together)
    subjects: dict[tuple[str, Expression], Subject] = {}
    rows = zip(hypotheses.units, hypotheses.expressions, hypotheses.lines, strict=True)
    for unit, text, line in rows:
        where = f"{hypotheses.source}:{line}"
        if unit not in row_of:
            same = alike(unit, row_of)
            mend = f"write {same!r}" if same else did_you_mean(unit, row_of) or f"name one of {_some(list(row_of))}"
            raise InputError(where, f"unit {unit!r} is not among the activations", mend)
        expression = read_hypothesis(text, scenes, where)
        candidate = Candidate(expression, float("nan"))
        if (unit, expression) in subjects:
            raise InputError(where, f"unit {unit!r} has this hypothesis twice: {text}", "remove one of the rows")
        subjects[unit, expression] = Subject("", unit, values[row_of[unit]], (candidate,))
    real = list(subjects.values())
    live = [s for s in real if s.values.min() < s.values.max()]
    controls = {kind: controls_from(live, kind, rules.n_controls, sample, seed) for kind in rules.controls}
    return judge_subjects(real, controls, sample, rules, seed, progress=progress)


def labels_as_classes(labels: LabelTable, hierarchy: Hierarchy, images: Sequence[str]) -> tuple[Scenes, list[str]]:
    """Return the labels as classes of a hierarchy, and one sentence on those without a class and the doubtful ones."""
    from conceptx.annotation.mapping import map_labels

    mapping = map_labels(sorted(set(labels.labels)), hierarchy)
    scenes, coverage = scenes_from_labels(labels, mapping, hierarchy, images)
    said = []
    if coverage.unmapped:
        said.append(f"labels without a class, which count for nothing: {_some(sorted(coverage.unmapped))}")
    if doubtful := [row.label for row in mapping.doubtful if row.class_name]:
        said.append(f"labels whose class is doubtful: {_some(doubtful)}")
    return scenes, [f"{labels.source}: {what}; write the name of a class in their place" for what in said]


def read_hypothesis(text: str, scenes: Scenes, where: str) -> Expression:
    """Read a user's hypothesis; ``NAME``, said of images, means ``contains some NAME`` (labels are of objects).

    A text that is a class's name as it stands, ``sofa, couch``, needs no quotes.
    """
    known = scenes.hierarchy
    if not text.strip():
        raise InputError(where, "the expression is empty", "write a class's name or an expression, or remove the row")
    if known.get(text) is not None:
        _check_case(text, scenes, where)
        return contains(Named(text))
    try:
        expression = parse(text)
    except InputError as error:
        shown = repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
        raise InputError(where, f"{shown} is no class and no expression: {error.what}", error.mend) from error
    for name in names(expression):
        if known.get(name) is None:
            offered = (known.name(i) for i in range(len(known)))
            mend = did_you_mean(name, offered) or "use a class that the labels or their hierarchy have"
            raise InputError(where, f"there is no class {name!r}", mend)
        _check_case(name, scenes, where)
    return of_images(expression)


def _some(names: Sequence[str]) -> str:
    """Return the first few names, for a message."""
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    return shown + (f", … ({len(names)} in all)" if len(names) > _NAMED else "")


def _check_case(name: str, scenes: Scenes, where: str) -> None:
    """Refuse a class that differs from another in case only where labels are classes of their own."""
    known = scenes.hierarchy
    if len(known.roots) < len(known):
        return
    folded = name.casefold()
    other = next((o for o in map(known.name, range(len(known))) if o != name and o.casefold() == folded), None)
    if other is not None:
        what = f"{name!r} and {other!r} are two classes, since the labels are written both ways"
        raise InputError(where, what, "write the labels alike, or give --ontology")


def of_images(expression: Expression) -> Expression:
    """Put ``contains some`` before the names that are said of images."""
    match expression:
        case Named():
            return contains(expression)
        case And(operands) | Or(operands):
            return type(expression)(tuple(of_images(o) for o in operands))
        case Not(operand):
            return Not(of_images(operand))
    return expression


def divide(images: Sequence[str], labels: LabelTable, share: float, seed: int) -> dict[str, str]:
    """Divide images into evaluation (`share` of them) and verification, stratified by label and seeded.

    The images are ordered by their labels, the rarest first, and at random among equals; along this order every
    stretch gives the same share to evaluation (systematic sampling), so each label is divided alike.
    """
    frequency = Counter(labels.labels)
    of_image: dict[str, set[str]] = {image: set() for image in images}
    for image, label in zip(labels.images, labels.labels, strict=True):
        of_image[image].add(label)
    names_in_order = sorted(of_image)
    rng = generator(seed, "divide")
    lot = dict(zip(names_in_order, rng.permutation(len(names_in_order)).tolist(), strict=True))
    start = float(rng.random())

    def place(image: str) -> tuple[list[tuple[int, str]], int]:
        return sorted((frequency[label], label) for label in of_image[image]), lot[image]

    split = {}
    for i, image in enumerate(sorted(names_in_order, key=place)):
        to_evaluation = int((i + 1) * share + start) > int(i * share + start)
        split[image] = "evaluation" if to_evaluation else "verification"
    return {image: split[image] for image in images}


def _splits(activations: ActivationTable, labels: LabelTable, protocol: Protocol, seed: int) -> dict[str, str]:
    """Return every image's split, in the order of the activations."""
    known = set(activations.images)
    if len(known) != len(activations.images):
        name, _ = Counter(activations.images).most_common(1)[0]
        raise InputError(activations.source, f"image {name!r} appears twice", "keep one image of that name")
    for image, line in zip(labels.images, labels.lines, strict=True):
        if image not in known:
            raise unknown_image(f"{labels.source}:{line}", image, known)
    bare = known - set(labels.images)
    if bare:
        what = f"image {min(bare)!r} has activations and no label"
        more = f" ({len(bare)} such images)" if len(bare) > 1 else ""
        raise InputError(labels.source, what + more, "add a row for it or remove it from the activations")
    if labels.splits is None:
        return divide(activations.images, labels, protocol.evaluation_share, seed)
    of_image: dict[str, str] = {}
    for image, split, line in zip(labels.images, labels.splits, labels.lines, strict=True):
        if of_image.setdefault(image, split) != split:
            what = f"image {image!r} is in {split} here and in {of_image[image]} above"
            raise InputError(f"{labels.source}:{line}", what, "give every image one split")
    return {image: of_image[image] for image in activations.images}


def _check_finite(values: np.ndarray, activations: ActivationTable, images: Sequence[str]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        unit, image = (int(i) for i in bad[0])
        what = f"unit {activations.units[unit]!r} has the value {values[unit, image]} on image {images[image]!r}"
        raise InputError(activations.source, what, "write finite numbers, or leave these images out")
