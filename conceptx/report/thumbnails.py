"""Small pictures for the report: each image once, as WebP, and never a wrong one.

Callers need `thumbnails`. An image that cannot be loaded, or whose file is not the one that the run saw, gets no
picture and a reason instead.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conceptx.errors import ConceptxError
from conceptx.files import digest_file
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.images.dataset import ImageSet

LARGEST_SIDE = 96
_QUALITY = 66


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One small picture; `data` are the bytes of the WebP, or empty where `missing` says why there is none."""

    data: bytes
    width: int
    height: int
    missing: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/webp;base64,{base64.b64encode(self.data).decode('ascii')}"


def thumbnails(image_set: ImageSet, images: Sequence[str], progress: Progress = silent) -> dict[str, Thumbnail]:
    """Return a thumbnail for each of the named images."""
    from concurrent.futures import ThreadPoolExecutor

    place = {image: i for i, image in enumerate(image_set.ids)}
    # Decoding, resizing and compressing release the interpreter's lock; the order of the results is that of the images.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        made = pool.map(lambda image: thumbnail(image_set, place.get(image)), images)
        return dict(zip(images, progress(made, total=len(images), label="report: pictures"), strict=True))


def thumbnail(image_set: ImageSet, index: int | None) -> Thumbnail:
    """Return the thumbnail of the image at a place of the set (None: it is not in the set any more)."""
    from PIL import Image

    if index is None:
        return Thumbnail(b"", LARGEST_SIDE, LARGEST_SIDE, "this image is no longer in the image set")
    row = image_set.images.slice(index, 1).to_pylist()[0]
    try:
        if _has_changed(image_set, row["path"], row["sha256"]):
            return Thumbnail(b"", LARGEST_SIDE, LARGEST_SIDE, "the file has changed since the run")
        picture = Image.fromarray(image_set.load(index))
    except (ConceptxError, OSError, ValueError, KeyError):
        return Thumbnail(b"", LARGEST_SIDE, LARGEST_SIDE, "the file can no longer be read")
    # Reducing by a whole number first halves the time and cannot be seen.
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=_QUALITY, method=4)
    return Thumbnail(data.getvalue(), picture.width, picture.height)


def _has_changed(image_set: ImageSet, path: str | None, sha256: str | None) -> bool:
    """Tell whether the image's file is another than the run saw; sets that are not files cannot change."""
    if image_set.root is None or not path or not sha256:
        return False
    file = image_set.root / path
    return file.is_file() and digest_file(file) != sha256
