"""Printing, reading and normalising, against round trips and a tiny model checked by brute force."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.expressions import (
    CONTAINS,
    MAX_DEPTH,
    NOTHING,
    THING,
    And,
    Count,
    Expression,
    Named,
    Not,
    Nothing,
    Only,
    Or,
    Role,
    Some,
    Thing,
    Value,
    contains,
    length,
    names,
    normalise,
    parse,
    to_dl,
    to_manchester,
    walk,
)
from tests.expressions.strategies import expressions

A, B, C = Named("A"), Named("B"), Named("C")
DOMAIN = range(4)


def extension(expression: Expression, model: dict[str, frozenset[object]]) -> frozenset[int]:
    """The individuals of an expression in a finite model, straight from the textbook."""
    everything = frozenset(DOMAIN)

    def successors(role: Role, x: int) -> set[int]:
        pairs = model[role.name]
        return {b for a, b in pairs if a == x} if not role.inverse else {a for a, b in pairs if b == x}

    match expression:
        case Named(name):
            return model[name]
        case Thing():
            return everything
        case Nothing():
            return frozenset()
        case And(operands):
            return frozenset.intersection(*(extension(o, model) for o in operands))
        case Or(operands):
            return frozenset.union(*(extension(o, model) for o in operands))
        case Not(operand):
            return everything - extension(operand, model)
        case Some(role, filler):
            inner = extension(filler, model)
            return frozenset(x for x in everything if successors(role, x) & inner)
        case Only(role, filler):
            inner = extension(filler, model)
            return frozenset(x for x in everything if successors(role, x) <= inner)
        case Count(kind, n, role, filler):
            inner = extension(filler, model)
            counts = {x: len(successors(role, x) & inner) for x in everything}
            holds = {"min": lambda c: c >= n, "max": lambda c: c <= n, "exactly": lambda c: c == n}[kind]
            return frozenset(x for x in everything if holds(counts[x]))
        case Value(name, comparison, number):
            compare = {
                ">=": lambda v: v >= number,
                "<=": lambda v: v <= number,
                ">": lambda v: v > number,
                "<": lambda v: v < number,
                "=": lambda v: v == number,
            }[comparison]
            return frozenset(x for x, v in model[name] if compare(v))


@st.composite
def models(draw: st.DrawFn) -> dict[str, frozenset[object]]:
    individuals = st.frozensets(st.sampled_from(list(DOMAIN)))
    pairs = st.frozensets(st.sampled_from(list(product(DOMAIN, DOMAIN))))
    values = st.frozensets(st.tuples(st.sampled_from(list(DOMAIN)), st.floats(-2, 2)))
    model: dict[str, frozenset[object]] = {n: draw(individuals) for n in ("A", "B", "C")}
    model |= {n: draw(pairs) for n in ("contains", "on", "has colour")}
    model |= {n: draw(values) for n in ("hasArea", "has size")}
    return model


@given(expressions())
def test_manchester_syntax_reads_back_as_it_was_printed(expression: Expression) -> None:
    assert to_manchester(parse(to_manchester(expression))) == to_manchester(expression)
    assert normalise(parse(to_manchester(expression))) == normalise(expression)


@given(expressions())
def test_description_logic_syntax_reads_back_as_it_was_printed(expression: Expression) -> None:
    assert to_dl(parse(to_dl(expression))) == to_dl(expression)
    assert normalise(parse(to_dl(expression))) == normalise(expression)


@settings(max_examples=150)
@given(expressions(st.sampled_from(["A", "B", "C"])), models())
def test_the_normal_form_means_the_same(expression: Expression, model: dict[str, frozenset[object]]) -> None:
    normal = normalise(expression)
    assert extension(normal, model) == extension(expression, model)
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not not A", "A"),
        ("A and A", "A"),
        ("A and (A or B)", "A"),
        ("A or (A and B)", "A"),
        ("B and A", "A and B"),
        ("A and not A", "owl:Nothing"),
        ("A or not A", "owl:Thing"),
        ("(A and B) and C", "A and B and C"),
        ("A and owl:Thing", "A"),
        ("contains min 1 A", "contains some A"),
        ("contains max 0 A", "not (contains some A)"),
        ("contains some (B or A)", "contains some (A or B)"),
        ("not (contains some A) and contains some B", "contains some B and not (contains some A)"),
        ("(A or B) and (A or B or C)", "A or B"),
    ],
)
def test_equal_forms_come_together(text: str, expected: str) -> None:
    assert to_manchester(normalise(parse(text))) == expected


def test_the_design_example_prints_exactly_as_written() -> None:
    text = "contains some Bed and contains some (Lamp or Candle) and not (contains some Toilet)"
    assert to_manchester(parse(text)) == text
    assert to_dl(parse(text)) == "∃contains.Bed ⊓ ∃contains.(Lamp ⊔ Candle) ⊓ ¬(∃contains.Toilet)"
    assert length(parse(text)) == 4
    assert names(parse(text)) == ("Bed", "Lamp", "Candle", "Toilet")


def test_length_counts_every_mention() -> None:
    assert length(And((A, Or((A, B))))) == 3
    assert length(contains(And((A, Not(B))))) == 2
    assert length(THING) == length(NOTHING) == 1


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("", 1, "the expression is empty"),
        ("contains some", 14, "a name is missing at the end"),
        ("A and and B", 7, "a name is expected here, not 'and'"),
        ("(A", 3, ") is missing"),
        ("A $ B", 3, "'$' cannot stand here"),
        ("contains min x A", 14, "a whole number is expected here"),
        ("A B", 3, "'B' cannot stand here"),
        ("hasArea some xsd:double[>= big]", 28, "a number is expected here"),
        ("'open", 1, '"\'" cannot stand here'),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, column: int, what: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.where == f"expression, column {column}"
    assert caught.value.what == what
    assert str(caught.value).splitlines()[-1].index("^") == column + 1


DEEP = {
    "parentheses": ("(", ")"),
    "negations": ("not ", ""),
    "negations in parentheses": ("not (", ")"),
    "roles": ("contains some (A and ", ")"),
    "inverse roles": ("inverse on some (", ")"),
    "counts": ("contains min 2 (", ")"),
    "roles in description logic": ("∃contains.(", ")"),
    "conjunctions": ("(A and ", ")"),
}


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("levels", [50, 10_000])
def test_a_deep_expression_is_exact_or_one_clear_sentence(shape: str, levels: int) -> None:
    before, after = DEEP[shape]
    text = before * levels + "B" + after * levels
    try:
        read = parse(text)
    except InputError as error:
        assert levels == 10_000 and error.what == f"the expression is nested more than {MAX_DEPTH} deep"
        return
    assert levels == 50 or shape == "parentheses"
    again = pickle.loads(pickle.dumps(read))
    assert again == read and hash(again) == hash(read)
    assert parse(to_manchester(read)) == read and parse(to_dl(read)) == read
    assert normalise(normalise(read)) == normalise(read)
    assert len(list(walk(read))) >= length(read) >= 1 and str(read) == str(again)


def test_an_open_parenthesis_is_missed_however_many_there_are() -> None:
    with pytest.raises(InputError, match="\\) is missing"):
        parse("(" * 100_000 + "A")


@pytest.mark.parametrize(
    "make", [Not, lambda e: And((e, A)), lambda e: Or((A, e)), contains, lambda e: Count("max", 1, CONTAINS, e)]
)
def test_no_expression_is_made_that_a_walk_could_not_finish(make: Callable[[Expression], Expression]) -> None:
    deep: Expression = B
    for _ in range(MAX_DEPTH):
        deep = make(deep)
    with pytest.raises(InputError, match=f"nested more than {MAX_DEPTH} deep"):
        make(deep)
    assert hash(deep) == hash(pickle.loads(pickle.dumps(deep)))
    assert isinstance(normalise(deep), Expression)
    assert parse(to_manchester(deep)) == deep


def test_a_wide_expression_is_no_deep_one() -> None:
    names_ = [Named(f"N{i}") for i in range(500)]
    wide = parse(" or ".join(e.name for e in names_))
    assert wide == Or(tuple(names_)) and normalise(wide) == Or(tuple(sorted(names_, key=lambda e: e.name)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hasArea value 0.5", Value("hasArea", "=", 0.5)),
        ("hasArea some xsd:double[>= 1]", Value("hasArea", ">=", 1.0)),
        ("inverse on some A", Some(Role("on", True), A)),
        ("inverse (on) min 2", Count("min", 2, Role("on", True), THING)),
        ("∃on⁻.A", Some(Role("on", True), A)),
        ("≥2 on.(A ⊓ ¬B)", Count("min", 2, Role("on"), And((A, Not(B))))),
        ("not contains some A and B", And((Not(contains(A)), B))),
        ("contains some not A", contains(Not(A))),
        ("contains some on some A", contains(Some(Role("on"), A))),
    ],
)
def test_reads_every_form(text: str, expected: Expression) -> None:
    assert parse(text) == expected


def test_equal_expressions_print_alike() -> None:
    one, other = Value("hasArea", ">=", 1), Value("hasArea", ">=", 1.0)
    assert one == other and to_manchester(one) == to_manchester(other) == "hasArea some xsd:double[>= 1.0]"
    assert to_manchester(Value("w", "=", -0.0)) == to_manchester(Value("w", "=", 0.0)) == "w some xsd:double[= 0.0]"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Value("w", ">=", math.nan), "nan is not a finite number"),
        (lambda: Count("min", -1, CONTAINS, A), "-1 is not a number of things"),
        (lambda: parse("w some xsd:double[>= 1e999]"), "the number is too large"),
        (lambda: parse("contains min 9999999999999999999999 A"), "the number is too large"),
        (lambda: parse("A)"), r"'\)' cannot stand here"),
        (lambda: parse("contains some A or"), "a name is missing at the end"),
    ],
)
def test_what_cannot_be_meant_is_an_error(make: Callable[[], Expression], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_junction_of_one_operand_is_that_operand() -> None:
    """Other programs make such junctions; OWL has none, and both syntaxes read them back as the operand."""
    inner = Or((Named("A"), Named("B")))
    for one in (And((inner,)), Or((And((inner,)),))):
        assert to_manchester(one) == "A or B"
        assert to_dl(Not(one)) == "¬(A ⊔ B)"
        assert parse(to_manchester(And((one, Named("C"))))) == And((inner, Named("C")))
