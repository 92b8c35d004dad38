"""What if a label meant another class? Which explanations change, before anybody edits the mapping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptx.errors import InputError, did_you_mean
from conceptx.explorer.state import Explorer, Key
from conceptx.explorer.whatif import correlate_some
from conceptx.expressions import Expression
from conceptx.induction.extents import Evaluator

_MOST = 100


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one unit's judged explanation: its images and its held-out correlation, then and now."""

    unit: Key
    expression: str
    images: tuple[int, int]
    correlation: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Remapped:
    """What another class for a label would change; `considered` explanations name a class above the old or new one."""

    label: str
    old: str | None
    new: str | None
    annotations: int
    considered: int
    changes: tuple[Change, ...]


def remap(explorer: Explorer, label: str, new: str | None) -> Remapped:
    """Answer for a label and a class of the hierarchy (None: the label shall have none)."""
    if label not in explorer.labels:
        hint = did_you_mean(label, explorer.labels) or "choose one of the run's labels"
        raise InputError(f"label {label!r}", "the run has no such label", hint)
    hierarchy = explorer.hierarchy
    if new is not None:
        hierarchy.id(new)
    old = explorer.labels[label]
    bearing = explorer.annotations.bearing(label)
    annotations = int(explorer.label_counts.get(label, 0))
    touched = [i for name in (old, new) if name is not None and (i := hierarchy.get(name)) is not None]
    above = (
        {hierarchy.name(int(i)) for i in hierarchy.ancestors(np.array(touched, dtype=np.int32))} if touched else set()
    )
    concerned = [key for key, named in explorer.named.items() if above & named]
    changes: list[Change] = []
    if concerned and old != new and bearing.any():
        # Only images with the label can change; the others keep the extents that they have.
        then = Evaluator(explorer.annotations.scenes({**explorer.labels, label: new}, bearing))
        by_expression: dict[Expression, list[Key]] = {}
        for key in concerned:
            by_expression.setdefault(explorer.expressions[key], []).append(key)
        for expression, keys in by_expression.items():
            before = explorer.evaluator.held(expression)
            after = np.where(bearing, then.held(expression), before)
            if np.array_equal(before, after):
                continue
            sizes = int(before.sum()), int(after.sum())
            changes += [
                Change(key, explorer.units[key].expression or "", sizes, both)
                for key, both in zip(keys, correlate_some(explorer, keys, (before, after)), strict=True)
            ]
    changes.sort(key=lambda c: -abs(c.correlation[1] - c.correlation[0]))
    return Remapped(label, old, new, annotations, len(concerned), tuple(changes[:_MOST]))
