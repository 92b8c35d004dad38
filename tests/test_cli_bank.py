"""``conceptx bank fetch`` from a server that answers as Openverse does; ``conceptx verify --bank`` on the pictures."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from tests.comparison.painted import LABELS, called, document, picture, request, stages

EACH = 20


class Handler(BaseHTTPRequestHandler):
    """A page of pictures for a label, each with a square of the label's colour."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/v1/images/":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.say("application/json", json.dumps(self.page(asked["q"])).encode())
            return
        label, number = parts.path.strip("/").removesuffix(".png").split("/")
        rng = np.random.default_rng(100 * LABELS.index(label) + int(number))
        x, y = (int(v) for v in rng.integers(0, 16, 2))
        small = Image.fromarray(picture({LABELS.index(label): (x, y)}, rng))
        data = io.BytesIO()
        small.resize((96, 96), Image.Resampling.NEAREST).save(data, "PNG")
        self.say("image/png", data.getvalue())

    def page(self, label: str) -> dict[str, object]:
        host, port = self.server.server_address[:2]
        results = [
            {
                "id": f"{label}-{i}",
                "title": f"A {label}",
                "foreign_landing_url": f"https://example.org/{label}/{i}",
                "url": f"http://{host}:{port}/{label}/{i}.png",
                "creator": "Ann Author",
                "license": "by",
                "license_version": "4.0",
                "license_url": "https://creativecommons.org/licenses/by/4.0/",
                "source": "flickr",
            }
            for i in range(EACH)
        ]
        return {"result_count": EACH, "page_count": 1, "page_size": EACH, "page": 1, "results": results}

    def say(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/images/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pictures_are_gathered_and_the_hypotheses_hold_on_them(tmp_path: Path, address: str) -> None:
    called(*request(tmp_path, "maps"), "--quiet")
    run, bank = tmp_path / "run", tmp_path / "bank"
    fetch = ("bank", "fetch", *LABELS, "--out", bank, "--number", EACH, "--address", address, "--pause", 0)
    found = document(*fetch)
    assert (len(found["pictures"]), found["passed_over"], found["missing"]) == (3 * EACH, {}, [])
    with (bank / "sources.csv").open(encoding="utf-8") as file:
        credits = list(csv.DictReader(file))
    assert len(credits) == 3 * EACH
    assert {row["author"] for row in credits} == {"Ann Author"}
    pictures = {path: path.stat().st_mtime_ns for path in bank.rglob("*.png")}
    shown = called(*fetch)
    assert f"{3 * EACH} pictures in {bank}" in shown
    assert {path: path.stat().st_mtime_ns for path in bank.rglob("*.png")} == pictures

    before = stages(run)
    rows = document("verify", run, "--bank", bank)
    assert stages(run) == before
    beds = {row["split"]: row for row in rows if row["unit"] == "0"}
    assert beds["evaluation"]["q"] < 0.05
    assert beds["evaluation"]["auroc"] > 0.9
    assert beds["verification"]["n_target"] + beds["verification"]["n_other"] == 12
    assert document("verify", run, "--bank", bank) == rows
    assert "contains some bed" in called("verify", run, "--bank", bank)
