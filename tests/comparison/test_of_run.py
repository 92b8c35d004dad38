"""The comparison as a whole: over a run of tables by the command line, over a network in Python."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conceptx.annotation.mapping import map_labels
from conceptx.annotation.scenes import build_scenes
from conceptx.cli.compare import compare as command
from conceptx.comparison.of_run import METHODS, ON_REQUEST, Material, Wanted, compare
from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.request import Request
from conceptx.tables import IMAGES, OBJECTS, from_rows
from tests.worlds import write_tables


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conceptx.pipeline import run_stages, start_run

    folder = tmp_path_factory.mktemp("tables")
    tables = write_tables(folder)
    request = Request(activations=str(tables["activations"]), labels=str(tables["labels"]), max_length=2)
    with start_run(folder / "run", request) as made:
        run_stages(made, upto="induce")
    return folder / "run"


def called(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_all_methods_over_tables(run: Path, tmp_path: Path) -> None:
    milan = tmp_path / "milan.csv"
    milan.write_text("layer,unit,description\ntable,beds,a bed by a window\ntable,noise,Stripes\n")
    out = tmp_path / "labels.csv"
    every = [part for method in (*METHODS, "ecii") for part in ("--method", method)]
    found = json.loads(called(run, *every, "--labels", milan, "--out", out, "--json"))
    methods = {m["method"]: m for m in found["methods"]}
    names = {"conceptx", "best single class", "concept induction as published", "ECII", "INVERT", "milan (milan.csv)"}
    assert set(methods) == names | {"chance (conceptx)"}
    assert found["units"] == 3
    for name in ("conceptx", "best single class", "INVERT", "ECII"):
        beds = next(r for r in found["rows"] if (r["method"], r["unit"]) == (name, "beds"))
        assert beds["q"] < 0.05 and beds["auroc"] > 0.9, name
        assert not any(r["unit"] == "dead" for r in found["rows"] if r["method"] == name), name
    milan_score = methods["milan (milan.csv)"]
    assert milan_score["covered"] == 1
    assert milan_score["overall"][0] == pytest.approx(milan_score["correlation"][0] / 3)
    order = [m["overall"][0] for m in found["methods"]]
    assert order == sorted(order, reverse=True)
    assert "median" in methods["INVERT"]["note"]
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(found["rows"])
    assert [row["method"] for row in rows] == [row["method"] for row in found["rows"]]


def test_the_table_for_people(run: Path) -> None:
    shown = called(run, "--method", "own", "--method", "single", "--method", "own")
    assert "3 units, 60 verification images that no method saw" in shown
    assert shown.count("conceptx: what the run's search proposed") == 1
    assert called(run, "--method", "own", "--quiet") == ""
    assert called(run, "--method", "own", "--json") == called(run, "--method", "own", "--json")


def test_files_of_the_same_name_are_told_apart(run: Path, tmp_path: Path) -> None:
    for name, label in (("[red]a", "bed"), ("b", "lamp")):
        (tmp_path / name).mkdir()
        content = f"layer,unit,description,similarity\ntable,beds,{label},0.2\n"
        (tmp_path / name / "descriptions.csv").write_text(content)
    files = [tmp_path / name / "descriptions.csv" for name in ("[red]a", "b")]
    shown = called(run, "--method", "own", "--labels", files[0], "--labels", files[1], "--json")
    methods = {m["method"] for m in json.loads(shown)["methods"]}
    assert {"CLIP-Dissect ([red]a/descriptions.csv)", "CLIP-Dissect (b/descriptions.csv)"} <= methods
    assert "[red]a" in called(run, "--method", "own", "--labels", files[0], "--labels", files[1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--method", "inverse"), "there is no method 'inverse'; did you mean 'invert'"),
        (("--method", "netdissect"), "the run names no network that can be opened again"),
        (("--clip", "."), "the run has no pictures to show to a CLIP model"),
        (("--clip-function", "wpmi"), "there is no model that it could be for; add --clip FOLDER"),
        (("--llm-key", "KEY"), "there is no model that it could be for; add --llm URL"),
        (("--clip", ".", "--clip-function", "wpm"), "CLIP-Dissect has no function 'wpm'; did you mean 'wpmi'"),
        (("--llm", "ftp://example.org"), "this is not the base address of a service"),
        (("--llm", "https://me:secret@example.org/v1"), "the address has a name or password in it"),
        (("--llm", "http://example.org/v1"), "the address is not encrypted"),
        (("--llm", "https://example.org/v1", "--llm-key", "NO_SUCH"), "the variable NO_SUCH is not set"),
        (("--labels", "missing.csv"), "missing.csv: cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(run: Path, arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(command, [str(run), *arguments])
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception)
    assert "secret" not in str(result.exception)


@pytest.fixture(scope="module")
def material() -> Material:
    """Sixty pictures with coloured squares, and the maxima of a network that sees colours."""
    torch = pytest.importorskip("torch")
    from conceptx.activations.preprocess import Preprocess

    rng = np.random.default_rng(5)
    labels = ("bed", "lamp", "car")
    objects, shown = [], {}
    for i in range(240):
        pixels = rng.integers(0, 60, (24, 24, 3), dtype=np.uint8)
        for j in np.flatnonzero(rng.random(3) < 0.4):
            x, y = (int(v) for v in rng.integers(0, 16, 2))
            pixels[y : y + 8, x : x + 8, j] = rng.integers(150, 255, (8, 8))
            place = {"x": x, "y": y, "w": 8, "h": 8}
            objects.append({"image": f"{i:03d}", "object": f"o{j}", "label": labels[j], **place})
        shown[f"{i:03d}"] = pixels
    rows = [{"image": name, "width": 24, "height": 24} for name in shown]
    images = ImageSet("squares", None, from_rows(rows, IMAGES), from_rows(objects, OBJECTS), pictures=shown.__getitem__)
    hierarchy = Hierarchy.from_edges([("bed", "furniture"), ("lamp", "furniture"), ("car", "vehicle")])
    scenes, _ = build_scenes(images, map_labels(labels, hierarchy), hierarchy)
    splits = {name: ("induction", "evaluation", "verification")[i % 3] for i, name in enumerate(shown)}
    values = np.stack([pixels.reshape(-1, 3).max(axis=0) / 255 for pixels in shown.values()], axis=1)
    return Material(
        values={("0", str(unit)): row for unit, row in enumerate(values)},
        scenes=scenes,
        splits=splits,
        proposed={("0", "0"): "contains some bed"},
        objects=[[r["label"] for r in objects if r["image"] == name] for name in shown],
        images=images,
        network=lambda: (
            torch.nn.Sequential(torch.nn.MaxPool2d(2)).eval(),
            Preprocess(24, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        ),
    )


def test_network_dissection_beside_the_others(material: Material) -> None:
    found = compare(material, Wanted(methods=(*METHODS, *ON_REQUEST)))
    said = {row.unit: row.measured.expression for row in found.rows if row.method == "Network Dissection"}
    assert said == {"0": "contains some bed", "1": "contains some lamp", "2": "contains some car"}
    scores = {m.method: m for m in found.methods}
    assert scores["Network Dissection"].covered == 3
    assert scores["Network Dissection"].holds.value == 1.0
    assert scores["chance (conceptx)"].covered == 0 and "no two" in scores["chance (conceptx)"].note
    again = compare(material, Wanted(methods=(*METHODS, *ON_REQUEST)))
    assert again.rows == found.rows


def test_no_method_sees_a_held_out_image(material: Material) -> None:
    """Values, pictures and labels of held-out images change; no label does."""
    from dataclasses import replace

    keep = np.array([split == "induction" for split in material.splits.values()])
    rng = np.random.default_rng(9)
    other = {key: np.where(keep, row, rng.random(len(row))) for key, row in material.values.items()}
    assert material.images is not None
    pictures = material.images.pictures
    assert pictures is not None

    def load(name: str) -> np.ndarray:
        if material.splits[name] != "induction":
            raise AssertionError(name)
        return pictures(name)

    blind = replace(material, values=other, images=replace(material.images, pictures=load))
    methods = (*METHODS, *ON_REQUEST)
    before, after = (compare(m, Wanted(methods=methods)) for m in (material, blind))
    assert [(r.method, r.unit, r.said) for r in before.rows] == [(r.method, r.unit, r.said) for r in after.rows]
