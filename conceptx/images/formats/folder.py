"""Folders of pictures: a sub-folder is a category; beside them may lie a table of labels."""

from __future__ import annotations

from pathlib import Path

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.reading import ENDINGS, Entry, Pictures, existing_folder, image_table
from conceptx.images.formats.table import labels_beside
from conceptx.progress import Progress, silent


def read_folder(path: Path, progress: Progress = silent) -> ImageSet:
    """Read all pictures below `path`; an image's name is its path below it, its category the first folder on it."""
    names = Pictures(existing_folder(path)).paths
    if not names:
        raise InputError(str(path), "there is no picture in the folder", f"add files of {', '.join(sorted(ENDINGS))}")
    entries = [Entry(name, name, name.split("/")[0] if "/" in name else None) for name in names]
    return ImageSet(path.name, path, image_table(path, entries, progress), labels_beside(path, names))
