"""From candidates to verdicts: which hypothesis of a unit is tested where, and what the protocol's rule says of it.

`examine` measures the candidates of many units and takes one of each to verification; `judge` corrects over all of
them and applies the rule. Both are the same for real units and for controls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from conceptx.expressions import Expression, to_manchester
from conceptx.verification.controls import Candidate, Floor
from conceptx.verification.corrections import CORRECTIONS
from conceptx.verification.measures import Measured, measure
from conceptx.verification.protocol import Protocol
from conceptx.verification.statistics import Bools, Ints, Ranking, Values, rank

VERDICTS_IN_ORDER = ("confirmed", "weak", "rejected", "unexplained")
_RANKED_AT_ONCE = 2**21


@dataclass(frozen=True, slots=True)
class Subject:
    """A unit and its candidates, the proposed one first; `values` (n,) are those on all images of the sample."""

    layer: str
    unit: str
    values: Values
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """The images that units are judged on: the indices of each split's, and the extent of every expression."""

    splits: Mapping[str, Ints]
    extent_of: Callable[[Expression], Bools]


class Rankings:
    """The rankings of units on every split; those asked for last are kept, so that many hypotheses cost one sort.

    A unit is known by the array of its values: hypotheses of one unit must share it.
    """

    def __init__(self, sample: Sample) -> None:
        self._splits = sample.splits
        self._room = max(2, _RANKED_AT_ONCE // max(1, sum(map(len, sample.splits.values()))))
        self._kept: dict[int, tuple[Values, dict[str, Ranking]]] = {}
        self._lock = Lock()

    def of(self, values: Values) -> Mapping[str, Ranking]:
        """Return the ranking of a unit's values (n,) on each split."""
        kept = self._kept.get(id(values))
        if kept is None:
            kept = values, {split: rank(values[members]) for split, members in self._splits.items()}
            with self._lock:
                while len(self._kept) >= self._room:
                    del self._kept[next(iter(self._kept))]
                self._kept[id(values)] = kept
        return kept[1]


@dataclass(frozen=True, slots=True)
class Examined:
    """The rows of one subject. The last rows are those of the hypothesis that was taken to verification, if any."""

    layer: str
    unit: str
    score: float
    rows: tuple[Measured, ...]
    evaluation: Measured | None
    verification: Measured | None
    obstacle: str = ""


def examine(
    subject: Subject,
    sample: Sample,
    protocol: Protocol,
    floor: float = math.nan,
    ranked: Rankings | None = None,
) -> Examined:
    """Measure a subject's candidates on evaluation and one of them on verification.

    The first candidate, the proposed one, goes to verification, unless another's correlation on evaluation is above
    the upper end of its interval: then the one with the highest correlation does. If the first one's score in the
    search is not above `floor`, nothing is tested. On the induction split candidates are described without a test.
    """
    rankings = (ranked or Rankings(sample)).of(subject.values)

    def measured(candidate: Candidate, split: str) -> Measured:
        extent = sample.extent_of(candidate.expression)[sample.splits[split]]
        text = to_manchester(candidate.expression)
        tested = split != "induction"
        return measure(subject.unit, text, split, rankings[split], extent, protocol.min_targets, tested)

    best = subject.candidates[0].score if subject.candidates else math.nan
    learned = rankings.get("induction")
    first = subject.values if learned is None else learned.values
    if not len(first) or first.min() == first.max():
        value = f"{first[0]:g}" if len(first) else "no value"
        images = "every image" if learned is None else "every image of induction"
        obstacle = f"the unit has the value {value} on {images}" + (" (it never fires)" if value == "0" else "")
        return Examined(subject.layer, subject.unit, best, (), None, None, obstacle)
    if not subject.candidates:
        return Examined(subject.layer, subject.unit, best, (), None, None, "the search proposed no hypothesis")

    described = ("induction",) if learned is not None else ()
    if best <= floor:
        rows = tuple(measured(subject.candidates[0], split) for split in described)
        return Examined(subject.layer, subject.unit, best, rows, None, None, _within_floor(best, floor))

    tested = subject.candidates[: protocol.candidates]
    on_evaluation = [measured(c, "evaluation") for c in tested]
    chosen = _choose(on_evaluation)
    verification = measured(tested[chosen], "verification")
    rows = ()
    for i, candidate in enumerate(tested):
        if i != chosen:
            rows += tuple(measured(candidate, split) for split in described)
            rows += (on_evaluation[i].noted("not taken to verification"),)
    rows += tuple(measured(tested[chosen], split) for split in described)
    rows += (on_evaluation[chosen], verification)
    return Examined(subject.layer, subject.unit, best, rows, on_evaluation[chosen], verification)


def _within_floor(score: float, floor: float) -> str:
    return f"the score in the search, {score:.3f}, is not above the noise floor {floor:.3f}"


def _choose(on_evaluation: Sequence[Measured]) -> int:
    """Return which candidate goes to verification (see `examine`)."""
    effects = [-math.inf if math.isnan(m.correlation.value) else m.correlation.value for m in on_evaluation]
    best = int(np.argmax(effects))
    high = on_evaluation[0].correlation.high
    return best if effects[best] > (effects[0] if math.isnan(high) else high) else 0


@dataclass(frozen=True, slots=True)
class Judged:
    """One subject with its verdict; `rows` carry q, and those of the judged hypothesis the verdict."""

    layer: str
    unit: str
    verdict: str
    expression: str | None
    note: str
    rows: tuple[Measured, ...]
    evaluation: Measured | None


def judge(examined: Sequence[Examined], protocol: Protocol, floor: Floor) -> list[Judged]:
    """Correct p over all rows of a split, whatever the unit, and give every subject its verdict."""
    rows = [row for e in examined for row in e.rows]
    corrected = iter(_with_q(rows, protocol))
    return [_judged(e, [next(corrected) for _ in e.rows], protocol, floor) for e in examined]


def count_tests(rows: Iterable[Measured]) -> dict[str, int]:
    """Return how many rows of each split carry a p-value."""
    counts = {"evaluation": 0, "verification": 0}
    for row in rows:
        if row.split in counts and not math.isnan(row.p):
            counts[row.split] += 1
    return counts


def _with_q(rows: Sequence[Measured], protocol: Protocol) -> list[Measured]:
    correct = CORRECTIONS[protocol.correction]
    q = np.full(len(rows), np.nan)
    for split in ("evaluation", "verification"):
        places = [i for i, row in enumerate(rows) if row.split == split]
        q[places] = correct([rows[i].p for i in places])
    return [replace(row, q=float(value)) for row, value in zip(rows, q, strict=True)]


def _judged(e: Examined, rows: list[Measured], protocol: Protocol, floor: Floor) -> Judged:
    if e.evaluation is None or e.verification is None:
        shown = rows[-1:] or [Measured(e.unit, None, None)]
        shown = [replace(row, verdict="unexplained").noted(e.obstacle) for row in shown]
        return Judged(e.layer, e.unit, "unexplained", shown[0].expression, e.obstacle, tuple(shown), None)
    evaluation, verification = rows[-2], rows[-1]
    if e.score <= floor.search:
        verdict, note = "unexplained", _within_floor(e.score, floor.search)
    else:
        verdict, note = RULE_OF[protocol.rule](evaluation, verification, protocol, floor)
    expression = verification.expression
    final = [replace(row, verdict=verdict) if row.expression == expression else row for row in rows]
    final[-1] = final[-1].noted(note)
    return Judged(e.layer, e.unit, verdict, expression, note, tuple(final), final[-2])


def _by_replication(evaluation: Measured, verification: Measured, protocol: Protocol, floor: Floor) -> tuple[str, str]:
    """Confirmed if both held-out splits agree and the effect on verification is above the noise floor."""
    if math.isnan(evaluation.p) and math.isnan(verification.p):
        return "unexplained", "no test could be run"
    agree = [row.agrees(protocol.alpha) for row in (evaluation, verification)]
    effect = verification.correlation.value
    above = math.isnan(floor.verification) or effect > floor.verification
    if all(agree) and above:
        return "confirmed", ""
    if all(agree):
        return "weak", f"the correlation, {effect:.3f}, is not above the noise floor {floor.verification:.3f}"
    if any(agree):
        return "weak", f"only {'evaluation' if agree[0] else 'verification'} agrees"
    return "rejected", "it did not repeat on held-out images"


def _by_activation(evaluation: Measured, verification: Measured, protocol: Protocol, floor: Floor) -> tuple[str, str]:
    """Confirmed if enough targets activate the unit on evaluation and the published test holds on verification."""
    share = evaluation.tla.value
    if math.isnan(share):
        return "unexplained", "evaluation has no targets"
    if share < protocol.min_tla:
        return "rejected", f"{share:.1%} of the targets activate the unit on evaluation, under {protocol.min_tla:.0%}"
    if verification.p_one_tailed < protocol.alpha:
        return "confirmed", ""
    if math.isnan(verification.p_one_tailed):
        return "weak", "there is no test on verification"
    return "weak", f"the one-tailed p on verification is {verification.p_one_tailed:.2g}"


RULE_OF = {"replication": _by_replication, "activation": _by_activation}
