"""A language model behind a local server: what is asked, what is understood, and what goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import numpy as np
import pytest

from conceptx.comparison.llm import Endpoint, asker, label_with_llm, names_in, question
from conceptx.comparison.meaning import Meaning
from conceptx.errors import InputError, JobError
from conceptx.expressions import to_manchester
from conceptx.ontology.hierarchy import Hierarchy

HIERARCHY = Hierarchy.from_edges([("bed", "furniture"), ("lamp", "furniture"), ("car", "thing")])
MEANING = Meaning(HIERARCHY, {"bed", "lamp", "car", "furniture", "thing"})


class _Chat(BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, bytes]]] = []
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.path == "/v1/chat/completions"
        assert self.headers["authorization"] == "Bearer secret"
        assert (body["temperature"], body["model"]) == (0, "m")
        type(self).asked.append(body["messages"][0]["content"])
        status, content = type(self).answers.pop(0)
        self.send_response(status)
        if status == 302:
            self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("content-length", str(len(content) + (5 if content == b"cut" else 0)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        raise AssertionError("a redirect was followed")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MY_KEY", " secret\n")
    monkeypatch.setattr("conceptx.comparison.llm._PAUSES", (0.0, 0.0))
    _Chat.answers, _Chat.asked = [], []
    made = HTTPServer(("127.0.0.1", 0), _Chat)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}/v1/"
    made.shutdown()
    made.server_close()
    thread.join()


def said(text: str) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def test_the_first_name_that_means_something_is_taken(server: str) -> None:
    objects = [["bed", "red\nlamp"], ["bed"], [], ["car"], ["car", "lamp"]]
    values = np.array(
        [[1.0, 0.9, 0.5, 0, 0.1], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [-1, -2, -1, -1, -3], [5, 5, 5, 4, 3]]
    )
    keys = [("fc", str(i)) for i in range(5)]
    _Chat.answers = [said('Sure: ["unicorn", "Beds", "x"]'), said("1. lamp\n2. y"), said("no idea")]
    found = label_with_llm(keys, values, objects, MEANING, asker(Endpoint(server, "m", "MY_KEY")))
    assert {k: to_manchester(e) for k, e in found.labels.items()} == {
        ("fc", "0"): "contains some bed",
        ("fc", "1"): "contains some lamp",
    }
    assert found.texts["fc", "2"] == "no idea"
    assert len(_Chat.asked) == 3, "units without images on both sides are not asked about"
    assert _Chat.asked[0] == question([["bed", "red lamp"], ["bed"]], [["car"], ["car", "lamp"]])
    assert "P:\n1. bed, red lamp\n2. bed\n" in _Chat.asked[0]


def test_a_busy_service_is_asked_again(server: str) -> None:
    ask = asker(Endpoint(server, "m", "MY_KEY"))
    _Chat.answers = [(429, b""), (503, b""), said("bed")]
    assert ask("x") == "bed"
    _Chat.answers = [(429, b"")] * 3
    with pytest.raises(JobError, match="answered with status 429 \\(Too Many Requests\\)"):
        ask("x")


@pytest.mark.parametrize(
    "answer",
    [
        (302, b""),
        (401, b"secret"),
        (200, b"not json"),
        (200, b"{}"),
        (200, b"cut"),
        (200, b"[" * 100_000),
        (200, b'"' + b"x" * (1 << 20) + b'"'),
        (200, b'{"choices": [{"message": {"content": null}}]}'),
    ],
)
def test_what_goes_wrong_is_said_without_the_key(server: str, answer: tuple[int, bytes]) -> None:
    _Chat.answers = [answer]
    with pytest.raises(JobError) as caught:
        asker(Endpoint(server, "m", "MY_KEY"))("x")
    assert "secret" not in str(caught.value) and caught.value.where == server.rstrip("/")


@pytest.mark.parametrize(
    ("address", "key", "says"),
    [
        ("http://example.org/v1", "k", "not encrypted"),
        ("https://", "k", "not the base address"),
        ("https://example.org:port/", "k", "not a web address"),
        ("file:///etc/passwd", "k", "not the base address"),
        ("https://example.org/v1?key=secret", "secret", "not the base address"),
        ("https://exam ple.org/v1", "k", "white space"),
        ("https://me:secret@example.org", "secret", "a name or password"),
        ("https://example.org", "", "is not set"),
        ("https://example.org", "sec\nret", "is not a key"),
        ("https://example.org", "schlüssel", "is not a key"),
    ],
)
def test_bad_endpoints_are_refused_before_anything_is_sent(
    address: str, key: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(InputError, match=says) as caught:
        asker(Endpoint(address, "m", "MY_KEY"))
    assert "secret" not in str(caught.value) and (len(key) < 2 or key not in str(caught.value))


def test_names_in_an_answer() -> None:
    assert names_in('```json\n["a", " b ", 3, ""]\n```') == ["a", "b", "3"]
    assert names_in("1. Beds\n- 'lamps'\n\n") == ["Beds", "lamps"]
    assert names_in("[broken") == ["[broken"]
    assert names_in("[" * 100_000 + "]") != []
