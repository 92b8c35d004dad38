"""A learning problem as its file states it, and its examples as individuals of a knowledge base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import quote

if TYPE_CHECKING:
    from conceptx.induction.individuals.knowledge import KnowledgeBase

_SHOWN = 5
_COMPARED = 5000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What answers may mention: nothing `ignored`, and where something is `allowed`, of its kind only that.

    `roles` are object and data properties. An empty tuple of what is allowed leaves out nothing.
    """

    ignored_classes: tuple[str, ...] = ()
    ignored_roles: tuple[str, ...] = ()
    allowed_classes: tuple[str, ...] = ()
    allowed_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LearningProblem:
    """What one problem asks for; examples are as the file writes them, prefixes its abbreviations.

    `bases` are the knowledge bases that it names. `rest_negative`: every individual that is not positive is negative.
    `describe` is the class whose members are the positives and that no answer may mention, or empty.
    """

    name: str
    where: str
    bases: tuple[Path, ...]
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    rest_negative: bool = False
    describe: str = ""
    vocabulary: Vocabulary = Vocabulary()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """The examples of a problem by their places among the individuals.

    No answer may mention the `forbidden` classes, and none the `forbidden_roles` (object and data properties).
    """

    positives: tuple[int, ...]
    negatives: tuple[int, ...]
    forbidden: frozenset[str]
    warnings: tuple[str, ...]
    forbidden_roles: frozenset[str] = frozenset()


def problem_of_lists(kb: Path | None, positives: str, negatives: str) -> LearningProblem:
    """Return the problem of two lists: each a file with one name a line, or names with commas between them."""
    first = Path(positives)
    name = first.stem if first.is_file() else "problem"
    return LearningProblem(
        name, "the examples", (kb,) if kb else (), _names("--positives", positives), _names("--negatives", negatives)
    )


def _names(option: str, given: str) -> tuple[str, ...]:
    path = Path(given)
    if "," not in given and "://" not in given and (path.is_file() or "/" in given or path.suffix):
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise InputError(option, f"{given!r} cannot be opened ({error.strerror})", "check the path") from error
        except UnicodeDecodeError as error:
            raise InputError(option, f"{given!r} is not UTF-8", "convert the file to UTF-8") from error
        lines = [line.strip() for line in text.splitlines()]
        parts = [part for line in lines if not line.startswith("#") for part in line.split(",")]
    else:
        parts = given.split(",")
    return tuple(name for part in parts if (name := part.strip().strip('"').strip()))


def placed(problem: LearningProblem, kb: KnowledgeBase) -> Placed:
    """Find the examples in the knowledge base.

    Examples that it lacks are left out and counted; an empty side, and an individual on both, are errors.
    """
    warnings = list(problem.notes)
    forbidden, forbidden_roles = _forbidden(problem, kb, warnings)
    positives = _side(problem, kb, "positive", problem.positives, warnings)
    negatives = _side(problem, kb, "negative", problem.negatives, warnings)
    if problem.describe:
        positives, described = _members(problem, kb)
        forbidden |= described
    if problem.rest_negative:
        inside = set(positives)
        negatives = [i for i in range(len(kb)) if i not in inside]
    both = sorted(set(positives) & set(negatives))
    if both:
        shown = ", ".join(repr(kb.scenes.individuals[i]) for i in both[:_SHOWN]) + (", …" if len(both) > _SHOWN else "")
        what = f"{shown} {'are' if len(both) > 1 else 'is'} both positive and negative"
        raise InputError(problem.where, what, "put every individual on one side")
    for name, side in (("positive", positives), ("negative", negatives)):
        if not side:
            what = f"there is no {name} example" + (
                " that the knowledge base knows" if getattr(problem, f"{name}s") else ""
            )
            raise InputError(problem.where, what, "give at least one individual on each side")
    return Placed(tuple(positives), tuple(negatives), forbidden, tuple(warnings), forbidden_roles)


def _forbidden(
    problem: LearningProblem, kb: KnowledgeBase, warnings: list[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the classes and of the roles and data properties that no answer may mention."""
    names, wanted = kb.names, problem.vocabulary

    def known(given: Sequence[str], by_iri: Mapping[str, str], kind: str) -> set[str]:
        found = {text: _named(problem, kb, text, by_iri) for text in given}
        missing = [text for text, name in found.items() if not name]
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
            warnings.append(f"{problem.where}: the knowledge base has no {kind} {shown}, which the problem names")
        return {name for name in found.values() if name}

    roles_by_iri = {**names.roles, **names.properties}
    classes = known(wanted.ignored_classes, names.classes, "class")
    roles = known(wanted.ignored_roles, roles_by_iri, "role")
    if wanted.allowed_classes:
        classes |= {*names.classes.values()} - known(wanted.allowed_classes, names.classes, "class")
    if wanted.allowed_roles:
        roles |= {*roles_by_iri.values()} - known(wanted.allowed_roles, roles_by_iri, "role")
    values = {value for value in names.values if any(value.startswith(f"{quote(name)} value ") for name in roles)}
    return frozenset(classes | values), frozenset(roles)


def _named(problem: LearningProblem, kb: KnowledgeBase, given: str, by_iri: Mapping[str, str]) -> str:
    """Return the name of what an IRI, a prefixed or a bare name stands for, or an empty text."""
    text = given.strip().removeprefix("<").removesuffix(">").strip()
    prefix, colon, rest = text.partition(":")
    known = {**kb.prefixes, **problem.prefixes}
    for iri in (text, known[prefix] + rest if colon and prefix in known else "", known.get("", "") + text):
        if iri in by_iri:
            return by_iri[iri]
    return text if text in by_iri.values() else ""


def _side(
    problem: LearningProblem, kb: KnowledgeBase, side: str, names: Sequence[str], warnings: list[str]
) -> list[int]:
    found: dict[int, None] = {}
    missing: dict[str, None] = {}
    for name in names:
        place = kb.place(name, problem.prefixes)
        if place is None:
            missing[name] = None
        else:
            found[place] = None
    if missing:
        shown = ", ".join(map(repr, list(missing)[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
        count = f"{len(missing)} of {len(names)} {side} examples {'are' if len(missing) > 1 else 'is'}"
        what = f"{count} not in the knowledge base and left out: {shown}"
        first = next(iter(missing))
        hint = did_you_mean(first, kb.scenes.individuals[:_COMPARED]) if len(kb) <= _COMPARED else ""
        warnings.append(str(InputError(problem.where, what, hint or "check the names and the prefixes")))
    return list(found)


def _members(problem: LearningProblem, kb: KnowledgeBase) -> tuple[list[int], frozenset[str]]:
    from conceptx.annotation.evaluate import holds
    from conceptx.expressions import Named

    known = kb.names.classes
    name = _named(problem, kb, problem.describe, known)
    if name:
        return np.flatnonzero(holds(Named(name), kb.scenes)).tolist(), frozenset((name,))
    mend = did_you_mean(problem.describe, known) or "name a class of the knowledge base"
    raise InputError(problem.where, f"the knowledge base has no class {problem.describe!r} to describe", mend)
