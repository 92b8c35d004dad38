"""Every page of the report and of the explorer passes axe-core, in both themes, wide and on a phone's width."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import conceptx
from conceptx.progress import silent
from conceptx.report import write_report
from tests.browser import axe
from tests.report.worlds import make_world
from tests.worlds import write_tables

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(axe.CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.skipif(axe.script() is None, reason="no package with axe-core is installed"),
]


def passes(pages: Mapping[str, str], folder: Path) -> None:
    assert axe.violations(pages, folder) == {}


def test_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(n_images=200, n_units=12, beside=True)
    steps = [(1, 0.4, "contains some Balls"), (2, 0.6, "contains some Balls and contains some Boxes")]
    world = replace(world, frontier={"fc": {"0": steps}})
    write_report(world, tmp_path / "folder")
    write_report(world, tmp_path / "single", single_file=True)
    pages = {"index": tmp_path / "folder" / "index.html", "single file": tmp_path / "single" / "index.html"}
    pages |= {f"unit {i}": tmp_path / "folder" / "units" / f"0-{i}.html" for i in (0, 5)}
    monkeypatch.setattr("conceptx.report.evidence.MAX_IN_DETAIL", 4)
    bare = replace(world, beside={}, plan={}, missing=["effects.parquet: there is no such file"])
    write_report(bare, tmp_path / "many")
    pages |= {"many": tmp_path / "many" / "index.html", "shared": tmp_path / "many" / "units" / "more-1.html"}
    passes({name: _whole(path) for name, path in pages.items()}, tmp_path)


def _whole(path: Path) -> str:
    """Return a page with the style sheet that it shares, so that it can be shown elsewhere."""
    sheet = path.with_name("pages.css")
    style = f"<style>{sheet.read_text(encoding='utf-8')}</style>" if sheet.exists() else ""
    return path.read_text(encoding="utf-8").replace('<link rel="stylesheet" href="pages.css">', style)


def test_the_explorer(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("httpx2")
    from starlette.testclient import TestClient

    from conceptx.explorer import make_app

    tables = write_tables(tmp_path / "tables")
    given = {name: str(tables[name]) for name in ("activations", "labels")}
    conceptx.explain(**given, ontology="world", max_length=1, out=tmp_path / "run", progress=silent)
    client = TestClient(make_app(tmp_path / "run", 8000), base_url="http://127.0.0.1:8000")
    client.post("/unit/0/0/note", data={"marked": "1", "text": "look again"}, headers={"origin": str(client.base_url)})
    addresses = {
        "units": "/",
        "no unit": "/?text=nothing",
        "unit": "/unit/0/0",
        "what if": "/what-if",
        "an answer": "/what-if?expression=Beds&unit=0/0",
        "labels": "/labels",
        "another class": "/labels?label=bed&class=Toilets",
        "own image": "/own-image",
        "a wrong question": "/what-if?expression=contains",
        "nothing there": "/unit/9/9",
    }

    def style(match: re.Match[str]) -> str:
        return f"<style>{client.get(match.group(1)).text}</style>"

    def page(address: str) -> str:
        text = re.sub(r'<link rel="stylesheet" href="([^"]+)">', style, client.get(address).text)
        return re.sub(r"<script src[^>]*></script>", "", text)

    passes({name: page(address) for name, address in addresses.items()}, tmp_path)


def test_this_test_would_see_a_mistake(tmp_path: Path) -> None:
    page = "<!DOCTYPE html><html><head><title></title></head><body><img src='x'><p style='color:#eee'>pale</p>"
    found = " ".join(axe.violations({"bad": page}, tmp_path)["bad light 1280"])
    for rule in ("image-alt", "html-has-lang", "document-title", "color-contrast"):
        assert rule in found
