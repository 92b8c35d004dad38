"""The names of what has an IRI, and the numbers of the individuals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conceptx.expressions import quote
from conceptx.induction.individuals.axioms import Axioms, number_of
from conceptx.ontology.records import clean_text, name_fault

_MOST_VALUES = 1000


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a knowledge base by IRI.

    `texts` are the properties that have no numbers, `values` the names of the classes that other values make.
    """

    classes: Mapping[str, str]
    roles: Mapping[str, str]
    properties: Mapping[str, str]
    individuals: Mapping[str, str]
    texts: frozenset[str]
    values: frozenset[str]


def names_of_axioms(axioms: Axioms, above: Mapping[str, tuple[str, ...]]) -> tuple[Names, dict[tuple[str, str], str]]:
    """Name what has an IRI, and the values of the properties that hold no numbers.

    `above` are the other data properties that have every value of one.
    """
    from conceptx.ontology.sources.terms import names_of

    def named(iris: Iterable[str]) -> dict[str, str]:
        known = sorted(iris)
        return dict(zip(known, (_clean(n) for n in names_of(known, axioms.prefixes)), strict=True))

    by_property: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name, text in (*((name, text) for name, _, text in axioms.values), *axioms.mentioned_values()):
        for each in (name, *above.get(name, ())):
            by_property[each][text] = None
    words = {p for p, found in by_property.items() if all(number_of(text) is None for text in found)}
    texts = (axioms.texts & by_property.keys()) | (words - axioms.numbers)
    classes, properties = named(axioms.classes), named(axioms.properties)
    values: dict[tuple[str, str], str] = {}
    for p in sorted(by_property):
        kept = [text for text in sorted(by_property[p]) if p in texts or number_of(text) is None]
        for text in kept[:_MOST_VALUES]:
            name = value_name(properties[p], text)
            if not name_fault(name):
                values[p, text] = name
    individuals = named(axioms.individuals)
    of_values = frozenset(values.values())
    return Names(classes, named(axioms.roles), properties, individuals, frozenset(texts), of_values), values


def value_name(name: str, text: str) -> str:
    """Return the name of the class of what has this value: ``colour value "red"``, ``isHeavy value true``."""
    shown = text.lower() if text.lower() in ("true", "false") else '"' + text.replace('"', "'") + '"'
    return clean_text(f"{quote(name)} value {shown}")


def nominal_name(individual: str) -> str:
    """Return the name of the class of one individual: ``{adam}``."""
    return clean_text(f"{{{individual}}}")


def _clean(name: str) -> str:
    return clean_text(name) or "_"


def places_of_axioms(axioms: Axioms, names: Names) -> dict[str, int]:
    """Number the individuals; those that are said to be the same share a number."""
    same = {iri: iri for iri in axioms.individuals}

    def root(iri: str) -> str:
        while same[iri] != iri:
            same[iri] = same[same[iri]]
            iri = same[iri]
        return iri

    for a, b in axioms.same:
        one, other = sorted((root(a), root(b)))
        same[other] = one
    number: dict[str, int] = {}
    for iri in sorted(axioms.individuals, key=lambda i: (names.individuals[i], i)):
        number.setdefault(root(iri), len(number))
    return {iri: number[root(iri)] for iri in axioms.individuals}
