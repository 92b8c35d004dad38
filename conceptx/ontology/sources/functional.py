"""OWL functional syntax (``.ofn``, ``.owl``) as RDF statements; each axiom is put and forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

from conceptx.errors import InputError
from conceptx.ontology.sources.structure import STANDARD, XSD, Literal, Put, Structure, Term, literal_of
from conceptx.ontology.sources.terms import OWL, RDFS, TYPE

_DEEPEST = 200
_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<open>[A-Za-z]*)\s*\(
      | (?P<close>\))
      | (?P<iri><[^<>\s"]*>)
      | (?P<text>"(?:[^"\\]|\\.)*")(?:@(?P<language>[A-Za-z0-9-]+)|\^\^(?:<(?P<full>[^<>\s]*)>|(?P<short>[^\s()<>"]+)))?
      | (?P<equals>=)
      | (?P<blank>_:[^\s()]+)
      | (?P<number>\d+(?=[\s)]))
      | (?P<name>[^\s()<>"=@^]*:[^\s()<>"=@^]*)""",
    re.VERBOSE | re.DOTALL,
)
_CLASS_ASSERTIONS = {
    "ObjectPropertyDomain": "domain",
    "ObjectPropertyRange": "range",
}
_CHARACTERS = re.compile(r"(Functional|InverseFunctional|Reflexive|Irreflexive|Symmetric|Asymmetric|Transitive)Object")
_KINDS = {
    "Class": "Class",
    "ObjectProperty": "ObjectProperty",
    "DataProperty": "DatatypeProperty",
    "AnnotationProperty": "AnnotationProperty",
    "NamedIndividual": "NamedIndividual",
    "Datatype": "Datatype",
}
_RESTRICTIONS = ("SomeValuesFrom", "AllValuesFrom", "HasValue", "HasSelf", "Cardinality")
_COUNTS = {"Min": "min", "Max": "max", "Exact": "exactly"}


@dataclass(slots=True)
class Node:
    """An axiom or an expression: its name and its parts, and where it stands."""

    name: str
    place: int
    parts: list[Part] = field(default_factory=list)


Part: TypeAlias = "Node | Term"


def read_functional(text: str, where: str, put: Put) -> dict[str, str]:
    """Put every statement of a document and return its prefixes; a mistake is an `InputError` that names its line."""
    return Functional(text, where, put).whole()


