"""What an image set holds and what is wrong with it: counts, broken pictures, near-duplicates, splits that leak.

`check_images` looks at every picture once; `conceptx.images.histogram` draws its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptx.images.dataset import ImageSet
from conceptx.images.duplicates import groups, hashes
from conceptx.images.pictures import BadImage, MissingImage
from conceptx.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many objects have a label, and how many images show one."""

    label: str
    objects: int
    images: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image whose picture cannot be read, and why, in one sentence."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """What was found in an image set.

    `missing` are images whose picture is not there, `unreadable` those whose picture is broken, `unannotated` those
    with neither an object nor a category. `duplicates` are groups of images that look the same, `leaks` those of them
    that lie in more than one split; `splits` counts the images of each split, by the publishers' names where the set
    has no splits of ours. `notes` are sentences about what the reader left out.
    """

    name: str
    images: int
    objects: int
    labels: tuple[LabelCount, ...]
    categories: Mapping[str, int]
    attributes: Mapping[str, int]
    relations: Mapping[str, int]
    splits: Mapping[str, int]
    missing: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    unannotated: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def bad_share(self) -> float:
        """The share of the images whose picture is missing or broken."""
        return (len(self.missing) + len(self.unreadable)) / max(self.images, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def check_images(images: ImageSet, progress: Progress = silent) -> ImageCheck:
    """Read every picture of an image set, and return what is in the set and what is wrong with it."""
    found = hashes(images, progress)
    number = groups([None if isinstance(h, BadImage) else h for h in found])
    together: dict[int, list[int]] = {}
    for i, group in enumerate(number):
        together.setdefault(group, []).append(i)
    alike = [members for members in together.values() if len(members) > 1]
    splits = images.images["split"].to_pylist()
    if not any(splits) and images.original_splits:
        splits = list(images.original_splits)
    across = [members for members in alike if len({splits[i] for i in members} - {None}) > 1]
    annotated = set(images.objects["image"].unique().to_pylist())
    categories = images.images["category"].to_pylist()
    bad = [(image, h) for image, h in zip(images.ids, found, strict=True) if isinstance(h, BadImage)]
    return ImageCheck(
        name=images.name,
        images=len(images),
        objects=_things(images.objects),
        labels=label_counts(images.objects),
        categories=_counts(images.images["category"]),
        attributes=_counts(_joined(images.objects["attributes"], "value")),
        relations=_counts(_joined(images.objects["relations"], None)),
        splits=_counts(pa.array(splits, pa.string())),
        missing=tuple(image for image, error in bad if isinstance(error, MissingImage)),
        unreadable=tuple(Unreadable(image, str(error)) for image, error in bad if not isinstance(error, MissingImage)),
        unannotated=tuple(
            image for image, c in zip(images.ids, categories, strict=True) if not c and image not in annotated
        ),
        duplicates=_names(images.ids, alike),
        leaks=_names(images.ids, across),
        notes=images.notes,
    )


def label_counts(objects: pa.Table) -> tuple[LabelCount, ...]:
    """Return the counts of the labels, the most frequent first."""
    image, label = (pc.dictionary_encode(objects[name]).combine_chunks() for name in ("image", "label"))
    if not len(label):
        return ()
    names = label.dictionary.to_pylist()
    of, shown = label.indices.to_numpy().astype(np.int64), image.indices.to_numpy().astype(np.int64)
    pairs = np.unique(of * len(image.dictionary) + shown) // len(image.dictionary)
    counts, seen = np.bincount(of, minlength=len(names)), np.bincount(pairs, minlength=len(names))
    rows = zip(names, counts.tolist(), seen.tolist(), strict=True)
    return tuple(LabelCount(*row) for row in sorted(rows, key=lambda row: (-row[1], row[0])))


def _things(objects: pa.Table) -> int:
    """Return the number of objects; an object with several labels has several rows."""
    return int(objects.select(["image", "object"]).group_by(["image", "object"]).aggregate([]).num_rows)


def _joined(lists: pa.ChunkedArray, second: str | None) -> pa.Array | pa.ChunkedArray:
    """Return ``role`` or ``role second`` of every entry of a column of lists."""
    entries = pc.list_flatten(lists)
    role = pc.struct_field(entries, "role")
    return role if second is None else pc.binary_join_element_wise(role, pc.struct_field(entries, second), " ")


def _counts(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    pairs = [(pair["values"], pair["counts"]) for pair in pc.value_counts(values).to_pylist()]
    return dict(sorted((pair for pair in pairs if pair[0]), key=lambda pair: (-pair[1], pair[0])))


def _names(ids: Sequence[str], alike: Sequence[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(ids[i] for i in members) for members in alike)
