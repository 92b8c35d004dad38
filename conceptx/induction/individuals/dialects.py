"""Rewrite what other tools print (DL-Learner, ECII, Ontolearn, Protégé) as the expressions that `parse` reads.

Understood beyond the syntax of docs/expressions.md: full IRIs in ``<…>`` and prefixed names, ``Thing`` and ``TOP``,
``EXISTS r.C`` and ``ALL r.C``, ``>= 2 r.C``, ``r⁻ some C``, bounds as ``xsd:integer[≥ 5]`` or ``double[< "5"^^int]``,
``r value a`` and ``{a, b}`` for individuals, ``colour value "red"`` for values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from conceptx.expressions import quote
from conceptx.induction.individuals.axioms import number_of
from conceptx.induction.individuals.knowledge import KnowledgeBase
from conceptx.induction.individuals.naming import nominal_name, value_name

_OWL = "http://www.w3.org/2002/07/owl#"
_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^'\\]|\\.)*')
      | (?P<iri><[^<>\s]+>)
      | (?P<literal>"(?:[^"\\]|\\.)*"(?:\^\^(?:<[^<>\s]*>|[\w\-]*:?[\w\-]+)|@[\w\-]+)?)
      | (?P<open>['"].*)
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w:]))
      | (?P<prefixed>[\w\-]*:[\w\-]+)
      | (?P<word>[^\W\d][\w\-]*)
      | (?P<sign>>=|<=|[^\w\s])
      | (?P<gap>\s+)""",
    re.VERBOSE | re.DOTALL,
)
_NAMES = ("quoted", "iri", "prefixed", "word")
_BOUNDS = {"≥": ">=", "≤": "<="}
_COUNTS = {">=": "≥", "<=": "≤"}
_QUANTIFIERS = {"EXISTS": "∃", "ALL": "∀", "FORALL": "∀"}
_TOPS = {"Thing": "⊤", "TOP": "⊤", "Nothing": "⊥", "BOTTOM": "⊥"}
_VALUE_WORDS = ("value", "hasvalue")
_NUMERIC = re.compile(
    r"(?:xsd:)?(?:double|float|decimal|integer|int|long|short|byte|(?:non)?(?:positive|negative)integer"
    r"|unsigned(?:long|int|short|byte))\Z",
    re.IGNORECASE,
)


class Rewritten(NamedTuple):
    """The text for `parse`, and (place there, place in the given text) of every piece, ascending."""

    text: str
    places: list[tuple[int, int]]

    def place(self, at: int) -> int:
        """Return where a place of the rewritten text is in the given one."""
        new, old = next(((n, o) for n, o in reversed(self.places) if n <= at), (0, 0))
        after = next((n for n, _ in self.places if n > at), len(self.text))
        end = next((o for n, o in self.places if n == after), old + after - new)
        return min(old + at - new, max(end - 1, old)) if after - new != end - old else old + at - new


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def rewrite(text: str, kb: KnowledgeBase, prefixes: Mapping[str, str] | None = None) -> Rewritten:
    """Return an expression of any of these forms as one that `parse` reads, over the names of the knowledge base."""
    return _Rewriting(text, kb, {**kb.prefixes, **(prefixes or {})}).whole()


