"""Picture files: where they may lie, how each is read, and what is wrong with the ones that cannot be.

`read_picture` reads a file, `decode` its bytes and `read_mask` a mask as it is stored; pictures inside larger files are
in `containers`. Whatever goes wrong is a `BadImage` that names the file in one sentence.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 80_000_000
"""Larger pictures are refused before they are decoded."""

MAX_BYTES = 512_000_000
"""Larger files are refused before they are read."""

Pixels = npt.NDArray[np.uint8]
"""A picture as RGB, (height, width, 3)."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is turned; 1 is upright."""

_UNVERIFIED = ("JPEG", "MPO")
"""Formats without check sums, of which Pillow verifies nothing."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")


class BadImage(InputError):  # noqa: N818 - the name says what it is
    """A picture that cannot be read."""


class MissingImage(BadImage):
    """A picture that is not there."""


def inside(root: Path, path: str) -> Path:
    """Return ``root / path``; a path that leads out of `root`, through links too, is refused."""
    try:
        whole = (root / path).resolve()
        within = whole.is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise BadImage(repr(path), f"this is no path of a file ({error})", "correct it or remove the image") from error
    if not within:
        raise BadImage(path, f"the path leaves the folder {root}", "keep all pictures below it")
    return whole


def read_picture(path: Path) -> Pixels:
    """Return a picture file as RGB (H, W, 3): its first frame, whatever its mode, turned as its EXIF data say.

    What is transparent shows white.
    """
    return _named(str(path), lambda: decode(read_bytes(path)))


def read_mask(path: Path) -> npt.NDArray[Any]:
    """Return a mask's values as they are stored: (H, W) or (H, W, channels); palette entries as their numbers."""
    return _named(str(path), lambda: _opened(read_bytes(path), lambda picture: np.asarray(picture)))


def picture_size(data: bytes) -> tuple[int, int]:
    """Return the width and height of a picture as it is shown, from its first bytes; nothing is decoded."""
    import warnings

    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(BytesIO(data), formats=_formats()) as picture:
            width, height = picture.size
            # Asking other formats for their EXIF data decodes the whole picture.
            turned = picture.format in ("JPEG", "MPO") and picture.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def read_bytes(path: Path) -> bytes:
    """Return the content of a plain file of bounded size."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(str(path), "the file cannot be read (it is no plain file)", "give a picture, or remove it")
        if status.st_size > MAX_BYTES:
            what = f"the file has {status.st_size:,} bytes"
            raise BadImage(str(path), what, f"reduce it to {MAX_BYTES:,} or fewer")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingImage(str(path), "there is no such file", "add the picture or remove it from the list") from None
    except OSError as error:
        what = f"the file cannot be read ({error.strerror or error})"
        raise BadImage(str(path), what, "make it readable, or remove it") from error


def decode(data: bytes) -> Pixels:
    """Return an encoded picture as RGB; what cannot be read is an error of whatever type the decoder raises."""
    return _opened(data, as_shown)


def named(where: str, error: BaseException) -> BadImage:
    """Return what to raise for an error while a picture was decoded."""
    if isinstance(error, BadImage):
        return BadImage(where, error.what, error.mend)
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "<_io" in first:  # the decoder names our buffer by its address, which differs from run to run
        first = "its format is not known"
    return BadImage(where, f"the picture cannot be read ({first})", "replace or remove it")


def _named(where: str, read: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    try:
        return read()
    except BadImage as error:
        raise (error if error.where else named(where, error)) from None
    except Exception as error:  # a decoder meets a hostile file with whatever its code runs into
        raise named(where, error) from error


def _formats() -> list[str]:
    from PIL import Image

    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _opened(data: bytes, take: Callable[[Image.Image], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Check a picture's size and integrity, and return what `take` makes of it."""
    from PIL import Image

    formats = _formats()
    with Image.open(BytesIO(data), formats=formats) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            what = f"the picture has {picture.width} × {picture.height} pixels"
            raise BadImage("", what, f"reduce it to {MAX_PIXELS:,} pixels or fewer")
        if picture.format in _UNVERIFIED:
            picture.load()
            return take(picture)
        picture.verify()
    with Image.open(BytesIO(data), formats=formats) as picture:
        picture.load()
        return take(picture)


def as_shown(picture: Image.Image) -> Pixels:
    """Return a PIL image as RGB bytes, turned as its EXIF data say; what is transparent shows white."""
    from PIL import Image, ImageOps

    picture.load()
    # Asked for a picture that is upright already, `exif_transpose` copies it.
    upright = picture.getexif().get(_ORIENTATION, 1) == 1
    turned = picture if upright else ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I"):
        wide = np.asarray(turned, dtype=np.int64)
        grey = np.clip(wide >> 8 if wide.max(initial=0) > 255 else wide, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if turned.mode == "F":
        return np.repeat(_from_float(np.asarray(turned, dtype=np.float64))[:, :, None], 3, axis=2)
    if turned.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in turned.info:
        over = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.array(turned if turned.mode == "RGB" else turned.convert("RGB"), dtype=np.uint8)


def _from_float(values: npt.NDArray[np.float64]) -> Pixels:
    """Return floating-point grey values as bytes; those from 0 to 1 are taken as shares of white."""
    top = float(values.max(initial=0.0))
    if not math.isfinite(top) or not np.isfinite(values).all():
        raise ValueError("a pixel is not a finite number")
    return np.clip(np.rint(values * 255 if top <= 1 else values), 0, 255).astype(np.uint8)
