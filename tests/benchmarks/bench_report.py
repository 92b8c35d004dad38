"""How long a report takes, how large it is and how soon its first page is painted, on made-up runs of growing size.

`python tests/benchmarks/bench_report.py [--largest] [--rich] [--run FOLDER]` prints one block a size. The units repeat
a few that were searched, or (`--rich`) are those of a whole run of `synthetic_run`, most of them confirmed, with boxes,
checks, counter-examples and ensembles of their own. Each build runs in a process of its own, so that its peak memory is
its own; the first paint is measured by headless Chromium from the files on disk where it is installed.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.activations.store import Activations
from conceptx.report import ReportInput, write_report
from tests.benchmarks.synthetic_run import make_large_run
from tests.report.worlds import TinyImages, make_world

SIZES = ((64, 3_000), (512, 10_000))
LARGEST = ((2_048, 50_000), (20_000, 400))
SEARCHED = 8
"""Units that are searched and verified; the others of a run repeat them, which changes nothing for the report."""


class Photographs(TinyImages):
    """Images of 500 × 375 pixels that are decoded from JPEG, as those of a real data set are; 64 different ones."""

    def load(self, i: int) -> np.ndarray:
        """Decode one."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(encoded(i % 64))))


@cache
def encoded(i: int) -> bytes:
    """Return a JPEG file of smooth random colours with a little noise: about 50 kB."""
    from PIL import Image

    rng = np.random.Generator(np.random.PCG64(i))
    smooth = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((500, 375))
    pixels = np.clip(np.asarray(smooth) + rng.normal(0, 6, (375, 500, 3)), 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=85)
    return data.getvalue()


def world(units: int, images: int) -> ReportInput:
    """Return the input of a report with so many units on so many images."""
    small = make_world(n_images=images, n_units=SEARCHED, n_controls=100, size=224, beside=True)
    first = small.activations[0]
    times = -(-units // SEARCHED)
    rng = np.random.Generator(np.random.PCG64(1))
    again = (first.values + rng.normal(0, 0.5, first.values.shape).astype(np.float32) for _ in range(times))
    values = np.concatenate(list(again))[:units]
    tables = {name: getattr(small, name) for name in ("hypotheses", "verdicts", "margins")} | dict(small.beside)
    for name, table in tables.items():
        if name == "ensembles":
            continue
        number = np.array(table["unit"].to_pylist(), dtype=np.int64)
        copies = [
            table.set_column(table.column_names.index("unit"), "unit", pa.array((number + SEARCHED * k).astype(str)))
            for k in range(times)
        ]
        whole = pa.concat_tables(copies)
        tables[name] = whole.filter(pa.array(whole["unit"].to_numpy().astype(np.int64) < units))
    beside = {name: tables.pop(name) for name in small.beside}
    activations = Activations("fc", tuple(map(str, range(units))), first.images, values, {"reduction": "max"})
    image_set = Photographs(small.images, small.objects)
    return replace(small, **tables, beside=beside, activations=(activations,), image_set=image_set)


def inputs_of(run: Path) -> ReportInput:
    """Return the input of the report of a run."""
    from conceptx.artefacts import report_input
    from conceptx.inputs import Given
    from conceptx.run import Run

    return report_input(Run.open(run), Given())


def build(inputs: ReportInput, out: Path) -> dict[str, float]:
    """Build one report, and return seconds by part, megabytes on disk and of memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(64):
        encoded(i)
    cpu, start = time.process_time(), time.perf_counter()
    write_report(inputs, out, seconds_of.progress)
    took, worked = time.perf_counter() - start, time.process_time() - cpu
    files = [path for path in out.rglob("*") if path.is_file()]
    sizes: dict[str, float] = {}
    for path in files:
        kind = path.suffix.removeprefix(".") if path.parent == out else path.parent.name
        sizes[kind] = sizes.get(kind, 0.0) + path.stat().st_size / 1e6
    return {
        "seconds": took,
        "cpu seconds": worked,
        **{f"  {label}": seconds for label, seconds in seconds_of.found.items()},
        "folder MB": sum(path.stat().st_size for path in files) / 1e6,
        **{f"  {kind}": size for kind, size in sorted(sizes.items())},
        "files": len(files),
        "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "of it inputs MB": before / 1e3,
    }


class _Seconds:
    """Keeps how long each labelled loop took."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def progress(self, steps, total=None, label=""):  # type: ignore[no-untyped-def]
        """Pass the steps on, and note when the last was taken."""
        start = time.perf_counter()
        yield from steps
        self.found[label] = time.perf_counter() - start


seconds_of = _Seconds()


def first_paint(page: Path, folder: Path) -> float:
    """Return the milliseconds from the start of the navigation to the first contentful paint of a page on disk.

    A copy of the page tells them to a socket of ours; the best of three starts counts, because the machine is shared.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        return float("nan")
    copy = page.with_name("paint.html")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        told = f"""<script>new PerformanceObserver((list) => {{
            const entry = list.getEntriesByName("first-contentful-paint")[0];
            if (entry) fetch("{address}" + entry.startTime.toFixed(0), {{ mode: "no-cors" }});
        }}).observe({{ type: "paint", buffered: true }});</script><title>"""
        copy.write_text(text.replace("<title>", told, 1), encoding="utf-8")
        found = [_told(chromium, copy, folder, server) for _ in range(3)]
    copy.unlink()
    return min(found)


def _told(chromium: str, page: Path, folder: Path, server: socket.socket) -> float:
    quiet = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync "
    quiet += "--disable-component-update --window-size=1280,900 --remote-debugging-port=0"
    command = [chromium, *quiet.split(), f"--user-data-dir={folder}", page.as_uri()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            connection, _ = server.accept()
            with connection:
                return float(connection.recv(4096).split(b" ")[1].removeprefix(b"/"))
        finally:
            browser.terminate()


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
        yield Path(folder)


def main() -> None:
    """Print one block a size."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--largest", action="store_true", help="also 2,048 × 50,000 and 20,000 × 400")
    options.add_argument("--rich", action="store_true", help="make whole runs, and the reports of these")
    options.add_argument("--run", type=Path, help="build the report of this run anew instead, beside it")
    options.add_argument("--one", nargs=2, metavar=("SOURCE", "FOLDER"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.one:
        source, out = asked.one
        units, _, images = source.partition("x")
        inputs = world(int(units), int(images)) if units.isdigit() else inputs_of(Path(source))
        print(json.dumps(build(inputs, Path(out))))
        return
    if asked.run:
        measure(str(asked.run), str(asked.run))
        return
    for units, images in (*SIZES, *(LARGEST if asked.largest else ())):
        name = f"{units:,} units × {images:,} images"
        if not asked.rich:
            measure(f"{units}x{images}", name)
            continue
        with scratch() as folder:
            measure(str(make_large_run(folder, units, images).path), name)


def measure(source: str, name: str) -> None:
    """Print the block of one report."""
    with scratch() as folder:
        command = [sys.executable, __file__, "--one", source, str(folder / "report")]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        found["first paint ms"] = first_paint(folder / "report" / "index.html", folder / "profile")
    print(name)
    for what, value in found.items():
        print(f"  {what:24} {value:10.2f}")


if __name__ == "__main__":
    main()
