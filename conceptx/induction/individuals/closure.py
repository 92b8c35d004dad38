"""Draw the conclusions of a knowledge base that do not need a reasoner, and name everything.

What is concluded: superclasses, equivalent classes, domains, ranges, sub-roles, inverse, symmetric and transitive
roles, role chains, individuals said to be the same, ``C ⊑ r only D`` and ``C ⊑ r value a``, and defined classes.
A definition is evaluated in the closed world until nothing new follows: ``Father ≡ Male and hasChild some owl:Thing``
gives Father its members. A definition that says only what its members are not (``Male ≡ not Female``) gives none.
Data properties keep the values that are stated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from conceptx.annotation.evaluate import holds
from conceptx.annotation.scenes import Scenes
from conceptx.errors import InputError
from conceptx.expressions import (
    And,
    Expression,
    Named,
    Only,
    Role,
    Some,
)
from conceptx.induction.individuals.axioms import Axioms, key_parts, number_of
from conceptx.induction.individuals.forms import (
    conjuncts,
    in_order,
    is_anchored,
    is_known,
    is_positive,
    renamed,
    says_something,
)
from conceptx.induction.individuals.naming import Names, names_of_axioms, places_of_axioms
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.ontology.records import clean_text

_MOST_LINKS = 20_000_000
_MOST_VALUES = 1000
_MOST_ROUNDS = 1000


def build(axioms: Axioms, unfold: bool = True) -> tuple[Scenes, Names, dict[str, int], tuple[str, ...]]:
    """Return all individuals with what follows for them, the names, the place of each IRI, and what was left out.

    Without `unfold` a definition with a negation gives no members.
    """
    if not axioms.individuals:
        raise InputError(axioms.where, "holds no individuals", "give a knowledge base with individuals")
    axioms.classes.pop("", None)
    notes = dict.fromkeys(axioms.notes)
    names, texts = names_of_axioms(axioms)
    place = places_of_axioms(axioms, names)
    links = _links(axioms, place)
    scenes = _Conclusions(axioms, names, place, links, texts).all(notes, unfold)
    return scenes, names, place, tuple(notes)


Links = dict[str, set[tuple[int, int]]]


def _links(axioms: Axioms, place: Mapping[str, int]) -> Links:
    """Return the pairs of every role, closed under the role axioms."""
    links: Links = {role: set() for role in axioms.roles}
    for role, s, o in axioms.links:
        links[role].add((place[s], place[o]))
    _close_roles(axioms, links)
    return links


def _close_roles(axioms: Axioms, links: Links) -> None:
    def pairs(role: Role) -> set[tuple[int, int]]:
        found = links.setdefault(role.name, set())
        return {(b, a) for a, b in found} if role.inverse else found

    def put(role: Role, new: set[tuple[int, int]]) -> bool:
        target = links.setdefault(role.name, set())
        before = len(target)
        target |= {(b, a) for a, b in new} if role.inverse else new
        if len(target) > _MOST_LINKS:
            what = f"role {role.name!r} has more than {_MOST_LINKS:,} pairs once it is closed"
            raise InputError(axioms.where, what, "take out the transitive role or the chain that makes them")
        return len(target) > before

    changed = True
    while changed:
        changed = False
        for below, above in axioms.subroles:
            changed |= put(above, pairs(below))
        for name in axioms.transitive:
            changed |= put(Role(name), _composed(links.get(name, set()), links.get(name, set())))
        for chain, above in axioms.chains:
            joined = pairs(chain[0]) if chain else set()
            for role in chain[1:]:
                joined = _composed(joined, pairs(role))
            changed |= put(above, joined)


def _composed(one: set[tuple[int, int]], other: set[tuple[int, int]]) -> set[tuple[int, int]]:
    after: defaultdict[int, list[int]] = defaultdict(list)
    for a, b in other:
        after[a].append(b)
    return {(a, c) for a, b in one for c in after.get(b, ())}


class _Conclusions:
    """The types of the individuals, completed rule by rule until nothing new follows."""

    def __init__(
        self,
        axioms: Axioms,
        names: Names,
        place: Mapping[str, int],
        links: Links,
        texts: Mapping[tuple[str, str], str],
    ) -> None:
        self.axioms, self.names, self.place, self.links, self.texts = axioms, names, place, links, texts
        self.types: dict[tuple[int, str], None] = {}
        self.nominals: dict[str, str] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.successors: dict[Role, list[list[int]]] = {}
        self.values: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for name, individual, text in axioms.values:
            number = number_of(text)
            if name not in names.texts and number is not None:
                self.values[name].append((place[individual], number))

    def all(self, notes: dict[str, None], unfold: bool) -> Scenes:
        axioms = self.axioms
        for iri, expression in axioms.types:
            self.conclude([self.place[iri]], self.named(expression))
        for p, s, text in axioms.values:
            if p in self.names.texts and (p, text) in self.texts:
                self.types[self.place[s], self.texts[p, text]] = None
        rules, definitions = self.rules(notes)
        for iri in sorted(self.nominals):
            if iri in self.place:
                self.types[self.place[iri], self.nominals[iri]] = None
        scenes = self.fixpoint(rules)
        for name, expression in definitions if unfold else ():
            members = np.flatnonzero(holds(expression, scenes)).tolist()
            if self.conclude(members, Named(name)):
                scenes = self.fixpoint(rules)
        return scenes

    def rules(self, notes: dict[str, None]) -> tuple[list[tuple[Expression, Expression]], list[tuple[str, Expression]]]:
        """Return the inclusions to apply again and again, and the definitions that hold a negation, in order."""
        rules: list[tuple[Expression, Expression]] = []
        later: list[tuple[str, Expression]] = []
        for below, above in self.axioms.inclusions:
            one, other = self.named(below), self.named(above)
            if isinstance(one, Named) and one.name:
                for part in conjuncts(other):
                    if isinstance(part, Named) and part.name:
                        self.edges[one.name, part.name] = None
                    elif says_something(part):
                        rules.append((one, part))
            elif is_positive(one):
                rules.extend((one, part) for part in conjuncts(other) if says_something(part))
        skipped = 0
        for iri, definition in self.axioms.definitions:
            name, expression = self.names.classes[iri], self.named(definition)
            if isinstance(expression, Named):
                if expression.name:
                    self.edges[name, expression.name] = self.edges[expression.name, name] = None
            elif is_positive(expression):
                rules.append((expression, Named(name)))
            elif is_known(expression) and is_anchored(expression):
                later.append((name, expression))
            else:
                skipped += 1
        if skipped:
            count = f"{skipped} definition{'s' if skipped > 1 else ''}"
            notes[f"{count} without a positive part, or of an unknown form, gave no members"] = None
        return list(dict.fromkeys(rules)), in_order(later)

    def named(self, expression: Expression) -> Expression:
        """Return the expression with names in place of IRIs; what is not known becomes ``Named("")``."""

        def name_of(key: str) -> str:
            parts = key_parts(key)
            if parts is None:
                return self.names.classes.get(key, "")
            if parts[0] == "one":
                shown = self.names.individuals.get(parts[1], "")
                return self.nominals.setdefault(parts[1], clean_text(f"{{{shown}}}")) if shown else ""
            return self.texts.get((parts[1], parts[2]), "")

        def role_of(role: Role) -> Role:
            return Role(self.names.roles.get(role.name, role.name), role.inverse)

        return renamed(expression, name_of, role_of, lambda p: self.names.properties.get(p, p))

    def conclude(self, members: Iterable[int], what: Expression) -> bool:
        """Say of the members that they are `what`; return whether anything is new."""
        before, members, linked = len(self.types), list(members), False
        match what:
            case Named(name) if name:
                self.types.update(dict.fromkeys((i, name) for i in members))
            case And(parts):
                for part in parts:
                    linked |= self.conclude(members, part)
            case Some(role, Named(name)) if name in self.nominals.values():
                linked = self._link(members, role, name)
            case Only(role, filler):
                after = self._after(role)
                linked = self.conclude(sorted({t for i in members for t in after[i]}), filler)
        return linked or len(self.types) > before

    def _link(self, members: Iterable[int], role: Role, nominal: str) -> bool:
        target = next(self.place[iri] for iri, name in self.nominals.items() if name == nominal)
        iri = next(iri for iri, name in self.names.roles.items() if name == role.name)
        pairs = {(target, i) if role.inverse else (i, target) for i in members}
        if pairs <= self.links[iri]:
            return False
        self.links[iri] |= pairs
        _close_roles(self.axioms, self.links)
        self.successors.clear()
        return True

    def _after(self, role: Role) -> list[list[int]]:
        if role not in self.successors:
            iri = next(iri for iri, name in self.names.roles.items() if name == role.name)
            after: list[list[int]] = [[] for _ in range(1 + max(self.place.values()))]
            for a, b in self.links[iri]:
                after[b if role.inverse else a].append(a if role.inverse else b)
            self.successors[role] = after
        return self.successors[role]

    def fixpoint(self, rules: list[tuple[Expression, Expression]]) -> Scenes:
        """Apply the rules until nothing is new; nothing is ever taken back, so this ends."""
        for _ in range(_MOST_ROUNDS):
            scenes = self.scenes()
            new = False
            for below, above in rules:
                new |= self.conclude(np.flatnonzero(holds(below, scenes)).tolist(), above)
            if not new:
                return scenes
        raise InputError(
            self.axioms.where,
            f"its definitions need more than {_MOST_ROUNDS} rounds",
            "simplify them, or use --reasoner",
        )

    def scenes(self) -> Scenes:
        """Return what is known so far as scenes of which every individual is an image."""
        hierarchy = self.hierarchy
        individuals: dict[int, str] = {}
        for iri, name in sorted(self.names.individuals.items(), key=lambda item: (item[1], item[0])):
            individuals.setdefault(self.place[iri], name)
        order = tuple(individuals[i] for i in range(len(individuals)))
        roles = {}
        for iri, pairs in self.links.items():
            both = np.array(sorted(pairs), np.int32).reshape(-1, 2)
            roles[self.names.roles[iri]] = (both[:, 0], both[:, 1])
        numbers = {}
        for iri, name in self.names.properties.items():
            if iri not in self.names.texts:
                found = self.values[iri]
                numbers[name] = (
                    np.array([i for i, _ in found], np.int32),
                    np.array([v for _, v in found], np.float64),
                )
        ids = {name: hierarchy.id(name) for name in {name for _, name in self.types}}
        of = np.array([i for i, _ in self.types], np.int32)
        kind = np.array([ids[name] for _, name in self.types], np.int32)
        return Scenes(hierarchy, order, order, of, kind, roles, numbers)

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """Return the classes with their superclasses; classes that are below each other are one."""
        import pyarrow as pa

        from conceptx.ontology.compile import compile_graph
        from conceptx.ontology.records import ClassGraph

        classes = dict.fromkeys([*self.names.classes.values(), *self.texts.values(), *self.nominals.values()])
        number = {name: i for i, name in enumerate(classes or {"owl:Thing": None})}
        pairs = np.array([(number[a], number[b]) for a, b in self.edges if a != b], np.int32).reshape(-1, 2)
        names = pa.array([name.encode("utf-8") for name in number], pa.large_binary())
        graph = ClassGraph(names, pairs[:, 0].copy(), pairs[:, 1].copy(), merge_cycles=True)
        compiled = compile_graph(graph, self.axioms.where)
        return Hierarchy(compiled.columns, compiled.removed)
