"""Small knowledge bases, drawn at random or written down, and what expressions mean by plain sets."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

from hypothesis import strategies as st

from conceptx.expressions import (
    NOTHING,
    THING,
    And,
    Count,
    Expression,
    Named,
    Not,
    Nothing,
    Only,
    Or,
    Role,
    Some,
    Thing,
    Value,
)
from conceptx.induction.individuals.axioms import Axioms
from conceptx.induction.individuals.closure import build
from conceptx.induction.individuals.knowledge import KnowledgeBase

FIXTURES = Path(__file__).resolve().parents[3] / "data" / "fixtures" / "learn"
NS = "http://example.org/x#"


def base(
    n: int,
    members: dict[str, set[int]],
    links: dict[str, set[tuple[int, int]]],
    numbers: dict[str, dict[int, float]] | None = None,
) -> KnowledgeBase:
    """Return the knowledge base of these facts; individual i is called ``i00`` and so on, so that places agree."""
    axioms = Axioms("made")
    for i in range(n):
        axioms.individuals[f"{NS}i{i:02d}"] = None
    for name, inside in members.items():
        axioms.classes[NS + name] = None
        axioms.types += [(f"{NS}i{i:02d}", Named(NS + name)) for i in sorted(inside)]
    for name, pairs in links.items():
        axioms.roles[NS + name] = None
        axioms.links += [(NS + name, f"{NS}i{a:02d}", f"{NS}i{b:02d}") for a, b in sorted(pairs)]
    for name, values in (numbers or {}).items():
        axioms.properties[NS + name] = None
        axioms.values += [(NS + name, f"{NS}i{i:02d}", repr(v)) for i, v in sorted(values.items())]
    scenes, names, by_iri, notes = build(axioms)
    return KnowledgeBase("made", scenes, names, by_iri, {}, notes)


def random_base(seed: int, n: int = 7, numbers: bool = False) -> KnowledgeBase:
    """Return a random knowledge base of three classes and two roles."""
    draw = random.Random(seed)
    members = {name: {i for i in range(n) if draw.random() < 0.4} for name in "ABC"}
    links = {name: {p for p in product(range(n), repeat=2) if draw.random() < 1.5 / n} for name in "rs"}
    values = {"size": {i: float(draw.randint(0, 3)) for i in range(n) if draw.random() < 0.7}} if numbers else {}
    return base(n, members, links, values)


@st.composite
def bases(draw: st.DrawFn) -> KnowledgeBase:
    """Draw a knowledge base of up to 9 individuals."""
    return random_base(draw(st.integers(0, 10**9)), draw(st.integers(1, 9)), draw(st.booleans()))


def meaning(expression: Expression, kb: KnowledgeBase) -> set[int]:
    """Return the individuals that an expression holds for, by the definition of each constructor."""
    scenes, everyone = kb.scenes, set(range(len(kb)))

    def after(role: Role, i: int) -> set[int]:
        a, b = scenes.roles[role.name]
        pairs = {(int(y), int(x)) if role.inverse else (int(x), int(y)) for x, y in zip(a, b, strict=True)}
        return {y for x, y in pairs if x == i}

    match expression:
        case Thing():
            return everyone
        case Nothing():
            return set()
        case Named(name):
            below = scenes.hierarchy.id(name)
            return {
                int(i)
                for i, c in zip(scenes.type_of, scenes.type_class, strict=True)
                if below in scenes.hierarchy.ancestors([int(c)]).tolist()
            }
        case Not(inner):
            return everyone - meaning(inner, kb)
        case And(parts):
            return set.intersection(*(meaning(p, kb) for p in parts))
        case Or(parts):
            return set.union(*(meaning(p, kb) for p in parts))
        case Some(role, inner):
            wanted = meaning(inner, kb)
            return {i for i in everyone if after(role, i) & wanted}
        case Only(role, inner):
            wanted = meaning(inner, kb)
            return {i for i in everyone if after(role, i) <= wanted}
        case Count(kind, n, role, inner):
            wanted = meaning(inner, kb)
            size = {i: len(after(role, i) & wanted) for i in everyone}
            return {i for i, k in size.items() if {"min": k >= n, "max": k <= n, "exactly": k == n}[kind]}
        case Value(name, sign, number):
            of, values = scenes.numbers[name]
            held = {">=": "__ge__", "<=": "__le__", ">": "__gt__", "<": "__lt__", "=": "__eq__"}[sign]
            return {int(i) for i, v in zip(of, values, strict=True) if getattr(float(v), held)(number)}
    raise TypeError(expression)


def everything(kb: KnowledgeBase, longest: int, most_counted: int = 5) -> dict[frozenset[int], int]:
    """Return every extent of the language with the length of its shortest expression, by plain enumeration."""
    scenes = kb.scenes
    found: dict[frozenset[int], int] = {}
    by_length: dict[int, list[frozenset[int]]] = {}
    atoms: list[tuple[int, Expression]] = [(1, THING), (1, NOTHING)]
    atoms += [(1, Named(name)) for name in kb.names.classes.values()]
    for name, (_, values) in scenes.numbers.items():
        atoms += [(3, Value(name, sign, float(v))) for v in set(values.tolist()) for sign in (">=", "<=")]
    everyone = frozenset(range(len(kb)))
    successors = {
        (name, inverse): [
            {int(y) for x, y in (zip(b, a, strict=True) if inverse else zip(a, b, strict=True)) if x == i}
            for i in range(len(kb))
        ]
        for name, (a, b) in scenes.roles.items()
        for inverse in (False, True)
    }
    for length in range(1, longest + 1):
        made = [frozenset(meaning(x, kb)) for cost, x in atoms if cost == length]
        made += [everyone - x for x in by_length.get(length - 1, ())]
        for (_, inverse), after in successors.items():
            for x in by_length.get(length - 2 - inverse, ()):
                made.append(frozenset(i for i in everyone if after[i] & x))
                made.append(frozenset(i for i in everyone if after[i] <= x))
            for x in by_length.get(length - 3 - inverse, ()):
                for n in range(1, most_counted + 1):
                    sizes = [len(after[i] & x) for i in range(len(kb))]
                    made.append(frozenset(i for i in everyone if sizes[i] >= n))
                    made.append(frozenset(i for i in everyone if sizes[i] <= n))
                    made.append(frozenset(i for i in everyone if sizes[i] == n))
        for a in range(1, length - 1):
            for x, y in product(by_length.get(a, ()), by_length.get(length - 1 - a, ())):
                made += [x & y, x | y]
        by_length[length] = []
        for x in made:
            if x not in found:
                found[x] = length
                by_length[length].append(x)
    return found
