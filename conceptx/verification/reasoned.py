"""The independent judge of a run: HermiT says for the same images whether an expression holds.

`check_with_reasoner` names each expression as a class, hands HermiT the individuals of a sample of images with the
closed world said in axioms (`annotation.closed_world`), and compares its answer with `annotation.evaluate`. Both must
be equal. HermiT does not scale to all images, so a sample is drawn that has images inside and outside of every extent,
and the answer says how many were checked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from conceptx.annotation.closed_world import IMAGE, closed_world
from conceptx.annotation.evaluate import evaluate
from conceptx.annotation.iris import iri
from conceptx.annotation.knowledge import individual_iris
from conceptx.annotation.scenes import Scenes
from conceptx.errors import InputError, JobError
from conceptx.expressions import And, Expression, Named, roles, to_manchester
from conceptx.progress import Progress, silent

Bools = npt.NDArray[np.bool_]

REASONER = "HermiT"
SAMPLE = 30
"""So many images are drawn unless more or fewer are asked for."""
_INDIVIDUALS, _EXPRESSIONS = 250, 4
"""So many individuals and expressions go into one run; HermiT's time grows faster than either. Measured on scenes of 16
objects with expressions of up to three classes: 250 individuals and 4 expressions take 1.8 s, 8 take 9 s, 12 at times
more than two minutes."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Agreement:
    """An expression on which both agree, and how many of the checked images it holds for and not."""

    expression: str
    inside: int
    outside: int


