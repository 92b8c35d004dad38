"""What stands beside a verdict, as frozen records of plain data: none of it changes one.

`Stability` belongs to a hypothesis, `Effects`, `Change` and `CounterExample` to what was judged of a unit, `Ensemble`
to a layer and `Plan` to the whole run. `beside.Beside` makes them from the run's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its 95 % interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of an interval; None where there is none."""

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Effects:
    """More measures of one hypothesis on one held-out split.

    The `_bootstrap` intervals are percentile intervals over resampled images; the `_bound` intervals hold for all
    tested rows of the split at once. `p_max_t` is corrected over all of these rows. `r_partial` is the correlation at
    equal brightness of the images, `r_brightness` the unit's own correlation with their brightness.
    """

    split: str
    n_either: int | None
    base_rate: float | None
    cliffs_delta: Estimate
    f1: Estimate
    iou: Estimate
    auroc_bootstrap: Interval
    auprc_bootstrap: Interval
    correlation_bootstrap: Interval
    auroc_bound: Interval
    tla_bound: Interval
    smallest_p: float | None
    p_permutation: float | None
    p_max_t: float | None
    r_brightness: float | None
    r_partial: float | None


@dataclass(frozen=True, slots=True)
class Stability:
    """One hypothesis among those of its unit, over resamples of the images that they were ranked on.

    `wins` is the share of resamples in which it is on top, `stability` that of the unit's most frequent winner;
    `in_set` tells whether it is in the unit's explanation set, which has `set_size` members.
    """

    rank: int
    correlation: Estimate
    wins: float
    rank_low: int
    rank_high: int
    in_set: bool
    set_size: int
    stability: float
    n_images: int


@dataclass(frozen=True, slots=True)
class Change:
    """The judged expression changed a little: how its correlation falls on the same held-out images."""

    change: str
    part: str | None
    variant: str | None
    n_target: int | None
    correlation: float | None
    fall: Estimate
    outcome: str


@dataclass(frozen=True, slots=True)
class CounterExample:
    """An image that speaks against the explanation: of `kind` silent (it matches) or unexpected (it does not).

    `level` is the value as a share of the unit's range over all images; `word` a class that marks unexpected images.
    """

    kind: str
    rank: int
    image: str
    split: str | None
    value: float
    level: float
    word: str | None


@dataclass(frozen=True, slots=True)
class EnsembleShares:
    """What one split says of an ensemble beside its best single unit; `drop` is of non-TLA, `loss` of TLA."""

    split: str
    n_target: int | None
    n_other: int | None
    tla: Estimate
    non_tla: Estimate
    single_tla: Estimate
    single_non_tla: Estimate
    drop: Estimate
    loss: Estimate


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Units that fire together (each above `threshold` of its maximum) for an expression, chosen on evaluation."""

    expression: str
    words: str
    threshold: float
    units: tuple[str, ...]
    single: str
    shares: tuple[EnsembleShares, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was written down before the verification, and whether it is what was tested.

    `digest` is the plan's own; `intact`: it is still that of the plan's content. `before`: the run's record says that
    the verification read this very plan, and so began after it was written. `matched`: what was tested is what was
    planned; `differs` names what is not. `parts` has the digests in the plan.
    """

    digest: str
    intact: bool
    before: bool
    matched: bool | None
    differs: tuple[str, ...]
    planned: Mapping[str, int]
    tested: Mapping[str, int]
    images: Mapping[str, int]
    parts: Mapping[str, str]
