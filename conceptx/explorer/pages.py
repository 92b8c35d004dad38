"""The routes: which address shows what. Pages are made on the server; a short script replaces parts of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from conceptx.errors import ConceptxError, InputError
from conceptx.explorer.find import PER_PAGE, Query, find
from conceptx.explorer.guard import App, Guard
from conceptx.explorer.notes import Note, read_notes, write_note
from conceptx.explorer.own_image import Asker, OwnImage
from conceptx.explorer.remap import remap
from conceptx.explorer.state import Explorer, Key
from conceptx.explorer.whatif import what_if
from conceptx.report import html
from conceptx.report.export import to_csv
from conceptx.report.records import Example, UnitEvidence
from conceptx.report.thumbnails import Thumbnail, thumbnail

_TEMPLATES = Path(__file__).parent / "templates"
_SUGGESTED = 12
_CHOICES = 1000
"""Units in a list to choose from."""
_KEPT_PICTURES = 4096
LONGEST_PICTURE = 30.0
"""Seconds that a picture of one's own may take."""


def make_app(path: Path, port: int) -> App:
    """Return the application for the run at `path`, which will be reached at this port."""
    explorer = Explorer.open(path)
    explorer.prepare()
    for key in list(explorer.expressions)[:1]:
        what_if(explorer, explorer.units[key].expression or "", key)  # loads what answers are computed with
    site = _Site(explorer)
    handlers: dict[Any, Any] = {ConceptxError: site.explained, HTTPException: site.explained}
    return Guard(Starlette(routes=site.routes, exception_handlers=handlers), port)


class _Album:
    """Pictures of the run's images by their address; thumbnails are made when asked for."""

    def __init__(self, explorer: Explorer) -> None:
        self.pictures: html.Pictures = None if explorer.images.root is None else {}
        self._place = {image: i for i, image in enumerate(explorer.images.ids)}
        self._made = lru_cache(_KEPT_PICTURES)(lambda i: thumbnail(explorer.images, i))

    def thumbnail(self, place: int) -> Thumbnail:
        """Return the thumbnail of the image at a place of the image set."""
        return self._made(place)

    def defined(self) -> list[tuple[str, Thumbnail]]:
        """Return nothing: no picture is part of a page."""
        return []

    def show(self, example: Example) -> Markup:
        """Return one image with its boxes."""
        place = self._place.get(example.image)
        if self.pictures is None or place is None:
            return Markup('<span class="named"><bdi>{}</bdi></span>').format(example.image[:40])
        made = self._made(place)
        if not made.data:
            return Markup('<span class="gone" role="img" aria-label="{}"><span>{}</span></span>').format(
                f"{example.image}: {made.missing}", made.missing
            )
        return html.linked(example, made, f"/picture/{place}")


