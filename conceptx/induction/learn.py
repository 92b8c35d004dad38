"""Induction: from scenes and the values of units to ranked hypotheses.

Callers need `induce` (values of units, all at once) or `induce_problem` (positive and negative images), and
`Settings`. `ranking` says how hypotheses are ranked and which one is proposed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.annotation.scenes import Scenes
from conceptx.errors import InputError, did_you_mean
from conceptx.induction import scores
from conceptx.induction.branch import bounded
from conceptx.induction.ecii import MEASURES, ecii
from conceptx.induction.extents import KINDS, Extents, atoms, restrict
from conceptx.induction.formulas import language_sizes
from conceptx.induction.index import Index
from conceptx.induction.optimal import exhaust, in_threads, merged, work
from conceptx.induction.problem import OBJECTIVES, Problem, Target, problem_from_values, target
from conceptx.induction.ranking import Language, Outcome, Unit, rank
from conceptx.induction.results import Explained, Induction
from conceptx.induction.rows import Rows
from conceptx.induction.search import beam
from conceptx.progress import Progress, silent

Floats = npt.NDArray[np.float64]

SEARCHES = ("auto", "optimal", "beam", "ecii")
_SEARCH_WORDS = {
    "optimal": "The search went on until the optimum of every unit was proven.",
    "beam": "The search was a beam, which proves no optimum.",
    "ecii": "The search was ECII's candidate scheme, for comparison: it has lengths of its own, and takes images from "
    "80 % and up to 20 % of a unit's maximum as its sides unless the protocol names others.",
}
_COMPLETE = 3
"""The searches that certify do so up to this length."""
_AT_ONCE = 2_000_000
"""Up to so many sets of atoms a unit are enumerated at once."""
_TRY = 10
"""A set of atoms buys so many steps of branch and bound before it is enumerated."""
_STEPS, _MOST_STEPS = 10_000_000, 500_000_000
"""So many steps of branch and bound a unit, at least and at most, stand in for an enumeration that is too long."""
_HIGH, _LOW = 0.8, 0.2
"""The shares of the unit's maximum that ECII's scheme takes for positive and negative images, where none are given."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to search.

    `max_length` counts class names. `top` hypotheses are kept of each unit. `min_support` is the least number of
    images in and outside of an extent; by default 5, or 0.5 % of the images where that is more, so that an evaluation
    split of a third of the size can be expected to hold two such images, and 1 for positive and negative images.
    `atoms` and `image_classes` choose the statements to combine (see `extents.atoms`). `positive_from` and
    `negative_to` (shares of the unit's maximum) turn each unit into positive and negative images.

    `search` is `auto`, `optimal`, `beam` or `ecii`. The first two prove their optimum, by scoring every formula (see
    `optimal`) or by branch and bound (see `branch`), whichever is likely to be faster; all formulas are scored only if
    they have at most `budget` sets of up to three atoms. Where they have more, `auto` lets branch and bound take a
    tenth of n² steps a unit for n atoms, but 10 to 500 million, 10 milliseconds to a second; if that does not do, the
    unit's best hypothesis is not marked optimal, and its bound says what is not excluded. `optimal` goes on, however
    long it takes. `seconds` limits the branch and bound of each unit by the clock instead: then, and only then, results
    can depend on the machine. Nothing is certified beyond length 3, and nothing by `beam`. `ecii` is the published
    scheme (see `ecii`), for comparison: it takes sides, by default the images from 80 % and up to 20 % of the unit's
    maximum, and has its own lengths.

    `device` names a torch device (``cuda``) for the first level of all searches but enumeration and for the beam's
    intersections. Results are the same; branch and bound and enumeration run in compiled loops on the CPU.
    """

    objective: str = "correlation"
    max_length: int = 3
    top: int = 5
    negation: bool = True
    min_support: int | None = None
    atoms: tuple[str, ...] = KINDS
    image_classes: bool = False
    search: str = "auto"
    beam_width: int = 64
    budget: int = 50_000_000
    positive_from: float | None = None
    negative_to: float | None = None
    workers: int = 0
    seconds: float | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            mend = did_you_mean(self.objective, OBJECTIVES) or f"use one of {', '.join(OBJECTIVES)}"
            raise InputError("objective", f"{self.objective!r} is not an objective of the search", mend)
        if self.search not in SEARCHES:
            raise InputError("search", f"{self.search!r} is not a search", f"use one of {', '.join(SEARCHES)}")
        for name in ("max_length", "top", "beam_width"):
            if getattr(self, name) < 1:
                raise InputError(name, f"{getattr(self, name)} is too small", "use a whole number from 1")
        if self.search == "ecii" and self.objective not in MEASURES:
            what = f"the search ecii does not know the objective {self.objective!r}"
            raise InputError("objective", what, f"use one of {', '.join(m for m in MEASURES if m in OBJECTIVES)}")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError("seconds", f"{self.seconds} is not a time", "use a number above 0")
        if (self.positive_from is None) != (self.negative_to is None):
            raise InputError("positive_from", "only one of the two shares is given", "give negative_to as well")

    @property
    def threads(self) -> int:
        """The number of threads: `workers`, or one for each core where it is 0."""
        return self.workers or os.cpu_count() or 1

    def describe(self) -> list[str]:
        """Return in words, one sentence each, what is not as by default."""
        if self.seconds is not None and self.search in ("auto", "optimal"):
            limit = f"The proof of a unit's optimum could take {self.seconds:g} seconds"
            return [f"{limit}; how far it came can depend on the machine."]
        return [_SEARCH_WORDS[self.search]] if self.search in _SEARCH_WORDS else []


def induce(
    scenes: Scenes,
    values: npt.ArrayLike,
    settings: Settings | None = None,
    progress: Progress = silent,
    *,
    extents: Extents | None = None,
) -> Induction:
    """Return for each unit the ranked hypotheses that explain its values (units, images).

    `extents` are the scenes' atoms, where they are known already (see `extents.atoms`).
    """
    settings = Settings() if settings is None else settings
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != scenes.n_images:
        what = f"values of the shape {x.shape} beside {scenes.n_images} images"
        raise InputError("activations", what, "give one row a unit and one column an image, in the scenes' order")
    _check_finite(x)
    n = scenes.n_images
    least = settings.min_support if settings.min_support is not None else max(5, math.ceil(0.005 * n))
    if settings.search == "ecii":
        return _induce_ecii(scenes, x, settings, progress)
    if settings.positive_from is not None and settings.negative_to is not None:
        return _induce_sides(scenes, x, settings, settings.positive_from, settings.negative_to, progress, extents)
    extents = extents or _atoms(scenes, settings, least)
    targets = [target(v, settings.objective, least) for v in x]
    on_counts = settings.objective in ("f1", "iou", "mcc", "balanced_accuracy", "coverage")
    every = np.ones(n, dtype=bool)
    units = [
        None if t is None else Unit(v, scores.firing(v), every, t, on_counts) for v, t in zip(x, targets, strict=True)
    ]
    found = _explain(extents, extents.packed, units, settings, progress)
    return Induction(tuple(found), settings.objective, len(extents), n)


def induce_problem(
    scenes: Scenes,
    problem: Problem,
    settings: Settings | None = None,
    progress: Progress = silent,
    *,
    extents: Extents | None = None,
) -> Explained:
    """Return the ranked hypotheses that hold for the positive images and not for the negative ones.

    The scores on values take 1 for positive and 0 for negative images. `extents` are the scenes' atoms, where they are
    known already, as for several problems.
    """
    settings = Settings(objective="f1") if settings is None else settings
    if problem.positive.shape != (scenes.n_images,):
        raise ValueError(f"sets of the shape {problem.positive.shape} beside {scenes.n_images} images")
    if settings.search == "ecii":
        return ecii(scenes, problem, objective=settings.objective, top=settings.top, progress=progress)
    extents = extents or _atoms(scenes, settings, settings.min_support or 1)
    return _explain_sides(extents, problem.positive.astype(np.float64), problem, settings, progress)


def _induce_sides(
    scenes: Scenes,
    x: Floats,
    settings: Settings,
    positive_from: float,
    negative_to: float,
    progress: Progress,
    extents: Extents | None,
) -> Induction:
    """Explain each unit by its own positive and negative images."""
    known = extents or _atoms(scenes, settings, settings.min_support or 1)
    alone = replace(settings, workers=1)

    def explain(i: int) -> Explained:
        try:
            problem = problem_from_values(x[i], positive_from, negative_to, f"unit {i}")
        except InputError as error:
            return Explained((), (), 0, error.what)
        return _explain_sides(known, x[i], problem, alone, silent)

    shown = progress(in_threads(explain, range(len(x)), settings.threads), total=len(x), label="search")
    return Induction(tuple(shown), settings.objective, len(known), scenes.n_images)


def _induce_ecii(scenes: Scenes, x: Floats, settings: Settings, progress: Progress) -> Induction:
    """Explain each unit by ECII's scheme; there is no base of atoms, so their number is that of the used classes."""
    high = _HIGH if settings.positive_from is None else settings.positive_from
    low = _LOW if settings.negative_to is None else settings.negative_to

    def explain(i: int) -> Explained:
        try:
            problem = problem_from_values(x[i], high, low, f"unit {i}")
        except InputError as error:
            return Explained((), (), 0, error.what)
        return ecii(scenes, problem, objective=settings.objective, top=settings.top, values=x[i])

    shown = progress(in_threads(explain, range(len(x)), settings.threads), total=len(x), label="ECII")
    return Induction(tuple(shown), settings.objective, len(np.unique(scenes.type_class)), scenes.n_images)


def _explain_sides(
    extents: Extents, values: Floats, problem: Problem, settings: Settings, progress: Progress
) -> Explained:
    used = problem.used
    narrowed, places = restrict(extents, used)
    if not len(narrowed):
        return Explained((), (), 0, "no atom tells any of the images from the others")
    sides = problem.positive[used].astype(np.float64)
    goal = target(sides, settings.objective, settings.min_support or 1, problem.positive[used])
    if goal is None:
        raise AssertionError("a problem has images on both sides")
    unit = Unit(values, problem.positive, used, goal, True)
    return _explain(narrowed, extents.packed[places], [unit], settings, progress)[0]


def _atoms(scenes: Scenes, settings: Settings, min_support: int) -> Extents:
    extents = atoms(scenes, settings.atoms, image_classes=settings.image_classes, min_support=min_support)
    if not len(extents):
        what = f"no statement holds for at least {min_support} of the {scenes.n_images} images and fails for as many"
        mend = "bring more labelled images"
        if not settings.image_classes:
            mend += ", or allow their categories as terms (--image-classes)"
        raise InputError("annotations", what, mend)
    return extents


def _check_finite(x: Floats) -> None:
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        unit, image = (int(i) for i in bad[0])
        what = f"unit {unit} has the value {x[unit, image]} on image number {image} ({len(bad)} such values in all)"
        raise InputError("activations", what, "give finite numbers, or leave these images out")


def _explain(
    extents: Extents, full: Rows, units: Sequence[Unit | None], settings: Settings, progress: Progress
) -> list[Explained]:
    """Search for all units over the same atoms, and rank what was found; None is a constant unit."""
    sizes = language_sizes(extents.lengths.tolist(), settings.max_length, settings.negation)
    n = len(next((u.values for u in units if u is not None), ()))
    language = Language(extents, full, n, sizes, settings.objective, settings.top)
    goals = [u.goal for u in units if u is not None]
    outcomes = iter(_search(Index.of(extents, settings.device), goals, sizes, settings, progress))
    pairs = [(unit, None if unit is None else next(outcomes)) for unit in units]

    def ranked(pair: tuple[Unit | None, Outcome | None]) -> Explained:
        unit, outcome = pair
        if unit is None or outcome is None:
            return Explained((), (), 0, "the unit has one value on all images")
        return rank(unit, outcome, language)

    return list(progress(in_threads(ranked, pairs, settings.threads), total=len(pairs), label="ranking"))


def _search(
    index: Index, targets: Sequence[Target], sizes: Sequence[int], settings: Settings, progress: Progress
) -> list[Outcome]:
    """Search by the means that the settings and the size of the language ask for."""
    if settings.search == "beam":
        width, common = settings.beam_width, _common(settings, progress)
        beamed, scored = beam(index, targets, max_length=settings.max_length, width=width, **common)
        return [Outcome(b, n, (), t.ceiling()) for b, n, t in zip(beamed, scored, targets, strict=True)]
    sets = work(index.lengths, min(settings.max_length, _COMPLETE))
    if sets <= min(_AT_ONCE, settings.budget):
        return _enumerated(index, targets, sizes, settings, progress)
    if settings.seconds is not None or (settings.search == "optimal" and sets > settings.budget):
        return _bounded(index, targets, sizes, settings, math.inf, progress)
    if sets > settings.budget:
        steps = min(max(_STEPS, len(index) ** 2 // 10), _MOST_STEPS)  # pairs of atoms are what the work grows with
        return _bounded(index, targets, sizes, settings, steps, progress)
    outcomes = _bounded(index, targets, sizes, settings, _TRY * sets, progress)
    open_places = [i for i, outcome in enumerate(outcomes) if not all(outcome.certified)]
    found = _enumerated(index, [targets[i] for i in open_places], sizes, settings, progress) if open_places else []
    for i, outcome in zip(open_places, found, strict=True):
        outcomes[i] = outcome
    return outcomes


def _bounded(
    index: Index,
    targets: Sequence[Target],
    sizes: Sequence[int],
    settings: Settings,
    steps: float,
    progress: Progress,
) -> list[Outcome]:
    """Search by branch and bound, within so many steps a unit."""
    proofs = bounded(
        index,
        targets,
        max_length=settings.max_length,
        width=settings.beam_width,
        steps=steps,
        seconds=settings.seconds,
        **_common(settings, progress),
    )
    return [Outcome(p.found, _tried(p.certified, p.scored, sizes), p.certified, p.bound) for p in proofs]


def _enumerated(
    index: Index, targets: Sequence[Target], sizes: Sequence[int], settings: Settings, progress: Progress
) -> list[Outcome]:
    """Score all formulas up to length 3; a beam searches the longer ones."""
    complete, common = min(settings.max_length, _COMPLETE), _common(settings, progress)
    found = exhaust(index, targets, max_length=complete, **common)
    certified, scored = (True,) * complete, [0] * len(targets)
    if complete == settings.max_length:
        bounds = [f[0].score if f else 0.0 for f in found]
    else:
        beamed, scored = beam(index, targets, max_length=settings.max_length, width=settings.beam_width, **common)
        found = [merged(f, b) for f, b in zip(found, beamed, strict=True)]
        bounds = [t.ceiling() for t in targets]
    return [
        Outcome(f, _tried(certified, n, sizes), certified, bound)
        for f, n, bound in zip(found, scored, bounds, strict=True)
    ]


def _common(settings: Settings, progress: Progress) -> dict[str, Any]:
    return {"negated": settings.negation, "workers": settings.threads, "progress": progress}


def _tried(certified: Sequence[bool], scored: int, sizes: Sequence[int]) -> int:
    """Return how many formulas a search chose from: whole lengths where they are certified, else those scored."""
    whole = sum(size for size, sure in zip(sizes, certified, strict=False) if sure)
    return whole if len(certified) == len(sizes) and all(certified) else whole + scored
