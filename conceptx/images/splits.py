"""Splits: which images a hypothesis is learned from, and which it is tested on.

`split_images` gives every image of a set one of `induction`, `evaluation` and `verification`; a set that brings its own
keeps it. `use_original_splits` takes those of a data set's publishers instead.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from conceptx.errors import InputError
from conceptx.images.dataset import BadImage, ImageSet
from conceptx.images.duplicates import groups as duplicate_groups
from conceptx.images.duplicates import hashes
from conceptx.progress import Progress, silent
from conceptx.tables import IMAGES, SPLITS

FRACTIONS = (0.6, 0.2, 0.2)
_ORIGINAL = {"train": "induction", "val": "evaluation", "test": "verification"}


def split_images(
    images: ImageSet,
    *,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> ImageSet:
    """Return the image set with a split for every image; near-duplicates stay together.

    A set in which every image has a split keeps it; one in which only some have is an error.
    """
    given = images.images["split"].to_pylist()
    if all(given):
        return images
    if any(given):
        image = images.ids[given.index(None)]
        raise InputError(images.name, f"image {image!r} has no split, others have", "give every image a split, or none")
    splits = assign_splits(images.images, near_duplicates(images, progress), fractions, seed)
    return _with_splits(images, splits)


def use_original_splits(images: ImageSet, *, seed: int = 0, progress: Progress = silent) -> ImageSet:
    """Return the image set with the splits that its publishers made: train → induction, val → evaluation, test →
    verification.

    Where only one of val and test is labelled, it is divided in halves between evaluation and verification, by `seed`
    and with near-duplicates kept together.
    """
    given = images.original_splits
    if not given:
        raise InputError(images.name, "the image set has no splits of its own", "let them be made instead")
    without = next((image for image, split in zip(images.ids, given, strict=True) if split not in _ORIGINAL), None)
    if without is not None:
        what = f"image {without!r} is in no original split"
        raise InputError(images.name, what, "let the splits be made instead, or leave the image out")
    present = set(given)
    if "train" not in present or len(present) < 2:
        what = f"the original splits are only {', '.join(sorted(filter(None, present)))}"
        raise InputError(images.name, what, "bring train beside val or test, or let the splits be made instead")
    splits = [_ORIGINAL[split or ""] for split in given]
    if len(present) == 2:
        rest = [i for i, split in enumerate(given) if split != "train"]
        tested = images.subset([images.ids[i] for i in rest])
        halves = assign_splits(tested.images, near_duplicates(tested, progress), (0.0, 0.5, 0.5), seed)
        for i, half in zip(rest, halves, strict=True):
            splits[i] = half
    return _with_splits(images, splits)


def near_duplicates(images: ImageSet, progress: Progress = silent) -> list[int]:
    """Return a group number for each image; images without a picture that can be read are groups of their own."""
    if images.root is None and images.pictures is None:
        return list(range(len(images)))
    return duplicate_groups([None if isinstance(h, BadImage) else h for h in hashes(images, progress)])


def _with_splits(images: ImageSet, splits: Sequence[str]) -> ImageSet:
    column = IMAGES.get_field_index("split")
    return replace(
        images, images=images.images.set_column(column, IMAGES.field("split"), pa.array(splits, pa.string()))
    )


def assign_splits(
    images: pa.Table, groups: Sequence[int], fractions: tuple[float, float, float] = FRACTIONS, seed: int = 0
) -> list[str]:
    """Return the split of each image: stratified by category, groups kept together, whatever the order of the rows.

    Within a category the groups are put in an order that a hash of the seed and of their first image's name gives, and
    each goes to the split that is furthest behind its fraction. The category of a group is that of its first image.
    """
    names, categories = images["image"].to_pylist(), images["category"].to_pylist()
    members: dict[int, list[int]] = defaultdict(list)
    for i in sorted(range(len(names)), key=lambda i: names[i]):
        members[groups[i]].append(i)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for group in members.values():
        strata[categories[group[0]] or ""].append(group)

    def lot(group: list[int]) -> bytes:
        return hashlib.sha256(f"{seed}\0{names[group[0]]}".encode("utf-8", "surrogatepass")).digest()

    splits = [""] * len(names)
    behind = [0.0, 0.0, 0.0]
    for category in sorted(strata):
        for group in sorted(strata[category], key=lot):
            behind = [b + f * len(group) for b, f in zip(behind, fractions, strict=True)]
            chosen = max(range(3), key=lambda k: (behind[k], -k))
            behind[chosen] -= len(group)
            for i in group:
                splits[i] = SPLITS[chosen]
    for split, fraction in zip(SPLITS, fractions, strict=True):
        if fraction > 0 and split not in splits:
            what = f"{len(members)} distinct images leave the split {split!r} empty"
            raise InputError("splits", what, "bring more images, or a split of your own")
    return splits
