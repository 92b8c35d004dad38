"""`report.json` follows its schema, the published copy is up to date, and the other files for programs are whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from conceptx.report import ReportInput, gather, write_report
from conceptx.report.card import model_card
from conceptx.report.schema import report_schema
from tests.report.worlds import World

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_the_one_of_the_records() -> None:
    assert json.loads(PUBLISHED.read_text()) == report_schema(), "python -m conceptx.report.schema > docs/…"


def test_a_report_follows_the_schema_and_a_changed_one_does_not(world: ReportInput, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    write_report(world, tmp_path)
    schema = json.loads((tmp_path / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    report = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(report, schema)
    report["units"][0]["verdict"] = 7
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema)


def test_the_crate_names_every_file_with_its_digest(world: ReportInput, tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path).as_posix() for path in write_report(world, tmp_path)}
    graph = json.loads((tmp_path / "ro-crate-metadata.json").read_text())["@graph"]
    files = {part["@id"]: part["sha256"] for part in graph if part["@type"] == "File"}
    assert set(files) == written - {"ro-crate-metadata.json"}
    for name, digest in files.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_the_model_card_escapes_what_comes_from_data(make: World) -> None:
    inputs = make()
    hostile = replace(inputs, request={**inputs.request, "model": "[x](http://evil) | <b>"})
    card = model_card(gather(hostile))
    assert "(http://evil)" not in card
    assert "<b>" not in card
    assert "### Limits" in card
