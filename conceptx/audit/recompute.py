"""Every figure of a run's tables, computed again and compared.

Columns that this module does not know are left out and named; a figure differs when it is not equal to about nine
digits (p-values: six, which is what two ways through their far tails agree on).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conceptx.audit import slow
from conceptx.audit.differences import Differences
from conceptx.audit.evidence import Bools, Evidence
from conceptx.audit.findings import Check
from conceptx.expressions import length, parse
from conceptx.progress import Progress, silent
from conceptx.verification.protocol import Protocol

Row = Mapping[str, Any]

_TEXT = frozenset({"layer", "unit", "expression", "split", "verdict", "note", "kind", "rank", "proposed", "threshold"})
_TEST = ("u", "z", "p", "z_uncorrected", "p_one_tailed")


def check_hypotheses(rows: Sequence[Row], evidence: Evidence, protocol: Protocol, progress: Progress = silent) -> Check:
    """Compute length, extent and scores of every hypothesis on the induction images again."""
    found = Differences("hypotheses", {*_TEXT, "twins", "optimal", "bound"})
    fires: dict[tuple[str, str], Bools] = {}
    for number, row in enumerate(progress(rows, total=len(rows), label="hypotheses"), start=1):
        values = evidence.values(row["layer"], row["unit"], "induction")
        extent = evidence.extent(row["expression"], "induction")
        unit = row["layer"], row["unit"]
        if unit not in fires:
            fires = {unit: slow.fires(values)}
        positive = fires[unit]
        negative = ~positive
        if protocol.positive_from is not None and protocol.negative_to is not None:
            positive, negative = (
                values >= protocol.positive_from * values.max(),
                values <= protocol.negative_to * values.max(),
            )
        again: dict[str, float] = dict(slow.scores_of(values, extent, positive, negative))
        again |= {"length": length(parse(row["expression"])), "extent_size": int(extent.sum())}
        found.compare(f"hypotheses.parquet:{number}", row, again)
        for twin in row["twins"]:
            if not np.array_equal(evidence.extent(twin, "induction"), extent):
                found.add(f"hypotheses.parquet:{number}", f"the twin {twin!r} does not hold for the same images")
    return found.check(len(rows))


def check_verdicts(rows: Sequence[Row], evidence: Evidence, protocol: Protocol, progress: Progress = silent) -> Check:
    """Compute every statistic of every row of `verdicts.parquet` again, and q over all rows of a split."""
    found = Differences("verdicts", _TEXT)
    q: dict[int, float] = {}
    for split in ("evaluation", "verification"):
        places = [i for i, row in enumerate(rows) if row["split"] == split]
        p = [math.nan if rows[i]["p"] is None else float(rows[i]["p"]) for i in places]
        q |= dict(zip(places, slow.corrected(p, protocol.correction), strict=True))
    for i, row in enumerate(progress(rows, total=len(rows), label="verdicts")):
        if row["expression"] is None or row["split"] is None:
            continue
        where = f"verdicts.parquet:{i + 1}"
        values = evidence.values(row["layer"], row["unit"], row["split"])
        extent = evidence.extent(row["expression"], row["split"])
        again = slow.statistics_of(values[extent], values[~extent])
        tested = row["split"] != "induction" and "not testable" not in (row["note"] or "")
        if not tested:
            again |= dict.fromkeys(_TEST, math.nan)
        if tested != (row["p"] is not None):
            found.add(where, "has a p-value that its note denies, or lacks one")
        if tested and min(again["n_target"], again["n_other"]) < protocol.min_targets:
            found.add(where, f"was tested with fewer than {protocol.min_targets} images on a side")
        again["q"] = q.get(i, math.nan)
        found.compare(where, row, again)
    return found.check(len(rows))


def check_margins(rows: Sequence[Row], evidence: Evidence, progress: Progress = silent) -> Check:
    """Count again how often each unit fires on targets and on others above shares of its maximum."""
    found = Differences("margins", _TEXT)
    tops: dict[tuple[str, str], float] = {}
    for number, row in enumerate(progress(rows, total=len(rows), label="margins"), start=1):
        unit = row["layer"], row["unit"]
        if unit not in tops:
            learned = evidence.values(*unit, "induction")
            tops = {unit: float((learned if len(learned) else evidence.all_values(*unit)).max())}
        values = evidence.values(row["layer"], row["unit"], row["split"])
        extent = evidence.extent(row["expression"], row["split"])
        limit = row["threshold"] * tops[unit] if row["threshold"] > 0 else 0.0
        again: dict[str, float] = {}
        for name, side in (("tla", values[extent]), ("non_tla", values[~extent])):
            hits = int((side > limit).sum())
            low, high = slow.wilson(hits, len(side))
            again |= {name: hits / len(side) if len(side) else math.nan, f"{name}_low": low, f"{name}_high": high}
        found.compare(f"margins.parquet:{number}", row, again)
    return found.check(len(rows))


def check_floor(controls: Sequence[Row], summary: Row, protocol: Protocol) -> Check:
    """Compute the noise floor on held-out images again from the table of controls."""
    found = Differences("noise floor", _TEXT)
    compared = 0
    for kind, floor in sorted(summary["floors"].items()):
        rows = [row for row in controls if row["kind"] == kind]
        units = dict.fromkeys((row["layer"], row["unit"]) for row in rows)
        if len(units) != floor["n"]:
            found.add(f"verification.json, {kind}", f"counts {floor['n']} control units, the table has {len(units)}")
        again: dict[str, float] = {}
        for split in ("evaluation", "verification"):
            judged = {(r["layer"], r["unit"]): r for r in rows if r["split"] == split and r["verdict"] is not None}
            for column, name, nothing in (("correlation", split, 0.0), ("auroc", f"{split}_auroc", 0.5)):
                effects = [judged[key][column] if key in judged else nothing for key in units]
                known = sorted(e for e in effects if e is not None)
                again[name] = known[math.ceil(protocol.floor_quantile * (len(known) - 1))] if known else math.nan
        compared += len(again)
        found.compare(f"verification.json, {kind}", floor, again)
    return found.check(compared, also="the floor in the search, which only a replay makes again")


def check_rule(verdicts: Sequence[Row], hypotheses: Sequence[Row], summary: Row, protocol: Protocol) -> Check:
    """Apply the protocol's rule to the rows again: which hypothesis is judged, and the verdict of every unit."""
    found = Differences("verdict rule", _TEXT)
    searched = {(r["layer"], r["unit"]): r[protocol.objective] for r in hypotheses if r["proposed"]}
    rows_of: dict[tuple[str, str], list[Row]] = {}
    for row in verdicts:
        rows_of.setdefault((row["layer"], row["unit"]), []).append(row)
    counted: dict[str, int] = dict.fromkeys(summary["counts"], 0)
    for unit, rows in rows_of.items():
        printed = next((row["verdict"] for row in rows if row["verdict"]), None)
        expected = _verdict(rows, searched.get(unit), summary["floor"], protocol)
        if printed != expected:
            found.add(f"verdicts.parquet, layer {unit[0]!r} unit {unit[1]!r}", f"says {printed}, the rule {expected}")
        counted[expected] = counted.get(expected, 0) + 1
    found.compare("verification.json", summary["counts"], counted)
    return found.check(len(rows_of))


def _verdict(rows: Sequence[Row], score: float | None, floor: Row, protocol: Protocol) -> str:
    judged = {row["split"]: row for row in rows if row["verdict"] and row["expression"]}
    evaluation, verification = judged.get("evaluation"), judged.get("verification")
    if evaluation is None or verification is None:
        return "unexplained"
    if floor["search"] is not None and score is not None and score <= floor["search"]:
        return "unexplained"
    if protocol.rule == "activation":
        if evaluation["tla"] is None:
            return "unexplained"
        if evaluation["tla"] < protocol.min_tla:
            return "rejected"
        p = verification["p_one_tailed"]
        return "confirmed" if p is not None and p < protocol.alpha else "weak"
    if evaluation["p"] is None and verification["p"] is None:
        return "unexplained"
    agree = [
        row["q"] is not None and row["q"] < protocol.alpha and row["correlation"] > 0
        for row in (evaluation, verification)
    ]
    limit, effect = floor["verification"], verification["correlation"]
    above = limit is None or (effect is not None and effect > limit)
    if all(agree):
        return "confirmed" if above else "weak"
    return "weak" if any(agree) else "rejected"
