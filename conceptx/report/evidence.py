"""From a run's tables to what a report says: plain, ordered, equal for equal inputs.

Callers need `gather`. Nothing is computed here that decides anything: verdicts and statistics come from the tables;
this module joins them, puts them in order, says expressions in words and chooses the example images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conceptx.errors import InputError
from conceptx.expressions import Expression, parse
from conceptx.induction.extents import Evaluator
from conceptx.progress import Progress, silent
from conceptx.report.beside import Beside, estimate, registered
from conceptx.report.classes import surprising, with_classes
from conceptx.report.examples import HELD_OUT, Against, Examples, Pictures
from conceptx.report.portable import portable_facts
from conceptx.report.quality import data_facts, quality
from conceptx.report.records import (
    SCHEMA,
    VERDICTS_IN_ORDER,
    Controls,
    Evidence,
    Hypothesis,
    LayerEvidence,
    Margin,
    NoiseFloor,
    ReportInput,
    Statistics,
    UnitEvidence,
)
from conceptx.report.text import clean
from conceptx.report.words import in_words, plain_label
from conceptx.tables import SCORES, SPLITS
from conceptx.verification.protocol import CONTROL_KINDS

MAX_IN_DETAIL = 2048
"""So many units, the best explained first, are reported with all that is known of them."""
N_IN_BRIEF = 3
_N_BEST = 5
_FLOOR_QUANTILE = 0.95

Row = Mapping[str, Any]


def gather(inputs: ReportInput, progress: Progress = silent) -> Evidence:
    """Return everything that the report of `inputs` says."""
    objective = str(inputs.request.get("objective") or "correlation")
    meaning = _Meaning(inputs, objective)
    layers = tuple(_layer(inputs, i, meaning) for i in range(len(inputs.activations)))
    controls = {layer.layer: _pooled(layer) for layer in layers}
    jobs = [(a, k) for a in range(len(inputs.activations)) for k in range(len(inputs.activations[a].units))]
    units = [
        _unit(inputs, a, k, meaning, controls[inputs.activations[a].layer])
        for a, k in progress(jobs, total=len(jobs), label="report: evidence")
    ]
    units.sort(key=lambda u: (VERDICTS_IN_ORDER.index(u.verdict), _falling(u.score)))
    units = [*units[:MAX_IN_DETAIL], *map(_in_brief, units[MAX_IN_DETAIL:])]
    units, classes, silent_classes = with_classes(units, raw_texts(inputs), inputs.scenes)
    tried = inputs.verification.get("n_searched")
    return Evidence(
        schema=SCHEMA,
        request=portable_facts(inputs.request),
        data=data_facts(inputs),
        layers=layers,
        verdicts=_count_verdicts(unit.verdict for unit in units),
        best=tuple((unit.layer, unit.unit) for unit in _best(units)),
        surprising=tuple(surprising(units, _best(units))),
        classes=classes,
        silent=silent_classes,
        units=tuple(units),
        quality=quality(inputs),
        protocol=tuple(clean(sentence) for sentence in inputs.protocol),
        verification=portable_facts({k: v for k, v in inputs.verification.items() if k != "units"}),
        objective=objective,
        hypotheses_tried=tried if isinstance(tried, int) else None,
        truth=portable_facts(inputs.truth),
        plan=registered(inputs),
        missing=tuple(clean(sentence) for sentence in inputs.missing),
        in_detail=min(len(units), MAX_IN_DETAIL),
    )


def raw_texts(inputs: ReportInput) -> dict[str, str]:
    """Return the expressions of the tables by the text that the report shows of them."""
    texts = {t for table in (inputs.hypotheses, inputs.verdicts) for t in table["expression"].unique().to_pylist() if t}
    return {clean(text): text for text in sorted(texts)}


class _Meaning:
    """What is looked up for every unit: rows of the tables by unit, words and extents of expressions."""

    def __init__(self, inputs: ReportInput, objective: str) -> None:
        self.objective = objective if objective in SCORES else "correlation"
        self.verdicts = _by_unit(inputs.verdicts.to_pylist())
        self.hypotheses = _by_unit(inputs.hypotheses.to_pylist())
        self.margins = _by_unit(inputs.margins.to_pylist())
        self.controls = inputs.controls.to_pylist()
        self.beside = Beside(inputs)
        shared = Pictures(inputs.images, inputs.objects, inputs.scenes), Evaluator(inputs.scenes)
        self._examples = [Examples(activations, inputs, *shared) for activations in inputs.activations]
        self._hierarchy = inputs.scenes.hierarchy
        self._known: dict[str, _Known] = {}

    def of(self, text: str) -> _Known:
        """Return what an expression means; one that the scenes cannot evaluate has no extent."""
        if text not in self._known:
            try:
                expression = parse(text)
            except InputError:
                self._known[text] = _Known(None, clean(text))
            else:
                self._known[text] = _Known(expression, in_words(expression, self._label))
        return self._known[text]

    def examples(self, a: int, k: int, text: str | None, against: Against | None) -> dict[str, Any]:
        """Return the example images of unit `k` of the activations `a`, and the distribution of its values."""
        return self._examples[a].of(k, None if text is None else self.of(text).expression, against)

    def _label(self, name: str) -> str:
        hierarchy = self._hierarchy
        index = hierarchy.get(name)
        label = plain_label(name) if index is None else hierarchy.label(index) or plain_label(name)
        return clean(plain_label(label) if label == name else label)


@dataclass(frozen=True, slots=True)
class _Known:
    expression: Expression | None
    words: str


def _unit(inputs: ReportInput, a: int, k: int, meaning: _Meaning, floor: Sequence[float]) -> UnitEvidence:
    """Join what the tables say of unit `k` of the activations `a`."""
    activations = inputs.activations[a]
    layer, unit = activations.layer, activations.units[k]
    key = (layer, unit)
    rows = meaning.verdicts.get(key, [])
    candidates = meaning.hypotheses.get(key, [])
    rank = {row["expression"]: row["rank"] for row in reversed(candidates)}
    judged = [row for row in rows if row["verdict"] in VERDICTS_IN_ORDER]
    judged.sort(key=lambda r: (VERDICTS_IN_ORDER.index(r["verdict"]), rank.get(r["expression"], 1 << 30)))
    verdict = judged[0]["verdict"] if judged else "unexplained"
    best = min(candidates, key=lambda row: row["rank"], default=None)
    text = judged[0]["expression"] if judged else None
    if text is None and best is not None:
        text = best["expression"]
    mine = sorted((_statistics(r) for r in rows if r["expression"] == text and r["split"]), key=_split_place)
    hypotheses = _hypotheses(key, candidates, rows, meaning)
    known = meaning.of(text) if text is not None else _Known(None, "")
    notes = dict.fromkeys(r["note"] for r in judged if r["note"] and r["expression"] in (text, None))
    mine_in_list = next((row for row in candidates if row["expression"] == text), None)
    score, search = _score(mine), _in_search(mine, mine_in_list)
    examples = meaning.examples(a, k, text, meaning.beside.against(key, text))
    return UnitEvidence(
        layer=clean(layer),
        unit=clean(unit),
        index=k,
        verdict=verdict,
        note=clean("; ".join(notes)),
        expression=None if text is None else clean(text),
        words=known.words,
        score=score,
        search=search,
        statistics=tuple(mine),
        margins=tuple(_margin(r) for r in meaning.margins.get(key, []) if r["expression"] == text),
        hypotheses=hypotheses,
        twins=next((h.twins for h in hypotheses if text is not None and h.expression == clean(text)), ()),
        frontier=tuple((n, score, clean(e)) for n, score, e in inputs.frontier.get(layer, {}).get(unit, ())),
        controls_below=_share_below(search, floor),
        effects=meaning.beside.effects(key, text),
        sanity=meaning.beside.sanity(key, text),
        counterexamples=meaning.beside.counterexamples(key, text),
        **examples,
    )


def _in_brief(unit: UnitEvidence) -> UnitEvidence:
    """Return a unit with what was judged, its few strongest images and its distribution."""
    judged = unit.judged
    return replace(
        unit,
        hypotheses=() if judged is None else (judged,),
        top=unit.top[:N_IN_BRIEF],
        missed=(),
        unexpected=(),
        sanity=(),
        counterexamples=(),
    )


def _hypotheses(
    key: tuple[str, str], candidates: Sequence[Row], rows: Sequence[Row], meaning: _Meaning
) -> tuple[Hypothesis, ...]:
    """Return the unit's hypotheses by rank, then those that only the verdicts name."""
    found = []
    seen = set()
    listed = [*sorted(candidates, key=lambda r: r["rank"]), *(r for r in rows if r["expression"] is not None)]
    for row in listed:
        text = row["expression"]
        if text in seen:
            continue
        seen.add(text)
        statistics = sorted((_statistics(r) for r in rows if r["expression"] == text and r["split"]), key=_split_place)
        found.append(
            Hypothesis(
                expression=clean(text),
                words=meaning.of(text).words,
                rank=row.get("rank"),
                length=row.get("length"),
                extent_size=row.get("extent_size"),
                scores={name: row.get(name) for name in SCORES},
                twins=tuple(map(clean, row.get("twins") or ())),
                optimal=bool(row.get("optimal")),
                bound=row.get("bound"),
                proposed=bool(row.get("proposed")),
                statistics=tuple(statistics),
                stability=meaning.beside.stability(key, text),
            )
        )
    return tuple(found)


