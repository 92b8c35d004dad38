"""New images: verification on pictures that someone gathered for each label, as the published protocol does.

A *bank* is a folder with one sub-folder a label, named by it (``bed``, or ``bed + lamp`` for pictures that show both).
`read_bank` gives its images with a split, 80 % for evaluation and 20 % for verification; `bank_activations` runs the
network over them, and `verify_bank` tests hypotheses there. Every picture that was gathered for other labels counts as
an other image: what was not gathered for a label is taken not to show it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from conceptx.errors import InputError
from conceptx.expressions import CONTAINS, Count, Expression, Only, Some, Value, names, to_manchester, walk
from conceptx.progress import Progress, silent
from conceptx.tables import IMAGES, OBJECTS, VERDICTS, from_rows
from conceptx.verification.controls import Candidate
from conceptx.verification.judge import Subject
from conceptx.verification.measures import Measured
from conceptx.verification.protocol import Protocol
from conceptx.verification.results import UnitVerdict, Verification
from conceptx.verification.verify import controls_from, judge_subjects, make_sample, values_of

if TYPE_CHECKING:
    import torch

    from conceptx.activations.preprocess import Preprocess
    from conceptx.activations.store import Activations
    from conceptx.annotation.mapping import Mapping as LabelMapping
    from conceptx.images.dataset import ImageSet
    from conceptx.ontology.hierarchy import Hierarchy

FRACTIONS = (0.0, 0.8, 0.2)
"""The shares of induction (none: nothing is learned here), evaluation and verification, as published."""

BOTH = " + "
"""What joins the labels of a folder whose pictures show all of them."""


def read_bank(folder: Path, *, seed: int = 0, progress: Progress = silent) -> ImageSet:
    """Return the images of a bank with their labels as objects and a split for each; near-duplicates stay together."""
    from conceptx.images.formats import open_images
    from conceptx.images.splits import assign_splits, near_duplicates

    found = open_images(f"folder:{folder}")
    categories = found.images["category"].to_pylist()
    for image, category in zip(found.ids, categories, strict=True):
        if not category:
            raise InputError(str(folder), f"picture {image!r} is in no folder of a label", "move it into LABEL/")
    if len(set(categories)) < 2:
        what = f"there are pictures of one label only, {categories[0]!r}"
        raise InputError(str(folder), what, "add folders of other labels: their pictures are what it is compared with")
    splits = assign_splits(found.images, near_duplicates(found, progress), FRACTIONS, seed)
    objects = [
        {"image": image, "object": str(i), "label": label}
        for image, category in zip(found.ids, categories, strict=True)
        for i, label in enumerate(part.strip() for part in category.split(BOTH))
    ]
    columns = {"split": pa.array(splits, pa.string()), "category": pa.nulls(len(found), pa.string())}
    images = found.images
    for name, column in columns.items():
        images = images.set_column(IMAGES.get_field_index(name), IMAGES.field(name), column)
    return replace(found, images=images, objects=from_rows(objects, OBJECTS))


def bank_activations(
    model: torch.nn.Module,
    layers: Sequence[str],
    bank: ImageSet,
    *,
    preprocess: Preprocess | None,
    reduction: str | None = None,
    max_bad: float = 0.01,
    progress: Progress = silent,
) -> list[Activations]:
    """Run a network over a bank and return the activations of its layers, held in memory."""
    from conceptx.activations.extract import extract_layers

    with tempfile.TemporaryDirectory(prefix="conceptx-bank-") as folder:
        found = extract_layers(
            model,
            layers,
            bank,
            out=Path(folder),
            preprocess=preprocess,
            reduction=reduction,
            max_bad=max_bad,
            progress=progress,
        )
        return [replace(a, values=np.array(a.values)) for a in found.values()]


def verify_bank(
    activations: Sequence[Activations],
    bank: ImageSet,
    hypotheses: Mapping[tuple[str, str], Expression],
    hierarchy: Hierarchy,
    *,
    protocol: Protocol,
    mapping: LabelMapping | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Verification:
    """Test one hypothesis of each unit (layer, name) on a bank; each is judged for itself, q corrects over all.

    Labels become classes as `mapping` says, else by name. Controls are units with shuffled or drawn values that keep
    a real unit's hypothesis. A hypothesis none of whose classes has a picture, or that speaks of more than classes, is
    not testable, and its row says so.
    """
    from conceptx.annotation.mapping import map_labels
    from conceptx.annotation.scenes import build_scenes, labels_in

    labels = labels_in(bank)
    mapped = map_labels(labels, hierarchy, mapping)
    lost = [label for label in labels if mapped.class_of(label) is None]
    if lost:
        raise InputError(bank.name, f"the label {lost[0]!r} has no class", "rename the folder to a class, or map it")
    scenes, _ = build_scenes(bank, mapped, hierarchy)
    known = set(activations[0].images) if activations else set()
    pairs = zip(bank.ids, bank.images["split"].to_pylist(), strict=True)
    splits = {image: split for image, split in pairs if image in known}
    sample = make_sample(scenes, splits, bank.name)
    subjects: list[Subject] = []
    beyond: list[tuple[str, Measured]] = []
    for layer in activations:
        for unit, row in zip(layer.units, values_of(layer, splits), strict=True):
            expression = hypotheses.get((layer.layer, unit))
            if expression is None:
                continue
            for name in names(expression):
                hierarchy.id(name)
            more = _beyond_labels(expression)
            if more is None:
                subjects.append(Subject(layer.layer, unit, row, (Candidate(expression, float("nan")),)))
            else:
                note = f"not testable: a bank has labels only, and the hypothesis speaks of {more}"
                text = to_manchester(expression)
                beyond.append((layer.layer, Measured(unit, text, None, verdict="unexplained", note=note)))
    if not subjects and not beyond:
        raise InputError("hypotheses", "no unit of these layers has one", "explain the layers first")
    live = [s for s in subjects if s.values.min() < s.values.max()]
    controls = {kind: controls_from(live, kind, protocol.n_controls, sample, seed) for kind in protocol.controls}
    found = judge_subjects(subjects, controls, sample, protocol, seed, progress=progress)
    return _with_rows(found, beyond)


def _beyond_labels(expression: Expression) -> str | None:
    """Return what an expression speaks of that labels of pictures do not say, or None."""
    for part in walk(expression):
        if isinstance(part, Some | Only | Count) and part.role != CONTAINS:
            return f"the role {part.role.name}"
        if isinstance(part, Count):
            return "numbers of objects"
        if isinstance(part, Value):
            return f"the number {part.name}"
    return None


def _with_rows(found: Verification, rows: Sequence[tuple[str, Measured]]) -> Verification:
    """Return the verification with rows of units that were not tested."""
    if not rows:
        return found
    more = from_rows([row.as_row(layer) for layer, row in rows], VERDICTS)
    units = [UnitVerdict(layer, row.unit, "unexplained", row.expression, row.note) for layer, row in rows]
    counts = dict(found.summary.counts)
    counts["unexplained"] += len(units)
    summary = replace(found.summary, units=(*found.summary.units, *units), counts=counts)
    return replace(found, verdicts=pa.concat_tables([found.verdicts, more]), summary=summary)
