"""Banks of new images: read, verified, and gathered from a server that answers as the real ones do."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from conceptx.activations.store import Activations
from conceptx.cli.bank import bank as command
from conceptx.errors import InputError, JobError
from conceptx.expressions import parse
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.verification import gathering, web
from conceptx.verification.bank import read_bank, verify_bank
from conceptx.verification.protocol import load_protocol


def picture(number: int, kind: str = "PNG") -> bytes:
    """A picture unlike any other: large random squares."""
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


def stored(folder: Path, counts: dict[str, int]) -> Path:
    number = 0
    for label, n in counts.items():
        (folder / label).mkdir(parents=True)
        for _ in range(n):
            number += 1
            (folder / label / f"{number:03}.png").write_bytes(picture(number))
    return folder


# ------------------------------------------------------------------------------------------------- reading, testing


def test_a_bank_has_one_label_a_folder_and_is_split_80_to_20(tmp_path: Path) -> None:
    found = read_bank(stored(tmp_path / "bank", {"bed": 20, "bed + lamp": 10, "car": 10}))
    splits = found.images["split"].to_pylist()
    assert splits.count("evaluation") == 32 and splits.count("verification") == 8
    of_image: dict[str, set[str]] = {}
    for image, label in zip(*(found.objects[c].to_pylist() for c in ("image", "label")), strict=True):
        of_image.setdefault(image, set()).add(label)
    assert of_image["bed + lamp/021.png"] == {"bed", "lamp"} and of_image["car/031.png"] == {"car"}
    assert set(found.images["category"].to_pylist()) == {None}


def test_what_is_no_bank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pictures of one label only, 'bed'"):
        read_bank(stored(tmp_path / "one", {"bed": 3}))
    folder = stored(tmp_path / "loose", {"bed": 2, "car": 2})
    (folder / "loose.png").write_bytes(picture(99))
    with pytest.raises(InputError, match=r"picture 'loose\.png' is in no folder of a label"):
        read_bank(folder)


def test_hypotheses_are_tested_on_a_bank(tmp_path: Path) -> None:
    found = read_bank(stored(tmp_path / "bank", {"bed": 50, "lamp": 60, "car": 50}))
    hierarchy = Hierarchy.from_edges(
        [("bed", "furniture"), ("lamp", "furniture"), ("car", "vehicle"), ("cup", "thing")]
    )
    labels = [image.split("/")[0] for image in found.ids]
    rng = np.random.default_rng(0)
    furniture = np.array([label != "car" for label in labels])
    values = np.stack([furniture * 2.0, *np.zeros((3, 160))]) + rng.random((4, 160))
    layer = Activations("fc", ("0", "1", "2", "3"), tuple(found.ids), values.astype(np.float32))
    hypotheses = {
        ("fc", "3"): parse("contains some (bed and hasColor some cup)"),
        ("fc", "0"): parse("contains some furniture"),
        ("fc", "1"): parse("contains some car"),
        ("fc", "2"): parse("contains some cup"),
    }
    made = verify_bank([layer], found, hypotheses, hierarchy, protocol=load_protocol("conceptx"))
    verdicts = {u.unit: u.verdict for u in made.summary.units}
    assert verdicts["0"] == "confirmed" and verdicts["1"] == "rejected" and verdicts["2"] == "unexplained"
    rows = made.verdicts.to_pylist()
    assert {r["split"] for r in rows} == {"evaluation", "verification", None}
    assert verdicts["3"] == "unexplained" and sum(made.summary.counts.values()) == 4
    assert next(r for r in rows if r["unit"] == "3")["note"].endswith("the hypothesis speaks of the role hasColor")
    row = next(r for r in rows if r["unit"] == "0" and r["split"] == "evaluation")
    assert (row["n_target"], row["n_other"]) == (88, 40) and row["auroc"] == 1.0
    assert all("has no targets" in r["note"] and r["p"] is None for r in rows if r["unit"] == "2")
    published = verify_bank([layer], found, hypotheses, hierarchy, protocol=load_protocol("dalal2024"))
    assert {u.unit: u.verdict for u in published.summary.units}["0"] == "confirmed"


def test_labels_and_hypotheses_must_have_classes(tmp_path: Path) -> None:
    found = read_bank(stored(tmp_path / "bank", {"bed": 10, "zzyzx": 10}))
    layer = Activations("fc", ("0",), tuple(found.ids), np.zeros((1, 20), dtype=np.float32))
    hierarchy = Hierarchy.from_edges([("bed", "furniture"), ("car", "vehicle")])
    protocol = load_protocol("conceptx")
    with pytest.raises(InputError, match="the label 'zzyzx' has no class"):
        verify_bank([layer], found, {("fc", "0"): parse("contains some bed")}, hierarchy, protocol=protocol)
    found = read_bank(stored(tmp_path / "other", {"bed": 10, "car": 10}))
    layer = Activations("fc", ("0",), tuple(found.ids), np.zeros((1, 20), dtype=np.float32))
    with pytest.raises(InputError, match="there is no class 'bedd'"):
        verify_bank([layer], found, {("fc", "0"): parse("contains some bedd")}, hierarchy, protocol=protocol)
    with pytest.raises(InputError, match="no unit of these layers has one"):
        verify_bank([layer], found, {}, hierarchy, protocol=protocol)


# ------------------------------------------------------------------------------------------------- gathering


class Server(ThreadingHTTPServer):
    """Answers as Openverse (/v1/images/) and as Wikimedia Commons (/w/api.php) do, with some bad pictures."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.asked.append(self.path)
        assert self.headers["User-Agent"].startswith("conceptx/")
        if parts.path == "/v1/images/" and asked["q"] == "deep" and asked["page"] != "1":
            self.send_error(401)
        elif parts.path == "/v1/images/":
            self.say("application/json", json.dumps(self.openverse(asked)).encode())
        elif parts.path == "/w/api.php":
            self.say("application/json; charset=utf-8", json.dumps(self.commons(asked)).encode())
        elif parts.path == "/broken":
            self.say("application/json", b"{")
        elif parts.path == "/busy":
            self.send_error(429)
        elif parts.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", parts.path.removeprefix("/moved"))
            self.end_headers()
        elif parts.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif parts.path.startswith("/files/"):
            name = parts.path.rsplit("/", 1)[1]
            if name == "page.png":
                self.say("text/html", b"<html></html>")
            elif name == "false.png":
                self.say("image/png", b"no picture at all")
            elif name == "endless.png":
                self.say("image/png", b"\0" * 200_000)
            else:
                self.say("image/png", picture(int(name.split(".")[0])))
        else:
            self.send_error(404)

    def say(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def openverse(self, asked: dict[str, str]) -> dict:
        """Openverse's answer: 2 pages; offset by the query, so that labels differ."""
        page, home = int(asked["page"]), self.server.home
        base = 100 * len(asked["q"]) + 10 * page
        files = [f"/files/{base + i}.png" for i in range(4)]
        if page == 1:
            files = [
                "/files/page.png",
                "/files/false.png",
                "/nowhere.png",
                "/away",
                files[0],
                files[0] + "?again",
                *files,
            ]
            files[5] = f"/moved{files[4]}"  # the same picture at another address
        results = [
            {
                "id": f"00000000-0000-4000-8000-{i:012}",
                "title": f"A {asked['q']}",
                "indexed_on": "2020-01-01T00:00:00Z",
                "foreign_landing_url": f"https://example.org/photos/{i}",
                "url": home + file,
                "creator": "Ann <b>Author</b>",
                "creator_url": "https://example.org/ann",
                "license": "by-sa",
                "license_version": "2.0",
                "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
                "provider": "flickr",
                "source": "flickr",
                "filesize": None,
                "filetype": "png",
                "mature": False,
                "height": 64,
                "width": 64,
                "thumbnail": f"{home}/thumb/{i}",
            }
            for i, file in enumerate(files)
        ]
        return {"result_count": 12, "page_count": 2, "page_size": 20, "page": page, "results": results, "warnings": []}

    def commons(self, asked: dict[str, str]) -> dict:
        assert asked["generator"] == "search" and asked["gsrnamespace"] == "6"
        assert asked["iiurlwidth"] in {"20", "40", "60", "120", "250", "330", "500", "960", "1280", "1920", "3840"}
        start = int(asked.get("gsroffset", 0))
        home = self.server.home
        pages = {
            str(9000 - i): {
                "pageid": 9000 - i,
                "ns": 6,
                "title": f"File:Bed {i}.png",
                "index": i + 1,
                "imagerepository": "local",
                "imageinfo": [
                    {
                        "thumburl": f"{home}/files/{i}.png",
                        "thumbwidth": 960,
                        "url": f"{home}/files/full-{i}.png",
                        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:Bed_{i}.png",
                        "extmetadata": {
                            "LicenseShortName": {"value": "CC BY-SA 4.0", "source": "commons-desc-page"},
                            "Artist": {"value": '<a href="//x">Bo &amp; Co</a>', "source": "commons-desc-page"},
                            "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
                        },
                    }
                ],
            }
            for i in range(start, start + 2)
        }
        answer = {"batchcomplete": "", "query": {"pages": pages}}
        if start < 4:
            answer["continue"] = {"gsroffset": start + 2, "continue": "gsroffset||"}
        return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_openverse_fills_a_bank_with_authors_and_licences(server: Server, tmp_path: Path) -> None:
    address = f"{server.home}/v1/images/"
    found = gathering.gather(["bed", "lamp_post"], tmp_path, number=6, address=address, pause=0)
    assert [c.label for c in found.credits] == ["bed"] * 6 + ["lamp_post"] * 6 and not found.missing
    first = found.credits[0]
    assert (first.author, first.licence, first.title) == ("Ann Author", "by-sa 2.0", "A bed")
    assert first.licence_url.endswith("/by-sa/2.0/") and first.page.startswith("https://example.org/photos/")
    assert any("q=lamp+post" in path for path in server.asked)
    assert found.passed_over == {
        "content of the kind text/html": 2,
        "no picture": 2,
        "the server says 404": 2,
        "the server says 302": 2,
        "the same picture again": 2,
    }
    for credit in found.credits:
        assert (tmp_path / credit.image).is_file()
    assert gathering.read_credits(tmp_path) == list(found.credits)
    assert len(read_bank(tmp_path)) == 12


def test_gathering_goes_on_where_it_was_and_says_what_is_missing(server: Server, tmp_path: Path) -> None:
    address = f"{server.home}/v1/images/"
    gathering.gather(["bed"], tmp_path, number=2, address=address, pause=0)
    asked = len(server.asked)
    again = gathering.gather(["bed"], tmp_path, number=2, address=address, pause=0)
    assert len(server.asked) == asked and len(again.credits) == 2
    more = gathering.gather(["bed"], tmp_path, number=100, address=address, pause=0)
    assert len(more.credits) == 8 and more.missing == ("bed",)
    assert len({c.sha256 for c in more.credits}) == 8


def test_a_page_that_is_refused_is_the_last(server: Server, tmp_path: Path) -> None:
    found = gathering.gather(["deep", "bed"], tmp_path, number=12, address=f"{server.home}/v1/images/", pause=0)
    assert "deep" in found.missing
    assert {credit.label for credit in found.credits} == {"deep", "bed"}


def test_commons_answers_in_pages(server: Server, tmp_path: Path) -> None:
    found = gathering.gather(
        ["bed + lamp"], tmp_path, source="commons", number=5, address=f"{server.home}/w/api.php", pause=0
    )
    assert [c.title for c in found.credits] == [f"Bed {i}.png" for i in range(5)]
    assert {(c.author, c.licence) for c in found.credits} == {("Bo & Co", "CC BY-SA 4.0")}
    assert "gsrsearch=filetype%3Abitmap+bed+lamp&" in server.asked[0]
    assert sum("/w/api.php" in path for path in server.asked) == 3


@pytest.mark.parametrize(
    ("path", "message"),
    [("/broken", "not JSON"), ("/busy", "the server says 429"), ("/nowhere", "the server says 404")],
)
def test_a_source_that_does_not_answer_is_one_sentence(server: Server, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        gathering.gather(["bed"], tmp_path, address=server.home + path, pause=0)


def test_too_much_is_not_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 100_000)
    with pytest.raises(web.Refused, match="more than 100,000 bytes"):
        web.Web(server.home, 0).read(f"{server.home}/files/endless.png", ("image/png",))


@pytest.mark.parametrize("address", ["ftp://example.org/a.png", "file:///etc/passwd", "http://[::1", "", "http://"])
def test_only_the_web_is_asked(address: str) -> None:
    with pytest.raises(web.Refused):
        web.Web("http://127.0.0.1:9", 0).read(address, ("image/png",))


@pytest.mark.parametrize("address", ["https://127.0.0.1/a.png", "https://10.0.0.1/a.png", "https://[::1]/a.png"])
def test_a_public_source_cannot_send_us_into_the_local_network(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = web.Web("https://192.0.2.1.invalid/", 0)
    with pytest.raises(web.Refused, match="inside the local network"):
        client.check(address)
    with pytest.raises(web.Refused, match="an address that is not https"):
        client.check("http://example.org/a.png")


@pytest.mark.parametrize("label", ["", " bed", "../up", "a/b", ".hidden", "x" * 300, "bed\n"])
def test_a_label_must_be_the_name_of_a_folder(label: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="label: "):
        gathering.gather([label], tmp_path)


def test_requests_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no source 'google'"):
        gathering.gather(["bed"], tmp_path, source="google")
    with pytest.raises(InputError, match="ask for 1 to 500"):
        gathering.gather(["bed"], tmp_path, number=0)
    (tmp_path / "sources.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"sources\.csv: the columns are not those of this version"):
        gathering.gather(["bed"], tmp_path)


def test_the_command_prints_one_document(server: Server, tmp_path: Path) -> None:
    arguments = ["fetch", "bed", "--out", str(tmp_path), "--number", "2", "--pause", "0"]
    arguments += ["--address", f"{server.home}/v1/images/"]
    made = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    shown = json.loads(made.stdout)
    assert len(shown["pictures"]) == 2 and shown["missing"] == []
    made = CliRunner().invoke(command, [*arguments, "--number", "9"], catch_exceptions=False)
    assert "8 pictures in" in made.stdout and "bed: the source has no more pictures" in made.stdout
