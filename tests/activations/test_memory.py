"""Memory that is kept between batches: given back at the end, whatever happens, and without any influence on values."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conceptx.activations import memory
from conceptx.activations.memory import kept_memory


class _Library:
    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []

    def mallopt(self, *setting: int) -> None:
        self.calls.append(setting)

    def malloc_trim(self, *pad: int) -> None:
        self.calls.append(pad)


def test_settings_are_put_back_and_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    library = _Library()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    with pytest.raises(KeyError), kept_memory():
        assert dict(library.calls) == memory._KEEP
        raise KeyError
    assert dict(library.calls[len(memory._KEEP) : -1]) == memory._USUAL and library.calls[-1] == (0,)


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory._glibc() is None
    with kept_memory():
        pass


_FAULTS = """
import resource
import numpy as np
from conceptx.activations.memory import _glibc, kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(48_000_000 // 8).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
outside = faults()
with kept_memory():
    faults()
    inside = faults()
print(_glibc() is None or inside < outside / 10)
"""


def test_pages_are_not_asked_for_again() -> None:
    done = subprocess.run([sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
