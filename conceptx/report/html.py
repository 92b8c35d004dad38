"""The pages that people read: they need no network, no server and no script.

`render` gives one file that holds everything; `render_folder` gives an index page and one page for each unit, which
load their pictures from files as they scroll into view. Every text from data is escaped by the template engine; a page
allows itself only its own style sheet and its own script, by their digests. The units' pages have no script, and share
one style sheet in a file, because there are thousands of them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from conceptx.report import beside_words, measures, plots, text
from conceptx.report.checks import Ensemble
from conceptx.report.records import VERDICTS_IN_ORDER, Evidence, Example, UnitEvidence
from conceptx.report.thumbnails import Thumbnail

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_UNITS_IN_FULL = 400
MAX_THUMBNAILS = 2500
"""What a single file holds; further units keep a line in the page and their evidence in report.json."""

STYLE_OF_UNITS = "pages.css"

BRIEF_ON_A_PAGE = 64
"""So many units that are not reported in detail share a page of the folder."""

_TEMPLATES = Path(__file__).parent / "templates"
_QUOTED = re.compile("“([^“”]*)”")

Pictures = Mapping[str, Thumbnail] | None
"""The thumbnails by image; None: there are no pictures, and images are named."""


def render(evidence: Evidence, pictures: Pictures) -> str:
    """Return the report as one file; each picture is embedded once."""
    anchor = _anchors(evidence)
    values = shared(evidence) | {
        "album": EmbeddedAlbum(pictures),
        "link": lambda unit: f"#{anchor(unit)}",
        "folder": False,
        "in_full": {_key(u) for u in evidence.units[:MAX_UNITS_IN_FULL]},
    }
    return _page("report.html", values, "img-src data:")


def render_folder(evidence: Evidence, pictures: Pictures) -> Iterator[tuple[str, str]]:
    """Yield (path, content) of the index page, of the units' pages and of their style sheet.

    Thumbnails lie in ``thumbs/``.

    The units in detail have a page each, the others share pages.
    """
    anchor = _anchors(evidence)
    yield f"units/{STYLE_OF_UNITS}", _style(False)
    detailed, brief = evidence.units[: evidence.in_detail], evidence.units[evidence.in_detail :]
    name = {_key(u): f"{anchor(u).removeprefix('unit-')}.html" for u in detailed}
    for i, unit in enumerate(brief):
        name[_key(unit)] = f"{_shared_page(i // BRIEF_ON_A_PAGE)}#{anchor(unit)}"
    values = shared(evidence) | {"folder": True, "in_full": frozenset()}
    policy = "img-src 'self' file:"
    index = values | {"album": LinkedAlbum(pictures, ""), "link": lambda unit: f"units/{name[_key(unit)]}"}
    yield "index.html", _page("report.html", index, policy)
    inside = values | {"album": LinkedAlbum(pictures, "../"), "link": lambda unit: name[_key(unit)]}
    for i, unit in enumerate(detailed):
        before = evidence.units[i - 1] if i else None
        after = evidence.units[i + 1] if i + 1 < len(evidence.units) else None
        page = inside | {"unit": unit, "before": before, "after": after}
        yield f"units/{name[_key(unit)]}", _page("page.html", page, policy, inside_folder=True)
    pages = -(-len(brief) // BRIEF_ON_A_PAGE)
    for i in range(pages):
        some = brief[i * BRIEF_ON_A_PAGE : (i + 1) * BRIEF_ON_A_PAGE]
        beside = {"before": _shared_page(i - 1) if i else None, "after": _shared_page(i + 1) if i + 1 < pages else None}
        page = inside | beside | {"some": some, "number": i + 1, "pages": pages}
        yield f"units/{_shared_page(i)}", _page("brief.html", page, policy, inside_folder=True)


def _shared_page(i: int) -> str:
    return f"more-{i + 1}.html"


def shown_images(evidence: Evidence, single_file: bool = False) -> list[str]:
    """Return the images that the report shows, in its order; those of a single file within its limits."""
    seen: dict[str, None] = {}
    for unit in evidence.units[: MAX_UNITS_IN_FULL if single_file else None]:
        for group in (unit.top, unit.missed, unit.unexpected):
            seen |= {example.image: None for example in group}
    return list(seen)[: MAX_THUMBNAILS if single_file else None]


def shared(evidence: Evidence) -> dict[str, Any]:
    """Return what the templates of every page need, but for the album and the links."""
    layers = {layer.layer: i for i, layer in enumerate(evidence.layers)}
    units = {_key(u): u for u in evidence.units}
    return {
        "evidence": evidence,
        "units": units,
        "units_of": {
            layer.layer: sorted((u for u in evidence.units if u.layer == layer.layer), key=lambda u: u.index)
            for layer in evidence.layers
        },
        "layer_of": {layer.layer: layer for layer in evidence.layers},
        "best": [units[key] for key in evidence.best],
        "surprising": [units[key] for key in evidence.surprising],
        "anchor": _anchors(evidence),
        "controls_symbol": lambda layer: f"controls-{layers[layer]}",
        "control_dots": {
            layer.layer: plots.control_dots(layer.controls, f"controls-{i}") for i, layer in enumerate(evidence.layers)
        },
        "together": any(layer.ensembles for layer in evidence.layers),
        "ensembles_of": _ensembles_of(evidence),
        "verdicts": VERDICTS_IN_ORDER,
        "many_layers": len(evidence.layers) > 1,
    }


def _ensembles_of(evidence: Evidence) -> dict[tuple[str, str], list[Ensemble]]:
    """Return the units that answer together, by layer and expression."""
    found: dict[tuple[str, str], list[Ensemble]] = {}
    for layer in evidence.layers:
        for one in layer.ensembles:
            found.setdefault((layer.layer, one.expression), []).append(one)
    return found


def _anchors(evidence: Evidence) -> Callable[[UnitEvidence], str]:
    layers = {layer.layer: i for i, layer in enumerate(evidence.layers)}
    return lambda unit: f"unit-{layers[unit.layer]}-{unit.index}"


def _page(template: str, values: Mapping[str, Any], images: str, inside_folder: bool = False) -> str:
    """Return a page: one with a style sheet and a script of its own, or one of the folder's with the shared sheet."""
    policy = f"default-src 'none'; base-uri 'none'; form-action 'none'; {images}; "
    if inside_folder:
        own: dict[str, Any] = {"style": None, "script": None, "sheet": STYLE_OF_UNITS}
        policy += "style-src 'self' file:; script-src 'none'"
    else:
        style, code = _style(True), asset("report.js")
        own = {"style": Markup(style), "script": Markup(code)}
        policy += f"style-src '{_csp_digest(style)}'; script-src '{_csp_digest(code)}'"
    return environment().get_template(template).render({**values, **own, "policy": policy})


