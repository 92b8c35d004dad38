"""What a knowledge base says, by IRI, before anything is concluded from it.

`rdf.read_rdf` and `kbfile.read_kb` fill an `Axioms`; `closure.build` draws the conclusions. Class expressions are
those of `conceptx.expressions` with IRIs in place of names. Two kinds of named classes have no IRI of their own: the
individuals with one value of a property (`value_key`) and the class of one individual (`nominal_key`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields

from conceptx.expressions import Expression, Named, Role, walk

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z")
_MARK = "\x00"
_LONGEST_NUMBER = 1000


@dataclass(slots=True)
class Axioms:
    """The vocabulary, the assertions and the axioms of one file.

    `links` are (role, source, target), `values` (property, individual, text). `inclusions` are pairs of expressions
    lhs ⊑ rhs, `definitions` say that a named class is an expression. Inverse and symmetric roles are `subroles` with
    an inverse role on one side. `subproperties` are pairs of data properties, `domains` (property, expression) what
    has a value of it. `disjoint` are classes that have no member in common. `texts` are the properties whose values are
    declared to be no numbers, `numbers` those whose values are declared to be numbers.
    """

    where: str
    prefixes: dict[str, str] = field(default_factory=dict)
    classes: dict[str, None] = field(default_factory=dict)
    roles: dict[str, None] = field(default_factory=dict)
    properties: dict[str, None] = field(default_factory=dict)
    individuals: dict[str, None] = field(default_factory=dict)
    types: list[tuple[str, Expression]] = field(default_factory=list)
    links: list[tuple[str, str, str]] = field(default_factory=list)
    values: list[tuple[str, str, str]] = field(default_factory=list)
    inclusions: list[tuple[Expression, Expression]] = field(default_factory=list)
    definitions: list[tuple[str, Expression]] = field(default_factory=list)
    subroles: list[tuple[Role, Role]] = field(default_factory=list)
    chains: list[tuple[tuple[Role, ...], Role]] = field(default_factory=list)
    transitive: dict[str, None] = field(default_factory=dict)
    subproperties: list[tuple[str, str]] = field(default_factory=list)
    domains: list[tuple[str, Expression]] = field(default_factory=list)
    same: list[tuple[str, str]] = field(default_factory=list)
    disjoint: list[tuple[Expression, ...]] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def mentioned_values(self) -> list[tuple[str, str]]:
        """Return (property, text) of every value that makes a class in an axiom."""
        sides = [side for pair in self.inclusions for side in pair] + [x for _, x in (*self.definitions, *self.types)]
        names = dict.fromkeys(part.name for side in sides for part in walk(side) if isinstance(part, Named))
        return [(parts[1], parts[2]) for name in names if (parts := key_parts(name)) and parts[0] == "value"]

    def take(self, other: Axioms) -> None:
        """Add what another file says."""
        for entry in fields(self):
            mine = getattr(self, entry.name)
            if isinstance(mine, list):
                mine.extend(getattr(other, entry.name))
            elif not isinstance(mine, str):
                mine.update(getattr(other, entry.name))


def number_of(text: str) -> float | None:
    """Return the finite number that the text of a literal stands for, or None."""
    stripped = text.strip()
    if len(stripped) > _LONGEST_NUMBER or not _NUMBER.match(stripped):
        return None
    number = float(stripped)
    return number if abs(number) != float("inf") else None


def value_key(name: str, text: str) -> str:
    """Return the key of the class of the individuals whose property `name` has the value `text`."""
    return f"value{_MARK}{name}{_MARK}{text}"


def nominal_key(individual: str) -> str:
    """Return the key of the class that holds one individual and nothing else."""
    return f"one{_MARK}{individual}"


def key_parts(key: str) -> tuple[str, ...] | None:
    """Return (``value``, property, text) or (``one``, individual) of a key, and None for the IRI of a class."""
    kind, *rest = key.split(_MARK, 2)
    return (kind, *rest) if (kind, len(rest)) in (("value", 2), ("one", 1)) else None
