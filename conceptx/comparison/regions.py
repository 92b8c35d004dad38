"""Where annotated objects lie in what a model sees: boxes and masks, through resizing and cropping, on a grid.

Annotations are in the pixels of the original picture, maps of a layer belong to the model's input. `seen_at` goes back
from the centres of a grid over the input to the places in the original; a cell belongs to an object if its centre does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError

if TYPE_CHECKING:
    from conceptx.activations.preprocess import Preprocess
    from conceptx.annotation.scenes import Scenes
    from conceptx.images.dataset import ImageSet

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Masks = Callable[[str], Mapping[str, Bools]]
"""From the name of an image to the masks (height, width) of its objects, by their names, in the original's pixels."""

_Names = dict[str, dict[str, int]]
"""Of each image, the rows of its objects by their names."""


def seen_at(preprocess: Preprocess, height: int, width: int, grid: int) -> tuple[Floats, Floats]:
    """Return the original rows y (grid,) and columns x (grid,) of the cells' centres of a grid over the model's input.

    y = ((i + 1/2) · side / grid + offset) · height / resized, where `resized` is the height after resizing and `offset`
    the first row that the crop keeps (negative where black surrounds the picture); x likewise. Pixels are counted from
    the left edge of the first one: what is below 0 or not below the height or width is outside of the picture.
    """
    rows, columns = _resized(preprocess, height, width)
    places = (np.arange(grid) + 0.5) * preprocess.side / grid
    return (
        (places + _offset(rows, preprocess.side)) * height / rows,
        (places + _offset(columns, preprocess.side)) * width / columns,
    )


class Regions:
    """The region of every class in every image of some scenes, on a grid over the model's input.

    A class has the union of the objects of it and of the classes below it. `classes` are the most specific first, then
    by name. An object's mask counts where there is one, else its box; objects that have neither are left out.
    """

    def __init__(
        self, scenes: Scenes, images: ImageSet, preprocess: Preprocess, grid: int, masks: Masks | None = None
    ) -> None:
        self.grid = grid
        self._images, self._preprocess, self._masks = images, preprocess, masks
        self._place = {image: i for i, image in enumerate(images.ids)}
        self._corners, self._row_of = _boxes(images)
        self._objects = _objects(scenes)
        self._starts, self._ranks, self.classes = _classes(scenes, self._objects)

    @property
    def has_boxes(self) -> bool:
        """Whether any object of the image set has a box."""
        return bool(self._row_of)

    def __call__(self, image: str) -> tuple[Ints, Bools] | None:
        """Return the places in `classes` of those that an image shows, and their regions (shown, grid · grid).

        None where no object of the image has a place: nobody has said what is where.
        """
        masks = {} if self._masks is None else self._masks(image)
        boxes = self._row_of.get(image, {})
        known = [(name, k) for name, k in self._objects.get(image, {}).items() if name in masks or name in boxes]
        if not known:
            return None
        height, width = self._size(image)
        y, x = seen_at(self._preprocess, height, width, self.grid)
        inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
        found = np.zeros((len(known), self.grid * self.grid), dtype=bool)
        for row, (name, _) in enumerate(known):
            if name in masks:
                mask = _checked(masks[name], (height, width), image, name)
                rows = np.clip(np.floor(y).astype(np.int64), 0, height - 1)
                columns = np.clip(np.floor(x).astype(np.int64), 0, width - 1)
                region = mask[rows][:, columns]
            else:
                left, top, right, bottom = self._corners[boxes[name]]
                region = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None, :]
            found[row] = (region & inside).ravel()
        members: dict[int, list[int]] = {}
        for row, (_, k) in enumerate(known):
            for c in self._ranks[self._starts[k] : self._starts[k + 1]].tolist():
                members.setdefault(c, []).append(row)
        shown = np.array(sorted(members), dtype=np.int64)
        return shown, np.array([found[members[int(c)]].any(axis=0) for c in shown]).reshape(len(shown), -1)

    def _size(self, image: str) -> tuple[int, int]:
        """Return the height and the width of the original."""
        row = self._place[image]
        height, width = (self._images.images[name][row].as_py() for name in ("height", "width"))
        if height and width:
            return int(height), int(width)
        found = self._images.load(row)
        return int(found.shape[0]), int(found.shape[1])


