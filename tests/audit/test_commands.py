"""`conceptx audit` and `conceptx diff` on the command line: exit codes, JSON, and lines that a person reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import conceptx
from conceptx.cli import cli
from conceptx.progress import silent
from tests.worlds import write_tables


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited")
    tables = write_tables(folder / "tables")
    out = folder / "run"
    conceptx.explain(
        activations=str(tables["activations"]), labels=str(tables["labels"]), max_length=1, out=out, progress=silent
    )
    return out


def call(*words: object) -> tuple[object, str]:
    result = CliRunner().invoke(cli, [str(w) for w in words], standalone_mode=False)
    return result.return_value, result.stdout


def test_audit_says_what_was_compared_and_what_differs(run: Path) -> None:
    code, text = call("audit", run)
    assert code == 0
    assert "Nothing differs." in text
    code, text = call("audit", run, "--json")
    assert json.loads(text)["passed"] is True
    (run / "report" / "planted.txt").write_text("x")
    code, text = call("audit", run)
    (run / "report" / "planted.txt").unlink()
    assert code == 1
    assert "report/planted.txt: no stage of the run wrote this file" in text


def test_diff_of_a_run_with_itself(run: Path) -> None:
    _, text = call("diff", run, run)
    assert "3 of 3 units have the same expression and the same verdict." in text
    _, text = call("diff", run, run, "--json")
    assert len(json.loads(text)["pairs"]) == 3
