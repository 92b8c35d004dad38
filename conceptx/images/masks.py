"""Which pixels of a picture are an object's, in the formats that say so beside or inside their lists of objects.

`mask_reader` gives them for COCO's panoptic segments, for LabelMe's shapes, for ADE20K's release of 2021 and for Pascal
VOC's object segmentations. Objects are named as in the table OBJECTS. A mask is made when it is asked for; an object
that is drawn as a line or a point, or not at all, has none. A pixel belongs to a polygon if its centre is inside.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.coco import coco_files
from conceptx.images.formats.json_stream import members, whole
from conceptx.images.formats.labelme import annotation_files, grouped, named_objects
from conceptx.images.formats.reading import Pictures
from conceptx.images.formats.shapes import numbers, polygon_mask
from conceptx.images.formats.xml_tree import number_of, read_xml
from conceptx.images.pictures import decode, inside, read_mask

Bools = npt.NDArray[np.bool_]
Found = Mapping[str, Bools]
_Size = tuple[int, int]

_CORNERS_OF_A_CIRCLE = 360


def mask_reader(kind: str, path: Path, images: ImageSet) -> Callable[[str], Found] | None:
    """Return what gives the masks (H, W) of an image's objects, by the image's name; None where a kind has none.

    The image set is the one that was read as ``KIND:PATH``. A mask of another size than its picture, and a file that
    cannot be read, count as no mask.
    """
    make = _READERS.get(kind)
    if make is None:
        return None
    columns = images.images.select(["image", "path", "height", "width"]).to_pylist()
    known = {row["image"]: (row["path"], row["height"], row["width"]) for row in columns}
    read = make(path)
    if read is None:
        return None

    def masks(image: str) -> Found:
        file, height, width = known[image]
        if file is None or height is None or width is None:
            return {}
        try:
            found = read(file, (height, width))
        except (InputError, OSError):
            return {}
        return {name: mask for name, mask in found.items() if mask.shape == (height, width)}

    return masks


_Read = Callable[[str, _Size], Found]


def _of_panoptic(path: Path) -> _Read | None:
    """Segment s of a picture is where R + 256 G + 65536 B = s in the PNG file of its annotation."""
    root, files = coco_files(path, "panoptic")
    pictures = Pictures(root)

    @cache
    def drawn() -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return of each picture (by its file name without the ending) the PNG file and the segments in it."""
        found: dict[str, tuple[str, tuple[str, ...]]] = {}
        for file in files:
            folders = [file.stem, f"annotations/{file.stem}", file.with_suffix("").name.removesuffix("_segments")]
            for key, place, record in members(file):
                if key != "annotations" or not isinstance(record, dict) or not isinstance(record.get("file_name"), str):
                    continue
                segments = record.get("segments_info")
                names = (
                    [str(s.get("id")) for s in segments if isinstance(s, dict)] if isinstance(segments, list) else []
                )
                png = pictures.find(f"{file}, annotations[{place}]", record["file_name"], folders)
                found[PurePosixPath(record["file_name"]).stem] = (png, tuple(names))
        return found

    def read(picture: str, _: _Size) -> Found:
        png, names = drawn().get(PurePosixPath(picture).stem, ("", ()))
        if not names or png == picture:
            return {}
        colours = read_mask(inside(root, png))
        if colours.ndim != 3 or colours.shape[2] < 3 or colours.dtype != np.uint8:
            return {}
        values = colours[:, :, :3].astype(np.int64) @ np.array([1, 256, 65536])
        return {name: values == int(name) for name in names}

    return read


def _of_labelme(path: Path) -> _Read | None:
    files = cache(lambda: annotation_files(path))

    def read(picture: str, size: _Size) -> Found:
        name = files().get(picture)
        if name is None:
            return {}
        file = path / name
        if name.endswith(".json"):
            held = whole(file)
            found = {
                str(n): [_shape(s, size) for _, s in shapes] for n, (_, shapes) in enumerate(grouped(file, held), 1)
            }
        else:
            found = {
                number: [polygon_mask(_points_of(str(file), thing), *size)]
                for _, number, thing in named_objects(read_xml(file))
                if len(thing.findall("polygon/pt")) > 2
            }
        return {name: union for name, masks in found.items() if (union := _union(masks)) is not None}

    return read


