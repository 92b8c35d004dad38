"""Protocols: the rules of a verification, as plain data that the report prints in words.

`load_protocol` gives one by name (`PROTOCOLS`) or reads a user's own from a TOML file, whose keys are the fields of
`Protocol`; `base = "dalal2024"` starts from another protocol than `conceptx`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

from conceptx.errors import InputError, did_you_mean
from conceptx.tables import SCORES
from conceptx.verification.corrections import CORRECTIONS

OBJECTIVES = tuple(score for score in SCORES if score != "auprc")
"""What a protocol can have maximised: the scores of a hypothesis but AUPRC, which is measured and not searched."""
RULES = ("replication", "activation")
CONTROL_KINDS = ("shuffled", "noise")
MAX_RESAMPLES = 100_000


@dataclass(frozen=True, slots=True)
class Protocol:
    """How hypotheses are found, tested and judged.

    `fractions` are the shares of the splits induction, evaluation and verification. `positive_from` and `negative_to`
    turn a unit's values into positive and negative images, as shares of its maximum (None: the values are used as
    they are). `candidates` hypotheses a unit are tested on evaluation; `rule` is "replication" or "activation".
    `controls` and `n_controls` (of each kind) set the noise floor, the quantile `floor_quantile` of their effects;
    `n_directions` random directions of the layers are reported beside it. `bootstrap` and `permutations` are numbers of
    resamples.
    """

    name: str
    source: str = ""
    objective: str = "correlation"
    max_length: int = 3
    negation: bool = True
    positive_from: float | None = None
    negative_to: float | None = None
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    candidates: int = 5
    rule: str = "replication"
    alpha: float = 0.05
    correction: str = "benjamini-hochberg"
    min_targets: int = 8
    min_tla: float = 0.8
    controls: tuple[str, ...] = CONTROL_KINDS
    n_controls: int = 100
    n_directions: int = 50
    floor_quantile: float = 0.95
    bootstrap: int = 1000
    permutations: int = 1000
    margins: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6)

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("fractions", "controls", "margins"):
            put(self, name, tuple(getattr(self, name)))
        _check(self)

    @property
    def evaluation_share(self) -> float:
        """The share of evaluation among the held-out images (evaluation and verification)."""
        _, evaluation, verification = self.fractions
        return evaluation / (evaluation + verification)

    def describe(self) -> list[str]:
        """Return the protocol in words: one sentence each, in the order of the work."""
        return [*_search_words(self), *_test_words(self), *_rule_words(self), *_control_words(self)]

    def to_dict(self) -> dict[str, object]:
        """Return the fields as plain data, so that ``Protocol(**data)`` is equal."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def load_protocol(name_or_path: str | Path | Protocol) -> Protocol:
    """Return a protocol by its name, or from a TOML file (what ends in .toml or is a file)."""
    if isinstance(name_or_path, Protocol):
        return name_or_path
    if isinstance(name_or_path, str) and name_or_path in PROTOCOLS:
        return PROTOCOLS[name_or_path]
    path = Path(name_or_path)
    if path.suffix.lower() != ".toml" and not path.is_file():
        known = ", ".join(PROTOCOLS)
        mend = did_you_mean(str(name_or_path), PROTOCOLS) or f"use one of {known}, or a path to a .toml file"
        raise InputError("protocol", f"there is no protocol {str(name_or_path)!r}", mend)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"this is not TOML ({error})", "mend the file") from error
    base = data.pop("base", "conceptx")
    if base not in PROTOCOLS:
        raise InputError(str(path), f"there is no protocol {base!r} to start from", f"use {' or '.join(PROTOCOLS)}")
    names = [field.name for field in fields(Protocol)]
    for key in data:
        if key not in names:
            mend = did_you_mean(key, names) or f"the keys are {', '.join(names)}"
            raise InputError(str(path), f"a protocol has no {key!r}", mend)
    try:
        return replace(PROTOCOLS[base], **{"name": path.stem, **data})
    except InputError as error:
        raise InputError(str(path), error.what, error.mend) from error
    except TypeError as error:
        raise InputError(str(path), f"a value has the wrong type ({error})", "mend the file") from error


