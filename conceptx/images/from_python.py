"""Image sets of objects in memory: any torch `Dataset`, or a Hugging Face `Dataset`.

`from_torch_dataset` and `from_hf_dataset` walk over the data once, for labels and digests; pictures are asked for
again when they are needed, and never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from conceptx.errors import InputError
from conceptx.files import digest_bytes
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns
from conceptx.images.formats.shapes import numbers
from conceptx.images.pictures import BadImage, Pixels
from conceptx.progress import Progress, silent
from conceptx.tables import IMAGES

_ROWS_AT_ONCE = 1 << 14


def from_torch_dataset(
    dataset: Any, *, name: str = "data set", classes: Sequence[str] | None = None, progress: Progress = silent
) -> ImageSet:
    """Return the image set of a map-style torch `Dataset`; images are named by their places.

    An item is a picture, or a picture and its target. A picture is a PIL image, an array (H, W, 3) of bytes, or a
    tensor (3, H, W) of bytes or of shares from 0 to 1. A target is a class (a number of `classes`, by default the data
    set's own, or a text), or ``{"boxes": [[left, top, right, bottom], …], "labels": […]}``.
    """
    names = classes if classes is not None else getattr(dataset, "classes", None)

    def take(item: Any) -> tuple[Any, Any]:
        if isinstance(item, (tuple, list)) and len(item) >= 2:
            return item[0], item[1]
        return item[0] if isinstance(item, (tuple, list)) and len(item) == 1 else item, None

    return _gather(dataset, name, names, take, progress)


def from_hf_dataset(
    dataset: Any,
    *,
    name: str = "data set",
    image: str = "image",
    label: str = "label",
    progress: Progress = silent,
) -> ImageSet:
    """Return the image set of a Hugging Face `Dataset`: its pictures in the column `image`, classes in `label`."""
    features = getattr(dataset, "features", None) or {}
    if image not in features:
        what = f"the data set has no column {image!r}"
        raise InputError(name, what, f"name one of {', '.join(features) or 'its columns'}")
    names = getattr(features.get(label), "names", None)
    return _gather(dataset, name, names, lambda item: (item[image], item.get(label)), progress)


def _gather(
    dataset: Any,
    name: str,
    classes: Sequence[str] | None,
    take: Callable[[Any], tuple[Any, Any]],
    progress: Progress,
) -> ImageSet:
    try:
        count = len(dataset)
    except TypeError:
        raise InputError(name, "the data set has no length", "give a map-style data set") from None
    if count == 0:
        raise InputError(name, "there are no images", "give a data set that is not empty")
    columns = ObjectColumns(name)
    batches, rows = [], []
    for i in progress(range(count), total=count, label="pictures"):
        where = f"{name}, image {i}"
        picture, target = take(_item(dataset, i, where))
        row: dict[str, Any] = {"image": str(i), "category": _add(where, str(i), target, classes, columns)}
        try:
            pixels = as_pixels(where, picture)
            row |= {"sha256": digest_bytes(pixels.tobytes()), "width": pixels.shape[1], "height": pixels.shape[0]}
        except BadImage:
            pass  # reading the picture later says what is wrong with it
        rows.append(row)
        if len(rows) == _ROWS_AT_ONCE or i == count - 1:
            batches.append(pa.RecordBatch.from_pylist(rows, IMAGES))
            rows = []

    def pictures(image: str) -> Pixels:
        where = f"{name}, image {image}"
        return as_pixels(where, take(_item(dataset, int(image), where))[0])

    return ImageSet(name, None, pa.Table.from_batches(batches, IMAGES), columns.table(), pictures=pictures)


def _item(dataset: Any, i: int, where: str) -> Any:
    try:
        return dataset[i]
    except Exception as error:  # a user's own code fails with whatever it fails with
        first = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise BadImage(where, f"the data set cannot give it ({first})", "mend the data set") from error


def as_pixels(where: str, picture: Any) -> Pixels:
    """Return a picture of any kind as RGB bytes (H, W, 3)."""
    if hasattr(picture, "convert") and hasattr(picture, "getbands"):
        from conceptx.images.pictures import as_shown

        return as_shown(picture)
    values = np.asarray(picture.detach().cpu() if hasattr(picture, "detach") else picture)
    if hasattr(picture, "detach") and values.ndim == 3:
        values = values.transpose(1, 2, 0)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in (1, 3) or 0 in values.shape:
        what = f"it is an array of the shape {tuple(np.shape(picture))}"
        raise BadImage(where, what, "give (H, W, 3), or a tensor (3, H, W)")
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            what = f"its values run from {low:.3g} to {high:.3g}"
            raise BadImage(where, what, "give the pictures without normalisation, as shares from 0 to 1")
        values = np.rint(values * 255).astype(np.uint8)
    if values.dtype != np.uint8:
        raise BadImage(where, f"its values are {values.dtype}", "give bytes, or shares from 0 to 1")
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def _add(where: str, image: str, target: Any, classes: Sequence[str] | None, columns: ObjectColumns) -> str | None:
    """Add the objects that a target tells, and return the category."""
    if target is None:
        return None
    if isinstance(target, Mapping):
        boxes, labels = _list(target.get("boxes", ())), _list(target.get("labels", ()))
        if len(boxes) not in (0, len(labels)):
            raise InputError(where, f"there are {len(boxes)} boxes for {len(labels)} labels", "give one for each")
        for number, label in enumerate(labels, start=1):
            box = _box(where, boxes[number - 1]) if boxes else None
            columns.add(image, str(number), _class(where, label, classes), box, box and box[2] * box[3])
        return None
    target = _list(target)
    if isinstance(target, list):
        for number, label in enumerate(target, start=1):
            columns.add(image, str(number), _class(where, label, classes))
        return None
    category = _class(where, target, classes)
    columns.add(image, "1", category)
    return category


def _list(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else list(value) if isinstance(value, tuple) else value


def _class(where: str, label: Any, classes: Sequence[str] | None) -> str:
    if isinstance(label, str) and label.strip():
        return label.strip()
    if isinstance(label, bool) or not isinstance(label, int):
        raise InputError(where, f"the label is {label!r}"[:120], "give a class's number or name")
    if classes is None:
        return str(label)
    if not 0 <= label < len(classes):
        raise InputError(where, f"the label is {label}, there are {len(classes)} classes", "give all class names")
    return str(classes[label])


def _box(where: str, value: Any) -> Box:
    box = numbers(value, 4)
    if box is None or box[2] < box[0] or box[3] < box[1]:
        raise InputError(where, f"a box is {value!r}"[:120], "give left, top, right and bottom")
    return box[0], box[1], box[2] - box[0], box[3] - box[1]
