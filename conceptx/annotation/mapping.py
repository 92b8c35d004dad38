"""Labels → classes: what annotators wrote, found among the names of a hierarchy, and never guessed in silence.

`map_labels` proposes a class for every label, `write_sssom` and `read_sssom` exchange the table that a person reviews,
and `Mapping.class_of` is what everything else asks. `cooccurrence` gives the evidence that ranks ambiguous labels.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conceptx.annotation.evidence import Above, Cooccurrence, Setting, Together, cooccurrence, weigh
from conceptx.annotation.sssom import (
    BROAD,
    CLOSE,
    COMPOSITE,
    EXACT,
    LEXICAL,
    MANUAL,
    NO_TERM,
    SEMANTIC,
    SIMILAR,
    Mapping,
    Row,
    read_sssom,
    write_sssom,
)
from conceptx.errors import InputError
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.ontology.lookup import Candidate, Lookup

__all__ = [
    "BROAD",
    "CLOSE",
    "EXACT",
    "MANUAL",
    "NO_TERM",
    "Cooccurrence",
    "Mapping",
    "Row",
    "cooccurrence",
    "map_labels",
    "read_sssom",
    "write_sssom",
]

_LETTERS_PER_EDIT = 8
"""A misspelling is believed when the label has this many characters for each edit: `bottle` is no misspelt `battle`."""
_LETTERS_TO_OFFER = 4
"""A similar name is offered to a person when the label has this many characters for each edit."""
_MAX_ALTERNATIVES = 8
_MOST_CANDIDATES = 30
_TOLERANCE = 0.021
"""How much less sure a class may be than the best and still be as good: case against number, and no more."""


def map_labels(
    labels: Sequence[str],
    hierarchy: Hierarchy,
    reviewed: Mapping | None = None,
    max_distance: int = 2,
    *,
    cooccurrence: Together | None = None,
    lookup: Lookup | None = None,
    sentences: bool = False,
    progress: Progress = silent,
) -> Mapping:
    """Return a row for every label: its class, or none, how sure that is, and the other classes it could mean.

    Rows of `reviewed` that a person decided are kept, those of absent labels too. The class that most of a label's
    comma synonyms name is taken. Of several equally good classes that one is taken which is nearest to the classes of
    the labels that it occurs with (`cooccurrence`: label → label → number of images), where these are not known to
    those of all labels that have one class only, with WordNet's order of the senses; then the first by name. The others
    stay as alternatives and the row is doubtful. A misspelling too short to be sure of has no class, only alternatives,
    and so has a label of which only the last word names a class. With `sentences` a local sentence model (the extra of
    that name) is asked about the labels that have no class then; what it finds is always doubtful.
    """
    from conceptx.ontology.lookup import Lookup

    lookup = Lookup(hierarchy) if lookup is None else lookup
    together = {} if cooccurrence is None else cooccurrence
    wanted = set(labels) - {""}
    kept = () if reviewed is None else tuple(row for row in reviewed.rows if row.reviewed)
    known = {}
    for row in kept:
        if reviewed is not None and row.class_name is not None and row.label in wanted:
            known[row.label] = _decided_class(row, hierarchy, reviewed.source)
    todo = sorted(wanted - {row.label for row in kept})
    found = dict(zip(todo, lookup.many(todo, max_distance, _MOST_CANDIDATES), strict=True))
    heads = {label: _head(label) for label, candidates in found.items() if _head(label) and not _best(candidates)}
    broader = dict(zip(heads, lookup.many(list(heads.values()), max_distance=0), strict=True))
    best = {label: _best(candidates) for label, candidates in found.items()}
    above = Above(hierarchy, (c.id for options in best.values() for c in options))
    rivals = {label: _rivals(candidates, best[label], above) for label, candidates in found.items()}
    known |= {label: options[0].id for label, options in best.items() if len(options) == 1 and not rivals[label]}
    setting = Setting(hierarchy, known, above)
    rows = [
        _mapped(label, best[label], rivals[label], setting, together)
        if best[label]
        else _unmapped(label, candidates, broader.get(label, ()))
        for label, candidates in found.items()
    ]
    if sentences:
        rows = _by_meaning(
            rows, hierarchy, {label: {c.id for c in heads} for label, heads in broader.items()}, progress
        )
    return Mapping((*kept, *rows), iri_base=hierarchy.iri_base)


def _best(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that are equally good and better than all others, if they are to be believed.

    Case and number tell little (``turkey``: Turkey, Turkeys): classes that differ in these are equally good.
    """
    first = candidates[0] if candidates else None
    best = [c for c in candidates if first is not None and _is_as_good(c, first)]
    return [c for c in best if len(c.reading) >= c.distance * _LETTERS_PER_EDIT]