class Functional:
    """The axioms of one document, put as statements; other readers of the same axioms build on it."""

    def __init__(self, text: str, where: str, put: Put) -> None:
        self.text, self.where = text, where
        self.out = Structure(put)
        self.prefixes = dict(STANDARD)
        self.ontology = ""

    def fail(self, place: int, what: str) -> NoReturn:
        """Refuse what stands at a place."""
        line = self.text.count("\n", 0, place) + 1
        raise InputError(f"{self.where}:{line}", what, "mend this statement")

    def whole(self) -> dict[str, str]:
        """Put all axioms of the text and return its prefixes."""
        text, position, last = self.text, 0, len(self.text)
        stack: list[Node] = []
        while position < last:
            found = _TOKEN.match(text, position)
            if found is None:
                self.fail(position, f"{text[position : position + 20].split()[0]!r} cannot stand here")
            start, position = position, found.end()
            kind = found.lastgroup
            if kind == "skip":
                continue
            if kind == "open":
                if len(stack) > _DEEPEST:
                    self.fail(start, f"the expression is nested more than {_DEEPEST} deep")
                stack.append(Node(found["open"], start))
            elif not stack:
                self.fail(start, f"{found[0]!r} cannot stand outside of Prefix(…) and Ontology(…)")
            elif kind == "close":
                done = stack.pop()
                if done.name == "Prefix":
                    self.prefix(done)
                elif stack and stack[-1].name != "Ontology":
                    stack[-1].parts.append(done)
                elif done.name != "Ontology":
                    self.axiom(done)
            else:
                node = stack[-1]
                node.parts.append(found[0] if node.name == "Prefix" else self.term(found, start))
                if node.name == "Ontology" and not self.ontology and isinstance(node.parts[0], str):
                    self.begin(node.parts[0])
        if stack:
            self.fail(stack[-1].place, f"{stack[-1].name}( is not closed")
        return self.prefixes

    def begin(self, ontology: str) -> None:
        """Take the IRI of the ontology."""
        self.ontology = ontology
        self.out.put(ontology, TYPE, OWL + "Ontology")

    def prefix(self, node: Node) -> None:
        """Take in the declaration of a prefix."""
        name = "".join(part for part in node.parts if isinstance(part, str))
        found = re.fullmatch(r"([^:=<>]*):=<([^<>]*)>", name)
        if found is None:
            self.fail(node.place, "a prefix is written Prefix(name:=<IRI>)")
        self.prefixes[found[1]] = found[2]

    def term(self, found: re.Match[str], place: int) -> Term:
        """Return the IRI, blank node or value of a token."""
        if found["text"] is not None:
            short = found["short"]
            datatype = self.iri(short, place) if short else found["full"] or ""
            return Literal(literal_of(found["text"]), datatype, found["language"] or "")
        if found["number"]:
            return Literal(found["number"], XSD + "nonNegativeInteger")
        if found["iri"]:
            return found["iri"][1:-1]
        return found[0] if found["blank"] else self.iri(found[0], place)

    def iri(self, name: str, place: int) -> str:
        """Return the IRI of a prefixed name."""
        prefix, _, local = name.partition(":")
        if prefix not in self.prefixes:
            self.fail(place, f"the prefix {prefix + ':'!r} is not declared")
        return self.prefixes[prefix] + local

    # Axioms

    def axiom(self, node: Node) -> None:
        """Put one axiom."""
        parts = [p for p in node.parts if not (isinstance(p, Node) and p.name in ("Annotation", "Annotations"))]
        try:
            self._say(node, parts)
        except InputError:
            raise
        except (ValueError, IndexError):
            self.fail(node.place, f"{node.name}(…) has {len(parts)} parts, which is not what it needs")

    def _say(self, node: Node, parts: list[Part]) -> None:
        name, out = node.name, self.out
        put = out.put
        named: Callable[[Part], str] = self.named
        if name == "Declaration":
            (entity,) = parts
            if isinstance(entity, Node) and entity.name in _KINDS:
                out.typed(named(entity.parts[0]), _KINDS[entity.name])
        elif name == "Import":
            put(self.ontology or "_:ontology", OWL + "imports", named(parts[0]))
        elif name == "SubClassOf":
            below, above = map(self.klass, parts)
            put(self.node(below, node), RDFS + "subClassOf", above)
        elif name == "EquivalentClasses":
            out.pairs(OWL + "equivalentClass", [self.klass(p) for p in parts])
        elif name == "DisjointClasses":
            out.apart("AllDisjointClasses", "disjointWith", [self.klass(p) for p in parts])
        elif name == "DisjointUnion":
            put(out.typed(named(parts[0]), "Class"), OWL + "disjointUnionOf", out.items(map(self.klass, parts[1:])))
        elif name == "ClassAssertion":
            kind, one = parts
            put(named(one), TYPE, self.klass(kind))
        elif name in ("SameIndividual", "DifferentIndividuals"):
            members: list[Term] = [named(p) for p in parts]
            if name == "SameIndividual":
                out.pairs(OWL + "sameAs", members)
            else:
                out.apart("AllDifferent", "differentFrom", members)
        elif name == "HasKey":
            groups = [group.parts if isinstance(group, Node) else [group] for group in parts[1:]]
            keys = [named(key) for group in groups for key in group]
            put(self.node(self.klass(parts[0]), node), OWL + "hasKey", out.items(keys))
        elif name == "DatatypeDefinition":
            put(named(parts[0]), OWL + "equivalentClass", self.data(parts[1]))
        elif "Annotation" in name:
            self._annotation(name, parts)
        elif "Data" in name:
            self._of_data(name, parts)
        elif "Object" in name:
            self._of_roles(name, parts)
        # Rules and what else tools add say nothing that this program reads.

    def _annotation(self, name: str, parts: list[Part]) -> None:
        if name == "AnnotationAssertion":
            kind, subject, value = parts
            self.out.typed(self.named(kind), "AnnotationProperty")
            if not isinstance(value, Node):
                self.out.put(self.named(subject), self.named(kind), value)
        elif name == "SubAnnotationPropertyOf":
            one, other = (self.out.typed(self.named(p), "AnnotationProperty") for p in parts)
            self.out.put(one, RDFS + "subPropertyOf", other)

    def _of_roles(self, name: str, parts: list[Part]) -> None:
        out, role = self.out, self.role
        if name == "SubObjectPropertyOf":
            below, above = parts
            if isinstance(below, Node) and below.name == "ObjectPropertyChain":
                out.put(role(above), OWL + "propertyChainAxiom", out.items([role(p) for p in below.parts]))
            else:
                out.put(role(below), RDFS + "subPropertyOf", role(above))
        elif name == "EquivalentObjectProperties":
            out.pairs(OWL + "equivalentProperty", [role(p) for p in parts])
        elif name == "InverseObjectProperties":
            out.put(role(parts[0]), OWL + "inverseOf", role(parts[1]))
        elif name == "DisjointObjectProperties":
            out.apart("AllDisjointProperties", "propertyDisjointWith", [role(p) for p in parts])
        elif name in _CLASS_ASSERTIONS:
            of, what = parts
            out.put(role(of), RDFS + _CLASS_ASSERTIONS[name], self.klass(what))
        elif name in ("ObjectPropertyAssertion", "NegativeObjectPropertyAssertion"):
            on, one, other = parts
            source, target = self.named(one), self.named(other)
            if isinstance(on, Node):
                source, target, on = target, source, on.parts[0]
            if name.startswith("Neg"):
                out.denied(role(on), source, target)
            else:
                out.put(source, role(on), target)
        elif found := _CHARACTERS.match(name):
            out.put(role(parts[0]), TYPE, OWL + found[1] + "Property")

    def _of_data(self, name: str, parts: list[Part]) -> None:
        out = self.out
        if name in ("SubDataPropertyOf", "EquivalentDataProperties", "DisjointDataProperties"):
            on: list[Term] = [self.property(p) for p in parts]
            if name.startswith("Disjoint"):
                out.apart("AllDisjointProperties", "propertyDisjointWith", on)
            else:
                out.pairs(RDFS + "subPropertyOf" if name.startswith("Sub") else OWL + "equivalentProperty", on)
        elif name == "DataPropertyDomain":
            out.put(self.property(parts[0]), RDFS + "domain", self.klass(parts[1]))
        elif name == "DataPropertyRange":
            out.put(self.property(parts[0]), RDFS + "range", self.data(parts[1]))
        elif name == "FunctionalDataProperty":
            out.put(self.property(parts[0]), TYPE, OWL + "FunctionalProperty")
        elif name in ("DataPropertyAssertion", "NegativeDataPropertyAssertion"):
            kind, one, value = parts
            if not isinstance(value, Literal):
                raise ValueError
            on_property, subject = self.property(kind), self.named(one)
            if name.startswith("Neg"):
                out.denied(on_property, subject, value)
            else:
                out.put(subject, on_property, value)

    # Expressions

    def named(self, part: Part) -> str:
        """Return a part that must be a name."""
        if not isinstance(part, str):
            raise ValueError
        return part

    def node(self, part: Term, inside: Node) -> str:
        """Return a part that must be no value."""
        if isinstance(part, Literal):
            self.fail(inside.place, f"a value stands in {inside.name}(…) where a class is needed")
        return part

    def role(self, part: Part) -> str:
        """Return the node of a role."""
        if isinstance(part, Node):
            if part.name != "ObjectInverseOf":
                self.fail(part.place, f"{part.name}(…) is no role")
            return self.out.inverse(self.role(part.parts[0]))
        return self.out.typed(self.named(part), "ObjectProperty")

    def property(self, part: Part) -> str:
        """Return the node of a data property."""
        return self.out.typed(self.named(part), "DatatypeProperty")

    def klass(self, part: Part) -> Term:
        """Return the node of a class expression."""
        if not isinstance(part, Node):
            return self.out.typed(self.named(part), "Class")
        out, name, inner = self.out, part.name, part.parts
        if name in ("ObjectIntersectionOf", "ObjectUnionOf"):
            return out.junction(name == "ObjectIntersectionOf", [self.klass(p) for p in inner])
        if name == "ObjectComplementOf":
            return out.complement(self.klass(inner[0]))
        if name == "ObjectOneOf":
            return out.one_of([self.named(p) for p in inner])
        if not name.startswith(("Object", "Data")) or not name.endswith(_RESTRICTIONS):
            self.fail(part.place, f"{name}(…) is no class expression")
        data = name.startswith("Data")
        rest = name.removeprefix("Data" if data else "Object")
        values: Callable[[Part], Term] = self.data if data else self.klass
        on = (self.property if data else self.role)(inner[0 if not rest.endswith("Cardinality") else 1])
        if rest in ("SomeValuesFrom", "AllValuesFrom"):
            return out.restriction(on, rest[0].lower() + rest[1:], values(inner[-1]))
        if rest == "HasValue" and not isinstance(inner[1], Node):
            return out.restriction(on, "hasValue", inner[1])
        if rest == "HasSelf":
            return out.restriction(on, "hasSelf", Literal("true", XSD + "boolean"))
        count = _COUNTS.get(rest.removesuffix("Cardinality"))
        if count and isinstance(inner[0], Literal):
            return out.cardinality(on, count, inner[0].text, values(inner[2]) if len(inner) > 2 else None, data)
        self.fail(part.place, f"{name}(…) is no class expression")

    def data(self, part: Part) -> Term:
        """Return the node of a data range."""
        if not isinstance(part, Node):
            return self.named(part)
        out, name, inner = self.out, part.name, part.parts
        if name == "DatatypeRestriction":
            bounds = list(zip(map(self.named, inner[1::2]), self._literals(inner[2::2]), strict=True))
            return out.facets(self.named(inner[0]), bounds)
        if name in ("DataIntersectionOf", "DataUnionOf"):
            return out.junction(name == "DataIntersectionOf", [self.data(p) for p in inner], data=True)
        if name == "DataComplementOf":
            return out.complement(self.data(inner[0]), data=True)
        if name == "DataOneOf":
            return out.one_of(self._literals(inner), data=True)
        self.fail(part.place, f"{name}(…) is no data range")

    def _literals(self, parts: Sequence[Part]) -> list[Term]:
        if not all(isinstance(part, Literal) for part in parts):
            raise ValueError
        return [part for part in parts if isinstance(part, Literal)]
