"""One unit of a report in a notebook: it shows itself, and draws a figure that can be printed.

`read_unit` is what `Run.unit` calls.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from conceptx.errors import InputError, did_you_mean
from conceptx.report.beside_words import effect_sentence, sanity_sentence, stability_sentence
from conceptx.report.records import Evidence, UnitEvidence
from conceptx.report.text import number, percent

_VERDICT_COLOURS = {"confirmed": "#009e73", "weak": "#e69f00", "rejected": "#d55e00", "unexplained": "#959aa3"}
_TARGET, _OTHER = "#0072b2", "#b0aca2"


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit's evidence (`evidence`) with the views that people want in a notebook."""

    evidence: UnitEvidence
    objective: str

    def __repr__(self) -> str:
        unit = self.evidence
        return f"<unit {unit.layer} {unit.unit}: {unit.verdict}, {unit.expression or 'no hypothesis'}>"

    def _repr_html_(self) -> str:
        unit = self.evidence
        rows = "".join(
            f"<tr><th>{escape(s.split)}</th><td>{s.n_target} / {s.n_other}</td>"
            f"<td>{number(s.correlation.value)} ({number(s.correlation.low)} to {number(s.correlation.high)})</td>"
            f"<td>{number(s.auroc.value)}</td><td>{percent(s.tla.value)}</td><td>{percent(s.non_tla.value)}</td></tr>"
            for s in unit.statistics
        )
        colour = _VERDICT_COLOURS[unit.verdict]
        head = "".join(
            f"<th>{name}</th>" for name in ("split", "targets / others", "correlation", "AUROC", "TLA", "non-TLA")
        )
        title = f"<b>{escape(unit.layer)} {escape(unit.unit)}</b> <span style='color:{colour}'>● {unit.verdict}</span>"
        words = f"{escape(unit.words)}<br><code>{escape(unit.expression or '')}</code>"
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        said = (
            effect_sentence(unit.effects),
            stability_sentence(None if unit.judged is None else unit.judged.stability),
            sanity_sentence(unit.sanity),
        )
        beside = "".join(f"<p>{escape(sentence)}</p>" for sentence in said if sentence)
        return f"<div>{title} {words}{table}{beside}</div>"

    def plot(self) -> Any:
        """Return a matplotlib figure: activations of target and other images, margins, and what each word buys."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise InputError("plot", "matplotlib is not installed", "pip install matplotlib") from error
        figure = Figure(figsize=(7.2, 2.4), layout="constrained", dpi=150)
        axes = figure.subplots(1, 3)
        _distribution(axes[0], self.evidence)
        _margins(axes[1], self.evidence)
        _frontier(axes[2], self.evidence, self.objective)
        for axis in axes:
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=7)
            axis.xaxis.label.set_size(8)
            axis.yaxis.label.set_size(8)
        title = f"{self.evidence.layer} {self.evidence.unit}: {self.evidence.words or 'no hypothesis'}"
        figure.suptitle(title.replace("$", r"\$"), fontsize=9, x=0.01, ha="left")
        return figure


def read_unit(run: Path, unit: str | int, layer: str | None = None) -> UnitView:
    """Return a unit of the report in a run folder, by its name (a number is a name too)."""
    path = run / "report" / "report.json"
    try:
        evidence = Evidence.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(str(path), "there is no report yet", f"run conceptx report {run}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(str(path), f"this is not a report ({error})", f"run conceptx report {run}") from error
    found = [u for u in evidence.units if u.unit == str(unit) and layer in (None, u.layer)]
    if not found:
        known = [u.unit for u in evidence.units]
        raise InputError(
            f"unit {unit!r}", "the run has no such unit", did_you_mean(str(unit), known) or "see run.verdicts"
        )
    if len(found) > 1:
        names = ", ".join(repr(u.layer) for u in found)
        raise InputError(f"unit {unit!r}", f"several layers have one ({names})", "name the layer too")
    return UnitView(found[0], evidence.objective)


def _distribution(axis: Any, unit: UnitEvidence) -> None:
    d = unit.distribution
    axis.set_xlabel("activation, new images")
    axis.set_ylabel("share of images")
    if d is None:
        return
    width = (d.high - d.low) / max(len(d.target), 1)
    places = [d.low + (i + 0.5) * width for i in range(len(d.target))]
    for counts, sign, colour, name in ((d.target, 1, _TARGET, "target"), (d.other, -1, _OTHER, "other")):
        total = max(sum(counts), 1)
        axis.bar(places, [sign * n / total for n in counts], width, color=colour, label=name)
    axis.axhline(0, color="black", linewidth=0.5)
    axis.legend(frameon=False, fontsize=7)


def _margins(axis: Any, unit: UnitEvidence) -> None:
    axis.set_xlabel("above this share of the maximum")
    axis.set_ylabel("share of images")
    rows = [m for m in unit.margins if m.split == unit.margins[-1].split]
    for name, colour in (("tla", _TARGET), ("non_tla", _OTHER)):
        known = [(m.threshold, getattr(m, name)) for m in rows if getattr(m, name).value is not None]
        if known:
            x = [threshold for threshold, _ in known]
            axis.plot(x, [e.value for _, e in known], color=colour, marker="o", markersize=3, linewidth=1)
            axis.fill_between(x, [e.low for _, e in known], [e.high for _, e in known], color=colour, alpha=0.25)
    axis.set_ylim(0, 1.02)


def _frontier(axis: Any, unit: UnitEvidence, objective: str) -> None:
    axis.set_xlabel("classes in the expression")
    axis.set_ylabel(f"{objective.replace('_', ' ')}, search")
    if unit.frontier:
        lengths, scores = [n for n, _, _ in unit.frontier], [score for _, score, _ in unit.frontier]
        axis.plot(lengths, scores, color=_TARGET, marker="o", markersize=3, linewidth=1)
        axis.set_xticks(lengths)