def _points_of(where: str, thing: Any) -> npt.NDArray[np.float64]:
    return np.array([[number_of(where, corner, axis) for axis in "xy"] for corner in thing.findall("polygon/pt")])


def _shape(shape: dict[str, Any], size: _Size) -> Bools | None:
    """Return the mask of one shape of the desktop tool; None for a line or a point."""
    points = shape.get("points")
    pairs = [numbers(point, 2) for point in points] if isinstance(points, list) else []
    corners = np.array([pair for pair in pairs if pair], np.float64).reshape(-1, 2)
    kind = shape.get("shape_type") or "polygon"
    if kind in ("polygon", "oriented_rectangle") and len(corners) > 2:
        return polygon_mask(corners, *size)
    if len(corners) != 2:
        return None
    (x0, y0), (x1, y1) = corners
    if kind == "rectangle":
        return polygon_mask(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), *size)
    if kind == "circle":
        turns = np.linspace(0, 2 * math.pi, _CORNERS_OF_A_CIRCLE, endpoint=False)
        return polygon_mask(
            corners[0] + math.hypot(x1 - x0, y1 - y0) * np.stack([np.cos(turns), np.sin(turns)], 1), *size
        )
    return _pasted(shape.get("mask"), round(min(x0, x1)), round(min(y0, y1)), size) if kind == "mask" else None


def _pasted(text: object, left: int, top: int, size: _Size) -> Bools | None:
    """Return a mask of the picture's size from the encoded picture of a part of it, whose corner is at left, top."""
    if not isinstance(text, str):
        return None
    try:
        part = decode(b64decode(text, validate=True))[:, :, 0] > 0
    except (binascii.Error, InputError, OSError, ValueError, SyntaxError):
        return None
    whole_mask = np.zeros(size, dtype=bool)
    if left < 0 or top < 0:
        return None
    room = whole_mask[top : top + part.shape[0], left : left + part.shape[1]]
    room |= part[: room.shape[0], : room.shape[1]]
    return whole_mask


def _union(masks: list[Bools | None]) -> Bools | None:
    drawn = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(drawn) if drawn else None


def _of_ade20k(path: Path) -> _Read | None:
    """The release of 2021 has the corners of every object in ``X.json``; the one of 2016 has pictures alone."""

    def read(picture: str, size: _Size) -> Found:
        held = whole(inside(path, str(PurePosixPath(picture).with_suffix(".json"))))
        annotation = held.get("annotation") if isinstance(held, dict) else None
        things = annotation.get("object") if isinstance(annotation, dict) else None
        found = {}
        for thing in things if isinstance(things, list) else [things]:
            if not isinstance(thing, dict):
                continue
            polygon = thing.get("polygon")
            xs, ys = (numbers(polygon.get(axis)) for axis in "xy") if isinstance(polygon, dict) else (None, None)
            if xs and ys and len(xs) == len(ys) > 2:
                found[str(thing.get("id"))] = polygon_mask(np.array([xs, ys]).T, *size)
        return found

    return read


def _of_voc(path: Path) -> _Read | None:
    """In ``SegmentationObject/X.png`` the objects have the numbers of their places in the list; 255 is no object."""
    if not any(True for _ in path.glob("SegmentationObject")) and not any(path.glob("*/SegmentationObject")):
        return None

    def read(picture: str, _: _Size) -> Found:
        parts = PurePosixPath(picture)
        values = read_mask(inside(path, str(parts.parent.parent / "SegmentationObject" / f"{parts.stem}.png")))
        if values.ndim != 2:
            return {}
        return {str(n): values == n for n in np.unique(values).tolist() if 0 < n < 255}

    return read


_READERS: Mapping[str, Callable[[Path], _Read | None]] = {
    "ade20k": _of_ade20k,
    "coco_panoptic": _of_panoptic,
    "labelme": _of_labelme,
    "voc": _of_voc,
}
