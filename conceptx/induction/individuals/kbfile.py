"""Read a knowledge base in DL-Learner's own syntax (``.kb``): assertions, class axioms and role axioms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from conceptx.errors import InputError
from conceptx.expressions import MAX_DEPTH, NOTHING, THING, And, Count, Expression, Named, Not, Only, Or, Role, Some
from conceptx.induction.individuals.axioms import Axioms, nominal_key, number_of
from conceptx.induction.individuals.rdf import value_is

NAMESPACE = "http://localhost/foo#"
"""The namespace that DL-Learner gives to the bare names of a ``.kb`` file."""

_LARGEST = 1 << 28
_DEEPEST = MAX_DEPTH - 4
_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<text>"[^"\n]*")
      | (?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w))
      | (?P<word>[^\W\d][\w\-]*)
      | (?P<sign>>=|<=|[().,=])""",
    re.VERBOSE | re.DOTALL,
)
_SUBCLASS = ("SUBCLASSOF", "SUB", "SUBCONCEPTOF")
_DOMAINS = ("DOMAIN", "OPDOMAIN", "OBJECTPROPERTYDOMAIN", "DPDOMAIN", "DATATYPEPROPERTYDOMAIN")
_RANGES = ("RANGE", "OPRANGE", "OBJECTPROPERTYRANGE")
_DATA = ("DPDOMAIN", "DATATYPEPROPERTYDOMAIN", "DPRANGE", "DATATYPEPROPERTYRANGE")


def read_kb(path: Path) -> Axioms:
    """Read a ``.kb`` file; a mistake is an `InputError` that names its line."""
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(str(path), f"has more than {_LARGEST >> 20} MB", "save it as OWL")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), f"cannot be opened ({error.strerror})", "give a file that can be read") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is not UTF-8", "convert the file to UTF-8") from error
    return _Parser(path, text).whole()


