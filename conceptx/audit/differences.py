"""Collecting what differs between stored rows and what was computed again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from conceptx.audit.findings import Check, Finding

Row = Mapping[str, Any]


class Differences:
    """Collects what differs in one table, and which of its columns nobody computed again."""

    def __init__(self, name: str, not_figures: Iterable[str]) -> None:
        self._name = name
        self._not_figures = set(not_figures)
        self._found: list[Finding] = []
        self._unknown: set[str] = set()

    def add(self, where: str, what: str) -> None:
        """Note a difference."""
        self._found.append(Finding(where, what))

    def compare(
        self, where: str, row: Row, again: Mapping[str, float], within: Mapping[str, float] | None = None
    ) -> None:
        """Compare the figures of a row; those named in `within` may be so far apart."""
        self._unknown |= set(row) - set(again) - self._not_figures
        for name in sorted(again.keys() & row.keys()):
            stored = math.nan if row[name] is None else float(row[name])
            if closed(name, stored, float(again[name]), again):
                continue
            far = (within or {}).get(name)
            if not same(stored, float(again[name]), 1e-6 if name.startswith(("p", "q")) else 1e-8, far):
                self.add(where, f"{name} is {stored:.12g}, computed again {again[name]:.12g}")

    def same_text(self, where: str, name: str, stored: object, again: object) -> None:
        """Compare what is no figure."""
        if stored != again:
            self.add(where, f"{name} is {_shown(stored)}, computed again {_shown(again)}")

    def check(self, compared: int, also: str = "") -> Check:
        """Return the outcome; `also` says what could not be compared."""
        columns = f"columns {', '.join(sorted(self._unknown))}" if self._unknown and not also else ""
        return Check(self._name, compared, tuple(self._found), also or columns)


def closed(name: str, a: float, b: float, again: Mapping[str, float]) -> bool:
    """Tell whether an interval of no width stands on one side and none on the other: a variance of 0 but for rounding.

    It happens where a unit has one value on all images of a split. The interval then reaches from the estimate to where
    the half image that is added on either side moves it, which is less than one image of all.
    """
    estimate = again.get(name.removesuffix("_low").removesuffix("_high"), math.nan)
    if not name.endswith(("_low", "_high")) or math.isnan(a) == math.isnan(b):
        return False
    images = again.get("n_target", math.inf) + again.get("n_other", math.inf)
    return abs((b if math.isnan(a) else a) - estimate) < 1e-9 + 1 / (1 + images)


def same(a: float, b: float, relative: float, within: float | None = None) -> bool:
    """Tell whether two figures are equal: to a share of their size, or `within` a distance where that is given."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if within is not None and abs(a - b) <= within:
        return True
    return math.isclose(a, b, rel_tol=relative, abs_tol=1e-10 if relative < 1e-7 else 1e-290)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
