"""From what a search found for a unit to ranked hypotheses: frontier, proposal, diversity, twins.

Hypotheses are ranked by the objective: shorter, then more specific, then by name where it ties.

Which hypothesis goes to verification first is another question, for among thousands of longer expressions some score
a little higher by chance. `proposed` marks the expression of the frontier (the best of each length) with the shortest
description of the data: n ln(1 - r²) + 2 ln N. The first term is twice the negative log likelihood of the values
given the extent, up to a constant (n images, r the correlation; for positive and negative images it is -2 n times
the mutual information). N is the number of formulas of this length in the language, so 2 ln N is the price of
choosing one of them when every length is as likely as any other: the extended BIC of Chen and Chen (2008) at
gamma = 1 for models with the same number of continuous parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conceptx.expressions import Expression, length
from conceptx.induction import scores
from conceptx.induction.extents import Extents, pack, unpack
from conceptx.induction.formulas import Formula, express, literals, row_of
from conceptx.induction.optimal import Candidate
from conceptx.induction.problem import Target
from conceptx.induction.results import Explained, Hypothesis, Step
from conceptx.induction.rows import Bools, Rows

Floats = npt.NDArray[np.float64]

REWORDING = 0.95
"""From this Jaccard similarity of the images on, the lower ranked of two expressions only rewords the other."""
MAX_TWINS = 10
"""So many twins and rewordings of a hypothesis are listed; all twins are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A unit: its values and positive images (of all images), those the search may use, and what it raises on them."""

    values: Floats
    positive: Bools
    used: Bools
    goal: Target
    on_counts: bool

    def scores(self, held: Bools, known: scores.Order) -> dict[str, float]:
        """Return every score of an extent; `known` is the order of the unit's values."""
        return scores.score_all(self.values, held, self.positive & self.used, self.used & ~self.positive, known)


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """The searched atoms, their rows over all n images, and how many formulas there are of each length."""

    extents: Extents
    full: Rows
    n: int
    sizes: list[int]
    objective: str
    top: int

    def held(self, formula: Formula) -> Bools:
        """Return on which of all images a formula holds."""
        everything = pack(np.ones(self.n, dtype=bool))
        return unpack(row_of(formula, self.full, everything), self.n)

    def express(self, formula: Formula) -> Expression:
        """Return the class expression of a formula."""
        return express(formula, {x.atom: self.extents.expressions[x.atom] for x in literals(formula)})


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a search found for a unit, how many formulas it chose from, and what is proven.

    certified[k]: no formula of length ≤ k + 1 scores higher than the best found. No formula of the language scores
    higher than `bound`, as searched.
    """

    candidates: list[Candidate]
    tried: int
    certified: tuple[bool, ...]
    bound: float


def rank(unit: Unit, outcome: Outcome, language: Language) -> Explained:
    """Return the hypotheses of a unit, the best first, and its frontier."""
    depths = language.extents.depths

    def order(c: Candidate) -> tuple[float, int, int, list[int]]:
        mentioned = [x.atom for x in literals(c.formula)]
        return -c.score, c.length, -int(depths[mentioned].sum()), mentioned

    ranked = sorted(outcome.candidates, key=order)
    if not ranked:
        return Explained((), (), outcome.tried, "no expression goes with the unit's values")
    frontier = _frontier(ranked)
    steps, proposed = _steps(unit, frontier, language)
    chosen, rewordings = _diverse(ranked, [ranked[0], proposed], language.top, language)
    known = scores.order(unit.values)
    best = unit.scores(language.held(ranked[0].formula), known)[language.objective]
    whole = len(outcome.certified) == len(language.sizes) and outcome.certified[-1]
    bound = best if whole else max(best, unit.goal.reported(outcome.bound))
    hypotheses: list[Hypothesis] = []
    for c in sorted(chosen, key=order):
        held = language.held(c.formula)
        values = unit.scores(held, known)
        expression = language.express(c.formula)
        twins, n_twins = _twins(c.formula, language)
        hypotheses.append(
            Hypothesis(
                expression=expression,
                length=length(expression),
                extent_size=int(np.count_nonzero(held)),
                score=values[language.objective],
                scores=values,
                twins=twins,
                n_twins=n_twins,
                rewordings=tuple(language.express(r.formula) for r in rewordings[id(c)]),
                optimal=c in frontier and c.length <= len(outcome.certified) and outcome.certified[c.length - 1],
                bound=bound,
                proposed=c is proposed,
            )
        )
    return Explained(tuple(hypotheses), steps, outcome.tried)


def _frontier(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return the best candidate of each length that beats all shorter ones, the shortest first."""
    best: list[Candidate] = []
    for c in sorted(ranked, key=lambda c: c.length):
        if not best or c.score > best[-1].score:
            if best and best[-1].length == c.length:
                best.pop()
            best.append(c)
    return best


