"""The masks that an image set has on disk: which pixels of a picture are an object's.

`masks_of` gives them for ADE20K, whose objects are drawn in a picture, for COCO's instances (see `segments`), and for
the formats of `conceptx.images.masks`; all other kinds have boxes. No mask is kept: a picture's are made when they are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from conceptx.comparison.regions import Masks
from conceptx.comparison.segments import drawn, read_segments
from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.ade20k import instances
from conceptx.images.masks import mask_reader
from conceptx.images.pictures import inside, read_mask

Bools = npt.NDArray[np.bool_]


def masks_of(spec: str, images: ImageSet) -> Masks | None:
    """Return the masks of an image set that was read as ``KIND:PATH``; None where the kind has none.

    An object whose mask cannot be read, or is not of the picture's size, has none: then its box counts.
    """
    kind, _, location = spec.partition(":")
    if kind == "coco":
        return _of_coco(Path(location), images)
    read, root = _READERS.get(kind), images.root
    drawn_beside = mask_reader(kind, Path(location), images)
    if read is None or root is None:
        return drawn_beside
    columns = images.images.select(["image", "path"]).to_pydict()
    paths, sizes, objects = dict(zip(*columns.values(), strict=True)), _sizes(images), _objects(images)

    def masks(image: str) -> Mapping[str, Bools]:
        if paths[image] is None:
            return {}
        try:
            found = read(root, PurePosixPath(paths[image]), objects.get(image, ()))
        except InputError:
            return {}
        if not found and drawn_beside is not None:  # ADE20K's release of 2021
            return drawn_beside(image)
        size = sizes[image]
        return {name: mask for name, mask in found.items() if None in size or mask.shape == size}

    return masks


def _of_coco(path: Path, images: ImageSet) -> Masks:
    sizes, objects = _sizes(images), _objects(images)
    wanted = {name for of_image in objects.values() for name in of_image}
    segments = cache(lambda: read_segments(path, wanted))  # read when the first mask is asked for

    def masks(image: str) -> Mapping[str, Bools]:
        height, width = sizes[image]
        if height is None or width is None:
            return {}
        known = ((name, segments().get(name)) for name in objects.get(image, ()))
        made = ((name, drawn(segment, height, width)) for name, segment in known if segment is not None)
        return {name: mask for name, mask in made if mask is not None}

    return masks


def _sizes(images: ImageSet) -> dict[str, tuple[int | None, int | None]]:
    columns = images.images.select(["image", "height", "width"]).to_pydict()
    return {image: (height, width) for image, height, width in zip(*columns.values(), strict=True)}


def _objects(images: ImageSet) -> dict[str, list[str]]:
    """Return the names of every image's objects, each once."""
    found: dict[str, dict[str, None]] = {}
    for image, name in zip(images.objects["image"].to_pylist(), images.objects["object"].to_pylist(), strict=True):
        found.setdefault(image, {})[name] = None
    return {image: list(names) for image, names in found.items()}


def _of_ade20k(root: Path, picture: PurePosixPath, names: Sequence[str]) -> dict[str, Bools]:
    """Read ``X_seg.png`` and ``X_parts_1.png`` …; object ``3`` is whole, ``1.2`` is a part of the first level."""
    if inside(root, str(picture.with_suffix(".json"))).exists():
        return {}  # the release of 2021, whose objects have other names
    numbers: dict[int, dict[str, int]] = {}
    for name in names:
        level, _, number = name.rpartition(".")
        if number.isdecimal() and (level or "0").isdecimal():
            numbers.setdefault(int(level or 0), {})[name] = int(number)
    found: dict[str, Bools] = {}
    for depth, of_level in sorted(numbers.items()):
        ending = f"parts_{depth}" if depth else "seg"
        file = inside(root, str(picture.with_name(f"{picture.stem}_{ending}.png")))
        if not file.exists():
            break
        mask = read_mask(file)
        drawn = instances(mask[:, :, 2], max(of_level.values())) if mask.ndim == 3 and mask.dtype == np.uint8 else None
        if drawn is None:
            break
        found |= {name: drawn == number for name, number in of_level.items()}
    return found


def _of_ade20k_scenes(root: Path, picture: PurePosixPath, names: Sequence[str]) -> dict[str, Bools]:
    """Read ``annotations/X.png``; an object is the region of a class and named by the class's number."""
    below = picture.relative_to("images").with_suffix(".png")
    values = read_mask(inside(root, str(PurePosixPath("annotations") / below)))
    return {name: values == int(name) for name in names if name.isdecimal() and values.ndim == 2}


_READERS: Mapping[str, Callable[[Path, PurePosixPath, Sequence[str]], dict[str, Bools]]] = {
    "ade20k": _of_ade20k,
    "ade20k_scenes": _of_ade20k_scenes,
}
