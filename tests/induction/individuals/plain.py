"""A second reading of knowledge bases: plain sets over the triples of an rdflib graph, rule by rule.

Nothing of `conceptx` is used here. Expressions are tuples: ``("C", name)``, ``("T",)``, ``("and" | "or", a, b)``,
``("not", a)``, ``("some" | "only", (role, inverse), a)``, ``("min" | "max" | "exactly", n, (role, inverse), a)``,
``("number", property, comparison, x)``, ``("text", property, text)``, ``("one", individual, …)``.
"""

from __future__ import annotations

import operator
import random

from rdflib import OWL, RDF, RDFS, XSD, BNode, Graph, Literal, URIRef
from rdflib.collection import Collection

NS = "http://example.org/plain#"
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
COUNT = {"min": operator.ge, "max": operator.le, "exactly": operator.eq}
FACETS = {">=": "minInclusive", "<=": "maxInclusive", ">": "minExclusive", "<": "maxExclusive"}
PREDICATES = {"min": "minQualifiedCardinality", "max": "maxQualifiedCardinality", "exactly": "qualifiedCardinality"}


def node(graph: Graph, e: tuple):
    """Add an expression to a graph and return its node."""
    if e[0] in "CT":
        return URIRef(NS + e[1]) if e[0] == "C" else OWL.Thing
    made, add = BNode(), graph.add

    def listed(items) -> BNode:
        head = BNode()
        Collection(graph, head, list(items))
        return head

    if e[0] in ("and", "or"):
        add((made, OWL.intersectionOf if e[0] == "and" else OWL.unionOf, listed(node(graph, x) for x in e[1:])))
    elif e[0] == "not":
        add((made, OWL.complementOf, node(graph, e[1])))
    elif e[0] == "one":
        add((made, OWL.oneOf, listed(URIRef(NS + x) for x in e[1:])))
    elif e[0] == "text":
        add((made, OWL.onProperty, URIRef(NS + e[1])))
        add((made, OWL.hasValue, Literal(e[2])))
    elif e[0] == "number":
        add((made, OWL.onProperty, URIRef(NS + e[1])))
        value = Literal(e[3], datatype=XSD.double)
        if e[2] == "=":
            add((made, OWL.hasValue, value))
        else:
            kind, facet = BNode(), BNode()
            add((facet, XSD[FACETS[e[2]]], value))
            add((kind, OWL.withRestrictions, listed([facet])))
            add((made, OWL.someValuesFrom, kind))
    else:
        counted = e[0] in COUNT
        role, inner = e[2 if counted else 1], e[-1]
        on = URIRef(NS + role[0])
        if role[1]:
            on = BNode()
            add((on, OWL.inverseOf, URIRef(NS + role[0])))
        add((made, OWL.onProperty, on))
        if counted:
            add((made, OWL[PREDICATES[e[0]]], Literal(e[1], datatype=XSD.nonNegativeInteger)))
            add((made, OWL.onClass, node(graph, inner)))
        else:
            add((made, OWL.someValuesFrom if e[0] == "some" else OWL.allValuesFrom, node(graph, inner)))
    return made


def manchester(e: tuple) -> str:
    """Print an expression."""
    if e[0] in "CT":
        return e[1] if e[0] == "C" else "owl:Thing"
    if e[0] in ("and", "or"):
        return "(" + f" {e[0]} ".join(map(manchester, e[1:])) + ")"
    if e[0] == "not":
        return f"not ({manchester(e[1])})"
    if e[0] == "number":
        return f"({e[1]} some xsd:double[{e[2]} {e[3]}])"
    if e[0] == "text":
        return f'({e[1]} value "{e[2]}")'
    if e[0] == "one":
        return "{" + ", ".join(e[1:]) + "}"
    role = e[2] if e[0] in COUNT else e[1]
    count = f" {e[1]}" if e[0] in COUNT else ""
    return f"({'inverse ' * role[1]}{role[0]} {e[0]}{count} ({manchester(e[-1])}))"


