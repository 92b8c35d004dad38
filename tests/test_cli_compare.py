"""``conceptx compare`` on a run that the command line made from a network and pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from conceptx.cli import cli
from conceptx.errors import InputError
from tests.comparison.painted import LABELS, SIDE, called, document, paint, request, stages


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted")
    called(*request(folder, "maps", "fc"), "--plan")
    return folder / "run"


def test_every_method_is_compared_and_the_run_stays_as_it_is(run: Path, tmp_path: Path) -> None:
    before = stages(run)
    file = tmp_path / "descriptions.csv"
    file.write_text("layer,unit,description,similarity\nmaps,0,bed,0.3\nmaps,1,a lamp,0.2\nfc,2,car,0.1\n")
    out = tmp_path / "labels.csv"
    names = ("own", "single", "published", "invert", "ecii", "netdissect")
    every = [part for name in names for part in ("--method", name)]
    found = document("compare", run, *every, "--labels", file, "--out", out)
    methods = {m["method"]: m for m in found["methods"]}
    assert set(methods) == {
        "conceptx",
        "best single class",
        "concept induction as published",
        "INVERT",
        "ECII",
        "Network Dissection",
        "CLIP-Dissect (descriptions.csv)",
        "chance (conceptx)",
    }
    assert (found["units"], methods["CLIP-Dissect (descriptions.csv)"]["covered"]) == (8, 3)
    for name in methods:
        if not name.startswith("chance"):
            rows = {(r["layer"], r["unit"]): r for r in found["rows"] if r["method"] == name}
            assert "bed" in rows["maps", "0"]["expression"], name
            assert rows["maps", "0"]["q"] < 0.05, name
    assert len(list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))) == len(found["rows"])
    assert stages(run) == before


def test_network_dissection_finds_the_colours_by_their_places(run: Path) -> None:
    found = document("compare", run, "--method", "netdissect")
    rows = [r for r in found["rows"] if r["method"] == "Network Dissection"]
    said = {(r["layer"], r["unit"]): r["said"].partition(" (IoU")[0] for r in rows}
    assert {key: said[key] for key in said if key[1] != "3"} == {
        ("maps", "0"): "bed",
        ("maps", "1"): "lamp",
        ("maps", "2"): "car",
    }
    (note,) = (m["note"] for m in found["methods"] if m["method"] == "Network Dissection")
    assert note == "1 of 4 labelled units are detectors (IoU > 0.04); over boxes; no maps: layer 'fc'"
    again = document("compare", run, "--method", "netdissect")
    assert again["rows"] == found["rows"]


def coco(table: Path) -> Path:
    """Write what a table of painted pictures says in COCO's form, with the squares as polygons and without boxes."""
    lines = [json.loads(line) for line in table.read_text("utf-8").splitlines()]
    categories = [{"id": i, "name": label} for i, label in enumerate(LABELS)]
    images = [{"id": i, "file_name": line["image"], "height": SIDE, "width": SIDE} for i, line in enumerate(lines)]
    annotations = []
    for i, line in enumerate(lines):
        for thing in line["objects"]:
            x, y, w, h = thing["box"]
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            category = {"image_id": i, "category_id": LABELS.index(thing["label"])}
            annotations.append({"id": len(annotations), **category, "segmentation": [corners]})
    path = table.with_name("instances.json")
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_masks_take_the_place_of_boxes(run: Path, tmp_path: Path) -> None:
    asked = request(tmp_path, "maps")
    asked[asked.index("--images") + 1] = f"coco:{coco(tmp_path / 'pictures' / 'images.jsonl')}"
    called(*asked, "--plan")
    by_mask, by_box = (
        {(r["layer"], r["unit"]): r["said"] for r in document("compare", path, "--method", "netdissect")["rows"]}
        for path in (tmp_path / "run", run)
    )
    assert by_mask == {key: said for key, said in by_box.items() if key[0] == "maps"}
    methods = document("compare", tmp_path / "run", "--method", "netdissect")["methods"]
    assert any("over masks, and boxes where there is none" in m["note"] for m in methods)


def test_the_table_names_every_method_on_a_narrow_terminal(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = called("compare", run)
    for name in ("conceptx", "best single class", "concept induction as", "INVERT", "chance (conceptx)"):
        assert any(line.startswith(name) for line in shown.splitlines()), name
    assert "verification images that no method saw" in shown
    assert max(map(len, shown.splitlines()[:14])) <= 80


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def test_where_a_run_cannot_be_dissected_a_sentence_says_why(run: Path, tmp_path: Path) -> None:
    called(*request(tmp_path / "bare", "maps", boxes=False), "--plan")
    assert refusal("compare", tmp_path / "bare" / "run", "--method", "netdissect") == (
        "--method netdissect: no annotation says where in its image an object is; "
        "bring images with boxes or masks of their objects"
    )
    called(*request(tmp_path / "dense", "fc"), "--plan")
    assert refusal("compare", tmp_path / "dense" / "run", "--method", "own", "--method", "netdissect") == (
        "layer 'fc': its output of 4 per image has no places, so Network Dissection has nothing to overlap with the "
        "objects; extract a convolutional layer, or leave out --method netdissect"
    )


def test_another_network_than_the_recorded_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.comparison import painted

    called(*request(tmp_path, "maps"), "--plan")
    plain = painted.network

    def changed() -> object:
        model, preprocess = plain()
        model.maps[0].bias.data += 0.1
        return model, preprocess

    monkeypatch.setattr(painted, "network", changed)
    assert "the network is not the one any more that the activations were recorded with" in refusal(
        "compare", tmp_path / "run", "--method", "netdissect"
    )


def test_a_run_whose_model_was_an_object_says_what_is_missing(tmp_path: Path) -> None:
    import conceptx
    from conceptx.progress import silent
    from tests.comparison.painted import network, quick

    model, preprocess = network()
    images, how = f"table:{paint(tmp_path / 'pictures', 120)}", {"protocol": str(quick(tmp_path)), "max_length": 1}
    made = conceptx.explain(
        model, layer="maps", images=images, preprocess=preprocess, out=tmp_path / "run", progress=silent, **how
    )
    assert refusal("compare", made.path, "--method", "netdissect") == (
        "--method netdissect: Network Dissection looks at maps, and the run names no network that can be opened again; "
        "explain a named --model over --images KIND:PATH"
    )
    assert made.compare().units == 4
