"""What stands beside the verdicts, computed again: effects and stability.

The bootstrap of a run sums in single precision, so intervals of correlations agree to n/2²⁴ for n images, and those of
AUROC and AUPRC to one in a million; everything else as closely as the verdicts do. A place among resampled hypotheses,
or a count of permutations, may differ where two sums are closer than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.audit import resampled, slow
from conceptx.audit.differences import Differences
from conceptx.audit.draws import orders, resamples
from conceptx.audit.evidence import Bools, Evidence, Floats
from conceptx.audit.findings import Check
from conceptx.expressions import parse
from conceptx.progress import Progress, silent
from conceptx.verification.protocol import Protocol

Row = Mapping[str, Any]
Key = tuple[str, str]

HELD_OUT = ("evaluation", "verification")
_NAMES = frozenset({"layer", "unit", "expression", "split"})
_LEAST = {"auroc": 0.0, "auprc": 0.0, "correlation": -1.0}


def check_effects(
    rows: Sequence[Row],
    verdicts: Sequence[Row],
    evidence: Evidence,
    brightness: Mapping[str, float] | None,
    protocol: Protocol,
    seed: int,
    progress: Progress = silent,
) -> Check:
    """Compute every figure of `effects.parquet` again."""
    found = Differences("effects", _NAMES)
    stored = {_key(row): (f"effects.parquet:{i}", row) for i, row in enumerate(rows, start=1)}
    wanted = {_key(row): row for row in verdicts if row["expression"] is not None and row["split"] in HELD_OUT}
    _same_rows(found, "effects.parquet", list(stored), list(wanted))
    for split in HELD_OUT:
        of_split = [row for row in wanted.values() if row["split"] == split]
        n = int((evidence.splits == split).sum())
        # Single precision in the run's sums: what the intervals may differ by.
        within = {f"{name}_bootstrap{end}": 1e-6 for name in ("auroc", "auprc") for end in ("_low", "_high")}
        again = _Again(evidence, split, of_split, brightness, protocol, seed)
        within |= {f"correlation_bootstrap{end}": max(1e-6, n / 2**24) for end in ("_low", "_high")}
        for key, figures in again.figures(progress):
            if key in stored:
                where, row = stored[key]
                shares = {name: figures.pop(name) for name in ("p_permutation", "p_max_t") if name in figures}
                for name, (low, high) in shares.items():
                    figures[name] = _between(row[name], low, high)
                found.compare(where, row, figures, within)
    return found.check(len(rows))


class _Again:
    """One split's figures: the tests of all units are needed before the first p can be corrected."""

    def __init__(
        self,
        evidence: Evidence,
        split: str,
        rows: Sequence[Row],
        brightness: Mapping[str, float] | None,
        protocol: Protocol,
        seed: int,
    ) -> None:
        self._evidence, self._split, self._rows = evidence, split, rows
        self._bright = None
        if brightness is not None:
            of_all = np.array([brightness.get(image, math.nan) for image in evidence.images])
            self._bright = of_all[evidence.splits == split]
        self._tests = sum(row["p"] is not None for row in rows)
        n = int((evidence.splits == split).sum())
        self._drawn = resamples(n, protocol.bootstrap, seed, split)
        self._orders = orders(n, protocol.permutations, seed, split)

    def figures(self, progress: Progress) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Yield the key of each row with its figures; the two p as the least and the largest that they can be."""
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        permuted: dict[tuple[str, ...], tuple[float, Floats]] = {}
        rows_of: dict[Key, list[Row]] = {}
        for row in self._rows:
            rows_of.setdefault((row["layer"], row["unit"]), []).append(row)
        label = f"effects, {self._split}"
        for unit, mine in progress(rows_of.items(), total=len(rows_of), label=label):
            for row, figures, z in self._of_unit(unit, mine):
                found[_key(row)] = figures
                if z is not None:
                    permuted[_key(row)] = z
        if len(self._orders):
            tested = [key for key, (observed, _) in permuted.items() if not math.isnan(observed)]
            corrected = resampled.max_t_of([permuted[key] for key in tested])
            for key, ends in zip(tested, corrected, strict=True):
                found[key] |= {"p_permutation": resampled.p_of(*permuted[key]), "p_max_t": ends}
        for key, figures in found.items():
            yield key, {"p_permutation": (math.nan,) * 2, "p_max_t": (math.nan,) * 2} | figures

    def _of_unit(
        self, unit: Key, rows: Sequence[Row]
    ) -> Iterator[tuple[Row, dict[str, Any], tuple[float, Floats] | None]]:
        """Yield each row of a unit with its figures, and its z observed and permuted if it was tested."""
        values = self._evidence.values(*unit, self._split)
        learned = self._evidence.values(*unit, "induction")
        fires = _fires_on(values, learned if len(learned) else self._evidence.all_values(*unit))
        extents = [self._evidence.extent(row["expression"], self._split) for row in rows]
        drawn = self._drawn
        testable = [i for i, row in enumerate(rows) if row["p"] is not None]
        chosen = [extents[i] for i in testable]
        groups = resampled.groups_of(values)
        measured = {
            i: dict(zip(("auroc", "auprc", "correlation"), (*ranked, r), strict=True))
            for i, ranked, r in zip(
                testable,
                resampled.rank_measures(groups, chosen, drawn),
                resampled.correlations(values, chosen, drawn),
                strict=True,
            )
        }
        permuted = dict(zip(testable, resampled.permuted_z(values, chosen, self._orders), strict=True))
        for i, (row, extent) in enumerate(zip(rows, extents, strict=True)):
            figures = self._plain(values, extent, fires)
            for name in _LEAST:
                ends = math.nan, math.nan
                if i in measured and row[name] is not None:
                    of_all = measured[i][name]
                    ends = resampled.interval(row[name], float(of_all[0]), of_all[1:], _LEAST[name])
                figures |= dict(zip((f"{name}_bootstrap_low", f"{name}_bootstrap_high"), ends, strict=True))
            yield row, figures, permuted.get(i)

    def _plain(self, values: Floats, extent: Bools, fires: Bools) -> dict[str, Any]:
        """Return what needs no resampling."""
        targets, others = values[extent], values[~extent]
        n1, n0 = len(targets), len(others)
        area, ends = slow.auroc(targets, others)
        both, either = int((extent & fires).sum()), int((extent | fires).sum())
        iou = (both / either if either else math.nan, *slow.wilson(both, either))
        figures: dict[str, Any] = {"n_target": n1, "n_other": n0, "n_either": either}
        figures["base_rate"] = n1 / (n1 + n0) if n1 + n0 else math.nan
        for name, three in (
            ("cliffs_delta", [2 * x - 1 for x in (area, *ends)]),
            ("f1", [2 * x / (1 + x) for x in iou]),
            ("iou", iou),
        ):
            figures |= dict(zip((name, f"{name}_low", f"{name}_high"), three, strict=True))
        tests = max(self._tests, 1)
        width = math.sqrt((1 / n1 + 1 / n0) * math.log(2 * tests / 0.05) / 2) if n1 and n0 else math.nan
        figures |= {
            "auroc_bound_low": max(0.0, area - width) if n1 and n0 else math.nan,
            "auroc_bound_high": min(1.0, area + width) if n1 and n0 else math.nan,
        }
        exact = (math.nan, math.nan)
        if n1:
            hits = int((targets > 0).sum())
            exact = slow.clopper_pearson(hits, n1, 1 - 0.05 / tests)
        figures |= dict(zip(("tla_bound_low", "tla_bound_high"), exact, strict=True))
        figures["smallest_p"] = min(1.0, 2 / math.comb(n1 + n0, n1)) if n1 and n0 else math.nan
        figures |= {"r_brightness": math.nan, "r_partial": math.nan}
        if self._bright is not None:
            xz, yz = _pearson(values, self._bright), _pearson(extent.astype(np.float64), self._bright)
            xy, rest = slow.correlation(targets, others)[0], (1 - xz * xz) * (1 - yz * yz)
            figures["r_brightness"] = xz
            figures["r_partial"] = (xy - xz * yz) / math.sqrt(rest) if rest > 1e-12 else math.nan
        return figures


def check_stability(
    rows: Sequence[Row],
    hypotheses: Sequence[Row],
    evidence: Evidence,
    protocol: Protocol,
    seed: int,
    progress: Progress = silent,
) -> Check:
    """Rank the hypotheses of every unit over the resampled images again."""
    found = Differences("stability", _NAMES)
    stored: dict[Key, list[tuple[str, Row]]] = {}
    for i, row in enumerate(rows, start=1):
        stored.setdefault((row["layer"], row["unit"]), []).append((f"stability.parquet:{i}", row))
    known: dict[Key, list[Row]] = {}
    for row in hypotheses:
        known.setdefault((row["layer"], row["unit"]), []).append(row)
    places = evidence.splits == "induction"
    places = places if places.any() else evidence.held_out
    n = int(places.sum())
    drawn = resamples(n, protocol.bootstrap, seed, "stability")
    wanted: list[tuple[str, ...]] = []
    for unit, of_unit in progress(known.items(), total=len(known), label="stability"):
        every = evidence.all_values(*unit)
        values = every[places]
        listed = sorted(of_unit, key=lambda row: row["rank"])
        extents = [evidence.whole_extent(parse(row["expression"]))[places] for row in listed]
        scores = np.array(resampled.correlations(values, extents, drawn))
        if every.min() == every.max() or np.isnan(scores[:, 0]).all() or not protocol.bootstrap:
            continue
        wanted += [(*unit, row["expression"]) for row in listed]
        mine = stored.get(unit, [])
        if [row["expression"] for _, row in mine] == [row["expression"] for row in listed]:
            _compare_ranks(found, mine, scores, n)
    _same_rows(found, "stability.parquet", [(r["layer"], r["unit"], r["expression"]) for r in rows], wanted)
    return found.check(len(rows))


def _compare_ranks(found: Differences, rows: Sequence[tuple[str, Row]], scores: Floats, n: int) -> None:
    """Compare the rows of one unit with its hypotheses' correlations (hypotheses, 1 + resamples), the sample first."""
    near = max(1e-6, n / 2**24)
    within = {f"correlation{end}": near for end in ("", "_low", "_high")}
    least, largest = _places(scores, near)
    members = _explanation_set([row["wins"] for _, row in rows])
    for i, (where, row) in enumerate(rows):
        ranks = (least[i, 1:], largest[i, 1:])
        wins = (float((ranks[1] == 1).mean()), float((ranks[0] == 1).mean()))
        low, high = np.nanquantile(scores[i, 1:], (0.025, 0.975))
        ends = [np.quantile(of, (0.025, 0.975), method="nearest") for of in ranks]
        figures: dict[str, float] = {
            "correlation": float(scores[i, 0]),
            "correlation_low": float(low),
            "correlation_high": float(high),
            "rank": _between(row["rank"], least[i, 0], largest[i, 0]),
            "wins": _between(row["wins"], *wins),
            "rank_low": _between(row["rank_low"], ends[0][0], ends[1][0]),
            "rank_high": _between(row["rank_high"], ends[0][1], ends[1][1]),
            "in_set": i in members,
            "set_size": len(members),
            "stability": max(row["wins"] for _, row in rows),
            "n_images": n,
        }
        found.compare(where, row, figures, within)


