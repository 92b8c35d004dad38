"""Score given expressions exactly: one a line, in Manchester or description-logic syntax."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from conceptx.annotation.evaluate import holds
from conceptx.errors import InputError
from conceptx.expressions import Expression, parse, quote
from conceptx.expressions.reading import LONGEST_TEXT
from conceptx.induction.individuals.axioms import number_of
from conceptx.induction.individuals.knowledge import KnowledgeBase
from conceptx.induction.individuals.naming import value_name
from conceptx.induction.individuals.results import Learned, Solution, solution_of

_LARGEST = 1 << 28
_NAME = r"(?:'(?:[^'\\]|\\.)*'|[^\W\d][\w\-]*)"
_FOREIGN = re.compile(
    rf"""(?P<value>(?P<property>{_NAME})\s+value\s+(?P<literal>"[^"]*"|true\b|false\b|[-+]?\d[\d.eE+-]*))
      | (?P<quoted>'(?:[^'\\]|\\.)*')
      | <(?P<iri>[^<>\s]+)>
      | (?P<prefixed>(?<![\w'])(?!xsd:|owl:)[\w\-]*:[^\W\d][\w\-]*)""",
    re.VERBOSE,
)


def read_expressions(
    path: Path, kb: KnowledgeBase, prefixes: Mapping[str, str] | None = None
) -> list[tuple[int, Expression]]:
    """Return (line, expression) of every line that is not empty; a mistake names its line and shows the place."""
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(str(path), f"has more than {_LARGEST >> 20} MB", "split the file")
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(str(path), f"cannot be opened ({error.strerror})", "give a file of expressions") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is not UTF-8", "convert the file to UTF-8") from error
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            where = f"{path}:{number}"
            if len(text) > LONGEST_TEXT:
                what = f"the line has {len(text):,} characters; {LONGEST_TEXT:,} are allowed"
                raise InputError(where, what, "write one expression a line")
            found.append((number, read_expression(text, kb, where, prefixes)))
    if not found:
        raise InputError(str(path), "holds no expressions", "write one a line")
    return found


def read_expression(text: str, kb: KnowledgeBase, where: str, prefixes: Mapping[str, str] | None = None) -> Expression:
    """Read an expression over the knowledge base; IRIs in <…> and prefixed names stand for what they name."""
    known = {**kb.prefixes, **(prefixes or {})}
    by_iri = {**kb.names.properties, **kb.names.roles, **kb.names.classes}

    def plain(found: re.Match[str]) -> str:
        if found["value"]:
            return _value(found["property"], found["literal"])
        if found["quoted"]:
            return found["quoted"]
        if found["iri"]:
            return quote(by_iri.get(found["iri"], found["iri"]))
        prefix, _, name = found["prefixed"].partition(":")
        return quote(by_iri.get(known.get(prefix, "") + name, name))

    try:
        expression = parse(_FOREIGN.sub(plain, text))
    except InputError as error:
        column = error.where.removeprefix("expression")
        raise InputError(f"{where}{column}", error.what, error.mend) from error
    kb.check(expression, where)
    return expression


def _value(name: str, literal: str) -> str:
    bare = name[1:-1] if name.startswith("'") else name
    if literal.startswith('"') or literal in ("true", "false"):
        return quote(value_name(bare, literal.strip('"')))
    number = number_of(literal)
    return f"{name} some xsd:double[= {number!r}]" if number is not None else f"{name} value {literal}"


def score(
    kb: KnowledgeBase,
    positives: Sequence[int],
    negatives: Sequence[int],
    expressions: Sequence[Expression],
    objective: str,
) -> tuple[Learned, list[int]]:
    """Return the expressions ranked by their score, and for each rank which of the given ones it is.

    Twins of an expression are the other given ones that hold for the same examples.
    """
    start = time.perf_counter()
    examples = [*positives, *negatives]
    groups: dict[bytes, list[Expression]] = {}
    keys = []
    for expression in expressions:
        keys.append(np.packbits(holds(expression, kb.scenes)[examples]).tobytes())
        groups.setdefault(keys[-1], []).append(expression)
    made: list[tuple[float, Solution, int]] = []
    for i, (expression, key) in enumerate(zip(expressions, keys, strict=True)):
        twins = [x for x in dict.fromkeys(groups[key]) if x != expression]
        solution = solution_of(kb, expression, positives, negatives, twins)
        made.append((solution.f1 if objective == "f1" else solution.coverage, solution, i))
    made.sort(key=lambda item: (-item[0], item[1].length, item[1].size, item[1].text, item[2]))
    learned = Learned(
        tuple(s for _, s, _ in made), 0, len(positives), len(negatives), time.perf_counter() - start, len(groups)
    )
    return learned, [i for _, _, i in made]
