"""Tables of text as people bring them: with commas, tabs or semicolons, and names of images written one way or another.

`text_rows` reads the rows with the separator that their header shows, `alike` finds the name that somebody meant, and
`unknown_image` says so.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from conceptx.errors import InputError

SEPARATORS = (",", "\t", ";")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".avif", ".jp2")

Row = tuple[int, list[str]]
"""The number of a row's last line, and its cells."""


def text_rows(path: Path, usual: str, fits: Callable[[Sequence[str]], bool]) -> tuple[str, Iterator[Row]]:
    """Return the separator of a table and its rows, the header first and blank lines left out.

    The separator is the first, `usual` before the others, by which the header `fits`; where none does, the one that
    makes most columns of it, so that a message can name them.
    """
    separator = separator_of(path, usual, fits)
    return separator, _rows(path, separator)


def wrong_width(path: Path, line: int, cells: int, names: int, separator: str) -> InputError:
    """Return what to raise where a row has more or fewer cells than the header."""
    mend = "fill the row, or remove it"
    if cells > names:
        mend = "write numbers with a point, and put a text with a comma into quotes"
        if separator != ",":
            mend = "put a text with the separator in it into quotes"
    return InputError(f"{path}:{line}", f"the row has {cells} cells, not {names}", mend)


def alike(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is the same image's, but for how it is written; None if there is none, or several.

    Folders, the ending of a picture, case, leading zeros and a trailing ``.0`` make no difference.
    """
    wanted = _bare(name)
    found = [other for other in known if _bare(other) == wanted]
    return found[0] if len(found) == 1 else None


def unknown_image(where: str, image: str, known: Iterable[str]) -> InputError:
    """Return what to raise where a table names an image that is not among the activations (`known`)."""
    same = alike(image, known)
    mend = (
        "remove the row or re-extract with this image" if same is None else f"write it as there in all rows: {same!r}"
    )
    return InputError(where, f"image {image!r} is not among the activations", mend)


def _bare(name: str) -> str:
    text = name.strip().replace("\\", "/").rsplit("/", 1)[-1].casefold()
    ending = PurePosixPath(text).suffix
    text = text.removesuffix(ending) if ending in _PICTURES else text
    try:
        number = float(text)
    except ValueError:
        return text
    return repr(number) if math.isfinite(number) else text


def separator_of(path: Path, usual: str, fits: Callable[[Sequence[str]], bool]) -> str:
    """Return the separator of a table (see `text_rows`)."""
    order = (usual, *(one for one in SEPARATORS if one != usual))
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            line = next((line for line in handle if line.strip()), "")
    except UnicodeDecodeError:
        return usual  # reading the rows says so
    headers = {one: _cells(line, one) for one in order}
    return next((one for one in order if fits(headers[one])), max(order, key=lambda one: len(headers[one])))


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _rows(path: Path, separator: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle, delimiter=separator, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            mend = "save the file as UTF-8 (in Excel: CSV UTF-8)"
            raise InputError(f"{path}:{reader.line_num + 1}", "the text is not UTF-8", mend) from error
        except csv.Error as error:
            long = "field limit" in str(error)
            what = f"the row cannot be read ({error})"
            if long:
                what = f"a cell has more than {csv.field_size_limit():,} characters"
            mend = "shorten it, or close the quotes before it" if long else "mend the quotes"
            raise InputError(f"{path}:{reader.line_num}", what, mend) from error
