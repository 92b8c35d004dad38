"""Which of a unit's expressions stay on top when other images of the same kind had been drawn?

`stability_rows` resamples the images that the expressions were ranked on (arXiv 2512.18092: bootstrap explanation
sets). In each resample the expressions of a unit are ranked anew by correlation. The *explanation set* is the smallest
set of expressions, the most frequent winners first, of which one is on top in 95 % of the resamples; a unit's
*stability* is the share of resamples that its most frequent winner wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptx.expressions import Expression, to_manchester
from conceptx.progress import Progress, silent
from conceptx.verification.resampling import MEASURES, resample
from conceptx.verification.statistics import LEVEL, Bools, Floats, Values

STABILITY = pa.schema(
    [
        ("layer", pa.string()),
        ("unit", pa.string()),
        ("expression", pa.string()),
        ("rank", pa.int32()),
        *((f"correlation{end}", pa.float64()) for end in ("", "_low", "_high")),
        ("wins", pa.float64()),
        ("rank_low", pa.int32()),
        ("rank_high", pa.int32()),
        ("in_set", pa.bool_()),
        ("set_size", pa.int32()),
        ("stability", pa.float64()),
        ("n_images", pa.int64()),
    ]
)
"""One row an expression: its place by correlation on the images, and what resampling them says of it.

`wins` is the share of resamples in which it is on top; `rank_low` and `rank_high` span its place in 95 % of them.
"""


def stability_rows(
    names: Sequence[tuple[str, str]],
    values: Sequence[Values],
    candidates: Sequence[Sequence[Expression]],
    extent_of: Callable[[Expression], Bools],
    *,
    resamples: int,
    seed: int,
    progress: Progress = silent,
) -> list[dict[str, object]]:
    """Return the rows of STABILITY for units (layer, name), their values (n,) and their candidate expressions."""
    found = resample(
        values,
        candidates,
        extent_of,
        bootstrap=resamples,
        permutations=0,
        seed=seed,
        word="stability",
        progress=progress,
    )
    place = MEASURES.index("correlation")
    rows: list[dict[str, object]] = []
    first = 0
    for (layer, unit), row, expressions in zip(names, values, candidates, strict=True):
        pairs = slice(first, first + len(expressions))
        first += len(expressions)
        if not expressions or not resamples:
            continue
        whole = found.binned[pairs, place]
        if np.isnan(whole).all():
            continue
        drawn = whole[:, None] + found.bootstrap[pairs, place]
        ranks = places(drawn)
        wins = (ranks == 1).mean(axis=1)
        members = explanation_set(wins)
        # an expression that holds for all images, or for none, has no correlation in any resample
        exists = ~np.isnan(drawn).all(axis=1)
        low, high = np.full((2, len(expressions)), np.nan)
        low[exists], high[exists] = np.nanquantile(drawn[exists], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=1)
        ends = np.quantile(ranks, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=1, method="nearest")
        of_all = places(whole[:, None])[:, 0]
        for i, expression in enumerate(expressions):
            numbers = (whole[i], low[i], high[i])
            rows.append(
                {
                    "layer": layer,
                    "unit": unit,
                    "expression": to_manchester(expression),
                    "rank": int(of_all[i]),
                    **{
                        f"correlation{end}": None if np.isnan(x) else float(x)
                        for end, x in zip(("", "_low", "_high"), numbers, strict=True)
                    },
                    "wins": float(wins[i]),
                    "rank_low": int(ends[0, i]),
                    "rank_high": int(ends[1, i]),
                    "in_set": i in members,
                    "set_size": len(members),
                    "stability": float(wins.max()),
                    "n_images": len(row),
                }
            )
    return rows


def places(scores: Floats | npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the place (1 is the highest score) of each row in each column; equal scores keep the order of the rows.

    A score that does not exist (NaN) comes last.
    """
    lowest = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-lowest, axis=0, kind="stable")
    found = np.empty(order.shape, dtype=np.int64)
    np.put_along_axis(found, order, np.arange(1, len(order) + 1)[:, None], axis=0)
    return found


def explanation_set(wins: Floats, level: float = LEVEL) -> set[int]:
    """Return the smallest set of rows, the most frequent winners first, that wins in `level` of all resamples."""
    members: set[int] = set()
    reached = 0.0
    for i in np.argsort(-wins, kind="stable"):
        if reached >= level - 1e-12:
            break
        members.add(int(i))
        reached += float(wins[i])
    return members
