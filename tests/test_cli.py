"""The command line: what it prints where, its exit codes, and one sentence for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conceptx.cli import main
from tests.worlds import write_rows, write_tables

Answer = tuple[int, str, str]


@pytest.fixture
def conceptx(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run the command line in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["conceptx", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


def test_help_needs_no_heavy_library() -> None:
    script = (
        "import sys; sys.argv = ['conceptx', '--help']\n"
        "from conceptx.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'owlready2', 'rdflib', 'numba', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for command in ("demo", "explain", "extract", "annotate", "induce", "verify", "report"):
        assert command in shown.stdout


def test_tables_are_explained_and_taken_up_again(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    tables = write_tables(tmp_path)
    request = ("--activations", tables["activations"], "--labels", tables["labels"], "--ontology", "world")
    code, out, _ = conceptx("explain", *request, "--out", tmp_path / "run", "--max-length", 2, "--json")
    assert code == 0
    answer = json.loads(out)
    units = {unit["unit"]: unit for unit in answer["units"]}
    assert units["beds"]["verdict"] == "confirmed"
    assert units["beds"]["expression"] == "contains some Beds"
    assert units["noise"]["verdict"] in ("unexplained", "rejected")
    assert units["dead"]["verdict"] == "unexplained"
    assert "never fires" in units["dead"]["note"]
    assert Path(answer["report"]).is_file()

    code, out, _ = conceptx("report", tmp_path / "run", "--json")
    assert (code, json.loads(out)["done"]) == (0, [])
    code, out, err = conceptx("explain", tmp_path / "run" / "run.toml")
    assert code == 0
    assert "1 confirmed" in out
    assert "contains some Beds" in out
    assert "Noise floor: 200 control units" in out
    assert err == ""
    code, out, _ = conceptx("explain", tmp_path / "run" / "run.toml", "--quiet")
    assert (code, out) == (0, "")


def test_a_flag_overrides_the_file_and_only_what_it_touches_is_done_again(
    tmp_path: Path, conceptx: Callable[..., Answer]
) -> None:
    tables = write_tables(tmp_path)
    out = tmp_path / "run"
    assert (
        conceptx("explain", "--activations", tables["activations"], "--labels", tables["labels"], "--out", out)[0] == 0
    )
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}
    assert conceptx("explain", out / "run.toml", "--max-length", 1)[0] == 0
    after = {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}
    changed = {name for name in after if before[name] != after[name]}
    code, answer, _ = conceptx("verify", out, "--seed", 7, "--json")
    assert code == 0
    assert "verify" in json.loads(answer)["done"]
    assert "seed = 7" in (out / "run.toml").read_text(encoding="utf-8")
    tested = ("verdicts", "controls", "margins", "effects", "stability", "sanity", "counterexamples", "ensembles")
    assert changed == {f"{name}.parquet" for name in ("hypotheses", *tested)}


def test_a_wrong_flag_leaves_the_request_as_it_was(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    request = [*tables(tmp_path), "--max-length", 1]
    assert conceptx(*request)[0] == 0
    file = tmp_path / "run" / "run.toml"
    before = file.read_bytes()
    for flags in (("--protocol", "dalal"), ("--objective", "auprc"), ("--max-length", 0)):
        assert conceptx("explain", file, *flags)[0] == 2
        assert file.read_bytes() == before


def test_a_persons_mapping_is_kept(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    tables = write_tables(tmp_path)
    out = tmp_path / "run"
    request = ("--activations", tables["activations"], "--labels", tables["labels"], "--ontology", "world")
    assert conceptx("annotate", out)[0] == 2
    assert conceptx("explain", *request, "--out", out, "--max-length", 1)[0] == 0
    mapping = out / "mapping.sssom.tsv"
    text = mapping.read_text(encoding="utf-8")
    assert "class:Beds" in text
    mapping.write_text(text.replace("class:Beds", "class:Furniture", 1), encoding="utf-8")
    code, answer, err = conceptx("annotate", out, "--json")
    assert code == 0, err
    assert json.loads(answer)["done"] == ["annotate"]
    code, listed, _ = conceptx("annotate", out, "--review")
    assert code == 0
    assert listed == f"No label is doubtful; all decisions are in {mapping}.\n"
    row = next(line for line in mapping.read_text(encoding="utf-8").splitlines() if "\tbed\t" in line)
    assert "\tclass:Furniture\t" in row
    assert "semapv:ManualMappingCuration" in row


def test_own_hypotheses_are_verified(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    tables = write_tables(tmp_path)
    flags = [item for name, path in tables.items() for item in (f"--{name}", path)]
    code, out, err = conceptx("verify", *flags, "--json", "--protocol", "dalal2024")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert {row["split"] for row in rows} == {"evaluation", "verification"}
    beds = next(row for row in rows if row["unit"] == "beds" and row["split"] == "verification")
    assert beds["verdict"] == "confirmed"
    assert beds["z_uncorrected"] < 0 < beds["auroc"] - 0.9
    code, out, _ = conceptx("verify", *flags)
    assert code == 0
    assert "unit beds: contains some bed" in out


MISTAKES: list[tuple[str, Callable[[Path], list[object]], int, str]] = [
    ("nothing is asked", lambda p: ["explain"], 2, "request: no folder is given for the run; add --out FOLDER"),
    ("no model", lambda p: ["explain", "--out", p / "r"], 2, "request: no model is given; add --model"),
    ("an unknown option", lambda p: ["explain", "--modle", "x"], 2, "No such option"),
    ("a run that is none", lambda p: ["verify", p], 2, "this is not a run folder (it has no run.toml)"),
    ("a run and tables", lambda p: ["verify", p, "--labels", "l.csv"], 2, "request: a run and --labels are given"),
    ("tables that lack one", lambda p: ["verify", "--labels", "l.csv"], 2, "request: no activations are given"),
    (
        "a label of an image without activations",
        lambda p: tables(p, labels=[["nowhere.jpg", "bed"]]),
        2,
        "labels.csv:2: image 'nowhere.jpg' is not among the activations; remove the row or re-extract with this image",
    ),
    (
        "labels without any class",
        lambda p: tables(p, labels=[[f"{i:04d}.jpg", "qwxyzt"] for i in range(300)]),
        2,
        "activations: no label has a class in the hierarchy: 'qwxyzt'; give labels their classes in the mapping table",
    ),
    (
        "activations with NaN",
        lambda p: tables(p, activations=[["a.jpg", 1, "nan", 0]]),
        2,
        "activations.csv:2: unit 'noise' has the value nan on image 'a.jpg'",
    ),
    (
        "an image twice",
        lambda p: tables(p, activations=[["a.jpg", 1, 2, 3], ["a.jpg", 1, 2, 3]]),
        2,
        "activations.csv:3: image 'a.jpg' appears twice, first in line 2; keep one image of that name",
    ),
    (
        "images without their endings",
        lambda p: tables(p, labels=[[f"{i:04d}", "bed"] for i in range(300)]),
        2,
        "labels.csv:2: image '0000' is not among the activations; write it as there in all rows: '0000.jpg'",
    ),
    (
        "a layer of a table",
        lambda p: [*tables(p), "--layer", "fc"],
        2,
        "a layer and an activation table are given; leave out --layer",
    ),
    ("an --out below a file", lambda p: [*tables(p)[:-1], p / "labels.csv" / "x"], 2, "a part of this path is a file"),
    (
        "an empty split",
        lambda p: tables(p, labels=[[f"{i:04d}.jpg", "bed", "induction"] for i in range(300)], split=True),
        2,
        "activations: no image is in the split 'evaluation'; bring more images, or move some there",
    ),
    ("an ontology that is not there", lambda p: tables(p, ontology=p / "x.owl"), 2, "x.owl: there is no such"),
    ("an ontology that is none", lambda p: tables(p, ontology=text(p / "x.owl", "<rdf")), 2, "x.owl"),
    ("a protocol that is not there", lambda p: [*tables(p), "--protocol", "dalal"], 2, "did you mean 'dalal2024'?"),
    ("a length that is too long", lambda p: [*tables(p), "--max-length", 9], 2, "request: max_length is 9"),
    (
        "an objective that is none",
        lambda p: [*tables(p), "--objective", "corelation"],
        2,
        "objective",
    ),
]


def tables(
    folder: Path,
    activations: list[list[object]] | None = None,
    labels: list[list[object]] | None = None,
    ontology: object = "world",
    split: bool = False,
) -> list[object]:
    """An explain command on tables, some of them replaced by broken ones."""
    paths = write_tables(folder)
    if activations is not None:
        write_rows(paths["activations"], ["image", "beds", "noise", "dead"], activations)
    if labels is not None:
        write_rows(paths["labels"], ["image", "label", *(["split"] if split else [])], labels)
    request = ["explain", "--activations", paths["activations"], "--labels", paths["labels"], "--ontology", ontology]
    return [*request, "--out", folder / "run"]


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(("arguments", "code", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_sentence(
    tmp_path: Path,
    conceptx: Callable[..., Answer],
    arguments: Callable[[Path], list[object]],
    code: int,
    message: str,
) -> None:
    found, out, err = conceptx(*arguments(tmp_path))
    assert found == code, err
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.rglob("*.partial")) == []


def test_debug_shows_the_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conceptx.errors import InputError

    monkeypatch.setattr(sys, "argv", ["conceptx", "verify", str(tmp_path), "--debug"])
    with pytest.raises(InputError):
        main()


def test_an_interrupted_command_ends_with_130(
    tmp_path: Path, conceptx: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("conceptx.run.Run.open", interrupted)
    code, _, err = conceptx("verify", tmp_path)
    assert code == 130
    assert "run the same command again to go on" in err


def test_a_full_disk_ends_with_1_and_the_run_goes_on_later(
    tmp_path: Path, conceptx: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    request = [*tables(tmp_path), "--max-length", 1]
    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == "verdicts.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "replace", full)
        code, _, err = conceptx(*request)
    assert code == 1
    assert "verdicts.parquet: the disk is full; free some space" in err
    assert (tmp_path / "run" / "hypotheses.parquet").is_file()
    assert not (tmp_path / "run" / "verdicts.parquet").exists()
    assert conceptx(*request)[0] == 0


def test_a_test_that_cannot_be_run_says_so_on_the_terminal(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    rows = [[f"i{k}", k % 7] for k in range(40)]
    activations = write_rows(tmp_path / "a.csv", ["image", "u"], rows)
    labels = write_rows(
        tmp_path / "l.csv", ["image", "label"], [[name, "bed" if k < 6 else "cup"] for k, (name, _) in enumerate(rows)]
    )
    hypotheses = write_rows(tmp_path / "h.csv", ["unit", "expression"], [["u", "bed"]])
    given = ("--activations", activations, "--labels", labels, "--hypotheses", hypotheses)
    code, out, _ = conceptx("verify", *given)
    assert code == 0
    assert "not testable: evaluation has" in out
    assert "no p below" in out


def test_a_place_that_cannot_be_used_ends_with_1(
    tmp_path: Path, conceptx: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/data/x.csv")

    tables = write_tables(tmp_path)
    monkeypatch.setattr("conceptx.api.verify_tables", refuse)
    given = [f"--{name}={path}" for name, path in tables.items()]
    code, _, err = conceptx("verify", *given)
    assert code == 1
    assert err == (
        "error: /data/x.csv: cannot be used (Permission denied); check that it is there, that it may be read and "
        "written, and that the disk has space\n"
    )


def test_a_wrong_input_leaves_no_run(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    tables = write_tables(tmp_path)
    request = ("--activations", tables["activations"], "--out", tmp_path / "run")
    for more, says in (
        (("--labels", tables["labels"], "--cluster", "nonsense"), "'nonsense' is no cluster"),
        (("--labels", text(tmp_path / "l.csv", "image,label\nnone,bed\n")), "is not among the activations"),
    ):
        code, _, err = conceptx("explain", *request, *more)
        assert code == 2
        assert says in err
        assert not (tmp_path / "run").exists()


def test_a_label_that_cannot_be_a_class_is_named_with_its_table(
    tmp_path: Path, conceptx: Callable[..., Answer]
) -> None:
    tables = write_tables(tmp_path)
    with tables["labels"].open("a", encoding="utf-8") as file:
        file.write('0000.jpg,"be\nd"\n')
    request = ("--activations", tables["activations"], "--labels", tables["labels"], "--out", tmp_path / "run")
    code, _, err = conceptx("explain", *request)
    assert code == 2
    assert r"labels.csv: the class name 'be\nd' holds a control character (U+000A); rename the class" in err


def test_a_damaged_hierarchy_is_never_used(tmp_path: Path, conceptx: Callable[..., Answer]) -> None:
    edges = text(tmp_path / "e.tsv", "child\tparent\nbed\tfurniture\nlamp\tlight\n")
    assert conceptx("ontology", "build", "--edges", edges, "--out", tmp_path / "h", "--quiet")[0] == 0
    damaged = tmp_path / "h" / "parents.indices.npy"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 64
    damaged.write_bytes(data)
    tables = write_tables(tmp_path)
    given = [f"--{name}={path}" for name, path in tables.items()]
    for arguments in (
        ("ontology", "info", tmp_path / "h"),
        ("ontology", "subtree", tmp_path / "h", "bed", "--out", tmp_path / "part"),
        ("verify", *given, "--ontology", tmp_path / "h"),
        ("explain", *given[:2], "--ontology", tmp_path / "h", "--out", tmp_path / "run"),
    ):
        code, _, err = conceptx(*arguments)
        assert code == 2
        assert "'parents.indices.npy' does not match its checksum; the hierarchy is damaged" in err
    assert not (tmp_path / "part").exists()