class Base:
    """A random knowledge base, and by plain rules who is of which class."""

    def __init__(self, seed: int) -> None:
        draw = self.draw = random.Random(seed)
        self.graph = graph = Graph()
        self.classes = [f"C{i}" for i in range(draw.randint(3, 7))]
        self.role_names = [f"r{i}" for i in range(draw.randint(1, 4))]
        self.numbers, self.texts = ["d0", "d1"], ["t0", "t1"]
        self.people = [f"i{i}" for i in range(draw.randint(4, 12))]
        self.inclusions: list[tuple[tuple, tuple]] = []
        self.types = {c: set() for c in self.classes}
        self.links = {r: set() for r in self.role_names}
        self.values = {p: set() for p in (*self.numbers, *self.texts)}
        self.definitions: list[tuple[str, tuple]] = []
        self.same = {i: i for i in self.people}
        for kind, names in (
            ("Class", self.classes),
            ("ObjectProperty", self.role_names),
            ("NamedIndividual", self.people),
        ):
            for name in names:
                graph.add((URIRef(NS + name), RDF.type, OWL[kind]))
        for name in self.values:
            graph.add((URIRef(NS + name), RDF.type, OWL.DatatypeProperty))
        self.facts()
        self.axioms()
        self.close()
        for name, e in self.definitions:
            self.types[name] |= self.holds(e)
            self.close()

    def say(self, s: str, p, o) -> None:
        is_name = type(o) is str
        self.graph.add((URIRef(NS + s), p, URIRef(NS + o) if is_name else o))

    def facts(self) -> None:
        draw = self.draw
        if draw.random() < 0.3:
            one, other = sorted(draw.sample(self.people, 2))
            self.same[other] = one
            self.say(other, OWL.sameAs, one)
        for i in self.people:
            for c in self.classes:
                if draw.random() < 0.2:
                    self.types[c].add(self.same[i])
                    self.say(i, RDF.type, c)
            for p in self.values:
                if draw.random() < 0.5:
                    value = draw.choice([0.0, 0.5, 2.0]) if p in self.numbers else draw.choice(["red", "blue"])
                    self.values[p].add((self.same[i], value))
                    self.say(i, URIRef(NS + p), Literal(value))
        for p in self.texts:
            self.values[p].add((self.same[self.people[0]], "red"))
            self.say(self.people[0], URIRef(NS + p), Literal("red"))
        for r in self.role_names:
            for _ in range(draw.randint(0, len(self.people))):
                a, b = draw.choice(self.people), draw.choice(self.people)
                self.links[r].add((self.same[a], self.same[b]))
                self.say(a, URIRef(NS + r), b)

    def axioms(self) -> None:
        draw, inclusions = self.draw, self.inclusions
        self.chains: list[tuple[list[tuple[str, bool]], str]] = []
        self.above: list[tuple[str, str]] = []
        for _ in range(len(self.classes)):
            a, b = draw.sample(self.classes, 2)
            role = (draw.choice(self.role_names), draw.random() < 0.3)
            right = draw.choice(
                [
                    ("C", b),
                    ("C", b),
                    ("only", role, ("C", b)),
                    ("some", role, ("one", draw.choice(self.people))),
                    ("number", "d0", "=", 3.0),
                    ("text", "t0", "pink"),
                    ("and", ("C", b), ("only", role, ("C", draw.choice(self.classes)))),
                ]
            )
            inclusions.append((("C", a), right))
            self.say(a, RDFS.subClassOf, node(self.graph, right))
        if draw.random() < 0.6:
            c, e = draw.choice(self.classes), self.expression(2, positive=True)
            inclusions.extend([(e, ("C", c)), (("C", c), e)])
            self.say(c, OWL.equivalentClass, node(self.graph, e))
        for r in self.role_names:
            other = draw.choice(self.role_names)
            for chance, p in ((0.2, OWL.TransitiveProperty), (0.15, OWL.SymmetricProperty)):
                if draw.random() < chance:
                    self.say(r, RDF.type, p)
                    self.chains.append(([(r, False)] * 2 if p == OWL.TransitiveProperty else [(r, True)], r))
            if draw.random() < 0.3:
                self.say(r, RDFS.subPropertyOf, other)
                self.chains.append(([(r, False)], other))
            if draw.random() < 0.2:
                self.say(r, OWL.inverseOf, other)
                self.chains += [([(r, True)], other), ([(other, True)], r)]
            if draw.random() < 0.15:
                head = BNode()
                Collection(self.graph, head, [URIRef(NS + other), URIRef(NS + r)])
                self.say(r, OWL.propertyChainAxiom, head)
                self.chains.append(([(other, False), (r, False)], r))
            for inverse, p in ((False, RDFS.domain), (True, RDFS.range)):
                if draw.random() < 0.3:
                    c = draw.choice(self.classes)
                    self.say(r, p, c)
                    inclusions.append((("some", (r, inverse), ("T",)), ("C", c)))
        self.domains = {p: draw.choice(self.classes) for p in self.values if draw.random() < 0.3}
        for p, c in self.domains.items():
            self.say(p, RDFS.domain, c)
        for pair in (("d1", "d0"), ("t0", "t1")):
            if draw.random() < 0.4:
                self.above.append(pair)
                self.say(pair[0], RDFS.subPropertyOf, pair[1])
        defined = "D"
        e = ("and", ("C", draw.choice(self.classes)), ("not", self.expression(2)))
        self.definitions.append((defined, e))
        self.types[defined] = set()
        self.say(defined, RDF.type, OWL.Class)
        self.say(defined, OWL.equivalentClass, node(self.graph, e))
        inclusions.append((("C", defined), e))

    def expression(self, depth: int, positive: bool = False) -> tuple:
        """Draw an expression; a positive one has no negation, so that it can only grow."""
        draw = self.draw
        if depth == 0 or draw.random() < 0.15:
            return draw.choice(
                [
                    *[("C", draw.choice([*self.classes, *(() if positive else self.types)]))] * 4,
                    ("T",),
                    ("number", draw.choice(self.numbers), draw.choice([*COMPARE]), draw.choice([0.0, 0.5, 1.0, 3.0])),
                    ("text", draw.choice(self.texts), draw.choice(["red", "blue", "pink"])),
                    ("one", *draw.sample(self.people, 2)),
                ]
            )
        role = (draw.choice(self.role_names), draw.random() < 0.3)
        kinds = ["and", "or", "some", "min"] if positive else ["and", "or", "not", "some", "only", *COUNT]
        kind, inner = draw.choice(kinds), self.expression(depth - 1, positive)
        if kind in ("and", "or"):
            return (kind, inner, self.expression(depth - 1, positive))
        if kind == "not":
            return (kind, inner)
        return (kind, draw.randint(int(positive), 3), role, inner) if kind in COUNT else (kind, role, inner)

    def pairs(self, role: tuple[str, bool]) -> set[tuple[str, str]]:
        return {(b, a) for a, b in self.links[role[0]]} if role[1] else set(self.links[role[0]])

    def holds(self, e: tuple) -> set[str]:
        """Return the individuals that an expression holds for."""
        everyone = set(self.same.values())
        if e[0] in "CT":
            return set(self.types[e[1]]) if e[0] == "C" else everyone
        if e[0] in ("and", "or"):
            return (set.intersection if e[0] == "and" else set.union)(*map(self.holds, e[1:]))
        if e[0] == "not":
            return everyone - self.holds(e[1])
        if e[0] == "one":
            return {self.same[x] for x in e[1:]}
        if e[0] in ("number", "text"):
            compare = COMPARE[e[2]] if e[0] == "number" else operator.eq
            return {i for i, value in self.values[e[1]] if compare(value, e[-1])}
        inner, links = self.holds(e[-1]), self.pairs(e[2] if e[0] in COUNT else e[1])
        found = {i: sum(a == i and b in inner for a, b in links) for i in everyone}
        if e[0] == "only":
            return {i for i in everyone if all(b in inner for a, b in links if a == i)}
        return {i for i in everyone if (found[i] > 0 if e[0] == "some" else COUNT[e[0]](found[i], e[1]))}

    def conclude(self, who: set[str], e: tuple) -> None:
        if e[0] == "C":
            self.types[e[1]] |= who
        elif e[0] == "and":
            for part in e[1:]:
                self.conclude(who, part)
        elif e[0] == "only":
            self.conclude({b for a, b in self.pairs(e[1]) if a in who}, e[2])
        elif e[0] == "some" and e[2][0] == "one" and len(e[2]) == 2:
            target = self.same[e[2][1]]
            self.links[e[1][0]] |= {(target, i) if e[1][1] else (i, target) for i in who}
        elif e[0] == "text" or (e[0] == "number" and e[2] == "="):
            self.values[e[1]] |= {(i, e[-1]) for i in who}

    def close(self) -> None:
        """Apply every rule until nothing is new."""
        before = -1
        while before != (size := sum(map(len, (*self.types.values(), *self.links.values(), *self.values.values())))):
            before = size
            for chain, above in self.chains:
                made = self.pairs(chain[0])
                for role in chain[1:]:
                    made = {(a, d) for a, b in made for c, d in self.pairs(role) if b == c}
                self.links[above] |= made
            for below, above in self.above:
                self.values[above] |= self.values[below]
            for p, c in self.domains.items():
                self.types[c] |= {i for i, _ in self.values[p]}
            for left, right in self.inclusions:
                self.conclude(self.holds(left), right)
