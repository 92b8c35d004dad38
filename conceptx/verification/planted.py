"""Ground truth: units whose explanation is known, sent through the very same search and tests.

`plant` makes units that respond to a known expression at graded strengths, and units of pure noise; `recovered` says
which of them got their own expression back, and `in_numbers` counts. On annotated images of any kind this measures
what the whole method finds and what it makes up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from conceptx.activations.store import Activations
from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import And, Expression, Not, Or, length, normalise, parse, to_manchester
from conceptx.tables import from_rows
from conceptx.verification.controls import generator
from conceptx.verification.results import UnitVerdict
from conceptx.verification.sanity import shortened

LAYER = "planted"

PLANTED = pa.schema(
    [
        ("unit", pa.string()),
        ("strength", pa.float64()),
        ("planted", pa.string()),
        ("length", pa.int32()),
        ("extent_size", pa.int64()),
        ("found", pa.string()),
        ("same_extent", pa.bool_()),
        ("verdict", pa.string()),
    ]
)
"""One row a planted unit; `strength` 0 and no `planted` expression mean pure noise."""

EXPRESSIONS, STRENGTHS, NOISE = 20, (0.5, 1.0, 2.0, 4.0), 200
"""What a run on the built-in world plants: so many expressions, each at these strengths, and units of pure noise."""

_SMALLEST, _LARGEST = 0.05, 0.6
_APART = 0.02
_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True)
class Planted:
    """A unit and the expression that it was made from (None for pure noise)."""

    unit: str
    strength: float
    expression: Expression | None


def planted_atoms(scenes: Scenes) -> list[Expression]:
    """Return the statements that expressions are planted of: ``contains some C`` of every distinct extent."""
    from conceptx.induction.extents import atoms

    return list(atoms(scenes, ("classes",)).expressions)


def plant(
    scenes: Scenes,
    atoms: Sequence[Expression],
    *,
    expressions: int = EXPRESSIONS,
    strengths: Sequence[float] = STRENGTHS,
    noise: int = NOISE,
    max_length: int,
    seed: int,
) -> tuple[list[Planted], Activations]:
    """Return planted units and their values (units, images) on all images of `scenes`.

    A unit's value is ``strength · [the expression holds] + noise`` with standard normal noise: the strength is the
    signal-to-noise ratio. Every one of `expressions` expressions gets a unit of each strength, and there are `noise`
    units of pure noise. The expressions combine `atoms`; each holds for 5 to 60 % of the images and differs, on 2 % of
    them or more, from every formula that leaves one of its atoms out, so that no shorter one says nearly the same.
    """
    rng = generator(seed, "planted")
    held = {}
    truths: list[Expression] = []
    for _ in range(_ATTEMPTS):
        if len(truths) == expressions:
            break
        candidate = _draw(rng, atoms, max_length)
        extents = [evaluate(e, scenes) for e in (candidate, *shortened(candidate))]
        share = extents[0].mean()
        apart = all((extents[0] != shorter).mean() >= _APART for shorter in extents[1:])
        if _SMALLEST <= share <= _LARGEST and apart and candidate not in held:
            held[candidate] = extents[0]
            truths.append(candidate)
    else:
        what = f"only {len(truths)} of {expressions} expressions could be planted"
        raise InputError("annotations", what, "bring more labelled images")
    units = [Planted(f"planted {i + 1} at {s:g}", s, truth) for i, truth in enumerate(truths) for s in strengths]
    units += [Planted(f"noise {i + 1}", 0.0, None) for i in range(noise)]
    values = np.stack(
        [
            rng.standard_normal(scenes.n_images)
            + (0.0 if u.expression is None else u.strength * held[u.expression].astype(np.float64))
            for u in units
        ]
    ).astype(np.float32)
    return units, Activations(LAYER, tuple(u.unit for u in units), scenes.images, values, {"source": "planted"})


def recovered(planted: Sequence[Planted], verdicts: Sequence[UnitVerdict], induction: Scenes) -> pa.Table:
    """Return what became of the planted units: the expression judged, and whether its extent is the planted one.

    Extents are compared on the images of `induction`; several expressions can have one extent, and any of them counts.
    """
    judged = {v.unit: v for v in verdicts}
    rows = []
    for unit in planted:
        verdict = judged[unit.unit]
        truth = None if unit.expression is None else evaluate(unit.expression, induction)
        same = None
        if truth is not None:
            same = verdict.expression is not None and bool(
                np.array_equal(evaluate(parse(verdict.expression), induction), truth)
            )
        rows.append(
            {
                "unit": unit.unit,
                "strength": unit.strength,
                "planted": None if unit.expression is None else to_manchester(unit.expression),
                "length": None if unit.expression is None else length(unit.expression),
                "extent_size": None if truth is None else int(truth.sum()),
                "found": verdict.expression,
                "same_extent": same,
                "verdict": verdict.verdict,
            }
        )
    return from_rows(rows, PLANTED)


def in_numbers(table: pa.Table) -> dict[str, object]:
    """Return the table PLANTED in numbers: for each strength, and for noise, units, own extents and confirmations."""
    rows = table.to_pylist()

    def counted(strength: float) -> dict[str, object]:
        members = [row for row in rows if row["strength"] == strength]
        return {
            "strength": strength,
            "units": len(members),
            "same_extent": sum(bool(row["same_extent"]) for row in members),
            "confirmed": sum(row["verdict"] == "confirmed" for row in members),
        }

    strengths = sorted({row["strength"] for row in rows if row["planted"] is not None})
    return {"strengths": [counted(s) for s in strengths], "noise": counted(0.0)}


def _draw(rng: np.random.Generator, atoms: Sequence[Expression], max_length: int) -> Expression:
    """Draw an expression of 1 to `max_length` distinct atoms, each length and each form as likely as any other."""
    n = int(rng.integers(1, max_length + 1))
    chosen = [atoms[i] for i in rng.choice(len(atoms), size=n, replace=False)]
    expression = chosen[0]
    for atom in chosen[1:]:
        literal = Not(atom) if rng.random() < 0.3 else atom
        expression = And((expression, literal)) if rng.random() < 0.5 else Or((expression, literal))
    return normalise(expression)
