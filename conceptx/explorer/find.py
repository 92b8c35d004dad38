"""Find units by text, class, verdict, correlation and mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conceptx.explorer.notes import Note
from conceptx.explorer.state import Explorer, Key
from conceptx.report.records import VERDICTS_IN_ORDER, UnitEvidence

PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; what is empty or None does not restrict.

    `text`: all its words occur in the unit's name, explanation or note. `concept`: the expression names this class or
    one below it. `least`: the correlation on new images.
    """

    text: str = ""
    concept: str = ""
    verdicts: tuple[str, ...] = ()
    least: float | None = None
    marked: bool = False
    page: int = 1


def find(explorer: Explorer, query: Query, notes: Mapping[Key, Note]) -> Sequence[UnitEvidence]:
    """Return the units that fit, the best explained first."""
    words = query.text.casefold().split()
    wanted = set(query.verdicts) & set(VERDICTS_IN_ORDER)
    classes: set[str] | None = None
    if query.concept:
        hierarchy = explorer.hierarchy
        below = hierarchy.descendants(np.array([hierarchy.id(query.concept)], dtype=np.int32))
        classes = {hierarchy.name(int(i)) for i in below}
    found = []
    for key, unit in explorer.units.items():
        note = notes.get(key, Note())
        said = f"{unit.layer} {unit.unit} {unit.words} {unit.expression or ''} {unit.verdict} {note.text}".casefold()
        if (
            all(word in said for word in words)
            and (not wanted or unit.verdict in wanted)
            and (query.least is None or (unit.score is not None and unit.score >= query.least))
            and (not query.marked or note.marked)
            and (classes is None or classes & explorer.named.get(key, frozenset()))
        ):
            found.append(unit)
    return found
