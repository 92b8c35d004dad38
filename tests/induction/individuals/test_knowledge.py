"""Reading knowledge bases: what is concluded, how things are named, what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from conceptx.annotation.evaluate import holds
from conceptx.errors import InputError
from conceptx.expressions import parse
from conceptx.induction.individuals.knowledge import KnowledgeBase, load
from tests.induction.individuals.worlds import FIXTURES

HEAD = """@prefix : <http://example.org/x#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""


def read(tmp_path: Path, text: str) -> KnowledgeBase:
    path = tmp_path / "base.ttl"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path)


def members(kb: KnowledgeBase, text: str) -> set[str]:
    return {kb.scenes.individuals[i] for i in np.flatnonzero(holds(parse(text), kb.scenes))}


def pairs(kb: KnowledgeBase, role: str) -> set[tuple[str, str]]:
    a, b = kb.scenes.roles[role]
    return {(kb.scenes.individuals[x], kb.scenes.individuals[y]) for x, y in zip(a, b, strict=True)}


def test_the_family_is_complete() -> None:
    kb = load(FIXTURES / "family.ttl")
    assert members(kb, "Father") == {"adam", "carl"}
    assert members(kb, "Childless") == {"dora", "emil"}
    assert members(kb, "Person") == {"adam", "berta", "carl", "dora", "emil", "fanny"}
    assert pairs(kb, "hasParent") == {(b, a) for a, b in pairs(kb, "hasChild")}
    assert members(kb, "age some xsd:double[>= 31]") == {"adam", "berta", "carl"}
    assert members(kb, "'nickname value \"Ace\"'") == {"carl", "emil"}
    assert kb.notes == ()


def test_superclasses_equivalence_domains_and_ranges(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:A rdfs:subClassOf :B . :B owl:equivalentClass :C . :r rdfs:domain :D ; rdfs:range :E .
        :r a owl:ObjectProperty . :a a :A . :c a :C . :x :r :y .""",
    )
    assert members(kb, "B") == members(kb, "C") == {"a", "c"}
    assert members(kb, "D") == {"x"}
    assert members(kb, "E") == {"y"}


def test_roles_are_closed(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:s a owl:ObjectProperty , owl:SymmetricProperty . :t a owl:ObjectProperty , owl:TransitiveProperty .
        :sub rdfs:subPropertyOf :t . :u owl:inverseOf :sub . :uncle owl:propertyChainAxiom ( :t :s ) .
        :a :s :b . :a :sub :b . :b :sub :c .""",
    )
    assert pairs(kb, "s") == {("a", "b"), ("b", "a")}
    assert pairs(kb, "t") == {("a", "b"), ("b", "c"), ("a", "c")}
    assert pairs(kb, "u") == {("b", "a"), ("c", "b")}
    assert pairs(kb, "uncle") == {("a", "a")}


def test_circles_of_roles_and_of_classes_end(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:r rdfs:subPropertyOf :s . :s rdfs:subPropertyOf :r . :t a owl:TransitiveProperty .
        :A rdfs:subClassOf :B . :B rdfs:subClassOf :A . :a a :A ; :r :b . :b :r :a ; :t :b .
        :D owl:equivalentClass [ owl:intersectionOf ( :A [ owl:complementOf :E ] ) ] .
        :E owl:equivalentClass [ owl:intersectionOf ( :A [ owl:complementOf :D ] ) ] .""",
    )
    assert pairs(kb, "s") == pairs(kb, "r") == {("a", "b"), ("b", "a")}
    assert members(kb, "B") == {"a"}
    assert members(kb, "D or E") == {"a"}


def test_an_unsatisfiable_class_has_no_members(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:A a owl:Class . :N a owl:Class ; rdfs:subClassOf :A , [ a owl:Class ; owl:complementOf :A ] .
        :M owl:equivalentClass owl:Nothing . :a a :A .""",
    )
    assert members(kb, "N") == members(kb, "M") == set()