def _is_as_good(one: Candidate, best: Candidate) -> bool:
    near = best.confidence - one.confidence <= _TOLERANCE
    return one.support == best.support and one.reading == best.reading and near and one.distance == best.distance


def _rivals(candidates: Sequence[Candidate], best: Sequence[Candidate], above: Above) -> list[Candidate]:
    """Return the classes that as many of the label's synonyms name, but worse; what is above the best is no rival."""
    if not best:
        return []
    others = [c for c in candidates if c not in best and c.support == best[0].support and c.distance == 0]
    consistent = {i for c in best for i in above[c.id].tolist()} if others else set[int]()
    return [c for c in others if c.id not in consistent]


def _mapped(
    label: str, options: Sequence[Candidate], rivals: Sequence[Candidate], setting: Setting, together: Together
) -> Row:
    """Return the row of a label with these equally good classes; the confidence is shared out by what ranks them."""
    weights, ground = weigh(label, options, setting, together) if len(options) > 1 else ([1.0], "name only")
    ranked = sorted(zip(weights, options, strict=True), key=lambda pair: (-pair[0], pair[1].name))
    share, best = ranked[0]
    misspelt = best.distance > 0
    others = [option.name for _, option in ranked[1:]]
    comment = f"{len(ranked)} classes of this name, ranked by {ground}" if others else ""
    if rivals and not others:
        comment = "other classes bear this name in another form, or another of its names"
    return Row(
        label,
        best.name,
        CLOSE if misspelt else EXACT,
        round(best.confidence * share / sum(weights), 3),
        COMPOSITE if len(ranked) > 1 and ground != "name only" else SIMILAR if misspelt else LEXICAL,
        comment=comment,
        alternatives=tuple(dict.fromkeys((*others, *(rival.name for rival in rivals))))[:_MAX_ALTERNATIVES],
    )


def _unmapped(label: str, similar: Sequence[Candidate], broader: Sequence[Candidate]) -> Row:
    """Return the row of a label without a class; what comes near is offered, not taken."""
    close = [c.name for c in similar if len(c.reading) >= c.distance * _LETTERS_TO_OFFER]
    names = tuple(dict.fromkeys((*(candidate.name for candidate in broader), *close)))[:_MAX_ALTERNATIVES]
    comment = "only its last word names a class" if broader else "only similar names were found" if close else ""
    return Row(label, None, EXACT, 0.0, LEXICAL, comment=comment, alternatives=names)


def _by_meaning(
    rows: Sequence[Row], hierarchy: Hierarchy, heads: abc.Mapping[str, set[int]], progress: Progress
) -> list[Row]:
    """Return the rows, those without a class with the nearest in meaning: taken where that is likely, else offered."""
    from conceptx.annotation.sentence import TAKEN, nearest

    open_ = [row for row in rows if row.class_name is None]
    found = dict(
        zip(
            [row.label for row in open_],
            nearest([row.label for row in open_], hierarchy, progress=progress),
            strict=True,
        )
    )
    result = []
    for row in rows:
        near = found.get(row.label)
        if not near:
            result.append(row)
            continue
        best = near[0]
        taken = best.confidence >= TAKEN
        others = [*(n.name for n in near[taken:]), *(name for name in row.alternatives if name != best.name)]
        comment = f"nearest in meaning: '{best.text}', cosine {best.cosine:.2f}"
        result.append(
            Row(
                row.label,
                best.name if taken else None,
                BROAD if taken and best.id in heads.get(row.label, ()) else CLOSE if taken else EXACT,
                round(best.confidence, 3) if taken else 0.0,
                SEMANTIC if taken else row.justification,
                comment=comment if taken else f"{comment}, which is not enough",
                alternatives=tuple(dict.fromkeys(others))[:_MAX_ALTERNATIVES],
            )
        )
    return result


def _head(label: str) -> str:
    """Return the last word of a label of several words (of its first synonym): an armless chair is a chair."""
    words = label.partition(",")[0].replace("_", " ").split()
    return words[-1] if len(words) > 1 else ""


def _decided_class(row: Row, hierarchy: Hierarchy, source: str) -> int:
    """Return the id of the class that a person chose; a class that the hierarchy does not have is an `InputError`."""
    try:
        return hierarchy.id(row.class_name or "")
    except InputError as error:
        what = f"label {row.label!r} is mapped to the class {row.class_name!r}, which the hierarchy does not have"
        raise InputError(source, what, f"{error.mend} (or {NO_TERM} for no class)") from error
