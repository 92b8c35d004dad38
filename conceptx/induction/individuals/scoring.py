"""Score given expressions exactly: one a line, in Manchester or description-logic syntax."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from conceptx.errors import InputError
from conceptx.expressions import Expression, parse
from conceptx.expressions.reading import LONGEST_TEXT
from conceptx.induction.individuals.dialects import rewrite
from conceptx.induction.individuals.knowledge import KnowledgeBase
from conceptx.induction.individuals.results import Learned, Solution, solution_of

_LARGEST = 1 << 28
_TWINS = 8


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
    """Read an expression over the knowledge base, in any of the forms of `dialects`."""
    given = rewrite(text, kb, prefixes)
    try:
        expression = parse(given.text, text, given.place)
    except InputError as error:
        column = error.where.removeprefix("expression")
        raise InputError(f"{where}{column}", error.what, error.mend) from error
    kb.check(expression, where)
    return expression


def score(
    kb: KnowledgeBase,
    positives: Sequence[int],
    negatives: Sequence[int],
    expressions: Sequence[Expression],
    objective: str,
) -> tuple[Learned, list[int]]:
    """Return the expressions ranked by their score, and for each rank which of the given ones it is.

    Twins of an expression are other given ones that hold for the same examples, the first eight.
    """
    start = time.perf_counter()
    examples = [*positives, *negatives]
    groups: dict[bytes, dict[Expression, None]] = {}
    keys, extents = [], []
    for expression in expressions:
        held = kb.holds(expression)
        keys.append(np.packbits(held[examples]).tobytes())
        extents.append(np.packbits(held))
        groups.setdefault(keys[-1], {})[expression] = None
    made: list[tuple[float, Solution, int]] = []
    for i, (expression, key) in enumerate(zip(expressions, keys, strict=True)):
        twins = [x for x in itertools.islice(groups[key], _TWINS + 1) if x != expression][:_TWINS]
        held = np.unpackbits(extents[i], count=len(kb)).astype(bool)
        solution = solution_of(kb, expression, positives, negatives, twins, held)
        made.append((solution.f1 if objective == "f1" else solution.coverage, solution, i))
    made.sort(key=lambda item: (-item[0], item[1].length, item[1].size, item[1].text, item[2]))
    learned = Learned(
        tuple(s for _, s, _ in made), 0, len(positives), len(negatives), time.perf_counter() - start, len(groups)
    )
    return learned, [i for _, _, i in made]
