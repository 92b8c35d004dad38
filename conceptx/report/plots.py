"""Small charts as inline SVG, drawn by pure functions; colours come from the page's style sheet by class.

Each function returns a whole `<svg>` with a title that says in words what it shows. No text from data is drawn, so
there is nothing to escape but the titles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from conceptx.report.checks import Estimate
from conceptx.report.records import Controls, Distribution, Margin, NoiseFloor
from conceptx.report.text import number, percent
from conceptx.verification.protocol import CONTROL_KINDS

_WIDTH = 340.0


def histogram(d: Distribution) -> Markup:
    """Draw matching images upwards and other images downwards, each as shares of its group."""
    height, middle, reach = 148.0, 66.0, 52.0
    up, down = _shares(d.target), _shares(d.other)
    largest = max([*up, *down, 1e-12])
    step = _WIDTH / len(d.target)
    bars: dict[str, list[str]] = {"target": [], "other": []}
    for i, (above, below) in enumerate(zip(up, down, strict=True)):
        x, wide = _n(i * step + 0.5), _n(step - 1)
        if above:
            tall = max(1.0, above / largest * reach)
            bars["target"].append(f"M{x} {_n(middle)}h{wide}v{_n(-tall)}h-{wide}z")
        if below:
            tall = max(1.0, below / largest * reach)
            bars["other"].append(f"M{x} {_n(middle)}h{wide}v{_n(tall)}h-{wide}z")
    # One path a group: half the bytes of a rectangle a bar, in every unit's page.
    drawn = "".join(f'<path class="{kind}" d="{"".join(made)}"/>' for kind, made in bars.items())
    ticks = [
        _median(d.target_quartiles, d, middle - reach - 8, middle, "target"),
        _median(d.other_quartiles, d, middle, middle + reach + 8, "other"),
    ]
    axis = (
        f'<line class="axis" x1="0" x2="{_n(_WIDTH)}" y1="{_n(middle)}" y2="{_n(middle)}"/>'
        f'<text x="0" y="{_n(height - 6)}">{_value(d.low)}</text>'
        f'<text x="{_n(_WIDTH)}" y="{_n(height - 6)}" text-anchor="end">{_value(d.high)}</text>'
        f'<text x="{_n(_WIDTH / 2)}" y="{_n(height - 6)}" text-anchor="middle">activation</text>'
        f'<text class="ink" x="{_n(_WIDTH)}" y="10" text-anchor="end">matching images ↑</text>'
        f'<text class="ink" x="{_n(_WIDTH)}" y="{_n(middle + reach + 8)}" text-anchor="end">other images ↓</text>'
    )
    title = (
        f"Activations of {sum(d.target)} matching and {sum(d.other)} other images, as shares of each group"
        + _medians(d)
    )
    return _svg(_WIDTH, height, title, "histogram", drawn + axis + "".join(ticks))


def control_dots(controls: Sequence[Controls], symbol: str) -> Markup:
    """Draw what the controls of a layer reached in the search once, as a symbol that every unit's `strip` uses."""
    rows = []
    for row, kind in enumerate(controls):
        y = 18 + row * 16
        places = [(round(2 * _strip_x(v)), y + i * 5 % 9 - 4) for i, v in enumerate(kind.search)]
        dots = _dots(list(dict.fromkeys(places)))
        look = "dots" if kind.kind in CONTROL_KINDS else "dots beside"
        rows.append(f'<g class="{look}"><text x="0" y="{y + 4}">{escape(kind.kind)}</text><path d="{dots}"/></g>')
    return Markup(f'<symbol id="{escape(symbol)}" overflow="visible">{"".join(rows)}</symbol>')


def _dots(places: Sequence[tuple[int, int]]) -> str:
    """Return a path with a dot at each place (half pixels, pixels).

    Lines of no length with round ends are dots, and steps from one to the next are short: this is in every unit's page.
    """
    made, x, y = [], 0, 0
    for across, down in places:
        made.append(f"m{_n((across - x) / 2)} {down - y}h0")
        x, y = across, down
    return "".join(made)


def _listed(controls: Sequence[Controls]) -> str:
    return ", ".join(f"{kind.n} controls of the kind {kind.kind}" for kind in controls)


