"""The same wiki in all three layouts, with and without maintenance, articles and redirects; killed and resumed."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conceptx.errors import InputError
from conceptx.ontology import Hierarchy
from conceptx.ontology.build import WikipediaOptions, build_wikipedia
from conceptx.ontology.sources import sqldump, wikipedia
from conceptx.ontology.sources.sqldump import DumpReader
from tests.benchmarks.synthetic_hierarchy import category_graph, write_dumps
from tests.ontology.dumps import table, write_wiki

ROOT = "Main_topic_classifications"
LINKS = [
    ("Culture", ROOT),
    ("Technology", ROOT),
    ("Music", "Culture"),
    ("O'Brien's_\"songs\"", "Music"),
    ("Épées_&_sabres", "Technology"),
    ("Culture", "Music"),  # a cycle
    ("Technology", "All_articles_with_dead_links"),
    ("Hidden_things", "Hidden_categories"),
    ("Hidden_things", "Culture"),
    ("Below_hidden", "Hidden_things"),
    ("Wikipedia_essays", "Culture"),
    ("Rock_stubs", "Music"),
]
CONTENT = sorted([ROOT, "Culture", "Technology", "Music", "O'Brien's_\"songs\"", "Épées_&_sabres"], key=str.encode)


@pytest.mark.parametrize("style", ["mysqldump", "lines"])
@pytest.mark.parametrize("layout", [1, 2, 3])
def test_every_layout_gives_the_same_hierarchy(tmp_path: Path, layout: int, style: str) -> None:
    write_wiki(tmp_path / "dumps", LINKS, layout, style)
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    assert list(h.names) == CONTENT
    assert [(r.child, r.parent) for r in h.removed] == [("Culture", "Music")]
    assert h.iri(h.id("Music")) == "https://en.wikipedia.org/wiki/Category:Music"
    assert h.n_edges == 5
    assert {p.name for p in tmp_path.iterdir()} == {"dumps", "out"}
    assert h.digest == Hierarchy.open(tmp_path / "out").digest


def test_maintenance_categories_stay_when_asked(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out", WikipediaOptions(maintenance=True))
    assert {"Hidden_things", "Below_hidden", "Wikipedia_essays", "Rock_stubs"} <= set(h.names)


def test_trees_and_patterns_can_be_dropped(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    options = WikipediaOptions(drop=("Music",), drop_pattern="^Ép")
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out", options)
    assert set(h.names) == {ROOT, "Culture", "Technology"}


def test_a_tree_to_drop_that_does_not_exist_is_told(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out", WikipediaOptions(drop=("Musik",)))
    assert "there is no category 'Musik' to leave out" in h.about["notes"]


def test_a_wrong_pattern_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    with pytest.raises(InputError, match=r"'\(\(' is no regular expression"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out", WikipediaOptions(drop_pattern="(("))


def test_articles_become_leaves_with_redirects_as_synonyms(tmp_path: Path) -> None:
    articles = [("Guitar", "Music"), ("Music", "Music"), ("Sword", "Épées_&_sabres"), ("Talk", "Wikipedia_essays")]
    write_wiki(tmp_path / "dumps", LINKS, articles=articles)
    redirect = table("redirect", ["rd_from", "rd_namespace", "rd_title"], ["(9999,0,'Guitar')"])
    (tmp_path / "dumps" / "enwiki-20260101-redirect.sql").write_bytes(redirect)
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out", WikipediaOptions(articles=True))
    assert h.parents(h.id("Guitar")).tolist() == [h.id("Music")]
    assert h.synonyms(h.id("Guitar")) == ("Unrelated",)
    assert h.iri(h.id("Guitar")) == "https://en.wikipedia.org/wiki/Guitar"
    assert h.iri(h.id("Music")) == "https://en.wikipedia.org/wiki/Category:Music"
    assert "Talk" not in h


def test_a_depth_limit_and_another_root(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out", WikipediaOptions(root="Culture", max_depth=1))
    assert list(h.names) == ["Culture", "Music"]


def test_a_wiki_in_another_language_needs_its_root(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", [("Kunst", "Alles"), ("Musik", "Kunst")], wiki="dewiki")
    with pytest.raises(InputError, match=r"1 categories without a parent \('Alles'…\).*name the root of dewiki"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"dumps"}
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out", WikipediaOptions(root="Alles"))
    assert h.iri(h.id("Musik")) == "https://de.wikipedia.org/wiki/Category:Musik"


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    read: list[str] = []

    class Counting(DumpReader):
        def steps(self):  # type: ignore[no-untyped-def]
            read.append(self.table)
            if self.table == "linktarget" and read.count("linktarget") == 1:
                raise KeyboardInterrupt
            return super().steps()

    monkeypatch.setattr(wikipedia, "DumpReader", Counting)
    with pytest.raises(KeyboardInterrupt):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    assert read == ["page", "categorylinks", "linktarget", "linktarget"]
    assert list(h.names) == CONTENT
    assert {p.name for p in tmp_path.iterdir()} == {"dumps", "out"}


@pytest.mark.parametrize("damage", [b"", b"ARROW1 no more", None])
def test_what_a_killed_build_left_damaged_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    build_wikipedia(tmp_path / "dumps", tmp_path / "whole")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("conceptx.ontology.compile.compile_graph", stop)
        with pytest.raises(KeyboardInterrupt):
            build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    left = sorted((tmp_path / ".out.staging").iterdir())
    assert left
    for path in left:
        path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _killed_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> list[int]:
    """Build `dumps` once as a whole and once killed at random places; return where each reading began."""
    build_wikipedia(tmp_path / "dumps", tmp_path / "whole")
    monkeypatch.setattr(sqldump, "MEGABYTE", block // 2)
    monkeypatch.setattr(sqldump, "_BLOCK", block)
    monkeypatch.setattr(wikipedia, "_KEPT_EVERY", 2 * block)
    starts: list[int] = []
    random = np.random.Generator(np.random.PCG64(8))

    class Killed(DumpReader):
        def steps(self):  # type: ignore[no-untyped-def]
            starts.append(self.checkpoint.offset)
            end = self.checkpoint.offset + int(random.integers(4 * block, 40 * block))
            for step in super().steps():
                if self.checkpoint.offset > end:
                    raise KeyboardInterrupt
                yield step

    monkeypatch.setattr(wikipedia, "DumpReader", Killed)
    for _ in range(500):
        if (tmp_path / "out").exists():
            break
        try:
            build_wikipedia(tmp_path / "dumps", tmp_path / "out")
        except KeyboardInterrupt:
            assert not (tmp_path / "out").exists()
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"dumps", "out", "whole"}
    return starts


@pytest.mark.parametrize(("layout", "style"), [(1, "lines"), (2, "mysqldump"), (3, "mysqldump"), (3, "lines")])
def test_a_build_killed_anywhere_goes_on_inside_the_table_and_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: int, style: str
) -> None:
    write_wiki(tmp_path / "dumps", [*LINKS, *((f"Song_{k}", "Music") for k in range(300))], layout, style)
    starts = _killed_and_resumed(tmp_path, monkeypatch, 300)
    assert len(starts) > 4 and max(starts) > 600


@pytest.mark.parametrize("packing", ["gz", "bz2"])
def test_a_packed_dump_is_unpacked_again_up_to_where_a_killed_build_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    write_dumps(tmp_path / "dumps", category_graph(6000))
    for path in list((tmp_path / "dumps").iterdir()):
        packed = {"gz": gzip, "bz2": bz2}[packing].compress(path.read_bytes(), 1)
        path.with_name(f"{path.name}.{packing}").write_bytes(packed)
        path.unlink()
    starts = _killed_and_resumed(tmp_path, monkeypatch, 1 << 14)
    assert len(starts) > 4 and max(starts) > 1 << 15


@pytest.mark.slow
def test_a_build_killed_by_the_system_gives_the_same_bytes(tmp_path: Path) -> None:
    write_dumps(tmp_path / "dumps", category_graph(150_000), packed=True)
    build_wikipedia(tmp_path / "dumps", tmp_path / "whole")
    code = (
        "import sys; from pathlib import Path; from conceptx.ontology.build import build_wikipedia\n"
        "from conceptx.ontology.sources import wikipedia; wikipedia._KEPT_EVERY = 1 << 22\n"
        "build_wikipedia(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "dumps"), str(tmp_path / "out")]
    for seconds in (1.0, 1.6, 2.2, 2.8, 3.4):
        with subprocess.Popen(command) as process:
            time.sleep(seconds)
            process.kill()
    subprocess.run(command, check=True)
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"dumps", "out", "whole"}


def test_a_changed_dump_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    with monkeypatch.context() as patch:
        patch.setattr("conceptx.ontology.compile.compile_graph", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    write_wiki(tmp_path / "dumps", [*LINKS, ("Opera", "Music")])
    assert "Opera" in build_wikipedia(tmp_path / "dumps", tmp_path / "out")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_missing_and_double_dumps_are_named(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    (tmp_path / "dumps" / "enwiki-20260101-linktarget.sql").rename(tmp_path / "elsewhere.sql")
    with pytest.raises(InputError, match=r"no dump of the table 'linktarget'; add …-linktarget\.sql\.gz"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    (tmp_path / "dumps" / "dewiki-20260101-page.sql.gz").write_bytes(b"")
    with pytest.raises(InputError, match="several dumps of the table 'page'"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    with pytest.raises(InputError, match="is no folder"):
        build_wikipedia(tmp_path / "nothing", tmp_path / "out")


def test_mixed_encodings_and_unfit_titles(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", [*LINKS, ("Bell\u202eturned", "Music"), ("Tab\tbed", "Music")])
    h = build_wikipedia(tmp_path / "dumps", tmp_path / "out")
    assert list(h.names) == CONTENT
    assert any("2 titles hold control characters or direction marks" in note for note in h.about["notes"])
    page = tmp_path / "dumps" / "enwiki-20260101-page.sql"
    page.write_bytes(page.read_bytes().replace("Épées".encode(), "Épées".encode("latin-1")))
    with pytest.raises(InputError, match=r"the title b'\\xc9p\\xe9es_&_sabres' is not UTF-8; the dump mixes encodings"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out2")
    assert not (tmp_path / "out2").exists()


def test_dumps_without_links_are_an_empty_graph(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", [("a", "b")])
    empty = table("categorylinks", ["cl_from", "cl_type", "cl_target_id"], [])
    (tmp_path / "dumps" / "enwiki-20260101-categorylinks.sql").write_bytes(empty)
    with pytest.raises(InputError, match="hold no link between two categories"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "out")


def test_a_folder_with_other_files_is_not_written_to(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    with pytest.raises(InputError, match="is a folder with other files in it"):
        build_wikipedia(tmp_path / "dumps", tmp_path / "dumps")


def test_progress_counts_the_megabytes_of_each_dump(tmp_path: Path) -> None:
    write_wiki(tmp_path / "dumps", LINKS)
    seen: list[tuple[str, int | None, int]] = []

    def progress(iterable, *, total=None, label=""):  # type: ignore[no-untyped-def]
        count = 0
        for item in iterable:
            count += 1
            yield item
        seen.append((label, total, count))

    build_wikipedia(tmp_path / "dumps", tmp_path / "out", progress=progress)
    assert len(seen) == 4
    assert all(total == count for _, total, count in seen)