@dataclass(frozen=True, slots=True)
class ReasonerCheck:
    """What was checked: `n_checked` of `n_sampled` of `n_images` images, in `n_runs` runs of the reasoner.

    `agreements` are about the expressions that were checked, each on `n_checked` images or more, of `n_expressions`.
    `finished` is false where the time was over before all were checked on the whole sample; what was checked agrees.
    """

    reasoner: str
    n_images: int
    n_sampled: int
    n_checked: int
    n_runs: int
    n_expressions: int
    seconds: float
    finished: bool
    agreements: tuple[Agreement, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the check as plain data for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Return in one sentence what was checked."""
        part = "" if self.finished else f" (the time ended before all {self.n_sampled} sampled images were checked)"
        whole = len(self.agreements) == self.n_expressions
        counted = f"{len(self.agreements)}{'' if whole else f' of {self.n_expressions}'}"
        return (
            f"{self.reasoner} agrees on {counted} expressions for {self.n_checked} of {self.n_images} "
            f"images, checked in {self.seconds:.0f} s{part}"
        )


def check_with_reasoner(
    scenes: Scenes,
    expressions: Sequence[Expression],
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    seconds: float = 60,
    megabytes: int = 1024,
    progress: Progress = silent,
) -> ReasonerCheck:
    """Check that HermiT and `evaluate` agree on which images each expression holds for, on a sample of images.

    The sample is drawn by `seed`, for each expression in turn an image inside and one outside. A disagreement is a
    `JobError` that names both sets; so is it when `seconds` end before anything was checked.
    """
    if sample < 1:
        raise InputError("sample", f"{sample} is too small", "check at least one image")
    started = time.monotonic()
    given = list(dict.fromkeys(expressions))
    if not given:
        raise InputError("expressions", "there is nothing to check", "give at least one expression")
    extents = np.stack([evaluate(e, scenes) for e in given])
    alike = sorted(given, key=lambda e: sorted((role.name, role.inverse) for role in roles(e)))
    chosen = draw(extents, sample, seed)
    checked: dict[Expression, list[int]] = {}
    runs = 0
    batches = list(_batches(scenes, chosen))
    groups = [alike[first : first + _EXPRESSIONS] for first in range(0, len(alike), _EXPRESSIONS)]
    jobs = [(batch, group) for batch in batches for group in groups]
    finished = True
    for batch, group in progress(jobs, total=len(jobs), label="reasoner"):
        try:
            left = seconds - (time.monotonic() - started)
            _compare(scenes.subset([scenes.images[i] for i in batch]), group, left, megabytes)
        except _TimeIsOverError as error:
            if not checked:
                what = f"{REASONER} did not finish {len(batch)} images within {seconds:.0f} s"
                raise JobError("--reasoner", what, "leave it out, or give its expressions fewer classes") from error
            finished = False
            break
        runs += 1
        for expression in group:
            checked.setdefault(expression, []).extend(batch)
    inside = {e: int(row[checked[e]].sum()) for e, row in zip(given, extents, strict=True) if e in checked}
    return ReasonerCheck(
        reasoner=REASONER,
        n_images=scenes.n_images,
        n_sampled=len(chosen),
        n_checked=min(map(len, checked.values())),
        n_runs=runs,
        n_expressions=len(given),
        seconds=time.monotonic() - started,
        finished=finished,
        agreements=tuple(Agreement(to_manchester(e), k, len(checked[e]) - k) for e, k in inside.items()),
    )


def draw(extents: Bools, sample: int, seed: int) -> list[int]:
    """Return up to `sample` distinct images: for each row of `extents` in turn one inside, then one outside.

    Where every row is exhausted the rest is drawn from all images. The order is that of the drawing, so that any
    beginning of the sample is spread over the expressions and both sides.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    n = extents.shape[1]
    order = rng.permutation(n)
    queues = [iter(order[side[order]].tolist()) for row in extents for side in (row, ~row)]
    queues.append(iter(order.tolist()))
    chosen: dict[int, None] = {}
    while queues and len(chosen) < min(sample, n):
        for queue in list(queues):
            fresh = next((i for i in queue if i not in chosen), None)
            if fresh is None:
                queues.remove(queue)
            elif len(chosen) < sample:
                chosen[fresh] = None
    return list(chosen)


class _TimeIsOverError(Exception):
    """The seconds that were allowed have passed."""


def _batches(scenes: Scenes, chosen: Sequence[int]) -> Iterator[list[int]]:
    """Cut the sample into runs of about `_INDIVIDUALS` individuals, at least one image each."""
    batch: list[int] = []
    size = 0
    for image in chosen:
        grown = scenes.subset([scenes.images[image]]).n_individuals
        if batch and size + grown > _INDIVIDUALS:
            yield batch
            batch, size = [], 0
        batch.append(image)
        size += grown
    if batch:
        yield batch


def _compare(part: Scenes, expressions: Sequence[Expression], seconds: float, megabytes: int) -> None:
    """Ask HermiT about all images of `part` and compare; a disagreement is an error."""
    from conceptx.ontology.reasoner import instances

    if seconds <= 0:
        raise _TimeIsOverError

    def class_iri(name: str) -> str:
        return IMAGE if name == IMAGE else part.hierarchy.iri(part.hierarchy.id(name))

    def role_iri(name: str) -> str:
        return iri("role", name)

    asked = {to_manchester(e): And((Named(IMAGE), e)) for e in expressions}
    before = time.monotonic()
    try:
        answers = instances(
            closed_world(part, expressions), asked, class_iri, role_iri, seconds=seconds, megabytes=megabytes
        )
    except InputError as error:
        if "inconsistent" not in error.what:
            raise
        images = ", ".join(map(repr, part.images[:_SHOWN]))
        what = f"{REASONER} finds a contradiction in the annotations of the images {images}"
        raise JobError("--reasoner", what, "report this: the closed world must not contradict itself") from error
    except JobError as error:
        if time.monotonic() - before >= seconds:
            raise _TimeIsOverError from error
        raise
    named = dict(zip(individual_iris(part), part.images, strict=False))  # images come first
    for expression in expressions:
        text = to_manchester(expression)
        ours = {part.images[i] for i in np.flatnonzero(evaluate(expression, part)).tolist()}
        theirs = {named[one] for one in answers[text] if one in named}
        if ours != theirs:
            what = (
                f"{REASONER} and conceptx disagree on {text}: only conceptx has {_few(ours - theirs)}, "
                f"only {REASONER} has {_few(theirs - ours)}"
            )
            raise JobError("--reasoner", what, "report this with the images named: one of the two is wrong")


def _few(images: set[str]) -> str:
    shown = ", ".join(map(repr, sorted(images)[:_SHOWN]))
    return (shown + (f" and {len(images) - _SHOWN} more" if len(images) > _SHOWN else "")) if images else "none"
