"""From what annotators write to classes: exact names first, then other forms of the same words, then misspellings.

`Lookup(hierarchy).candidates(label)` ranks the classes that a label may mean. Nothing is decided here: a label with
several good candidates is ambiguous, and the caller says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from conceptx.ontology.forms import folded, readings, sense_lemma, singular_form
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.ontology.lookup_index import open_index

Kind = Literal["exact", "case", "plural", "sense", "spacing", "qualified", "distance"]

CONFIDENCE: dict[str, float] = {
    **{"exact": 1.0, "case": 0.97, "plural": 0.95, "spacing": 0.93, "sense": 0.9, "qualified": 0.7}
}
_MOST_TERMS = 200  # of one form; the unqualified come first


@dataclass(frozen=True, slots=True)
class Candidate:
    """A class that a label may mean.

    `kind`: "exact" (the very name, label or synonym), "case" (other case, Unicode form, underscores or hyphens),
    "plural" (other number), "sense" (the word of a WordNet sense name), "spacing" (words written together or apart),
    "qualified" (the class name has a bracket that the label lacks), "distance" (a misspelling by `distance` edits).
    `reading` is the part of the label that matched, `matched` the class's name, label or synonym. `confidence` runs
    from 0 to 1. `support` is the number of the label's comma synonyms that name the class.
    """

    id: int
    name: str
    kind: Kind
    reading: str
    matched: str
    distance: int
    confidence: float
    support: int = 1


class Lookup:
    """Finds the classes of a hierarchy by what people call them."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self._index = open_index(hierarchy)

    def candidates(self, label: str, max_distance: int = 2, limit: int = 10) -> list[Candidate]:
        """Return up to `limit` classes that `label` may mean, best first; none is an empty list.

        A class that more of the label's comma synonyms name comes before one that fewer name. Misspellings are sought
        only where no class is called by the label's own words. A word of one to three characters has none, one of four
        or five at most one edit: beyond that, everything resembles everything.
        """
        given = readings(label)
        found = _best(c for order, reading in enumerate(given) for c in self._same_words(label, reading, order))
        if not found and max_distance > 0:
            found = _best(c for reading in given for c in self._misspelt(reading, max_distance))
        return sorted(found, key=lambda c: (-c.support, -c.confidence, c.distance, c.name))[:limit]

    def many(self, labels: Sequence[str], max_distance: int = 2, limit: int = 10) -> list[list[Candidate]]:
        """Return `candidates` for every label."""
        return [self.candidates(label, max_distance, limit) for label in labels]

    def _same_words(self, label: str, reading: str, order: int) -> Iterator[Candidate]:
        sensed = reading == sense_lemma(label)
        wanted = folded(reading)
        form = singular_form(wanted)
        for term in self._index.terms_of(form)[:_MOST_TERMS]:
            text, i = self.hierarchy.text(term)
            kind: Kind = "plural"
            if text == reading or text.replace("_", " ") == reading:
                kind = "exact"
            elif folded(text) == wanted:
                kind = "case"
            elif singular_form(folded(text)) != form:
                kind = "qualified"
            if sensed and kind != "qualified":
                kind = "sense"
            confidence = CONFIDENCE[kind] - 0.02 * max(0, order - 1)
            yield Candidate(i, self.hierarchy.name(i), kind, reading, text, 0, round(confidence, 4))

    def _misspelt(self, reading: str, max_distance: int) -> Iterator[Candidate]:
        wanted = singular_form(folded(reading))
        allowed = min(max_distance, 0 if len(wanted) < 4 else 1 if len(wanted) < 6 else max_distance)
        if allowed == 0:
            return
        for number, distance in self._index.near(wanted, allowed):
            form = self._index.forms[number]
            kind: Kind = "distance"
            confidence = round(max(0.0, 0.85 - 1.5 * distance / len(wanted)), 4)
            if form.replace(" ", "") == wanted.replace(" ", ""):
                kind, distance, confidence = "spacing", 0, CONFIDENCE["spacing"]
            elif self._says_another_word(wanted, form):
                continue
            for term in self._index.terms_at(number)[:_MOST_TERMS]:
                text, i = self.hierarchy.text(term)
                yield Candidate(i, self.hierarchy.name(i), kind, reading, text, distance, confidence)

    def _says_another_word(self, wanted: str, form: str) -> bool:
        """Return whether all words that `form` lacks name classes: a right arm is no misspelt light arm."""
        other = set(wanted.split(" ")) - set(form.split(" "))
        return all(self._index.terms_of(word) for word in other)


def _best(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return for each class the candidate of the highest confidence, with the number of readings that name it."""
    best: dict[int, Candidate] = {}
    readings_of: defaultdict[int, set[str]] = defaultdict(set)
    for candidate in candidates:
        readings_of[candidate.id].add(candidate.reading)
        if candidate.id not in best or candidate.confidence > best[candidate.id].confidence:
            best[candidate.id] = candidate
    return [replace(candidate, support=len(readings_of[i])) for i, candidate in best.items()]
