"""Draw the conclusions of a knowledge base that do not need a reasoner, and name everything.

What is concluded: superclasses, equivalent classes, domains, ranges, sub-roles, sub-properties, inverse, symmetric and
transitive roles, role chains, individuals said to be the same, ``C ⊑ r only D`` and ``C ⊑ r value a``, and defined
classes.
A definition is evaluated in the closed world until nothing new follows: ``Father ≡ Male and hasChild some owl:Thing``
gives Father its members. A definition that says only what its members are not (``Male ≡ not Female``) gives it those of
whom that is stated (by the complement of a class, or by a disjoint one).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from conceptx.annotation.evaluate import holds
from conceptx.annotation.scenes import Scenes
from conceptx.errors import InputError
from conceptx.expressions import (
    NOTHING,
    THING,
    And,
    Expression,
    Named,
    Not,
    Only,
    Or,
    Role,
    Some,
    Value,
    to_manchester,
    walk,
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
from conceptx.induction.individuals.naming import Names, names_of_axioms, nominal_name, places_of_axioms
from conceptx.induction.individuals.roles import Roles
from conceptx.ontology.hierarchy import Hierarchy

_SHOWN = 3
_MOST_ROUNDS = 1000


def build(axioms: Axioms, unfold: bool = True) -> tuple[Scenes, Names, dict[str, int], tuple[str, ...]]:
    """Return all individuals with what follows for them, the names, the place of each IRI, and what was left out.

    Without `unfold` a definition with a negation gives no members.
    """
    if not axioms.individuals:
        raise InputError(axioms.where, "holds no individuals", "give a knowledge base with individuals")
    axioms.classes.pop("", None)
    notes = dict.fromkeys(axioms.notes)
    above = _above(axioms)
    axioms.values = list(
        dict.fromkeys((p, one, text) for name, one, text in axioms.values for p in (name, *above.get(name, ())))
    )
    names, texts = names_of_axioms(axioms, above)
    place = places_of_axioms(axioms, names)
    roles = Roles(axioms, 1 + max(place.values()))
    asserted: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for role, s, o in axioms.links:
        asserted[role].append((place[s], place[o]))
    for role, pairs in asserted.items():
        roles.put(Role(role), *zip(*pairs, strict=True))
    roles.close()
    scenes = _Conclusions(axioms, names, place, roles, texts, above).all(notes, unfold)
    return scenes, names, place, tuple(notes)


def _above(axioms: Axioms) -> dict[str, tuple[str, ...]]:
    """Return the other data properties that have every value of a data property."""
    direct: defaultdict[str, list[str]] = defaultdict(list)
    for below, above in axioms.subproperties:
        direct[below].append(above)
    found = {}
    for name in [*direct]:
        reached, waiting = {name: None}, [name]
        while waiting:
            for other in direct.get(waiting.pop(), ()):
                if other not in reached:
                    reached[other] = None
                    waiting.append(other)
        found[name] = tuple(other for other in reached if other != name)
    return found


class _Conclusions:
    """The types of the individuals, completed rule by rule until nothing new follows."""

    def __init__(
        self,
        axioms: Axioms,
        names: Names,
        place: Mapping[str, int],
        roles: Roles,
        texts: Mapping[tuple[str, str], str],
        above: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.axioms, self.names, self.place, self.roles, self.texts = axioms, names, place, roles, texts
        self.above = above
        self.types: dict[tuple[int, str], None] = {}
        self.nominals: dict[str, str] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.successors: dict[Role, list[list[int]]] = {}
        self.values: defaultdict[str, dict[tuple[int, float], None]] = defaultdict(dict)
        self.holders: defaultdict[str, set[int]] = defaultdict(set)
        self.denied: defaultdict[str, set[int]] = defaultdict(set)
        for name, individual, text in axioms.values:
            number = number_of(text)
            self.holders[name].add(place[individual])
            if name not in names.texts and number is not None:
                self.values[name][place[individual], number] = None
        for name, text in texts:
            for other in above.get(name, ()):
                if (other, text) in texts:
                    self.edges[texts[name, text], texts[other, text]] = None

    def all(self, notes: dict[str, None], unfold: bool) -> Scenes:
        axioms = self.axioms
        for iri, expression in axioms.types:
            self.conclude([self.place[iri]], self.named(expression))
        for p, s, text in axioms.values:
            if (p, text) in self.texts:
                self.types[self.place[s], self.texts[p, text]] = None
        rules, definitions, skipped = self.rules()
        for iri in sorted(self.nominals):
            if iri in self.place:
                self.types[self.place[iri], self.nominals[iri]] = None
        scenes = self.fixpoint(rules)
        for name, expression in definitions if unfold else ():
            members = np.flatnonzero(self.certain(expression, scenes)).tolist()
            if self.conclude(members, Named(name)):
                scenes = self.fixpoint(rules)
            elif not is_anchored(expression):
                skipped += 1
        if skipped:
            count = f"{skipped} definition{'s' if skipped > 1 else ''}"
            notes[f"{count} without a positive part, or of an unknown form, gave no members"] = None
        self.contradictions(scenes, notes)
        return scenes

    def certain(self, expression: Expression, scenes: Scenes) -> npt.NDArray[np.bool_]:
        """Return for whom a definition holds; of what says only what its members are not, who is said not to be it."""
        if is_anchored(expression):
            return holds(expression, scenes)
        found = np.zeros(scenes.n_individuals, dtype=bool)
        match expression:
            case And(parts) | Or(parts):
                join = np.logical_and if isinstance(expression, And) else np.logical_or
                found = np.asarray(join.reduce([self.certain(part, scenes) for part in parts]), dtype=bool)
            case Not(Named(name)):
                hierarchy = scenes.hierarchy
                for wider in hierarchy.ancestors([hierarchy.id(name)]).tolist():
                    found[np.array(sorted(self.denied.get(hierarchy.name(wider), ())), np.int64)] = True
        return found

    def contradictions(self, scenes: Scenes, notes: dict[str, None]) -> None:
        """Note who is of disjoint classes, or of one that owl:Nothing contains; the first few."""
        axioms, found = self.axioms, 0
        for name in sorted(self.denied):
            both = sorted(self.denied[name] & set(np.flatnonzero(holds(Named(name), scenes)).tolist()))
            if both and found < _SHOWN:
                shown = scenes.individuals[both[0]]
                notes[f"the knowledge base contradicts itself: {shown!r} is of {name} and is said not to be"] = None
                found += 1
        impossible = [(below, THING) for below, above in axioms.inclusions if NOTHING in conjuncts(above)]
        for classes in [*axioms.disjoint, *impossible]:
            parts = [self.named(part) for part in classes]
            if found == _SHOWN or not all(map(is_positive, parts)):
                continue
            held = np.sum([holds(part, scenes) for part in parts], axis=0)
            if held.max(initial=0) > 1:
                one = int(np.argmax(held > 1))
                these = [part for part in parts if part != THING and holds(part, scenes)[one]]
                said = f"is of {to_manchester(these[0])}, which has no members"
                if len(these) > 1:
                    said = f"is of {to_manchester(these[0])} and of {to_manchester(these[1])}, which are disjoint"
                notes[f"the knowledge base contradicts itself: {scenes.individuals[one]!r} {said}"] = None
                found += 1

    def rules(self) -> tuple[list[tuple[Expression, Expression]], list[tuple[str, Expression]], int]:
        """Return the inclusions to apply again and again, the definitions that hold a negation, in order, and how many
        definitions were left out.
        """
        rules: list[tuple[Expression, Expression]] = []
        later: list[tuple[str, Expression]] = []
        for below, above in self.axioms.inclusions:
            one, other = self.named(below), self.named(above)
            if isinstance(one, Named) and one.name:
                for part in conjuncts(other):
                    if isinstance(part, Named) and part.name:
                        self.below(one.name, part.name)
                    elif says_something(part):
                        rules.append((one, part))
            elif is_positive(one):
                rules.extend((one, part) for part in conjuncts(other) if says_something(part))
        skipped = 0
        for iri, definition in self.axioms.definitions:
            defined, expression = self.named(Named(iri)), self.named(definition)
            name = defined.name if isinstance(defined, Named) else ""
            if not name:
                skipped += 1
            elif isinstance(expression, Named):
                if expression.name:
                    self.below(name, expression.name)
                    self.below(expression.name, name)
            elif is_positive(expression):
                rules.append((expression, Named(name)))
            elif is_known(expression):
                later.append((name, expression))
            else:
                skipped += 1
        rules += self.domains_of_texts()
        needed = {e.operand for _, x in later if not is_anchored(x) for e in walk(x) if isinstance(e, Not)}
        for group in self.axioms.disjoint:
            parts = [self.named(part) for part in group]
            rules += [(one, Not(other)) for other in parts if other in needed for one in parts if one != other]
        return list(dict.fromkeys(rules)), in_order(later), skipped

    def below(self, name: str, other: str) -> None:
        """Put a class below another one; the class of one individual gets no members from elsewhere."""
        if not other.startswith("{"):
            self.edges[name, other] = None

    def domains_of_texts(self) -> list[tuple[Expression, Expression]]:
        """Return what has one of those values that axioms mention, and so may give to others, and what it then is."""
        rules: list[tuple[Expression, Expression]] = []
        for name, expression in self.axioms.domains:
            for of, text in self.axioms.mentioned_values():
                if name in (of, *self.above.get(of, ())) and (of, text) in self.texts:
                    rules.append((Named(self.texts[of, text]), self.named(expression)))
        return rules

    def named(self, expression: Expression) -> Expression:
        """Return the expression with names in place of IRIs; what is not known becomes ``Named("")``."""

        def name_of(key: str) -> str:
            parts = key_parts(key)
            if parts is None:
                return self.names.classes.get(key, "")
            if parts[0] == "one":
                shown = self.names.individuals.get(parts[1], "")
                return self.nominals.setdefault(parts[1], nominal_name(shown)) if shown else ""
            return self.texts.get((parts[1], parts[2]), "")

        def role_of(role: Role) -> Role:
            return Role(self.names.roles.get(role.name, role.name), role.inverse)

        return renamed(expression, lambda key: Named(name_of(key)), role_of, lambda p: self.names.properties.get(p, p))

    def conclude(self, members: Iterable[int], what: Expression) -> bool:
        """Say of the members that they are `what`; return whether anything is new."""
        before, members, linked = len(self.types), list(members), False
        match what:
            case Named(name) if name and not name.startswith("{"):
                self.types.update(dict.fromkeys((i, name) for i in members))
            case And(parts):
                for part in parts:
                    linked |= self.conclude(members, part)
            case Some(role, Named(name)) if name in self.nominals.values():
                linked = self._link(members, role, name)
            case Not(Named(name)) if name:
                self.denied[name].update(members)
            case Value(name, "=", number):
                linked = self._value(members, name, number)
            case Only(role, filler):
                after = self._after(role)
                linked = self.conclude(sorted({t for i in members for t in after[i]}), filler)
        return linked or len(self.types) > before

    def _value(self, members: list[int], name: str, number: float) -> bool:
        iri = next(iri for iri, known in self.names.properties.items() if known == name)
        new = False
        for one in (iri, *self.above.get(iri, ())):
            if one not in self.names.texts:
                before = len(self.values[one])
                self.values[one].update(dict.fromkeys((i, number) for i in members))
                self.holders[one].update(members)
                new |= len(self.values[one]) > before
        return new

    def _link(self, members: Iterable[int], role: Role, nominal: str) -> bool:
        target = next(self.place[iri] for iri, name in self.nominals.items() if name == nominal)
        iri = next(iri for iri, name in self.names.roles.items() if name == role.name)
        members = list(members)
        if not self.roles.put(Role(iri, role.inverse), members, [target] * len(members)):
            return False
        self.roles.close()
        self.successors.clear()
        return True

    def _after(self, role: Role) -> list[list[int]]:
        if role not in self.successors:
            iri = next(iri for iri, name in self.names.roles.items() if name == role.name)
            after: list[list[int]] = [[] for _ in range(self.roles.n)]
            for a, b in zip(*(ends.tolist() for ends in self.roles.ends(Role(iri, role.inverse))), strict=True):
                after[a].append(b)
            self.successors[role] = after
        return self.successors[role]

    def fixpoint(self, rules: list[tuple[Expression, Expression]]) -> Scenes:
        """Apply the rules until nothing is new; nothing is ever taken back, so this ends."""
        domains = [(name, self.named(expression)) for name, expression in self.axioms.domains]
        for _ in range(_MOST_ROUNDS):
            scenes = self.scenes()
            new = False
            for name, above in domains:
                new |= self.conclude(sorted(self.holders[name]), above)
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
        for iri in self.roles.pairs:
            source, target = self.roles.ends(Role(iri))
            roles[self.names.roles[iri]] = (source.astype(np.int32), target.astype(np.int32))
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
