"""Other methods, beside one another: formulas against their published code, files as other tools write them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from conceptx.annotation.scenes import scenes_from_labels
from conceptx.comparison.clip_dissect import cosine, label_units, rank_reorder, soft_wpmi, wpmi
from conceptx.comparison.imported import expression_of, imported, read_labels
from conceptx.comparison.invert import invert
from conceptx.comparison.labelling import Labelling, chance
from conceptx.comparison.llm import Endpoint, asker, label_with_llm, names_in, question
from conceptx.comparison.scoring import compare_methods
from conceptx.errors import InputError, JobError
from conceptx.expressions import Named as Class
from conceptx.expressions import contains, parse, to_manchester
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables import LabelTable

HIERARCHY = Hierarchy.from_edges(
    [("bed", "furniture"), ("lamp", "furniture"), ("furniture", "thing"), ("car", "thing"), ("blue sky", "thing")]
)
USED = {"bed", "lamp", "car", "furniture", "thing", "blue sky"}


def test_the_four_functions_agree_with_the_published_code() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    similarity, values = rng.random((60, 7)), rng.random((60, 3))
    clip, target = torch.tensor(similarity), torch.tensor(values)

    def published(top: int, a: float, weight: float, soft: bool) -> np.ndarray:
        feats = torch.nn.functional.softmax(a * clip, dim=1)
        inds = torch.topk(target, dim=0, k=top)[1]
        p_in = 0.998 - (torch.arange(0, top).double() / top * (0.998 - 0.97)).unsqueeze(1)
        rows = []
        for unit in range(3):
            chosen = feats[inds[:, unit]]
            terms = torch.log((1 + p_in * (chosen - 1) if soft else chosen) + 1e-7)
            rows.append(terms.sum(dim=0, keepdim=True))
        given = torch.cat(rows)
        prior = torch.logsumexp(given, dim=0, keepdim=True) - np.log(3)
        return (given - weight * prior).numpy()

    assert soft_wpmi(similarity, values, top=20) == pytest.approx(published(20, 10, 1.0, True))
    assert wpmi(similarity, values, top=28) == pytest.approx(published(28, 2, 0.6, False))
    x, y = ((m - m.mean(dim=0)) ** 3 for m in (clip, target))
    x, y = (m / m.norm(dim=0) for m in (x, y))
    assert cosine(similarity, values) == pytest.approx((y.T @ x).numpy())
    same = rank_reorder(np.stack([values[:, 0], -values[:, 0] + 1], axis=1), values[:, :1], share=0.5)
    assert same[0, 0] == 0.0
    assert same[0, 1] < 0.0


def test_degenerate_units_and_labels_get_no_label() -> None:
    rng = np.random.default_rng(1)
    similarity, values = rng.random((50, 2)), np.stack([np.zeros(50), rng.random(50)])
    expressions = [contains(Class("bed")), contains(Class("car"))]
    for function in ("soft-wpmi", "wpmi", "cosine", "rank-reorder"):
        keys = [("l", "0"), ("l", "1")]
        found = label_units(keys, values, similarity, ["bed", "car"], expressions, function=function)
        assert set(found.labels) == {("l", "1")}, function
    with pytest.raises(InputError, match="soft-wpmi"):
        label_units([], values, similarity, ["bed", "car"], expressions, function="soft-wpm")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("bed", "contains some bed"),
        ("Beds", "contains some bed"),
        ("((bed OR car) AND (NOT lamp))", "(contains some bed or contains some car) and not (contains some lamp)"),
        ("contains some bed", "contains some bed"),
        ("a lamp beside two beds", "contains some (bed or lamp)"),
        ("a photo of blue sky", "contains some 'blue sky'"),
        ("nothing of the kind", None),
        ("(bed OR", None),
        ("", None),
    ],
)
def test_what_a_text_means(text: str, meant: str | None) -> None:
    found = expression_of(text, HIERARCHY, USED)
    wanted = None if meant is None else parse(meant)
    assert (None if found is None else to_manchester(found)) == (None if wanted is None else to_manchester(wanted))


def test_files_of_other_tools_are_read(tmp_path: Path) -> None:
    units = {"fc": ["0", "1", "2"]}
    clip = tmp_path / "descriptions.csv"
    clip.write_text("layer,unit,description,similarity\nfc,0,bed,0.1\nfc,2,a red car,0.2\n")
    assert read_labels(clip, units) == ("CLIP-Dissect", {("fc", "0"): "bed", ("fc", "2"): "a red car"})
    tally = tmp_path / "tally.csv"
    tally.write_text("unit,category,label,score\n1,object,bed,0.2\n3,object,zebra,0.1\n")
    tool, texts = read_labels(tally, units)
    assert (tool, texts) == ("NetDissect", {("fc", "0"): "bed", ("fc", "2"): "zebra"})
    found = imported(tally, units, HIERARCHY, sorted(USED))
    assert set(found.labels) == {("fc", "0")}
    assert "1 texts mean nothing" in found.note
    milan = tmp_path / "milan.tsv"
    milan.write_text("layer\tunit\tannotation\nfc\t1\tlamps\n")
    assert read_labels(milan, units)[1] == {("fc", "1"): "lamps"}
    for content, says in (
        ("a,b\n1,2\n", "no column"),
        ("unit,label\n9,bed\n", ":2"),
        ("layer,unit,label\nother,0,bed\n", ""),
    ):
        bad = tmp_path / "bad.csv"
        bad.write_text(content)
        if says:
            with pytest.raises(InputError, match=says):
                read_labels(bad, units)
        else:
            assert read_labels(bad, units)[1] == {("fc", "0"): "bed"}
    bad.write_bytes(b"\xff\xfe\x00unit")
    with pytest.raises(InputError, match="UTF-8"):
        read_labels(bad, units)


@pytest.fixture(scope="module")
def world() -> tuple:
    rng = np.random.default_rng(2)
    n = 400
    shown = rng.random((n, 3)) < 0.3
    shown[~shown.any(axis=1), 2] = True
    names = [f"{i:03d}" for i in range(n)]
    rows = [(names[i], ("bed", "lamp", "car")[j]) for i, j in np.argwhere(shown).tolist()]
    images, labels = zip(*rows, strict=True)
    table = LabelTable("labels.csv", images, labels, None, None, tuple(range(2, len(rows) + 2)))
    scenes, _ = scenes_from_labels(table, None, HIERARCHY, names)
    splits = {name: ("induction", "induction", "evaluation", "verification")[i % 4] for i, name in enumerate(names)}
    values = {("fc", str(j)): shown[:, j] + 0.3 * rng.standard_normal(n) for j in range(3)}
    return scenes, splits, values, shown


def test_a_good_labelling_beats_chance_and_both_are_measured_on_the_same_images(world: tuple) -> None:
    scenes, splits, values, _ = world
    good = Labelling("good", {("fc", str(j)): contains(Class(c)) for j, c in enumerate(("bed", "lamp", "car"))})
    luck = chance(good, list(values), seed=0)
    assert all(luck.labels[key] != good.labels[key] for key in values)
    result = compare_methods([luck, good], values, scenes, splits)
    assert [m.method for m in result.methods] == ["good", "chance (good)"]
    assert result.methods[0].covered == result.methods[0].distinct == result.methods[0].best == 3
    assert result.methods[0].holds.value == 1.0
    assert result.methods[0].auroc.value > 0.9 > 0.6 > result.methods[1].auroc.value
    assert result.images == 100
    json.dumps(result.to_dict(), default=str)
    with pytest.raises(InputError, match="same name"):
        compare_methods([good, good], values, scenes, splits)


def test_invert_finds_planted_labels(world: tuple) -> None:
    scenes, splits, values, _ = world
    learned = [name for name, split in splits.items() if split == "induction"]
    places = [i for i, split in enumerate(splits.values()) if split == "induction"]
    rows = np.stack([row[places] for row in values.values()])
    found = invert(list(values), rows, scenes.subset(learned), length=1)
    assert [to_manchester(e) for e in found.labels.values()] == [f"contains some {c}" for c in ("bed", "lamp", "car")]


class _Chat(BaseHTTPRequestHandler):
    answers: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.headers["authorization"] == "Bearer secret"
        assert asked["temperature"] == 0
        body = type(self).answers.pop(0)
        self.send_response(302 if body == b"elsewhere" else 200)
        if body == b"elsewhere":
            self.send_header("location", "http://127.0.0.1:1/")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = HTTPServer(("127.0.0.1", 0), _Chat)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}/v1"
    made.shutdown()
    made.server_close()


def test_a_language_model_is_asked_and_its_first_known_name_taken(
    server: str, world: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, values, shown = world
    monkeypatch.setenv("MY_KEY", "secret")

    def said(text: str) -> bytes:
        return json.dumps({"choices": [{"message": {"content": text}}]}).encode()

    _Chat.answers = [said('Sure: ["unicorn", "Beds", "x"]'), said("1. lamp\n2. y"), said("no idea")]
    objects = [[("bed", "lamp", "car")[j] for j in range(3) if row[j]] for row in shown]
    ask = asker(Endpoint(server, "m", "MY_KEY"))
    found = label_with_llm(list(values), np.stack(list(values.values())), objects, HIERARCHY, USED, ask)
    assert {k: to_manchester(e) for k, e in found.labels.items()} == {
        ("fc", "0"): "contains some bed",
        ("fc", "1"): "contains some lamp",
    }
    for body in (b"elsewhere", b"not json", b"{}"):
        _Chat.answers = [body]
        with pytest.raises(JobError):
            ask("x")
    with pytest.raises(InputError, match="not encrypted"):
        asker(Endpoint("http://example.org/v1", "m"))
    with pytest.raises(InputError, match="not set"):
        asker(Endpoint(server, "m", "NO_SUCH_KEY"))
    assert names_in("[broken") == ["[broken"]
    assert "positive set" in question([["bed"]], [["car"]])