class _Parser:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.axioms = Axioms(str(path))
        self.tokens: list[tuple[str, str, int]] = []
        self.place = 0
        position, line = 0, 1
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.fault(line, f"{text[position]!r} cannot stand here")
            token = found[0]
            if found.lastgroup != "skip":
                self.tokens.append((str(found.lastgroup), token, line))
            line += token.count("\n")
            position = found.end()
        self.tokens.append(("end", "", line))

    def fault(self, line: int, what: str) -> InputError:
        return InputError(f"{self.path}:{line}", what, "mend this statement")

    def fail(self, what: str) -> NoReturn:
        raise self.fault(self.tokens[self.place][2], what)

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[min(self.place + ahead, len(self.tokens) - 1)][1]

    def take(self, *wanted: str) -> str | None:
        kind, token, _ = self.tokens[self.place]
        if kind != "text" and token in wanted:
            self.place += 1
            return token
        return None

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            self.fail(f"{wanted!r} is expected here, not {self.peek()!r}" if self.peek() else f"{wanted!r} is missing")

    def iri(self) -> str:
        kind, token, _ = self.tokens[self.place]
        if kind not in ("text", "word", "number"):
            self.fail(f"a name is expected here, not {token!r}" if token else "a name is missing at the end")
        self.place += 1
        name = token.strip('"').strip()
        return name if "://" in name else NAMESPACE + name

    def whole(self) -> Axioms:
        while self.tokens[self.place][0] != "end":
            self.statement()
        return self.axioms

    def statement(self) -> None:
        word = self.peek()
        if self.peek(1) == "(" and (word.upper() in (*_DOMAINS, *_RANGES, *_DATA) or word in _ROLE_AXIOMS):
            self.role_axiom(self.iri().removeprefix(NAMESPACE))
        elif self.peek(1) == "(" and self.peek(3) == "," and self.tokens[self.place][0] in ("word", "text"):
            self.link()
        else:
            one = self.concept()
            if self.take("("):
                individual = self.iri()
                self.need(")")
                self.axioms.individuals[individual] = None
                self.axioms.types.append((individual, one))
            elif self.take("=", "EQUIVALENTTO"):
                self.equivalent(one, self.concept())
            elif self.take(*_SUBCLASS):
                self.axioms.inclusions.append((one, self.concept()))
            else:
                self.fail(f"'(', '=' or 'SUBCLASSOF' is expected here, not {self.peek()!r}")
        self.need(".")

    def equivalent(self, one: Expression, other: Expression) -> None:
        for a, b in ((one, other), (other, one)):
            if isinstance(a, Named):
                self.axioms.definitions.append((a.name, b))
            if not isinstance(b, Named):
                self.axioms.inclusions.append((a, b))

    def link(self) -> None:
        """Read ``role(a, b)``, or ``property(a, 1.5)``."""
        axioms = self.axioms
        name = self.iri()
        self.need("(")
        source = self.iri()
        self.need(",")
        axioms.individuals[source] = None
        kind, token, _ = self.tokens[self.place]
        known_role = name in axioms.roles
        is_value = (kind == "number" and not known_role) or name in axioms.properties
        if is_value and kind in ("number", "text", "word"):
            self.place += 1
            axioms.properties[name] = None
            axioms.values.append((name, source, token.strip('"')))
        else:
            target = self.iri()
            axioms.roles[name] = axioms.individuals[target] = None
            axioms.links.append((name, source, target))
        self.need(")")

    def role_axiom(self, word: str) -> None:
        axioms = self.axioms
        self.need("(")
        name = self.iri()
        kind = word.upper() if word not in _ROLE_AXIOMS else word
        if kind in _DATA:
            axioms.properties[name] = None
        else:
            axioms.roles[name] = None
        if kind in ("Inverse", "Subrole"):
            self.need(",")
            other = self.iri()
            axioms.roles[other] = None
            if kind == "Subrole":
                axioms.subroles.append((Role(name), Role(other)))
            else:
                axioms.subroles += [(Role(name), Role(other, True)), (Role(other), Role(name, True))]
        self.need(")")
        if kind == "Symmetric":
            axioms.subroles.append((Role(name), Role(name, True)))
        elif kind == "Transitive":
            axioms.transitive[name] = None
        elif kind not in _ROLE_AXIOMS:
            self.need("=")
            if kind in ("DPRANGE", "DATATYPEPROPERTYRANGE"):
                self.iri()
            elif kind in _RANGES or kind not in _DATA:
                axioms.inclusions.append((Some(Role(name, kind in _RANGES), THING), self.concept()))
            else:
                axioms.domains.append((name, self.concept()))

    def concept(self, depth: int = 0) -> Expression:
        if depth > _DEEPEST:
            self.fail(f"the class expression is nested more than {_DEEPEST} deep")
        if self.take("TOP"):
            return THING
        if self.take("BOTTOM"):
            return NOTHING
        if self.take("NOT", "NEG"):
            return Not(self.concept(depth + 1))
        if self.take("EXISTS", "SOME"):
            return Some(self.role(), self.concept(depth + 1))
        if self.take("ALL", "FORALL"):
            return Only(self.role(), self.concept(depth + 1))
        sign = self.take(">=", "<=")
        if sign:
            number = self.peek()
            if not number.isdecimal():
                self.fail(f"a whole number is expected here, not {number!r}")
            self.place += 1
            return Count("min" if sign == ">=" else "max", int(number[:9]), self.role(), self.concept(depth + 1))
        if self.take("("):
            return self.bracket(depth)
        name = self.iri()
        self.axioms.classes[name] = None
        return Named(name)

    def role(self) -> Role:
        name = self.iri()
        self.axioms.roles[name] = None
        self.need(".")
        return Role(name)

    def bracket(self, depth: int) -> Expression:
        """Read what stands in brackets: joined concepts, or a property with its value."""
        if self.peek(1) in ("IS", "HASVALUE", "STRINGVALUE"):
            name = self.iri()
            word = self.take("IS", "HASVALUE", "STRINGVALUE")
            if word == "HASVALUE":
                found: Expression = Some(Role(name), Named(nominal_key(self.iri())))
                self.axioms.roles[name] = None
            else:
                text = self.peek().strip('"')
                self.place += 1
                self.axioms.properties[name] = None
                found = value_is(name, text.lower() if word == "IS" else text, number_of(text) is None)
            self.need(")")
            return found
        parts = [self.concept(depth + 1)]
        joint = self.take("AND", "OR")
        if joint:
            parts.append(self.concept(depth + 1))
            while self.take(joint):
                parts.append(self.concept(depth + 1))
        self.need(")")
        if not joint:
            return parts[0]
        return And(tuple(parts)) if joint == "AND" else Or(tuple(parts))


_ROLE_AXIOMS = ("Transitive", "Functional", "Symmetric", "Inverse", "Subrole")
