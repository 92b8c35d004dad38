"""The report's section for a model card: a page of Markdown to paste, with the figures and what they do not say."""

from __future__ import annotations

import re

from conceptx import __version__
from conceptx.report.beside_words import beside_sentences, plan_sentences
from conceptx.report.records import Evidence, UnitEvidence
from conceptx.report.text import number

_LISTED = 10
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>])")


def model_card(evidence: Evidence) -> str:
    """Return the section as Markdown; text from data is escaped."""
    request, data, counts = evidence.request, evidence.data, evidence.verdicts
    total = sum(counts.values())
    lines = [
        "## What hidden units respond to",
        "",
        f"{total} units of {_layers(evidence)} of {_safe(request.get('model') or 'a model given as activations')} were "
        f"explained with conceptx {__version__} on {data.images} images ({_safe(data.name)}), of which "
        f"{data.splits.get('evaluation', 0)} and {data.splits.get('verification', 0)} were held out.",
        "",
        *(f"- {verdict}: {n} ({n / max(total, 1):.0%})" for verdict, n in counts.items()),
        "",
    ]
    floor = next((layer.floor for layer in evidence.layers), None)
    if floor is not None and floor.n:
        lines += [
            f"{floor.n} control units with nothing to explain went through the same search and the same tests; 95 % of "
            f"them reach a correlation of at most {number(floor.correlation)} on the verification images.",
            "",
        ]
    if evidence.hypotheses_tried:
        lines += [f"Expressions that the search chose from: {evidence.hypotheses_tried:,}.", ""]
    said = [*beside_sentences(evidence), *(plan_sentences(evidence.plan) if evidence.plan is not None else ())]
    if said:
        lines += [_safe(" ".join(said)), ""]
    if evidence.plan is not None:
        lines += [f"Digest of the plan: {_safe(evidence.plan.digest)}", ""]
    listed = [unit for unit in evidence.units if unit.verdict == "confirmed"][:_LISTED]
    if listed:
        lines += ["| unit | responds to | correlation (95 % interval) | targets |", "| --- | --- | --- | --- |"]
        lines += [_row(unit) for unit in listed]
        lines += ["", f"The {len(listed)} with the highest correlation on verification are listed."]
    lines += [
        "",
        "### Limits",
        "",
        "- *not* means that an annotator did not label it; a label that is missing counts as absent.",
        "- A confirmed expression describes which images excite a unit. It does not say what the unit causes.",
        "- The figures hold for images like these; other images need a verification of their own.",
    ]
    return "\n".join(lines) + "\n"


def _row(unit: UnitEvidence) -> str:
    last = unit.statistics[-1]
    r = last.correlation
    images = (
        "" if last.n_target is None or last.n_other is None else f"{last.n_target} of {last.n_target + last.n_other}"
    )
    interval = f"{number(r.value)} ({number(r.low)} to {number(r.high)})"
    return f"| {_safe(unit.layer)} {_safe(unit.unit)} | {_safe(unit.words)} | {interval} | {images} |"


def _layers(evidence: Evidence) -> str:
    names = [_safe(layer.layer) for layer in evidence.layers]
    return f"layer {names[0]}" if len(names) == 1 else f"the layers {', '.join(names)}"


def _safe(text: object) -> str:
    return _MARKS.sub(r"\\\1", str(text).replace("\n", " "))
