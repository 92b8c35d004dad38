"""The command `images check`: what it prints, what it draws, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conceptx.cli.images import images
from conceptx.errors import InputError
from conceptx.images.formats import FORMATS
from tests.images.formats import fixtures

SHIPPED = Path(__file__).parents[1] / "data" / "fixtures" / "images"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(images, ["check", *arguments], standalone_mode=False)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_kind_is_checked_with_and_without_its_name(kind: str) -> None:
    path = str(fixtures.path_of(kind, SHIPPED / kind))
    for spec in (path, f"{kind}:{path}"):
        result = run(spec, "--json")
        assert result.exception is None
        assert result.return_value == 0
        found = json.loads(result.stdout)
        assert found["kind"] == kind
        assert found["images"] == (3 if kind == "cifar" else 2)
        assert found["missing"] == found["unreadable"] == []


def test_what_is_printed() -> None:
    text = run(f"ade20k:{SHIPPED / 'ade20k'}").stdout
    assert text.startswith("ade20k: 2 images and 6 objects, read as ade20k\n")
    assert "cup" + " " * 27 + "          1 in        1 images  ████" in text
    assert "attributes: hasAttribute small 1, hasAttribute wooden 1, hasColor red 1" in text
    assert "relations: partOf 1" in text
    assert "splits: train 1, val 1" in text
    assert "The splits do not leak." in text
    assert run(f"ade20k:{SHIPPED / 'ade20k'}", "--quiet").stdout == ""


def test_bad_pictures_decide_the_exit_code(tmp_path: Path) -> None:
    fixtures.folder(tmp_path)
    (tmp_path / "kitchen" / "c.png").write_bytes(b"hello")
    result = run(f"folder:{tmp_path}")
    assert result.return_value == 2
    assert "1 images whose picture is broken:" in result.stdout
    assert f"error: {tmp_path.name}: 1 of 3 pictures are missing or broken; mend or remove them" in result.stderr
    assert run(f"folder:{tmp_path}", "--max-bad", "0.5").return_value == 0


def test_leaks_and_hostile_names_are_shown_on_one_line(tmp_path: Path) -> None:
    for split in ("train", "val"):
        fixtures.save(tmp_path / "images" / split / "\x1b[31mred\n.png", fixtures.kitchen())
    fixtures.write(tmp_path / "instances_train.json", '{"categories": [], "annotations": [], "images": []}')
    held = [{"id": i, "file_name": f"{split}/\x1b[31mred\n.png"} for i, split in enumerate(("train", "val"))]
    for i, split in enumerate(("train", "val")):
        text = json.dumps({"images": [held[i]], "annotations": [], "categories": []})
        fixtures.write(tmp_path / f"instances_{split}.json", text)
    text = run(f"coco:{tmp_path}").stdout
    assert "1 groups of near-duplicates lie in several splits:" in text
    assert "\x1b" not in text
    assert "images/train/\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}.png, images/val/" in text


def test_the_histogram_is_drawn(tmp_path: Path) -> None:
    out = tmp_path / "labels.svg"
    result = run(f"voc:{SHIPPED / 'voc'}", "--out", str(out))
    assert f"drawn: {out}" in result.stdout
    assert out.read_text().startswith("<svg")
    with pytest.raises(InputError, match=r"--out is 'labels\.png'; name a file that ends in \.svg"):
        CliRunner().invoke(
            images,
            ["check", str(SHIPPED / "voc"), "--out", "labels.png"],
            standalone_mode=False,
            catch_exceptions=False,
        )


@pytest.mark.parametrize("spec", ["nowhere", "folder:nowhere", "cocoo:x"])
def test_what_is_not_there(spec: str) -> None:
    assert isinstance(run(spec).exception, InputError)


def test_an_archive_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK\x03\x04")
    said = "set.zip: this is neither a table nor a JSON file; unpack it, or give the folder that holds it"
    assert said in str(run(str(tmp_path / "set.zip")).exception)


def test_a_folder_of_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    result = run(str(tmp_path))
    assert "there is no picture and no annotation that is known here; write KIND:PATH" in str(result.exception)


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys; import conceptx.cli.images; "
        "assert not {'torch', 'pyarrow', 'numpy', 'PIL', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
