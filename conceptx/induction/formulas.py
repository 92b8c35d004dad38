"""Formulas that the searches find: how they are numbered, printed, evaluated and counted.

The language of length L: every Boolean function that has a formula which mentions each of its atoms once and nests
to one side, ``A``, ``not A``, ``A and B``, ``A or not B``, ``(A or B) and C``, ``(A and not B) or C``, …, where the
lengths of the atoms sum to L. It is closed under `not`. With three atoms these are all Boolean functions that depend
on each atom and have a formula that mentions each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from conceptx.expressions import CONTAINS, And, Expression, Not, Or, Some, normalise

Rows = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Literal:
    """An atom by its place among the extents, or its negation."""

    atom: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """A conjunction (`every`) or disjunction of formulas."""

    every: bool
    parts: tuple[Formula, ...]


Formula = Literal | Junction


def decode(code: Sequence[int]) -> Formula:
    """Return the formula of (number of atoms, a, b, c, number of the formula); see `kernels.shared` for the numbers."""
    count, *atoms, form = (int(x) for x in code)
    if count == 1:
        return Literal(atoms[0], form == 0)
    cells = 1 << count
    base = form % (cells if count == 2 else 32)
    if base < cells:
        formula: Formula = _cell(atoms[:count], base)
    else:
        half, j = divmod(base - 8, 4)
        others = [x for i, x in enumerate(atoms) if i != half // 2]
        formula = _every(Literal(atoms[half // 2], half % 2 == 1), negation(_cell(others, j)))
    return formula if base == form else negation(formula)


def extended(formula: Formula, atom: int, cell: int) -> Formula:
    """Return the cell (bits: formula holds, atom holds; + 4 the complement) of a formula and one more atom."""
    inner = formula if cell & 1 else negation(formula)
    both = _every(inner, Literal(atom, bool(cell & 2)))
    return negation(both) if cell & 4 else both


def negation(formula: Formula) -> Formula:
    """Return the complement, with negation at the atoms only."""
    if isinstance(formula, Literal):
        return Literal(formula.atom, not formula.holds)
    return Junction(not formula.every, tuple(negation(p) for p in formula.parts))


def literals(formula: Formula) -> list[Literal]:
    """Return the literals from the left."""
    if isinstance(formula, Literal):
        return [formula]
    return [x for part in formula.parts for x in literals(part)]


def renamed(formula: Formula, atoms: Sequence[int]) -> Formula:
    """Return the formula with atom atoms[i] in place of i."""
    if isinstance(formula, Literal):
        return Literal(int(atoms[formula.atom]), formula.holds)
    return Junction(formula.every, tuple(renamed(p, atoms) for p in formula.parts))


def row_of(formula: Formula, packed: Rows, everything: Rows) -> Rows:
    """Return the packed extent of a formula; `everything` has the bits of all images."""
    if isinstance(formula, Literal):
        return np.asarray(packed[formula.atom] if formula.holds else everything & ~packed[formula.atom])
    rows = [row_of(part, packed, everything) for part in formula.parts]
    combine = np.bitwise_and if formula.every else np.bitwise_or
    return np.asarray(combine.reduce(rows), dtype=np.uint64)


def express(formula: Formula, atoms: Mapping[int, Expression]) -> Expression:
    """Return the class expression of a formula in normal form; ``contains some`` is said once for alternatives."""
    return normalise(_express(formula, atoms))


def language_sizes(lengths: Sequence[int], max_length: int, negated: bool) -> list[int]:
    """Return for the lengths 1 … max_length how many distinct formulas of up to three atoms there are.

    Formulas of more atoms only a beam reaches: from length 4 on each length adds (formulas of the length below) ·
    (atoms) · 4 for the ways to join a literal by `and` or `or`, an upper estimate.
    """
    of_length = Counter(dict(enumerate(np.bincount(np.asarray(lengths, dtype=np.int64)).tolist())))
    forms = (2, 8, 64) if negated else (1, 2, 8)
    sizes: list[int] = []
    for total in range(1, max_length + 1):
        size = forms[0] * of_length[total]
        for x in range(1, total):
            y = total - x
            if x < y:
                size += forms[1] * of_length[x] * of_length[y]
            elif x == y:
                size += forms[1] * comb(of_length[x], 2)
        size += forms[2] * _triples(of_length, total)
        if total >= 4:
            size += sizes[-1] * len(lengths) * (4 if negated else 2)
        sizes.append(size)
    return sizes


def _triples(of_length: Counter[int], total: int) -> int:
    """Return how many sets of three atoms have this total length."""
    ways = 0
    for x in range(1, total - 1):
        for y in range(x, total - x):
            z = total - x - y
            if z < y:
                break
            chosen = Counter((x, y, z))
            product = 1
            for length, times in chosen.items():
                product *= comb(of_length[length], times)
            ways += product
    return ways


def _cell(atoms: Sequence[int], cell: int) -> Junction:
    return _every(*(Literal(atom, bool(cell >> i & 1)) for i, atom in enumerate(atoms)))


def _every(*parts: Formula) -> Junction:
    """Return the flat conjunction of formulas."""
    flat: list[Formula] = []
    for part in parts:
        flat += part.parts if isinstance(part, Junction) and part.every else (part,)
    return Junction(True, tuple(flat))


def _express(formula: Formula, atoms: Mapping[int, Expression]) -> Expression:
    if isinstance(formula, Literal):
        atom = atoms[formula.atom]
        return atom if formula.holds else Not(atom)
    parts = [_express(part, atoms) for part in formula.parts]
    if formula.every:
        refused = [p.operand for p in parts if isinstance(p, Not)]
        others: list[Expression] = [p for p in parts if not isinstance(p, Not)]
        return And((*others, *(Not(e) for e in _one_contains(refused))))
    return Or(tuple(_one_contains(parts)))


def _one_contains(alternatives: Sequence[Expression]) -> list[Expression]:
    """Bring ``contains some A`` and ``contains some B`` together as ``contains some (A or B)``."""
    fillers = [e.filler for e in alternatives if isinstance(e, Some) and e.role == CONTAINS]
    if len(fillers) < 2:
        return list(alternatives)
    others = [e for e in alternatives if not (isinstance(e, Some) and e.role == CONTAINS)]
    return [Some(CONTAINS, Or(tuple(fillers))), *others]