def test_what_follows_for_others(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:C rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ; owl:allValuesFrom :D ] ,
             [ a owl:Restriction ; owl:onProperty :likes ; owl:hasValue :z ] .
        :r a owl:ObjectProperty . :likes a owl:ObjectProperty . :c a :C ; :r :d .
        :One owl:equivalentClass [ a owl:Class ; owl:oneOf ( :d :z ) ] .
        :d owl:sameAs :delta . :delta a :F .""",
    )
    assert members(kb, "D") == {"d"}
    assert pairs(kb, "likes") == {("c", "z")}
    assert members(kb, "One") == {"d", "z"}
    assert members(kb, "F") == {"d"}
    assert kb.place("http://example.org/x#delta") == kb.place("delta") == kb.place("d")


def test_a_definition_by_what_something_is_not_gives_no_members(tmp_path: Path) -> None:
    kb = read(
        tmp_path, ":M owl:equivalentClass [ a owl:Class ; owl:complementOf :F ] . :F a owl:Class . :a a :F . :b a :M ."
    )
    assert members(kb, "M") == {"b"}
    assert "without a positive part" in kb.notes[0]


def test_values_of_all_kinds(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:w a owl:DatatypeProperty . :flag a owl:DatatypeProperty . :name rdfs:range xsd:string .
        :name a owl:DatatypeProperty . :a :w 1.5 ; :flag true ; :name "12" . :b :w 3 ; :flag false ; :name "x y" .
        :Heavy owl:equivalentClass [ a owl:Restriction ; owl:onProperty :w ; owl:someValuesFrom
          [ a rdfs:Datatype ; owl:onDatatype xsd:double ; owl:withRestrictions ( [ xsd:minExclusive 2.0 ] ) ] ] .""",
    )
    assert kb.scenes.numbers["w"][1].tolist() == [1.5, 3.0]
    assert members(kb, "'flag value true'") == {"a"}
    assert members(kb, "'name value \"12\"'") == {"a"}
    assert members(kb, "Heavy") == {"b"}


def test_a_kb_file_says_the_same() -> None:
    kb = load(FIXTURES / "blocks.kb")
    assert members(kb, "block") == {"a", "b", "d"}
    assert members(kb, "free") == {"d"}
    assert members(kb, "tower") == set()
    assert members(kb, "'thing'") == {"a", "b", "d"}
    assert pairs(kb, "under") == {("b", "a"), ("c", "a"), ("a", "d"), ("t", "b")}
    assert members(kb, "weight some xsd:double[> 2]") == {"b"}
    assert kb.place("http://localhost/foo#a") == kb.place("a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("block(a)\n\nblock(b).", "x.kb:3: '.' is expected here, not 'block'"),
        ("block(a).\nblock(", "x.kb:2: a name is missing at the end"),
        ("a = %", "x.kb:1: '%' cannot stand here"),
        ("(A AND B", "x.kb:1: ')' is missing"),
    ],
)
def test_a_mistake_in_a_kb_file_names_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.kb"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert said in str(caught.value)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.kb"
    path.write_text("a = " + "NOT " * 5000 + "b.")
    with pytest.raises(InputError, match="nested more than 96 deep"):
        load(path)


