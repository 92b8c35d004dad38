"""Is it this expression that explains the unit, or would another word do as well?

`sanity_rows` changes a judged expression in small steps and looks whether the correlation falls: each class replaced
by each of its superclasses and subclasses, and by its siblings; each part left out; half of the targets removed and as
many others added (the missing-label and extra-label tests of NeuronEval, arXiv 2506.05774). A superclass adds false
labels and a subclass removes true ones, so they are the same two tests in the words of the hierarchy. `variants` gives
the changed expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from conceptx.expressions import (
    And,
    Count,
    Expression,
    Named,
    Not,
    Only,
    Or,
    Some,
    names,
    normalise,
    to_manchester,
)
from conceptx.verification.controls import generator
from conceptx.verification.effects import correlation_change
from conceptx.verification.statistics import Bools, Values, correlation, tally

if TYPE_CHECKING:
    from conceptx.annotation.scenes import Scenes

SANITY = pa.schema(
    [
        ("layer", pa.string()),
        ("unit", pa.string()),
        ("expression", pa.string()),
        ("change", pa.string()),
        ("part", pa.string()),
        ("variant", pa.string()),
        ("n_target", pa.int64()),
        *((f"correlation{end}", pa.float64()) for end in ("", "_low", "_high")),
        *((f"fall{end}", pa.float64()) for end in ("", "_low", "_high")),
        ("outcome", pa.string()),
    ]
)
"""One row a change. `fall` is the expression's correlation minus that of the variant, on the same images.

`outcome`: "falls" (the interval of the fall is above 0), "rises" (below 0), "level" (neither), "same images", or "not
testable: …" where the variant holds for all or none.
"""

SUPERCLASS, SUBCLASS, SIBLING, DROPPED = "superclass", "subclass", "sibling", "left out"
MISSING, EXTRA = "half of the targets removed", "as many others added"
MAX_OF_A_KIND = 8
"""So many subclasses, and so many siblings, of one class are tried: those in most images."""


class Variant(NamedTuple):
    """An expression that was changed: how, and which class or part of it."""

    change: str
    part: str
    expression: Expression


def variants(expression: Expression, scenes: Scenes) -> list[Variant]:
    """Return the changed forms of an expression, each once; subclasses and siblings are classes that are annotated.

    A class that the expression names already is no replacement.
    """
    hierarchy = scenes.hierarchy
    frequent = dict(zip(scenes.closure.classes.tolist(), np.diff(scenes.closure.starts).tolist(), strict=True))

    def common(ids: Iterable[int]) -> list[int]:
        return sorted((i for i in ids if i in frequent), key=lambda i: (-frequent[i], hierarchy.name(i)))

    found: dict[Expression, Variant] = {}

    def add(change: str, part: str, changed: Expression) -> None:
        changed = normalise(changed)
        if changed != plain and changed not in found:
            found[changed] = Variant(change, part, changed)

    plain = normalise(expression)
    mentioned = {hierarchy.id(name) for name in names(expression)}
    for name in names(expression):
        this = hierarchy.id(name)
        parents = hierarchy.parents(this).tolist()
        children = set(hierarchy.children(this).tolist()) - mentioned
        siblings = {c for p in parents for c in hierarchy.children(p).tolist()} - mentioned
        kinds = (
            (SUPERCLASS, [p for p in parents if p not in mentioned]),
            (SUBCLASS, common(children)[:MAX_OF_A_KIND]),
            (SIBLING, common(siblings)[:MAX_OF_A_KIND]),
        )
        for change, ids in kinds:
            for i in ids:
                add(change, name, _replaced(expression, name, Named(hierarchy.name(i))))
    for part, changed in _without_each(expression):
        add(DROPPED, to_manchester(part), changed)
    return list(found.values())


def shortened(expression: Expression) -> list[Expression]:
    """Return the formulas that leave one operand of a conjunction or disjunction out, at any depth."""
    return [changed for _, changed in _without_each(expression)]


def _without_each(expression: Expression) -> list[tuple[Expression, Expression]]:
    """Return each operand at any depth with the expression that leaves it out."""
    match expression:
        case And(operands) | Or(operands):
            found: list[tuple[Expression, Expression]] = []
            for i, operand in enumerate(operands):
                before, after = operands[:i], operands[i + 1 :]
                rest = (*before, *after)
                if rest:
                    found.append((operand, rest[0] if len(rest) == 1 else type(expression)(rest)))
                found += [(part, type(expression)((*before, inner, *after))) for part, inner in _without_each(operand)]
            return found
        case Not(operand):
            return [(part, Not(inner)) for part, inner in _without_each(operand)]
        case Some(_, filler) | Only(_, filler) | Count(_, _, _, filler):
            return [(part, replace(expression, filler=inner)) for part, inner in _without_each(filler)]
        case _:
            return []


def _replaced(expression: Expression, name: str, by: Expression) -> Expression:
    """Return the expression with another one in the place of a class."""
    match expression:
        case Named(found):
            return by if found == name else expression
        case And(operands) | Or(operands):
            return type(expression)(tuple(_replaced(o, name, by) for o in operands))
        case Not(operand):
            return Not(_replaced(operand, name, by))
        case Some(_, filler) | Only(_, filler) | Count(_, _, _, filler):
            return replace(expression, filler=_replaced(filler, name, by))
        case _:
            return expression


def sanity_rows(
    layer: str,
    unit: str,
    expression: Expression,
    values: Values,
    extent_of: Callable[[Expression], Bools],
    scenes: Scenes,
    seed: int,
) -> list[dict[str, object]]:
    """Return the rows of SANITY for one unit: its values (n,) on held-out images, and extents (n,) over the same."""
    extent = extent_of(expression)
    text = to_manchester(expression)
    rng = generator(seed, "sanity", layer, unit)
    changed: list[tuple[str, str | None, str | None, Bools]] = [
        (v.change, v.part, to_manchester(v.expression), extent_of(v.expression)) for v in variants(expression, scenes)
    ]
    changed += [(MISSING, None, None, _fewer(extent, rng)), (EXTRA, None, None, _more(extent, rng))]
    rows: list[dict[str, object]] = []
    for change, part, variant, other in changed:
        row: dict[str, object] = {
            "layer": layer,
            "unit": unit,
            "expression": text,
            "change": change,
            "part": part,
            "variant": variant,
            "n_target": int(other.sum()),
        }
        if np.array_equal(extent, other):
            rows.append({**row, "outcome": "same images"})
            continue
        if not other.any() or other.all():
            which = "all" if other.any() else "none"
            rows.append({**row, "outcome": f"not testable: it holds for {which} of the held-out images"})
            continue
        fall = correlation_change(values, extent, other)
        outcome = "falls" if fall.low > 0 else "rises" if fall.high < 0 else "level"
        for name, estimate in (("correlation", correlation(tally(values, other))), ("fall", fall)):
            ends = zip(("", "_low", "_high"), estimate, strict=True)
            row |= {name + end: None if np.isnan(number) else number for end, number in ends}
        rows.append({**row, "outcome": outcome})
    return rows


def _fewer(extent: Bools, rng: np.random.Generator) -> Bools:
    """Return the extent without a random half of its images."""
    members = np.flatnonzero(extent)
    found = extent.copy()
    found[rng.permutation(members)[: len(members) // 2]] = False
    return found


def _more(extent: Bools, rng: np.random.Generator) -> Bools:
    """Return the extent with as many random other images as it has (at most half of the others)."""
    others = np.flatnonzero(~extent)
    found = extent.copy()
    found[rng.permutation(others)[: min(int(extent.sum()), len(others) // 2)]] = True
    return found
