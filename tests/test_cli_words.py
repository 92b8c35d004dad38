"""What commands say to a person: no figure lost, no empty answer, no step left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conceptx.api import explain
from conceptx.cli import cli
from conceptx.cli.options import counted
from conceptx.cli.summary import print_summary
from conceptx.errors import InputError
from conceptx.progress import silent
from conceptx.run import Run
from tests.worlds import write_tables


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run on small tables, which lie beside it."""
    folder = tmp_path_factory.mktemp("words")
    tables = write_tables(folder)
    explain(
        activations=tables["activations"], labels=tables["labels"], out=folder / "run", max_length=1, progress=silent
    )
    return folder / "run"


def called(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return " ".join(result.output.split())


def tables_of(run: Path) -> list[object]:
    names = ("activations", "labels", "hypotheses")
    return [part for name in names for part in (f"--{name}", run.parent / f"{name}.csv")]


def test_the_folder_of_a_run_is_as_good_as_its_request(run: Path) -> None:
    assert called("explain", run) == called("explain", run / "run.toml")
    with pytest.raises(InputError, match=r"absent.toml: there is no such file"):
        called("explain", run / "absent.toml")


def test_verify_says_the_noise_floor_that_its_verdicts_are_above(run: Path) -> None:
    shown = called("verify", *tables_of(run))
    assert "Noise floor: 200 control units with nothing to explain reach a correlation of 0." in shown
    assert "unit beds: contains some bed" in shown
    assert "Noise floor" not in called("verify", *tables_of(run), "--protocol", "dalal2024")
    assert called("verify", *tables_of(run), "--quiet") == ""


def test_layers_are_named_where_there_are_several(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    print_summary(Run.open(run))
    assert "layer" not in capsys.readouterr().out
    shutil.copytree(run, tmp_path / "run")
    rows = pq.read_table(tmp_path / "run" / "verdicts.parquet")
    other = rows.set_column(0, "layer", pa.array(["another"] * len(rows)))
    pq.write_table(pa.concat_tables([rows, other]), tmp_path / "run" / "verdicts.parquet")
    print_summary(Run.open(tmp_path / "run"))
    shown = capsys.readouterr().out
    assert "layer" in shown and "another" in shown and "table" in shown


def test_a_search_without_a_find_says_so() -> None:
    assert "no class has 'zzz' in a name" in called("ontology", "search", "world", "zzz")
    assert called("ontology", "search", "world", "zzz", "--json") == "[]"


def test_a_class_that_is_too_rare_for_a_probe_is_told_with_the_reason(run: Path) -> None:
    assert "table, bed: not testable" not in called("probe", run, "--class", "bed", "--permutations", 19)
    labels = (run.parent / "labels.csv").read_text(encoding="utf-8")
    (run.parent / "rare.csv").write_text(labels + "0000.jpg,zebra\n", encoding="utf-8")
    rare = run.parent / "rare"
    explain(
        activations=run.parent / "activations.csv",
        labels=run.parent / "rare.csv",
        out=rare,
        max_length=1,
        progress=silent,
    )
    shown = called("probe", rare, "--class", "zebra", "--permutations", 19)
    assert "table, zebra: not testable: 0 images on one side, 20 are needed" in shown


def test_runs_on_other_images_cannot_be_paired(run: Path, tmp_path: Path) -> None:
    tables = write_tables(tmp_path, seed=1)
    for name in ("activations", "labels"):
        text = tables[name].read_text(encoding="utf-8")
        tables[name].write_text(text.replace(".jpg", ".png").replace("beds", "other", 1), encoding="utf-8")
    explain(
        activations=tables["activations"], labels=tables["labels"], out=tmp_path / "run", max_length=1, progress=silent
    )
    assert "The runs have no image in common, so no unit can be paired" in called("diff", run, tmp_path / "run")
    assert "Units are paired by name." in called("diff", run, run)


def test_a_folder_is_no_table_and_a_file_no_bank(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"this is a folder; name the file to write, such as labels\.csv"):
        called("compare", run, "--method", "own", "--out", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="this is a file; name a folder for the bank"):
        called("bank", "fetch", "bed", "--out", tmp_path / "file", "--address", "http://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("folder", "says"), [("kitchen", "the images have categories and no labels"), (".", "no image")]
)
def test_pictures_without_labels_are_refused_before_the_network_runs(folder: str, says: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "pictures" / folder).mkdir(parents=True)
    for i in range(9):
        noise = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        image.fromarray(noise).save(tmp_path / "pictures" / folder / f"{i}.png")
    model = (
        "--model",
        "world-cnn",
        "--weights",
        "none",
        "--layer",
        "fc",
        "--images",
        f"folder:{tmp_path / 'pictures'}",
    )
    with pytest.raises(InputError, match=says) as caught:
        called("explain", *model, "--out", tmp_path / "run")
    assert ("--image-classes" in str(caught.value)) == (folder != ".")
    assert not (tmp_path / "run" / "activations").exists()


def test_one_is_no_plural() -> None:
    assert [counted(n, "leaf", "leaves") for n in (0, 1, 2000)] == ["0 leaves", "1 leaf", "2,000 leaves"]
    assert [counted(n, "edge") for n in (1, 2)] == ["1 edge", "2 edges"]


def test_doubtful_labels_are_counted_and_the_file_is_named(tmp_path: Path) -> None:
    tables = write_tables(tmp_path)
    labels = tables["labels"].read_text(encoding="utf-8").replace(",bus", ",crane")
    tables["labels"].write_text(labels, encoding="utf-8")
    out = tmp_path / "run"
    request = ("--activations", tables["activations"], "--labels", tables["labels"], "--ontology", "world")
    called("explain", *request, "--out", out, "--max-length", 1, "--plan")
    shown = called("annotate", out, "--review")
    assert f"1 doubtful label; decide in {out / 'mapping.sssom.tsv'} (column object_id)" in shown
