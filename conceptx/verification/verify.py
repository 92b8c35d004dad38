"""The stage: hypotheses, activations and annotated images of held-out splits → verdicts, error margins and controls.

`verify` is what a run calls; `judge_subjects` is the part that it shares with `own_tables.verify_tables`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import Expression, parse, to_manchester
from conceptx.progress import Progress, silent
from conceptx.tables import CONTROLS, MARGINS, SPLITS, VERDICTS, from_rows
from conceptx.verification.controls import (
    Candidate,
    Floor,
    Search,
    control_unit,
    directions,
    generator,
    noise_floor,
    proposed_first,
    sources,
)
from conceptx.verification.judge import (
    VERDICTS_IN_ORDER,
    Examined,
    Judged,
    Rankings,
    Sample,
    Subject,
    count_tests,
    examine,
    judge,
)
from conceptx.verification.margins import margins
from conceptx.verification.protocol import Protocol, load_protocol
from conceptx.verification.results import Summary, UnitVerdict, Verification
from conceptx.verification.statistics import Bools, Values, mann_whitney

if TYPE_CHECKING:
    import pyarrow as pa

    from conceptx.activations.store import Activations

MAX_OTHER_LABELS = 5000
"""How many pairs of a unit and another unit's hypothesis are tried at most."""
_THREADS_FROM = 10_000


def verify(
    activations: Activations | Sequence[Activations],
    scenes: Scenes,
    splits: Mapping[str, str],
    hypotheses: pa.Table,
    *,
    protocol: str | Path | Protocol = "conceptx",
    seed: int = 0,
    search: Search | None = None,
    untrained: Activations | Sequence[Activations] = (),
    brightness: Mapping[str, float] | None = None,
    n_searched: int | None = None,
    progress: Progress = silent,
) -> Verification:
    """Verify the hypotheses (table HYPOTHESES) of one or several layers on the held-out images.

    `splits` gives the split of each image; `scenes` and `activations` have all these images. `search` is the search
    that made the hypotheses (`controls.search_with`; its values are those of the induction images in the order of
    `splits`); the protocol's controls need it. `untrained` are the same layers of the untrained network, `brightness`
    is the mean of the pixels of each image that the network was given; both go the same way as the controls.
    """
    rules = load_protocol(protocol)
    if rules.controls and search is None:
        raise ValueError(f"the protocol {rules.name!r} has controls: pass the search that they go through")
    layers = _as_list(activations)
    sample = make_sample(scenes, splits, "splits")
    candidates = _candidates(layers, hypotheses, rules)
    subjects = [
        Subject(layer.layer, unit, row, candidates.get((layer.layer, unit), ()))
        for layer in layers
        for unit, row in zip(layer.units, values_of(layer, splits), strict=True)
    ]
    if search is None:
        controls: dict[str, list[Subject]] = {}
    else:
        controls = _searched_controls(subjects, sample, rules, search, seed)
        extra = [
            Subject(a.layer, unit, row, ())
            for a in _as_list(untrained)
            for unit, row in zip(a.units, values_of(a, splits), strict=True)
        ]
        if extra:
            picked = sources(len(extra), min(len(extra), max(rules.n_controls, 1)), seed, "untrained")
            controls["untrained"] = _with_candidates([extra[i] for i in sorted(picked)], sample, search)
        controls |= _reported_controls(subjects, brightness, splits, sample, rules, search, seed)
    return judge_subjects(subjects, controls, sample, rules, seed, n_searched=n_searched, progress=progress)


