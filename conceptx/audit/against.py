"""What speaks against an explanation, computed again: changed expressions, and images that do not fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from conceptx.audit import slow
from conceptx.audit.differences import Differences
from conceptx.audit.draws import changed_targets
from conceptx.audit.evidence import Bools, Evidence, Floats
from conceptx.audit.findings import Check
from conceptx.audit.variants import variants
from conceptx.expressions import Named, contains, parse, to_manchester
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy

Row = Mapping[str, Any]
Key = tuple[str, str]
Places = npt.NDArray[np.intp]

FIRES = 0.2
"""A unit fires on an image, for counter-examples, above this share of its range."""
LISTED = 20
_NORMAL = float(stats.norm.ppf(0.975))
_TEXTS = ("layer", "unit", "expression")


def judged_of(verdicts: Sequence[Row]) -> dict[Key, tuple[str, str]]:
    """Return each unit's judged expression and its verdict, as the rows on verification have them."""
    return {
        (row["layer"], row["unit"]): (row["expression"], row["verdict"])
        for row in verdicts
        if row["split"] == "verification" and row["expression"] is not None and row["verdict"] is not None
    }


def check_sanity(
    rows: Sequence[Row],
    judged: Mapping[Key, tuple[str, str]],
    evidence: Evidence,
    hierarchy: Hierarchy,
    seed: int,
    progress: Progress = silent,
) -> Check:
    """Change every judged expression again, and compare how its correlation falls."""
    found = Differences("sanity", (*_TEXTS, "change", "part", "variant", "outcome"))
    frequency = Counter(name for picture in evidence.pictures for node in picture.classes.values() for name in node)
    held_out = evidence.held_out
    compared = 0
    stored = _by_unit("sanity.parquet", rows)
    for unit, (text, _) in progress(judged.items(), total=len(judged), label="sanity"):
        expression = parse(text)
        extent = evidence.whole_extent(expression)[held_out]
        values = evidence.all_values(*unit)[held_out]
        own = _pull(values, extent)
        fewer, more = changed_targets(extent, seed, *unit)
        tried: list[tuple[str, str | None, str | None, Bools]] = [
            (change, part, to_manchester(changed), evidence.whole_extent(changed)[held_out])
            for change, part, changed in variants(expression, hierarchy, frequency)
        ]
        tried += [("half of the targets removed", None, None, fewer), ("as many others added", None, None, more)]
        mine = stored.pop(unit, [])
        names = [(row["expression"], row["change"], row["part"], row["variant"]) for _, row in mine]
        if names != [(text, change, part, variant) for change, part, variant, _ in tried]:
            found.add("sanity.parquet", f"the changes of layer {unit[0]!r} unit {unit[1]!r} are not those to be tried")
            continue
        for (where, row), (*_, other) in zip(mine, tried, strict=True):
            outcome, figures = _fall(values, extent, other, own)
            compared += 1
            found.same_text(where, "outcome", row["outcome"], outcome)
            found.compare(where, row, figures)
    for unit in stored:
        found.add("sanity.parquet", f"has rows for layer {unit[0]!r} unit {unit[1]!r}, which nothing asks for")
    return found.check(compared)


def _fall(
    values: Floats, extent: Bools, other: Bools, own: tuple[float, Floats] | None
) -> tuple[str, dict[str, float]]:
    """Return what becomes of the correlation, and the row's figures; `own` is the pull of the extent."""
    figures = dict.fromkeys(
        (f"{name}{end}" for name in ("correlation", "fall") for end in ("", "_low", "_high")), math.nan
    )
    figures["n_target"] = int(other.sum())
    if (extent == other).all():
        return "same images", figures
    if other.all() or not other.any():
        which = "all" if other.any() else "none"
        return f"not testable: it holds for {which} of the held-out images", figures
    r, ends = slow.correlation(values[other], values[~other])
    figures |= dict(zip(("correlation", "correlation_low", "correlation_high"), (r, *ends), strict=True))
    changed = _pull(values, other)
    if own is None or changed is None:
        return "level", figures
    fall = own[0] - changed[0]
    width = _NORMAL * math.sqrt(float(((own[1] - changed[1]) ** 2).sum())) / len(values)
    figures |= {"fall": fall, "fall_low": fall - width, "fall_high": fall + width}
    return "falls" if fall > width else "rises" if -fall > width else "level", figures


def _pull(values: Floats, extent: Bools) -> tuple[float, Floats] | None:
    """Return r and how much each image pulls it, z_x z_y - r (z_x² + z_y²) / 2; None where r does not exist."""
    if extent.all() or not extent.any() or (values == values[0]).all():
        return None
    x, y = ((of - of.mean()) / of.std() for of in (extent.astype(np.float64), values))
    r = float(np.mean(x * y))
    return r, x * y - r * (x**2 + y**2) / 2