def _layer(inputs: ReportInput, a: int, meaning: _Meaning) -> LayerEvidence:
    activations = inputs.activations[a]
    layer = activations.layer
    others = {one.layer for one in inputs.activations} if a == 0 else set()
    # Controls of no layer (the brightness of the images) are shown beside the first.
    rows = [row for row in meaning.controls if row["layer"] == layer or (others and row["layer"] not in others)]
    kinds = tuple(_control_kind(kind, [r for r in rows if r["kind"] == kind]) for kind in _distinct(rows, "kind"))
    by_unit = {unit: meaning.verdicts.get((layer, unit), []) for unit in activations.units}
    verdicts = (_first([row["verdict"] for row in unit_rows], "unexplained") for unit_rows in by_unit.values())
    return LayerEvidence(
        layer=clean(layer),
        units=len(activations.units),
        images=len(activations.images),
        meta=portable_facts(activations.meta),
        verdicts=_count_verdicts(verdicts),
        controls=kinds,
        floor=_floor(inputs.verification, kinds),
        ensembles=meaning.beside.ensembles(layer, lambda text: meaning.of(text).words),
    )


def _control_kind(kind: str, rows: Sequence[Row]) -> Controls:
    """Return what the control units of one kind reached in the search, and on verification where they were tested."""
    units: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        units[row["unit"]].append(row)
    final = [row for row in rows if row["split"] == "verification" and row["verdict"]]
    learned = (
        [r["correlation"] for r in mine if r["split"] == "induction" and r["correlation"] is not None]
        for mine in units.values()
    )
    verdicts = (_first([row["verdict"] for row in mine], "unexplained") for mine in units.values())
    return Controls(
        kind=kind,
        n=len(units),
        verdicts=_count_verdicts(verdicts),
        search=tuple(sorted(max(values) for values in learned if values)),
        correlation=tuple(sorted(row["correlation"] for row in final if row["correlation"] is not None)),
        auroc=tuple(sorted(row["auroc"] for row in final if row["auroc"] is not None)),
    )


