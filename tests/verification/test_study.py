"""Files of the form that the study of concept induction for hidden units published; the values are made up."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from conceptx.cli.study import study as command
from conceptx.errors import InputError
from conceptx.verification.study import read_study, retest

LABELS = {"building": (0,), "skyscraper": (2, 3), "baseboard and dish_rag": (1,)}
ENDS = {"evaluation": "googleImages_denseLayer_eval_retest", "verification": "googleImages_denseLayer_verif_retest"}


def write_study(folder: Path, sizes: dict[str, int], n_units: int = 5, labels: dict = LABELS, seed: int = 0) -> dict:
    """Write the CSVs and return the values of each split and label."""
    rng = np.random.default_rng(seed)
    written = {}
    for split, n in sizes.items():
        (folder / split).mkdir(parents=True)
        for number, (label, units) in enumerate(labels.items()):
            values = np.maximum(rng.normal(-0.3, 1.0, (n + number, n_units)), 0).astype(np.float32)
            for unit in units:
                values[:, unit] = np.maximum(rng.normal(1.5, 1.0, n + number), 0)
            written[split, label] = values
            name = f"neuron_{'_'.join(map(str, units))}_{ENDS[split]}.csv"
            with (folder / split / name).open("w", newline="") as handle:
                lines = csv.writer(handle, lineterminator="\n")
                extra = [""] if number else []  # some of the files have one column more, without a name
                lines.writerow([*range(n_units), "Class_names", "Filenames", *extra])
                for i, row in enumerate(values):
                    cells = [str(x) if x else "0" for x in row]
                    lines.writerow([*cells, label, f"{i}_{label}.jpeg", *([i] if number else [])])
                lines.writerow([""] * (n_units + 2 + len(extra)))
                lines.writerow([*(f"{100 * x:.10g}" for x in (values > 0).mean(axis=0)), "", "", *extra])
    return written


def test_the_published_files_give_the_published_statistics(tmp_path: Path) -> None:
    written = write_study(tmp_path, {"evaluation": 60, "verification": 20})
    found = retest(read_study(tmp_path)).rows()
    assert {(row["unit"], row["label"]) for row in found} == {
        ("0", "contains some building"),
        ("2", "contains some skyscraper"),
        ("3", "contains some skyscraper"),
        ("1", "contains some 'baseboard and dish_rag'"),
    }
    for row in found:
        label = row["label"].removeprefix("contains some ").strip("'")
        unit = int(row["unit"])
        for split in ("evaluation", "verification"):
            x = written[split, label][:, unit].astype(float)
            y = np.concatenate([v[:, unit] for (s, other), v in written.items() if s == split and other != label])
            y = y.astype(float)
            assert (row[f"n_target_{split}"], row[f"n_other_{split}"]) == (len(x), len(y))
            assert row[f"tla_{split}"] == pytest.approx((x > 0).mean(), rel=1e-15)
            assert row[f"non_tla_{split}"] == pytest.approx((y > 0).mean(), rel=1e-15)
        u = stats.mannwhitneyu(x, y).statistic
        n1, n0 = len(x), len(y)
        z = (n1 * n0 / 2 - u) / math.sqrt(n1 * n0 * (n1 + n0 + 1) / 12)
        assert row["z_uncorrected"] == pytest.approx(z, rel=1e-12)
        assert row["p_one_tailed"] == pytest.approx(stats.norm.cdf(z), rel=1e-12)
        assert row["published"] == row["conceptx"] == "confirmed"


def test_what_correction_and_controls_leave_stands_beside_it(tmp_path: Path) -> None:
    labels = {f"label {i}": (i,) for i in range(8)}
    write_study(tmp_path, {"evaluation": 40, "verification": 12}, n_units=9, labels=labels)
    for split in ENDS:  # a unit that fires everywhere, and no more on its own label
        extra = tmp_path / split / f"neuron_8_{ENDS[split]}.csv"
        rng = np.random.default_rng(len(split))
        rows = [",".join(f"{x:.4f}" for x in rng.random(9)) + f",noise,{i}.jpg" for i in range(12)]
        extra.write_text("\n".join([",".join(map(str, range(9))) + ",Class_names,Filenames", *rows]))
    found = retest(read_study(tmp_path))
    numbers = found.numbers()
    assert numbers["hypotheses"] == 9 and numbers["floor"] > 0
    assert numbers["published"] >= numbers["both"] and 0 <= numbers["other_labels_pass"] <= 1
    result = CliRunner().invoke(command, [str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["published"] == numbers["published"] and len(told["rows"]) == 9
    shown = CliRunner().invoke(command, [str(tmp_path)]).output
    assert "are confirmed as published" in " ".join(shown.split()) and "<.00001" in shown


def test_a_label_without_verification_images_is_not_testable(tmp_path: Path) -> None:
    write_study(tmp_path, {"evaluation": 30, "verification": 12})
    (tmp_path / "verification" / f"neuron_0_{ENDS['verification']}.csv").unlink()
    row = next(row for row in retest(read_study(tmp_path)).rows() if row["unit"] == "0")
    assert row["z"] is None and row["p"] is None and row["p_one_tailed"] is None
    assert "not testable: verification has no targets" in row["note"]


@pytest.mark.slow
def test_a_unit_that_never_fires_keeps_its_row(tmp_path: Path) -> None:
    write_study(tmp_path, {"evaluation": 30, "verification": 10}, labels={**LABELS, "river": (4,)})
    for path in sorted(tmp_path.rglob("*.csv")):
        lines = [line.split(",") for line in path.read_text().splitlines()]
        text = "\n".join(",".join([*cells[:4], "4" if i == 0 else "0", *cells[5:]]) for i, cells in enumerate(lines))
        path.write_text(text)
    row = next(row for row in retest(read_study(tmp_path)).rows() if row["unit"] == "4")
    assert row["published"] == row["conceptx"] == "unexplained" and "never fires" in row["note"]
    assert row["label"] == "" and row["tla_verification"] is None
    for flags in ([], ["--json"]):
        assert CliRunner().invoke(command, [str(tmp_path), *flags]).exit_code == 0


def test_a_study_of_the_published_size_gives_every_digit(tmp_path: Path) -> None:
    labels = {f"label {i}": (i,) if i < 44 else (i, i + 10) for i in range(46)}
    written = write_study(tmp_path, {"evaluation": 103, "verification": 10}, n_units=64, labels=labels)
    read = read_study(tmp_path)
    assert read.activations.values.shape == (64, 46 * 113 + 2 * sum(range(46)))
    found = retest(read).rows()
    assert len(found) == 48
    for row in found:
        label, unit = row["label"].removeprefix("contains some ").strip("'"), int(row["unit"])
        for split in ENDS:
            x = written[split, label][:, unit]
            y = np.concatenate([v[:, unit] for (s, other), v in written.items() if s == split and other != label])
            assert f"{row[f'tla_{split}']:.12f}" == f"{(x > 0).mean():.12f}"
            assert f"{row[f'non_tla_{split}']:.12f}" == f"{(y > 0).mean():.12f}"
        ranks = stats.rankdata(np.concatenate([x, y]).astype(float))
        n1, n0 = len(x), len(y)
        wins = ranks[n1:].sum() - n0 * (n0 + 1) / 2
        z = -(wins - n1 * n0 / 2) / math.sqrt(n1 * n0 * (n1 + n0 + 1) / 12)
        assert row["z_uncorrected"] == pytest.approx(-z, rel=1e-12)
        assert row["p_one_tailed"] == pytest.approx(stats.norm.sf(z), rel=1e-12)


HEAD = "0,1,2,3,4,Class_names,Filenames\n"
SHORT = "0,1,Class_names,Filenames\n"
BAD = {
    "no folder": (lambda p: (p / "verification").rename(p / "other"), "there is no folder 'verification' in it"),
    "no file": (lambda p: [f.unlink() for f in (p / "evaluation").iterdir()], "there is no CSV in it"),
    "no unit in the name": (
        lambda p: (p / "evaluation" / "x.csv").write_text(HEAD + "1,2,3,4,5,a,b\n"),
        "does not say for which units",
    ),
    "a unit without a column": (
        lambda p: (p / "verification" / "neuron_7.csv").write_text(HEAD + "1,1,1,1,1,a,b\n"),
        "its name says unit 7, which has no column",
    ),
    "other units": (
        lambda p: (p / "verification" / "neuron_1.csv").write_text(SHORT + "1,1,a,b\n"),
        "its units are not those of the other files (2 and 5)",
    ),
    "no names": (lambda p: (p / "evaluation" / "neuron_0.csv").write_text("0,1\n1,2\n"), "'Class_names' is missing"),
    "a word": (
        lambda p: (p / "evaluation" / "neuron_0.csv").write_text(SHORT + "1,x,a,b\n"),
        "neuron_0.csv:2: a value is not a finite number",
    ),
    "NaN": (
        lambda p: (p / "evaluation" / "neuron_0.csv").write_text(SHORT + "1,nan,a,b\n"),
        "neuron_0.csv:2: a value is not a finite number",
    ),
    "no images": (lambda p: (p / "evaluation" / "neuron_0.csv").write_text(SHORT + ",,,\n"), "there are no images"),
    "no class": (
        lambda p: (p / "evaluation" / "neuron_0.csv").write_text(SHORT + "1,2,,b\n"),
        "the class or the file name is empty",
    ),
    "a short row": (
        lambda p: (p / "evaluation" / "neuron_0.csv").write_text(SHORT + "1,2\n"),
        "neuron_0.csv:2: the row has 2 cells, not 4",
    ),
    "not text": (
        lambda p: (p / "evaluation" / "neuron_0.csv").write_bytes(b"\xff\xfe\x00"),
        "neuron_0.csv:1: the text is not UTF-8; save the file as UTF-8",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    write_study(tmp_path, {"evaluation": 10, "verification": 10})
    spoil, says = BAD[case]
    spoil(tmp_path)
    with pytest.raises(InputError) as raised:
        read_study(tmp_path)
    assert says in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_narrow_terminal_loses_no_figure(columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(tmp_path, {"evaluation": 30, "verification": 12})
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner().invoke(command, [str(tmp_path)]).stdout)
    for row in retest(read_study(tmp_path)).rows():
        for figure in (f"{100 * row['tla_verification']:.3f}", f"{row['z']:.2f}", row["published"], row["conceptx"]):
            assert figure in shown
        assert row["label"].removeprefix("contains some ").split(" or ")[0] in shown
    assert all(len(line) <= columns for line in shown.splitlines())
