"""Every bad source by the command line: one sentence on stderr, exit code 2, and nothing half-written."""

from __future__ import annotations

import bz2
import gzip
import sys
from pathlib import Path

import pytest

from conceptx.cli import main
from conceptx.errors import InputError
from tests.ontology.dumps import table, write_wiki

ROOT = "Main_topic_classifications"
LINKS = [("Culture", ROOT), ("Music", "Culture"), *((f"Song_{k}", "Music") for k in range(400))]
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="http://www.w3.org/2002/07/owl#"'
IMPORT = f'<rdf:RDF {RDF}><owl:Ontology rdf:about="o"><owl:imports rdf:resource="http://127.0.0.1:9/x"/></owl:Ontology>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
LONG = b"x" * 36_000_000


def _build(out: Path, *arguments: str) -> int:
    sys.argv = ["conceptx", "ontology", "build", *arguments, "--out", str(out), "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def _refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    before = {path.name for path in tmp_path.iterdir()}
    assert _build(tmp_path / "out", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == before
    return printed.err


@pytest.fixture(autouse=True)
def _arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


@pytest.mark.parametrize(
    ("kind", "name", "data", "message"),
    [
        ("edges", "x.tsv.gz", gzip.compress(b"a\tb\n" * 9000, mtime=0)[:-20], "the file is truncated or damaged"),
        ("edges", "x.tsv.bz2", bz2.compress(b"a\tb\n" * 9000)[:-20], "the file is truncated or damaged"),
        ("edges", "x.tsv", "é\tb\n".encode("latin-1"), "is not UTF-8"),
        ("edges", "x.tsv", "a\tb\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("edges", "x.tsv", b"child\tparent\n" + LONG + b"\tb\n", "has a line of more than 16 MB"),
        ("edges", "x.tsv", LONG, "has a line of more than 1 MB"),
        ("edges", "x.csv", b'child,parent\n"a\tb",c\n', r"the class name 'a\tb' holds a control character (U+0009)"),
        ("edges", "x.csv", b'child,parent\n"a\nb",c\n', r"the class name 'a\nb' holds a control character (U+000A)"),
        ("edges", "x.tsv", "a\u202eb\tc\n".encode(), "holds a mark that turns the reading direction (U+202E)"),
        ("edges", "x.tsv", b"", "is empty; give one child and one parent a line"),
        ("edges", "x.tsv", b"child\tparent\n", "holds no classes"),
        ("owl", "x.nt", b'<a> <b> "' + LONG + b'" .\n', "x.nt:1: has a line of more than 16 MB"),
        ("skos", "x.nt", b'<a> <b> "' + LONG + b'" .\n', "x.nt:1: has a line of more than 16 MB"),
        ("owl", "x.owl", f"{IMPORT}</rdf:RDF>".encode(), "(it imports http://127.0.0.1:9/x, which was not fetched)"),
        (
            "owl",
            "x.owl",
            f"{BOMB}<rdf:RDF {RDF}>&b;</rdf:RDF>".encode(),
            "declares the XML entity 'b', which can expand",
        ),
        ("owl", "x.owl", b"", "is empty; give a file with statements"),
        ("owl", "x.ttl", b"<http://a> <http://b> <http://c> .", "holds no OWL or RDF Schema classes"),
        ("skos", "x.ttl", b"<http://a> <http://b> <http://c> .", "holds no skos:broader or skos:narrower link"),
        ("wordnet", "data.noun", b"garbage\n", "data.noun:1: is no line of a WordNet database"),
        ("wordnet", "data.noun", b"", "holds no classes"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value)[:20],
)
def test_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert message in _refused(tmp_path, capsys, f"--{kind}", str(tmp_path / name))


def _dump(folder: Path, name: str) -> Path:
    return next(folder.glob(f"*-{name}.sql"))


def test_dumps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wiki = ["--wikipedia", str(tmp_path / "wiki")]

    def fresh() -> Path:
        for path in (tmp_path / "wiki").glob("*"):
            path.unlink()
        write_wiki(tmp_path / "wiki", LINKS)
        return tmp_path / "wiki"

    links = _dump(fresh(), "categorylinks")
    packed = gzip.compress(links.read_bytes())
    links.unlink()
    links.with_name(f"{links.name}.gz").write_bytes(packed[: len(packed) // 2])
    assert "categorylinks.sql.gz: cannot be unpacked: the file is truncated" in _refused(tmp_path, capsys, *wiki)

    page = _dump(fresh(), "page")
    page.write_bytes(page.read_bytes()[:-3000])
    assert "ends in the middle of a row: the download was cut off" in _refused(tmp_path, capsys, *wiki)

    page.write_bytes(_dump(fresh(), "linktarget").read_bytes())
    assert "is a dump of the table 'linktarget', not of 'page'" in _refused(tmp_path, capsys, *wiki)

    page = _dump(fresh(), "page")
    page.write_bytes(page.read_bytes().replace(b"'Music'", "'Musée'".encode("latin-1")))
    assert "is not UTF-8; the dump mixes encodings" in _refused(tmp_path, capsys, *wiki)

    _dump(fresh(), "page").write_bytes(LONG)
    assert "has a line of more than 1 MB that is no INSERT statement" in _refused(tmp_path, capsys, *wiki)

    empty = table("categorylinks", ["cl_from", "cl_type", "cl_target_id"], [])
    _dump(fresh(), "categorylinks").write_bytes(empty)
    assert "hold no link between two categories" in _refused(tmp_path, capsys, *wiki)

    fresh()
    assert f"has no class '{ROOT}s' to start from; did you mean" in _refused(
        tmp_path, capsys, *wiki, "--root", f"{ROOT}s"
    )


def test_several_roots_of_a_wiki_ask_for_one_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_wiki(tmp_path / "wiki", [("Kunst", "Alles"), ("Musik", "Kunst"), ("Ort", "Welt")], wiki="dewiki")
    said = _refused(tmp_path, capsys, "--wikipedia", str(tmp_path / "wiki"))
    assert "has 2 categories without a parent ('Alles', 'Welt'…)" in said and "name the root of dewiki" in said


def test_what_is_unusual_but_not_wrong_is_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "roots.tsv").write_text("a\tr1\nb\tr2\na\tr1\n")
    assert _build(tmp_path / "roots", "--edges", str(tmp_path / "roots.tsv")) == 0
    classes = '<owl:Class rdf:about="http://e/A"/></rdf:RDF>'
    (tmp_path / "import.owl").write_text(IMPORT + classes)
    assert _build(tmp_path / "import", "--owl", str(tmp_path / "import.owl")) == 0
    sys.argv = ["conceptx", "ontology", "info", str(tmp_path / "import")]
    with pytest.raises(SystemExit):
        main()
    assert "imports http://127.0.0.1:9/x, which was not fetched" in capsys.readouterr().out


def test_an_encoding_that_does_not_exist_is_named(tmp_path: Path) -> None:
    from conceptx.ontology.build import build_owl, build_wordnet

    (tmp_path / "x.xml").write_text('<?xml version="1.0" encoding="UDF-8"?><LexicalResource></LexicalResource>')
    (tmp_path / "x.owl").write_text('<?xml version="1.0" encoding="UDF-8"?><rdf:RDF></rdf:RDF>')
    for build, name in ((build_wordnet, "x.xml"), (build_owl, "x.owl")):
        with pytest.raises(InputError, match=r"cannot be decoded \(unknown encoding: UDF-8\)"):
            build(tmp_path / name, tmp_path / "out")


def test_odd_iris_are_read_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from conceptx.ontology import open_ontology

    (tmp_path / "x.ttl").write_text(
        "@prefix r: <http://www.w3.org/2000/01/rdf-schema#> .\n<http://x/a b\u202e> r:subClassOf <http://x/c> .\n"
    )
    with pytest.raises(InputError, match="turns the reading direction"):
        open_ontology(tmp_path / "x.ttl")
    assert capfd.readouterr() == ("", "")
