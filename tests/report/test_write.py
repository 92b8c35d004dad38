import base64
import csv
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from conceptx.activations.store import Activations
from conceptx.report import ReportInput, gather, render, write_report
from conceptx.report.export import to_csv
from conceptx.report.html import render_folder, shown_images
from conceptx.report.thumbnails import thumbnails
from tests.report.worlds import TinyImages, World

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; javascript:alert(1) //",
    "</style></svg></title><b>",
    "{{ 7*7 }} {% raw %}",
    "😀 שלום \u202e gnirts",
    '=HYPERLINK("http://evil")',
    "x" * 10_000,
)


class Page(HTMLParser):
    """Collects tags, attributes and ids, and checks that what opens is closed."""

    VOID = frozenset({"meta", "input", "br", "img", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def page_of(inputs: ReportInput) -> str:
    evidence = gather(inputs)
    pictures = (
        None if inputs.image_set is None else thumbnails(inputs.image_set, shown_images(evidence, single_file=True))
    )
    return render(evidence, pictures)


def test_writes_the_same_bytes_for_the_same_inputs(world: ReportInput, make: World, tmp_path: Path) -> None:
    first = write_report(world, tmp_path / "a" / "report")
    second = write_report(make(beside=True), tmp_path / "b" / "report")
    names = [path.name for path in first]
    assert names[:2] == ["index.html", "report.json"]
    assert sorted(p for p in (tmp_path / "a" / "report").rglob("*") if p.is_file()) == sorted(first)
    assert len(list((tmp_path / "a" / "report" / "units").glob("*.html"))) == 8
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_json_holds_everything(world: ReportInput, tmp_path: Path) -> None:
    write_report(world, tmp_path)
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content["schema"] == "conceptx-report/2"
    assert content["hypotheses_tried"] == 4321
    unit = content["units"][0]
    assert unit["verdict"] in ("confirmed", "weak")
    assert unit["words"].startswith("images that ")
    assert {"statistics", "hypotheses", "twins", "frontier", "top", "missed", "unexpected"} <= set(unit)
    assert "/elsewhere/" not in (tmp_path / "report.json").read_text(encoding="utf-8")


def test_page_is_one_file_that_asks_for_nothing(world: ReportInput) -> None:
    text = page_of(world)
    page = Page(text)
    assert not {"link", "iframe", "object", "embed", "base", "img"} & set(page.tags)
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert not page.all("style") and not page.all("src")
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith(("#", "data:image/webp;base64,")) for value in page.all("href"))
    policy = page.all("content")[0]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content.group(1).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def folder_of(inputs: ReportInput) -> dict[str, str]:
    evidence = gather(inputs)
    pictures = None if inputs.image_set is None else thumbnails(inputs.image_set, shown_images(evidence))
    return dict(render_folder(evidence, pictures))


def test_pages_of_the_folder_lead_to_one_another_and_to_pictures(world: ReportInput, tmp_path: Path) -> None:
    for path in write_report(world, tmp_path):
        if path.suffix != ".html":
            continue
        page = Page(path.read_text(encoding="utf-8"))
        assert not {"iframe", "object", "embed", "base"} & set(page.tags)
        sheets = [(name, value) for tag, name, value in page.attributes if tag == "link"]
        own_sheet = [("rel", "stylesheet"), ("href", "pages.css")]
        assert sheets == ([] if path.name == "index.html" else own_sheet)
        assert page.tags.count("style") == page.tags.count("script") == (path.name == "index.html")
        ids = page.all("id")
        assert len(ids) == len(set(ids))
        for target in (*page.all("href"), *page.all("src")):
            file, _, anchor = target.partition("#")
            other = path if not file else (path.parent / file).resolve()
            assert other.is_relative_to(tmp_path.resolve()) and other.is_file(), target
            if anchor:
                assert f'id="{anchor}"' in other.read_text(encoding="utf-8"), target
        policy = page.all("content")[0]
        assert "default-src 'none'" in policy and "unsafe" not in policy


def test_a_report_without_any_confirmed_unit_says_what_that_means(make: World) -> None:
    said = "No explanation was confirmed"
    clear = make(n_images=300, n_units=6)
    assert gather(clear).verdicts["confirmed"] > 0
    assert said not in page_of(clear)
    noise = make(n_images=40, n_units=4, noise=50.0)
    text = page_of(noise)
    assert gather(noise).verdicts["confirmed"] == 0
    assert said in text
    assert "On the 24 images of the search luck alone reaches" in text
    assert "16 images were held out" in text


def test_an_earlier_report_leaves_nothing_behind(world: ReportInput, tmp_path: Path) -> None:
    write_report(world, tmp_path)
    written = write_report(world, tmp_path, single_file=True)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(written)


def test_classes_and_surprises(make: World) -> None:
    evidence = gather(make(n_images=400, noise=0.2))
    units = {(u.layer, u.unit): u for u in evidence.units}
    assert evidence.classes
    for entry in evidence.classes:
        assert entry.units and entry.images
        assert all(units[key].verdict == "confirmed" for key in entry.units)
    assert all(units[key].verdict == "confirmed" for key in evidence.surprising)
    assert len({units[key].words for key in evidence.surprising}) == len(evidence.surprising)
    related = [u for u in evidence.units if u.related]
    assert related and all((u.layer, u.unit) not in u.related for u in related)
    assert all(path for u in evidence.units for path in u.places)


def test_every_reference_has_one_target(world: ReportInput) -> None:
    page = Page(page_of(world))
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.all("href") if value.startswith("#")} <= set(ids)
    pictures = [value for value in page.all("href") if value.startswith("data:")]
    assert pictures and len(pictures) == len(set(pictures))


