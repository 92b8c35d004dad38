"""Large JSON files, one element at a time: memory is that of the largest element, not of the file.

`members` walks over a file whose top is an array, or an object with arrays in it; `whole` reads a small file at once.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from conceptx.errors import InputError
from conceptx.images.formats.reading import read_text

_CHUNK = 1 << 20
_MAX_ELEMENT = 1 << 28
"""Characters that one element may have."""

_AFTER = frozenset(" \t\n\r,:]}")
_LONGEST_TAIL = 64
_SPACE = re.compile(r"[ \t\n\r]*")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def whole(path: Path) -> Any:
    """Return the value in a JSON file of bounded size."""
    text = read_text(path)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise InputError(where, f"this is no valid JSON ({error.msg})", "write the file again") from error
    except (ValueError, RecursionError) as error:
        raise _invalid(str(path), error) from error


def members(path: Path) -> Iterator[tuple[str, int, Any]]:
    """Yield (key, place, element) for every element of the arrays in a file.

    The file holds an array (its key is "") or an object; a member of an object that is no array is yielded whole, as
    place -1. An empty array yields nothing.
    """
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        raise InputError(str(path), "there is no such file", "check the path") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "make it readable") from error
    with handle:
        stream = _Stream(path, io.TextIOWrapper(handle, encoding="utf-8-sig"))
        if stream.peek() == "[":
            yield from _elements(stream, "")
        else:
            stream.expect("{", "an object or an array")
            more = stream.peek() != "}"
            while more:
                stream.where = "a key"
                key = stream.value()
                if not isinstance(key, str):
                    raise stream.error("a key is no text")
                stream.expect(":", "':'")
                if stream.peek() == "[":
                    yield from _elements(stream, key)
                else:
                    stream.where = key
                    yield key, -1, stream.value()
                more = stream.next_or("}")
            stream.expect("}", "'}'")
        if stream.peek():
            raise stream.error("there is more after the end")


def _elements(stream: _Stream, key: str) -> Iterator[tuple[str, int, Any]]:
    stream.expect("[", "'['")
    if stream.peek() == "]":
        stream.expect("]", "']'")
        return
    place = 0
    while True:
        stream.where = f"{key}[{place}]"
        yield key, place, stream.value()
        place += 1
        if not stream.next_or("]"):
            break
    stream.expect("]", "']'")


class _Stream:
    """A window on the text of a file."""

    def __init__(self, path: Path, text: io.TextIOWrapper) -> None:
        self._path, self._text = path, text
        self._window, self._at, self._ended = "", 0, False
        self.where = "the beginning"

    def error(self, what: str) -> InputError:
        """Return the error that something is wrong at the present place."""
        return InputError(f"{self._path}, {self.where}", f"this is no valid JSON ({what})", "write the file again")

    def peek(self) -> str:
        """Return the next character that is no space, or an empty string at the end of the file."""
        while True:
            self._at = _SPACE.match(self._window, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more():
                return ""

    def expect(self, character: str, what: str) -> None:
        """Pass one character."""
        found = self.peek()
        if found != character:
            raise self.error(f"{what} is missing" + ("" if found else ", the file ends here"))
        self._at += 1

    def next_or(self, closing: str) -> bool:
        """Pass a comma and return True, or return False before the closing bracket."""
        if self.peek() == closing:
            return False
        self.expect(",", f"',' or '{closing}'")
        return True

    def value(self) -> Any:
        """Return the next value, reading on until it is whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, self._at)
                # A number at the end of the window may go on behind it, after a point or an exponent too.
                if self._ended or self._window[end : end + 1] in _AFTER or len(self._window) - end > _LONGEST_TAIL:
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                # Only a value that the window cuts off can become whole by reading on.
                if self._ended or (error.pos + 8192 < len(self._window) and not error.msg.startswith("Unterminated")):
                    raise self.error(error.msg) from error
            except (ValueError, RecursionError) as error:
                raise _invalid(f"{self._path}, {self.where}", error) from error
            self._more()

    def _more(self) -> bool:
        """Read on; the window grows with the element that it holds, so that no text is scanned many times."""
        rest = len(self._window) - self._at
        if rest > _MAX_ELEMENT:
            raise self.error(f"one element has more than {_MAX_ELEMENT:,} characters")
        try:
            new = self._text.read(max(_CHUNK, rest))
        except UnicodeDecodeError as error:
            where = f"{self._path}, {self.where}"
            raise InputError(where, "the text is not UTF-8", "save the file as UTF-8") from error
        self._window, self._at = self._window[self._at :] + new, 0
        self._ended = not new
        return bool(new)


def _invalid(where: str, error: BaseException) -> InputError:
    what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
    return InputError(where, f"this is no valid JSON ({what})", "write the file again")
