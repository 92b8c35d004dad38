"""The report in a real browser: back and forward lead where one was, and without script everything can be read."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conceptx.report import write_report
from tests.browser.axe import CHROMIUM
from tests.report.worlds import make_world

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-sync --disable-component-update --window-size=1280,900 --virtual-time-budget=15000 "
    "--allow-file-access-from-files --dump-dom"
)

_BACK = """<!DOCTYPE html><title>driver</title><pre id="told"></pre>
<iframe id="page" width="1280" height="900"></iframe><script>
const frame = document.getElementById("page");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (found) => { for (let i = 0; i < 60 && !found(); i++) await pause(50); };
const inside = () => frame.contentDocument;
const at = () => frame.contentWindow.location.pathname.split("/").pop() + frame.contentWindow.location.hash;
(async () => {
  const told = {};
  frame.src = "report/index.html";
  await until(() => inside() && inside().documentElement.dataset.ready);
  const search = inside().querySelector("input[type=search]");
  search.value = "balls";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  told.shown = [...inside().querySelectorAll("article.unit")].filter((a) => !a.hidden).length;
  inside().querySelector("a[href='#classes']").click();
  await pause(200);
  told.anchor = at();
  inside().querySelector("article.unit:not([hidden]) a.head").click();
  await until(() => at().startsWith("0-") && inside().readyState === "complete");
  told.unit = at();
  told.script = inside().querySelectorAll("script").length;
  const next = inside().querySelector("a[rel=next]");
  next.click();
  await until(() => at() !== told.unit && inside().readyState === "complete");
  told.next = at();
  history.back();
  await until(() => at() === told.unit);
  told.back = at();
  history.back();
  await until(() => at().startsWith("index.html") && inside().documentElement.dataset.ready);
  await pause(300);
  told.index = at();
  told.again = [...inside().querySelectorAll("article.unit")].filter((a) => !a.hidden).length;
  told.text = inside().querySelector("input[type=search]").value;
  history.forward();
  await until(() => at() === told.unit);
  told.forward = at();
  document.getElementById("told").textContent = JSON.stringify(told);
})();
</script>"""


# A frame in a sandbox runs no script; the driver outside looks at what its reader sees.
_OFF = """<!DOCTYPE html><title>driver</title><pre id="told"></pre>
<iframe id="page" width="1280" height="900" sandbox="allow-same-origin" src="NAME"></iframe><script>
const frame = document.getElementById("page");
const inside = () => frame.contentDocument;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
addEventListener("load", async () => {
  const told = { ready: inside().documentElement.dataset.ready ?? null };
  const seen = (element) => element.getClientRects().length > 0;
  told.form = seen(inside().querySelector("form.filters"));
  told.units = [...inside().querySelectorAll("article.unit .who")].filter(seen).length;
  const closed = inside().querySelector("article.unit details");
  if (closed) {
    closed.querySelector("summary").click();
    await pause(100);
    told.opened = seen(closed.querySelector(".body"));
  } else {
    inside().querySelector("article.unit a.head").click();
    for (let i = 0; i < 60 && !inside().querySelector(".unit.alone"); i++) await pause(50);
  }
  told.checks = [...inside().querySelectorAll(".checks dt")].filter(seen).map((title) => title.textContent);
  told.pictures = [...inside().querySelectorAll("img")].filter((img) => seen(img) && img.naturalWidth > 0).length;
  document.getElementById("told").textContent = JSON.stringify(told);
});
</script>"""


def told(driver: Path, content: str) -> dict[str, Any]:
    """Return what a driver page found out."""
    driver.write_text(content, encoding="utf-8")
    command = [str(CHROMIUM), *_QUIET.split(), f"--user-data-dir={driver.parent / 'profile'}", driver.as_uri()]
    document = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    match = re.search(r'<pre id="told">(.*?)</pre>', document, re.DOTALL)
    assert match is not None and match.group(1)
    found: dict[str, Any] = json.loads(html.unescape(match.group(1)))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("moves")
    write_report(make_world(n_images=200, n_units=12, beside=True), out / "report")
    write_report(make_world(n_images=200, n_units=12, beside=True), out / "single", single_file=True)
    return out


def test_back_and_forward_lead_where_one_was(folder: Path) -> None:
    found = told(folder / "driver.html", _BACK)
    assert 0 < found["shown"] < 12
    assert found["anchor"] == "index.html#classes"
    assert found["unit"].endswith(".html") and found["next"] != found["unit"]
    assert found["script"] == 0
    assert (found["back"], found["forward"]) == (found["unit"], found["unit"])
    assert found["index"] == "index.html#classes"
    # What is filtered is what the search field says, whether the browser brought its text back or not.
    assert found["again"] == (found["shown"] if found["text"] else 12)


@pytest.mark.parametrize("kind", ["report", "single"])
def test_without_script_everything_can_be_read(folder: Path, kind: str) -> None:
    found = told(folder / f"off-{kind}.html", _OFF.replace("NAME", f"{kind}/index.html"))
    assert found["ready"] is None
    assert found["form"] is False
    assert found["units"] == 12
    assert {"Effect size", "Stability", "Sanity"} <= set(found["checks"])
    if kind == "single":
        assert found["opened"] is True
    else:
        assert found["pictures"] >= 4
