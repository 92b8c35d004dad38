"""What is wrong with an image set: every count against what was put in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conceptx.images.check import LabelCount, check_images, label_counts
from conceptx.images.dataset import ImageSet
from conceptx.images.formats import open_images
from conceptx.images.histogram import label_histogram
from conceptx.tables import IMAGES, OBJECTS, from_rows


def noise(seed: int) -> Image.Image:
    rng = np.random.Generator(np.random.PCG64(seed))
    return Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((64, 64))


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    for seed, name in enumerate(("a", "b", "c")):
        noise(seed).save(tmp_path / f"{name}.png")
    noise(0).resize((50, 50)).save(tmp_path / "copy of a.png")
    (tmp_path / "broken.png").write_bytes(b"hello")
    names = ["a", "b", "c", "copy of a", "broken", "gone"]
    table = from_rows([{"image": n, "path": f"{n}.png", "category": "x" if n == "c" else None} for n in names], IMAGES)
    red = [{"role": "hasColor", "value": "red"}]
    objects = [
        {"image": "a", "object": "1", "label": "cup", "attributes": red},
        {"image": "a", "object": "1", "label": "mug"},
        {"image": "a", "object": "2", "label": "cup", "relations": [{"role": "on", "object": "1"}]},
        {"image": "b", "object": "1", "label": "cup"},
        {"image": "copy of a", "object": "1", "label": "tray"},
    ]
    splits = ("train", "train", "val", "val", "train", "train")
    return ImageSet("some", tmp_path, table, from_rows(objects, OBJECTS), original_splits=splits, notes=("a note",))


def test_everything_that_is_wrong_is_found(images: ImageSet) -> None:
    found = check_images(images)
    assert (found.images, found.objects) == (6, 4)
    assert found.labels == (LabelCount("cup", 3, 2), LabelCount("mug", 1, 1), LabelCount("tray", 1, 1))
    assert found.missing == ("gone",)
    (broken,) = found.unreadable
    assert broken.image == "broken"
    assert "broken.png: the picture cannot be read (its format is not known)" in broken.reason
    assert found.unannotated == ("broken", "gone")
    assert found.duplicates == (("a", "copy of a"),)
    assert found.leaks == (("a", "copy of a"),)
    assert found.categories == {"x": 1}
    assert found.attributes == {"hasColor red": 1}
    assert found.relations == {"on": 1}
    assert found.splits == {"train": 4, "val": 2}
    assert found.bad_share == pytest.approx(2 / 6)
    assert found.notes == ("a note",)


def test_our_own_splits_come_first(images: ImageSet) -> None:
    rows = [row | {"split": "induction"} for row in images.images.to_pylist()]
    found = check_images(replace(images, images=from_rows(rows, IMAGES)))
    assert found.splits == {"induction": 6}
    assert found.leaks == ()
    assert found.duplicates == (("a", "copy of a"),)


def test_a_set_without_objects(tmp_path: Path) -> None:
    noise(0).save(tmp_path / "a.png")
    found = check_images(open_images(f"folder:{tmp_path}"))
    assert (found.labels, found.objects, found.unannotated, found.splits) == ((), 0, ("a.png",), {})
    assert "0 labels, 0 objects" in label_histogram("empty", found.labels)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z"])), max_size=30))
def test_counts_of_labels(pairs: list[tuple[str, str]]) -> None:
    rows = [{"image": image, "object": str(i), "label": label} for i, (image, label) in enumerate(pairs)]
    of, shown = Counter(label for _, label in pairs), Counter(label for _, label in set(pairs))
    found = label_counts(from_rows(rows, OBJECTS))
    assert {(c.label, c.objects, c.images) for c in found} == {(label, n, shown[label]) for label, n in of.items()}
    assert [c.objects for c in found] == sorted(of.values(), reverse=True)


def test_the_histogram_is_valid_and_escapes_its_texts() -> None:
    labels = [LabelCount(f"<b>&\x00\n{'long' * 20}", 1000, 3), *(LabelCount(f"l{i}", 9, 1) for i in range(100))]
    svg = label_histogram("a <title>", labels)
    tree = ElementTree.fromstring(svg)
    assert len(tree.findall("{http://www.w3.org/2000/svg}rect")) == 60
    assert "101 labels, 1,900 objects; the 60 most frequent are drawn" in svg
    assert "<b>" not in svg
