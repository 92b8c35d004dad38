"""Control units: what the search and the tests find where there is nothing to find.

`control_units` makes them from the real units; `noise_floor` says how strong an effect they reach. The stage sends them
through the very same search and tests as the real units.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conceptx.expressions import Expression
from conceptx.progress import Progress, silent
from conceptx.verification.measures import Measured
from conceptx.verification.statistics import Ints, Values

if TYPE_CHECKING:
    from conceptx.annotation.scenes import Scenes
    from conceptx.induction.learn import Settings


class Candidate(NamedTuple):
    """A hypothesis of a unit with its score in the search (NaN for one that was not searched).

    `proposed`: the search wants this one verified first.
    """

    expression: Expression
    score: float
    proposed: bool = False


Search = Callable[[Values], Sequence[Sequence[Candidate]]]
"""The search of a run: values (units, induction images) → for each unit its hypotheses, the best first."""


def search_with(scenes: Scenes, settings: Settings, progress: Progress = silent) -> Search:
    """Return the search of `conceptx.induction` over these scenes (of the induction images, in order)."""
    from conceptx.induction.learn import induce

    def search(values: Values) -> list[list[Candidate]]:
        found = induce(scenes, values, settings, progress)
        return [
            [Candidate(h.expression, h.scores[settings.objective], h.proposed) for h in unit.hypotheses]
            for unit in found
        ]

    return search


def proposed_first(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with the proposed one in front, otherwise in their order."""
    return tuple(sorted(candidates, key=lambda candidate: not candidate.proposed))


@dataclass(frozen=True, slots=True)
class Floor:
    """The effects that a quantile of the control units stays at or below; NaN where nothing was measured.

    `search` is the score of the proposed hypothesis in the search, the others are correlation and AUROC on held-out
    images of the hypothesis that was taken to verification.
    """

    n: int = 0
    search: float = math.nan
    evaluation: float = math.nan
    verification: float = math.nan
    evaluation_auroc: float = math.nan
    verification_auroc: float = math.nan


def generator(seed: int, *words: str | int) -> np.random.Generator:
    """Return the random generator of a seed and these words, whatever else is drawn before or beside it."""
    digest = hashlib.sha256(json.dumps([seed, *words]).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def sources(n_units: int, n: int, seed: int, kind: str) -> Ints:
    """Choose n of the units (0 … n_units - 1) to make controls from: each before any is used again, in random order."""
    rounds = [generator(seed, kind, "sources", r).permutation(n_units) for r in range(-(-n // max(n_units, 1)))]
    return np.concatenate(rounds)[:n].astype(np.int64) if n_units else np.empty(0, dtype=np.int64)


def control_unit(kind: str, values: Values, splits: Sequence[Ints], seed: int, number: int) -> Values:
    """Return the values (n,) of a control made from a real unit's.

    "shuffled": the values permuted over the images within each split (`splits`: the images' indices), so that each
    split keeps its distribution exactly. "noise": n draws from the unit's values, with replacement.
    """
    rng = generator(seed, kind, number)
    if kind == "noise":
        return values[rng.integers(0, len(values), size=len(values))]
    made = values.copy()
    for members in splits:
        made[members] = values[members][rng.permutation(len(members))]
    return made


def directions(values: Sequence[Values], n: int, seed: int, layer: str) -> list[Values]:
    """Return n random directions of a layer: combinations of its units with weights of length 1, each (images,).

    The weights are those of a standard normal vector divided by its length, so every direction of the space that the
    units span is as likely as any other. The sum runs over the units in order, so it is the same on every machine.
    """
    if len(values) < 2:
        return []
    weights = generator(seed, "directions", layer).standard_normal((n, len(values)))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    made = np.zeros((n, len(values[0])))
    for of_unit, row in zip(weights.T, values, strict=True):
        made += of_unit[:, None] * row
    return list(made.astype(np.float32))


def noise_floor(taken: Sequence[tuple[float, Measured | None, Measured | None]], quantile: float) -> Floor:
    """Return the floor over control units, each as (score in the search, evaluation, verification of its hypothesis).

    A control for which the search found nothing counts as an effect of 0 (AUROC 0.5). The quantile is an observed
    value, never one between two.
    """

    def upper(effects: list[float]) -> float:
        known = [e for e in effects if not math.isnan(e)]
        return float(np.quantile(known, quantile, method="higher")) if known else math.nan

    return Floor(
        n=len(taken),
        search=upper([score for score, _, _ in taken]),
        evaluation=upper([0.0 if e is None else e.correlation.value for _, e, _ in taken]),
        verification=upper([0.0 if v is None else v.correlation.value for _, _, v in taken]),
        evaluation_auroc=upper([0.5 if e is None else e.auroc.value for _, e, _ in taken]),
        verification_auroc=upper([0.5 if v is None else v.auroc.value for _, _, v in taken]),
    )
