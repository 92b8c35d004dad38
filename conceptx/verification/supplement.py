"""What stands beside the verdicts: resampled p-values and intervals, stability, sanity, counter-examples, ensembles.

`supplement` makes the five tables and their numbers from the same hypotheses, splits and activations as `verify`, and
its table of verdicts. Nothing here changes a verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from conceptx.expressions import Expression, parse, to_manchester
from conceptx.progress import Progress, silent
from conceptx.tables import from_rows
from conceptx.verification.counterexamples import (
    COUNTEREXAMPLES,
    FIRES_ABOVE,
    counterexample_rows,
    levels,
    missing_words,
)
from conceptx.verification.effects import (
    auroc_bound,
    clopper_pearson,
    overlap,
    partial_correlation,
    pearson,
)
from conceptx.verification.ensembles import ENSEMBLES, ensemble_rows
from conceptx.verification.judge import Sample
from conceptx.verification.protocol import Protocol
from conceptx.verification.resampling import MEASURES, Resampled, max_t, p_values, resample
from conceptx.verification.sanity import SANITY, sanity_rows
from conceptx.verification.stability import STABILITY, stability_rows
from conceptx.verification.statistics import LEVEL, Bools, Estimate, Values, cliffs_delta, smallest_p
from conceptx.verification.verify import brightness_of, make_sample, values_of

if TYPE_CHECKING:
    from conceptx.activations.store import Activations
    from conceptx.annotation.scenes import Scenes

HELD_OUT = ("evaluation", "verification")
_WITH_INTERVAL = ("cliffs_delta", "f1", "iou")
_BOUNDS = (*(f"{m}_bootstrap" for m in MEASURES), "auroc_bound", "tla_bound")

EFFECTS = pa.schema(
    [
        *((name, pa.string()) for name in ("layer", "unit", "expression", "split")),
        *((name, pa.int64()) for name in ("n_target", "n_other", "n_either")),
        ("base_rate", pa.float64()),
        *((name + end, pa.float64()) for name in _WITH_INTERVAL for end in ("", "_low", "_high")),
        *((name + end, pa.float64()) for name in _BOUNDS for end in ("_low", "_high")),
        *((name, pa.float64()) for name in ("smallest_p", "p_permutation", "p_max_t")),
        *((name, pa.float64()) for name in ("r_brightness", "r_partial")),
    ]
)
"""One row for each row of VERDICTS on a held-out split: more measures of the same images.

`base_rate` is the AUPRC of a random ranking; `n_either` the n of F1 and IoU; `_bootstrap` are percentile intervals;
`auroc_bound` and `tla_bound` hold for all tested rows of the split at once, whatever the distribution; `smallest_p` is
the smallest p that a rank test could give; `r_brightness` is the unit's correlation with the images' brightness and
`r_partial` the expression's correlation with the unit at equal brightness.
"""


@dataclass(frozen=True, slots=True)
class Supplement:
    """The five tables, and `numbers` over them for the report."""

    effects: pa.Table
    stability: pa.Table
    sanity: pa.Table
    counterexamples: pa.Table
    ensembles: pa.Table
    numbers: Mapping[str, Any]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The tables by the names of their files."""
        names = ("effects", "stability", "sanity", "counterexamples", "ensembles")
        return {name: getattr(self, name) for name in names}


def supplement(
    activations: Sequence[Activations],
    scenes: Scenes,
    splits: Mapping[str, str],
    hypotheses: pa.Table,
    verdicts: pa.Table,
    *,
    protocol: Protocol,
    seed: int = 0,
    brightness: Mapping[str, float] | None = None,
    progress: Progress = silent,
) -> Supplement:
    """Return what stands beside `verdicts`, the table that `verify` made of the same arguments."""
    from conceptx.induction.extents import Evaluator

    sample = make_sample(scenes, splits, "splits")
    values = {
        (layer.layer, unit): row
        for layer in activations
        for unit, row in zip(layer.units, values_of(layer, splits), strict=True)
    }
    rows = [row for row in verdicts.to_pylist() if row["expression"] is not None and row["split"] in HELD_OUT]
    bright = None if brightness is None else brightness_of(brightness, splits)
    effects: list[dict[str, object]] = []
    for split in HELD_OUT:
        of_split = [row for row in rows if row["split"] == split]
        effects += _effects(of_split, split, values, sample, bright, protocol, seed, progress)
    known = Evaluator(scenes.subset(list(splits)))
    judged = {
        (row["layer"], row["unit"]): (parse(row["expression"]), row["verdict"])
        for row in rows
        if row["split"] == "verification" and row["verdict"] is not None
    }
    stability = _stability(hypotheses, values, known.held, sample, protocol, seed, progress)
    sanity = _sanity(judged, values, known.held, sample, scenes, seed, progress)
    against = _counterexamples(judged, values, known.held, scenes.subset(list(splits)), splits, progress)
    ensembles = _ensembles(activations, judged, values, known.held, sample, protocol, progress)
    return Supplement(
        effects=from_rows(effects, EFFECTS),
        stability=from_rows(stability, STABILITY),
        sanity=from_rows(sanity, SANITY),
        counterexamples=from_rows(against, COUNTEREXAMPLES),
        ensembles=from_rows(ensembles, ENSEMBLES),
        numbers=_numbers(effects, stability, sanity, ensembles, judged, protocol),
    )


