"""How long the explorer takes to answer, by kind of request, on a made-up run of any size.

`python tests/benchmarks/bench_explorer.py [--largest] [--run FOLDER]` asks the application in this process, without a
socket. For each kind of request it prints milliseconds of the first, the median and the slowest of the repeated ones
(each with other units, classes or labels), the median of processor time, which other work does not change, and what the
same answer costs by its definition, measured in the same run: all scenes built anew for a label, Pearson's correlation
unit by unit for an expression.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.annotation.scenes import build_scenes, evaluate
from conceptx.annotation.sssom import EXACT, MANUAL, Row
from conceptx.explorer import make_app, own_image
from conceptx.explorer.guard import App
from conceptx.explorer.state import Explorer
from conceptx.expressions import parse
from tests.benchmarks.synthetic_run import PREPROCESS, Recall, make_large_run

SIZES = ((64, 3_000),)
LARGEST = ((2_048, 50_000),)
PORT = 8000
TIMES = 7


class Browser:
    """Sends requests to the application as its own pages do, and waits for the whole answer."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()

    def get(self, path: str, **query: str) -> bytes:
        """Return the part of a page that the script replaces."""
        return self._loop.run_until_complete(self._ask("GET", path, urlencode(query).encode(), b"", "text/plain"))

    def whole(self, path: str) -> bytes:
        """Return a whole page."""
        return self._loop.run_until_complete(self._ask("GET", path, b"", b"", "text/plain", part="0"))

    def post(self, path: str, body: bytes, kind: str) -> bytes:
        """Send a form and return the body of the answer."""
        return self._loop.run_until_complete(self._ask("POST", path, b"", body, kind))

    async def _ask(self, method: str, path: str, query: bytes, body: bytes, kind: str, part: str = "1") -> bytes:
        host = f"127.0.0.1:{PORT}"
        headers = {"host": host, "x-part": part, "origin": f"http://{host}", "content-type": kind}
        headers["content-length"] = str(len(body))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", PORT),
            "scheme": "http",
            "root_path": "",
            "http_version": "1.1",
        }
        answer: list[bytes] = []
        status = 0

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, object]) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.append(message.get("body", b""))

        await self._app(scope, receive, send)
        if status not in (200, 303):
            raise RuntimeError(f"{method} {path}?{query.decode()} answers {status}: {b''.join(answer)[:300]!r}")
        return b"".join(answer)


def questions(explorer: Explorer, browser: Browser, run: Path) -> dict[str, tuple[Callable[[int], object], int]]:
    """Return by kind of request what sends the i-th one, and how many are sent."""
    units = len(explorer.layers[0].units)
    used = Counter(name for named in explorer.named.values() for name in sorted(named))
    classes = [name for name, _ in used.most_common(TIMES)] or [explorer.hierarchy.name(1)]
    labels = [label for label, _ in explorer.label_counts.most_common()]
    by_unit = [label for name in classes for label in labels if explorer.labels.get(label) == name] or labels

    def at(of: list[str], i: int) -> str:
        return of[i % len(of)]

    def expression(i: int) -> str:
        a, b = at(classes, i), at(classes, i + 1)
        some = f"contains some ({a} and {b})", f"contains min 2 {a}", f"contains some {a} and not (contains some {b})"
        return at([*some, f"contains some ({a} or {b})", f"contains only (not ({a}))"], i)

    def note(i: int) -> object:
        body = urlencode({"marked": "1", "text": f"looked at, {i}"}).encode()
        return browser.post(f"/unit/0/{i * 37 % units}/note", body, "application/x-www-form-urlencoded")

    def image(i: int) -> object:
        picture = (explorer.images.root / explorer.images.images["path"][i].as_py()).read_bytes()
        head = b'--cut\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
        body = head + b"Content-Type: image/jpeg\r\n\r\n" + picture + b"\r\n--cut--\r\n"
        return browser.post("/own-image", body, "multipart/form-data; boundary=cut")

    return {
        "the first page": (lambda i: browser.whole("/"), TIMES),
        "the other pages": (lambda i: browser.whole(at(["/what-if", "/labels", "/own-image"], i)), TIMES),
        "find by text": (lambda i: browser.get("/", text=at(classes, i)[:-1]), TIMES),
        "find by class": (lambda i: browser.get("/", concept=at(classes, i)), TIMES),
        "find by verdict and score": (
            lambda i: browser.get("/", verdict=at(["confirmed", "weak", "rejected"], i), least=f"0.{i}"),
            TIMES,
        ),
        "a unit": (lambda i: browser.whole(f"/unit/0/{i * 101 % units}"), TIMES),
        "what if, any unit": (lambda i: browser.get("/what-if", expression=expression(i)), TIMES),
        "what if, one unit": (
            lambda i: browser.get("/what-if", expression=expression(i + 1), unit=f"0/{i * 53 % units}"),
            TIMES,
        ),
        "a label means another": (
            lambda i: browser.get("/labels", **{"label": at(labels, i), "class": explorer.labels[at(labels, i + 1)]}),
            TIMES,
        ),
        "a label that units name": (
            lambda i: browser.get("/labels", **{"label": at(by_unit, i), "class": explorer.labels[at(labels, i + 9)]}),
            TIMES,
        ),
        "a label means nothing": (lambda i: browser.get("/labels", **{"label": at(by_unit, i), "class": ""}), TIMES),
        "names to choose from": (lambda i: browser.get("/suggest", q=at(classes, i)[:5]), TIMES),
        "a picture": (lambda i: browser.get(f"/picture/{i}"), TIMES),
        "an own image": (image, TIMES),
        "a note": (note, min(units, 200)),
        "the selection as CSV": (lambda i: browser.get("/export.csv"), TIMES),
        "the selection as JSON": (lambda i: browser.get("/export.json"), TIMES),
        "style sheet (the server)": (lambda i: browser.get("/static/report.css"), TIMES),
    }


