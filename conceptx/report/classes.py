"""The report by class: which units stand for a class, which classes no unit stands for, and how units are related.

A unit stands for the classes that its judged expression names outside of a negation, if it is confirmed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import And, Count, Expression, Named, Not, Only, Or, Some, contains, parse
from conceptx.report.records import ClassEvidence, UnitEvidence
from conceptx.report.text import clean

MOST_SILENT = 200
"""So many classes that no unit stands for are listed, those on most images first."""
LEAST_IMAGES = 20
"""A class on fewer images could hardly be confirmed, so its silence says nothing."""
_MOST_RELATED = 12
_N_SURPRISING = 5


def stands_for(expression: Expression) -> list[str]:
    """Return the classes that an expression names outside of negations, each once, in the order of their mention."""

    def walk(part: Expression) -> list[str]:
        match part:
            case Named(name):
                return [name]
            case Not():
                return []
            case And(operands) | Or(operands):
                return [name for operand in operands for name in walk(operand)]
            case Some(_, filler) | Only(_, filler):
                return walk(filler)
            case Count(kind, n, _, filler):
                return [] if kind == "max" or n == 0 else walk(filler)
        return []

    return list(dict.fromkeys(walk(expression)))


def with_classes(
    units: Sequence[UnitEvidence], raw: Mapping[str, str], scenes: Scenes
) -> tuple[list[UnitEvidence], tuple[ClassEvidence, ...], tuple[ClassEvidence, ...]]:
    """Return the units with their places in the hierarchy and their relatives, the class index, and the silent classes.

    `raw` gives the text of an expression by the text that the report shows of it.
    """
    named = {(u.layer, u.unit): _named(u, raw) for u in units}
    confirmed: dict[str, list[tuple[str, str]]] = defaultdict(list)
    judged: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for unit in units:
        for name in named[unit.layer, unit.unit]:
            judged[name].append((unit.layer, unit.unit))
            if unit.verdict == "confirmed":
                confirmed[name].append((unit.layer, unit.unit))
    described = [
        replace(
            unit,
            places=tuple(_path(name, scenes) for name in named[unit.layer, unit.unit]),
            related=_related((unit.layer, unit.unit), named[unit.layer, unit.unit], judged),
        )
        for unit in units
    ]
    index = [_class(name, scenes, found) for name, found in confirmed.items()]
    index.sort(key=lambda c: (-len(c.units), -c.images, c.name))
    return described, tuple(index), _silent(confirmed, scenes)


def surprising(units: Sequence[UnitEvidence], best: Sequence[UnitEvidence]) -> list[tuple[str, str]]:
    """Return the most surprising of the confirmed units: marked strongly, by something that few images show.

    The order is that of correlation · log2(images / images that the expression holds for): bits that a reader who
    knew nothing of the unit would not have expected. Each explanation counts once, that of a `best` unit not at all.
    """
    ranked: list[tuple[float, str, tuple[str, str]]] = []
    seen = {unit.words for unit in best}
    for unit in units:
        last = unit.statistics[-1] if unit.statistics else None
        if (
            unit.verdict != "confirmed"
            or unit.words in seen
            or last is None
            or not last.n_target
            or last.n_other is None
        ):
            continue
        seen.add(unit.words)
        bits = math.log2((last.n_target + last.n_other) / last.n_target)
        ranked.append((-(unit.score or 0.0) * bits, unit.words, (unit.layer, unit.unit)))
    return [key for _, _, key in sorted(ranked)[:_N_SURPRISING]]


def _named(unit: UnitEvidence, raw: Mapping[str, str]) -> list[str]:
    if unit.expression is None:
        return []
    try:
        return stands_for(parse(raw.get(unit.expression, unit.expression)))
    except InputError:
        return []


def _related(
    key: tuple[str, str], names: Sequence[str], judged: Mapping[str, Sequence[tuple[str, str]]]
) -> tuple[tuple[str, str], ...]:
    found = dict.fromkeys(other for name in names for other in judged[name] if other != key)
    return tuple(found)[:_MOST_RELATED]


def _path(name: str, scenes: Scenes) -> tuple[str, ...]:
    """Return the labels from the root down to a class, on one shortest way."""
    hierarchy = scenes.hierarchy
    i = hierarchy.get(name)
    if i is None:
        return (clean(name),)
    return tuple(clean(hierarchy.label(k) or hierarchy.name(k)) for k in reversed(hierarchy.path_to_root(i)))


def _class(name: str, scenes: Scenes, units: Sequence[tuple[str, str]]) -> ClassEvidence:
    hierarchy = scenes.hierarchy
    i = hierarchy.get(name)
    label = name if i is None else hierarchy.label(i) or name
    images = 0 if i is None else int(evaluate(contains(Named(name)), scenes).sum())
    return ClassEvidence(clean(name), clean(label), images, tuple(units))


def _silent(confirmed: Mapping[str, object], scenes: Scenes) -> tuple[ClassEvidence, ...]:
    """Return the annotated classes that no confirmed expression names, nor any class above or below them."""
    hierarchy = scenes.hierarchy
    spoken = np.array([i for name in confirmed if (i := hierarchy.get(name)) is not None], dtype=np.int32)
    used = np.unique(scenes.type_class)
    near = set(hierarchy.descendants(spoken).tolist()) | set(spoken.tolist()) if len(spoken) else set()
    above = set(hierarchy.ancestors(spoken).tolist()) if len(spoken) else set()
    found = [_class(hierarchy.name(i), scenes, ()) for i in used.tolist() if i not in near and i not in above]
    found = [c for c in found if c.images >= LEAST_IMAGES]
    return tuple(sorted(found, key=lambda c: (-c.images, c.name))[:MOST_SILENT])
