"""The judge of all images: Whelk says which image each statement holds for, where it is installed.

HermiT checks a sample with the closed world said in axioms. What an expression says without `not`, counts and numbers
needs no closed world: an image has what it has. So every expression is taken apart into statements of the profile
OWL 2 EL (``contains some (A and B)``), every individual becomes a class of its own, and Whelk classifies all of it at
once: the whole hierarchy above the annotations, and all images.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from conceptx.annotation.evaluate import evaluate
from conceptx.annotation.scenes import Scenes
from conceptx.errors import JobError
from conceptx.expressions import And, Expression, Named, Not, Or, Some, Thing, to_manchester

REASONER = "Whelk"
_ALTERNATIVES = 64
"""A statement that stands for more alternatives is not taken apart."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class WholeCheck:
    """Whelk and conceptx agree on `n_statements` statements for all `n_images` images.

    `n_covered` of the `n_expressions` are made of such statements alone, by `and`, `or` and `not`. With a `failure`,
    the reason in words, nothing was checked.
    """

    reasoner: str
    n_images: int
    n_statements: int
    n_expressions: int
    n_covered: int
    seconds: float
    failure: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the check as plain data for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Return in one sentence what was checked."""
        if self.failure:
            return f"{self.reasoner} checked nothing: it {self.failure}"
        return (
            f"{self.reasoner} agrees on {self.n_statements} statements for all {self.n_images} images; "
            f"{self.n_covered} of {self.n_expressions} expressions consist of such statements"
        )


def check_whole(scenes: Scenes, expressions: Sequence[Expression], *, seconds: float = 120) -> WholeCheck | None:
    """Check that Whelk and `evaluate` agree on all images; None where Whelk is not installed or has nothing to check.

    A disagreement is a `JobError` that names both sets; where Whelk does not come to an end, the answer says so.
    """
    from conceptx.ontology import whelk

    started = time.monotonic()
    given = list(dict.fromkeys(expressions))
    parts = [statements(expression) for expression in given]
    asked = list(dict.fromkeys(one for found, _ in parts for one in found))
    if not whelk.is_installed() or not asked:
        return None
    queries = {f"q{k}": one for k, one in enumerate(asked)}
    try:
        answers = whelk.members(axioms(scenes, queries), list(queries), seconds=seconds)
    except JobError as error:
        return WholeCheck(REASONER, scenes.n_images, 0, len(given), 0, time.monotonic() - started, error.what)
    for query, statement in queries.items():
        ours = {f"i{i}" for i in np.flatnonzero(evaluate(statement, scenes)).tolist()}
        theirs = {name for name in answers[query] if name.startswith("i") and int(name[1:]) < scenes.n_images}
        if ours != theirs:
            what = (
                f"{REASONER} and conceptx disagree on {to_manchester(statement)}: only conceptx has "
                f"{_few(scenes, ours - theirs)}, only {REASONER} has {_few(scenes, theirs - ours)}"
            )
            raise JobError("--reasoner", what, "report this with the images named: one of the two is wrong")
    covered = sum(whole for _, whole in parts)
    return WholeCheck(REASONER, scenes.n_images, len(asked), len(given), covered, time.monotonic() - started)


def statements(expression: Expression) -> tuple[list[Expression], bool]:
    """Return the statements of OWL 2 EL that an expression is made of, and whether it is made of nothing else.

    >>> from conceptx.expressions import parse
    >>> found, whole = statements(parse("contains some (Cat or Dog) and not (contains some Car)"))
    >>> [to_manchester(one) for one in found], whole
    (['contains some Cat', 'contains some Dog', 'contains some Car'], True)
    """
    alternatives = _alternatives(expression)
    if alternatives is not None:
        return alternatives, True
    inner: tuple[Expression, ...] = ()
    match expression:
        case And(operands) | Or(operands):
            inner = operands
        case Not(operand):
            inner = (operand,)
        case _:
            return [], False
    parts = [statements(one) for one in inner]
    return [one for found, _ in parts for one in found], all(whole for _, whole in parts)


def _alternatives(expression: Expression) -> list[Expression] | None:
    """Return expressions of OWL 2 EL whose union this is, or None: ``some (A or B)`` is ``some A`` or ``some B``."""
    found: list[Expression]
    match expression:
        case Named() | Thing():
            return [expression]
        case Some(role, filler) if not role.inverse:
            inner = _alternatives(filler)
            return None if inner is None else [Some(role, one) for one in inner]
        case Or(operands):
            each = [_alternatives(one) for one in operands]
            found = [one for options in each if options is not None for one in options]
            return found if None not in each and len(found) <= _ALTERNATIVES else None
        case And(operands) if operands:
            each = [_alternatives(one) for one in operands]
            if None in each or int(np.prod([len(options or ()) for options in each])) > _ALTERNATIVES:
                return None
            return [And(tuple(chosen)) for chosen in product(*(options or () for options in each))]
        case _:
            return None


def axioms(scenes: Scenes, queries: Mapping[str, Expression]) -> Iterator[str]:
    """Yield the hierarchy above the annotations, the individuals as classes, and the queries, in functional syntax.

    Class c is called ``c12`` by its number in the hierarchy, individual i ``i12``, and so are roles by their place.
    """
    roles = {name: f"r{k}" for k, name in enumerate(scenes.roles)}
    for one in range(scenes.n_individuals):
        yield f"Declaration(Class({_iri(f'i{one}')}))"
    for c in scenes.closure.classes.tolist():
        for above in scenes.hierarchy.parents(c).tolist():
            yield f"SubClassOf({_iri(f'c{c}')} {_iri(f'c{above}')})"
    for one, c in zip(scenes.type_of.tolist(), scenes.type_class.tolist(), strict=True):
        yield f"SubClassOf({_iri(f'i{one}')} {_iri(f'c{c}')})"
    for name, (source, target) in scenes.roles.items():
        for one, other in zip(source.tolist(), target.tolist(), strict=True):
            some = f"ObjectSomeValuesFrom({_iri(roles[name])} {_iri(f'i{other}')})"
            yield f"SubClassOf({_iri(f'i{one}')} {some})"
    for query, expression in queries.items():
        yield f"EquivalentClasses({_iri(query)} {_said(expression, scenes, roles)})"


def _said(expression: Expression, scenes: Scenes, roles: Mapping[str, str]) -> str:
    match expression:
        case Named(name):
            return _iri(f"c{scenes.hierarchy.id(name)}")
        case Some(role, filler):
            return f"ObjectSomeValuesFrom({_iri(roles.get(role.name, 'r'))} {_said(filler, scenes, roles)})"
        case And(operands) if len(operands) > 1:
            return f"ObjectIntersectionOf({' '.join(_said(one, scenes, roles) for one in operands)})"
        case And(operands) if operands:
            return _said(operands[0], scenes, roles)
        case _:
            return "owl:Thing"


def _iri(name: str) -> str:
    from conceptx.ontology.whelk import NAMES

    return f"<{NAMES}{name}>"


def _few(scenes: Scenes, names: Iterable[str]) -> str:
    images = [repr(scenes.images[i]) for i in sorted(int(name[1:]) for name in names)]
    more = f" and {len(images) - _SHOWN} more" if len(images) > _SHOWN else ""
    return ", ".join(images[:_SHOWN]) + more if images else "none"