def _floor(verification: Mapping[str, object], kinds: Sequence[Controls]) -> NoiseFloor:
    """Return the floor as the verification stage gave it, else the same quantile of the controls themselves.

    Other kinds (an untrained network, random directions, the brightness) are shown beside it and make no floor.
    """
    given = verification.get("floor")
    floor: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    pooled = [kind for kind in kinds if kind.kind in CONTROL_KINDS]

    def quantile(values: list[float]) -> float | None:
        return float(np.quantile(values, _FLOOR_QUANTILE, method="higher")) if values else None

    def known(name: str, fallback: float | None) -> float | None:
        value = floor.get(name)
        return float(value) if isinstance(value, int | float) and np.isfinite(value) else fallback

    return NoiseFloor(
        n=given_n if isinstance(given_n := floor.get("n"), int) and given_n else sum(kind.n for kind in pooled),
        correlation=known("verification", quantile([v for kind in pooled for v in kind.correlation])),
        auroc=known("verification_auroc", quantile([v for kind in pooled for v in kind.auroc])),
        search=known("search", None),
    )


def _pooled(layer: LayerEvidence) -> list[float]:
    return sorted(v for kind in layer.controls if kind.kind in CONTROL_KINDS for v in kind.search)


def _in_search(statistics: Sequence[Statistics], best: Row | None) -> float | None:
    """Return the unit's correlation on the images of the search."""
    for row in statistics:
        if row.split == "induction":
            return row.correlation.value
    return None if best is None else best["correlation"]


def _share_below(search: float | None, controls: Sequence[float]) -> float | None:
    """Return the share of control units whose correlation in the search is below the unit's."""
    if search is None or not controls:
        return None
    return float(np.searchsorted(controls, search, side="left")) / len(controls)


def _score(statistics: Sequence[Statistics]) -> float | None:
    """Return the correlation on the most independent of the held-out splits that has one."""
    found = {row.split: row.correlation.value for row in statistics if row.correlation.value is not None}
    return next((found[split] for split in reversed(HELD_OUT) if split in found), None)


def _best(units: Sequence[UnitEvidence]) -> list[UnitEvidence]:
    """Return the best explained units, each explanation once; `units` are in the order of the report."""
    found: list[UnitEvidence] = []
    for unit in units:
        if unit.verdict in ("confirmed", "weak") and unit.words not in {u.words for u in found}:
            found.append(unit)
    return found[:_N_BEST]


def _statistics(row: Row) -> Statistics:
    plain = ("n_target", "n_other", "u", "z", "p", "z_uncorrected", "p_one_tailed", "q", "verdict")
    estimates = ("tla", "non_tla", "auroc", "auprc", "correlation")
    values = {name: row[name] for name in plain} | {name: estimate(row, name) for name in estimates}
    return Statistics(split=row["split"], note=clean(row["note"] or ""), **values)


def _margin(row: Row) -> Margin:
    return Margin(row["split"], row["threshold"], estimate(row, "tla"), estimate(row, "non_tla"))


def _split_place(row: Statistics) -> int:
    return SPLITS.index(row.split) if row.split in SPLITS else len(SPLITS)


def _by_unit(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["layer"], row["unit"]].append(row)
    return dict(found)


def _count_verdicts(verdicts: Iterable[str]) -> dict[str, int]:
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS_IN_ORDER}


def _first(verdicts: Sequence[str | None], default: str) -> str:
    """Return the best verdict that is given."""
    return min((v for v in verdicts if v in VERDICTS_IN_ORDER), key=VERDICTS_IN_ORDER.index, default=default)


def _distinct(rows: Sequence[Row], name: str) -> list[str]:
    return list(dict.fromkeys(row[name] for row in rows))


def _falling(score: float | None) -> float:
    return float("inf") if score is None else -score
