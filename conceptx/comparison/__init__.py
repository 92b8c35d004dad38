"""Comparison: other ways to label a unit, on the same data, scored by the same tests.

Callers need `compare_methods` with `Labelling`s: `own` takes what the run proposed, `invert` searches by AUROC,
`clip_dissect` asks a CLIP model, `netdissect` overlaps maps with boxes, `llm` asks a language model, `imported` reads
the files of other tools. `scoring` measures all of them on the held-out images of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conceptx.comparison.labelling import Labelling
    from conceptx.comparison.scoring import Comparison, compare_methods

__all__ = ["Comparison", "Labelling", "compare_methods"]

_HOMES = {"Labelling": "labelling", "Comparison": "scoring", "compare_methods": "scoring"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
