"""What if the explanation were another one? An expression's extent, scores and tests, on the spot.

These are questions after the fact: whoever asks many finds something by chance. They are never verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.explorer.state import Bools, Explorer, Key
from conceptx.expressions import Expression, names, parse, to_manchester, walk
from conceptx.expressions import length as atoms_in
from conceptx.report.words import in_words, plain_label
from conceptx.verification.measures import Measured, measure
from conceptx.verification.statistics import rank

LONGEST = 4_000
"""Characters of an expression."""
MOST_ATOMS = 60
_BEST = 12
_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression means on the run's images.

    `counts` are (images that it holds for, images) by split. `best` are the units whose values on held-out images
    correlate most with it. `measured` are the chosen unit's statistics by split, `pictures` the places of images that
    it holds for, those first that excite the chosen unit most.
    """

    text: str
    words: str
    counts: Mapping[str, tuple[int, int]]
    best: tuple[tuple[Key, float], ...]
    unit: Key | None
    measured: tuple[Measured, ...]
    pictures: tuple[int, ...]


def what_if(explorer: Explorer, text: str, unit: Key | None = None) -> Answer:
    """Answer for an expression in Manchester or DL syntax; a bare class name means ``contains some NAME``."""
    expression = _read(explorer, text)
    held = explorer.evaluator.held(expression)
    written = to_manchester(expression)
    correlations = correlate(explorer, held)
    order = np.argsort(-correlations, kind="stable")[:_BEST]
    measured: tuple[Measured, ...] = ()
    if unit is not None:
        values = explorer.values(unit)
        measured = tuple(
            measure(unit[1], written, split, rank(values[places]), held[places], explorer.protocol.min_targets)
            for split, places in explorer.members.items()
            if len(places)
        )
    return Answer(
        text=written,
        words=in_words(expression, lambda name: _label(explorer, name)),
        counts={split: (int(held[places].sum()), len(places)) for split, places in explorer.members.items()},
        best=tuple((explorer.keys[i], float(correlations[i])) for i in order if correlations[i] > 0),
        unit=unit,
        measured=measured,
        pictures=_pictures(explorer, held, unit),
    )


def correlate(explorer: Explorer, held: Bools) -> npt.NDArray[np.float64]:
    """Return Pearson's correlation of every unit with an extent (images,), on held-out images; 0 if there is none."""
    return np.asarray(explorer.standardised @ _direction(explorer, held), dtype=np.float64)


def correlate_some(explorer: Explorer, units: Sequence[Key], both: tuple[Bools, Bools]) -> list[tuple[float, float]]:
    """Return the same for some units and two extents."""
    directions = np.stack([_direction(explorer, held) for held in both])
    rows = (explorer.standardised[explorer.row_of[unit]] for unit in units)
    return [(float(one), float(other)) for one, other in (directions @ row for row in rows)]


def _direction(explorer: Explorer, held: Bools) -> npt.NDArray[np.float32]:
    """Return what a standardised unit is multiplied with: extent / (√n · its standard deviation), 0 if that is 0.

    The extent need not be centred, because the units' values have mean 0.
    """
    inside = held[explorer.held_out]
    n, inner = len(inside), int(np.count_nonzero(inside))
    norm = np.sqrt(inner * (n - inner) / n) if n else 0.0
    return inside.astype(np.float32) * np.float32(1 / norm if norm else 0.0)


def _read(explorer: Explorer, text: str) -> Expression:
    text = text.strip()
    if not text:
        raise InputError("expression", "it is empty", "write one, such as: contains some Beds")
    if len(text) > LONGEST:
        raise InputError("expression", f"it has {len(text)} characters", f"keep it under {LONGEST}")
    if explorer.hierarchy.get(text) is not None:
        return parse(f"contains some '{text}'") if not text.isidentifier() else parse(f"contains some {text}")
    expression = parse(text)
    if atoms_in(expression) > MOST_ATOMS or sum(1 for _ in walk(expression)) > 4 * MOST_ATOMS:
        raise InputError("expression", f"it has more than {MOST_ATOMS} classes", "ask for less at once")
    for name in names(expression):
        explorer.hierarchy.id(name)
    return expression


def _label(explorer: Explorer, name: str) -> str:
    i = explorer.hierarchy.get(name)
    return plain_label(name) if i is None else explorer.hierarchy.label(i) or plain_label(name)


def _pictures(explorer: Explorer, held: Bools, unit: Key | None) -> tuple[int, ...]:
    places = explorer.held_out[held[explorer.held_out]]
    if unit is not None:
        places = places[np.argsort(-explorer.values(unit)[places], kind="stable")]
    return tuple(int(i) for i in places[:_SHOWN])