def _places(scores: Floats, within: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the best and the worst place of each row in each column, where scores so close may change places.

    Equal scores keep the order of the rows; one that does not exist comes last.
    """
    known = np.where(np.isnan(scores), -9.0, scores)
    least, largest = np.ones(scores.shape, np.int64), np.ones(scores.shape, np.int64)
    for i in range(len(known)):
        for k in range(len(known)):
            if i != k:
                ahead = known[k] - known[i]
                equal = ahead == 0
                least[i] += np.where(equal, k < i, ahead > within)
                largest[i] += np.where(equal, k < i, ahead > -within)
    return least, largest


def _explanation_set(wins: Sequence[float]) -> set[int]:
    """Return the fewest rows, the most frequent winners first, that together win in 95 % of the resamples."""
    order = sorted(range(len(wins)), key=lambda i: -wins[i])
    size = next((k for k in range(len(order) + 1) if sum(wins[i] for i in order[:k]) >= 0.95 - 1e-12), len(order))
    return set(order[:size])


def _between(stored: float | None, low: float, high: float) -> float:
    """Return the stored figure if it lies between what rounding allows, else what was computed."""
    if stored is not None and low - 1e-12 <= stored <= high + 1e-12:
        return float(stored)
    return float(low)


def _fires_on(values: Floats, learned: Floats) -> Bools:
    """Return where a unit reaches the lowest value that counts as firing on the images that it was learned from."""
    above = learned[slow.fires(learned)]
    return values >= above.min() if len(above) else np.zeros(len(values), dtype=bool)


def _pearson(x: Floats, y: Floats) -> float:
    if len(x) < 2 or (x == x[0]).all() or (y == y[0]).all():
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _key(row: Row) -> tuple[str, ...]:
    return row["layer"], row["unit"], row["expression"], row["split"]


def _same_rows(
    found: Differences, name: str, stored: Sequence[tuple[str, ...]], wanted: Sequence[tuple[str, ...]]
) -> None:
    """Note rows that are missing, and rows that nothing asks for."""
    for key in sorted(set(wanted) - set(stored)):
        found.add(name, f"has no row for {' / '.join(key)}")
    for key in sorted(set(stored) - set(wanted)):
        found.add(name, f"has a row that nothing asks for: {' / '.join(key)}")
    if len(stored) != len(set(stored)):
        found.add(name, "has a row twice")