def _steps(unit: Unit, frontier: list[Candidate], language: Language) -> tuple[tuple[Step, ...], Candidate]:
    """Return the frontier with what each step costs and buys, and the step with the shortest description."""
    images = unit.used if unit.on_counts else np.ones(language.n, dtype=bool)
    values = unit.positive[images].astype(np.float64) if unit.on_counts else unit.values
    held = [language.held(c.formula) for c in frontier]
    criteria = []
    for c, h in zip(frontier, held, strict=True):
        fit = _information(unit, h) if unit.on_counts else len(values) * math.log(_unexplained(values, h))
        criteria.append(fit + 2 * math.log(language.sizes[c.length - 1]))
    chosen = min(range(len(frontier)), key=lambda i: (criteria[i], frontier[i].length))
    pulls = [scores.influence(values, h[images]) for h in held]
    r = [scores.correlation(values, h[images]) for h in held]
    steps = tuple(
        Step(
            length=c.length,
            expression=language.express(c.formula),
            score=unit.goal.reported(c.score),
            criterion=criteria[i],
            behind=r[-1] - r[i],
            behind_error=float(np.std(pulls[-1] - pulls[i])) / math.sqrt(len(values)),
            proposed=i == chosen,
        )
        for i, c in enumerate(frontier)
    )
    return steps, frontier[chosen]


def _unexplained(values: Floats, held: Bools) -> float:
    """Return 1 - r², the share of the variance that the extent leaves, at least 1e-12."""
    return max(1 - scores.correlation(values, held) ** 2, 1e-12)


def _information(unit: Unit, held: Bools) -> float:
    """Return -2 n times the mutual information (nats) of the extent and the two sides."""
    c = scores.count(held, unit.positive & unit.used, unit.used & ~unit.positive)
    n = sum(c)
    total = 0.0
    for cell, row, column in (
        (c.tp, c.tp + c.fp, c.tp + c.fn),
        (c.fp, c.tp + c.fp, c.fp + c.tn),
        (c.fn, c.fn + c.tn, c.tp + c.fn),
        (c.tn, c.fn + c.tn, c.fp + c.tn),
    ):
        total += cell * math.log(cell * n / (row * column)) if cell else 0.0
    return -2 * total


def _diverse(
    ranked: list[Candidate], always: Sequence[Candidate], top: int, language: Language
) -> tuple[list[Candidate], dict[int, list[Candidate]]]:
    """Choose the best that are no rewordings of one another, `always` included; say what rewords each."""
    packed, everything = language.extents.packed, pack(np.ones(language.extents.n_images, dtype=bool))
    kept: list[tuple[Candidate, Rows]] = []
    rewordings: dict[int, list[Candidate]] = {}
    for c in always[: 1 if top == 1 else None]:
        if all(c is not other for other, _ in kept):
            kept.append((c, row_of(c.formula, packed, everything)))
            rewordings[id(c)] = []
    for c in ranked:
        if len(kept) >= top:
            break
        if id(c) in rewordings:
            continue
        row = row_of(c.formula, packed, everything)
        near = next((other for other, r in kept if _jaccard(row, r) >= REWORDING), None)
        if near is None:
            kept.append((c, row))
            rewordings[id(c)] = []
        elif len(rewordings[id(near)]) < MAX_TWINS:
            rewordings[id(near)].append(c)
    return [c for c, _ in kept], rewordings


def _jaccard(a: Rows, b: Rows) -> float:
    return int(np.bitwise_count(a & b).sum()) / max(int(np.bitwise_count(a | b).sum()), 1)


def _twins(formula: Formula, language: Language) -> tuple[tuple[Expression, ...], int]:
    """Return expressions with one atom replaced by one of the same images, and how many twins there are in all."""
    mentioned = [x.atom for x in literals(formula)]
    names = {atom: language.extents.expressions[atom] for atom in mentioned}
    alternatives = [(atom, twin) for atom in mentioned for twin in language.extents.twins[atom]]
    listed = tuple(express(formula, {**names, atom: twin}) for atom, twin in alternatives[:MAX_TWINS])
    return listed, math.prod(1 + len(language.extents.twins[atom]) for atom in mentioned) - 1