def strip(
    controls: Sequence[Controls], search: float | None, tested: Estimate | None, floor: NoiseFloor, symbol: str
) -> Markup:
    """Draw a unit's correlation beside the controls': in the search, and (with its interval) on new images."""
    y = 20.0 + 16 * len(controls)
    below = y + 26
    height = below + 36
    parts = [f'<use href="#{escape(symbol)}"/>']
    if search is not None:
        parts.append(f'<circle class="mine" cx="{_n(_strip_x(search))}" cy="{_n(y)}" r="4"/>')
    parts.append(f'<text class="ink" x="0" y="{_n(y + 4)}">this unit</text>')
    parts.append(f'<line class="rule" x1="0" x2="{_n(_WIDTH)}" y1="{_n(y + 12)}" y2="{_n(y + 12)}"/>')
    parts.append(f'<text class="ink" x="0" y="{_n(below + 4)}">on new images</text>')
    if floor.correlation is not None:
        edge = _n(_strip_x(floor.correlation))
        parts.append(f'<line class="floor" x1="{edge}" x2="{edge}" y1="{_n(y + 15)}" y2="{_n(below + 10)}"/>')
    if tested is not None and tested.value is not None:
        x = _strip_x(tested.value)
        if tested.low is not None and tested.high is not None:
            ends = f'x1="{_n(_strip_x(tested.low))}" x2="{_n(_strip_x(tested.high))}"'
            parts.append(f'<line class="interval" {ends} y1="{_n(below)}" y2="{_n(below)}"/>')
        parts.append(f'<path class="mine" d="M{_n(x - 5)} {_n(below)}l5 -5 5 5 -5 5z"/>')
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = _n(_strip_x(tick))
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{_n(below + 12)}" y2="{_n(below + 16)}"/>')
        parts.append(f'<text x="{at}" y="{_n(below + 28)}" text-anchor="middle">{number(tick)}</text>')
    title = (
        f"Correlation of this unit in the search ({number(search)}) beside {_listed(controls)}, "
        f"and on new images ({number(tested.value if tested is not None else None)}) beside the noise floor "
        f"({number(floor.correlation)})"
    )
    return _svg(_WIDTH, height, title, "strip", "".join(parts))


def frontier(points: Sequence[tuple[int, float, str]], objective: str) -> Markup:
    """Draw the best score in the search against the number of classes in the expression."""
    height, left, right, top, bottom = 120.0, 34.0, _WIDTH - 60, 16.0, 88.0
    lengths = [length for length, _, _ in points]
    first, last = min(lengths, default=1), max(lengths, default=1)
    best = max([score for _, score, _ in points] or [1.0])
    ceiling = max(best, 1e-9) * 1.12

    def place(length: int, score: float) -> tuple[float, float]:
        share = (length - first) / (last - first) if last > first else 0.0
        return left + 12 + share * (right - left - 24), bottom - max(score, 0.0) / ceiling * (bottom - top)

    marks: list[str] = []
    path: list[str] = []
    for length, score, _ in points:
        x, y = place(length, score)
        path.append(f"{'L' if path else 'M'}{_n(x)} {_n(y)}")
        marks.append(f'<circle class="mine" cx="{_n(x)}" cy="{_n(y)}" r="4"/>')
        marks.append(f'<text class="ink" x="{_n(x)}" y="{_n(y - 8)}" text-anchor="middle">{number(score)}</text>')
        marks.append(f'<text x="{_n(x)}" y="{_n(bottom + 14)}" text-anchor="middle">{length}</text>')
    axis = (
        f'<line class="axis" x1="{_n(left)}" x2="{_n(right)}" y1="{_n(bottom)}" y2="{_n(bottom)}"/>'
        f'<text x="{_n((left + right) / 2)}" y="{_n(bottom + 28)}" text-anchor="middle">'
        "classes in the expression</text>"
    )
    line = f'<path class="line" d="{"".join(path)}"/>' if len(path) > 1 else ""
    said = ", ".join(f"{score:.2f} with {length}" for length, score, _ in points)
    title = f"Best {objective} in the search by number of classes: {said}"
    return _svg(_WIDTH, height, title, "frontier", axis + line + "".join(marks))


