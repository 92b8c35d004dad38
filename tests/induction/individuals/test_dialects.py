"""Expressions as other tools print them, and individuals and values that the knowledge base does not name."""

from __future__ import annotations

import numpy as np
import pytest

from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.induction.individuals.dialects import rewrite
from conceptx.induction.individuals.knowledge import load
from conceptx.induction.individuals.scoring import read_expression, score
from tests.induction.individuals.worlds import FIXTURES

KB = load(FIXTURES / "family.ttl")
F = "http://example.org/family#"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Thing", "owl:Thing"),
        ("hasChild some Nothing", "hasChild some owl:Nothing"),
        ("<http://www.w3.org/2002/07/owl#Thing>", "owl:Thing"),
        ("(Male AND EXISTS hasChild.TOP)", "Male and hasChild some owl:Thing"),
        ("ALL hasChild.BOTTOM", "hasChild only owl:Nothing"),
        (">= 2 hasChild.Male", "hasChild min 2 Male"),
        ("Male ⊓ (≤ 1 hasChild.⊤)", "Male and hasChild max 1 owl:Thing"),
        ("= 1 hasChild.(¬Male)", "hasChild exactly 1 (not Male)"),
        ("hasChild⁻ some Male", "inverse hasChild some Male"),
        (f"inverse(<{F}hasChild>) only (ex:Male)", "inverse hasChild only Male"),
        ("∃ hasChild⁻.Male", "inverse hasChild some Male"),
        ("∃ age.xsd:integer[≥ 30]", "age some xsd:double[>= 30.0]"),
        ("∃ age.[< 30]", "age some xsd:double[< 30.0]"),
        ('age some double[<= "30.5"^^xsd:double]', "age some xsd:double[<= 30.5]"),
        (
            '(age some xsd:nonNegativeInteger[> "30"^^<http://www.w3.org/2001/XMLSchema#int>])',
            "age some xsd:double[> 30.0]",
        ),
        ('age value "31"^^xsd:integer', "age some xsd:double[= 31.0]"),
        ("hasChild value emil", "hasChild some '{emil}'"),
        ("inverse hasChild value ex:adam", "inverse hasChild some '{adam}'"),
        (f"∃ hasChild.{{<{F}emil>}}", "hasChild some '{emil}'"),
        ("{emil, adam}", "'{emil}' or '{adam}'"),
        ("hasChild some {emil ⊔ 'dora'}", "hasChild some ('{emil}' or '{dora}')"),
        ('nickname hasValue "none"', "'nickname value \"none\"'"),
        ("'Male' and not :Female", "Male and not Female"),
    ],
)
def test_what_other_tools_print_is_read(text: str, meant: str) -> None:
    found = read_expression(text, KB, "here", {"ex": F, "": F})
    assert to_manchester(found) == meant
    assert read_expression(meant, KB, "here") == found


def test_individuals_and_values_that_no_class_stands_for() -> None:
    def held(text: str) -> set[str]:
        return {KB.scenes.individuals[i] for i in np.flatnonzero(KB.holds(read_expression(text, KB, "here")))}

    assert held("hasChild value emil") == {"carl", "fanny"}
    assert held("not {emil, adam}") == {"berta", "carl", "dora", "fanny"}
    assert held('nickname value "none"') == set()
    assert held('not (nickname value "Ace")') == {"adam", "berta", "dora", "fanny"}
    given = [read_expression(text, KB, "here") for text in ("{adam}", 'nickname value "none"', 'nickname value "Ace"')]
    learned, order = score(KB, [KB.place("adam")], [KB.place("carl")], given, "f1")
    assert [order, [s.length for s in learned.solutions], learned.solutions[0].f1] == [[0, 1, 2], [1, 3, 3], 1.0]


@pytest.mark.parametrize(
    ("text", "said", "caret"),
    [
        (f"<{F}Male> and (<{F}Female> and and Male)", "a name is expected here", 77),
        ("EXISTS hasChild.(TOP and", "a name is missing at the end", 24),
        ("Male and {emil, }", "'{' cannot stand here", 9),
        ("Male and 'Fem", '"\'" cannot stand here', 9),
        ("age some xsd:integer", "[ is missing", 20),
        ("hasChild value nobody", "has no individual 'nobody'", None),
        ("ex:Femal", "has no class 'Femal'; did you mean 'Female'", None),
    ],
)
def test_a_mistake_is_shown_where_the_file_has_it(text: str, said: str, caret: int | None) -> None:
    with pytest.raises(InputError) as caught:
        read_expression(text, KB, "s.txt:7")
    assert said in str(caught.value)
    if caret is not None:
        assert caught.value.where == f"s.txt:7, column {caret + 1}"
        shown, mark = str(caught.value).splitlines()[1:]
        first = max(0, caret - 60)
        assert (shown[2:], mark.index("^") - 2) == (text[first : first + 120], caret - first)


def test_a_bomb_of_quotes_is_read_once() -> None:
    for text in ("'" + "\\'" * 100_000, 'age value "' + "\\\\" * 100_000, "{" * 100_000, "age value " * 20_000):
        assert len(rewrite(text, KB).text) <= 2 * len(text)