class _Rewriting:
    def __init__(self, text: str, kb: KnowledgeBase, prefixes: Mapping[str, str]) -> None:
        self.kb, self.prefixes = kb, prefixes
        found = [_Token(str(m.lastgroup), m[0], m.start()) for m in _TOKEN.finditer(text)]
        self.tokens = [token for token in found if token.kind != "gap"]
        self.gaps = {token.start + len(token.text): token.text for token in found if token.kind == "gap"}
        self.end = len(text)
        self.pieces: list[tuple[str, int]] = []
        self.brackets = 0

    def whole(self) -> Rewritten:
        at = 0
        while at < len(self.tokens):
            at = self.step(at)
        written, places, length = [], [], 0
        for piece, start in self.pieces:
            gap = self.gaps.get(start, "")
            written += [gap, piece]
            places.append((length + len(gap), start))
            length += len(gap) + len(piece)
        return Rewritten("".join(written), places)

    def put(self, text: str, token: _Token) -> None:
        self.pieces.append((text, token.start))

    def peek(self, at: int) -> _Token:
        return self.tokens[at] if at < len(self.tokens) else _Token("end", "", self.end)

    def step(self, at: int) -> int:
        """Rewrite what begins at a token; return where the next begins."""
        token, after = self.peek(at), self.peek(at + 1)
        if token.text == "[" or token.text == "]":
            self.brackets += 1 if token.text == "[" else -1
        if self.brackets > 0:
            self.put(self.bound(token), token)
        elif token.text == "{" and token.kind == "sign":
            return self.individuals(at)
        elif _NUMERIC.match(token.text) and after.text == "[":
            if self.pieces and self.pieces[-1][0] != ".":
                self.put("xsd:double", token)
        elif (
            token.kind == "word" and token.text.lower() in _VALUE_WORDS and self.pieces and self.is_value(token, after)
        ):
            self.value(token, after)
            return at + 2
        elif token.kind in _NAMES and after.text == "⁻" and self.peek(at + 2).text != ".":
            self.put(f"inverse {self.name(token)}", token)
            return at + 2
        elif token.kind in _NAMES:
            self.put(self.name(token, after), token)
        else:
            self.put(_COUNTS.get(token.text, token.text), token)
        return at + 1

    def bound(self, token: _Token) -> str:
        if token.kind == "literal":
            return _literal(token.text)
        return _BOUNDS.get(token.text, token.text)

    def name(self, token: _Token, after: _Token | None = None) -> str:
        """Return the name that a token stands for, as `parse` reads it."""
        text = token.text
        if token.kind == "quoted":
            return text
        if token.kind == "word":
            names = self.kb.scenes
            if text in _TOPS and text not in names.hierarchy:
                return _TOPS[text]
            if text in _QUANTIFIERS and after is not None and after.kind in _NAMES and text not in names.hierarchy:
                return _QUANTIFIERS[text]
            return text
        if token.kind == "iri":
            iri, local = text[1:-1], text[1:-1]
        else:
            prefix, _, local = text.partition(":")
            if text in ("owl:Thing", "owl:Nothing") or prefix == "xsd":
                return text
            iri = self.prefixes.get(prefix, "") + local
        if iri in (_OWL + "Thing", _OWL + "Nothing"):
            return "⊤" if iri.endswith("Thing") else "⊥"
        return quote(self.kb.name_of.get(iri, local))

    def is_value(self, token: _Token, target: _Token) -> bool:
        """Return whether ``property value x`` is meant, and no role of this name."""
        scenes = self.kb.scenes
        word = token.kind == "word" and token.text.lower() in _VALUE_WORDS and bool(self.pieces)
        named = token.text in scenes.roles or token.text in scenes.numbers
        return word and not named and target.kind in (*_NAMES, "literal", "number")

    def value(self, token: _Token, target: _Token) -> None:
        """Rewrite ``property value x``: a number, another value, or an individual."""
        if target.kind in _NAMES and target.text not in ("true", "false"):
            self.put(f"some {self.nominal(target)}", token)
            return
        name, start = self.pieces.pop()
        bare = name[1:-1].replace("\\'", "'").replace("\\\\", "\\") if name.startswith("'") else name
        text = _literal(target.text)
        number = number_of(text)
        if number is None or bare in self.kb.text_properties:
            self.pieces.append((quote(value_name(bare, text)), start))
        else:
            self.pieces.append((f"{name} some xsd:double[= {number!r}]", start))

    def individuals(self, at: int) -> int:
        """Rewrite ``{a, b}``, or what Ontolearn prints: ``{a ⊔ b}``."""
        members: list[str] = []
        place = at + 1
        while self.peek(place).kind in _NAMES and (not members or self.peek(place - 1).text in (",", "⊔")):
            members.append(self.nominal(self.peek(place)))
            place += 2
        closed = self.peek(place - 1)
        if not members or closed.text != "}":
            self.put("{", self.tokens[at])
            return at + 1
        joined = " or ".join(members)
        self.put(joined if len(members) == 1 else f"({joined})", self.tokens[at])
        return place

    def nominal(self, token: _Token) -> str:
        text = token.text[1:-1].replace("\\'", "'") if token.kind == "quoted" else token.text
        place = self.kb.place(text, self.prefixes)
        return quote(nominal_name(text if place is None else self.kb.scenes.individuals[place]))


def _literal(text: str) -> str:
    """Return what stands in a literal, or the text as it is."""
    if not text.startswith('"'):
        return text
    escape: Callable[[re.Match[str]], str] = lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1])  # noqa: E731
    return re.sub(r"\\(.)", escape, text[1 : text.rindex('"')])