def judge_subjects(
    subjects: Sequence[Subject],
    controls: Mapping[str, Sequence[Subject]],
    sample: Sample,
    protocol: Protocol,
    seed: int,
    *,
    n_searched: int | None = None,
    progress: Progress = silent,
) -> Verification:
    """Judge real units and controls by the same tests and the same rule, and make the tables.

    Controls are measured on all splits even where the floor leaves a real unit untested: they are what the floor is
    made of, and the table of controls shows it.
    """
    ranked = Rankings(sample)
    examined_controls = {
        kind: _examined(made, sample, protocol, math.nan, ranked, f"{kind} controls", progress)
        for kind, made in controls.items()
    }
    floors = {kind: _floor(made, protocol) for kind, made in examined_controls.items()}
    floor = _floor([e for kind in protocol.controls for e in examined_controls.get(kind, ())], protocol)
    examined = _examined(subjects, sample, protocol, floor.search, ranked, "verify", progress)
    judged = judge(examined, protocol, floor)
    control_verdicts = {kind: judge(made, protocol, floor) for kind, made in examined_controls.items()}
    units = _unit_verdicts(judged, floor)
    summary = Summary(
        protocol=protocol.name,
        units=units,
        counts=_counts(u.verdict for u in units),
        floor=floor,
        floors=floors,
        control_counts={kind: _counts(j.verdict for j in made) for kind, made in control_verdicts.items()},
        n_tests=count_tests(row for j in judged for row in j.rows),
        n_searched=n_searched,
        other_labels_pass=_other_labels(subjects, judged, sample, ranked, protocol, seed),
    )
    return Verification(
        protocol=protocol,
        verdicts=from_rows([row.as_row(j.layer) for j in judged for row in j.rows], VERDICTS),
        margins=from_rows(_margins(subjects, judged, sample, ranked, protocol), MARGINS),
        controls=from_rows(
            [
                {"kind": kind, **row.as_row(j.layer)}
                for kind, made in control_verdicts.items()
                for j in made
                for row in j.rows
            ],
            CONTROLS,
        ),
        summary=summary,
    )


def _examined(
    subjects: Sequence[Subject],
    sample: Sample,
    protocol: Protocol,
    floor: float,
    ranked: Rankings,
    label: str,
    progress: Progress,
) -> list[Examined]:
    """Examine every subject; with many images in two threads, because sorting and summing then leave Python free."""

    def one(subject: Subject) -> Examined:
        return examine(subject, sample, protocol, floor, ranked)

    if sum(len(members) for members in sample.splits.values()) < _THREADS_FROM:
        return [one(s) for s in progress(subjects, total=len(subjects), label=label)]
    with ThreadPoolExecutor(2) as pool:
        return list(progress(pool.map(one, subjects), total=len(subjects), label=label))


# ------------------------------------------------------------------------------------------------- the sample


def make_sample(scenes: Scenes, splits: Mapping[str, str], where: str) -> Sample:
    """Return the splits' indices (in the order of `splits`) and the extents of expressions over these images."""
    place = {image: i for i, image in enumerate(scenes.images)}
    for image, split in splits.items():
        if split not in SPLITS:
            raise InputError(where, f"image {image!r} is in {split!r}", f"use one of {', '.join(SPLITS)}")
        if image not in place:
            mend = did_you_mean(image, place) or "annotate it or leave it out"
            raise InputError(where, f"image {image!r} is not among the annotated images", mend)
    names = np.array(list(splits.values()))
    members = {split: np.flatnonzero(names == split) for split in SPLITS}
    for split in ("evaluation", "verification"):
        if not len(members[split]):
            raise InputError(where, f"no image is in the split {split!r}", "give it some images that are in no other")
    if not len(members["induction"]):
        del members["induction"]
    order = np.array([place[image] for image in splits], dtype=np.int64)
    packed: dict[Expression, npt.NDArray[np.uint8]] = {}

    def extent_of(expression: Expression) -> Bools:
        if expression not in packed:
            packed[expression] = np.packbits(evaluate(expression, scenes)[order])
        return np.unpackbits(packed[expression], count=len(order)).view(np.bool_)

    return Sample(members, extent_of)


def values_of(layer: Activations, splits: Mapping[str, str]) -> list[Values]:
    """Return each unit's values on the images of `splits`, in that order; they must be finite."""
    if len(set(layer.images)) != len(layer.images):
        name, _ = Counter(layer.images).most_common(1)[0]
        raise InputError(f"layer {layer.layer!r}", f"image {name!r} appears twice", "keep one image of that name")
    place = {image: i for i, image in enumerate(layer.images)}
    for image in splits:
        if image not in place:
            what = f"image {image!r} has no activations"
            raise InputError(f"layer {layer.layer!r}", what, "extract it or leave it out")
    columns = np.array([place[image] for image in splits], dtype=np.int64)
    rows = []
    for unit, row in zip(layer.units, layer.values, strict=True):
        values = np.asarray(row[columns])
        if not np.isfinite(values).all():
            image = list(splits)[int(np.flatnonzero(~np.isfinite(values))[0])]
            where = f"layer {layer.layer!r}, unit {unit!r}"
            raise InputError(where, f"the activation on image {image!r} is not finite", "extract again or leave it out")
        rows.append(values)
    return rows