def margin_lines(margins: Sequence[Margin]) -> Markup:
    """Draw TLA and non-TLA of one split against the share of the unit's maximum."""
    height, left, right, top, bottom = 120.0, 34.0, _WIDTH - 86, 10.0, 88.0
    largest = max([m.threshold for m in margins] or [1.0]) or 1.0
    last = margins[-1] if margins else None
    known = last is not None and last.tla.value is not None and last.non_tla.value is not None
    gap = (last.tla.value - last.non_tla.value) * (bottom - top) if known else math.inf  # type: ignore[union-attr,operator]
    # Of two lines that end close together the upper one's name is moved up.
    apart = max(0.0, 12 - abs(gap))
    shift = {"tla": -apart if gap >= 0 else 0.0, "non_tla": -apart if gap < 0 else 0.0}

    def line(which: str) -> str:
        points = []
        for m in margins:
            value = getattr(m, which).value
            if value is not None:
                points.append((left + m.threshold / largest * (right - left), bottom - value * (bottom - top)))
        if not points:
            return ""
        kind = "target" if which == "tla" else "other"
        path = "".join(f"{'L' if i else 'M'}{_n(x)} {_n(y)}" for i, (x, y) in enumerate(points))
        dots = "".join(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="3"/>' for x, y in points)
        name = "matching" if which == "tla" else "others"
        end = f'<text class="ink" x="{_n(right + 8)}" y="{_n(points[-1][1] + 4 + shift[which])}">{name}</text>'
        return f'<g class="{kind}"><path d="{path}"/>{dots}{end}</g>'

    ticks = "".join(
        f'<text x="{_n(left + m.threshold / largest * (right - left))}" y="{_n(bottom + 14)}" text-anchor="middle">'
        f"{percent(m.threshold)}</text>"
        for m in margins
    )
    axis = (
        f'<line class="axis" x1="{_n(left)}" x2="{_n(right)}" y1="{_n(bottom)}" y2="{_n(bottom)}"/>'
        f'<text x="{_n(left - 6)}" y="{_n(top + 4)}" text-anchor="end">100 %</text>'
        f'<text x="{_n(left - 6)}" y="{_n(bottom)}" text-anchor="end">0 %</text>'
        f'<text x="{_n((left + right) / 2)}" y="{_n(bottom + 28)}" text-anchor="middle">'
        "above this share of the maximum</text>"
    )
    title = "Share of matching and of other images that activate the unit above each margin"
    return _svg(_WIDTH, height, title, "margins", axis + ticks + line("tla") + line("non_tla"))


def verdict_bar(verdicts: Mapping[str, int]) -> Markup:
    """Draw the counts of the verdicts as one bar."""
    total = sum(verdicts.values()) or 1
    x, parts = 0.0, []
    for verdict, n in verdicts.items():
        if n:
            wide = n / total * 1000
            size = f'x="{_n(x)}" y="0" width="{_n(max(wide - 3, 1))}" height="14"'
            parts.append(f'<rect class="{escape(verdict)}" {size}/>')
            x += wide
    title = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items())
    body = "".join(parts)
    return Markup(
        f'<svg class="bar" viewBox="0 0 1000 14" preserveAspectRatio="none" role="img" aria-label="{escape(title)}">'
        f"{body}</svg>"
    )


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [n / total if total else 0.0 for n in counts]


def _median(quartiles: Sequence[float], d: Distribution, y1: float, y2: float, kind: str) -> str:
    if len(quartiles) != 3:
        return ""
    x = _n((quartiles[1] - d.low) / (d.high - d.low) * _WIDTH)
    return f'<line class="median {kind}" x1="{x}" x2="{x}" y1="{_n(y1)}" y2="{_n(y2)}"/>'


def _medians(d: Distribution) -> str:
    said = [
        f"median {name} {q[1]:g}"
        for name, q in (("matching", d.target_quartiles), ("other", d.other_quartiles))
        if len(q) == 3
    ]
    return "; " + ", ".join(said) if said else ""


def _strip_x(correlation: float) -> float:
    """Place a correlation from -0.25 to 1 between the row names and the right edge."""
    return 96 + (min(max(correlation, -0.25), 1.0) + 0.25) / 1.25 * (_WIDTH - 96 - 14)


def _value(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _svg(width: float, height: float, title: str, kind: str, body: str) -> Markup:
    return Markup(
        f'<svg class="plot {kind}" viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-label="{escape(title)}">'
        f"{body}</svg>"
    )
