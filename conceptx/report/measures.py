"""What each statistic of a unit means, in one sentence, beside its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conceptx.report.checks import Estimate
from conceptx.report.records import Controls, Evidence, NoiseFloor, Statistics, UnitEvidence
from conceptx.report.text import count, number, percent, plural, probability
from conceptx.verification.protocol import CONTROL_KINDS

Written = Callable[[Estimate], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of a unit's table: a name, (value, interval) for each split, and the meaning of the last split's."""

    name: str
    cells: tuple[tuple[str, str], ...]
    meaning: str


def measures(statistics: tuple[Statistics, ...]) -> tuple[Measure, ...]:
    """Return the table of a unit's statistics; its columns are the splits in `statistics`."""
    if not statistics:
        return ()
    last = statistics[-1]
    pairs: list[tuple[str, str, Written, str]] = [
        ("Targets that fire (TLA)", "tla", percent_cell, _tla_meaning(last)),
        ("Others that fire (non-TLA)", "non_tla", percent_cell, _non_tla_meaning(last)),
        ("AUROC", "auroc", number_cell, _auroc_meaning(last)),
        ("Average precision (AUPRC)", "auprc", number_cell, _auprc_meaning(last)),
        ("Correlation", "correlation", number_cell, _correlation_meaning(last)),
    ]
    rows = [
        Measure(
            "Images (target / other)",
            tuple((f"{count(s.n_target)} / {count(s.n_other)}", "") for s in statistics),
            "How many images the explanation holds for, and how many it does not hold for.",
        )
    ]
    for name, key, written, meaning in pairs:
        rows.append(Measure(name, tuple(written(getattr(s, key)) for s in statistics), meaning))
    rows.append(Measure("Mann–Whitney z", tuple((number(s.z), "") for s in statistics), _z_meaning(last)))
    rows.append(Measure("p", tuple((probability(s.p), "") for s in statistics), _p_meaning(last)))
    rows.append(Measure("q (p, corrected)", tuple((probability(s.q), "") for s in statistics), _q_meaning(last)))
    if any(s.p_one_tailed is not None for s in statistics):
        cells = tuple(
            (f"{number(s.z_uncorrected)}; {probability(s.p_one_tailed)}" if s.p_one_tailed is not None else "–", "")
            for s in statistics
        )
        rows.append(
            Measure("As published: z; one-tailed p", cells, "Without the correction for ties, as papers print it.")
        )
    return tuple(rows)


def unit_sentence(unit: UnitEvidence) -> str:
    """Return the verdict of a unit as a sentence."""
    match unit.verdict:
        case "confirmed":
            return "Confirmed: the explanation held on images that played no part in finding it."
        case "weak":
            return "Weak: there is some evidence on new images, and not enough to rely on it."
        case "rejected":
            return "Rejected: this was the best hypothesis, and it failed on new images."
        case _:
            return "Unexplained: nothing that could be said of the images stands out for this unit."


def nothing_sentences(evidence: Evidence) -> list[str]:
    """Return what it means that no explanation was confirmed, and what would help; nothing where one was."""
    if evidence.verdicts["confirmed"] or not evidence.units:
        return []
    splits = evidence.data.splits
    learned, held_out = splits.get("induction", 0), sum(n for split, n in splits.items() if split != "induction")
    said = ["That says nothing was shown, not that the units stand for nothing."]
    floor = evidence.layers[0].floor.search
    if floor is not None and evidence.objective == "correlation":
        said.append(
            f"On the {plural(learned, 'image')} of the search luck alone reaches a correlation of {number(floor)}, and "
            "only a unit above that could be explained."
        )
    said.append(
        f"{plural(held_out, 'image was', 'images were')} held out for the tests. More labelled images make luck "
        "smaller and the tests stronger; labels that name what the network may look at make better explanations."
    )
    return said


def floor_sentences(evidence: Evidence) -> list[str]:
    """Return the noise floor of a run in words, and what became of the controls that are no part of it."""
    floor = evidence.layers[0].floor
    everything = [kind for layer in evidence.layers for kind in layer.controls]
    controls = [kind for kind in everything if kind.kind in CONTROL_KINDS]
    if not floor.n:
        said = ["No control units were sent through the search, so there is no noise floor to compare with."]
    else:
        kinds = {"shuffled": "real units with their values shuffled", "noise": "random noise"}
        listed = " and ".join(kinds.get(kind, kind) for kind in dict.fromkeys(kind.kind for kind in controls))
        made = f" ({listed})" if listed else ""
        said = [
            f"{plural(floor.n, 'control unit')} with nothing to explain{made} went through the same search and the "
            "same tests.",
            *_reached(floor),
        ]
        confirmed = sum(kind.verdicts["confirmed"] for kind in controls)
        said.append(
            f"{count(confirmed) if confirmed else 'None'} of them {'was' if confirmed < 2 else 'were'} confirmed."
        )
    return said + _beside(everything)