def by_definition(explorer: Explorer) -> dict[str, float]:
    """Return the milliseconds of the slow definitions."""
    start = time.perf_counter()
    expression = next(iter(explorer.expressions.values()), parse(f"contains some {explorer.hierarchy.name(1)}"))
    held = evaluate(expression, explorer.scenes)[explorer.held_out].astype(float)
    for key in explorer.units:
        values = explorer.values(key)[explorer.held_out].astype(float)
        if values.any() and held.any():
            np.corrcoef(values, held)
    what_if = time.perf_counter() - start
    start = time.perf_counter()
    label = explorer.label_counts.most_common(1)[0][0]
    new = Row(label, explorer.hierarchy.name(1), EXACT, 1.0, MANUAL)
    rows = tuple(new if row.label == label else row for row in explorer.mapping.rows)
    scenes, _ = build_scenes(explorer.images, replace(explorer.mapping, rows=rows), explorer.hierarchy)
    for known in set(explorer.expressions.values()):
        evaluate(known, scenes)
    return {"what if": 1e3 * what_if, "a label": 1e3 * (time.perf_counter() - start)}


@contextmanager
def without_forward(explorer: Explorer, spent: list[float]):  # type: ignore[no-untyped-def]
    """Give the explorer of a made-up run its network, and note what that one's own forward passes take."""

    class Timed(Recall):
        def forward(self, pixels):  # type: ignore[no-untyped-def]
            start = time.perf_counter()
            found = super().forward(pixels)
            spent.append(time.perf_counter() - start)
            return found

    if explorer.layers[0].layer != "units":
        yield
        return
    network = Timed(np.ascontiguousarray(explorer.layers[0].values[:, :64].T))
    with patch.object(own_image.Asker, "_network", property(lambda _: (network, PREPROCESS))):
        yield


def measure(run: Path) -> None:
    """Print the table of one run."""
    start = time.perf_counter()
    app = make_app(run, PORT)
    opened = time.perf_counter() - start
    explorer = Explorer.open(run)
    explorer.prepare()
    browser = Browser(app)
    print(f"{len(explorer.layers[0].units):,} units × {len(explorer.order):,} images; opened in {opened:.1f} s")
    print(f"  {'milliseconds':28} {'first':>8} {'median':>8} {'slowest':>8} {'of CPU':>8} {'kB':>8}")
    spent: list[float] = []
    notes = run / "notes.json"
    kept = notes.read_bytes() if notes.exists() else None
    try:
        with without_forward(explorer, spent):
            for name, (ask, times) in questions(explorer, browser, run).items():
                took, worked = [], []
                for i in range(times):
                    before = sum(spent)
                    begun, cpu = time.perf_counter(), time.process_time()
                    answer = ask(i)
                    worked.append(1e3 * (time.process_time() - cpu))
                    took.append(1e3 * (time.perf_counter() - begun - (sum(spent) - before)))
                size = len(answer) / 1e3 if isinstance(answer, bytes) else 0.0
                figures = took[0], np.median(took), max(took), np.median(worked), size
                print(f"  {name:28}", *(f"{figure:8.1f}" for figure in figures), flush=True)
    finally:
        notes.unlink(missing_ok=True)
        if kept is not None:
            notes.write_bytes(kept)
    for name, milliseconds in by_definition(explorer).items():
        print(f"  by definition: {name:13} {milliseconds:8.1f}")


def main() -> None:
    """Print a table for each size."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--largest", action="store_true", help="also 2,048 × 50,000, which takes some minutes to make")
    options.add_argument("--run", type=Path, help="measure this run instead, with its network")
    asked = options.parse_args()
    if asked.run:
        measure(asked.run)
        return
    for units, images in (*SIZES, *(LARGEST if asked.largest else ())):
        with tempfile.TemporaryDirectory(prefix="bench-explorer-") as folder:
            measure(make_large_run(Path(folder), units, images).path)


if __name__ == "__main__":
    main()
