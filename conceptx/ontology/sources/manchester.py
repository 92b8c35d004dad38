"""OWL Manchester syntax (``.omn``, ``.owl``) as RDF statements, frame by frame."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from conceptx.errors import InputError
from conceptx.ontology.sources.structure import FACETS, STANDARD, XSD, Literal, Put, Structure, Term, literal_of
from conceptx.ontology.sources.terms import OWL, RDFS, TYPE

_DEEPEST = 200
_FRAMES = {
    "Class:": "Class",
    "ObjectProperty:": "ObjectProperty",
    "DataProperty:": "DatatypeProperty",
    "AnnotationProperty:": "AnnotationProperty",
    "Individual:": "NamedIndividual",
    "Datatype:": "Datatype",
}
_GROUPS = ("EquivalentClasses:", "DisjointClasses:", "EquivalentProperties:", "DisjointProperties:")
_ALONE = (*_GROUPS, "SameIndividual:", "DifferentIndividuals:", "Rule:", "Prefix:", "Ontology:", "Import:")
_SECTIONS = (
    *("Annotations:", "SubClassOf:", "SuperClassOf:", "EquivalentTo:", "DisjointWith:", "DisjointUnionOf:", "HasKey:"),
    *("Domain:", "Range:", "Characteristics:", "SubPropertyOf:", "SuperPropertyOf:", "InverseOf:"),
    *("SubPropertyChain:", "Types:", "Facts:", "SameAs:", "DifferentFrom:", "Instances:", "Inverses:"),
)
_KEYWORDS = "|".join(sorted(map(re.escape, {*_FRAMES, *_ALONE, *_SECTIONS}), key=len, reverse=True))
_TOKEN = re.compile(
    rf"""(?P<skip>\s+|\#[^\n]*)
      | (?P<keyword>(?:{_KEYWORDS})(?=\s|$))
      | (?P<iri><[^<>\s"]*[:/\#][^<>\s"]*>)
      | (?P<text>"(?:[^"\\]|\\.)*")(?:@(?P<language>[A-Za-z0-9-]+)|\^\^(?P<datatype><[^<>\s]*>|[\w.\-]*:?[\w.\-]+))?
      | (?P<number>[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?[fF]?(?![\w:]))
      | (?P<sign>[(){{}}\[\],]|[<>]=?)
      | (?P<name>_:[^\s(){{}}\[\],<>"]+ | [^\s(){{}}\[\],<>":]*:[^\s(){{}}\[\],<>":]*
                 | '(?:[^'\\]|\\.)*' | [^\s(){{}}\[\],<>":]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_BUILT_IN = {"integer", "decimal", "float", "double", "string", "boolean"}
_COUNTS = {"min": "min", "max": "max", "exactly": "exactly"}
_FACET_WORDS = ("length", "minLength", "maxLength", "pattern", "langRange")
_WORDS = frozenset({"and", "or", "not", "that", "some", "only", "value", "Self", "inverse", "o", *_COUNTS})
_Item = TypeVar("_Item")


def read_manchester(text: str, where: str, put: Put) -> dict[str, str]:
    """Put every statement of a document and return its prefixes; a mistake is an `InputError` that names its line."""
    return _Manchester(text, where, put).whole()


class _Manchester:
    def __init__(self, text: str, where: str, put: Put) -> None:
        self.where, self.text = where, text
        self.out = Structure(put)
        self.prefixes = dict(STANDARD)
        self.tokens: list[re.Match[str]] = []
        self.place = self.depth = 0
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                self.fail(f"{text[position]!r} cannot stand here", position)
            if found.lastgroup != "skip":
                self.tokens.append(found)
            position = found.end()
        self.properties: set[str] = set()

    def fail(self, what: str, position: int | None = None) -> NoReturn:
        if position is None:
            position = self.tokens[self.place].start() if self.place < len(self.tokens) else len(self.text)
        line = self.text.count("\n", 0, position) + 1
        raise InputError(f"{self.where}:{line}", what, "mend this frame")

    def peek(self, ahead: int = 0) -> str:
        at = self.place + ahead
        return self.tokens[at][0] if at < len(self.tokens) else ""

    def kind(self) -> str:
        if self.place >= len(self.tokens):
            return "end"
        return "text" if self.tokens[self.place]["text"] is not None else str(self.tokens[self.place].lastgroup)

    def take(self, *wanted: str) -> str | None:
        if self.peek() in wanted and self.kind() in ("sign", "keyword", "name"):
            self.place += 1
            return self.tokens[self.place - 1][0]
        return None

    def need(self, wanted: str) -> None:
        if self.take(wanted) is None:
            self.fail(f"{wanted!r} is expected here, not {self.peek()!r}" if self.peek() else f"{wanted!r} is missing")

    # Names and values

    def name(self) -> str:
        """Read an IRI, a prefixed or a bare name."""
        kind, token = self.kind(), self.peek()
        if kind not in ("iri", "name", "number") or token in _WORDS:
            self.fail(f"a name is expected here, not {token!r}" if token else "a name is missing at the end")
        self.place += 1
        if kind == "iri":
            return token[1:-1]
        if token.startswith("_:"):
            return token
        prefix, colon, local = token.partition(":") if not token.startswith("'") else ("", "", token[1:-1])
        if not colon:
            if token in _BUILT_IN:
                return XSD + token
            prefix, local = "", local or prefix
        if prefix not in self.prefixes:
            if colon:
                self.place -= 1
                self.fail(f"the prefix {prefix + ':'!r} is not declared")
            return local
        return self.prefixes[prefix] + local

    def literal(self) -> Literal | None:
        found = self.tokens[self.place] if self.place < len(self.tokens) else None
        kind = self.kind()
        if found is None or (kind not in ("text", "number") and found[0] not in ("true", "false")):
            return None
        self.place += 1
        if kind == "number":
            text = found[0]
            whole = not set(text) & set(".eEfF")
            last = "integer" if whole else "float" if text[-1] in "fF" else "decimal"
            return Literal(text.rstrip("fF"), XSD + last)
        if kind != "text":
            return Literal(found[0], XSD + "boolean")
        datatype = found["datatype"] or ""
        if datatype.startswith("<"):
            datatype = datatype[1:-1]
        elif datatype:
            prefix, colon, local = datatype.partition(":")
            datatype = self.prefixes.get(prefix, prefix) + local if colon else XSD + datatype
        return Literal(literal_of(found["text"]), datatype, found["language"] or "")

    def list_of(self, one: Callable[[], _Item]) -> list[_Item]:
        """Read items with commas between them, each perhaps with annotations before it."""
        found = []
        while True:
            self.annotations()
            found.append(one())
            if not self.take(","):
                return found

    def annotations(self) -> None:
        """Pass over annotations of an axiom."""
        while self.take("Annotations:"):
            self.list_of(self.annotation)

    def annotation(self) -> tuple[str, Term]:
        predicate = self.name()
        return predicate, self.literal() or self.name()

    # The document

    def whole(self) -> dict[str, str]:
        ontology = ""
        while self.take("Prefix:"):
            token = self.peek()
            if not token.endswith(":"):
                self.fail("a prefix is written Prefix: name: <IRI>")
            self.place += 1
            self.prefixes[token[:-1]] = self.name()
        self.find_properties()
        if self.take("Ontology:"):
            if self.kind() in ("iri", "name"):
                ontology = self.name()
            if self.kind() in ("iri", "name"):
                self.name()  # the version
            self.out.put(ontology or "_:ontology", TYPE, OWL + "Ontology")
        while self.peek() in ("Import:", "Annotations:"):
            if self.take("Import:"):
                self.out.put(ontology or "_:ontology", OWL + "imports", self.name())
            self.annotations()
        while self.kind() != "end":
            self.frame()
        return self.prefixes

    def find_properties(self) -> None:
        """Look ahead for the data properties, since a restriction may come before the frame that says what it is on."""
        start = self.place
        for at, token in enumerate(self.tokens):
            if token[0] == "DataProperty:" and at + 1 < len(self.tokens):
                self.place = at + 1
                self.properties.add(self.name())
        self.place = start

    def frame(self) -> None:
        word = self.peek()
        if word in _FRAMES and self.kind() == "keyword":
            self.place += 1
            self.annotations()
            subject = self.out.typed(self.name(), _FRAMES[word])
            while self.peek() in _SECTIONS and self.kind() == "keyword":
                self.section(word, subject)
        elif self.take("EquivalentClasses:", "DisjointClasses:"):
            classes = self.list_of(self.klass)
            if word == "EquivalentClasses:":
                self.out.pairs(OWL + "equivalentClass", classes)
            else:
                self.out.apart("AllDisjointClasses", "disjointWith", classes)
        elif self.take("EquivalentProperties:", "DisjointProperties:"):
            roles: list[Term] = [*self.list_of(self.role)]
            if word == "EquivalentProperties:":
                self.out.pairs(OWL + "equivalentProperty", roles)
            else:
                self.out.apart("AllDisjointProperties", "propertyDisjointWith", roles)
        elif self.take("SameIndividual:", "DifferentIndividuals:"):
            members: list[Term] = [*self.list_of(self.name)]
            if word == "SameIndividual:":
                self.out.pairs(OWL + "sameAs", members)
            else:
                self.out.apart("AllDifferent", "differentFrom", members)
        elif self.take("Rule:"):
            while self.kind() not in ("keyword", "end"):
                self.place += 1
        else:
            self.fail(f"a frame (Class:, Individual:, …) is expected here, not {word!r}")

    def section(self, frame: str, subject: str) -> None:
        put, word = self.out.put, self.peek()
        self.place += 1
        if word == "Annotations:":
            for predicate, value in self.list_of(self.annotation):
                put(subject, self.out.typed(predicate, "AnnotationProperty"), value)
        elif word == "Facts:":
            self.list_of(lambda: self.fact(subject))
        elif word == "Types:":
            for kind in self.list_of(self.klass):
                put(subject, TYPE, kind)
        elif word == "Instances:":
            for one in self.list_of(self.name):
                put(one, TYPE, subject)
        elif word in ("SameAs:", "DifferentFrom:"):
            for other in self.list_of(self.name):
                put(subject, OWL + ("sameAs" if word == "SameAs:" else "differentFrom"), other)
        elif word == "Characteristics:":
            for kind in self.list_of(self.name):
                put(subject, TYPE, OWL + re.split(r"[#/]", kind)[-1] + "Property")
        elif word == "SubPropertyChain:":
            put(subject, OWL + "propertyChainAxiom", self.out.items(self.list_of(self.chain)[0]))
        elif word == "HasKey:":
            keys = []
            while self.kind() in ("iri", "name"):
                keys.append(self.role())
                self.take(",")
            put(subject, OWL + "hasKey", self.out.items(keys))
        elif word == "DisjointUnionOf:":
            put(subject, OWL + "disjointUnionOf", self.out.items(self.list_of(self.klass)))
        else:
            self.relation(frame, subject, word)

    def relation(self, frame: str, subject: str, word: str) -> None:
        """Read a section whose items each stand in one relation to the subject."""
        put = self.out.put
        names: dict[str, str] = {}
        one: Callable[[], Term] = self.role
        if frame in ("Class:", "Datatype:"):
            names = {
                "SubClassOf:": RDFS + "subClassOf",
                "SuperClassOf:": "",
                "EquivalentTo:": OWL + "equivalentClass",
                "DisjointWith:": OWL + "disjointWith",
            }
            one = self.data if frame == "Datatype:" else self.klass
        elif word in ("Domain:", "Range:") and frame != "Individual:":
            names = {word: RDFS + word[:-1].lower()}
            one = self.data if word == "Range:" and frame == "DataProperty:" else self.klass
            one = self.name if frame == "AnnotationProperty:" else one
        elif frame != "Individual:":
            names = {
                "SubPropertyOf:": RDFS + "subPropertyOf",
                "SuperPropertyOf:": "",
                "EquivalentTo:": OWL + "equivalentProperty",
                "DisjointWith:": OWL + "propertyDisjointWith",
                "InverseOf:": OWL + "inverseOf",
                "Inverses:": OWL + "inverseOf",
            }
        if word not in names:
            self.place -= 1
            self.fail(f"{word} has no place in a frame that begins with {frame}")
        for other in self.list_of(one):
            if names[word]:
                put(subject, names[word], other)
            elif isinstance(other, str):
                put(other, RDFS + ("subClassOf" if frame == "Class:" else "subPropertyOf"), subject)

    def fact(self, subject: str) -> None:
        denied = self.take("not") is not None
        inverse = self.take("inverse") is not None
        bracket = inverse and self.take("(") is not None
        predicate = self.name()
        if bracket:
            self.need(")")
        value: Term = self.literal() or self.name()
        self.out.typed(predicate, "DatatypeProperty" if isinstance(value, Literal) else "ObjectProperty")
        if inverse and isinstance(value, str):
            subject, value = value, subject
        if denied:
            self.out.denied(predicate, subject, value)
        else:
            self.out.put(subject, predicate, value)

    def chain(self) -> list[str]:
        roles = [self.role()]
        while self.take("o", "∘"):
            roles.append(self.role())
        return roles

    # Expressions

    def role(self, declare: bool = True) -> str:
        if self.take("inverse"):
            bracket = self.take("(")
            found = self.out.inverse(self.name())
            if bracket:
                self.need(")")
            return found
        name = self.name()
        return self.out.typed(name, "ObjectProperty") if declare and name not in self.properties else name

    def klass(self, data: bool = False) -> Term:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"the expression is nested more than {_DEEPEST} deep")
        alternatives = []
        while True:
            parts = [self.operand(data)]
            while self.take("and", "that"):
                parts.append(self.operand(data))
            alternatives.append(self.out.junction(True, parts, data))
            if not self.take("or"):
                break
        self.depth -= 1
        return self.out.junction(False, alternatives, data)

    def data(self) -> Term:
        return self.klass(data=True)

    def operand(self, data: bool) -> Term:
        if self.take("not"):
            self.depth += 1
            if self.depth > _DEEPEST:
                self.fail(f"the expression is nested more than {_DEEPEST} deep")
            inner = self.operand(data)
            self.depth -= 1
            return self.out.complement(inner, data)
        if self.take("("):
            found = self.klass(data)
            self.need(")")
            return found
        if self.take("{"):
            members = self.list_of(lambda: self.literal() or self.name())
            self.need("}")
            return self.out.one_of(members, data or isinstance(members[0], Literal))
        if data:
            return self.datatype()
        if self.peek() == "inverse" or self.peek(1) in ("some", "only", "value", "Self", *_COUNTS):
            return self.restriction()
        return self.out.typed(self.name(), "Class")

    def datatype(self) -> Term:
        name = self.name()
        if not self.take("["):
            return name
        bounds: list[tuple[str, Term]] = []
        while not bounds or self.take(","):
            sign = self.take(*FACETS, *_FACET_WORDS)
            value = self.literal() if sign else None
            if sign is None or value is None:
                self.fail("a bound is written [>= 5, < 10]")
            bounds.append((FACETS.get(sign, XSD + sign), value))
        self.need("]")
        return self.out.facets(name, bounds)

    def restriction(self) -> Term:
        on = self.role(declare=False)
        word = self.take("some", "only", "value", "Self", *_COUNTS)
        data = on in self.properties or self.kind() == "text" or (word == "value" and self.kind() == "number")
        data = data or self.peek() in (*_BUILT_IN, "true", "false") or self.peek().startswith("xsd:")
        self.out.typed(on, "DatatypeProperty" if data else "ObjectProperty")
        if word == "Self":
            return self.out.restriction(on, "hasSelf", Literal("true", XSD + "boolean"))
        if word == "value":
            value: Term = self.literal() or self.name()
            return self.out.restriction(on, "hasValue", value)
        if word in ("some", "only"):
            predicate = "someValuesFrom" if word == "some" else "allValuesFrom"
            return self.out.restriction(on, predicate, self.operand(data))
        number = self.peek()
        if word is None or not number.isdecimal():
            self.fail("a restriction needs some, only, value, min n, max n or exactly n")
        self.place += 1
        bare = self.kind() in ("keyword", "end") or self.peek() in ("and", "or", "that", ")", ",", "]", "}")
        return self.out.cardinality(on, word, number, None if bare else self.operand(data), data)