def check_counterexamples(
    rows: Sequence[Row],
    judged: Mapping[Key, tuple[str, str]],
    evidence: Evidence,
    hierarchy: Hierarchy,
    progress: Progress = silent,
) -> Check:
    """Rank the images that speak against every judged expression again, and look for the words that they share."""
    found = Differences("counterexamples", (*_TEXTS, "kind", "image", "split", "word"))
    words = _words(evidence, hierarchy) if judged else []
    table = _table(words, len(evidence.images))
    stored = _by_unit("counterexamples.parquet", rows)
    compared = 0
    for unit, (text, _) in progress(judged.items(), total=len(judged), label="counter-examples"):
        values = evidence.all_values(*unit)
        matches = evidence.whole_extent(parse(text))
        base = min(0.0, float(values.min()))
        span = float(values.max()) - base
        level = (values - base) / span if span > 0 else np.zeros(len(values))
        fires = level > FIRES
        # Where levels are equal the images keep their order, rising as well as falling.
        quiet, loud = np.flatnonzero(matches & ~fires), np.flatnonzero(~matches & fires)
        silent_ones = quiet[np.argsort(level[quiet], kind="stable")[:LISTED]].tolist()
        unexpected = loud[np.argsort(-level[loud], kind="stable")[:LISTED]].tolist()
        marking = _marking(table, ~matches & fires, ~matches & ~fires)
        having = {w: set(words[w][1].tolist()) for w in marking}
        wanted = [("silent", k, i) for k, i in enumerate(silent_ones, start=1)]
        wanted += [("unexpected", k, i) for k, i in enumerate(unexpected, start=1)]
        mine = stored.pop(unit, [])
        if len(mine) != len(wanted):
            what = f"has {len(mine)} rows for layer {unit[0]!r} unit {unit[1]!r}, computed again {len(wanted)}"
            found.add("counterexamples.parquet", what)
            continue
        for (where, row), (kind, rank, i) in zip(mine, wanted, strict=True):
            compared += 1
            word = next((words[w][0] for w in marking if i in having[w]), None) if kind == "unexpected" else None
            again = {"expression": text, "kind": kind, "image": evidence.images[i], "word": word}
            for name, value in (again | {"split": str(evidence.splits[i])}).items():
                found.same_text(where, name, row[name], value)
            found.compare(where, row, {"rank": rank, "value": float(values[i]), "level": float(level[i])})
    for unit in stored:
        found.add("counterexamples.parquet", f"has rows for layer {unit[0]!r} unit {unit[1]!r}, which nothing asks for")
    return found.check(compared)


def _words(evidence: Evidence, hierarchy: Hierarchy) -> list[tuple[str, Places]]:
    """Return ``contains some C`` for every class of the pictures with its images, one for each distinct set of images.

    Of several classes with the same images the most specific one stands for them (the longest chain above it), then the
    first by name; the words are in the same order. Classes of all or of no images say nothing.
    """
    held = evidence.containing
    chain: dict[str, int] = {}

    def above(name: str) -> int:
        if name not in chain:
            parents = [hierarchy.name(int(i)) for i in hierarchy.parents(hierarchy.id(name))]
            chain[name] = 1 + max((above(parent) for parent in parents), default=-1)
        return chain[name]

    named = [(to_manchester(contains(Named(name))), name) for name in held]
    found: dict[bytes, tuple[str, Places]] = {}
    for text, name in sorted(named, key=lambda pair: (-above(pair[1]), pair[0])):
        if len(held[name]) < len(evidence.pictures):
            found.setdefault(held[name].tobytes(), (text, held[name]))
    return list(found.values())


def _table(words: Sequence[tuple[str, Places]], images: int) -> sparse.csr_array:
    """Return which word holds for which image (words, images), as ones."""
    starts = np.cumsum([0, *(len(places) for _, places in words)])
    places = np.concatenate([np.empty(0, np.intp), *(places for _, places in words)])
    return sparse.csr_array((np.ones(len(places), np.int64), places, starts), shape=(len(words), images))


def _marking(table: sparse.csr_array, unexpected: Bools, rest: Bools) -> list[int]:
    """Return the words that are more frequent among the unexpected images than among the rest, the clearest three."""
    if unexpected.sum() < 3 or not rest.any():
        return []
    hits, others = table @ unexpected, table @ rest
    gain = hits / unexpected.sum() - others / rest.sum()
    able = [w for w in range(table.shape[0]) if hits[w] >= 3 and gain[w] > 0]
    return sorted(able, key=lambda w: -gain[w])[:3]


def _by_unit(name: str, rows: Sequence[Row]) -> dict[Key, list[tuple[str, Row]]]:
    found: dict[Key, list[tuple[str, Row]]] = {}
    for i, row in enumerate(rows, start=1):
        found.setdefault((row["layer"], row["unit"]), []).append((f"{name}:{i}", row))
    return found
