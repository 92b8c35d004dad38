"""What a text that another tool wrote says of an image: an expression over the run's classes, or nothing.

In this order: the name or the label of a class; a formula of labels with AND, OR and NOT, as Network Dissection's
descendants print it, or with ``&``, ``|`` and ``~``, as INVERT does; an expression; a caption, which stands for images
with any of the classes that its words name. Names joined by ``and`` or ``or`` alone, ``birds and roofs``, are a
caption, unless the file says that it holds expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from conceptx.annotation.mapping import map_labels
from conceptx.errors import InputError
from conceptx.expressions import And, Expression, Named, Not, Or, contains, names, normalise, parse, walk
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.verification.own_tables import of_images

_MOST_WORDS = 5
_MOST_TOKENS = 200
_WORDS = {"AND": "AND", "OR": "OR", "NOT": "NOT", "&": "AND", "|": "OR", "~": "NOT", "(": "(", ")": ")"}
_TOKEN = re.compile(r"[()&|~]|\b(?:AND|OR|NOT)\b")
_OPERATOR = re.compile(r"~|\b(?:AND|OR|NOT)\b")
_BRODEN = re.compile(r"-[sc]$")
"""Broden's names of scenes and colours end so: ``beach-s``, ``blue-c``."""


class Meaning:
    """Finds what texts mean; a text means the same whatever other texts there are.

    `used` are the names of the classes that the images show: a caption speaks of no others.
    """

    def __init__(self, hierarchy: Hierarchy, used: Iterable[str]) -> None:
        from conceptx.ontology.lookup import Lookup

        self._hierarchy, self._used = hierarchy, set(used)
        self._lookup = Lookup(hierarchy)
        self._classes: dict[str, str | None] = {}

    def __call__(self, text: str, formal: bool = False) -> Expression | None:
        """Return what a text means for an image, or None; `formal` if it is from a column of expressions."""
        named = self.class_of(text)
        if named is not None:
            # Commas part the synonyms of a label, and the things of a caption.
            parts = {self.class_of(part.strip()) for part in text.split(",")} - {None}
            several = len(parts) > 1 and self._hierarchy.get(text) is None
            return self._caption(text) if several else contains(Named(named))
        formula = _Formula(text, self).read() if _TOKEN.search(text) else None
        if formula is not None or _OPERATOR.search(text):
            return formula
        try:
            expression = parse(text)
        except InputError:
            return self._caption(text)
        if any(self._hierarchy.get(name) is None for name in names(expression)):
            return self._caption(text)
        words = all(isinstance(part, Named | And | Or) for part in walk(expression))
        return self._caption(text) if words and not formal else of_images(expression)

    def class_of(self, text: str) -> str | None:
        """Return the class that a text names as a whole, or None."""
        if self._hierarchy.get(text) is not None:
            return text
        if text not in self._classes:
            found = (self._mapped(said) for said in dict.fromkeys((text, _BRODEN.sub("", text))))
            self._classes[text] = next((name for name in found if name is not None), None)
        return self._classes[text]

    def _mapped(self, label: str) -> str | None:
        # Most pieces of a caption name nothing, and asking for candidates is ten times as fast as deciding.
        if not label.strip() or not self._lookup.candidates(label, 0, 1):
            return None
        rows = map_labels([label], self._hierarchy, max_distance=0, lookup=self._lookup).rows
        return rows[0].class_name if rows else None

    def _caption(self, text: str) -> Expression | None:
        """Return images with any of the classes that a caption names; the longest names first, each word once."""
        words = re.findall(r"[^\W_]+", text.casefold())[:_MOST_TOKENS]
        found: dict[str, None] = {}
        start = 0
        while start < len(words):
            for end in range(min(len(words), start + _MOST_WORDS), start, -1):
                named = self.class_of(" ".join(words[start:end]))
                if named in self._used:
                    found[str(named)] = None
                    start = end
                    break
            else:
                start += 1
        parts = tuple(Named(name) for name in found)
        return None if not parts else normalise(contains(parts[0] if len(parts) == 1 else Or(parts)))


class _Formula:
    """A formula of labels, such as ``((water OR river) AND (NOT blue))``; AND binds more tightly than OR."""

    def __init__(self, text: str, meaning: Meaning) -> None:
        self._tokens, self._meaning, self._place = _tokens(text), meaning, 0

    def read(self) -> Expression | None:
        """Return the formula, or None where it is none or names what is no class."""
        if not 0 < len(self._tokens) <= _MOST_TOKENS:
            return None
        found = self._either()
        return None if found is None or self._place != len(self._tokens) else normalise(found)

    def _either(self) -> Expression | None:
        operands = [self._both()]
        while self._take("OR"):
            operands.append(self._both())
        return _joined(Or, operands)

    def _both(self) -> Expression | None:
        operands = [self._one()]
        while self._take("AND"):
            operands.append(self._one())
        return _joined(And, operands)

    def _one(self) -> Expression | None:
        if self._take("NOT"):
            inner = self._one()
            return None if inner is None else Not(inner)
        if self._take("("):
            found = self._either()
            return found if self._take(")") else None
        if self._place == len(self._tokens) or self._tokens[self._place] in _WORDS:
            return None
        self._place += 1
        named = self._meaning.class_of(self._tokens[self._place - 1])
        return None if named is None else contains(Named(named))

    def _take(self, token: str) -> bool:
        found = self._place < len(self._tokens) and self._tokens[self._place] == token
        self._place += found
        return found


def _tokens(text: str) -> list[str]:
    """Return the operators, brackets and labels of a formula, the operators as words."""
    found: list[str] = []
    end = 0
    for match in _TOKEN.finditer(text):
        found += [text[end : match.start()].strip(), _WORDS[match.group()]]
        end = match.end()
    return [token for token in (*found, text[end:].strip()) if token]


def _joined(kind: type[And] | type[Or], operands: Sequence[Expression | None]) -> Expression | None:
    known = [operand for operand in operands if operand is not None]
    if len(known) != len(operands):
        return None
    return known[0] if len(known) == 1 else kind(tuple(known))
