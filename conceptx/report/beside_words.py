"""What stands beside a verdict, in words: one sentence for each number, for each unit and for the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conceptx.report.checks import Change, Effects, Ensemble, Estimate, Interval, Plan, Stability
from conceptx.report.measures import Measure, number_cell, percent_cell
from conceptx.report.records import Evidence, Hypothesis, UnitEvidence
from conceptx.report.text import count, number, percent, plural, probability

CHANGES = {
    "superclass": "A class for its superclass",
    "subclass": "A class for a subclass",
    "sibling": "A class for a sibling",
    "left out": "A part left out",
    "half of the targets removed": "Half of the targets removed",
    "as many others added": "As many others added",
}
OUTCOMES = {"falls": "worse", "level": "as good", "rises": "better", "same images": "same images"}
"""What became of a changed expression; all else could not be tested."""
MOST_NOT_WORSE = 12
MOST_TOGETHER = 30

Cell = tuple[str, str]


def effect_measures(effects: Sequence[Effects]) -> tuple[Measure, ...]:
    """Return the table of a hypothesis's further measures; its columns are the splits in `effects`."""
    if not effects:
        return ()
    last = effects[-1]

    def row(name: str, cell: Callable[[Effects], Cell], meaning: str) -> Measure:
        return Measure(name, tuple(map(cell, effects)), meaning)

    rows = [
        row("Cliff's delta", lambda e: number_cell(e.cliffs_delta), _delta_meaning(last)),
        row("F1", lambda e: number_cell(e.f1), "How far the images on which it fires are the matching ones; 1 is all."),
        row(
            "IoU",
            lambda e: percent_cell(e.iou),
            f"Of {plural(last.n_either or 0, 'image')} that match or fire, so many do both.",
        ),
        row(
            "AUPRC by chance",
            lambda e: (number(e.base_rate), ""),
            "The average precision that a random order of the images would have.",
        ),
        row("AUROC, resampled", lambda e: _ends(e.auroc_bootstrap), "Its interval over resamples of the images."),
        row("AUPRC, resampled", lambda e: _ends(e.auprc_bootstrap), "The same of the average precision."),
        row("Correlation, resampled", lambda e: _ends(e.correlation_bootstrap), "The same of the correlation."),
        row(
            "AUROC over all images",
            lambda e: _ends(e.auroc_bound),
            "Where it is for images like these, whatever their distribution, for all tests of the split at once.",
        ),
        row("TLA over all images", lambda e: _ends(e.tla_bound, percent), "The same of the targets that fire."),
        row(
            "Smallest p there could be",
            lambda e: (probability(e.smallest_p), ""),
            "With so few images no rank test gives less.",
        ),
    ]
    if any(e.p_permutation is not None for e in effects):
        rows += [
            row(
                "p by permutation",
                lambda e: (probability(e.p_permutation), ""),
                "How often permuted images give a difference at least as large.",
            ),
            row(
                "p by permutation, over all",
                lambda e: (probability(e.p_max_t), ""),
                "The same beside the largest of all tests of the split (max-T): the strictest correction here.",
            ),
        ]
    if any(e.r_brightness is not None for e in effects):
        rows += [
            row(
                "Correlation with brightness",
                lambda e: (number(e.r_brightness), ""),
                "Does the unit just see bright images? 0 says no.",
            ),
            row(
                "Correlation at equal brightness",
                lambda e: (number(e.r_partial), ""),
                "What is left of the explanation's correlation among images of one brightness.",
            ),
        ]
    return tuple(rows)


def effect_sentence(effects: Sequence[Effects]) -> str:
    """Return the effect size on the most independent split in words."""
    if not effects or effects[-1].cliffs_delta.value is None:
        return ""
    last = effects[-1]
    value, interval = number_cell(last.cliffs_delta)
    said = f"Cliff's delta is {value}{f' ({interval})' if interval else ''} on {last.split}. {_delta_meaning(last)}"
    if last.p_max_t is not None:
        said += f" Corrected over all tests by permutation, p is {probability(last.p_max_t)}."
    return said


