"""Scores of given expressions, against plain sets and with every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.annotation.evaluate import holds
from conceptx.errors import InputError
from conceptx.expressions import And, Count, Not, Only, Or, Role, Some, Value, parse, to_dl, to_manchester
from conceptx.induction.individuals.knowledge import KnowledgeBase, load
from conceptx.induction.individuals.lengths import symbols
from conceptx.induction.individuals.scoring import read_expression, read_expressions, score
from tests.expressions.strategies import expressions
from tests.induction.individuals.worlds import FIXTURES, meaning, random_base

BASE = random_base(4, 9, numbers=True)


def over_base(expression):
    """Put the roles and numbers of the knowledge base in the place of those that were drawn."""
    match expression:
        case And(parts) | Or(parts):
            return type(expression)(tuple(over_base(p) for p in parts))
        case Not(inner):
            return Not(over_base(inner))
        case Some(role, inner) | Only(role, inner):
            return type(expression)(Role("rs"[len(role.name) % 2], role.inverse), over_base(inner))
        case Count(kind, n, role, inner):
            return Count(kind, n, Role("rs"[len(role.name) % 2], role.inverse), over_base(inner))
        case Value(_, sign, number):
            return Value("size", sign, float(int(number) % 4))
        case _:
            return expression


@settings(max_examples=200, deadline=None)
@given(expressions(st.sampled_from(["A", "B", "C"])).map(over_base))
def test_counts_are_those_of_plain_sets(expression) -> None:
    extent = meaning(expression, BASE)
    assert {i for i, held in enumerate(holds(expression, BASE.scenes)) if held} == extent
    positives, negatives = [0, 2, 4, 6], [1, 3, 5]
    learned, order = score(BASE, positives, negatives, [expression], "f1")
    counts = learned.solutions[0].counts
    assert order == [0]
    assert counts == (len(extent & {0, 2, 4, 6}), len(extent & {1, 3, 5}), 4 - counts.tp, 3 - counts.fp)
    for text in (to_manchester(expression), to_dl(expression)):
        assert read_expression(text, BASE, "here") == parse(text) == expression


def family() -> KnowledgeBase:
    return load(FIXTURES / "family.ttl")


def scores_file(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "scores.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_ranks_lines_and_twins(tmp_path: Path) -> None:
    kb = family()
    path = scores_file(tmp_path, "Male", "# a remark", "", "∃hasChild.⊤ ⊓ Male", "Father", "not Male")
    given_ = read_expressions(path, kb)
    assert [line for line, _ in given_] == [1, 4, 5, 6]
    side = [kb.place(name) for name in ("adam", "carl")], [kb.place(n) for n in ("berta", "dora", "emil", "fanny")]
    learned, order = score(kb, *side, [x for _, x in given_], "f1")
    assert [given_[i][0] for i in order] == [5, 4, 1, 6]
    assert [s.f1 for s in learned.solutions] == [1.0, 1.0, 0.8, 0.0]
    assert learned.solutions[0].twins == (learned.solutions[1].expression,)
    assert [s.length for s in learned.solutions] == [1, 5, 1, 2]


def test_iris_prefixes_and_values_are_understood() -> None:
    kb = family()
    same = parse("Male and hasChild some Female and 'nickname value \"Ace\"'")
    text = '<http://example.org/family#Male> and ex:hasChild some :Female and nickname value "Ace"'
    assert read_expression(text, kb, "here", {"ex": "http://example.org/family#"}) == same
    assert read_expression("age value 31", kb, "here") == Value("age", "=", 31.0)
    assert symbols(same, kb.names.values) == 1 + 1 + 3 + 1 + 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Male and", "scores.txt:7, column 9: a name is missing at the end"),
        ("Male and Femal", "scores.txt:7: the knowledge base has no class 'Femal'; did you mean 'Female'"),
        ("hasChld some Male", "scores.txt:7: the knowledge base has no role 'hasChld'; did you mean 'hasChild'"),
        ("hight some xsd:double[> 1]", "scores.txt:7: the knowledge base has no data property with numbers 'hight'"),
        ("not " * 5000 + "Male", "scores.txt:7, column"),
        ("hasChild some [", "scores.txt:7, column 15"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = scores_file(tmp_path, *["Male"] * 6, line)
    with pytest.raises(InputError) as caught:
        read_expressions(path, family())
    assert said in str(caught.value)
    if "column" in said:
        assert str(caught.value).splitlines()[-1].strip() == "^"


def test_fifty_deep_is_read_and_scored(tmp_path: Path) -> None:
    kb = family()
    deep = "hasChild some (" * 50 + "Male" + ")" * 50
    ((_, expression),) = read_expressions(scores_file(tmp_path, deep), kb)
    assert meaning(expression, kb) == set()


def test_empty_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no expressions"):
        read_expressions(scores_file(tmp_path, "# nothing"), family())
    with pytest.raises(InputError, match="cannot be opened"):
        read_expressions(tmp_path / "none.txt", family())


def test_a_line_without_end_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("Female\n" + "Male and " * 50_000 + "Male\n")
    with pytest.raises(InputError, match=r"s\.txt:2: the line has 450,004 characters; 262,144 are allowed"):
        read_expressions(tmp_path / "s.txt", load(FIXTURES / "family.ttl"))
    with pytest.raises(InputError, match="it has 450,004 characters"):
        parse("Male and " * 50_000 + "Male")
