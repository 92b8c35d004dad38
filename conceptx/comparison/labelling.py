"""What one method says of the units: an expression for each, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conceptx.expressions import Expression
from conceptx.verification.controls import generator

Key = tuple[str, str]
"""(layer, unit)"""


@dataclass(frozen=True, slots=True)
class Labelling:
    """A method's answer: `labels` has an expression for the units that it labels, `texts` what the method itself said.

    `seconds` is the time that the method took, where it ran here. `note` says what a reader should know.
    """

    method: str
    labels: Mapping[Key, Expression]
    texts: Mapping[Key, str] = field(default_factory=dict)
    seconds: float | None = None
    note: str = ""


def chance(labelling: Labelling, units: Sequence[Key], seed: int) -> Labelling:
    """Return a labelling of units at random with the labels of another: what the same labels reach by luck.

    Every unit gets the label of another unit, which may say the same. A single unit has no other one, and gets none.
    """
    labelled = [unit for unit in units if unit in labelling.labels]
    if len(labelled) < 2:
        return Labelling(f"chance ({labelling.method})", {}, note="there are no two labelled units to swap labels")
    order = generator(seed, "chance", labelling.method).permutation(len(labelled))
    turned = np.roll(order, 1)
    labels = {labelled[int(a)]: labelling.labels[labelled[int(b)]] for a, b in zip(order, turned, strict=True)}
    return Labelling(f"chance ({labelling.method})", labels, note="the same labels, given to other units at random")