def test_no_file_and_no_individuals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such knowledge base"):
        load(tmp_path / "none.owl")
    with pytest.raises(InputError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(InputError, match="holds no individuals"):
        read(tmp_path, ":A a owl:Class .")


def test_names_that_are_not_unique_keep_their_prefix(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        "@prefix one: <http://one.org/> . @prefix two: <http://two.org/> . one:A a owl:Class . two:A a owl:Class ."
        " one:x a one:A . two:x a two:A .",
    )
    assert set(kb.names.classes.values()) == {"one_A", "two_A"}
    assert kb.place("http://two.org/x") != kb.place("one:x")
    assert kb.place(" <http://two.org/x> ") == kb.place("two: x")


def test_imports_are_not_fetched_but_noted(tmp_path: Path) -> None:
    kb = read(tmp_path, "<http://example.org/x> a owl:Ontology ; owl:imports <http://example.org/y> . :a a :A .")
    assert kb.notes == ("imports http://example.org/y, which was not fetched",)


def test_two_files_make_one_base(tmp_path: Path) -> None:
    more = tmp_path / "more.nt"
    family = "http://example.org/family#"
    more.write_text(f"<{family}gus> <{family}hasChild> <{family}adam> .\n")
    kb = load(FIXTURES / "family.ttl", more)
    assert members(kb, "Person and hasChild some Father") == {"gus", "adam", "berta"}


def test_a_definition_that_is_not_read_defines_nothing(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:A a owl:Class ; owl:equivalentClass [ owl:intersectionOff ( :B :C ) ] . :B a owl:Class . :C a owl:Class .
        :a a :A . :b a :B .""",
    )
    assert (members(kb, "A"), members(kb, "B")) == ({"a"}, {"b"})


def test_a_value_that_is_cut_off_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.kb").write_text("size(a, 1.5).\nsize(b,")
    with pytest.raises(InputError, match=r"x\.kb:2: a name is missing at the end"):
        load(tmp_path / "x.kb")


def test_data_properties_are_closed_too(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:age a owl:DatatypeProperty ; rdfs:domain :Person . :years rdfs:subPropertyOf :age ; a owl:DatatypeProperty .
        :dye a owl:DatatypeProperty ; rdfs:subPropertyOf :colour ; rdfs:domain :Dyed . :colour a owl:DatatypeProperty .
        :Ten rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :years ; owl:hasValue 10 ] .
        :Red rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :dye ; owl:hasValue "red" ] .
        :All owl:disjointUnionOf ( :Ten :Red ) . :a :age 3 . :b :years 4 . :c a :Ten . :d a :Red . :e :dye "blue" .""",
    )
    assert members(kb, "Person") == {"a", "b", "c"}
    assert members(kb, "age some xsd:double[>= 4]") == {"b", "c"}
    assert members(kb, "years some xsd:double[= 10]") == {"c"}
    assert members(kb, "'colour value \"red\"'") == {"d"}
    assert members(kb, "Dyed") == {"d", "e"}
    assert members(kb, "All") == {"c", "d"}
    assert kb.notes == ()


def test_a_contradiction_is_said(tmp_path: Path) -> None:
    text = ":A owl:disjointWith :B . :a a :A , :B . :U rdfs:subClassOf owl:Nothing , :A . :u a :U . :b a :B ."
    assert read(tmp_path, text).notes == (
        "the knowledge base contradicts itself: 'a' is of A and of B, which are disjoint",
        "the knowledge base contradicts itself: 'u' is of U, which has no members",
    )
    assert read(tmp_path, ":U rdfs:subClassOf owl:Nothing . :a a :A . [] a owl:AllDisjointClasses .").notes == ()


def test_expressions_that_are_too_deep_or_too_wide_are_left_out(tmp_path: Path) -> None:
    shared = "".join(f"_:n{i} owl:intersectionOf ( _:n{i + 1} _:n{i + 1} ) .\n" for i in range(60))
    deep = "".join(f"_:d{i} owl:complementOf _:d{i + 1} .\n" for i in range(5000))
    kb = read(
        tmp_path,
        f":A owl:equivalentClass _:n0 , _:d0 . {shared} _:n60 owl:complementOf :B . {deep} "
        "_:d5000 owl:complementOf :B . :a a :A . :b a :B .",
    )
    assert members(kb, "A") == {"a"}
    assert {note for note in kb.notes if "left out" in note} == {
        "a class expression nested more than 96 deep was left out",
        "a class expression of more than 20,000 parts was left out",
    }


def test_what_is_stated_of_what_something_is_not_counts(tmp_path: Path) -> None:
    kb = read(
        tmp_path,
        """:Free owl:equivalentClass [ owl:complementOf :Forced ] . :Red owl:disjointWith :Forced .
        :Pushed rdfs:subClassOf :Moved . :Odd owl:equivalentClass [ owl:complementOf :Red ] .
        :Still owl:equivalentClass
            [ owl:intersectionOf ( [ owl:complementOf :Pushed ] [ owl:complementOf :Forced ] ) ] .
        :Guilty owl:equivalentClass [ owl:intersectionOf ( :Agent :Free ) ] .
        :a a :Agent , [ owl:complementOf :Forced ] , [ owl:complementOf :Moved ] .
        :b a :Agent . :c a :Agent , :Red .""",
    )
    assert members(kb, "Free") == {"a", "c"}
    assert members(kb, "Still") == {"a"}
    assert members(kb, "Guilty") == {"a", "c"}
    assert members(kb, "Odd") == set()
    assert kb.notes == ("1 definition without a positive part, or of an unknown form, gave no members",)
    wrong = read(tmp_path, ":a a :A , [ owl:complementOf :A ] . :B rdfs:subClassOf [ owl:oneOf ( :x ) ] . :y a :B .")
    assert wrong.notes == ("the knowledge base contradicts itself: 'a' is of A and is said not to be",)
    assert members(wrong, "B") == {"y"}


def test_values_of_one_property_may_be_numbers_and_words(tmp_path: Path) -> None:
    kb = read(tmp_path, ':size a owl:DatatypeProperty . :a :size 3 . :b :size 4.5 , "unknown" . :c :size "7" .')
    assert members(kb, "size some xsd:double[> 3]") == {"b", "c"}
    assert members(kb, "'size value \"unknown\"'") == {"b"}
    assert len(kb.names.values) == 1
    kb = read(
        tmp_path,
        """:age a owl:DatatypeProperty ; rdfs:range [ owl:onDatatype xsd:int ; owl:withRestrictions () ] . :a :age 3 .
        :code a owl:DatatypeProperty ; rdfs:range xsd:string . :b :code "7" .
        :empty a owl:DatatypeProperty ; rdfs:range xsd:int .
        :note a owl:DatatypeProperty ; rdfs:range rdfs:Literal . :a :note 1 . :c :empty "none" .""",
    )
    assert (kb.text_properties, {*kb.scenes.numbers}) == ({"code"}, {"age", "note", "empty"})
    assert members(kb, "'code value \"7\"'") == {"b"}


def test_a_name_may_be_a_class_and_an_individual(tmp_path: Path) -> None:
    text = ":C a owl:Class . :C a owl:NamedIndividual , :D ; :r :a . :a a :C ; :r :C . :E a owl:Class ; :r :a ."
    kb = read(tmp_path, text)
    assert members(kb, "C") == {"a"}
    assert members(kb, "D") == {"C"}
    assert pairs(kb, "r") == {("C", "a"), ("a", "C")}


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conceptx.induction.individuals.rdf._MOST_STATEMENTS", 100)
    path = tmp_path / "x.nt.gz"
    path.write_bytes(gzip.compress(b"<http://e.org/#a> <http://e.org/#r> <http://e.org/#b> .\n" * 101))
    with pytest.raises(InputError, match=r"x\.nt\.gz: has more than 100 statements; give the part"):
        load(path)


def test_numbers_are_not_written_out(tmp_path: Path) -> None:
    """A billion digits would be, where a library normalises what it reads."""
    kb = read(tmp_path, ':a :age "1E1000000000"^^xsd:decimal , "007"^^xsd:integer , "' + "9" * 2000 + '" . :b a :A .')
    assert kb.scenes.numbers["age"][1].tolist() == [7.0]
    assert len(kb.names.values) == 2