def test_everything_that_is_seen_is_said(world: ReportInput) -> None:
    text = page_of(world)
    page = Page(text)
    assert text.count('class="thumb"') == len(
        re.findall(r'class="thumb" viewBox="[^"]*" role="img" aria-label="Image ', text)
    )
    assert all(level in page.tags for level in ("main", "header", "nav", "footer", "h1", "h2", "h3", "caption"))
    assert text.count("<table") == text.count("<caption")
    assert "Shapes drawn for the tests, public domain" in text
    assert "40 control units" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_only_text(make: World, text: str) -> None:
    kinds = ("ball", "box", "cone", "ring", "lamp", "tree")
    inputs = make(n_images=40, n_units=5, rename=lambda name: f"{text} {name}", label_of={k: text + k for k in kinds})
    first = inputs.activations[0]
    renamed = {"layer": text, "unit": [text + unit for unit in first.units]}
    tables = {}
    for name in ("hypotheses", "verdicts", "controls", "margins"):
        table = getattr(inputs, name)
        units = pa.array([text + unit for unit in table["unit"].to_pylist()], pa.string())
        layers = pa.array([text] * table.num_rows, pa.string())
        table = table.set_column(table.column_names.index("unit"), "unit", units)
        tables[name] = table.set_column(table.column_names.index("layer"), "layer", layers)
    plain = Page(page_of(make(n_images=40, n_units=5)))
    hostile = replace(
        inputs,
        **tables,
        request={**inputs.request, "model": text, text: text},
        activations=(Activations(text, tuple(renamed["unit"]), first.images, first.values),),
        image_set=TinyImages(inputs.images, inputs.objects, name=text, attribution=text),
        skipped=[(text, text)],
        warnings=[text],
        protocol=[text] * len(inputs.protocol),
    )
    written = page_of(hostile)
    page = Page(written)
    assert set(page.tags) == set(plain.tags)
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert {(tag, name) for tag, name, _ in page.attributes} <= {(tag, name) for tag, name, _ in plain.attributes}
    assert len(written) < 3_000_000
    tame = {tag for text in folder_of(make(n_images=40, n_units=5)).values() for tag in Page(text).tags}
    for text in folder_of(hostile).values():
        assert set(Page(text).tags) <= tame


def test_vanished_and_changed_pictures_are_never_replaced_by_others(world: ReportInput, tmp_path: Path) -> None:
    names = world.images["image"].to_pylist()
    broken = TinyImages(world.images, world.objects, broken=frozenset(names[:3]))
    found = thumbnails(broken, [*names[:4], "elsewhere.png"])
    assert [bool(found[name].data) for name in names[:4]] == [False, False, False, True]
    assert found["elsewhere.png"].missing == "this image is no longer in the image set"
    (tmp_path / "a.png").write_bytes(b"other")
    changed = world.images.slice(0, 1).to_pylist()[0] | {"path": "a.png", "sha256": "0" * 64}
    table = pa.Table.from_pylist([changed], schema=world.images.schema)
    [thumbnail] = thumbnails(TinyImages(table, world.objects, root=tmp_path), [names[0]]).values()
    assert (thumbnail.data, thumbnail.missing) == (b"", "the file has changed since the run")
    page = page_of(replace(world, image_set=TinyImages(world.images, world.objects, broken=frozenset(names))))
    assert "data:image" not in page
    assert "the file can no longer be read" in page


def test_pages_without_pictures_or_limits(world: ReportInput, monkeypatch: pytest.MonkeyPatch) -> None:
    named = page_of(replace(world, image_set=None))
    assert "data:image" not in named and "scene-0003.png" in named
    monkeypatch.setattr("conceptx.report.html.MAX_UNITS_IN_FULL", 2)
    monkeypatch.setattr("conceptx.report.html.MAX_THUMBNAILS", 3)
    page = page_of(world)
    Page(page)
    assert page.count("data:image") <= 3
    assert "not embedded: the page would be too large" in page
    assert "This page shows the first 2 units in full" in page
    assert page.count('class="unit brief"') == 6


def test_csv_defuses_formulas_and_keeps_numbers(world: ReportInput, tmp_path: Path) -> None:
    text = to_csv(["=a", "b"], [["=1+1", -0.5], ["@x", None], [" +y", True], ["\tz", ["-p", "q"]], ["plain", 3]])
    rows = list(csv.reader(text.splitlines()))
    assert rows == [
        ["'=a", "b"],
        ["'=1+1", "-0.5"],
        ["'@x", ""],
        ["' +y", "true"],
        ["'\tz", "'-p | q"],
        ["plain", "3"],
    ]
    write_report(world, tmp_path)
    with (tmp_path / "units.csv").open(encoding="utf-8", newline="") as handle:
        units = list(csv.DictReader(handle))
    assert [row["unit"] for row in units] == [str(k) for k in range(8)]
    with (tmp_path / "verdicts.csv").open(encoding="utf-8", newline="") as handle:
        verdicts = list(csv.DictReader(handle))
    assert [float(r["auroc"]) for r in verdicts if r["auroc"]] == [
        v for v in world.verdicts["auroc"].to_pylist() if v is not None
    ]
