"""What learning finds: solutions with their exact counts, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.expressions import Expression, names, to_manchester
from conceptx.induction.individuals.lengths import symbols
from conceptx.induction.scores import Counts, coverage, f1, precision, recall

if TYPE_CHECKING:
    from conceptx.induction.individuals.knowledge import KnowledgeBase


@dataclass(frozen=True, slots=True)
class Solution:
    """An expression with its counts over the examples; `size` is how many individuals it holds for in all.

    `twins` agree with it on every example. `optimal`: it is proven that no expression of this length or shorter scores
    higher, and that no shorter one scores as high.
    """

    expression: Expression
    length: int
    counts: Counts
    size: int
    twins: tuple[Expression, ...] = ()
    optimal: bool = False

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn)."""
        return f1(self.counts)

    @property
    def coverage(self) -> float:
        """(tp + tn) / all examples."""
        return coverage(self.counts)

    @property
    def text(self) -> str:
        """The expression in Manchester syntax."""
        return to_manchester(self.expression)

    def proven(self, optimal: bool) -> Solution:
        """Return the same solution with what is proven of it."""
        return replace(self, optimal=optimal)

    def row(self, rank: int) -> dict[str, Any]:
        """Return what ``learn --json`` prints of a solution."""
        return {
            "rank": rank,
            "expression": self.text,
            "length": self.length,
            "tp": self.counts.tp,
            "fp": self.counts.fp,
            "fn": self.counts.fn,
            "tn": self.counts.tn,
            "coverage": self.coverage,
            "f1": self.f1,
            "precision": precision(self.counts),
            "recall": recall(self.counts),
            "optimal": self.optimal,
            "twins": [to_manchester(twin) for twin in self.twins],
        }


@dataclass(frozen=True, slots=True)
class Learned:
    """The ranked solutions of one problem.

    `complete` is the length to which every expression of the language was tried, `extents` how many distinct sets of
    individuals that took.
    """

    solutions: tuple[Solution, ...]
    complete: int
    positives: int
    negatives: int
    seconds: float
    extents: int


def solution_of(
    kb: KnowledgeBase,
    expression: Expression,
    positives: Sequence[int],
    negatives: Sequence[int],
    twins: Sequence[Expression] = (),
    held: npt.NDArray[np.bool_] | None = None,
) -> Solution:
    """Count the examples that an expression holds for, by the reference evaluator; `held` is what that found."""
    held = kb.holds(expression) if held is None else held
    tp, fp = (int(np.count_nonzero(held[list(side)])) for side in (positives, negatives))
    counts = Counts(tp, fp, len(positives) - tp, len(negatives) - fp)
    length = symbols(expression, [name for name in names(expression) if kb.is_value(name)])
    return Solution(expression, length, counts, int(np.count_nonzero(held)), tuple(twins))
