"""Plain data of a run as a report may show it: cleaned, and without the folders of the machine that it was made on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from conceptx.files import json_ready
from conceptx.report.text import clean


def portable(value: object) -> Any:
    """Return plain data in which an absolute path is cut to its last part, so that reports do not tell of machines."""
    return _walk(json_ready(value), _portable_text)


def portable_facts(values: Mapping[str, object]) -> dict[str, Any]:
    """Return the same of each value, by cleaned names."""
    return {clean(str(name)): portable(value) for name, value in values.items()}


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {clean(k): _walk(v, change) for k, v in value.items()}
    return [_walk(v, change) for v in value] if isinstance(value, list) else value


def _portable_text(text: str) -> str:
    kind, mark, location = text.partition(":")
    if mark and len(kind) > 1 and _is_absolute(location):
        return clean(f"{kind}:{_last_part(location)}")
    return clean(_last_part(text) if _is_absolute(text) else text)


def _is_absolute(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def _last_part(text: str) -> str:
    path = PureWindowsPath(text) if PureWindowsPath(text).drive else PurePosixPath(text)
    return path.name or text
