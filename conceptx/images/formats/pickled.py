"""Read a pickle that holds nothing but data: containers, texts, numbers and numpy arrays.

A pickle is a program; `load_plain` runs it with every name refused but those that numpy's arrays are written with, and
these stand for functions of our own that check sizes and types before they build anything.
"""

from __future__ import annotations

import codecs
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from conceptx.errors import InputError

MAX_BYTES = 4_000_000_000
"""Larger pickles are refused before they are read."""

_MAX_ELEMENTS = 1 << 32
_MAX_DEPTH = 50
_KINDS = frozenset("biufSU")


class _Refused(Exception):  # noqa: N818 - the name says what it is
    """Something in the pickle that is no data."""


class _Type:
    """Stands for a numpy data type while it is built."""

    def __init__(self, *arguments: Any) -> None:
        code = arguments[0] if arguments else None
        if not isinstance(code, str) or len(code) > 8:
            raise _Refused("a data type without a name")
        self.order: Literal["<", ">", ""] = ""
        self.code = code

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]

    def dtype(self) -> np.dtype[Any] | None:
        """Return the data type, or None for Python objects."""
        if self.code.lstrip("|<>=") in ("O", "O8", "O4"):
            return None
        try:
            kind = np.dtype(self.code)
        except TypeError as error:
            raise _Refused(f"the data type {self.code!r}") from error
        if kind.kind not in _KINDS:
            raise _Refused(f"the data type {self.code!r}")
        return kind.newbyteorder(self.order) if self.order else kind


class _Array:
    """Stands for a numpy array while it is built; `value` is the array (a list for one of Python objects)."""

    def __init__(self) -> None:
        self.value: Any = []

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _Refused("an array in an unknown form")
        _, shape, kind, fortran, data = state
        if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n <= _MAX_ELEMENTS for n in shape):
            raise _Refused("an array without a shape")
        if not isinstance(kind, _Type):
            raise _Refused("an array without a data type")
        dtype, elements = kind.dtype(), math.prod(shape)
        if dtype is None:
            if not isinstance(data, list) or len(data) != elements:
                raise _Refused("an array of objects in an unknown form")
            self.value = data
            return
        data = data.encode("latin-1") if isinstance(data, str) else data
        if not isinstance(data, (bytes, bytearray)) or len(data) != elements * dtype.itemsize:
            raise _Refused("an array whose data have another size than its shape")
        self.value = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _scalar(*arguments: Any) -> Any:
    """Stand for the function that rebuilds a numpy scalar."""
    if len(arguments) != 2 or not isinstance(arguments[0], _Type):
        raise _Refused("a scalar in an unknown form")
    dtype, data = arguments[0].dtype(), arguments[1]
    data = data.encode("latin-1") if isinstance(data, str) else data
    if dtype is None or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise _Refused("a scalar in an unknown form")
    return np.frombuffer(data, dtype)[0].item()


def _encoded(*arguments: Any) -> bytes:
    """Stand for `codecs.encode`, with which Python 2's byte strings are written."""
    if not arguments or not isinstance(arguments[0], str) or arguments[1:] not in (("latin1",), ("latin-1",)):
        raise _Refused("text in an unknown encoding")
    return codecs.encode(arguments[0], "latin-1")


def _no_bytes(*arguments: Any) -> bytes:
    """Stand for `bytes`, which old protocols call for an empty text."""
    if arguments:
        raise _Refused("bytes in an unknown form")
    return b""


def _listed(*arguments: Any) -> list[Any]:
    """Stand for `set` and `frozenset`, which old protocols call with a list."""
    if len(arguments) != 1 or not isinstance(arguments[0], list):
        raise _Refused("a set in an unknown form")
    return arguments[0]


class _Name:
    """A name that a pickle may use: it can be called, and nothing else can be done to it."""

    __slots__ = ("_stand_in",)
    _stand_in: Callable[..., Any] | None

    def __init__(self, stand_in: Callable[..., Any] | None) -> None:
        object.__setattr__(self, "_stand_in", stand_in)

    def __call__(self, *arguments: Any) -> Any:
        if self._stand_in is None:
            raise _Refused("an array that is made directly")
        return self._stand_in(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise _Refused("a name that is written to")

    def __setstate__(self, state: Any) -> None:
        raise _Refused("a name that is written to")


_NAMES = {
    ("numpy", "dtype"): _Name(_Type),
    ("numpy", "ndarray"): _Name(None),
    ("_codecs", "encode"): _Name(_encoded),
    ("__builtin__", "bytes"): _Name(_no_bytes),
    ("__builtin__", "set"): _Name(_listed),
    ("__builtin__", "frozenset"): _Name(_listed),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Name(lambda *_: _Array()) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Name(_scalar) for core in ("core", "_core")},
}


class _Plain(pickle._Unpickler):
    """The unpickler written in Python: its memo is a dictionary, so a wild index allocates nothing."""

    def find_class(self, module: str, name: str) -> Any:
        found = _NAMES.get((module, name))
        if found is None:
            raise _Refused(f"the name {module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused("a reference to something outside")


def load_plain(path: Path) -> Any:
    """Return what a pickle of plain data holds; arrays are numpy arrays, arrays of objects are lists.

    Any other name in it is an `InputError`, and nothing that the file says has been run by then.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(str(path), f"the file has {size:,} bytes", f"give one of {MAX_BYTES:,} or fewer")
        with path.open("rb") as handle:
            return _plain(_Plain(handle, encoding="latin-1").load(), {}, 0)
    except _Refused as error:
        what = f"the pickle holds more than data ({error})"
        raise InputError(str(path), what, "do not use this file; get the data set's own") from error
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "make it readable") from error
    except InputError:
        raise
    except Exception as error:  # a hostile pickle stops the reader with whatever it runs into
        what = f"this is no whole pickle of plain data ({type(error).__name__})"
        raise InputError(str(path), what, "download the file again") from error


def _plain(value: Any, done: dict[int, Any], depth: int) -> Any:
    """Return the value with the stand-ins replaced by what they hold; what occurs twice is built once."""
    if depth > _MAX_DEPTH:
        raise _Refused(f"containers nested more than {_MAX_DEPTH} deep")
    if value is None or isinstance(value, (str, bytes, int, float, bool, np.ndarray)):
        return value
    if isinstance(value, _Array):
        return _plain(value.value, done, depth + 1)
    if isinstance(value, bytearray):
        return bytes(value)
    if id(value) not in done:
        if isinstance(value, dict):
            made: Any = {_plain(k, done, depth + 1): _plain(v, done, depth + 1) for k, v in value.items()}
        elif isinstance(value, (list, tuple, set, frozenset)):
            made = [_plain(item, done, depth + 1) for item in value]
        else:
            raise _Refused(f"a value of the type {type(value).__name__}")
        done[id(value)] = made
    return done[id(value)]
