"""``conceptx extract --list-layers``, and ``conceptx train-head`` up to a run on the head's units."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.comparison.painted import MODEL, called, document, hierarchy, paint, stages


def test_the_layers_of_a_model_are_listed() -> None:
    found = document("extract", "--list-layers", "--model", MODEL)
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert (layers["maps"]["shape"], layers["maps"]["units"], layers["maps"]["reduction"]) == ([4, 12, 12], 4, "max")
    assert layers["maps.1"]["nonlinearity"] == "after relu"
    assert layers["fc"]["shape"] == [4]
    assert found["side"] == 24
    assert found["preprocess"]["size"] == 24
    shown = called("extract", "--list-layers", "--model", MODEL)
    assert any(line.split()[:1] == ["maps"] and "4 × 12 × 12" in line for line in shown.splitlines())
    assert shown.rstrip().splitlines()[-1].startswith("preprocessing: size=24")


def test_a_head_is_trained_once_and_its_units_are_explained(tmp_path: Path) -> None:
    images = paint(tmp_path / "pictures", 120)
    head = tmp_path / "head"
    train = ["train-head", "--model", "world-cnn", "--weights", "none", "--layer", "features.1", "--reduction", "mean"]
    train += ["--images", f"table:{images}", "--out", head, "--units", 16, "--epochs", 80]
    result = document(*train)
    assert result["classes"] == ["bed", "car", "lamp", "nothing"]
    assert result["accuracy"]["test"] > 0.5
    assert (head / "curves.svg").is_file()
    files = {path.name: path.read_bytes() for path in head.iterdir() if path.is_file()}
    shown = called(*train)
    assert shown.startswith("4 categories; ")
    assert f"explain its units with --model head:{head} and --layer hidden" in shown
    assert {path.name: path.read_bytes() for path in head.iterdir() if path.is_file()} == files

    run = tmp_path / "run"
    asked = ["explain", "--model", f"head:{head}", "--layer", "hidden", "--images", f"table:{images}"]
    plan = document(*asked, "--ontology", hierarchy(tmp_path), "--max-length", 2, "--out", run, "--plan")
    assert plan["evaluation"] > 0
    assert "extract" in stages(run)
    facts = json.loads((run / "activations" / "hidden.json").read_text("utf-8"))
    assert len(facts["units"]) == 16


@pytest.mark.slow
def test_a_head_on_code_of_the_users_says_how_it_is_loaded(tmp_path: Path) -> None:
    images = paint(tmp_path / "pictures", 120)
    train = ["train-head", "--model", MODEL, "--layer", "maps", "--images", f"table:{images}", "--epochs", 20]
    shown = called(*train, "--out", tmp_path / "head")
    assert f"a factory that returns load_head({str(tmp_path / 'head')!r}, load_model({MODEL!r}))" in shown