def brightness_sentence(unit: UnitEvidence) -> str:
    """Return how far a unit sees nothing but brightness."""
    if not unit.effects or unit.effects[-1].r_brightness is None or unit.effects[-1].r_partial is None:
        return ""
    last = unit.effects[-1]
    return (
        f"The unit's correlation with the brightness of the images is {number(last.r_brightness)}; among images of "
        f"equal brightness the explanation's is {number(last.r_partial)}, against {number(unit.score)} among all."
    )


def stability_sentence(found: Stability | None) -> str:
    """Return how a hypothesis fares when the images that it was ranked on are resampled."""
    if found is None:
        return ""
    said = (
        f"Over resamples of the {plural(found.n_images, 'image')} that the unit's hypotheses were ranked on, this one "
        f"is in front in {percent(found.wins)}."
    )
    if found.set_size == 1:
        return said + (
            " It is its own explanation set: no other is needed to have the front in 95\u202f%."
            if found.in_set
            else " Another one is in front in 95\u202f%."
        )
    place = "and it is one of them" if found.in_set else "and it is none of them"
    return said + (
        f" It takes {plural(found.set_size, 'hypothesis', 'hypotheses')} to have the front in 95\u202f% (the "
        f"explanation set), {place}: these images cannot decide between their words."
    )


