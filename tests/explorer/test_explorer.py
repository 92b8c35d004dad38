"""The explorer: it answers what it should, and nobody else."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import shutil
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import conceptx
from conceptx.annotation.scenes import build_scenes, evaluate
from conceptx.annotation.sssom import EXACT, MANUAL, Row, read_sssom
from conceptx.errors import InputError
from conceptx.expressions import parse
from conceptx.progress import silent
from tests.worlds import write_tables

pytest.importorskip("starlette")
pytest.importorskip("httpx2")
from starlette.testclient import TestClient

from conceptx.explorer import make_app
from conceptx.explorer.guard import LARGEST_BODY
from conceptx.explorer.notes import Note, read_notes, write_note
from conceptx.explorer.own_image import Asker, _decoded
from conceptx.explorer.remap import remap
from conceptx.explorer.state import Explorer
from conceptx.explorer.whatif import what_if

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HERE = "http://127.0.0.1:8000"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explored")
    tables = write_tables(folder / "tables")
    out = folder / "run"
    conceptx.explain(
        activations=str(tables["activations"]),
        labels=str(tables["labels"]),
        ontology="world",
        max_length=2,
        out=out,
        progress=silent,
    )
    return out


@pytest.fixture(scope="module")
def explorer(run: Path) -> Explorer:
    return Explorer.open(run)


@pytest.fixture(scope="module")
def client(run: Path) -> Iterator[TestClient]:
    with TestClient(make_app(run, 8000), base_url=HERE) as made:
        yield made


def test_every_page_answers_with_strict_headers(client: TestClient) -> None:
    for address in ("/", "/unit/0/0", "/what-if", "/what-if?expression=Beds&unit=0/0", "/labels", "/own-image"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "style=" not in answer.text
        assert not re.search(r"<script(?! src=)", answer.text)
    assert client.get("/unit/0/99").status_code == 404
    assert client.get("/unit/9/0").status_code == 404
    assert client.get("/static/../pages.py").status_code == 404


def test_other_hosts_other_origins_and_large_bodies_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example:8000"}).status_code == 421
    assert client.get("/", headers={"host": "127.0.0.1:9000"}).status_code == 421
    assert client.post("/unit/0/0/note", data={"text": "x"}).status_code == 403
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9000"):
        assert client.post("/unit/0/0/note", data={"text": "x"}, headers={"origin": origin}).status_code == 403
    large = client.post("/own-image", content=b"x" * (LARGEST_BODY + 1), headers={"origin": HERE})
    assert large.status_code == 413
    assert client.delete("/unit/0/0/note", headers={"origin": HERE}).status_code == 405


def test_units_are_found_by_text_class_verdict_score_and_mark(client: TestClient) -> None:
    def found(query: str) -> int:
        match = re.search(r"(\d+) units? fits?", client.get(f"/?{query}").text)
        assert match is not None
        return int(match.group(1))

    assert found("") == 3
    assert found("text=beds") == 1
    assert found("concept=Furniture") >= 1
    assert found("verdict=confirmed") == 1
    assert found("least=0.5") == 1
    assert found("marked=1") == 0
    assert found("page=99&text=zzz") == 0
    assert client.get("/?concept=Nonsense").status_code == 400


def test_an_expression_is_answered_as_the_reference_does(explorer: Explorer) -> None:
    answer = what_if(explorer, "contains some Beds and not (contains some Lamps)", ("table", "beds"))
    held = evaluate(parse(answer.text), explorer.scenes)
    for split, (inside, n) in answer.counts.items():
        places = explorer.members[split]
        assert (inside, n) == (int(held[places].sum()), len(places))
    values = explorer.values(("table", "beds")).astype(float)
    r = np.corrcoef(values[explorer.held_out], held[explorer.held_out])[0, 1]
    assert dict(answer.best)["table", "beds"] == pytest.approx(r, abs=1e-5)
    assert [m.split for m in answer.measured] == ["induction", "evaluation", "verification"]
    assert what_if(explorer, "Beds").text == "contains some Beds"
    for wrong in ("", "contains some (", "contains some Unicorns", "x" * 5000):
        with pytest.raises(InputError):
            what_if(explorer, wrong)


def test_another_class_changes_what_a_whole_rebuild_says(explorer: Explorer) -> None:
    answer = remap(explorer, "bed", "Toilets")
    assert answer.old == "Beds"
    assert answer.changes
    mapping = read_sssom(explorer.run.path / "mapping.sssom.tsv")
    rows = tuple(Row("bed", "Toilets", EXACT, 1.0, MANUAL) if r.label == "bed" else r for r in mapping.rows)
    scenes, _ = build_scenes(explorer.images, replace(mapping, rows=rows), explorer.hierarchy)
    scenes = scenes.subset(list(explorer.splits))
    for change in answer.changes:
        assert change.images[1] == int(evaluate(parse(change.expression), scenes).sum())
    assert remap(explorer, "bed", "Beds").changes == ()
    with pytest.raises(InputError):
        remap(explorer, "bedd", "Beds")


def test_the_script_gets_the_answer_alone_and_a_list_of_units_is_bounded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("/what-if?expression=Beds&unit=0/2", "/labels?label=bed&class=Toilets"):
        page, part = (client.get(address, headers={"x-part": flag}).text for flag in ("0", "1"))
        assert "<form" in page and "<form" not in part
        answers = [re.search(r'<div id="answer".*', text, re.DOTALL) for text in (page, part)]
        assert all(answers)
        assert answers[1][0].split("</div>")[0] == answers[0][0].split("</div>")[0]  # type: ignore[index]
    assert client.get("/what-if").text.count("<option") == 4
    monkeypatch.setattr("conceptx.explorer.pages._CHOICES", 1)
    page = client.get("/what-if?unit=0/2").text
    assert page.count("<option") == 3
    assert '<option value="0/2" selected>' in page
    assert "best explained units" in page


def test_notes_are_kept_and_exported(run: Path, client: TestClient) -> None:
    told = {"marked": "1", "text": '=1+1 <script>alert("x")</script>'}
    answer = client.post("/unit/0/0/note", data=told, headers={"origin": HERE})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert json.loads((run / "notes.json").read_text())[0]["marked"] is True
    assert "'=1+1" in client.get("/export.csv").text
    assert client.get("/export.json").json()[0]["note"] == told["text"]
    assert conceptx.Run.open(run).keeps("report")
    client.post("/unit/0/0/note", data={"text": ""}, headers={"origin": HERE})
    assert client.get("/export.json").json() == []
    long = client.post("/unit/0/0/note", data={"text": "x" * 10_001}, headers={"origin": HERE})
    assert long.status_code == 400


def test_suggestions_and_pictures(client: TestClient) -> None:
    assert client.get("/suggest?q=bed").json()[0] == "Beds"
    assert client.get("/suggest?q=").json() == []
    assert client.get("/picture/0").status_code == 404
    assert client.get("/picture/100000").status_code == 404


def test_a_run_without_a_network_says_so(client: TestClient) -> None:
    sent = {"image": ("a.png", b"not a picture", "image/png")}
    answer = client.post("/own-image", files=sent, headers={"origin": HERE})
    assert answer.status_code == 400
    assert "no network" in answer.text


def test_a_changed_report_is_refused(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "report" / "report.json").write_text("{}")
    with pytest.raises(InputError, match="changed"):
        Explorer.open(copy)


def test_a_wrong_question_is_a_page_without_script_and_a_sentence_with_it(client: TestClient) -> None:
    for address, status in (("/what-if?expression=contains", 400), ("/unit/0/99", 404), ("/?concept=<b>x</b>", 400)):
        page = client.get(address)
        assert page.status_code == status
        assert '<main id="content"' in page.text
        assert "<b>x</b>" not in page.text
        part = client.get(address, headers={"x-part": "1"})
        assert (part.status_code, part.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert len(part.text.splitlines()) == 1


def test_answers_are_the_same_when_many_ask_at_once(run: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = ("Beds", "Lamps", "Toilets", "Furniture", "Chairs")
    asked = [(kind, name) for kind in ("what", "map") for name in names] * 4
    fresh, single = Explorer.open(run), Explorer.open(run)

    def answer(explorer: Explorer, question: tuple[str, str]) -> object:
        kind, name = question
        if kind == "map":
            return remap(explorer, "bed", name)
        return what_if(explorer, f"contains some {name} and not (contains some Beds)", ("table", "beds"))

    def known(question: tuple[str, str]) -> bool:
        return single.hierarchy.get(question[1]) is not None

    asked = list(filter(known, asked))
    expected = [repr(answer(single, question)) for question in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(map(repr, pool.map(lambda question: answer(fresh, question), asked))) == expected


def test_notes_of_many_at_once_are_all_kept(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    keys = [("layer", str(i)) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: write_note(tmp_path, key, Note(marked=True)), keys))
    assert sorted(read_notes(tmp_path)) == sorted(keys)


def test_a_disk_that_cannot_be_written_says_so(client: TestClient, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("conceptx.explorer.notes.write_json", refuse)
    sent = {"text": "x"}
    answer = client.post("/unit/0/0/note", data=sent, headers={"origin": HERE, "x-part": "1"})
    assert answer.status_code == 400
    assert "the note was not kept" in answer.text
    assert client.get("/unit/0/0").status_code == 200


def picture(width: int, height: int, kind: str = "PNG", **options: object) -> bytes:
    data = io.BytesIO()
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 255
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


def test_pictures_are_bounded_before_they_are_decoded() -> None:
    head = picture(8, 8)
    # The size stands in the header; the checksum of the header is made anew, as somebody who means harm would.
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + head[24:29]
    bomb = head[:12] + header + struct.pack(">I", zlib.crc32(header)) + head[33:]
    for data, says in ((bomb, "pixels|bomb"), (b"GIF89a", "cannot be read"), (b"", "cannot be read")):
        with pytest.raises(InputError, match=says):
            _decoded(data)
    with pytest.raises(InputError, match="pixels"):
        _decoded(picture(10_000, 5_001))


def test_a_turned_photograph_is_turned_back() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = _decoded(picture(40, 20, "JPEG", exif=exif, quality=95))
    assert turned.shape == (40, 20, 3)
    assert turned[20, 18, 0] > 200 > 50 > turned[20, 1, 0]


def test_a_slow_picture_is_given_up_and_blocks_nobody_else(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Event()
    monkeypatch.setattr("conceptx.explorer.pages.LONGEST_PICTURE", 0.05)
    monkeypatch.setattr("conceptx.explorer.own_image.Asker.__call__", lambda *_: going.wait(20))
    with TestClient(make_app(run, 8000), base_url=HERE) as client:
        sent = {"image": ("a.png", picture(4, 4), "image/png")}
        slow = client.post("/own-image", files=sent, headers={"origin": HERE, "x-part": "1"})
        assert (slow.status_code, "longer than" in slow.text) == (503, True)
        busy = client.post("/own-image", files=sent, headers={"origin": HERE, "x-part": "1"})
        assert (busy.status_code, "another picture" in busy.text) == (503, True)
        assert client.get("/").status_code == 200
        going.set()


def test_a_network_that_cannot_be_loaded_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'elsewhere'")

    monkeypatch.setattr("conceptx.explorer.own_image.model_of", broken)
    explorer = Explorer.open(run)
    named = replace(explorer, run=replace_request(explorer.run, model="elsewhere:net"))
    with pytest.raises(InputError, match="network 'elsewhere:net' cannot be loaded"):
        Asker(named)(picture(4, 4))


def replace_request(run: conceptx.Run, **changes: object) -> conceptx.Run:
    return conceptx.Run(run.path, replace(run.request, **changes), run.manifest)


@pytest.mark.parametrize("name", ["images.parquet", "activations/table.npy", "mapping.sssom.tsv"])
def test_changed_evidence_is_refused(run: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match="was changed or removed since"):
        Explorer.open(copy)


def test_a_manifest_of_another_shape_is_refused(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    for stages in ([], {"report": 7}, {"report": {"status": "done"}}):
        manifest = json.loads((run / "manifest.json").read_text())
        (copy / "manifest.json").write_text(json.dumps(manifest | {"stages": stages}))
        with pytest.raises(InputError, match="another shape"):
            Explorer.open(copy)


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\u05de\u05d9\u05d8\u05d4 right to left",
    "\U0001f6cf\ufe0f" * 40,
    "x" * 4_000,
    "'\"&%{{7*7}}",
)


def test_hostile_labels_are_only_text(tmp_path: Path) -> None:
    tables = write_tables(tmp_path / "tables")
    labels = tables["labels"]
    text = labels.read_text(encoding="utf-8")
    columns = next(csv.reader([text.splitlines()[0]]))
    rows = list(csv.DictReader(text.splitlines()))
    names = sorted({row["label"] for row in rows})
    hostile = dict(zip(names, HOSTILE * len(names), strict=False))
    with labels.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(row | {"label": hostile[row["label"]]} for row in rows)
    given = {"activations": str(tables["activations"]), "labels": str(labels)}
    conceptx.explain(**given, max_length=1, out=tmp_path / "run", progress=silent)
    with TestClient(make_app(tmp_path / "run", 8000), base_url=HERE) as client:
        for label in hostile.values():
            question = {"label": label, "class": ""}
            for page in (client.get("/labels", params=question), client.get("/what-if", params={"expression": label})):
                assert page.status_code in (200, 400)
                assert "<img src=x" not in page.text
        for address in ("/", "/unit/0/0", "/unit/0/1", "/labels"):
            page = client.get(address)
            assert page.status_code == 200
            assert "<img src=x" not in page.text
            assert len(page.text) < 400_000


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_pages_work_in_a_browser_without_a_word_on_the_console(run: Path, tmp_path: Path) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(make_app(run, port), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        try:
            for address in ("/", "/unit/0/0", "/what-if?expression=Beds&unit=0/0", "/labels?label=bed&class=Toilets"):
                quiet = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
                quiet += "--disable-component-update --disable-sync --enable-logging=stderr --v=0 --dump-dom"
                where = [f"--user-data-dir={tmp_path}", f"http://127.0.0.1:{port}{address}"]
                command = [str(CHROMIUM), *quiet.split(), "--virtual-time-budget=3000", *where]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
                assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
                assert 'data-ready="1"' in done.stdout, address
        finally:
            server.should_exit = True
            thread.join(timeout=10)
