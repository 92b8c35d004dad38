"""Images that speak against an explanation: each is a candidate for a wrong label or for a missing word.

`against` ranks them for one unit: images that match and do not fire, and images that fire and do not match.
`missing_words` names what the latter have in common.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptx.verification.statistics import Bools, Floats, Values

COUNTEREXAMPLES = pa.schema(
    [
        ("layer", pa.string()),
        ("unit", pa.string()),
        ("expression", pa.string()),
        ("kind", pa.string()),
        ("rank", pa.int32()),
        ("image", pa.string()),
        ("split", pa.string()),
        ("value", pa.float64()),
        ("level", pa.float64()),
        ("word", pa.string()),
    ]
)
"""One row an image. `kind` is "silent" (matches, does not fire: is the label wrong?) or "unexpected" (fires, does not
match: is a label or a word missing?). `level` is the value as a share of the unit's range. `word` is a class that the
image has and that is more frequent among the unit's unexpected images than among the others that do not match."""

SILENT, UNEXPECTED = "silent", "unexpected"
FIRES_ABOVE = 0.2
"""A unit *fires* on an image, for counter-examples, above this share of its range."""
MAX_OF_A_KIND = 20


def levels(values: Values) -> Floats:
    """Return the values as shares of the unit's range: from 0 (or its minimum, where that is lower) to its maximum."""
    if not len(values):
        return np.zeros(0)
    wide = np.asarray(values, dtype=np.float64)
    base = min(0.0, float(wide.min()))
    span = float(wide.max()) - base
    return (wide - base) / span if span > 0 else np.zeros(len(wide))


def against(values: Values, matches: Bools) -> tuple[list[int], list[int]]:
    """Return the matching images that do not fire, the lowest first, and the firing ones that do not match, the
    highest first; equal values stay in the order of the images.
    """
    level = levels(values)
    silent = [int(i) for i in np.argsort(level, kind="stable") if matches[i] and level[i] <= FIRES_ABOVE]
    unexpected = [int(i) for i in np.argsort(-level, kind="stable") if not matches[i] and level[i] > FIRES_ABOVE]
    return silent, unexpected


def missing_words(
    packed: npt.NDArray[np.uint64], sizes: npt.NDArray[np.int64], unexpected: Bools, matches: Bools, most: int = 3
) -> list[int]:
    """Return the extents (rows of bits over all images, `sizes` images each) that mark the unexpected images best.

    Among the images that do not match, an extent that holds for a share a of the unexpected and b of the rest marks by
    a - b. Only extents with at least three of the unexpected images and a > b count; among equals the first is first.
    """
    from conceptx.induction.extents import pack

    rest = ~matches & ~unexpected
    if unexpected.sum() < 3 or not rest.any():
        return []
    hits = np.bitwise_count(packed & pack(unexpected)).sum(axis=1, dtype=np.int64)
    others = np.bitwise_count(packed & pack(rest)).sum(axis=1, dtype=np.int64)
    gain = hits / unexpected.sum() - others / rest.sum()
    order = np.argsort(-gain, kind="stable")
    return [int(i) for i in order if hits[i] >= 3 and gain[i] > 0 and sizes[i]][:most]


def counterexample_rows(
    layer: str,
    unit: str,
    expression: str,
    values: Values,
    matches: Bools,
    images: Sequence[str],
    splits: Sequence[str],
    words: Sequence[tuple[str, Bools]] = (),
) -> list[dict[str, object]]:
    """Return the rows of COUNTEREXAMPLES for one unit; `words` are the classes of `missing_words` with extents (n,)."""
    level = levels(values)
    rows: list[dict[str, object]] = []
    for kind, found in zip((SILENT, UNEXPECTED), against(values, matches), strict=True):
        for place, i in enumerate(found[:MAX_OF_A_KIND], start=1):
            word = next((name for name, extent in words if extent[i]), None) if kind == UNEXPECTED else None
            rows.append(
                {
                    "layer": layer,
                    "unit": unit,
                    "expression": expression,
                    "kind": kind,
                    "rank": place,
                    "image": images[i],
                    "split": splits[i],
                    "value": float(values[i]),
                    "level": float(level[i]),
                    "word": word,
                }
            )
    return rows