def by_wins(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Return the hypotheses that were resampled, the most frequent winner first."""
    known = [h for h in hypotheses if h.stability is not None]
    return sorted(known, key=lambda h: (-h.stability.wins, h.stability.rank) if h.stability else (0.0, 0))


def sanity_sentence(changes: Sequence[Change]) -> str:
    """Return what became of the changed expressions in words."""
    if not changes:
        return ""
    n = Counter(outcome(change) for change in changes)
    tested = n["worse"] + n["as good"] + n["better"]
    said = [
        f"{plural(len(changes), 'small change')} to the explanation: of {count(tested)} that hold for other images "
        f"{count(n['worse'])} fit worse, as they should"
    ]
    if n["as good"]:
        said.append(f"{count(n['as good'])} as well, so these images cannot tell them apart")
    if n["better"]:
        said.append(f"{count(n['better'])} better, so a word may be too narrow or too wide")
    return "; ".join(said) + "."


def outcome(change: Change) -> str:
    """Return what became of a change, as the report calls it."""
    return OUTCOMES.get(change.outcome, "not testable")


def sanity_table(changes: Sequence[Change]) -> list[tuple[str, list[int]]]:
    """Return for each kind of change how many fit worse, as well, better, hold for the same images, or were untestable.

    The kinds are in the order of the table.
    """
    kinds: dict[str, Counter[str]] = {}
    for change in changes:
        kinds.setdefault(change.change, Counter())[outcome(change)] += 1
    columns = (*OUTCOMES.values(), "not testable")
    return [(CHANGES.get(kind, kind), [n[name] for name in columns]) for kind, n in kinds.items()]


def not_worse(changes: Sequence[Change]) -> list[Change]:
    """Return the changed expressions that fit better or as well, the best first."""
    found = [c for c in changes if outcome(c) in ("better", "as good")]
    return sorted(found, key=lambda c: c.fall.value if c.fall.value is not None else 0.0)[:MOST_NOT_WORSE]


def missing_words_of(unit: UnitEvidence) -> list[str]:
    """Return the classes that mark a unit's unexpected images, the most frequent first."""
    return [word for word, _ in Counter(c.word for c in unit.counterexamples if c.word).most_common() if word]


def together_sentence(found: Ensemble) -> str:
    """Return what an ensemble does on the split that it was not chosen on."""
    last = found.shares[-1]
    return (
        f"above {percent(found.threshold)} of their maxima: on {last.split} they fire on "
        f"{percent(last.non_tla.value)} of the other images instead of {percent(last.single_non_tla.value)}, and on "
        f"{percent(last.tla.value)} of the targets instead of {percent(last.single_tla.value)}"
    )


def ensembles_shown(ensembles: Sequence[Ensemble]) -> list[Ensemble]:
    """Return the ensembles for the page: those that help most on the split that they were chosen on."""

    def helps(one: Ensemble) -> float:
        return -(one.shares[0].drop.value or 0.0)

    return sorted(ensembles, key=helps)[:MOST_TOGETHER]


def beside_sentences(evidence: Evidence) -> list[str]:
    """Return what the checks beside the verdicts say of the whole run."""
    said: list[str] = []
    found = evidence.verification.get("beside")
    numbers: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    confirmed = numbers.get("confirmed")
    if not numbers or not confirmed:
        return said
    of = f"Of {plural(confirmed, 'confirmed unit')}"
    if numbers.get("confirmed_by_max_t") is not None:
        n = numbers["confirmed_by_max_t"]
        said.append(
            f"{of} {count(n)} {'is' if n == 1 else 'are'} left when p is corrected by the largest of all tests "
            f"({plural(numbers.get('permutations') or 0, 'permutation')}, max-T)."
        )
    if numbers.get("stability_median") is not None:
        alone = numbers.get("one_expression_in_set") or 0
        said.append(
            f"Over {plural(numbers.get('bootstrap') or 0, 'resample')} of the images of the search, the hypothesis in "
            f"front stays there in {percent(numbers['stability_median'])} (median); for {plural(alone, 'unit')} one is "
            "in front in 95\u202f%, for the others several explanations are about as good."
        )
    changed: Counter[str] = Counter()
    for row in numbers.get("sanity") or ():
        changed[OUTCOMES.get(row["outcome"], "not testable")] += row["n"]
    if changed:
        tested = changed["worse"] + changed["as good"] + changed["better"]
        said.append(
            f"Of {count(tested)} small changes to their explanations (another class, a part less) that hold for other "
            f"images, {count(changed['worse'])} fit worse, {count(changed['as good'])} as well and "
            f"{count(changed['better'])} better."
        )
    if numbers.get("ensemble_drop_median") is not None:
        said.append(
            "Two or three units that fire together, where that is better than one, fire on "
            f"{number(100 * numbers['ensemble_drop_median'], 1)} percentage points fewer of the other images on "
            "verification (median)."
        )
    return said


def plan_sentences(plan: Plan | None) -> list[str]:
    """Return in words what was written down before the verification, and whether it is what was tested."""
    if plan is None:
        return ["This run has no plan, so nothing shows that its hypotheses were fixed before they were tested."]
    tests = " and ".join(f"{plural(n, 'test')} on {split}" for split, n in plan.planned.items())
    said = [
        "What would be tested was written down after the search and before the verification looked at any activation "
        f"of a held-out image{f': at most {tests}' if tests else ''}."
    ]
    if not plan.intact:
        said.append("The plan's digest is no longer that of its content: somebody has changed it since.")
    if not plan.before:
        said.append("The run's record does not show that the verification read the plan as it is now.")
    if plan.matched is None:
        said.append("The verification does not say whether it tested what was planned.")
    elif plan.matched:
        parts = "rules, splits, hypotheses, annotations, activations and seed"
        said.append(f"What was tested is what was planned: {parts} have the same digests.")
    else:
        said.append("What was tested is not what was planned.")
    return said


def _delta_meaning(e: Effects) -> str:
    delta = e.cliffs_delta.value
    if delta is None:
        return "Needs both kinds of images."
    more = f"{abs(delta) * 100:.0f} percentage points more often {'above' if delta >= 0 else 'below'}"
    return f"A random matching image is {more} a random other one than the other way round."


def _ends(interval: Interval, written: Callable[[float | None], str] = number) -> Cell:
    if interval.low is None or interval.high is None:
        return "–", ""
    return f"{written(interval.low)} to {written(interval.high)}", ""


def fall_cell(fall: Estimate) -> str:
    """Return the fall of the correlation with its interval."""
    value, interval = number_cell(fall)
    return f"{value} ({interval})" if interval else value
