"""The page in a real browser: no errors on the console, and the script does what it says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conceptx.report import ReportInput, write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


def rendered(page: Path, folder: Path, anchor: str = "") -> tuple[str, list[str]]:
    """Return the document after the script has run, and what the page wrote to the console."""
    quiet = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --enable-logging=stderr --v=0 --virtual-time-budget=3000 --dump-dom"
    )
    command = [str(CHROMIUM), *quiet.split(), f"--user-data-dir={folder}", page.as_uri() + anchor]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("single_file", [True, False])
def test_the_console_stays_empty_and_the_filters_appear(world: ReportInput, tmp_path: Path, single_file: bool) -> None:
    [page, *_] = write_report(world, tmp_path / "report", single_file=single_file)
    document, console = rendered(page, tmp_path / "profile")
    assert console == []
    assert 'data-ready="8"' in document
    assert re.search(r'<form class="filters"[^>]*>', document)
    assert not re.search(r'<form class="filters"[^>]* hidden', document)
    assert "<details open" not in document.split('id="units"')[1].split('id="method"')[0]


def test_a_link_to_a_unit_opens_it(world: ReportInput, tmp_path: Path) -> None:
    [page, *_] = write_report(world, tmp_path / "report", single_file=True)
    document, console = rendered(page, tmp_path / "profile", "#unit-0-1")
    assert console == []
    opened = re.findall(r'<details open="">\s*<summary class="head">.*?id="(unit-[0-9-]+)"', document, re.DOTALL)
    assert opened == ["unit-0-1"]


def test_the_page_of_a_unit_shows_its_pictures_from_files(world: ReportInput, tmp_path: Path) -> None:
    written = write_report(world, tmp_path / "report")
    page = next(path for path in written if path.name == "0-1.html")
    document, console = rendered(page, tmp_path / "profile")
    assert console == []
    assert "thumbs/" in document
    assert 'rel="next"' in document


def test_this_test_would_see_a_blocked_script(world: ReportInput, tmp_path: Path) -> None:
    [page, *_] = write_report(world, tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace('"use strict";', '"use strict"; '), encoding="utf-8")
    document, console = rendered(page, tmp_path / "profile")
    assert console
    assert "data-ready" not in document.split("<body>")[0]