_Key = tuple[str, str]
_Judged = Mapping[_Key, tuple[Expression, str]]
_Rows = list[dict[str, object]]
_Extents = Callable[[Expression], Bools]


def _effects(
    rows: Sequence[Mapping[str, Any]],
    split: str,
    values: Mapping[_Key, Values],
    sample: Sample,
    brightness: Values | None,
    protocol: Protocol,
    seed: int,
    progress: Progress,
) -> _Rows:
    """Return the rows of EFFECTS of one split; a row that was not testable gets no p-value."""
    members = sample.splits[split]
    tested = sum(row["p"] is not None for row in rows)
    of_unit: dict[_Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        of_unit.setdefault((row["layer"], row["unit"]), []).append(row)
    parsed = {text: parse(text) for text in dict.fromkeys(row["expression"] for row in rows)}

    def extent_of(row: Mapping[str, Any]) -> Bools:
        return sample.extent_of(parsed[row["expression"]])[members]

    # Untestable rows are left out: the maximum over all units must not run over tests that nobody does.
    testable = [[row for row in found if row["p"] is not None] for found in of_unit.values()]
    resampled = resample(
        [values[key][members] for key in of_unit],
        testable,
        extent_of,
        bootstrap=protocol.bootstrap,
        permutations=protocol.permutations,
        seed=seed,
        word=split,
        progress=progress,
    )
    p, corrected = p_values(resampled), max_t(resampled)
    pairs = {id(row): i for i, row in enumerate(row for found in testable for row in found)}
    made: _Rows = []
    for key, found in of_unit.items():
        fires = _fires(values[key], sample)[members]
        x = values[key][members]
        r_brightness = math.nan if brightness is None else pearson(x, brightness[members])
        for row in found:
            extent = extent_of(row)
            n1, n0 = row["n_target"], row["n_other"]
            common = overlap(fires, extent)
            numbers: dict[str, float] = {"base_rate": n1 / (n1 + n0) if n1 + n0 else math.nan}
            area = Estimate(
                *(math.nan if row[f"auroc{e}"] is None else row[f"auroc{e}"] for e in ("", "_low", "_high"))
            )
            estimates = (cliffs_delta(area), common.f1, common.iou)
            for name, estimate in zip(_WITH_INTERVAL, estimates, strict=True):
                numbers |= dict(zip((name, f"{name}_low", f"{name}_high"), estimate, strict=True))
            auroc = math.nan if row["auroc"] is None else row["auroc"]
            ends = {"auroc_bound": auroc_bound(auroc, n1, n0, tested)}
            hits = int((x[extent] > 0).sum())
            ends["tla_bound"] = clopper_pearson(hits, n1, 1 - (1 - LEVEL) / max(tested, 1))
            if id(row) in pairs:
                pair = pairs[id(row)]
                ends |= _bootstrap_ends(resampled, pair, row)
                if protocol.permutations:
                    numbers |= {"p_permutation": float(p[pair]), "p_max_t": float(corrected[pair])}
            for name, (low, high) in ends.items():
                numbers |= {f"{name}_low": low, f"{name}_high": high}
            if n1 and n0:
                numbers["smallest_p"] = smallest_p(n1, n0)
            if brightness is not None:
                r = math.nan if row["correlation"] is None else row["correlation"]
                with_words = pearson(extent.astype(np.float64), brightness[members])
                numbers |= {
                    "r_brightness": r_brightness,
                    "r_partial": partial_correlation(r, r_brightness, with_words),
                }
            same = {name: row[name] for name in ("layer", "unit", "expression", "split", "n_target", "n_other")}
            known = {name: number for name, number in numbers.items() if math.isfinite(number)}
            made.append({**same, "n_either": common.n_either, **known})
    return made


def _bootstrap_ends(resampled: Resampled, pair: int, row: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {
        f"{measure}_bootstrap": resampled.interval(pair, measure, math.nan if row[measure] is None else row[measure])
        for measure in MEASURES
    }


def _fires(values: Values, sample: Sample) -> Bools:
    """Return on which of all images a unit fires: above the threshold that its induction images set (Otsu's rule)."""
    from conceptx.induction.scores import firing

    learned = values[sample.splits["induction"]] if "induction" in sample.splits else values
    above = firing(learned)
    return values >= learned[above].min() if above.any() else np.zeros(len(values), dtype=bool)


def _stability(
    hypotheses: pa.Table,
    values: Mapping[_Key, Values],
    held: _Extents,
    sample: Sample,
    protocol: Protocol,
    seed: int,
    progress: Progress,
) -> _Rows:
    """Resample the images that the hypotheses were ranked on, or the held-out ones where there are no such images."""
    places = sample.splits.get("induction")
    if places is None:
        places = np.sort(np.concatenate([sample.splits[split] for split in HELD_OUT]))
    found: dict[_Key, list[tuple[int, Expression]]] = {}
    columns = (hypotheses[name].to_pylist() for name in ("layer", "unit", "rank", "expression"))
    for layer, unit, rank, text in zip(*columns, strict=True):
        found.setdefault((layer, unit), []).append((rank, parse(text)))
    live = {key: made for key, made in found.items() if values[key].min() < values[key].max()}
    return stability_rows(
        list(live),
        [values[key][places] for key in live],
        [[expression for _, expression in sorted(made, key=lambda pair: pair[0])] for made in live.values()],
        lambda expression: held(expression)[places],
        resamples=protocol.bootstrap,
        seed=seed,
        progress=progress,
    )


def _sanity(
    judged: _Judged,
    values: Mapping[_Key, Values],
    held: _Extents,
    sample: Sample,
    scenes: Scenes,
    seed: int,
    progress: Progress,
) -> _Rows:
    places = np.sort(np.concatenate([sample.splits[split] for split in HELD_OUT]))
    rows: _Rows = []
    for (layer, unit), (expression, _) in progress(judged.items(), total=len(judged), label="sanity"):
        x = values[layer, unit][places]
        rows += sanity_rows(layer, unit, expression, x, lambda e: held(e)[places], scenes, seed)
    return rows


def _counterexamples(
    judged: _Judged,
    values: Mapping[_Key, Values],
    held: _Extents,
    scenes: Scenes,
    splits: Mapping[str, str],
    progress: Progress,
) -> _Rows:
    from conceptx.induction.extents import atoms

    words = atoms(scenes, ("classes",))
    images, split_of = list(splits), list(splits.values())
    rows: _Rows = []
    for (layer, unit), (expression, _) in progress(judged.items(), total=len(judged), label="counter-examples"):
        x, matches = values[layer, unit], held(expression)
        unexpected = ~matches & (levels(x) > FIRES_ABOVE)
        marking = [words.expressions[i] for i in missing_words(words.packed, words.counts, unexpected, matches)]
        named = [(to_manchester(word), held(word)) for word in marking]
        rows += counterexample_rows(layer, unit, to_manchester(expression), x, matches, images, split_of, named)
    return rows


def _ensembles(
    activations: Sequence[Activations],
    judged: _Judged,
    values: Mapping[_Key, Values],
    held: _Extents,
    sample: Sample,
    protocol: Protocol,
    progress: Progress,
) -> _Rows:
    """Combine the units of each layer for the expressions that held at least weakly for one of them."""
    rows: _Rows = []
    for layer in activations:
        good = [e for (name, _), (e, verdict) in judged.items() if name == layer.layer and verdict in _HELD]
        of_layer = [values[layer.layer, unit] for unit in layer.units]
        learned = sample.splits.get("induction")
        maxima = [float((x if learned is None else x[learned]).max()) for x in of_layer]
        concepts = list(dict.fromkeys(good))
        rows += ensemble_rows(
            layer.layer, layer.units, of_layer, maxima, concepts, held, sample.splits, protocol.margins, progress
        )
    return rows


_HELD = ("confirmed", "weak")


def _numbers(
    effects: _Rows, stability: _Rows, sanity: _Rows, ensembles: _Rows, judged: _Judged, protocol: Protocol
) -> dict[str, Any]:
    """Return the supplement in numbers, for the report and `verification.json`."""
    confirmed = {key for key, (_, verdict) in judged.items() if verdict == "confirmed"}

    def of_confirmed(rows: _Rows) -> _Rows:
        return [row for row in rows if (row["layer"], row["unit"]) in confirmed]

    stable: dict[_Key, tuple[float, int]] = {
        (str(row["layer"]), str(row["unit"])): (float(str(row["stability"])), int(str(row["set_size"])))
        for row in of_confirmed(stability)
    }
    outcomes = Counter((str(row["change"]), str(row["outcome"]).split(":")[0]) for row in of_confirmed(sanity))
    survives = [
        row
        for row in of_confirmed(effects)
        if row["split"] == "verification" and float(str(row.get("p_max_t", 1.0))) < protocol.alpha
    ]
    tested = [row for row in ensembles if row["split"] == "verification"]
    return {
        "bootstrap": protocol.bootstrap,
        "permutations": protocol.permutations,
        "confirmed": len(confirmed),
        "confirmed_by_max_t": len({(row["layer"], row["unit"]) for row in survives}) if protocol.permutations else None,
        "stability_median": float(np.median([s for s, _ in stable.values()])) if stable else None,
        "one_expression_in_set": sum(size == 1 for _, size in stable.values()),
        "sanity": [{"change": change, "outcome": outcome, "n": n} for (change, outcome), n in sorted(outcomes.items())],
        "ensembles": len(tested),
        "ensemble_drop_median": float(np.median([float(str(row["drop"])) for row in tested])) if tested else None,
    }
