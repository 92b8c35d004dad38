"""``conceptx learn``: what it prints, and one sentence for every mistake."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from conceptx.cli.learn import learn
from conceptx.errors import InputError

FIXTURES = Path(__file__).resolve().parents[1] / "data" / "fixtures" / "learn"
SHARED = os.environ.get("CONCEPTX_SHARED_DATA")
ROW = {
    "rank",
    "expression",
    "length",
    "tp",
    "fp",
    "fn",
    "tn",
    "coverage",
    "f1",
    "precision",
    "recall",
    "optimal",
    "twins",
}


def run(*arguments: object) -> str:
    result = CliRunner().invoke(learn, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*arguments: object):
    return json.loads(run(*arguments, "--json"))


@pytest.mark.parametrize("name", ["father.conf", "father.config"])
def test_json(name: str) -> None:
    found = document(FIXTURES / name, "--top", 3)
    assert found["problem"] == "father"
    assert (found["positives"], found["negatives"]) == (2, 4)
    assert found["seconds"] > 0
    assert [row["rank"] for row in found["solutions"]] == [1, 2, 3]
    first = found["solutions"][0]
    assert set(first) == ROW
    assert (first["expression"], first["length"], first["f1"], first["optimal"]) == ("Father", 1, 1.0, True)
    assert (first["tp"], first["fp"], first["fn"], first["tn"]) == (2, 0, 0, 4)


def test_many_problems_are_a_list_and_one_can_be_chosen() -> None:
    found = document(FIXTURES / "family.json")
    assert [one["problem"] for one in found] == ["Father", "Young"]
    assert found[1]["solutions"][0]["f1"] == 1.0
    assert document(FIXTURES / "family.json", "--only", "Young")["problem"] == "Young"


def test_lists_and_a_table() -> None:
    kb = FIXTURES / "family.ttl"
    text = run("--kb", kb, "--positives", "adam,carl", "--negatives", "berta,dora,emil,fanny")
    assert "Father" in text
    assert "1.000" in text
    assert "proven" in text
    assert run("--kb", kb, "--positives", "adam", "--negatives", "dora", "--quiet") == ""


def test_score(tmp_path: Path) -> None:
    path = tmp_path / "scores.txt"
    path.write_text("Male\n∃hasChild.⊤ ⊓ Male\n")
    found = document(FIXTURES / "father.conf", "--score", path, "--objective", "coverage")
    assert [(row["line"], row["expression"]) for row in found["solutions"]] == [
        (2, "hasChild some owl:Thing and Male"),
        (1, "Male"),
    ]
    assert found["solutions"][1]["coverage"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "request: no learning problem is given"),
        ((FIXTURES / "father.conf", "--positives", "a"), "request: a problem file and lists of examples are given"),
        (("none.conf",), "none.conf: cannot be opened"),
        ((FIXTURES / "father.conf", "--kb", "none.owl"), "the knowledge base 'none.owl' does not exist"),
        ((FIXTURES / "family.json", "--only", "Fathr"), "there is no problem 'Fathr'; did you mean 'Father'"),
        (("--positives", "a", "--negatives", "b"), "names no knowledge base; give one with --kb"),
        ((FIXTURES / "father.conf", "--objective", "accuracy"), "'accuracy' is no objective"),
        ((FIXTURES / "father.conf", "--score", "none.txt"), "none.txt: cannot be opened"),
        ((FIXTURES / "father.conf", "--seconds", "0"), "--seconds: 0.0 is no time to search"),
    ],
)
def test_one_sentence_for_a_wrong_request(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(learn, [str(a) for a in arguments], catch_exceptions=False)
    assert caught.value.exit_code == 2
    assert said in str(caught.value)


@pytest.mark.skipif(not SHARED, reason="no shared data")
def test_published_problems_are_solved() -> None:
    owl = Path(str(SHARED)) / "owl"
    files = [*(owl / "family-benchmark").glob("*.conf"), *owl.glob("arch/*.conf"), *owl.glob("trains/*.conf")]
    for path in sorted([*files, *owl.glob("datatypes/*.conf")]):
        assert document(path, "--top", 1)["solutions"][0]["coverage"] == 1.0, path
    base = owl / "ontolearn-family"
    kb = base / "family-benchmark_rich_background.owl"
    found = {one["problem"]: one["solutions"][0] for one in document(base / "lp_family.json", "--kb", kb)}
    assert len(found) == 18
    assert all(row["f1"] == 1.0 for row in found.values())
    assert found["Uncle"]["length"] <= 11
    assert found["Cousin"]["length"] <= 13
