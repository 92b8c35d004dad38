"""Read class expressions in OWL Manchester syntax and in description-logic syntax.

The reader keeps its own stack, so that any number of parentheses is read; how deep the expression itself may be is
bounded by `types.MAX_DEPTH`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from conceptx.errors import InputError
from conceptx.expressions.printing import KEYWORDS
from conceptx.expressions.types import (
    MAX_DEPTH,
    NOTHING,
    THING,
    And,
    Comparison,
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

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w]))
    | (?P<top>owl:Thing|owl:Nothing|⊤|⊥)
    | (?P<datatype>xsd:(?:double|float|decimal|integer|int))
    | (?P<name>[^\W\d][\w\-]*)
    | (?P<sign>>=|<=|[()\[\]<>=∃∀¬⊓⊔≥≤.⁻])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r"}
_RESTRICTIONS = ("some", "only", "min", "max", "exactly")
_COMPARISONS: tuple[Comparison, ...] = (">=", "<=", ">", "<", "=")
_COUNTS: dict[str, Kind] = {"min": "min", "max": "max", "exactly": "exactly", "≥": "min", "≤": "max", "=": "exactly"}
_MOST_DIGITS = 18

LONGEST_TEXT = 1 << 18
"""Texts with more characters are refused unread."""


def parse(text: str, shown: str | None = None, place: Callable[[int], int] | None = None) -> Expression:
    """Read an expression in Manchester or description-logic syntax, as it stands (nothing is normalised).

    A mistake is an `InputError` that shows the place with a caret. Where the text was made from another one, that one
    can be `shown`; `place` then says where a place of the text is in it.
    """
    if len(text) > LONGEST_TEXT:
        what = f"it has {len(text):,} characters; {LONGEST_TEXT:,} are allowed"
        raise InputError("expression", what, "write it shorter, or as several")
    return _Reader(text, text if shown is None else shown, place or (lambda at: at)).whole()


@dataclass(slots=True)
class _Group:
    """What was read between two parentheses so far: alternatives of conjuncts, and the prefixes of the next operand."""

    alternatives: list[list[Expression]] = field(default_factory=lambda: [[]])
    prefixes: list[Callable[[Expression], Expression]] = field(default_factory=list)

    def add(self, operand: Expression) -> None:
        while self.prefixes:
            operand = self.prefixes.pop()(operand)
        self.alternatives[-1].append(operand)

    def close(self) -> Expression:
        parts = [c[0] if len(c) == 1 else And(tuple(c)) for c in self.alternatives]
        return parts[0] if len(parts) == 1 else Or(tuple(parts))


class _Reader:
    """Reads the tokens of one text from the left, with one group for each open parenthesis."""

    def __init__(self, text: str, shown: str, place_of: Callable[[int], int]) -> None:
        self.text, self.shown, self.place_of = text, shown, place_of
        self.tokens: list[tuple[str, str, int]] = []
        self.place = 0
        end = len(text.rstrip())
        position = 0
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                start = next(i for i in range(position, end) if not text[i].isspace())
                raise self.error(f"{text[start]!r} cannot stand here", start)
            kind = found.lastgroup
            token = found.group(kind)
            if kind == "name" and token.lower() in KEYWORDS:
                kind, token = "keyword", token.lower()
            self.tokens.append((kind, token, found.start(found.lastgroup)))
            position = found.end()
        self.tokens.append(("end", "", end))

    def error(self, what: str, position: int | None = None) -> InputError:
        at = self.place_of(self.tokens[self.place][2] if position is None else position)
        line = self.shown.count("\n", 0, at)
        start = self.shown.rfind("\n", 0, at) + 1
        line_shown = self.shown[start:].split("\n", 1)[0]
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line_shown)
        first = max(0, at - start - 60)
        caret = " " * (at - start - first) + "^"
        where = f"expression, column {at - start + 1}" + (f" of line {line + 1}" if line else "")
        return InputError(where, what, f"mend the expression:\n  {shown[first : first + 120]}\n  {caret}")

    def peek(self) -> tuple[str, str]:
        kind, token, _ = self.tokens[self.place]
        return kind, token

    def take(self, *wanted: str) -> str | None:
        kind, token = self.peek()
        if kind in ("keyword", "sign", "top") and token in wanted:
            self.place += 1
            return token
        return None

    def need(self, *wanted: str) -> str:
        token = self.take(*wanted)
        if token is None:
            raise self.error(f"{' or '.join(wanted)} is missing")
        return token

    def whole(self) -> Expression:
        if self.peek()[0] == "end":
            raise self.error("the expression is empty")
        open_groups = [_Group()]
        while True:
            group = open_groups[-1]
            if self.take("("):
                open_groups.append(_Group())
                continue
            operand = self.operand(group)
            if operand is None:
                continue
            self.checked(group, operand)
            while self.take(")"):
                if len(open_groups) == 1:
                    self.place -= 1
                    raise self.error("')' cannot stand here")
                self.checked(open_groups[-2], open_groups.pop())
            if self.take("and", "that", "⊓"):
                continue
            if self.take("or", "⊔"):
                open_groups[-1].alternatives.append([])
                continue
            if len(open_groups) > 1:
                self.need(")")
            if self.peek()[0] != "end":
                raise self.error(f"{self.peek()[1]!r} cannot stand here")
            return self.closed(open_groups.pop())

    def checked(self, group: _Group, operand: Expression | _Group) -> None:
        """Add an operand, or a closed group, to a group; what becomes too deep is an error at this place."""
        inner = self.closed(operand) if isinstance(operand, _Group) else operand
        try:
            group.add(inner)
        except InputError:
            raise self.error(f"the expression is nested more than {MAX_DEPTH} deep") from None

    def closed(self, group: _Group) -> Expression:
        try:
            return group.close()
        except InputError:
            raise self.error(f"the expression is nested more than {MAX_DEPTH} deep") from None

    def operand(self, group: _Group) -> Expression | None:
        """Read one operand, or a prefix of the next one (then None)."""
        if self.take("not", "¬"):
            group.prefixes.append(Not)
            return None
        top = self.take("owl:Thing", "⊤", "owl:Nothing", "⊥")
        if top is not None:
            return THING if top in ("owl:Thing", "⊤") else NOTHING
        sign = self.take("∃", "∀", "≥", "≤", "=")
        if sign is not None:
            return self.quantified(sign, group)
        if self.take("inverse"):
            bracket = self.take("(")
            role = Role(self.name(), inverse=True)
            if bracket:
                self.need(")")
            return self.restriction(role, group)
        name = self.name()
        if self.take("value"):
            return self.value(name, "=")
        if self.peek() in (("keyword", word) for word in _RESTRICTIONS):
            return self.restriction(Role(name), group)
        return Named(name)

    def name(self) -> str:
        kind, token = self.peek()
        if kind not in ("name", "quoted"):
            raise self.error(f"a name is expected here, not {token!r}" if token else "a name is missing at the end")
        self.place += 1
        if kind == "name":
            return token
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token[1:-1], flags=re.DOTALL)

    def restriction(self, role: Role, group: _Group) -> Expression | None:
        word = self.need(*_RESTRICTIONS)
        if word == "some" and not role.inverse and self.peek()[0] == "datatype":
            self.place += 1
            return self.threshold(role.name)
        if word in ("some", "only"):
            group.prefixes.append(partial(Some if word == "some" else Only, role))
            return None
        n = self.whole_number()
        kind, token = self.peek()
        starts_filler = kind in ("name", "quoted", "top") or token in ("(", "not", "inverse", "¬", "∃", "∀", "≥", "≤")
        if not starts_filler:
            return Count(_COUNTS[word], n, role, THING)
        group.prefixes.append(partial(Count, _COUNTS[word], n, role))
        return None

    def quantified(self, sign: str, group: _Group) -> Expression | None:
        n = self.whole_number() if sign in _COUNTS else 0
        name = self.name()
        role = Role(name, inverse=self.take("⁻") is not None)
        self.need(".")
        if sign == "∃" and not role.inverse and self.peek() == ("sign", "["):
            return self.threshold(name)
        if sign in _COUNTS:
            group.prefixes.append(partial(Count, _COUNTS[sign], n, role))
        else:
            group.prefixes.append(partial(Some if sign == "∃" else Only, role))
        return None

    def threshold(self, name: str) -> Value:
        self.need("[")
        sign = self.need(*_COMPARISONS)
        value = self.value(name, next(c for c in _COMPARISONS if c == sign))
        self.need("]")
        return value

    def value(self, name: str, comparison: Comparison) -> Value:
        kind, token = self.peek()
        if kind != "number":
            raise self.error("a number is expected here")
        number = float(token)
        if abs(number) == float("inf"):
            raise self.error("the number is too large")
        self.place += 1
        return Value(name, comparison, number)

    def whole_number(self) -> int:
        kind, token = self.peek()
        if kind != "number" or not token.isdecimal():
            raise self.error("a whole number is expected here")
        if len(token) > _MOST_DIGITS:
            raise self.error("the number is too large")
        self.place += 1
        return int(token)
