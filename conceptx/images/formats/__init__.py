"""Annotation formats: one module each, all read by `open_images("kind:path")`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from conceptx.errors import InputError, did_you_mean
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.ade20k import read_ade20k
from conceptx.images.formats.ade20k_scenes import read_ade20k_scenes
from conceptx.images.formats.cifar import read_cifar
from conceptx.images.formats.coco import read_coco, read_coco_panoptic
from conceptx.images.formats.folder import read_folder
from conceptx.images.formats.hugging_face import read_hugging_face
from conceptx.images.formats.imagenet import read_imagenet
from conceptx.images.formats.labelme import read_labelme
from conceptx.images.formats.openimages import read_open_images
from conceptx.images.formats.reading import not_read
from conceptx.images.formats.sun import read_sun
from conceptx.images.formats.table import read_table
from conceptx.images.formats.visual_genome import read_visual_genome
from conceptx.images.formats.voc import read_voc
from conceptx.progress import Progress, silent


class Reader(Protocol):
    """Reads the image set at a path."""

    def __call__(self, path: Path, progress: Progress = silent) -> ImageSet:
        """Return the image set."""
        ...


FORMATS: Mapping[str, Reader] = {
    "ade20k": read_ade20k,
    "ade20k_scenes": read_ade20k_scenes,
    "cifar": read_cifar,
    "coco": read_coco,
    "coco_panoptic": read_coco_panoptic,
    "folder": read_folder,
    "hf": read_hugging_face,
    "imagenet": read_imagenet,
    "labelme": read_labelme,
    "open_images": read_open_images,
    "sun": read_sun,
    "table": read_table,
    "visual_genome": read_visual_genome,
    "voc": read_voc,
}


def open_images(spec: str, progress: Progress = silent) -> ImageSet:
    """Open the image set that ``kind:path`` names; its notes say what lies there and was not read."""
    kind, colon, path = spec.partition(":")
    if kind not in FORMATS:
        hint = did_you_mean(kind, FORMATS) or f"use one of {', '.join(FORMATS)}"
        if not colon:
            hint = f"write KIND:PATH, such as folder:{spec}; the kinds are {', '.join(FORMATS)}"
        raise InputError("images", f"there is no kind {kind!r}", hint)
    if not colon or not path:
        raise InputError("images", f"{spec!r} names no path", f"write {kind}:PATH")
    found = FORMATS[kind](Path(path), progress)
    passed = not_read(Path(path)) if Path(path).is_dir() else ()
    return replace(found, notes=(*found.notes, *passed)) if passed else found
