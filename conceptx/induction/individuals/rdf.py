"""Read the individuals and the axioms of an OWL knowledge base from any RDF syntax; imports are never fetched."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from conceptx.errors import InputError
from conceptx.expressions import (
    MAX_DEPTH,
    NOTHING,
    THING,
    And,
    Count,
    Expression,
    Kind,
    Named,
    Not,
    Only,
    Or,
    Role,
    Some,
    Value,
)
from conceptx.induction.individuals.axioms import Axioms, nominal_key, number_of, value_key
from conceptx.ontology.sources.rdf import statements
from conceptx.ontology.sources.terms import OWL, RDF, RDFS, SKOS

XSD = "http://www.w3.org/2001/XMLSchema#"
_BUILT_IN = (RDF, RDFS, OWL, XSD, SKOS, "http://purl.org/dc/", "http://www.w3.org/2003/11/swrl#")
_TYPE = RDF + "type"
_DEEPEST, _LARGEST = MAX_DEPTH - 4, 20_000
_MOST_STATEMENTS = 20_000_000
_NUMERIC = frozenset(
    XSD + name
    for name in (
        *("decimal", "integer", "double", "float", "long", "int", "short", "byte", "gYear"),
        *("nonNegativeInteger", "nonPositiveInteger", "positiveInteger", "negativeInteger"),
        *("unsignedLong", "unsignedInt", "unsignedShort", "unsignedByte"),
    )
)
_FACETS = {"minInclusive": ">=", "maxInclusive": "<=", "minExclusive": ">", "maxExclusive": "<"}
_COUNTS: dict[str, Kind] = {
    "minCardinality": "min",
    "minQualifiedCardinality": "min",
    "maxCardinality": "max",
    "maxQualifiedCardinality": "max",
    "cardinality": "exactly",
    "qualifiedCardinality": "exactly",
}
_STRUCTURE = frozenset(
    (RDF + "first", RDF + "rest", RDFS + "subClassOf", RDFS + "subPropertyOf", RDFS + "domain", RDFS + "range")
)


def read_rdf(path: Path) -> Axioms:
    """Read what the file says about individuals, classes, roles and data properties."""
    reading = _Reading(path)
    reading.axioms.prefixes = statements(path, reading.add)
    reading.finish()
    return reading.axioms


class _Reading:
    """Collects statements until all are in, because what a predicate is may be declared at the end of the file."""

    def __init__(self, path: Path) -> None:
        self.axioms = Axioms(str(path))
        self.types: dict[tuple[str, str], None] = {}
        self.built: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.facts: list[tuple[str, str, str]] = []
        self.literals: list[tuple[str, str, str]] = []
        self.literal_texts: set[tuple[str, str, str]] = set()
        self.annotations: set[str] = set()
        self.parts = self.statements = 0

    def add(self, s: str, p: str, o: str, language: str | None) -> None:
        """Take in one statement."""
        self.statements += 1
        if self.statements > _MOST_STATEMENTS:
            what = f"has more than {_MOST_STATEMENTS:,} statements"
            raise InputError(self.axioms.where, what, "give the part that the problem is about")
        if p == _TYPE:
            self.types[s, o] = None
        elif p.startswith(OWL) or p in _STRUCTURE or p.startswith(XSD):
            self.built[s][p].append(o)
            if language is not None:
                self.literal_texts.add((s, p, o))
        elif not p.startswith(_BUILT_IN):
            (self.facts if language is None else self.literals).append((s, p, o))

    def finish(self) -> None:
        """Tell classes, roles, properties and individuals apart, and turn structures into expressions."""
        axioms = self.axioms
        for s, o in self.types:
            if s.startswith("_:") or s.startswith(_BUILT_IN):
                continue
            if o in (OWL + "Class", RDFS + "Class"):
                axioms.classes[s] = None
            elif o == OWL + "ObjectProperty":
                axioms.roles[s] = None
            elif o == OWL + "DatatypeProperty":
                axioms.properties[s] = None
            elif o == OWL + "AnnotationProperty":
                self.annotations.add(s)
        for s, o in self.types:
            kind = o.removeprefix(OWL)
            if kind in ("SymmetricProperty", "TransitiveProperty", "InverseFunctionalProperty"):
                axioms.roles[s] = None
        self._assertions()
        self._class_axioms()
        self._role_axioms()
        for s in self.built:
            for iri in self.built[s].get(OWL + "imports", ()):
                axioms.notes.append(f"imports {iri}, which was not fetched")
        axioms.notes = sorted(set(axioms.notes))

    def _assertions(self) -> None:
        axioms, annotations = self.axioms, self.annotations
        vocabulary = axioms.classes.keys() | axioms.roles.keys() | axioms.properties.keys() | annotations
        things = (OWL + "NamedIndividual", OWL + "Thing")
        vocabulary |= {s for s, o in self.types if o.startswith((OWL, RDFS)) and o not in things}
        # What is declared to be an individual too has facts of its own, whatever else it is.
        declared = {s for s, o in self.types if o == things[0]}
        vocabulary -= declared
        classes = axioms.classes.keys() - declared
        for s, o in self.types:
            if s in vocabulary or (s.startswith("_:") and s in self.built):
                continue
            if o in things:
                axioms.individuals[s] = None
            elif not o.startswith(_BUILT_IN):
                axioms.individuals[s] = None
                axioms.types.append((s, self.expression(o)))
        for s, p, o in self.facts:
            if p in annotations or p in axioms.properties or s in vocabulary or o in classes:
                continue
            axioms.roles[p] = None
            axioms.individuals[s] = axioms.individuals[o] = None
            axioms.links.append((p, s, o))
        for s, p, text in self.literals:
            if p in annotations or p in axioms.roles or s in vocabulary:
                continue
            axioms.properties[p] = None
            axioms.individuals[s] = None
            axioms.values.append((p, s, text))
        for s, links in self.built.items():
            for o in links.get(OWL + "sameAs", ()):
                axioms.individuals[s] = axioms.individuals[o] = None
                axioms.same.append((s, o))

    def _class_axioms(self) -> None:
        axioms = self.axioms
        for s, links in list(self.built.items()):
            for o in links.get(RDFS + "subClassOf", ()):
                axioms.inclusions.append((self.expression(s), self.expression(o)))
            for o in links.get(OWL + "equivalentClass", ()):
                self._equivalent(self.expression(s), self.expression(o))
            direct = any(OWL + kind in links for kind in ("intersectionOf", "unionOf", "complementOf", "oneOf"))
            if direct and not s.startswith("_:"):  # A owl:intersectionOf (…), without a node of its own
                self._equivalent(self.expression(s), self.structure(s))
            for head in links.get(OWL + "disjointUnionOf", ()):
                parts = tuple(self.expression(o) for o in self.members(head))
                axioms.inclusions += [(part, self.expression(s)) for part in parts]
                axioms.disjoint.append(parts)
            for o in links.get(OWL + "disjointWith", ()):
                axioms.disjoint.append((self.expression(s), self.expression(o)))
            if (s, OWL + "AllDisjointClasses") in self.types:
                for head in links.get(OWL + "members", ()):
                    axioms.disjoint.append(tuple(self.expression(o) for o in self.members(head)))
            for kind, inverse in ((RDFS + "domain", False), (RDFS + "range", True)):
                for o in links.get(kind, ()):
                    if s in axioms.roles:
                        axioms.inclusions.append((Some(Role(s, inverse), THING), self.expression(o)))
                    elif s in axioms.properties and not inverse:
                        axioms.domains.append((s, self.expression(o)))
            if s in axioms.properties:
                for o in links.get(RDFS + "range", ()):
                    base = self.built[o].get(OWL + "onDatatype", [o])[0] if o.startswith("_:") else o
                    if base in _NUMERIC:
                        axioms.numbers.add(s)
                    elif base.startswith((XSD, RDF)):
                        axioms.texts.add(s)

    def _equivalent(self, one: Expression, other: Expression) -> None:
        for a, b in ((one, other), (other, one)):
            if isinstance(a, Named) and a.name:
                self.axioms.definitions.append((a.name, b))
            if not isinstance(b, Named):
                self.axioms.inclusions.append((a, b))

    def _role_axioms(self) -> None:
        axioms = self.axioms
        for s, links in list(self.built.items()):
            for o in links.get(RDFS + "subPropertyOf", ()):
                self._subrole(s, o)
            for o in links.get(OWL + "equivalentProperty", ()):
                self._subrole(s, o)
                self._subrole(o, s)
            if not s.startswith("_:"):
                for o in links.get(OWL + "inverseOf", ()):
                    axioms.roles[s] = axioms.roles[o] = None
                    axioms.subroles += [(Role(s), Role(o, True)), (Role(o), Role(s, True))]
            for head in links.get(OWL + "propertyChainAxiom", ()):
                chain, above = tuple(self.role(o) for o in self.members(head)), self.role(s)
                axioms.roles.update((role.name, None) for role in (*chain, above))
                axioms.chains.append((chain, above))
        for s, o in self.types:
            if o == OWL + "SymmetricProperty":
                axioms.subroles.append((Role(s), Role(s, True)))
            elif o == OWL + "TransitiveProperty":
                axioms.transitive[s] = None

    def _subrole(self, sub: str, above: str) -> None:
        axioms = self.axioms
        if any(name.startswith(_BUILT_IN) or name in self.annotations for name in (sub, above)):
            return  # owl:topObjectProperty says nothing, and annotations hold no facts
        if sub not in axioms.properties and above not in axioms.properties:
            one, other = self.role(sub), self.role(above)
            axioms.roles[one.name] = axioms.roles[other.name] = None
            axioms.subroles.append((one, other))
        elif sub in axioms.roles or above in axioms.roles:
            axioms.notes.append(f"'{sub}' below '{above}': a role and a data property have nothing in common")
        else:
            axioms.properties[sub] = axioms.properties[above] = None
            axioms.subproperties.append((sub, above))

    def role(self, node: str) -> Role:
        """Return the role of an IRI or of a node that says whose inverse it is."""
        if node.startswith("_:"):
            of = self.built[node].get(OWL + "inverseOf")
            if of:
                return Role(of[0], True)
        return Role(node)

    def members(self, head: str) -> list[str]:
        """Return the members of a list."""
        found: list[str] = []
        seen = set()
        while head not in seen and self.built[head].get(RDF + "first"):
            seen.add(head)
            found.append(self.built[head][RDF + "first"][0])
            head = (self.built[head].get(RDF + "rest") or [RDF + "nil"])[0]
        return found

    def expression(self, node: str, depth: int = 0) -> Expression:
        """Return the class of an IRI or of a blank node; what is not read here is noted and stands for owl:Thing."""
        if node == OWL + "Thing":
            return THING
        if node == OWL + "Nothing":
            return NOTHING
        if not node.startswith("_:"):
            self.axioms.classes[node] = None
            return Named(node)
        self.parts = self.parts + 1 if depth else 0
        if depth > _DEEPEST or self.parts > _LARGEST:
            said = f"nested more than {_DEEPEST} deep" if depth > _DEEPEST else f"of more than {_LARGEST:,} parts"
            self.axioms.notes.append(f"a class expression {said} was left out")
            return Named("")
        return self.structure(node, depth)

    def structure(self, node: str, depth: int = 0) -> Expression:
        """Return the class expression that hangs on a node."""
        links = self.built[node]

        def one(predicate: str) -> str:
            return links[OWL + predicate][0]

        if OWL + "intersectionOf" in links:
            return And(tuple(self.expression(o, depth + 1) for o in self.members(one("intersectionOf"))))
        if OWL + "unionOf" in links:
            return Or(tuple(self.expression(o, depth + 1) for o in self.members(one("unionOf"))))
        if OWL + "complementOf" in links:
            return Not(self.expression(one("complementOf"), depth + 1))
        if OWL + "oneOf" in links:
            found = tuple(self.nominal(o) for o in self.members(one("oneOf")))
            return found[0] if len(found) == 1 else Or(found)
        if OWL + "onProperty" in links:
            restriction = self._restriction(node, links, depth)
            if restriction is not None:
                return restriction
        self.axioms.notes.append("a class expression of an unknown form was left out")
        return Named("")

    def nominal(self, individual: str) -> Expression:
        """Return the class of one individual."""
        self.axioms.individuals[individual] = None
        return Named(nominal_key(individual))

    def _restriction(self, node: str, links: dict[str, list[str]], depth: int) -> Expression | None:
        on = links[OWL + "onProperty"][0]
        some, only = links.get(OWL + "someValuesFrom"), links.get(OWL + "allValuesFrom")
        value = links.get(OWL + "hasValue")
        if value and (node, OWL + "hasValue", value[0]) in self.literal_texts:
            self.axioms.properties[on] = None
            return value_is(on, value[0], on in self.axioms.texts)
        if on in self.axioms.properties:
            return self._data_range(on, some[0]) if some else None
        role = self.role(on)
        if value:
            return Some(role, self.nominal(value[0]))
        if some:
            return Some(role, self.expression(some[0], depth + 1))
        if only:
            return Only(role, self.expression(only[0], depth + 1))
        for name, kind in _COUNTS.items():
            number = links.get(OWL + name)
            if number and number[0].strip().isdecimal():
                filler = links.get(OWL + "onClass")
                return Count(kind, int(number[0][:9]), role, self.expression(filler[0], depth + 1) if filler else THING)
        return None

    def _data_range(self, name: str, node: str) -> Expression | None:
        facets = []
        for head in self.built[node].get(OWL + "withRestrictions", ()):
            for member in self.members(head):
                for facet, sign in _FACETS.items():
                    for text in self.built[member].get(XSD + facet, ()):
                        number = number_of(text)
                        if number is not None:
                            facets.append(Value(name, sign, number))  # type: ignore[arg-type]
        if facets:
            return facets[0] if len(facets) == 1 else And(tuple(facets))
        return Or((Value(name, ">=", 0.0), Value(name, "<", 0.0))) if node in _NUMERIC else None


def value_is(name: str, text: str, is_text: bool = False) -> Expression:
    """Return the class of the individuals whose property has this value."""
    number = None if is_text else number_of(text)
    return Named(value_key(name, text)) if number is None else Value(name, "=", number)
