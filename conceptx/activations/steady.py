"""Forward passes that draw the same random numbers every time, whatever else draws in between.

Hardly any model draws random numbers in evaluation mode, but one that does must not make a run unrepeatable.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

import torch

_LOCK = RLock()
"""Held while PyTorch's random state, of which a process has one, is set and used."""


class SteadyPass:
    """Carries out passes of one model; the first one shows whether the model draws random numbers at all."""

    def __init__(self) -> None:
        self._draws: bool | None = None

    def __call__(self, carry_out: Callable[[], Any]) -> Any:
        """Return what `carry_out` returns; the random state is afterwards as it was before."""
        if self._draws is False:
            return carry_out()
        with _LOCK, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            before = torch.default_generator.get_state()
            found = carry_out()
            self._draws = not torch.equal(before, torch.default_generator.get_state())
        return found