def _check(p: Protocol) -> None:
    """Raise an InputError for the first field whose value makes no sense."""

    def need(right: bool, field: str, mend: str) -> None:
        if not right:
            raise InputError(f"protocol {p.name!r}", f"{field} is {getattr(p, field)!r}", mend)

    def share(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1

    def whole(value: object, least: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    need(isinstance(p.name, str) and bool(p.name), "name", "give it a name")
    need(isinstance(p.source, str), "source", "say in a text where it is from")
    need(p.objective in OBJECTIVES, "objective", f"use one of {', '.join(OBJECTIVES)}")
    need(whole(p.max_length, 1), "max_length", "use a whole number from 1")
    need(isinstance(p.negation, bool), "negation", "use true or false")
    both = (p.positive_from, p.negative_to)
    need(both == (None, None) or all(map(share, both)), "positive_from", "set positive_from and negative_to, 0 to 1")
    if p.positive_from is not None and p.negative_to is not None:
        need(p.negative_to < p.positive_from, "negative_to", "choose it below positive_from")
    parts = p.fractions
    need(
        len(parts) == 3 and all(map(share, parts)) and abs(sum(parts) - 1) < 1e-9 and parts[1] > 0 and parts[2] > 0,
        "fractions",
        "give three shares (induction, evaluation, verification) that sum to 1, the last two above 0",
    )
    need(whole(p.candidates, 1), "candidates", "use a whole number from 1")
    need(p.rule in RULES, "rule", f"use {' or '.join(RULES)}")
    need(share(p.alpha) and 0 < p.alpha < 1, "alpha", "use a number between 0 and 1")
    need(p.correction in CORRECTIONS, "correction", f"use one of {', '.join(CORRECTIONS)}")
    need(whole(p.min_targets, 2), "min_targets", "use a whole number from 2")
    need(share(p.min_tla), "min_tla", "use a number from 0 to 1")
    need(
        set(p.controls) <= set(CONTROL_KINDS) and len(set(p.controls)) == len(p.controls),
        "controls",
        f"list {' and '.join(CONTROL_KINDS)}, each at most once",
    )
    need(whole(p.n_controls, 20 if p.controls else 0), "n_controls", "use at least 20 of each kind")
    need(whole(p.n_directions, 0), "n_directions", "use a whole number from 0")
    for name in ("bootstrap", "permutations"):
        need(whole(getattr(p, name), 0) and getattr(p, name) <= MAX_RESAMPLES, name, f"use 0 to {MAX_RESAMPLES}")
    need(share(p.floor_quantile), "floor_quantile", "use a number from 0 to 1")
    need(bool(p.margins) and all(map(share, p.margins)), "margins", "list shares of the unit's maximum, 0 to 1")


def _percent(share: float) -> str:
    return f"{share * 100:.10g} %"


def _search_words(p: Protocol) -> list[str]:
    origin = f" It follows {p.source}." if p.source else ""
    splits = ", ".join(f"{_percent(f)} for {n}" for f, n in zip(p.fractions, _SPLIT_NAMES, strict=True))
    if p.positive_from is None or p.negative_to is None:
        learned = "from all images of the induction split and the unit's values as they are"
    else:
        learned = (
            f"from positive images (at least {_percent(p.positive_from)} of the unit's maximum) and negative images "
            f"(at most {_percent(p.negative_to)}, zeros included)"
        )
    form = f"at most {p.max_length} classes" + ("" if p.negation else ", without negation")
    return [
        f"The protocol is called {p.name}.{origin}",
        f"Unless the data say otherwise, the images are split into {splits}.",
        f"Hypotheses are learned {learned}; they are ranked by {p.objective.replace('_', ' ')} and have {form}.",
    ]


_SPLIT_NAMES = ("induction", "evaluation", "verification")


def _test_words(p: Protocol) -> list[str]:
    if p.candidates == 1:
        tested = "The hypothesis that the search proposes is tested on evaluation and once on verification."
    else:
        tested = (
            f"Of each unit {p.candidates} hypotheses are tested on evaluation: the one that the search proposes and "
            "the next best. The proposed one is then tested once on verification, unless another's correlation on "
            "evaluation is above the upper end of its interval: then the one with the highest correlation is."
        )
    correction = _AUTHORS[p.correction]
    return [
        tested,
        "Targets are the images of a split that the hypothesis holds for; all its other images are the others.",
        "TLA is the share of targets with a value above 0, non-TLA the share of others (Wilson intervals); both are "
        f"also given above {', '.join(_percent(m) for m in p.margins)} of the unit's maximum.",
        "The test is the two-sided Mann-Whitney test with correction for ties; p is exact for small groups without "
        "ties and allows for skewness where the unit is active on few images.",
        f"The number q is p after the correction of {correction} over all units and hypotheses that are tested on the "
        "same split.",
        f"A split with fewer than {p.min_targets} targets or others, or on which the unit is constant, gives no p.",
        "On the images that the hypotheses were learned from no p is computed.",
        *_resampling_words(p),
    ]


_AUTHORS = {
    "benjamini-hochberg": "Benjamini and Hochberg",
    "benjamini-yekutieli": "Benjamini and Yekutieli",
    "holm": "Holm",
}


def _resampling_words(p: Protocol) -> list[str]:
    words = []
    if p.permutations:
        words.append(
            f"Beside it stand p-values from {p.permutations:,} permutations of the images, which all units and "
            "hypotheses share: for each alone, and corrected over all by the largest statistic (max-T, step-down)."
        )
    if p.bootstrap:
        words.append(
            f"Percentile intervals, and which of a unit's hypotheses stay on top, come from {p.bootstrap:,} bootstrap "
            "resamples of the images."
        )
    return words


def _rule_words(p: Protocol) -> list[str]:
    if p.rule == "activation":
        return [
            f"Confirmed: at least {_percent(p.min_tla)} of the targets have a value above 0 on evaluation, and on "
            f"verification the one-tailed p without tie correction, as published, is below {p.alpha:g} with higher "
            "values on targets.",
            "Weak: the first holds and the second does not.",
            "Rejected: the first does not hold.",
            "Unexplained: the unit has no hypothesis that could be tested, or it never fires.",
        ]
    agrees = f"q is below {p.alpha:g} and the correlation is positive"
    floor = " and the correlation on verification is above the noise floor"
    return [
        f"A split agrees with a hypothesis if {agrees}.",
        f"Confirmed: evaluation and verification agree{floor if p.controls else ''}.",
        "Weak: at least one of the two agrees, but the hypothesis is not confirmed.",
        "Rejected: neither agrees; the hypothesis did not repeat on held-out images.",
        "Unexplained: the unit's proposed hypothesis is not above the noise floor in the search (none is then tested), "
        "none could be tested, or the unit is constant.",
    ]


def _control_words(p: Protocol) -> list[str]:
    if not p.controls:
        return ["There are no control units and no noise floor."]
    kinds = {
        "shuffled": "a unit's own values permuted over the images of each split",
        "noise": "values drawn from the unit's own with replacement",
    }
    listed = " and ".join(f"{p.n_controls} {kind} units ({kinds[kind]})" for kind in p.controls)
    return [
        f"Controls are {listed}; they go through the same search and the same tests.",
        f"The noise floor is the {_percent(p.floor_quantile)} quantile over all control units: in the search of the "
        "score of their proposed hypothesis, on held-out images of the effect of the one taken to verification.",
        f"An untrained copy of the network, the mean brightness of the images and {p.n_directions} random directions "
        "of the layers, where they are at hand, go the same way and are reported beside the floor; they are not part "
        "of it, because they may truly depend on what images show.",
    ]


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "conceptx": Protocol(name="conceptx"),
        "dalal2024": Protocol(
            name="dalal2024",
            source="Dalal et al., arXiv 2308.03999, 2404.13567 and 2405.09580",
            objective="coverage",
            max_length=2,
            negation=False,
            positive_from=0.8,
            negative_to=0.2,
            fractions=(0.6, 0.32, 0.08),
            candidates=1,
            rule="activation",
            controls=(),
            n_controls=0,
            n_directions=0,
        ),
    }
)