def _candidates(
    layers: Sequence[Activations], hypotheses: pa.Table, protocol: Protocol
) -> dict[tuple[str, str], tuple[Candidate, ...]]:
    """Return the hypotheses of each unit, the proposed one first and then by rank, with their score in the search."""
    known = {(layer.layer, unit) for layer in layers for unit in layer.units}
    found: dict[tuple[str, str], list[tuple[int, Candidate]]] = {}
    names = ("layer", "unit", "rank", "expression", protocol.objective, "proposed")
    columns = (hypotheses[name].to_pylist() for name in names)
    for row, (layer, unit, place, text, score, proposed) in enumerate(zip(*columns, strict=True), start=1):
        if (layer, unit) not in known:
            what = f"layer {layer!r} has no unit {unit!r}"
            raise InputError(f"hypotheses:{row}", what, "verify with the activations that they were learned from")
        candidate = Candidate(parse(text), math.nan if score is None else float(score), bool(proposed))
        found.setdefault((layer, unit), []).append((place, candidate))
    return {key: proposed_first([c for _, c in sorted(made, key=lambda pair: pair[0])]) for key, made in found.items()}


# ------------------------------------------------------------------------------------------------- controls


def _searched_controls(
    subjects: Sequence[Subject], sample: Sample, protocol: Protocol, search: Search, seed: int
) -> dict[str, list[Subject]]:
    """Make the protocol's control units from the units that are not constant, and search hypotheses for them."""
    live = [s for s in subjects if s.values.min() < s.values.max()]
    return {
        kind: _with_candidates(controls_from(live, kind, protocol.n_controls, sample, seed), sample, search)
        for kind in protocol.controls
    }


