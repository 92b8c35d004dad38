"""Pages under axe-core in headless Chromium: one browser, one frame for each page, theme and width.

The script comes from whichever installed package carries it (`axe_playwright_python`, `axe_core_python`); it goes into
temporary copies of the pages, whose content-security policy is taken out, and nowhere else.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (1280, 390)
THEMES = ("light", "dark")

_PACKAGES = ("axe_playwright_python", "axe_core_python")
_RUN = """
<script>{axe}</script>
<script>
for (const details of document.querySelectorAll("details")) details.open = true;
addEventListener("load", async () => {{
  const told = (found) => parent.postMessage({{ name: {name}, found }}, "*");
  try {{
    const {{ violations }} = await axe.run(document, {{ resultTypes: ["violations"] }});
    const wide = document.documentElement.scrollWidth > innerWidth ? ["the page scrolls sideways"] : [];
    told([...wide, ...violations.flatMap((rule) => rule.nodes.map((node) =>
      `${{rule.id}}: ${{node.html.slice(0, 200)}} (${{node.failureSummary.split("\\n")[1]}})`))]);
  }} catch (error) {{ told([`axe did not run: ${{error}}`]); }}
}});
</script>
"""
_DRIVER = """<!DOCTYPE html><title>axe</title>{frames}<pre id="found"></pre><script>
const found = {{}};
addEventListener("message", ({{ data }}) => {{
  found[data.name] = data.found;
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>{sources}"""


def script() -> str | None:
    """Return axe-core, or None where no package has it."""
    for name in _PACKAGES:
        spec = find_spec(name)
        for folder in () if spec is None else spec.submodule_search_locations or ():
            path = Path(folder) / "axe.min.js"
            if path.is_file():
                return path.read_text(encoding="utf-8")
    return None


def violations(pages: Mapping[str, str], folder: Path, seconds: int = 300) -> dict[str, list[str]]:
    """Return what axe says against each page (HTML by name), by ``name theme width``; every page must have answered."""
    axe = script()
    assert axe is not None
    frames, sources = [], []
    for name, page in pages.items():
        for theme in THEMES:
            for width in WIDTHS:
                key = f"{name} {theme} {width}"
                path = folder / f"{len(frames)}.html"
                path.write_text(_prepared(page, theme) + _RUN.format(axe=axe, name=json.dumps(key)), encoding="utf-8")
                frames.append(f'<iframe title="x" width="{width}" height="900" id="f{len(frames)}"></iframe>')
                sources.append(f'<script>f{len(sources)}.src = "{path.name}"</script>')
    driver = folder / "driver.html"
    driver.write_text(_DRIVER.format(frames="".join(frames), sources="".join(sources)), encoding="utf-8")
    found = json.loads(_found(driver, folder, seconds))
    assert len(found) == len(frames), f"{len(found)} of {len(frames)} pages answered"
    return {name: messages for name, messages in found.items() if messages}


def _found(driver: Path, folder: Path, seconds: int) -> str:
    quiet = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --window-size=1400,1000 --virtual-time-budget=60000 --dump-dom"
    )
    command = [str(CHROMIUM), *quiet.split(), f"--user-data-dir={folder / 'profile'}", driver.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    written = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    return html.unescape(written.group(1)) if written and written.group(1) else "{}"


def _prepared(page: str, theme: str) -> str:
    """Return a page without its policy, in one of its two themes."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    page = page.replace("@media (prefers-color-scheme: dark)", "@media all" if theme == "dark" else "@media not all")
    return page.replace('name="color-scheme" content="light dark"', f'name="color-scheme" content="{theme}"')
