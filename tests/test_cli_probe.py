"""``conceptx probe`` on a run that the command line made from a network and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from conceptx.cli import cli
from conceptx.errors import InputError
from tests.comparison.painted import called, document, request, stages


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted")
    called(*request(folder, "maps", "fc"), "--plan")
    return folder / "run"


@pytest.mark.parametrize("method", ["pattern", "ridge", "logistic", "svm", "region"])
def test_a_layer_that_sees_colours_knows_their_classes(run: Path, method: str) -> None:
    before = stages(run)
    asked = ("--method", method, "--class", "bed", "--layer", "maps", "--permutations", 39)
    (probe,) = document("probe", run, *asked)["probes"]
    assert (probe["layer"], probe["concept"]) == ("maps", "bed")
    assert probe["auroc"] > 0.8
    assert probe["p"] <= 0.05
    assert document("probe", run, *asked) == {"probes": [probe], "sensitivities": []}
    assert stages(run) == before


def test_all_classes_of_all_layers_and_the_table_for_people(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = document("probe", run, "--permutations", 19)["probes"]
    assert {p["layer"] for p in found} == {"maps", "fc"}
    assert {"bed", "lamp", "car"} <= {p["concept"] for p in found}
    monkeypatch.setenv("COLUMNS", "80")
    shown = called("probe", run, "--permutations", 19)
    assert "Probes (pattern), on held-out images" in shown
    assert all(any(label in line for line in shown.splitlines()) for label in ("bed", "lamp", "car"))


def test_sensitivities_need_the_model_and_say_how_outputs_change(run: Path) -> None:
    asked = ("--class", "bed", "--layer", "maps", "--permutations", 39, "--sensitivity")
    found = document("probe", run, *asked)["sensitivities"]
    by_output = {s["output"]: s for s in found}
    assert by_output["0"]["slope"] > 0
    assert by_output["0"]["share"] > 0.5
    assert "output 0 changes by +" in called("probe", run, *asked)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--layer", "map"), "the run has no such layer; did you mean 'maps'?"),
        (("--sensitivity",), "no class is given for the sensitivities; add --class NAME"),
        (("--class", "bedd"), "there is no class 'bedd'"),
        (("--method", "lda"), "lda"),
    ],
)
def test_a_mistake_is_one_sentence(run: Path, arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(cli, ["probe", str(run), *arguments])
    assert isinstance(result.exception, InputError), result.output
    assert says in str(result.exception)