def _beside(controls: Sequence[Controls]) -> list[str]:
    """Return what became of the controls that may truly depend on the images, and so make no floor."""
    n: Counter[str] = Counter()
    confirmed: Counter[str] = Counter()
    for kind in controls:
        if kind.kind not in CONTROL_KINDS and kind.n:
            n[kind.kind] += kind.n
            confirmed[kind.kind] += kind.verdicts["confirmed"]
    if not n:
        return []
    listed = [
        f"{confirmed[kind]:,} of {plural(n[kind], *_BESIDE.get(kind, (kind + ' control', kind + ' controls')))}"
        for kind in n
    ]
    return [
        f"Beside the floor, because they may truly depend on what images show: {_and(listed)} "
        f"{'was' if sum(confirmed.values()) == 1 else 'were'} confirmed."
    ]


_BESIDE = {
    "untrained": ("unit of an untrained copy of the network", "units of an untrained copy of the network"),
    "directions": ("random direction in the layer", "random directions in the layer"),
    "brightness": ("plain measure of the images (their mean brightness)", "plain measures of the images"),
}


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def controls_sentence(unit: UnitEvidence, floor: NoiseFloor) -> str:
    """Return where a unit lies among the controls, in words."""
    said = []
    if unit.controls_below is not None:
        below = unit.controls_below
        than = "every control unit" if below >= 1 else f"{percent(below)} of the control units"
        than += " with nothing to explain"
        said.append(f"In the search its explanation fits better than that of {than}." if below else _NO_BETTER)
    if unit.score is None:
        said.append("It was not tested on new images.")
    elif floor.correlation is not None:
        side = "above" if unit.score > floor.correlation else "not above"
        said.append(
            f"On new images its correlation is {number(unit.score)}, {side} the floor of {number(floor.correlation)}."
        )
    return " ".join(said)


_NO_BETTER = "In the search its explanation fits no better than that of any control unit with nothing to explain."


def _reached(floor: NoiseFloor) -> list[str]:
    found = []
    if floor.correlation is not None:
        tail = "" if floor.auroc is None else f" (AUROC {number(floor.auroc)}, where 0.50 is chance)"
        found.append(
            "The noise floor is what nearly all of them stay at or below: on new images a correlation of "
            f"{number(floor.correlation)}{tail}. What lies under that line may be luck."
        )
    if floor.search is not None:
        found.append(
            f"In the search itself they reached {number(floor.search)}; a unit whose best hypothesis is not above that "
            "counts as unexplained."
        )
    return found


def percent_cell(e: Estimate) -> tuple[str, str]:
    """Return a share and its interval in percent."""
    interval = "" if e.low is None or e.high is None else f"{percent(e.low)} to {percent(e.high)}"
    return percent(e.value), interval


def number_cell(e: Estimate) -> tuple[str, str]:
    """Return a number and its interval."""
    interval = "" if e.low is None or e.high is None else f"{number(e.low)} to {number(e.high)}"
    return number(e.value), interval


def _tla_meaning(s: Statistics) -> str:
    if s.tla.value is None:
        return "There are no images that the explanation holds for."
    return f"Of {plural(s.n_target or 0, 'image')} that match, the unit is active on {percent(s.tla.value)}."


def _non_tla_meaning(s: Statistics) -> str:
    if s.non_tla.value is None:
        return "There are no other images."
    return f"Of {plural(s.n_other or 0, 'image')} that do not match, it is active on {percent(s.non_tla.value)} too."


def _auroc_meaning(s: Statistics) -> str:
    if s.auroc.value is None:
        return "Needs both kinds of images."
    of = f"{s.auroc.value * 100:.0f} of 100"
    return f"Of a random matching and a random other image, the matching one activates the unit more in {of} cases."


def _auprc_meaning(s: Statistics) -> str:
    if s.auprc.value is None or not s.n_target or s.n_other is None:
        return "Needs both kinds of images."
    base = s.n_target / (s.n_target + s.n_other)
    return f"How purely the highest activations are matching images; drawing at random would give {number(base)}."


def _correlation_meaning(s: Statistics) -> str:
    if s.correlation.value is None:
        return "Needs both kinds of images and a unit that varies."
    share = s.correlation.value**2
    return f"Knowing whether an image matches accounts for {percent(share)} of the variance of the activation."


def _z_meaning(s: Statistics) -> str:
    return "How many standard deviations the ranks of the matching images lie above chance (corrected for ties)."


def _p_meaning(s: Statistics) -> str:
    if s.p is None:
        return "No test was made here."
    return "How often a difference this large, in either direction, would come about by chance."


def _q_meaning(s: Statistics) -> str:
    if s.q is None:
        return "No test was made here."
    return "The same after allowing for all units and hypotheses that were tested; below 0.05 counts."
