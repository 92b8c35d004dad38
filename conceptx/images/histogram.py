"""The histogram of an image set's labels, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from conceptx.images.check import LabelCount

_ROW, _LEFT, _WIDTH, _RIGHT = 18, 240, 480, 90
_MOST = 60
_LONGEST = 34


def label_histogram(title: str, labels: Sequence[LabelCount]) -> str:
    """Return an SVG with one bar for each of the most frequent labels: how many objects have it."""
    shown = labels[:_MOST]
    most = max((label.objects for label in shown), default=1)
    height = 64 + _ROW * len(shown)
    total = f"{len(labels):,} labels, {sum(label.objects for label in labels):,} objects"
    if len(shown) < len(labels):
        total += f"; the {len(shown)} most frequent are drawn"
    rows = []
    for place, label in enumerate(shown):
        y = 52 + _ROW * place
        wide = max(label.objects / most * _WIDTH, 1)
        rows.append(
            f'<text x="{_LEFT - 8}" y="{y + 11}" text-anchor="end">{_text(label.label)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{wide:.1f}" height="{_ROW - 5}"><title>{_text(label.label, 200)}: '
            f"{label.objects:,} objects in {label.images:,} images</title></rect>"
            f'<text x="{_LEFT + wide + 6:.1f}" y="{y + 11}">{label.objects:,}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" role="img">'
        f"<title>{_text(title, 200)}: {total}</title>"
        "<style>text{font:12px system-ui,sans-serif;fill:#333}rect{fill:#3b6ea5}.head{font-size:15px;font-weight:600}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}rect{fill:#7fb2e5}}</style>"
        f'<text class="head" x="8" y="20">{_text(title, 80)}</text><text x="8" y="38">{total}</text>'
        f"{''.join(rows)}</svg>\n"
    )


def _text(text: str, longest: int = _LONGEST) -> str:
    """Return a text cut to a length, without the characters that XML cannot hold."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut))
