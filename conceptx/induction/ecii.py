"""The candidate scheme of ECII, for comparison: few kinds of candidates, scored exactly.

ECII (Sarker and Hitzler, Efficient Concept Induction for Description Logics, AAAI 2019) asks a reasoner once which
classes every individual has, and then only combines sets. A solution has the form ``A and (R1 some X1) and (R2 some
X2) …``; every X is a disjunction of clauses ``B1 and B2 and … and not (D1 or D2 or …)``, each D below one of the Bs.
The parameters K1 to K10 bound the combinations; they have ECII's names and defaults. Unlike ECII's program, a solution
is scored by exactly what it says: nothing that is remembered is changed, and one object must meet all of a clause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import And, Expression, Named, Not, Or, Role, Some
from conceptx.induction import scores
from conceptx.induction.problem import Problem
from conceptx.induction.results import Explained, Hypothesis
from conceptx.progress import Progress, silent

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MEASURES = {
    "coverage": scores.coverage,
    "precision": scores.precision,
    "recall": scores.recall,
    "f1": scores.f1,
}

_Clause = tuple[tuple[int, ...], tuple[int, ...]]
"""The classes that an object must be of, and those that it must not be of, by their places."""
_Group = tuple[int, tuple[_Clause, ...]]
"""A role by its place and the clauses of its filler."""
_Ranked = tuple[float, int, tuple[_Group, ...]]
"""A solution with its score, negated, and its length: in the order of ranks."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """ECII's parameters.

    K1 (conceptLimitInNegExpr): classes in the negated part of a clause. K2 (hornClauseLimit): clauses in a filler. K3
    (objPropsCombinationLimit): roles in a solution, a direct class counting as one. K4 (conceptLimitInPosExpr): classes
    in the positive part. K5 (hornClausesListMaxSize): the best clauses of a role that are combined. K6
    (candidateClassesListMaxSize): the best fillers of a role that are combined. K7 (removeCommonTypes): a class that
    both sides have counts only for the side where its share is larger. K8 (validateByReasonerSize): so many of the best
    solutions are evaluated once more by the reference. K9 and K10 (posClassListMaxSize, negClassListMaxSize): the best
    classes of each side that are combined where a part has several.
    """

    k1: int = 2
    k2: int = 2
    k3: int = 2
    k4: int = 2
    k5: int = 10
    k6: int = 10
    k7: bool = True
    k8: int = 0
    k9: int = 20
    k10: int = 20

    def __post_init__(self) -> None:
        for name in ("k2", "k3", "k4", "k5", "k6", "k9", "k10"):
            if getattr(self, name) < 1:
                raise InputError(name, f"{getattr(self, name)} is too small", "use a whole number from 1")
        if self.k1 < 0 or self.k8 < 0:
            raise InputError("k1" if self.k1 < 0 else "k8", "it is negative", "use a whole number from 0")


def ecii(
    scenes: Scenes,
    problem: Problem,
    parameters: Parameters | None = None,
    *,
    roles: Sequence[str] = ("contains",),
    objective: str = "coverage",
    top: int = 10,
    values: npt.ArrayLike | None = None,
    progress: Progress = silent,
) -> Explained:
    """Return the best solutions of ECII's scheme: by the objective, then the shorter, then by name.

    `roles` are the object properties to look along; the images' own classes are candidates too. `objective` is
    coverage (plain accuracy), precision, recall or f1. `values` are the unit's activations for the scores of the
    table, by default 1 for positive and 0 for other images.
    """
    if objective not in MEASURES:
        what = f"{objective!r} is not an objective of this scheme"
        raise InputError("objective", what, f"use one of {', '.join(MEASURES)}")
    for role in roles:
        if role not in scenes.roles:
            known = ", ".join(scenes.roles) or "none"
            raise InputError("roles", f"the scenes have no role {role!r}", f"they have {known}")
    parameters = Parameters() if parameters is None else parameters
    search = _Search(scenes, problem, parameters, (None, *roles), objective)
    found = search.solutions(progress)
    given = problem.positive.astype(np.float64) if values is None else np.asarray(values, dtype=np.float64)
    hypotheses: list[Hypothesis] = []
    for rank, (_, words, solution) in enumerate(found[:top]):
        expression, held = search.expression(solution), search.extent(solution)
        if rank < parameters.k8 and not np.array_equal(held, evaluate(expression, scenes)):
            raise AssertionError(f"the extent of {expression} is wrong")
        counted = scores.count(held, problem.positive, problem.negative)
        measured = scores.score_all(given, held, problem.positive, problem.negative)
        hypotheses.append(
            Hypothesis(
                expression=expression,
                length=words,
                extent_size=int(np.count_nonzero(held)),
                score=MEASURES[objective](counted),
                # of what holds for all images some scores are not defined
                scores={name: value for name, value in measured.items() if math.isfinite(value)},
                twins=(),
                n_twins=0,
                rewordings=(),
                optimal=False,
                bound=1.0,
                proposed=rank == 0,
            )
        )
    return Explained(tuple(hypotheses), (), search.n_scored, "" if found else "no positive image has a class")


class _Role:
    """What a role leads to from each image: targets, their classes, and the images that have a class among them."""

    def __init__(self, scenes: Scenes, name: str | None) -> None:
        n = scenes.n_images
        self.role = None if name is None else Role(name)
        itself = np.arange(n, dtype=np.int32)
        source, target = (itself, itself) if name is None else scenes.roles[name]
        inside = source < n
        source, target = source[inside], target[inside]
        targets, place = np.unique(target, return_inverse=True)
        ones = np.ones(len(source), dtype=np.int32)
        self.links: Any = sparse.csr_array((ones, (source, place)), shape=(n, len(targets)))
        closure = scenes.closure
        ones = np.ones(len(closure.individuals), dtype=np.int32)
        shape = (len(closure.classes), scenes.n_individuals)
        members = sparse.csr_array((ones, closure.individuals, closure.starts), shape=shape)
        self.members: Any = sparse.csr_array(members[:, targets])
        self.images: Any = sparse.csr_array((self.members @ self.links.T) > 0)
        """classes × images"""

    @property
    def n_targets(self) -> int:
        return int(self.links.shape[1])

    def among(self, clause: _Clause) -> Bools:
        """Return which targets meet a clause."""
        held = np.ones(self.n_targets, dtype=bool)
        for c in clause[0]:
            held &= self._mask(c)
        for d in clause[1]:
            held &= ~self._mask(d)
        return held

    def reaching(self, among: Bools) -> Bools:
        """Return which images have one of these targets."""
        return np.asarray((self.links @ among.astype(np.int32)) > 0)

    def _mask(self, c: int) -> Bools:
        mask = np.zeros(self.n_targets, dtype=bool)
        mask[self.members.indices[self.members.indptr[c] : self.members.indptr[c + 1]]] = True
        return mask


@dataclass(frozen=True, slots=True)
class _Types:
    """The classes of a role that count for the positive side and for the negative side, best first, with scores."""

    positive: list[int]
    negative: list[int]


class _Search:
    """One run of the scheme."""

    def __init__(
        self, scenes: Scenes, problem: Problem, parameters: Parameters, roles: Sequence[str | None], objective: str
    ) -> None:
        self.scenes = scenes
        self.problem = problem
        self.k = parameters
        self.roles = [_Role(scenes, name) for name in roles]
        self.measure = MEASURES[objective]
        self.n_scored = 0

    @cached_property
    def above(self) -> list[frozenset[int]]:
        """The superclasses of each class, itself included, by their places."""
        classes = self.scenes.closure.classes
        starts, found = self.scenes.hierarchy.ancestor_sets(classes)
        places = np.searchsorted(classes, found).tolist()
        return [frozenset(places[a:b]) for a, b in pairwise(starts.tolist())]

    @cached_property
    def below(self) -> list[list[int]]:
        """The strict subclasses of each class, by their places."""
        found: list[list[int]] = [[] for _ in self.above]
        for c, superclasses in enumerate(self.above):
            for a in superclasses - {c}:
                found[a].append(c)
        return found

    def solutions(self, progress: Progress) -> list[_Ranked]:
        """Return every solution once, best first."""
        fillers: list[list[_Ranked]] = []
        for r in progress(range(len(self.roles)), total=len(self.roles), label="ecii"):
            clauses = sorted(self._clauses(r))
            joined = sorted([*clauses, *self._joined(r, clauses)])
            fillers.append(joined)
        found = [ranked for joined in fillers for ranked in joined]
        for n in range(2, self.k.k3 + 1):
            for chosen in combinations([f[: self.k.k6] for f in fillers if f], n):
                for parts in product(*chosen):
                    found.append(self._ranked(tuple(group for part in parts for group in part[2])))
        return sorted({solution: (s, words, solution) for s, words, solution in found}.values())

    def _types(self, r: int) -> _Types:
        """Return the classes of each side; a solution of one class ranks those of the positive side."""
        images = self.roles[r].images
        p, n = self.problem.positive.astype(np.int64), self.problem.negative.astype(np.int64)
        hits, misses = images @ p, images @ n
        positive, negative = hits > 0, misses > 0
        if self.k.k7:
            more = hits * int(n.sum()) >= misses * int(p.sum())
            positive, negative = positive & (more | ~negative), negative & (~more | ~positive)
        size, others = int(p.sum()), int(n.sum())

        def score(c: int) -> float:
            tp, fp = int(hits[c]), int(misses[c])
            return self.measure(scores.Counts(tp, fp, size - tp, others - fp))

        return _Types(
            sorted(np.flatnonzero(positive).tolist(), key=lambda c: (-score(c), c)),
            sorted(np.flatnonzero(negative).tolist(), key=lambda c: (-int(misses[c]), c)),
        )

    def _clauses(self, r: int) -> Iterator[_Ranked]:
        """Yield a role's solutions of one clause: one class; with one class refused; several with several refused."""
        types = self._types(r)
        refusable = frozenset(types.negative)
        for c in types.positive:
            yield self._ranked(((r, (((c,), ()),)),))
            if self.k.k1:
                for d in self.below[c]:
                    if d in refusable:
                        yield self._ranked(((r, (((c,), (d,)),)),))
        best, worst = types.positive[: self.k.k9], types.negative[: self.k.k10]
        for n_positive in range(1, self.k.k4 + 1):
            for chosen in combinations(sorted(best), n_positive):
                if not self._apart(chosen):
                    continue
                under = [d for d in sorted(worst) if any(c != d and c in self.above[d] for c in chosen)]
                for n_refused in range(self.k.k1 + 1):
                    if n_positive == 1 and n_refused < 2:
                        continue
                    for refused in combinations(under, n_refused):
                        if self._apart(refused):
                            yield self._ranked(((r, ((chosen, refused),)),))

    def _joined(self, r: int, clauses: list[_Ranked]) -> Iterator[_Ranked]:
        """Yield solutions that join the best clauses of a role: by `or` in a filler, by `and` for direct classes."""
        best = [solution[0][1][0] for _, _, solution in clauses[: self.k.k5]]
        for n in range(2, self.k.k2 + 1):
            for chosen in combinations(sorted(best), n):
                if self.roles[r].role is None:  # a conjunction of clauses is one clause
                    parts = (tuple(sorted({c for clause in chosen for c in clause[side]})) for side in (0, 1))
                    chosen = ((next(parts), next(parts)),)
                yield self._ranked(((r, chosen),))

    def _apart(self, classes: Sequence[int]) -> bool:
        """Tell whether none of the classes is a superclass of another."""
        return not any(a in self.above[b] or b in self.above[a] for a, b in combinations(classes, 2))

    def _ranked(self, solution: tuple[_Group, ...]) -> _Ranked:
        self.n_scored += 1
        held = self.extent(solution)
        counted = scores.count(held, self.problem.positive, self.problem.negative)
        words = sum(len(c) + len(d) for _, clauses in solution for c, d in clauses)
        return -self.measure(counted), words, solution

    def extent(self, solution: tuple[_Group, ...]) -> Bools:
        """Return on which images a solution holds, from the members of its classes."""
        held = np.ones(self.scenes.n_images, dtype=bool)
        for r, clauses in solution:
            role = self.roles[r]
            held &= role.reaching(np.logical_or.reduce([role.among(clause) for clause in clauses]))
        return held

    def expression(self, solution: tuple[_Group, ...]) -> Expression:
        """Return what a solution says."""
        parts: list[Expression] = []
        for r, clauses in solution:
            role = self.roles[r].role
            said = [self._said(clause) for clause in clauses]
            filler = said[0] if len(said) == 1 else Or(tuple(said))
            parts.append(filler if role is None else Some(role, filler))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _said(self, clause: _Clause) -> Expression:
        names = [
            [Named(self.scenes.hierarchy.name(int(self.scenes.closure.classes[c]))) for c in part] for part in clause
        ]
        refused: list[Expression] = []
        if names[1]:
            refused = [Not(names[1][0] if len(names[1]) == 1 else Or(tuple(names[1])))]
        parts: tuple[Expression, ...] = (*names[0], *refused)
        return parts[0] if len(parts) == 1 else And(parts)
