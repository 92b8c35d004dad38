"""The whole path on the built-in world, small: it ends, says what it did, and has nothing to do the second time."""

from __future__ import annotations

import json

import pytest

import conceptx
from conceptx.files import digest_file
from conceptx.pipeline import STAGES, run_stages
from conceptx.progress import silent
from conceptx.run import Run

IMAGES = 200


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return conceptx.demo(tmp_path_factory.mktemp("demo") / "run", seed=3, images=IMAGES, progress=silent)


def test_every_stage_is_done_and_recorded(run: Run) -> None:
    stages = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))["stages"]
    assert list(STAGES) == [
        "images",
        "train",
        "extract",
        "annotate",
        "induce",
        "judge",
        "plan",
        "verify",
        "truth",
        "report",
    ]
    assert sorted(stages) == sorted(set(STAGES) - {"judge"})
    for entry in stages.values():
        assert entry["status"] == "done"
        for output, facts in entry["outputs"].items():
            assert digest_file(run.path / output) == facts["sha256"]


def test_the_tables_have_every_unit_and_every_image(run: Run) -> None:
    assert len(run.images) == IMAGES
    splits = [row["split"] for row in run.images.to_pylist()]
    assert {split: splits.count(split) for split in set(splits)} == {
        "induction": 120,
        "evaluation": 40,
        "verification": 40,
    }
    assert len(run.summary["units"]) == 64
    assert sum(run.summary["counts"].values()) == 64
    kinds = [row["kind"] for row in run.controls.to_pylist()]
    assert set(kinds) == {"shuffled", "noise", "untrained", "directions", "brightness"}
    assert len(run.verdicts.to_pandas()) == len(run.verdicts)


def test_the_report_says_what_is_true_of_planted_units(run: Run) -> None:
    page = run.report_path.read_text(encoding="utf-8")
    assert "Ground truth" in page
    assert "OpenMoji" in page
    told = json.loads((run.path / "report" / "report.json").read_text(encoding="utf-8"))
    assert told["truth"] == json.loads((run.path / "planted.json").read_text(encoding="utf-8"))
    assert [row["strength"] for row in told["truth"]["strengths"]] == [0.5, 1.0, 2.0, 4.0]
    assert str(run.path.parent) not in (run.path / "report" / "report.json").read_text(encoding="utf-8")


def test_the_second_time_there_is_nothing_to_do(run: Run) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file()}
    again = conceptx.demo(run.path, seed=3, images=IMAGES, progress=silent)
    assert run_stages(again) == []
    after = {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file()}
    rewritten = {p.name for p in after if before.get(p) != after[p]}
    assert rewritten <= {"run.toml"}


def test_a_run_shows_itself(run: Run) -> None:
    assert "64" not in repr(run)
    assert "confirmed" in run._repr_html_()
    assert "<table>" in run.verdicts._repr_html_()
    assert "more rows" in run.verdicts._repr_html_()


def test_a_changed_mapping_touches_what_depends_on_it_alone(run: Run) -> None:
    mapping = run.path / "mapping.sssom.tsv"
    original = mapping.read_bytes()
    try:
        text = original.decode()
        mapping.write_text(text.replace("class:Beds", "class:Furniture", 1), encoding="utf-8")
        with Run.open(run.path) as opened:
            assert run_stages(opened, upto="annotate") == ["annotate"]
    finally:
        mapping.write_bytes(original)
        with Run.open(run.path) as opened:
            run_stages(opened, upto="annotate")
