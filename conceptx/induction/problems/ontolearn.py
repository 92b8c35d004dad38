"""Ontolearn's problem files (``.json``): one problem or many, with two lists of individuals each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from conceptx.errors import InputError
from conceptx.induction.problems.examples import LearningProblem

_POSITIVE = frozenset(("pos", "positive", "positives", "positiveexamples", "posexamples", "p"))
_NEGATIVE = frozenset(("neg", "negative", "negatives", "negativeexamples", "negexamples", "n"))
_BASES = ("data_path", "path_knowledge_base", "knowledge_base_path", "kb_path", "kb")
_PROBLEMS = ("problems", "learning_problems", "learning_problem")
_FORM = 'use {"problems": {"name": {"positive_examples": […], "negative_examples": […]}}}'


def read_ontolearn(path: Path, text: str) -> list[LearningProblem]:
    """Read every problem of a JSON file."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise InputError(where, f"is no JSON ({getattr(error, 'msg', 'nested too deep')})", "mend the file") from error
    base = _base(path, document)
    stated = document
    if isinstance(document, dict):
        stated = next((document[key] for key in _PROBLEMS if key in document), document)
    found = []
    for name, value in _named(path, stated):
        sides = _sides(value)
        if sides is not None:
            positives, negatives = (_names(path, name, side) for side in sides)
            found.append(LearningProblem(name, f"{path}, problem {name!r}", base, positives, negatives))
    if not found:
        raise InputError(str(path), "holds no lists of positive and negative examples", _FORM)
    return found


def _base(path: Path, document: Any) -> tuple[Path, ...]:
    given = next((document[key] for key in _BASES if key in document), None) if isinstance(document, dict) else None
    if not isinstance(given, str):
        return ()
    beside = [path.parent / given, path.parent / Path(given).name]
    return (next((p for p in beside if p.is_file()), beside[0]),)


def _named(path: Path, stated: Any) -> list[tuple[str, Any]]:
    """Return (name, problem) of every problem, whatever holds them."""
    if isinstance(stated, dict):
        if _sides(stated) is not None:
            return [(path.stem, stated)]
        return [(str(name), value) for name, value in stated.items()]
    named = []
    for number, entry in enumerate(stated if isinstance(stated, list) else (), start=1):
        name = f"{path.stem} {number}"
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str):
            name, entry = entry
        elif isinstance(entry, dict):
            name = next((str(entry[key]) for key in ("name", "id", "target concept") if key in entry), name)
        named.append((name, entry))
    return named


def _sides(value: Any) -> tuple[Any, Any] | None:
    if not isinstance(value, dict):
        return None
    plain = {re.sub(r"[\s_\-]", "", str(key)).lower(): v for key, v in value.items()}
    positive = next((plain[key] for key in plain if key in _POSITIVE), None)
    negative = next((plain[key] for key in plain if key in _NEGATIVE), None)
    return None if positive is None and negative is None else (positive or [], negative or [])


def _names(path: Path, problem: str, side: Any) -> tuple[str, ...]:
    if not isinstance(side, list) or not all(isinstance(name, str) for name in side):
        what = f"problem {problem!r}: the examples are not a list of names"
        raise InputError(str(path), what, _FORM)
    return tuple(name.strip() for name in side if name.strip())
