"""Units together, the numbers over all tables, and the plan, computed again."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from conceptx.audit import slow
from conceptx.audit.differences import Differences, same
from conceptx.audit.evidence import Bools, Evidence, Floats
from conceptx.audit.findings import Check
from conceptx.expressions import parse
from conceptx.progress import Progress, silent
from conceptx.verification.protocol import Protocol

Row = Mapping[str, Any]
Key = tuple[str, str]

LARGEST = 3
CONSIDERED = 8
_HELD_OUT = ("evaluation", "verification")


def check_ensembles(
    rows: Sequence[Row],
    judged: Mapping[Key, tuple[str, str]],
    evidence: Evidence,
    protocol: Protocol,
    progress: Progress = silent,
) -> Check:
    """Choose the units that answer together for every expression again, and count what they do."""
    found = Differences("ensembles", ("layer", "expression", "split", "units", "single"))
    stored = {_key(row): (f"ensembles.parquet:{i}", row) for i, row in enumerate(rows, start=1)}
    if len(stored) != len(rows):
        found.add("ensembles.parquet", "has a row twice")
    compared = 0
    for layer, activations in evidence.layers.items():
        held = [text for (name, _), (text, verdict) in judged.items() if name == layer and verdict in _GOOD]
        known = _Layer.of(evidence, layer, activations.units) if held else None
        for text in progress(list(dict.fromkeys(held)), total=len(set(held)), label=f"ensembles, {layer}"):
            assert known is not None
            for threshold, split, again in known.of_expression(text, protocol):
                where, row = stored.pop((layer, text, threshold, split), ("", None))
                if row is None:
                    found.add("ensembles.parquet", f"has no row for {text} above {threshold:g} on {split}")
                    continue
                compared += 1
                for name in ("units", "single"):
                    found.same_text(where, name, row[name], again.pop(name))
                found.compare(where, row, again)
    for where, row in stored.values():
        found.add(where, f"nothing asks for this row: {row['expression']} above {row['threshold']:g}")
    return found.check(compared)


_GOOD = ("confirmed", "weak")


@dataclass(frozen=True, slots=True)
class _Layer:
    """The units of a layer that fire at all: `maxima` where they were learned, `directions` on evaluation.

    directions: (units, images of evaluation), values less their mean, in units of their length (constant: all 0).
    """

    evidence: Evidence
    layer: str
    maxima: Mapping[str, float]
    directions: Floats

    @classmethod
    def of(cls, evidence: Evidence, layer: str, units: Sequence[str]) -> _Layer:
        """Read the units of a layer once, one by one."""
        tried, learned = evidence.splits == "evaluation", evidence.splits == "induction"
        maxima: dict[str, float] = {}
        rows = np.empty((len(units), int(tried.sum())))
        for unit in units:
            values = evidence.all_values(layer, unit)
            top = float((values[learned] if learned.any() else values).max())
            if top > 0:
                rows[len(maxima)] = _direction(values[tried])
                maxima[unit] = top
        return cls(evidence, layer, maxima, rows[: len(maxima)])

    def of_expression(self, text: str, protocol: Protocol) -> list[tuple[float, str, dict[str, Any]]]:
        """Return (threshold, split, figures) of the ensembles for an expression."""
        evidence = self.evidence
        extent = evidence.whole_extent(parse(text))
        tried = evidence.splits == "evaluation"
        target = extent[tried]
        if len(self.maxima) < 2 or target.all() or not target.any():
            return []
        # To six decimals, as the run rounds it, so that equal pulls stay in the order of the units.
        pulls = (self.directions @ (target - target.mean())).tolist()
        pull = {unit: round(of, 6) for unit, of in zip(self.maxima, pulls, strict=True)}
        order = [unit for unit in sorted(pull, key=lambda unit: -pull[unit])[:CONSIDERED] if pull[unit] > 0]
        values = {unit: evidence.all_values(self.layer, unit) for unit in order}
        found = []
        for threshold in protocol.margins:
            fires = {unit: values[unit] > threshold * self.maxima[unit] for unit in order}
            members = _chosen(order, {unit: fires[unit][tried] for unit in order}, target)
            if members:
                together = np.all([fires[unit] for unit in members], axis=0)
                for split in _HELD_OUT:
                    here = evidence.splits == split
                    shares = _shares(together[here], fires[members[0]][here], extent[here])
                    found.append(
                        (threshold, split, {"units": members, "single": members[0], **shares, "threshold": threshold})
                    )
        return found


def _direction(values: Floats) -> Floats:
    """Return values less their mean, in units of their length; all 0 for constant ones."""
    centred = values - values.mean()
    size = math.sqrt(float((centred**2).sum()))
    return centred / size if size > 0 else np.zeros(len(values))


def _chosen(order: Sequence[str], fires: Mapping[str, Bools], target: Bools) -> list[str]:
    """Return the best single unit and those that make it better, or nothing: by TLA - non-TLA, the smallest first."""

    def quality(units: Sequence[str]) -> float:
        together = np.all([fires[unit] for unit in units], axis=0)
        return float(together[target].mean() - together[~target].mean())

    if not order:
        return []
    single = max(order, key=lambda unit: (quality([unit]), -order.index(unit)))
    best, members = quality([single]), []
    for size in range(1, LARGEST):
        for others in combinations([unit for unit in order if unit != single], size):
            reached = quality([single, *others])
            if reached > best + 1e-12:
                best, members = reached, [single, *others]
    return members


def _shares(together: Bools, single: Bools, target: Bools) -> dict[str, Any]:
    figures: dict[str, Any] = {"n_target": int(target.sum()), "n_other": int((~target).sum())}
    lost = single & ~together
    for name, hits, among in (
        ("tla", together, target),
        ("non_tla", together, ~target),
        ("single_tla", single, target),
        ("single_non_tla", single, ~target),
        ("drop", lost, ~target),
        ("loss", lost, target),
    ):
        n, k = int(among.sum()), int((hits & among).sum())
        low, high = slow.wilson(k, n)
        figures |= {name: k / n if n else math.nan, f"{name}_low": low, f"{name}_high": high}
    return figures


def check_numbers(
    tables: Mapping[str, Sequence[Row]], judged: Mapping[Key, tuple[str, str]], summary: Row, protocol: Protocol
) -> Check:
    """Count the numbers that the report says of all tables again: `beside` in `verification.json`."""
    found = Differences("numbers beside", ())
    said: Row = summary["beside"]
    confirmed = {key for key, (_, verdict) in judged.items() if verdict == "confirmed"}

    def mine(name: str) -> list[Row]:
        return [row for row in tables[name] if (row["layer"], row["unit"]) in confirmed]

    survive = {
        (row["layer"], row["unit"])
        for row in mine("effects")
        if row["split"] == "verification" and row["p_max_t"] is not None and row["p_max_t"] < protocol.alpha
    }
    stable = {(row["layer"], row["unit"]): (row["stability"], row["set_size"]) for row in mine("stability")}
    outcomes = Counter((row["change"], row["outcome"].split(":")[0]) for row in mine("sanity"))
    drops = [row["drop"] for row in tables["ensembles"] if row["split"] == "verification"]
    again: dict[str, Any] = {
        "bootstrap": protocol.bootstrap,
        "permutations": protocol.permutations,
        "confirmed": len(confirmed),
        "confirmed_by_max_t": len(survive) if protocol.permutations else None,
        "stability_median": float(np.median([s for s, _ in stable.values()])) if stable else None,
        "one_expression_in_set": sum(size == 1 for _, size in stable.values()),
        "sanity": [{"change": change, "outcome": outcome, "n": n} for (change, outcome), n in sorted(outcomes.items())],
        "ensembles": len(drops),
        "ensemble_drop_median": float(np.median(drops)) if drops else None,
    }
    for name, value in again.items():
        stored = said.get(name)
        close = isinstance(value, float) and isinstance(stored, int | float) and same(float(stored), value, 1e-8)
        if not close:
            found.same_text("verification.json, beside", name, stored, value)
    return found.check(len(again))


def check_plan(
    plan: Row,
    hypotheses: Sequence[Row],
    verdicts: Sequence[Row],
    evidence: Evidence,
    summary: Row,
    protocol: Protocol,
    seed: int,
    activations: str,
) -> Check:
    """Compare what was written down before the verification with what was tested, digest by digest."""
    found = Differences("plan", ())
    content = {name: value for name, value in plan.items() if name != "digest"}
    found.same_text("plan.json", "digest", plan["digest"], _digest(content))
    units: dict[Key, list[tuple[bool, int, str]]] = {}
    for row in hypotheses:
        key = (row["layer"], row["unit"])
        units.setdefault(key, []).append((not row["proposed"], row["rank"], row["expression"]))
    listed = [
        {"layer": layer, "unit": unit, "tested": [text for *_, text in sorted(known)[: protocol.candidates]]}
        for (layer, unit), known in units.items()
    ]
    images = {
        split: [image for image, of in zip(evidence.images, evidence.splits.tolist(), strict=True) if of == split]
        for split in ("induction", *_HELD_OUT)
    }
    again = {
        "protocol": protocol.to_dict(),
        "seed": seed,
        "splits": {split: {"images": len(names), "digest": _digest(names)} for split, names in images.items()},
        "hypotheses": {"digest": _digest(listed), "units": listed},
        "tests": {"evaluation": sum(len(unit["tested"]) for unit in listed), "verification": len(listed)},
        "activations": activations,
    }
    for name, value in again.items():
        if _digest(plan[name]) != _digest(value):
            found.add("plan.json", f"{name} is not what the run has")
    planned = {(unit["layer"], unit["unit"], text) for unit in plan["hypotheses"]["units"] for text in unit["tested"]}
    for i, row in enumerate(verdicts, start=1):
        if row["split"] in _HELD_OUT and (row["layer"], row["unit"], row["expression"]) not in planned:
            found.add(f"verdicts.parquet:{i}", f"{row['expression']} was tested and not planned")
    shown = summary["plan"]
    found.same_text("verification.json, plan", "digest", shown["digest"], plan["digest"])
    tested = {split: sum(r["split"] == split and r["p"] is not None for r in verdicts) for split in _HELD_OUT}
    found.same_text("verification.json, plan", "tested", shown["tested"], tested)
    return found.check(
        len(again) + len(verdicts), also="the digest of the annotations, which only a replay makes again"
    )


def _digest(value: object) -> str:
    """Return the SHA-256 of the shortest JSON text with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


def _key(row: Row) -> tuple[str, str, float, str]:
    return row["layer"], row["expression"], row["threshold"], row["split"]
