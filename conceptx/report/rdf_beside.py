"""What stands beside the verdicts as facts in RDF: for `rdf`, which decides on the nodes.

`effect_facts` and `stability_facts` go to a result and to a hypothesis; `sanity_checks`, `counterexamples`,
`ensembles` and `plan` are statements of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from conceptx.report import turtle
from conceptx.report.checks import Effects, Ensemble, Estimate, Interval, Plan, Stability
from conceptx.report.examples import N_AGAINST
from conceptx.report.records import UnitEvidence

Node = Callable[..., str]
"""Makes the IRI of a thing from its kind and its words."""
Facts = list[tuple[str, str | None]]

_EFFECT_NUMBERS = {
    "n_either": "either",
    "base_rate": "baseRate",
    "smallest_p": "smallestP",
    "p_permutation": "pPermutation",
    "p_max_t": "pMaxT",
    "r_brightness": "brightnessCorrelation",
    "r_partial": "partialCorrelation",
}
_EFFECT_ESTIMATES = {"cliffs_delta": "cliffsDelta", "f1": "f1", "iou": "iou"}
_EFFECT_INTERVALS = {
    "auroc_bootstrap": "aurocBootstrap",
    "auprc_bootstrap": "auprcBootstrap",
    "correlation_bootstrap": "correlationBootstrap",
    "auroc_bound": "aurocBound",
    "tla_bound": "tlaBound",
}
_SHARES = {
    "tla": "tla",
    "non_tla": "nonTla",
    "single_tla": "singleTla",
    "single_non_tla": "singleNonTla",
    "drop": "drop",
    "loss": "loss",
}


def effect_facts(effects: Sequence[Effects], split: str) -> Facts:
    """Return the further measures of a hypothesis on a split."""
    found: Facts = []
    for one in effects:
        if one.split == split:
            found += [(f"cx:{term}", number(getattr(one, name))) for name, term in _EFFECT_NUMBERS.items()]
            for name, term in _EFFECT_ESTIMATES.items():
                found += estimate(term, getattr(one, name))
            for name, term in _EFFECT_INTERVALS.items():
                found += _ends(term, getattr(one, name))
    return found


def stability_facts(found: Stability | None) -> Facts:
    """Return what resampled images say of a hypothesis."""
    if found is None:
        return []
    return [
        ("cx:wins", turtle.number(found.wins)),
        ("cx:rankLow", turtle.literal(found.rank_low)),
        ("cx:rankHigh", turtle.literal(found.rank_high)),
        ("cx:inExplanationSet", turtle.literal(found.in_set)),
        ("cx:explanationSetSize", turtle.literal(found.set_size)),
    ]


def sanity_checks(unit: UnitEvidence, words: Sequence[str], node: Node) -> Iterator[str]:
    """Yield the changes of a unit's judged hypothesis that do not make it worse; those that do are counted."""
    for k, change in enumerate(unit.sanity, start=1):
        if change.outcome in ("level", "rises"):
            yield turtle.statement(
                node("sanity", *words, str(k)),
                ("a", "cx:SanityCheck"),
                ("cx:ofHypothesis", node("hypothesis", *words)),
                ("cx:change", turtle.literal(change.change)),
                ("cx:part", _text(change.part)),
                ("cx:variant", _text(change.variant)),
                ("cx:targets", number(change.n_target)),
                *estimate("fall", change.fall),
                ("cx:outcome", turtle.literal(change.outcome)),
            )


def sanity_facts(unit: UnitEvidence) -> Facts:
    """Return how many changes of a unit's judged hypothesis were compared, and how many of them make it worse."""
    outcomes = [change.outcome for change in unit.sanity]
    if not outcomes:
        return []
    compared = sum(outcome in ("falls", "level", "rises") for outcome in outcomes)
    return [
        ("cx:changesCompared", turtle.literal(compared)),
        ("cx:changesWorse", turtle.literal(outcomes.count("falls"))),
    ]


def counterexamples(unit: UnitEvidence, words: Sequence[str], node: Node) -> Iterator[str]:
    """Yield the first images of each kind that speak against a unit's judged hypothesis."""
    for one in unit.counterexamples:
        if one.rank <= N_AGAINST:
            yield turtle.statement(
                node("counterexample", *words, one.kind, str(one.rank)),
                ("a", "cx:CounterExample"),
                ("cx:ofHypothesis", node("hypothesis", *words)),
                ("cx:kind", turtle.literal(one.kind)),
                ("cx:image", turtle.literal(one.image)),
                ("cx:split", None if one.split is None else f"cx:{one.split}"),
                ("cx:level", turtle.number(float(one.level))),
                ("cx:missingWord", _text(one.word)),
            )


def ensembles(layer: str, found: Sequence[Ensemble], node: Node) -> Iterator[str]:
    """Yield the units of a layer that answer together, each with what every split says of it."""
    for k, one in enumerate(found, start=1):
        this = node("ensemble", layer, str(k))
        yield turtle.statement(
            this,
            ("a", "cx:Ensemble , prov:Entity"),
            ("cx:ofLayer", node("layer", layer)),
            ("cx:manchester", turtle.literal(one.expression)),
            ("rdfs:label", turtle.literal(one.words)),
            ("cx:threshold", turtle.number(float(one.threshold))),
            *(("cx:member", node("unit", layer, unit)) for unit in one.units),
            ("cx:bestAlone", node("unit", layer, one.single)),
        )
        for shares in one.shares:
            facts = [fact for name, term in _SHARES.items() for fact in estimate(term, getattr(shares, name))]
            yield turtle.statement(
                node("ensemble-result", layer, str(k), shares.split),
                ("a", "cx:EnsembleResult"),
                ("cx:ofEnsemble", this),
                ("cx:split", f"cx:{shares.split}"),
                ("cx:targets", number(shares.n_target)),
                ("cx:others", number(shares.n_other)),
                *facts,
            )


def plan(found: Plan, this: str, made_by: str) -> str:
    """Return what was written down before the verification."""
    return turtle.statement(
        this,
        ("a", "cx:Plan , prov:Plan , prov:Entity"),
        ("rdfs:label", turtle.literal("what would be tested")),
        ("cx:sha256", turtle.literal(found.digest)),
        ("cx:intact", turtle.literal(found.intact)),
        ("cx:readByVerification", turtle.literal(found.before)),
        ("cx:matched", None if found.matched is None else turtle.literal(found.matched)),
        ("prov:wasGeneratedBy", made_by),
    )


def estimate(term: str, value: Estimate) -> Facts:
    """Return a statistic and its interval."""
    return [(f"cx:{term}", number(value.value)), *_ends(term, Interval(value.low, value.high))]


def number(value: Any) -> str | None:
    """Return a number as a literal, or nothing where there is none."""
    return None if value is None else turtle.number(value)


def _ends(term: str, interval: Interval) -> Facts:
    return [(f"cx:{term}Low", number(interval.low)), (f"cx:{term}High", number(interval.high))]


def _text(value: str | None) -> str | None:
    return None if value is None else turtle.literal(value)
