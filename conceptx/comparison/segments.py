"""COCO's segmentations as masks: polygons and run lengths, read once and drawn when they are asked for.

A pixel belongs to an object if its centre does. In memory is what the files say of the objects that are asked for, as
numbers; masks are made one picture at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conceptx.images.formats.coco import coco_files
from conceptx.images.formats.json_stream import members
from conceptx.images.formats.shapes import numbers, polygon_mask, run_lengths

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Segment = tuple[Floats, ...] | npt.NDArray[np.int64]
"""Polygons (corners, 2), or run lengths down the columns, background first."""


def read_segments(path: Path, wanted: Collection[str]) -> Mapping[str, Segment]:
    """Return the segmentations in a COCO file or folder by the annotations' ids; `wanted` are the ids that count.

    An id that is there twice, and what is no segmentation, is left out.
    """
    found: dict[str, Segment | None] = {}
    for file in coco_files(path, "instances")[1]:
        for key, _, record in members(file):
            if key != "annotations" or not isinstance(record, dict) or (name := str(record.get("id"))) not in wanted:
                continue
            found[name] = None if name in found else _segment(record.get("segmentation"))
    return {name: segment for name, segment in found.items() if segment is not None}


def drawn(segment: Segment, height: int, width: int) -> Bools | None:
    """Return the mask (height, width) of a segmentation; None for run lengths of another size."""
    mask = np.zeros((height, width), dtype=bool)
    if isinstance(segment, tuple):
        for polygon in segment:
            mask |= polygon_mask(polygon, height, width)
        return mask
    if int(segment.sum()) != height * width:
        return None
    object_or_not = np.arange(len(segment)) % 2 == 1
    return np.repeat(object_or_not, segment).reshape(width, height).T


def _segment(value: object) -> Segment | None:
    if isinstance(value, dict):
        return run_lengths(value.get("counts"))
    if not isinstance(value, list) or not value:
        return None
    corners = [numbers(polygon) for polygon in value]
    if any(c is None or len(c) < 6 or len(c) % 2 for c in corners):
        return None
    return tuple(np.array(c, dtype=np.float64).reshape(-1, 2) for c in corners)