def _reported_controls(
    subjects: Sequence[Subject],
    brightness: Mapping[str, float] | None,
    splits: Mapping[str, str],
    sample: Sample,
    protocol: Protocol,
    search: Search,
    seed: int,
) -> dict[str, list[Subject]]:
    """Make the controls that are reported beside the floor: random directions of the layers, and the brightness."""
    of_layer: dict[str, list[Values]] = {}
    for s in subjects:
        of_layer.setdefault(s.layer, []).append(s.values)
    share = -(-protocol.n_directions // max(len(of_layer), 1))
    made = [
        Subject(layer, f"direction {i + 1}", row, ())
        for layer, rows in of_layer.items()
        for i, row in enumerate(directions(rows, share, seed, layer))
    ]
    found = {"directions": _with_candidates(made, sample, search)} if made else {}
    if brightness is not None:
        unit = Subject("pixels", "mean brightness", brightness_of(brightness, splits), ())
        found["brightness"] = _with_candidates([unit], sample, search)
    return found


def brightness_of(brightness: Mapping[str, float], splits: Mapping[str, str]) -> Values:
    """Return the brightness of the images of `splits`, in that order; it must be known and finite for each."""
    for image in splits:
        if not math.isfinite(brightness.get(image, math.nan)):
            what = f"the brightness of image {image!r} is not known"
            raise InputError("brightness", what, "give the mean of the pixels of every image, or leave it out")
    return np.array([brightness[image] for image in splits], dtype=np.float64)


def controls_from(live: Sequence[Subject], kind: str, n: int, sample: Sample, seed: int) -> list[Subject]:
    """Make n control units of a kind from real ones; they keep the candidates of the unit that they are made from."""
    splits = [sample.splits[name] for name in SPLITS if name in sample.splits]
    return [
        Subject(
            live[of].layer, f"{kind} {i + 1}", control_unit(kind, live[of].values, splits, seed, i), live[of].candidates
        )
        for i, of in enumerate(sources(len(live), n, seed, kind))
    ]


def _with_candidates(made: Sequence[Subject], sample: Sample, search: Search) -> list[Subject]:
    """Replace the candidates by what the search finds on the induction split."""
    if not made or "induction" not in sample.splits:
        return []
    values = np.stack([s.values[sample.splits["induction"]] for s in made])
    return [Subject(s.layer, s.unit, s.values, proposed_first(c)) for s, c in zip(made, search(values), strict=True)]


def _floor(examined: Sequence[Examined], protocol: Protocol) -> Floor:
    taken = [(0.0 if not e.rows else e.score, e.evaluation, e.verification) for e in examined]
    return noise_floor(taken, protocol.floor_quantile)


# ------------------------------------------------------------------------------------------------- the summary


def _unit_verdicts(judged: Sequence[Judged], floor: Floor) -> tuple[UnitVerdict, ...]:
    """Return one verdict a unit: its best one, the correlation on evaluation deciding between equals."""
    best: dict[tuple[str, str], tuple[tuple[float, float], Judged]] = {}
    for j in judged:
        effect = -math.inf if j.evaluation is None else j.evaluation.correlation.value
        key = (float(VERDICTS_IN_ORDER.index(j.verdict)), math.inf if math.isnan(effect) else -effect)
        if (j.layer, j.unit) not in best or key < best[j.layer, j.unit][0]:
            best[j.layer, j.unit] = (key, j)

    def above_floor(j: Judged) -> float:
        return math.nan if j.evaluation is None else j.rows[-1].correlation.value - floor.verification

    return tuple(
        UnitVerdict(j.layer, j.unit, j.verdict, j.expression, j.note, above_floor(j)) for _, j in best.values()
    )


def _margins(
    subjects: Sequence[Subject], judged: Sequence[Judged], sample: Sample, ranked: Rankings, protocol: Protocol
) -> list[dict[str, object]]:
    """Return the error margins of every judged hypothesis on every held-out split."""
    explained_with = sample.splits.get("induction")
    rows: list[dict[str, object]] = []
    for subject, j in zip(subjects, judged, strict=True):
        if j.evaluation is None or j.expression is None:
            continue
        expression = next(c.expression for c in subject.candidates if to_manchester(c.expression) == j.expression)
        extent = sample.extent_of(expression)
        maximum = float((subject.values if explained_with is None else subject.values[explained_with]).max())
        for split in ("evaluation", "verification"):
            members = sample.splits[split]
            ranking = ranked.of(subject.values)[split]
            rows += margins(j.layer, j.unit, j.expression, split, ranking, extent[members], maximum, protocol.margins)
    return rows


def _other_labels(
    subjects: Sequence[Subject],
    judged: Sequence[Judged],
    sample: Sample,
    ranked: Rankings,
    protocol: Protocol,
    seed: int,
) -> float | None:
    """Return the share of pairs (unit, hypothesis of another unit) that pass the protocol's rule uncorrected.

    By "activation": enough targets activate the unit on evaluation. By "replication": on both splits p is below alpha
    with higher values on targets. At most `MAX_OTHER_LABELS` pairs are drawn.
    """
    of_unit: dict[tuple[str, str], tuple[Subject, set[Expression]]] = {}
    labels: dict[Expression, None] = {}
    for subject, j in zip(subjects, judged, strict=True):
        own = {c.expression for c in subject.candidates}
        of_unit.setdefault((subject.layer, subject.unit), (subject, set()))[1].update(own)
        labels |= {c.expression: None for c in subject.candidates if to_manchester(c.expression) == j.expression}
    pairs = [(s, e) for s, own in of_unit.values() if s.values.min() < s.values.max() for e in labels if e not in own]
    if len(pairs) > MAX_OTHER_LABELS:
        drawn = generator(seed, "other labels").choice(len(pairs), MAX_OTHER_LABELS, replace=False)
        pairs = [pairs[i] for i in sorted(drawn)]
    outcomes: list[bool] = []
    for subject, expression in pairs:
        extent, rankings = sample.extent_of(expression), ranked.of(subject.values)
        tallies = {
            split: rankings[split].tally(extent[sample.splits[split]]) for split in ("evaluation", "verification")
        }
        if any(min(t.n_target, t.n_other) < protocol.min_targets for t in tallies.values()):
            continue
        if protocol.rule == "activation":
            hits, _ = tallies["evaluation"].above(0.0)
            outcomes.append(hits >= protocol.min_tla * tallies["evaluation"].n_target)
        else:
            tests = [mann_whitney(t) for t in tallies.values()]
            outcomes.append(all(t.p < protocol.alpha and t.z > 0 for t in tests))
    return sum(outcomes) / len(outcomes) if outcomes else None


def _counts(verdicts: Iterable[str]) -> dict[str, int]:
    counted = Counter(verdicts)
    return {verdict: counted[verdict] for verdict in VERDICTS_IN_ORDER}


def _as_list(activations: Activations | Sequence[Activations]) -> list[Activations]:
    return list(activations) if isinstance(activations, Sequence) else [activations]