class _Site:
    """The pages over one run."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._album = _Album(explorer)
        self._engine = html.environment().overlay()
        from jinja2 import ChoiceLoader, FileSystemLoader

        assert self._engine.loader is not None
        self._engine.loader = ChoiceLoader([FileSystemLoader(_TEMPLATES), self._engine.loader])
        self._engine.filters["finite"] = lambda value: value if np.isfinite(value) else None
        for name in self._engine.list_templates(extensions=["html"]):
            self._engine.get_template(name)  # compiled now, so that the first page waits no longer than the others
        self._ask = Asker(explorer)
        self._asking: asyncio.Future[OwnImage] | None = None
        self._layers = [layer.layer for layer in explorer.layers]
        shared = html.shared(explorer.evidence)
        self._shared = shared | {
            "album": self._album,
            "link": self._link,
            "folder": True,
            "in_full": frozenset(),
            "run_name": explorer.run.path.resolve().name,
            "layers": self._layers,
        }

    @property
    def routes(self) -> list[Route]:
        """The addresses and what answers them."""
        return [
            Route("/", self._threaded(self.index)),
            Route("/unit/{layer:int}/{index:int}", self._threaded(self.unit)),
            Route("/unit/{layer:int}/{index:int}/note", self.note, methods=["POST"]),
            Route("/what-if", self._threaded(self.what_if)),
            Route("/labels", self._threaded(self.labels)),
            Route("/own-image", self.own_image, methods=["GET", "POST"]),
            Route("/suggest", self._threaded(self.suggest)),
            Route("/export.csv", self._threaded(self.export_csv)),
            Route("/export.json", self._threaded(self.export_json)),
            Route("/picture/{place:int}", self._threaded(self.picture)),
            Route("/static/{name}", self._threaded(self.static)),
        ]

    @staticmethod
    def _threaded(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def handler(request: Request) -> Response:
            return await run_in_threadpool(answer, request)

        return handler

    def _page(self, request: Request, template: str, **values: Any) -> Response:
        part = request.headers.get("x-part") == "1"
        content = self._engine.get_template(template).render(
            self._shared | {"here": request.url.path} | values | {"part": part}
        )
        return Response(content, media_type="text/html; charset=utf-8", headers={"cache-control": "no-store"})

    async def explained(self, request: Request, error: Exception) -> Response:
        """Answer a wrong question with the sentence that says what is wrong: alone for the script, else as a page."""
        status, said = (error.status_code, error.detail) if isinstance(error, HTTPException) else (400, str(error))
        if request.headers.get("x-part") == "1":
            return PlainTextResponse(f"{said}\n", status_code=status)
        response = self._page(request, "wrong.html", said=said)
        response.status_code = status
        return response

    def _link(self, unit: UnitEvidence) -> str:
        return f"/unit/{self._layers.index(unit.layer)}/{unit.index}"

    def _key(self, request: Request) -> Key:
        layer, index = request.path_params["layer"], request.path_params["index"]
        if layer >= len(self._layers) or index >= len(self._explorer.layers[layer].units):
            raise HTTPException(404, "there is no such unit")
        return self._layers[layer], self._explorer.layers[layer].units[index]

    def index(self, request: Request) -> Response:
        """The units that fit a query."""
        asked = request.query_params
        query = Query(
            text=asked.get("text", "")[:200],
            concept=asked.get("concept", "").strip()[:500],
            verdicts=tuple(asked.getlist("verdict")),
            least=_number(asked.get("least")),
            marked=asked.get("marked") == "1",
            page=max(1, int(_number(asked.get("page")) or 1)),
        )
        notes = read_notes(self._explorer.run.path)
        found = find(self._explorer, query, notes)
        first = (query.page - 1) * PER_PAGE
        return self._page(
            request,
            "units.html",
            query=query,
            found=len(found),
            shown=found[first : first + PER_PAGE],
            pages=max(1, -(-len(found) // PER_PAGE)),
            notes=notes,
            marked=sum(note.marked for note in notes.values()),
        )

    def unit(self, request: Request) -> Response:
        """One unit: its evidence, the note on it, and the question what else it could be."""
        key = self._key(request)
        unit = self._explorer.units[key]
        note = read_notes(self._explorer.run.path).get(key, Note())
        return self._page(request, "unit-page.html", unit=unit, note=note, saved=False)

    async def note(self, request: Request) -> Response:
        """Keep a person's note on a unit."""
        key = self._key(request)
        async with request.form(max_files=0, max_fields=4) as form:
            note = Note(marked=form.get("marked") == "1", text=_text(form, "text"))
        await run_in_threadpool(write_note, self._explorer.run.path, key, note)
        if request.headers.get("x-part") == "1":
            return self._page(request, "note.html", unit=self._explorer.units[key], note=note, saved=True)
        return RedirectResponse(self._link(self._explorer.units[key]), status_code=303)

    def what_if(self, request: Request) -> Response:
        """Answer for an expression that somebody wrote."""
        asked = request.query_params
        text = asked.get("expression", "")
        unit = self._chosen(asked.get("unit", ""))
        answer = what_if(self._explorer, text, unit) if text.strip() else None
        pictures = () if answer is None else tuple(self._example(i, unit) for i in answer.pictures)
        units = self._explorer.units
        choices = list(islice(units.values(), _CHOICES))
        if unit is not None and units[unit] not in choices:
            choices.append(units[unit])
        shown = {"text": text, "unit": unit, "answer": answer, "pictures": pictures, "choices": choices}
        return self._page(request, "what-if.html", **shown)

    def labels(self, request: Request) -> Response:
        """The label mapping, and what another class for a label would change."""
        asked = request.query_params
        label, wanted = asked.get("label", ""), asked.get("class", "").strip()
        answer = remap(self._explorer, label, wanted or None) if label and "class" in asked else None
        return self._page(request, "labels.html", label=label, wanted=wanted, answer=answer)

    async def own_image(self, request: Request) -> Response:
        """Which units fire for a picture that a person brings."""
        if request.method != "POST":
            return self._page(request, "own-image.html", answer=None)
        async with request.form(max_files=1, max_fields=2) as form:
            upload = form.get("image")
            if not isinstance(upload, UploadFile) or not upload.size:
                raise InputError("picture", "none was sent", "choose a file first")
            data = await upload.read()
        if self._asking is not None and not self._asking.done():
            raise HTTPException(503, "another picture is being looked at; ask again in a moment")
        # A thread cannot be stopped: a picture that takes too long keeps its place until it is through.
        self._asking = asyncio.ensure_future(run_in_threadpool(self._ask, data))
        self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        try:
            answer = await asyncio.wait_for(asyncio.shield(self._asking), LONGEST_PICTURE)
        except TimeoutError:
            said = f"this picture takes longer than {LONGEST_PICTURE:.0f} seconds; send a smaller one"
            raise HTTPException(503, said) from None
        return self._page(request, "own-image.html", answer=answer)

    def suggest(self, request: Request) -> Response:
        """Names of classes that contain what was typed: those that begin with it first, then the shorter ones."""
        typed = request.query_params.get("q", "").strip().casefold()[:100]
        names = [name for name in self._class_names() if typed in name.casefold()] if typed else []
        names.sort(key=lambda name: (not name.casefold().startswith(typed), len(name), name))
        return Response(json.dumps(names[:_SUGGESTED]), media_type="application/json")

    @lru_cache(1)  # noqa: B019 - one site a process
    def _class_names(self) -> list[str]:
        """Return the names of the classes that have an instance among the images, sorted."""
        hierarchy = self._explorer.hierarchy
        used = hierarchy.ancestors(np.unique(self._explorer.scenes.type_class))
        return sorted(hierarchy.name(int(i)) for i in used)

    def _selection(self) -> list[dict[str, Any]]:
        notes = read_notes(self._explorer.run.path)
        rows = []
        for key, note in notes.items():
            unit = self._explorer.units.get(key)
            if unit is not None:
                said = {"layer": key[0], "unit": key[1], "marked": note.marked, "note": note.text}
                rows.append({**said, "verdict": unit.verdict, "expression": unit.expression, "score": unit.score})
        return rows

    def export_csv(self, request: Request) -> Response:
        """The notes and marks as a table."""
        columns = ("layer", "unit", "marked", "note", "verdict", "expression", "score")
        table = to_csv(columns, ([row[name] for name in columns] for row in self._selection()))
        headers = {"content-disposition": 'attachment; filename="selection.csv"'}
        return Response(table, media_type="text/csv; charset=utf-8", headers=headers)

    def export_json(self, request: Request) -> Response:
        """The notes and marks as JSON."""
        headers = {"content-disposition": 'attachment; filename="selection.json"'}
        return Response(json.dumps(self._selection(), indent=1), media_type="application/json", headers=headers)

    def picture(self, request: Request) -> Response:
        """One thumbnail."""
        place = request.path_params["place"]
        made = self._album.thumbnail(place) if place < len(self._explorer.images) else None
        if made is None or not made.data:
            raise HTTPException(404, "there is no picture")
        return Response(made.data, media_type="image/webp", headers={"cache-control": "private, max-age=3600"})

    def static(self, request: Request) -> Response:
        """The style sheets and the script."""
        name = request.path_params["name"]
        kinds = {"report.css": "text/css", "explorer.css": "text/css", "explorer.js": "text/javascript"}
        if name not in kinds:
            raise HTTPException(404, "there is no such file")
        text = html.asset(name) if name == "report.css" else (_TEMPLATES / name).read_text(encoding="utf-8")
        return Response(text, media_type=f"{kinds[name]}; charset=utf-8", headers={"cache-control": "no-cache"})

    def _chosen(self, text: str) -> Key | None:
        """Return the unit that a form names as ``layer/index``."""
        layer, _, index = text.partition("/")
        if not (layer.isdigit() and index.isdigit()) or int(layer) >= len(self._layers):
            return None
        units = self._explorer.layers[int(layer)].units
        return (self._layers[int(layer)], units[int(index)]) if int(index) < len(units) else None

    def _example(self, place: int, unit: Key | None) -> Example:
        image = self._explorer.order[place]
        value, level = 0.0, 0.0
        if unit is not None:
            value = float(self._explorer.values(unit)[place])
            low, high = self._explorer.ranges[unit]
            level = (value - low) / (high - low) if high > low else 0.0
        return Example(image, self._explorer.splits[image], value, level, True, (), ())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
