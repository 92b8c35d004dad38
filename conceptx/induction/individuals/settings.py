"""What is searched for, and how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from conceptx.errors import InputError, did_you_mean
from conceptx.induction.individuals.combinations import COVERAGE, F1

Objective = Literal["f1", "coverage"]
OBJECTIVES: tuple[str, ...] = get_args(Objective)
KINDS = {"f1": F1, "coverage": COVERAGE}
"""The numbers of the objectives in the compiled loops."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is searched for: the objective, how many solutions, how long they may be, how long it may take.

    `seconds` of None: as long as the fixed amounts of work take, so that equal input gives equal results.
    """

    objective: str = "f1"
    top: int = 5
    longest: int = 30
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            mend = did_you_mean(self.objective, OBJECTIVES) or f"use one of {', '.join(OBJECTIVES)}"
            raise InputError("objective", f"{self.objective!r} is no objective of learning", mend)
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise InputError("--seconds", f"{self.seconds} is no time to search", "give a number above 0")