def _resized(preprocess: Preprocess, height: int, width: int) -> tuple[int, int]:
    """Return the height and the width after resizing, before the crop."""
    if preprocess.crop is None:
        return preprocess.size, preprocess.size
    length = max(int(preprocess.size * max(height, width) / min(height, width)), 1)
    return (length, preprocess.size) if height > width else (preprocess.size, length)


def _offset(resized: int, side: int) -> int:
    """Return the first row of a resized picture that the centre crop keeps; less than 0 where it is surrounded."""
    return round((resized - side) / 2.0) if resized >= side else -((side - resized) // 2)


def _boxes(images: ImageSet) -> tuple[Floats, _Names]:
    """Return boxes (n, 4) as left, top, right and bottom, and of every image the row of each object that has one."""
    columns = images.objects.select(["x", "y", "w", "h"]).to_pydict().values()
    x, y, w, h = (np.array(column, dtype=np.float64) for column in columns)  # none is NaN
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(x) & np.isfinite(y) & np.isfinite(w) & np.isfinite(h) & (w > 0) & (h > 0)
    found: _Names = {}
    names = zip(images.objects["image"].to_pylist(), images.objects["object"].to_pylist(), strict=True)
    for row, ((image, name), has_box) in enumerate(zip(names, usable.tolist(), strict=True)):
        if has_box:
            found.setdefault(image, {}).setdefault(name, row)  # of several boxes the first
    return np.stack([x, y, x + w, y + h], axis=1), found


def _objects(scenes: Scenes) -> _Names:
    """Return of every image the individuals of its objects by their names."""
    known = set(scenes.images)
    found: _Names = {}
    for k in range(scenes.n_images, scenes.n_individuals):
        parts = scenes.individuals[k].split("#")
        if len(parts) == 2:  # three parts name the value of an attribute
            image, name = (part.replace("%23", "#").replace("%25", "%") for part in parts)
            if image in known:
                found.setdefault(image, {})[name] = k
    return found


def _classes(scenes: Scenes, objects: _Names) -> tuple[Ints, Ints, tuple[str, ...]]:
    """Return the places of each individual's classes among the names of all classes that objects have, and the names.

    Those of individual k are `places[starts[k]:starts[k + 1]]`, in order.
    """
    from scipy import sparse

    hierarchy, closure = scenes.hierarchy, scenes.closure
    is_object = np.zeros(scenes.n_individuals, dtype=bool)
    is_object[[k for of_image in objects.values() for k in of_image.values()]] = True
    shape = (len(closure.classes), scenes.n_individuals)
    members: Any = sparse.csr_array(
        (np.ones(len(closure.individuals), bool), closure.individuals, closure.starts), shape
    )
    rows = np.flatnonzero(members @ is_object.astype(np.int64))
    ids = closure.classes[rows].tolist()
    depths = hierarchy.depth(ids).tolist() if ids else []
    names = [hierarchy.name(c) for c in ids]
    ranked = sorted(range(len(ids)), key=lambda i: (-depths[i], names[i]))
    by_individual = sparse.csr_array(members[rows[ranked]].T)
    by_individual.sort_indices()
    return by_individual.indptr, by_individual.indices, tuple(names[i] for i in ranked)


def _checked(mask: Bools, size: tuple[int, int], image: str, name: str) -> Bools:
    if mask.shape != size:
        what = f"the mask of {name!r} is {mask.shape[0]} × {mask.shape[1]}, the picture {size[0]} × {size[1]}"
        raise InputError(f"image {image!r}", what, "give masks in the original's pixels")
    return mask
