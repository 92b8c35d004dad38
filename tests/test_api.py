"""The Python interface: modules and image sets as objects, broken inputs, runs taken up without the objects."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import conceptx
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.training import PREPROCESS, WorldNet
from conceptx.cli.summary import print_parity
from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.rendered import render_world
from conceptx.inputs import Given, _listing, image_set_of
from conceptx.pipeline import run_stages, start_run
from conceptx.progress import silent
from conceptx.request import Request
from conceptx.run import Run


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return render_world(tmp_path_factory.mktemp("images"), count=100, seed=2)


def explain(out: Path, images: ImageSet | str, model: nn.Module | str | None = None, **settings: object) -> Run:
    request: dict[str, object] = {"layer": "fc", "ontology": "world", "max_length": 1, "preprocess": PREPROCESS}
    return conceptx.explain(model or WorldNet(), images=images, out=out, progress=silent, **{**request, **settings})


def test_a_module_and_an_image_set_are_explained(tmp_path: Path, images: ImageSet) -> None:
    run = explain(tmp_path / "run", images)
    assert len(run.summary["units"]) == 64
    assert run.request.model == "given:WorldNet"
    assert run.report_path.is_file()
    assert not run.has("train")
    assert not run.has("truth")
    again = conceptx.verify(tmp_path / "run", progress=silent)
    assert again.verdicts.arrow.equals(run.verdicts.arrow)
    (tmp_path / "run" / "activations" / "fc.npy").unlink()
    with pytest.raises(InputError, match="the stage 'extract' needs the objects that the run was made from"):
        conceptx.verify(tmp_path / "run", progress=silent)


def test_a_layer_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path, images: ImageSet) -> None:
    with pytest.raises(InputError) as caught:
        explain(tmp_path / "run", images, layer="fcc")
    assert "'fc'" in str(caught.value)
    assert not list((tmp_path / "run").rglob("*.parquet.*"))


def test_a_setting_that_is_none_is_named(tmp_path: Path, images: ImageSet) -> None:
    with pytest.raises(InputError, match="protcol"):
        explain(tmp_path / "run", images, protcol="conceptx")


def broken(folder: Path, count: int) -> Path:
    """A folder of 100 pictures of the built-in world, `count` of them truncated."""
    made = render_world(folder, count=100, seed=2)
    for name in made.ids[:count]:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    rows = [
        f"{image},{label},{number}"
        for number, (image, label) in enumerate(
            zip(made.objects["image"].to_pylist(), made.objects["label"].to_pylist(), strict=True)
        )
        if "," not in label
    ]
    (folder / "labels.csv").write_text("image,label,object\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_a_truncated_picture_is_skipped_and_told(tmp_path: Path) -> None:
    run = explain(tmp_path / "run", f"folder:{broken(tmp_path / 'pictures', 1)}")
    page = run.report_path.read_text(encoding="utf-8")
    assert "Skipped images (1)" in page
    assert "00000.png" in page


def test_a_missing_picture_is_skipped_and_told(tmp_path: Path) -> None:
    folder = broken(tmp_path / "pictures", 0)
    names = sorted(path.name for path in folder.glob("*.png"))
    (folder / "images.csv").write_text("image\n" + "\n".join(names) + "\n", encoding="utf-8")
    (folder / names[3]).unlink()
    run = explain(tmp_path / "run", f"table:{folder / 'images.csv'}")
    page = run.report_path.read_text(encoding="utf-8")
    assert "Skipped images (1)" in page
    assert names[3] in page
    assert "there is no such file; add the picture" in page
    assert str(tmp_path) not in (run.path / "report" / "report.json").read_text(encoding="utf-8")
    (folder / names[4]).unlink()
    with pytest.raises(InputError, match="2 of 100"):
        explain(tmp_path / "run", f"table:{folder / 'images.csv'}")


def test_a_run_beside_its_images_is_no_change_of_them(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("image\n", encoding="utf-8")
    before = _listing(tmp_path / "images.csv")
    (tmp_path / "run" / "report").mkdir(parents=True)
    (tmp_path / "run" / "run.toml").write_text("", encoding="utf-8")
    (tmp_path / "run" / "report" / "index.html").write_text("", encoding="utf-8")
    assert _listing(tmp_path / "images.csv") == before
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "1.png").write_bytes(b"")
    assert _listing(tmp_path / "images.csv") != before


def test_too_many_truncated_pictures_are_fatal(tmp_path: Path) -> None:
    folder = broken(tmp_path / "pictures", 5)
    with pytest.raises(InputError) as caught:
        explain(tmp_path / "run", f"folder:{folder}")
    assert "5" in str(caught.value)
    assert "max_bad" in str(caught.value) or "--max-bad" in str(caught.value)
    assert len(explain(tmp_path / "run", f"folder:{folder}", max_bad=0.1).summary["units"]) == 64


def test_a_model_needs_its_preprocessing(tmp_path: Path, images: ImageSet) -> None:
    with pytest.raises(InputError, match="nothing says how images become its input"):
        explain(tmp_path / "run", images, preprocess=None)


def test_a_cycle_in_an_ontology_is_told(tmp_path: Path, images: ImageSet) -> None:
    (tmp_path / "cycle.ttl").write_text(
        "@prefix : <urn:x#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        "@prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
        ":Chair a owl:Class ; rdfs:subClassOf :Seat . :Seat a owl:Class ; rdfs:subClassOf :Chair, :Thing .\n"
        ":Table a owl:Class ; rdfs:subClassOf :Thing . :Window a owl:Class ; rdfs:subClassOf :Thing .\n"
    )
    run = explain(tmp_path / "run", images, ontology=tmp_path / "cycle.ttl")
    assert any("subclasses of each other" in warning for warning in run.warnings)
    assert any("without a class" in warning for warning in run.warnings)


def test_other_preprocessing_is_another_extraction(tmp_path: Path, images: ImageSet) -> None:
    first = explain(tmp_path / "run", images)
    before = first.manifest["stages"]["extract"]["fingerprint"]
    other = Preprocess(size=96, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    second = explain(tmp_path / "run", images, preprocess=other)
    assert second.manifest["stages"]["extract"]["fingerprint"] != before


def test_reduced_precision_says_how_far_it_is_from_the_full_one(
    tmp_path: Path, images: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(model="given:WorldNet", layers=("fc",), images="given:world", ontology="world")
    given = Given(WorldNet(), PREPROCESS, images)
    for precision, lines in ((None, 0), ("bf16", 1)):
        with start_run(tmp_path / "run", replace(request, autocast=precision)) as run:
            run_stages(run, upto="extract", given=given)
        print_parity(run)
        shown = capsys.readouterr().out
        assert shown.count("differ from full precision by") == lines
    assert " ".join(shown.split()).startswith(
        "fc: values of the first images in bf16 differ from full precision by 0.0"
    )


def test_an_image_set_of_another_shape_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path, Request(activations="a.csv", labels="l.csv"))
    for text in ("{}", '{"name": 7, "attribution": ""}', '{"name": "x", "attribution": "", "notes": 3}'):
        (tmp_path / "images.json").write_text(text)
        with pytest.raises(InputError, match=r"images\.json: it does not describe an image set"):
            image_set_of(run, Given())
    (tmp_path / "annotation.json").write_text("{}")
    with pytest.raises(InputError, match=r"annotation\.json: it lists no warnings"):
        _ = run.warnings


def test_what_was_changed_since_is_not_compared_or_probed(tmp_path: Path, images: ImageSet) -> None:
    from conceptx.artefacts import comparison_material
    from conceptx.probing import probe_run

    request = Request(model="given:WorldNet", layers=("fc",), images="given:world", ontology="world", max_length=1)
    with start_run(tmp_path / "run", request) as run:
        run_stages(run, upto="extract", given=Given(WorldNet(), PREPROCESS, images))
    for question in (comparison_material, probe_run):
        with pytest.raises(InputError, match="the stage 'annotate' has not run yet"):
            question(run)
        (tmp_path / "run" / "images.json").write_text("{}")
        with pytest.raises(InputError, match="what the stage 'images' wrote was changed or removed since"):
            question(run)
        run_stages(run, upto="images", given=Given(WorldNet(), PREPROCESS, images))


def test_a_report_is_built_when_pictures_and_ontology_have_vanished(tmp_path: Path) -> None:
    pictures = broken(tmp_path / "pictures", 0)
    edges = tmp_path / "edges.tsv"
    edges.write_text("child\tparent\n" + "".join(f"{label}\tthing\n" for label in ("cup", "bed", "chair", "tree")))
    run = explain(tmp_path / "run", f"folder:{pictures}", ontology=str(edges), model=WorldNet())
    shutil.rmtree(pictures)
    edges.unlink()
    shutil.rmtree(tmp_path / "run" / "report")
    again = conceptx.write_report(tmp_path / "run", progress=silent)
    assert again.verdicts.arrow.equals(run.verdicts.arrow)
    assert "the folder that they were read from is gone" in again.report_path.read_text(encoding="utf-8")
    other = replace(run.request, images="folder:elsewhere")
    with (
        pytest.raises(InputError, match="elsewhere: there is no such file or folder"),
        start_run(tmp_path / "run", other) as changed,
    ):
        run_stages(changed, given=Given(WorldNet(), PREPROCESS))
    assert Run.open(tmp_path / "run").request == run.request
