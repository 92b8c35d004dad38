"""The problem files of three tools: what is read, what is missing, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.expressions import names as names_in
from conceptx.expressions import roles
from conceptx.induction.individuals.knowledge import load
from conceptx.induction.individuals.solve import solve
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


def test_what_answers_may_mention(tmp_path: Path) -> None:
    def problem(*lines: str):
        path = tmp_path / "p.conf"
        text = [
            "import('x');",
            f'ks.fileName = "{FIXTURES / "family.ttl"}"',
            "+adam",
            "+carl",
            "-dora",
            "-emil",
            *lines,
        ]
        path.write_text("\n".join(text))
        return read_problems(path)[0]

    kb = load(FIXTURES / "family.ttl")
    prefix = 'prefixes = [ ("ex","http://example.org/family#") ]'
    ignored = problem(prefix, 'alg.ignoredConcepts = { "ex:Father" }', 'op.ignoredObjectProperties = {"ex:hasChild"}')
    examples = placed(ignored, kb)
    assert (examples.forbidden, examples.forbidden_roles) == ({"Father"}, {"hasChild"})
    best = solve([ignored])[0].learned.solutions[0]
    assert not {"Father", "hasChild"} & {*names_in(best.expression), *(r.name for r in roles(best.expression))}
    allowed = placed(problem(prefix, 'celoe.allowedConcepts = {"ex:Male"}', 'x.allowedRoles={"ex:age"}'), kb)
    assert allowed.forbidden == {"Person", "Female", "Father", "Childless", 'nickname value "Ace"'}
    assert allowed.forbidden_roles == {"hasChild", "hasParent", "nickname"}
    unknown = placed(problem('refexamples.ignoredConcepts = { "http://x.org/#Nothing_like_it" };'), kb)
    assert unknown.forbidden == set()
    assert "the knowledge base has no class 'http://x.org/#Nothing_like_it'" in unknown.warnings[-1]


def test_old_files_may_have_old_encodings_in_comments(tmp_path: Path) -> None:
    path = tmp_path / "old.conf"
    path.write_bytes('/* Müller */\n+test("http://e.org/#a").\n-test("http://e.org/#b"). // für\n'.encode("latin-1"))
    (problem,) = read_problems(path)
    assert (problem.positives, problem.negatives) == (("http://e.org/#a",), ("http://e.org/#b",))
    path.write_bytes('lp.type = "x"\n+"Müller"\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"old\.conf:2: is not UTF-8"):
        read_problems(path)


def test_an_undeclared_prefix_does_not_count() -> None:
    kb = load(FIXTURES / "family.ttl")
    assert kb.place("kb:adam") == kb.place("adam") == kb.place(" kb: adam ")
    assert kb.place("kb:adam", {"kb": "http://other.org/"}) is None


def test_a_knowledge_base_on_the_network_may_lie_beside(tmp_path: Path) -> None:
    path = tmp_path / "p.conf"
    path.write_text('ks.url = "http://example.org/kb/family.ttl"\n+adam\n-dora\n')
    assert read_problems(path)[0].bases == ()
    with pytest.raises(InputError, match="names no knowledge base"):
        solve(read_problems(path))
    (tmp_path / "family.ttl").write_bytes((FIXTURES / "family.ttl").read_bytes())
    assert read_problems(path)[0].bases == (tmp_path / "family.ttl",)
