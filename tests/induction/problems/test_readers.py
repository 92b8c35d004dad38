"""The problem files of three tools: what is read, what is missing, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.induction.individuals.knowledge import load
from conceptx.induction.problems import placed, problem_of_lists, read_problems
from tests.induction.individuals.worlds import FIXTURES


def names(kb, places) -> set[str]:
    return {kb.scenes.individuals[i] for i in places}


def test_dllearner() -> None:
    (problem,) = read_problems(FIXTURES / "father.conf")
    assert problem.bases == (FIXTURES / "family.ttl",)
    assert problem.prefixes == {"ex": "http://example.org/family#"}
    kb = load(*problem.bases)
    examples = placed(problem, kb)
    assert names(kb, examples.positives) == {"adam", "carl"}
    assert names(kb, examples.negatives) == {"berta", "dora", "emil", "fanny"}
    assert "1 of 5 negative examples is not in the knowledge base and left out: 'ex:nobody'" in examples.warnings[0]


def test_ecii() -> None:
    (problem,) = read_problems(FIXTURES / "father.config")
    assert problem.bases == (FIXTURES / "family.ttl",)
    kb = load(*problem.bases)
    examples = placed(problem, kb)
    assert names(kb, examples.positives) == {"adam", "carl"}
    assert names(kb, examples.negatives) == {"berta", "dora", "emil", "fanny"}
    assert examples.warnings == ()


def test_ontolearn() -> None:
    problems = read_problems(FIXTURES / "family.json")
    assert [p.name for p in problems] == ["Father", "Young"]
    assert problems[0].bases == (FIXTURES / "family.ttl",)
    kb = load(*problems[0].bases)
    assert names(kb, placed(problems[1], kb).positives) == {"dora", "emil"}


@pytest.mark.parametrize(
    "document",
    [
        {"Father": {"pos": ["a"], "neg": ["b"]}},
        {"positive_examples": ["a"], "negative_examples": ["b"]},
        {"problems": {"x": {"positive examples": ["a"], "negative examples": ["b"]}}},
        [["Male", {"positive examples": ["a"], "negative examples": ["b"]}]],
        [{"name": "x", "pos": ["a"], "neg": [" b "]}],
    ],
)
def test_forms_of_ontolearn(tmp_path: Path, document) -> None:
    path = tmp_path / "lp.json"
    path.write_text(json.dumps(document))
    (problem,) = read_problems(path)
    assert (problem.positives, problem.negatives, problem.bases) == (("a",), ("b",), ())


def test_the_first_dllearner_form_and_positives_only(tmp_path: Path) -> None:
    path = tmp_path / "old.conf"
    path.write_text('import("father.kb");\nproblem = posOnlyLP;\n/** examples **/\n+stefan\n+"markus"\n- bernd\n')
    (problem,) = read_problems(path)
    assert problem.bases == (tmp_path / "father.kb",)
    assert problem.positives == ("stefan", "markus")
    assert problem.negatives == ("bernd",)
    assert problem.rest_negative


def test_a_class_to_describe(tmp_path: Path) -> None:
    path = tmp_path / "father.conf"
    path.write_text(
        f'prefixes = [ ("ex","http://example.org/family#") ]\nks.fileName = "{FIXTURES / "family.ttl"}"\n'
        'lp.type = "ClassLearningProblem"\nlp.classToDescribe = "ex:Father"\n'
    )
    (problem,) = read_problems(path)
    kb = load(*problem.bases)
    examples = placed(problem, kb)
    assert names(kb, examples.positives) == {"adam", "carl"}
    assert len(examples.negatives) == 4
    assert examples.forbidden == {"Father"}


def test_lists(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("# the good\nadam\n\nhttp://example.org/family#carl\n")
    problem = problem_of_lists(FIXTURES / "family.ttl", str(good), "berta, dora,emil")
    assert problem.positives == ("adam", "http://example.org/family#carl")
    assert problem.negatives == ("berta", "dora", "emil")
    with pytest.raises(InputError, match=r"--positives: 'none\.txt' cannot be opened"):
        problem_of_lists(None, "none.txt", "a")


@pytest.mark.parametrize(
    ("positives", "negatives", "said"),
    [
        ("adam", "adam,dora", "'adam' is both positive and negative"),
        ("nobody", "dora", "there is no positive example that the knowledge base knows"),
        ("adam", " , ", "there is no negative example;"),
    ],
)
def test_sides_that_do_not_work(positives: str, negatives: str, said: str) -> None:
    kb = load(FIXTURES / "family.ttl")
    with pytest.raises(InputError) as caught:
        placed(problem_of_lists(None, positives, negatives), kb)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.conf", 'ks.fileName = "x.owl"', "states no positive examples"),
        ("a.conf", 'lp.positiveExamples = { "a", ', "a.conf:1: the set of examples is not closed"),
        ("a.config", "namespace=http://x.org/#\n", "states no positive examples"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "{}", "holds no lists"),
        ("a.json", '{"pos": "a", "neg": []}', "are not a list of names"),
        ("a.owl", "<rdf:RDF/>", "is a knowledge base, not a learning problem"),
    ],
)
def test_files_that_are_no_problem(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_problems(path)
    assert said in str(caught.value)


def test_comments_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text(
        '/* lp.positiveExamples = { "x" } */\n// lp.negativeExamples = { "y" }\n'
        'lp.positiveExamples = { "http://a.org/#b" } // c\n'
        'lp.negativeExamples = {\n// "out",\n"in" }\n'
    )
    (problem,) = read_problems(path)
    assert problem.positives == ("http://a.org/#b",)
    assert problem.negatives == ("in",)
