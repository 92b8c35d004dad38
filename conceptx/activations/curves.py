"""The curves of a training as a picture: loss above, accuracy below, the best epoch marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP = 640.0, 170.0, 56.0, 130.0, 34.0
_COLOURS = ("#0b5f8a", "#b3541e", "#3d7a3d")
_FEWEST = 1e-9


def training_curves(
    title: str, losses: Mapping[str, Sequence[float]], accuracies: Mapping[str, Sequence[float]], best: int
) -> str:
    """Return an SVG picture of curves over epochs; `best` is the epoch (from 0) whose weights were kept."""
    height = 2 * _PANEL + 3 * _TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#333">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH:g}" height="{height:g}" fill="#fff"/>',
        f'<text x="{_LEFT:g}" y="20" font-size="14">{escape(title)}</text>',
        _panel("loss", losses, _TOP, max((v for c in losses.values() for v in c), default=1.0), best),
        _panel("accuracy", accuracies, 2 * _TOP + _PANEL, 1.0, best),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:g}" y="{height - 8:g}" text-anchor="middle">epoch</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(name: str, curves: Mapping[str, Sequence[float]], top: float, most: float, best: int) -> str:
    bottom, wide = top + _PANEL, _WIDTH - _LEFT - _RIGHT
    n = max((len(curve) for curve in curves.values()), default=1)

    def place(epoch: int, value: float) -> str:
        x = _LEFT + wide * (epoch / (n - 1) if n > 1 else 0.5)
        return f"{x:.1f},{bottom - _PANEL * min(value / max(most, _FEWEST), 1.0):.1f}"

    x_best = place(best, 0.0).partition(",")[0]
    rows = [
        f'<path d="M{_LEFT:g} {top:g}V{bottom:g}H{_LEFT + wide:g}" fill="none" stroke="#999"/>',
        f'<line x1="{x_best}" x2="{x_best}" y1="{top:g}" y2="{bottom:g}" stroke="#999" stroke-dasharray="3 3"/>',
        f'<text x="{_LEFT - 6:g}" y="{top + 10:g}" text-anchor="end">{most:.3g}</text>',
        f'<text x="{_LEFT - 6:g}" y="{bottom:g}" text-anchor="end">0</text>',
        f'<text x="{_LEFT:g}" y="{bottom + 14:g}">1</text>',
        f'<text x="{_LEFT + wide:g}" y="{bottom + 14:g}" text-anchor="end">{n}</text>',
    ]
    for row, ((label, curve), colour) in enumerate(zip(curves.items(), _COLOURS, strict=False)):
        points = " ".join(place(epoch, value) for epoch, value in enumerate(curve))
        y = top + 16 + 18 * row
        rows.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        rows.append(f'<text x="{_LEFT + wide + 10:g}" y="{y:g}" fill="{colour}">{escape(name)}, {escape(label)}</text>')
    return "\n".join(rows)
