"""Splits: stratified, grouped, seeded, and the same whatever the order of the rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.splits import FRACTIONS, assign_splits, split_images, use_original_splits
from conceptx.tables import IMAGES, OBJECTS, SPLITS, from_rows


def table(categories: list[str], splits: list[str | None] | None = None) -> object:
    chosen = splits or [None] * len(categories)
    rows = [
        {"image": f"i{n}", "path": f"i{n}.png", "category": category, "split": split}
        for n, (category, split) in enumerate(zip(categories, chosen, strict=True))
    ]
    return from_rows(rows, IMAGES)


@given(st.integers(0, 5), st.permutations(range(60)))
def test_the_order_of_the_rows_changes_nothing(seed: int, order: list[int]) -> None:
    categories = ["ab"[n % 2] for n in range(60)]
    groups = [n // 2 for n in range(60)]
    images = table(categories)
    plain = assign_splits(images, groups, seed=seed)
    shuffled = assign_splits(images.take(order), [groups[i] for i in order], seed=seed)  # type: ignore[attr-defined]
    assert [plain[i] for i in order] == shuffled


@given(st.lists(st.sampled_from("abc"), min_size=30, max_size=90), st.integers(0, 3))
def test_each_category_has_its_share_of_each_split(categories: list[str], seed: int) -> None:
    splits = assign_splits(table(categories), range(len(categories)), seed=seed)
    count = Counter(zip(categories, splits, strict=True))
    for category in set(categories):
        for split, fraction in zip(SPLITS, FRACTIONS, strict=True):
            assert abs(count[category, split] - fraction * categories.count(category)) <= 2


@given(st.lists(st.integers(0, 20), min_size=60, max_size=60))
def test_near_duplicates_stay_together(numbers: list[int]) -> None:
    try:
        splits = assign_splits(table(["a"] * 60), numbers)
    except InputError:
        assert len(set(numbers)) < 12
        return
    for group in set(numbers):
        assert len({split for split, number in zip(splits, numbers, strict=True) if number == group}) == 1


def test_the_seed_decides() -> None:
    images = table(["a"] * 100)
    assert assign_splits(images, range(100), seed=1) == assign_splits(images, range(100), seed=1)
    assert assign_splits(images, range(100), seed=1) != assign_splits(images, range(100), seed=2)


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(InputError, match="splits: 1 distinct images leave the split 'evaluation' empty"):
        assign_splits(table(["a"] * 5), [0] * 5)


def test_splits_that_the_images_bring_stand() -> None:
    given_splits: list[str | None] = ["verification", "induction", "evaluation"]
    images = ImageSet("x", None, table(["a"] * 3, given_splits), from_rows([], OBJECTS))
    assert split_images(images) is images


def test_splits_for_some_images_only_are_an_error() -> None:
    images = ImageSet("x", None, table(["a"] * 2, ["induction", None]), from_rows([], OBJECTS))
    with pytest.raises(InputError, match="image 'i1' has no split, others have"):
        split_images(images)


def test_copies_of_a_picture_go_into_one_split(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    for n in range(20):
        picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((64, 64))
        picture.save(tmp_path / f"i{2 * n}.png")
        picture.resize((48, 48)).save(tmp_path / f"i{2 * n + 1}.png")
    (tmp_path / "i39.png").write_bytes(b"no picture")
    images = ImageSet("x", tmp_path, table(["a"] * 40), from_rows([], OBJECTS))
    splits = split_images(images).images["split"].to_pylist()
    assert splits[:38:2] == splits[1:38:2]
    assert Counter(splits)["induction"] in range(22, 27)


def original(*splits: str | None) -> ImageSet:
    return ImageSet("x", None, table(["a"] * len(splits)), from_rows([], OBJECTS), original_splits=splits)


def test_original_splits_become_ours_on_request() -> None:
    chosen = use_original_splits(original("val", "train", "test", "train"))
    assert chosen.images["split"].to_pylist() == ["evaluation", "induction", "verification", "induction"]


@pytest.mark.parametrize("other", ["val", "test"])
def test_one_original_split_beside_train_is_halved(other: str) -> None:
    images = original(*["train"] * 10, *[other] * 10)
    splits = use_original_splits(images, seed=3).images["split"].to_pylist()
    assert splits[:10] == ["induction"] * 10
    assert Counter(splits[10:]) == {"evaluation": 5, "verification": 5}
    assert splits == use_original_splits(images, seed=3).images["split"].to_pylist()
    assert splits != use_original_splits(images, seed=4).images["split"].to_pylist()


def test_original_splits_that_cannot_be_used() -> None:
    images = ImageSet("x", None, table(["a"]), from_rows([], OBJECTS))
    for found, message in (
        (images, "the image set has no splits of its own"),
        (original("train", None), "image 'i1' is in no original split"),
        (original("train", "train"), "the original splits are only train; bring train beside val or test"),
        (original("val", "test"), "the original splits are only test, val"),
    ):
        with pytest.raises(InputError, match=message):
            use_original_splits(found)
