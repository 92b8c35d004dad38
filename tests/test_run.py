"""The run directory: requests, stages that run only when needed, locks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.files import write_json
from conceptx.request import Request, read_request, with_paths, write_request
from conceptx.run import MANIFEST_VERSION, Run

REQUEST = Request(model="resnet50", layers=("avgpool",), images="folder:/data/x")


def test_a_request_reads_back(tmp_path: Path) -> None:
    request = Request(
        model='a "quoted" \\ name\n',
        layers=("fc", "layer4.1"),
        images="folder:ü",
        max_bad=0.5,
        image_classes=True,
        seed=3,
    )
    write_request(tmp_path / "run.toml", request)
    assert read_request(tmp_path / "run.toml") == request


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed = 1", "the key 'sed' is unknown (did you mean 'seed'"),
        ("seed = 'x'", "seed is 'x', not a whole number"),
        ("layers = 'fc'", "layers is 'fc', not"),
        ("image_classes = 1", "image_classes is 1, not true or false"),
        ("seed = ", "this is not a TOML file"),
    ],
)
def test_mistakes_in_a_request(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_request(tmp_path / "run.toml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(), "no model is given"),
        (Request(model="m", layers=("a",)), "no images is given"),
        (Request(activations="a.csv"), "activations are given without labels"),
        (Request(activations="a.csv", labels="l.csv", model="m"), "a model and an activation table are given"),
        (Request(activations="a.csv", labels="l.csv", max_length=9), "max_length is 9"),
        (Request(activations="a.csv", labels="l.csv", seed=-1), "seed is -1; choose a whole number from 0"),
    ],
)
def test_requests_that_cannot_be_carried_out(request_: Request, message: str) -> None:
    with pytest.raises(InputError, match=message):
        request_.checked()


def test_paths_inside_the_run_stay_relative(tmp_path: Path) -> None:
    run = tmp_path / "run"
    request = Request(model="m", weights="run/model/w.pt", layers=("fc",), images="folder:pictures", ontology="o.owl")
    mended = with_paths(request, tmp_path, run)
    assert mended.weights == "model/w.pt"
    assert mended.images == f"folder:{tmp_path.resolve()}/pictures"
    assert mended.ontology == f"{tmp_path.resolve()}/o.owl"
    assert with_paths(Request(images="rendered:seed=1"), tmp_path, run).images == "rendered:seed=1"


def test_a_stage_runs_only_when_what_it_reads_or_wrote_has_changed(tmp_path: Path) -> None:
    done: list[str] = []

    def work() -> list[str]:
        done.append("x")
        (tmp_path / "out.txt").write_text(f"{len(done)}")
        return ["out.txt"]

    def stage(value: int) -> bool:
        return Run.create(tmp_path, REQUEST).stage("a", reads={"value": value}, work=work)

    assert stage(1)
    assert not stage(1)
    assert stage(2)
    (tmp_path / "out.txt").write_text("tampered")
    assert stage(2)
    (tmp_path / "out.txt").unlink()
    assert stage(2)
    (tmp_path / "out.txt").touch()
    assert not stage(2)
    assert len(done) == 4


def test_a_stage_that_fails_is_run_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path, REQUEST)

    def fail() -> list[str]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run.stage("a", reads={}, work=fail)
    assert not Run.open(tmp_path).has("a")


def test_two_writers_are_told_apart(tmp_path: Path) -> None:
    with (
        Run.create(tmp_path, REQUEST),
        pytest.raises(InputError, match="another conceptx is writing this run"),
        Run.open(tmp_path),
    ):
        pass
    with Run.open(tmp_path):
        pass


def test_folders_that_are_not_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a run folder"):
        Run.open(tmp_path)
    with pytest.raises(InputError, match="not empty and not a run"):
        Run.create(tmp_path, REQUEST)
    with pytest.raises(InputError, match="this is a file"):
        Run.create(tmp_path / "file", REQUEST)


@pytest.mark.parametrize("content", ["{", '{"version": 99}', "[]"])
def test_a_manifest_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    Run.create(tmp_path, REQUEST)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json"):
        Run.open(tmp_path)


def read_wrong_input() -> list[str]:
    raise InputError("labels.csv", "there are no labels", "add one row per label")


def test_a_wrong_input_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no labels"), Run.create(tmp_path / "run", REQUEST) as run:
        run.stage("a", reads={}, work=read_wrong_input)
    assert not (tmp_path / "run").exists()


def test_a_wrong_input_leaves_an_earlier_request_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("# mine\nseed = 3\n")
    with pytest.raises(InputError, match="no labels"), Run.create(tmp_path, REQUEST) as run:
        run.stage("a", reads={}, work=read_wrong_input)
    assert (tmp_path / "run.toml").read_text() == "# mine\nseed = 3\n"


def test_what_is_done_stays_when_a_later_input_is_wrong(tmp_path: Path) -> None:
    def work() -> list[str]:
        (tmp_path / "run" / "out.txt").write_text("made")
        return ["out.txt"]

    with pytest.raises(InputError, match="no labels"), Run.create(tmp_path / "run", REQUEST) as run:
        run.stage("a", reads={}, work=work)
        run.stage("b", reads={}, work=read_wrong_input)
    assert Run.open(tmp_path / "run").keeps("a")


def test_a_second_writer_leaves_the_request_of_the_first(tmp_path: Path) -> None:
    with Run.create(tmp_path, REQUEST):
        before = (tmp_path / "run.toml").read_bytes()
        with (
            pytest.raises(InputError, match="another conceptx is writing"),
            Run.create(tmp_path, replace(REQUEST, seed=7)),
        ):
            pass
        assert (tmp_path / "run.toml").read_bytes() == before


@pytest.mark.parametrize("text", ["[]", "null", "3", '"text"'])
def test_an_artefact_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "facts.json").write_text(text)
    with pytest.raises(InputError, match=r"facts\.json: this is not a JSON object"):
        Run(tmp_path, REQUEST).read_json("facts.json")


@pytest.mark.parametrize(
    "change",
    [
        {"stages": []},
        {"stages": {"a": 7}},
        {"stages": {"a": {"status": "done"}}},
        {"stages": {"a": {"outputs": []}}},
        {"stages": {"a": {"outputs": {"out.txt": None}}}},
        {"stages": {"a": {"outputs": {"out.txt": {"sha256": "0"}}}}},
        {"inputs": {"images_root": 7}},
        {"inputs": []},
    ],
)
def test_a_manifest_of_another_shape_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_request(tmp_path / "run.toml", REQUEST)
    write_json(tmp_path / "manifest.json", {"version": MANIFEST_VERSION, **change})
    with pytest.raises(InputError, match="the manifest has another shape than this version writes"):
        Run.open(tmp_path)


def test_a_run_that_was_killed_before_its_request_was_written_begins_again(tmp_path: Path) -> None:
    (tmp_path / f".run.toml.{'0' * 12}.partial").write_text("half")
    with Run.create(tmp_path, REQUEST):
        assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="not empty and not a run"):
        Run.create(tmp_path / "other", REQUEST)
