"""The tiny world of `worlds.py` as fixtures."""

from __future__ import annotations

import pytest

from conceptx.report import ReportInput
from tests.report.worlds import World, make_world


@pytest.fixture(scope="session")
def world() -> ReportInput:
    return make_world(beside=True)


@pytest.fixture(scope="session")
def make() -> World:
    return make_world
