"""The explorer's forms in a real browser: what is typed stays, the focus stays, and answers come while typing."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path

import pytest

import conceptx
from conceptx.progress import silent
from tests.browser.axe import CHROMIUM
from tests.worlds import write_tables

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

_TYPE = """
<pre id="told"></pre><script>
addEventListener("load", async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const told = {};
  const text = document.querySelector("[name=text]");
  const box = document.querySelector("[name=verdict][value=rejected]");
  text.focus();
  text.value = "beds";
  text.dispatchEvent(new Event("input", { bubbles: true }));
  await pause(600);
  told.status = document.querySelector("[role=status]").textContent;
  told.rows = document.querySelectorAll("article.unit").length;
  told.kept = document.activeElement === text && text.value === "beds";
  box.focus();
  box.click();
  await pause(600);
  told.box = document.activeElement === box && !box.checked;
  text.value = "x".repeat(10);
  text.form.requestSubmit();
  await pause(600);
  told.nothing = document.querySelectorAll("article.unit").length;
  told.order = [...document.querySelectorAll("a[href], input, button")].filter((e) => e.tabIndex > 0).length;
  document.getElementById("told").textContent = JSON.stringify(told);
});
</script>
"""


def test_live_forms_keep_the_focus_and_what_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    testclient = pytest.importorskip("starlette.testclient")
    from conceptx.explorer import make_app

    tables = write_tables(tmp_path / "tables")
    given = {name: str(tables[name]) for name in ("activations", "labels")}
    conceptx.explain(**given, ontology="world", max_length=1, out=tmp_path / "run", progress=silent)
    client = testclient.TestClient(make_app(tmp_path / "run", 8000), base_url="http://127.0.0.1:8000")
    answers = {
        query: client.get(f"/?{query}", headers={"x-part": "1"}).text for query in ("text=beds", "text=xxxxxxxxxx")
    }
    # The page runs from disk; its requests are answered by what the application said to the same ones.
    fetched = f"""<script>
      const answers = {json.dumps(answers).replace("</", "<" + chr(92) + "/")};
      window.fetch = async (url) => new Response(answers[url.includes("xxxx") ? "text=xxxxxxxxxx" : "text=beds"]);
      history.replaceState = () => {{}};
    </script>"""
    script = client.get("/static/explorer.js").text
    page = re.sub(r"<script src[^>]*></script>", "", client.get("/").text)
    page = page.replace("</body>", f"{fetched}<script>{script}</script>{_TYPE}</body>")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    quiet = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync "
    quiet += "--disable-component-update --virtual-time-budget=10000 --dump-dom"
    command = [str(CHROMIUM), *quiet.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120)
    match = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None
    told = json.loads(html.unescape(match.group(1)))
    assert told["status"].startswith("1 unit fits")
    assert (told["rows"], told["kept"], told["box"], told["nothing"], told["order"]) == (1, True, True, 0, 0)
