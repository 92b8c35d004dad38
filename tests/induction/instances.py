"""Small random search problems, and their answers by plain enumeration."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from conceptx.expressions import And as Both
from conceptx.expressions import Named, Role, Some, contains
from conceptx.induction.atoms import Statements
from conceptx.induction.extents import Extents, collapse, pack, unpack
from conceptx.induction.formulas import row_of
from conceptx.induction.optimal import Candidate
from conceptx.induction.problem import Target


def extents_of(held: np.ndarray, lengths: list[int] | None = None) -> Extents:
    """Make extents of rows of booleans; a row of length 2 is an attribute atom."""
    lengths = [1] * len(held) if lengths is None else lengths
    made = []
    for i, n in enumerate(lengths):
        name = Named(f"C{i:02}")
        made.append(contains(name if n == 1 else Both((name, Some(Role("hasColor"), Named("Red"))))))
    starts = np.concatenate([[0], np.cumsum(held.sum(axis=1, dtype=np.int64))])
    found = Statements(made, np.zeros(len(made), dtype=np.int64), starts, np.nonzero(held)[1])
    return collapse(found, held.shape[1])


def everything_better(extents: Extents, goal: Target, max_length: int, negated: bool) -> list[dict[bytes, float]]:
    """For each length the scores of all extents that formulas of up to this length have: by plain enumeration."""
    rows = extents.unpacked()
    of_length: list[set[bytes]] = [set() for _ in range(max_length + 1)]
    for total in range(1, max_length + 1):
        for row, n in zip(rows, extents.lengths, strict=True):
            for literal in [row, ~row] if negated else [row]:
                if n == total:
                    of_length[total].add(literal.tobytes())
                elif n < total:
                    for other in of_length[total - int(n)]:
                        x = np.frombuffer(other, dtype=bool)
                        of_length[total] |= {(x & literal).tobytes(), (x | literal).tobytes()}
    found, scored = {}, []
    for total in range(1, max_length + 1):
        for key in of_length[total]:
            x = np.frombuffer(key, dtype=bool)
            if goal.factor[x.sum()] > 0:
                value = (goal.offset + goal.q[x].sum()) * goal.factor[x.sum()]
                if value > 0:
                    found[key] = value
        scored.append(dict(found))
    return scored


def held_of(candidate: Candidate, extents: Extents) -> np.ndarray:
    row = row_of(candidate.formula, extents.packed, pack(np.ones(extents.n_images, dtype=bool)))
    return unpack(row, extents.n_images)


@st.composite
def instances(draw, max_atoms: int = 6):
    n = draw(st.integers(6, 14))
    k = draw(st.integers(1, max_atoms))
    rng = np.random.Generator(np.random.PCG64(draw(st.integers(0, 10**6))))
    held = rng.random((k, n)) < rng.uniform(0.1, 0.9, (k, 1))
    held = held[held.any(axis=1) & ~held.all(axis=1)]
    lengths = [1 + int(x) for x in rng.random(len(held)) < draw(st.sampled_from([0.0, 0.4]))]
    values = draw(st.sampled_from([rng.standard_normal(n), np.round(rng.standard_normal(n)), rng.random(n) < 0.4]))
    return extents_of(held, lengths), np.asarray(values, dtype=float)
