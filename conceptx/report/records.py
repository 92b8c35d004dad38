"""What goes into a report (`ReportInput`) and what it says (`Evidence`), as frozen records of plain data.

`Evidence` holds no times and no absolute paths, so equal inputs give equal reports. `evidence.gather` makes it.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from conceptx.files import json_ready
from conceptx.report.checks import Change, CounterExample, Effects, Ensemble, Estimate, Plan, Stability

if TYPE_CHECKING:
    import pyarrow as pa

    from conceptx.activations.store import Activations
    from conceptx.annotation.mapping import Mapping as LabelMapping
    from conceptx.annotation.scenes import Scenes
    from conceptx.images.dataset import ImageSet

SCHEMA = "conceptx-report/2"
_SHORT = (",", ":")
VERDICTS_IN_ORDER = ("confirmed", "weak", "rejected", "unexplained")


@dataclass(frozen=True, slots=True)
class ReportInput:
    """Everything that a report is made of.

    The tables have the schemas of `conceptx.tables`. `request` is the resolved request (`model`, `images`, `ontology`,
    `protocol`, `objective`, `seed`, …; unknown keys are shown as they are). `protocol` is `Protocol.describe()`,
    `verification` is `Summary.to_dict()` of the verification. `skipped` lists (image, reason), `warnings` are whole
    sentences. Without an `image_set` that can load pictures, images are named and not shown. `truth` is
    `planted.in_numbers`, where units whose explanation is known were verified as well. `frontier` has, by layer and
    unit, the best expression of each length as (length, score, expression). `digests` has the sha256 of what the run
    was made from, by name (images, ontology, weights). `beside` has the tables that stand beside the verdicts, by the
    names in `beside.TABLES`; `plan` is the content of the run's plan, and `plan_was_read` tells whether the
    verification recorded that it read this very plan. `missing` says, one sentence each, what a run of this version
    would have.
    """

    request: Mapping[str, object]
    images: pa.Table
    objects: pa.Table
    hypotheses: pa.Table
    verdicts: pa.Table
    controls: pa.Table
    margins: pa.Table
    activations: Sequence[Activations]
    scenes: Scenes
    protocol: Sequence[str] = ()
    verification: Mapping[str, object] = field(default_factory=dict)
    mapping: LabelMapping | None = None
    skipped: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    image_set: ImageSet | None = None
    truth: Mapping[str, Any] = field(default_factory=dict)
    frontier: Mapping[str, Mapping[str, Sequence[tuple[int, float, str]]]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, pa.Table] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    plan_was_read: bool = False
    missing: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one split says of one unit and one expression."""

    split: str
    n_target: int | None
    n_other: int | None
    tla: Estimate
    non_tla: Estimate
    auroc: Estimate
    auprc: Estimate
    correlation: Estimate
    u: float | None
    z: float | None
    p: float | None
    z_uncorrected: float | None
    p_one_tailed: float | None
    q: float | None
    verdict: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Margin:
    """TLA and non-TLA above a share of the unit's maximum."""

    split: str
    threshold: float
    tla: Estimate
    non_tla: Estimate


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One expression that was considered for a unit; `rank` is None for one that only the verdicts name."""

    expression: str
    words: str
    rank: int | None
    length: int | None
    extent_size: int | None
    scores: Mapping[str, float | None]
    twins: tuple[str, ...]
    optimal: bool
    bound: float | None
    proposed: bool
    statistics: tuple[Statistics, ...]
    stability: Stability | None


@dataclass(frozen=True, slots=True)
class Box:
    """An object that the expression names, as shares of the image's width and height.

    `wanted` is False for an object that the expression excludes.
    """

    x: float
    y: float
    w: float
    h: float
    label: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One image: the unit's value, that value as a share of the unit's range, and whether the expression holds."""

    image: str
    split: str | None
    value: float
    level: float
    matches: bool | None
    labels: tuple[str, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Histogram of the unit's values on the images that an expression holds for, and on the others."""

    splits: tuple[str, ...]
    low: float
    high: float
    target: tuple[int, ...]
    other: tuple[int, ...]
    target_quartiles: tuple[float, ...]
    other_quartiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class UnitEvidence:
    """Everything that the report says of one unit. `top`, `missed` and `unexpected` are held-out images.

    `index` is the unit's place in its layer. `search` is the correlation in the search and `controls_below` the share
    of control units whose best hypothesis reached less there; `score` is the correlation on new images. `places` has
    for each class that the expression names outside of negations the labels from the root down to it, and `related`
    the other units whose expression names one of them.
    """

    layer: str
    unit: str
    index: int
    verdict: str
    note: str
    expression: str | None
    words: str
    score: float | None
    search: float | None
    statistics: tuple[Statistics, ...]
    margins: tuple[Margin, ...]
    hypotheses: tuple[Hypothesis, ...]
    twins: tuple[str, ...]
    frontier: tuple[tuple[int, float, str], ...]
    top: tuple[Example, ...]
    missed: tuple[Example, ...]
    unexpected: tuple[Example, ...]
    distribution: Distribution | None
    controls_below: float | None
    places: tuple[tuple[str, ...], ...] = ()
    related: tuple[tuple[str, str], ...] = ()
    effects: tuple[Effects, ...] = ()
    sanity: tuple[Change, ...] = ()
    counterexamples: tuple[CounterExample, ...] = ()

    @property
    def judged(self) -> Hypothesis | None:
        """The hypothesis that the unit's expression is, with all that was measured of it."""
        return next((h for h in self.hypotheses if h.expression == self.expression), None)


@dataclass(frozen=True, slots=True)
class Controls:
    """What control units of one kind reached: `search` is each one's best correlation on the induction split.

    `correlation` and `auroc` are on verification, of those whose hypothesis was tested at all.
    """

    kind: str
    n: int
    verdicts: Mapping[str, int]
    search: tuple[float, ...]
    correlation: tuple[float, ...]
    auroc: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What control units reach that have nothing to explain; `correlation` and `auroc` are on verification.

    `search` is in units of the objective.
    """

    n: int
    correlation: float | None
    auroc: float | None
    search: float | None


@dataclass(frozen=True, slots=True)
class LayerEvidence:
    """One layer: its units' verdicts counted, its controls, the noise floor of the run, and units together."""

    layer: str
    units: int
    images: int
    meta: Mapping[str, object]
    verdicts: Mapping[str, int]
    controls: tuple[Controls, ...]
    floor: NoiseFloor
    ensembles: tuple[Ensemble, ...]


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """One class: on how many images it is annotated, and the confirmed units that stand for it."""

    name: str
    label: str
    images: int
    units: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MappedLabel:
    """One decision of the mapping: what the annotator wrote, the class it was given, and how sure that is."""

    label: str
    class_name: str | None
    predicate: str
    confidence: float | None
    justification: str
    author: str
    comment: str
    alternatives: tuple[str, ...]
    objects: int
    doubtful: bool


@dataclass(frozen=True, slots=True)
class DataQuality:
    """What the data lack: skipped images, images without labels, labels without a class."""

    mapping: tuple[MappedLabel, ...]
    skipped: tuple[tuple[str, str], ...]
    images_without_labels: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The data in numbers."""

    name: str
    attribution: str
    images: int
    objects: int
    labels: int
    splits: Mapping[str, int]
    classes_used: int
    classes: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The whole content of a report. Units are in the order of the report: the best explained first.

    `best` and `surprising` name units; `classes` is the index by class, `silent` lists classes no unit stands for.
    The first `in_detail` units have all their hypotheses, examples and checks, the others only what was judged.
    """

    schema: str
    request: Mapping[str, object]
    data: DataFacts
    layers: tuple[LayerEvidence, ...]
    verdicts: Mapping[str, int]
    best: tuple[tuple[str, str], ...]
    surprising: tuple[tuple[str, str], ...]
    classes: tuple[ClassEvidence, ...]
    silent: tuple[ClassEvidence, ...]
    units: tuple[UnitEvidence, ...]
    quality: DataQuality
    protocol: tuple[str, ...]
    verification: Mapping[str, object]
    objective: str
    hypotheses_tried: int | None
    truth: Mapping[str, Any]
    plan: Plan | None
    missing: tuple[str, ...]
    in_detail: int

    def to_json(self) -> str:
        """Return the content of `report.json`: equal for equal evidence; one line, which is many times faster."""
        return (
            json.dumps(self, default=_plain, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=_SHORT)
            + "\n"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as dictionaries, lists, texts and numbers, as `report.json` holds it."""
        made: dict[str, Any] = json.loads(self.to_json())
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evidence:
        """Return the evidence that `to_dict` gave; what is not of this schema raises a ValueError."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"the schema is {data.get('schema')!r}, not {SCHEMA!r}")
        made: Evidence = _record(cls, data)
        return made


def _plain(value: Any) -> Any:
    """Return what JSON can hold of one record or number; the encoder asks again for what is inside."""
    kind: Any = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name, _ in _fields(kind)}
    return json_ready(value)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in fields(kind))


def _record(kind: Any, value: Any) -> Any:
    """Build a value of a type from plain data: records from dictionaries, tuples from lists."""
    reader = _reader(kind)
    return value if reader is None else reader(value)


@cache
def _reader(kind: Any) -> Callable[[Any], Any] | None:
    """Return what reads a value of a type from plain data, or None where the plain data are the value.

    The types are looked at once, because a report of thousands of units has millions of values.
    """
    made: Any = kind
    if is_dataclass(kind):
        readers = tuple((name, _reader(hint)) for name, hint in _fields(made))

        def record(value: Any) -> Any:
            if value is None:
                return None
            return made(*[value[name] if read is None else read(value[name]) for name, read in readers])

        return record
    arguments = get_args(kind)
    if get_origin(kind) is types.UnionType:
        return _reader(next(a for a in arguments if a is not type(None)))
    if get_origin(kind) is not tuple:
        return None
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        each = _reader(arguments[0])
        return lambda value: None if value is None else tuple(value if each is None else map(each, value))
    members = tuple(map(_record_of, arguments))
    return lambda value: None if value is None else tuple(r(v) for r, v in zip(members, value, strict=True))


def _record_of(kind: Any) -> Callable[[Any], Any]:
    return lambda value: _record(kind, value)