@cache
def asset(name: str) -> str:
    """Return the style sheet or the script of the pages."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _style(index: bool) -> str:
    """Return the style sheet without its blanks, for the units' pages without what only the index page needs."""
    style = asset("report.css")
    if not index:
        style = re.sub(r"/\* Only for the index page\. \*/.*?/\* For all pages\. \*/", "", style, flags=re.DOTALL)
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    return re.sub(r"\s*([{};,])\s*", r"\1", style).replace(";}", "}").strip()


class EmbeddedAlbum:
    """Pictures in one file: thumbnails are defined once and used by their number."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self._ids = {image: f"t{i}" for i, image in enumerate(pictures or ())}

    def defined(self) -> list[tuple[str, Thumbnail]]:
        """Return (id, thumbnail) of every picture there is."""
        return [(self._ids[image], picture) for image, picture in (self.pictures or {}).items() if picture.data]

    def show(self, example: Example) -> Markup:
        """Return one image with its boxes, or a placeholder that says why there is none."""
        if self.pictures is None:
            return _named(example)
        thumbnail = self.pictures.get(example.image)
        if thumbnail is None or not thumbnail.data:
            return _gone(
                example, "not embedded: the page would be too large" if thumbnail is None else thumbnail.missing
            )
        return Markup(
            f'<svg class="thumb" viewBox="0 0 {thumbnail.width} {thumbnail.height}" role="img" '
            f'aria-label="{escape(spoken(example))}">'
            f'<use href="#{self._ids[example.image]}"/>{_boxes(example, thumbnail)}</svg>'
        )


class LinkedAlbum:
    """Pictures in files of their own, loaded when they scroll into view; `base` leads to the report folder."""

    def __init__(self, pictures: Pictures, base: str) -> None:
        self.pictures = pictures
        self._base = base
        self._names = dict(thumbnail_names(pictures))

    def defined(self) -> list[tuple[str, Thumbnail]]:
        """Return nothing: no picture is part of the page."""
        return []

    def show(self, example: Example) -> Markup:
        """Return one image with its boxes, or a placeholder that says why there is none."""
        if self.pictures is None:
            return _named(example)
        thumbnail = self.pictures.get(example.image)
        if thumbnail is None or not thumbnail.data:
            return _gone(example, "there is no picture" if thumbnail is None else thumbnail.missing)
        return linked(example, thumbnail, f"{self._base}{self._names[example.image]}")


def linked(example: Example, thumbnail: Thumbnail, source: str) -> Markup:
    """Return a picture from a file, with its boxes drawn over it."""
    boxes = _boxes(example, thumbnail)
    size = f"{thumbnail.width} {thumbnail.height}"
    overlay = f'<svg viewBox="0 0 {size}" aria-hidden="true">{boxes}</svg>' if boxes else ""
    return Markup(
        f'<span class="frame"><img class="thumb" src="{escape(source)}" width="{thumbnail.width}" '
        f'height="{thumbnail.height}" loading="lazy" decoding="async" alt="{escape(spoken(example))}">{overlay}</span>'
    )


def thumbnail_names(pictures: Pictures) -> list[tuple[str, str]]:
    """Return (image, path in the report folder) of every thumbnail; no name of an image becomes a file name."""
    kept = [image for image, picture in (pictures or {}).items() if picture.data]
    return [(image, f"thumbs/{i:05d}.webp") for i, image in enumerate(kept)]


def _named(example: Example) -> Markup:
    return Markup('<span class="named"><bdi>{}</bdi></span>').format(text.short(example.image, 40))


def _gone(example: Example, why: str) -> Markup:
    return Markup('<span class="gone" role="img" aria-label="{} ({})"><span>{}</span></span>').format(
        spoken(example), why, why
    )


def _boxes(example: Example, thumbnail: Thumbnail) -> str:
    """Return one path for the wanted objects and one for the excluded ones: half the bytes of a rectangle each."""
    width, height = thumbnail.width, thumbnail.height
    paths: dict[str, list[str]] = {}
    for box in example.boxes:
        shares = (box.x * width, box.y * height, box.w * width, box.h * height)
        x, y, w, h = (f"{share:.1f}".removesuffix(".0") for share in shares)
        paths.setdefault("box" if box.wanted else "box excluded", []).append(f"M{x} {y}h{w}v{h}h-{w}z")
    return "".join(f'<path class="{kind}" d="{"".join(drawn)}"/>' for kind, drawn in paths.items())


def spoken(example: Example) -> str:
    """Describe an image for those who do not see it."""
    marked = Counter(text.short(box.label, 30) for box in example.boxes if box.wanted)
    boxes = [f"{n} × {label}" if n > 1 else label for label, n in marked.items()]
    holds = {True: "the explanation holds", False: "the explanation does not hold", None: ""}[example.matches]
    parts = [
        f"Image {text.short(example.image, 60)}",
        f"activation {example.value:.3g}, {text.percent(example.level)} of the maximum",
        holds,
        "marked: " + ", ".join(boxes) if boxes else "",
    ]
    return "; ".join(part for part in parts if part)


def _emphasised(words: str) -> Markup:
    """Return words with their quoted class labels set apart by type instead of by quotes."""
    parts = []
    end = 0
    for match in _QUOTED.finditer(words):
        parts.append(escape(words[end : match.start()]))
        parts.append(Markup("<b><bdi>{}</bdi></b>").format(match.group(1)))
        end = match.end()
    parts.append(escape(words[end:]))
    return Markup("").join(parts)


def _begun(words: str) -> str:
    """Return words as a title begins: with a capital letter, unless they begin with a quoted label."""
    return words[:1].upper() + words[1:]


def _searchable(unit: UnitEvidence) -> str:
    """Return what the page's text search looks at."""
    said = (unit.unit, unit.layer, unit.words, unit.expression or "", unit.verdict)
    return text.short(" ".join(said).casefold(), 600)


def _heat(unit: UnitEvidence) -> int:
    """Return the step 1 to 5 that a unit's score has in the picture of the layer."""
    return 1 + min(4, max(0, int((unit.score or 0.0) * 5)))


def _key(unit: UnitEvidence) -> tuple[str, str]:
    return unit.layer, unit.unit


@cache
def _csp_digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")


@cache
def environment() -> Environment:
    """Return the template engine of the pages, with their filters and functions."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    engine = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {
        "begun": _begun,
        "count": text.count,
        "emphasised": _emphasised,
        "heat": _heat,
        "number": text.number,
        "percent": text.percent,
        "plural": text.plural,
        "probability": text.probability,
        "searchable": _searchable,
        "short": text.short,
    }
    engine.globals |= {
        "beside": beside_words,
        "controls_sentence": measures.controls_sentence,
        "floor_sentences": measures.floor_sentences,
        "measures": measures.measures,
        "nothing_sentences": measures.nothing_sentences,
        "plots": plots,
        "unit_sentence": measures.unit_sentence,
    }
    return engine
