"""Functional and Manchester syntax say the same as Turtle, and mistakes name their line."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.induction.individuals.knowledge import KnowledgeBase, load
from conceptx.ontology.reasoner import _lines
from conceptx.ontology.sources import open_ontology
from conceptx.ontology.sources.rdf import statements
from conceptx.ontology.sources.streams import content

TURTLE = """@prefix : <http://example.org/f#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
:Person a owl:Class . :Male a owl:Class ; rdfs:subClassOf :Person ; owl:disjointWith :Female . :Female a owl:Class .
:hasChild a owl:ObjectProperty ; rdfs:domain :Person ; rdfs:range :Person ; owl:inverseOf :hasParent .
:hasParent a owl:ObjectProperty . :knows a owl:ObjectProperty , owl:SymmetricProperty .
:near a owl:ObjectProperty , owl:TransitiveProperty ; rdfs:subPropertyOf :knows .
:hasGrandchild a owl:ObjectProperty ; owl:propertyChainAxiom ( :hasChild :hasChild ) .
:age a owl:DatatypeProperty ; rdfs:range xsd:double ; rdfs:domain :Person . :nick a owl:DatatypeProperty .
:years a owl:DatatypeProperty ; rdfs:subPropertyOf :age .
:Father a owl:Class ; owl:equivalentClass [ a owl:Class ; owl:intersectionOf ( :Male
    [ a owl:Restriction ; owl:onProperty :hasChild ; owl:someValuesFrom owl:Thing ] ) ] .
:Adult a owl:Class ; owl:equivalentClass [ a owl:Restriction ; owl:onProperty :age ; owl:someValuesFrom [
    a rdfs:Datatype ; owl:onDatatype xsd:double ; owl:withRestrictions ( [ xsd:minInclusive "18.0"^^xsd:double ] ) ] ] .
:Childless a owl:Class ; owl:equivalentClass [ owl:intersectionOf ( :Person [ owl:complementOf
    [ a owl:Restriction ; owl:onProperty [ owl:inverseOf :hasParent ] ;
      owl:minCardinality "1"^^xsd:nonNegativeInteger ] ] ) ] .
:Ours a owl:Class ; owl:equivalentClass [ owl:unionOf ( [ owl:oneOf ( :a :b ) ]
    [ a owl:Restriction ; owl:onProperty :hasChild ; owl:hasValue :b ] ) ] .
:Parents a owl:Class ; owl:disjointUnionOf ( :Father :Mother ) . :Mother a owl:Class .
:Two a owl:Class ; owl:equivalentClass [ owl:intersectionOf ( :Male [ a owl:Restriction ; owl:onProperty :hasChild ;
    owl:maxQualifiedCardinality "2"^^xsd:nonNegativeInteger ; owl:onClass :Male ] ) ] .
:Good rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :hasChild ; owl:allValuesFrom :Kind ] .
:Good a owl:Class . :Kind a owl:Class . :Nicked a owl:Class ; rdfs:subClassOf
    [ a owl:Restriction ; owl:onProperty :nick ; owl:hasValue "Al" ] .
:a a owl:NamedIndividual , :Male , :Good ; :hasChild :b , :c ; :age "60.0"^^xsd:double ; :nick "a \\"b\\"" .
:b a owl:NamedIndividual , :Female , :Nicked ; :years "18.0"^^xsd:double ; :near :c .
:c a owl:NamedIndividual , :Male ; :hasChild :d ; :near :d ; owl:sameAs :e . :d a owl:NamedIndividual , :Mother .
:e a owl:NamedIndividual ; :age "2.5"^^xsd:double .
"""
FUNCTIONAL = """# in OWL functional syntax ( with a bracket
Prefix(:=<http://example.org/f#>) Prefix( xsd:=<http://www.w3.org/2001/XMLSchema#> )
Prefix(owl:=<http://www.w3.org/2002/07/owl#>) Prefix(rdfs:=<http://www.w3.org/2000/01/rdf-schema#>)
Ontology(<http://example.org/f> <http://example.org/f/1> Annotation(rdfs:comment "says \\"this\\" (and that)"@en)
Declaration(Class(:Kind)) Declaration(NamedIndividual(:e)) Declaration(DataProperty(:nick))
SubClassOf(Annotation(rdfs:comment "why") :Male :Person) DisjointClasses(:Male :Female)
ObjectPropertyDomain(:hasChild :Person) ObjectPropertyRange(:hasChild :Person)
InverseObjectProperties(:hasChild :hasParent) SymmetricObjectProperty(:knows) TransitiveObjectProperty(:near)
SubObjectPropertyOf(:near :knows) SubObjectPropertyOf(ObjectPropertyChain(:hasChild :hasChild) :hasGrandchild)
DataPropertyRange(:age xsd:double) DataPropertyDomain(:age :Person) SubDataPropertyOf(:years :age)
EquivalentClasses(ObjectIntersectionOf(:Male ObjectSomeValuesFrom(:hasChild owl:Thing)) :Father)
EquivalentClasses(:Adult DataSomeValuesFrom(:age
    DatatypeRestriction(xsd:double xsd:minInclusive "18.0"^^<http://www.w3.org/2001/XMLSchema#double>)))
EquivalentClasses(:Childless ObjectIntersectionOf(:Person
    ObjectComplementOf(ObjectMinCardinality(1 ObjectInverseOf(:hasParent)))))
EquivalentClasses(:Ours ObjectUnionOf(ObjectOneOf(:a :b) ObjectHasValue(:hasChild :b)))
DisjointUnion(:Parents :Father :Mother)
EquivalentClasses(:Two ObjectIntersectionOf(:Male ObjectMaxCardinality(2 :hasChild :Male)))
SubClassOf(:Good ObjectAllValuesFrom(:hasChild :Kind)) SubClassOf(:Nicked DataHasValue(:nick "Al"))
ClassAssertion(:Male :a) ClassAssertion(:Good :a) ObjectPropertyAssertion(:hasChild :a :b)
ObjectPropertyAssertion(ObjectInverseOf(:hasChild) <http://example.org/f#c> :a)
DataPropertyAssertion(:age :a "60.0"^^xsd:double) DataPropertyAssertion(:nick :a "a \\"b\\"")
ClassAssertion(:Female :b) ClassAssertion(:Nicked :b) DataPropertyAssertion(:years :b "18.0"^^xsd:double)
ObjectPropertyAssertion(:near :b :c) ClassAssertion(:Male :c) ObjectPropertyAssertion(:hasChild :c :d)
ObjectPropertyAssertion(:near :c :d) SameIndividual(:c :e) ClassAssertion(:Mother :d)
DataPropertyAssertion(:age :e "2.5"^^xsd:double)
DifferentIndividuals(:a :b :c) NegativeObjectPropertyAssertion(:knows :a :d) IrreflexiveObjectProperty(:hasChild)
AnnotationAssertion(rdfs:label :a "a name"@en) HasKey(:Person () (:nick)) FunctionalDataProperty(:age)
)
"""
MANCHESTER = """Prefix: : <http://example.org/f#>
Prefix: f: <http://example.org/f#>
Ontology: <http://example.org/f>
Annotations: rdfs:comment "Class: is no frame here"@en
# a restriction may come before the frame that says what its property is
Class: Adult
    EquivalentTo: age some xsd:double[>= "18.0"^^xsd:double]
Class: :Person
Class: Male
    SubClassOf: Annotations: rdfs:comment "why, indeed" Person
    DisjointWith: f:Female
Class: Father
    EquivalentTo: Male and (hasChild some owl:Thing)
Class: Childless
    EquivalentTo: Person and not (inverse hasParent min 1)
Class: Ours
    EquivalentTo: {a, <http://example.org/f#b>} or (hasChild value b)
Class: Parents
    DisjointUnionOf: Father, Mother
Class: Two
    EquivalentTo: Male that hasChild max 2 Male
Class: Good
    SubClassOf: hasChild only Kind
Class: Nicked
    SubClassOf: nick value "Al"
ObjectProperty: hasChild
    Domain: Person
    Range: Person
    InverseOf: hasParent
    Characteristics: Irreflexive
ObjectProperty: knows
    Characteristics: Symmetric
ObjectProperty: near
    Characteristics: Transitive
    SubPropertyOf: knows
ObjectProperty: hasGrandchild
    SubPropertyChain: hasChild o hasChild
DataProperty: age
    Range: double
    Domain: Person
    Characteristics: Functional
DataProperty: years
    SubPropertyOf: age
DataProperty: nick
Individual: a
    Annotations: rdfs:label "a name"@en
    Types: Male, Good
    Facts: hasChild b, inverse (hasChild) nobody, age "60.0"^^xsd:double, nick "a \\"b\\"", not knows d
Individual: b
    Types: Female, Nicked
    Facts: years 18.0, near c
Individual: c
    Types: Male
    Facts: hasChild d, near d
    SameAs: e
Individual: d
    Types: Mother
Individual: e
    Facts: age 2.5f
DifferentIndividuals: a, b, c
""".replace("inverse (hasChild) nobody, ", "").replace("hasChild b,", "hasChild b, hasChild c,")


def as_xml(text: str) -> str:
    """Return a document in functional syntax as OWL/XML: brackets become elements."""
    roles = {"hasChild", "hasParent", "knows", "near", "hasGrandchild"}
    data = {"age", "nick", "years"}
    out: list[str] = ['<?xml version="1.0"?>\n<!-- OWL/XML -->\n']
    names = re.findall(r"Prefix\(\s*(\w*):=<([^>]*)>\s*\)", text)
    out.append('<Ontology xmlns="http://www.w3.org/2002/07/owl#" xml:base="http://example.org/f"')
    out.append(' xmlns:xsd="http://www.w3.org/2001/XMLSchema#" ontologyIRI="http://example.org/f">\n')
    out += [f'<Prefix name="{name}" IRI="{iri}"/>\n' for name, iri in names]
    body = text[text.index("Annotation(") : text.rindex(")")]
    token = re.compile(
        r'\s+|(\w*)\(|(\))|<([^>]*)>|"((?:[^"\\]|\\.)*)"(?:@(\w+)|\^\^(?:<([^>]*)>|(\S+?)(?=[\s)])))?|([^\s()]+)'
    )
    stack: list[str] = []
    for found in token.finditer(body):
        opened, closed, iri, literal, language, full, short, name = found.groups()
        if opened is not None:
            stack.append(opened)
            if opened.endswith("Cardinality"):
                count = re.match(r"\s*(\d+)", body[found.end() :])
                assert count
                out.append(f'<{opened} cardinality="{count[1]}">')
            elif opened and opened not in ("Class", "NamedIndividual", "DataProperty"):
                out.append(f"<{opened}>")
        elif closed:
            opened = stack.pop()
            if opened and opened not in ("Class", "NamedIndividual", "DataProperty"):
                out.append(f"</{opened}>\n")
        elif literal is not None:
            kind = full or (short or "").replace("xsd:", "http://www.w3.org/2001/XMLSchema#")
            given = f' xml:lang="{language}"' if language else f' datatypeIRI="{kind}"' if kind else ""
            out.append(f"<Literal{given}>" + literal.replace('\\"', '"') + "</Literal>")
            if stack[-1] == "DatatypeRestriction":
                out.append("</FacetRestriction>")
        elif iri is not None or name:
            local = (iri or name).rpartition("#")[2].rpartition(":")[2]
            if name and name.isdecimal():
                continue
            if name == "xsd:minInclusive":
                out.append('<FacetRestriction facet="http://www.w3.org/2001/XMLSchema#minInclusive">')
                continue
            kind = "Datatype" if (name or "").startswith("xsd:") else "Class"
            kind = "ObjectProperty" if local in roles else "DataProperty" if local in data else kind
            kind = "NamedIndividual" if re.fullmatch("[a-e]", local) else kind
            kind = "AnnotationProperty" if (name or "").startswith("rdfs:") else kind
            if stack[-1] == "AnnotationAssertion" and kind == "NamedIndividual":
                out.append(f"<AbbreviatedIRI>{name}</AbbreviatedIRI>")
            else:
                way = f'IRI="#{local}"' if iri or local in ("Male", "a") else f'abbreviatedIRI="{name}"'
                out.append(f"<{kind} {way}/>")
    return "".join(out) + "</Ontology>\n"


XML = as_xml(FUNCTIONAL)


@pytest.mark.parametrize(("name", "text"), [("x.ofn", FUNCTIONAL), ("x.owl", MANCHESTER), ("y.owl", XML)])
def test_three_syntaxes_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    def read(name: str, text: str) -> KnowledgeBase:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return load(tmp_path / name)

    wanted, found = read("x.ttl", TURTLE), read(name, text)
    assert found.scenes == wanted.scenes
    assert (found.by_iri, found.notes) == (wanted.by_iri, wanted.notes)
    assert set(wanted.scenes.numbers["age"][1]) == {60.0, 18.0, 2.5}
    triples = {s for s in (line.split(" ", 1)[0] for line in _lines(tmp_path / name)) if s.startswith("<")}
    assert {f"<http://example.org/f#{i}>" for i in "abce"} <= triples
    assert any('"18.0"^^<http://www.w3.org/2001/XMLSchema#double>' in line for line in _lines(tmp_path / name))


def test_a_hierarchy_opens_from_both(tmp_path: Path) -> None:
    for name, text in (("x.ofn", FUNCTIONAL), ("x.omn", MANCHESTER)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        hierarchy = open_ontology(tmp_path / name)
        assert "Person" in [hierarchy.name(i) for i in hierarchy.ancestors([hierarchy.id("Father")])]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ontology(<http://e>\nSubClassOf(:A :B))", "x.owl:2: the prefix ':' is not declared"),
        ("Ontology(<http://e>\n\nSubClassOf(<a:A>))", "x.owl:3: SubClassOf(…) has 1 parts"),
        ("Ontology(<http://e> ClassAssertion(ObjectSomeOf(<a:r>) <a:x>))", "ObjectSomeOf(…) is no class expression"),
        ("Ontology(<http://e>\nSubClassOf(<a:A> <a:B>)", "x.owl:1: Ontology( is not closed"),
        ("Ontology(<http://e> SubClassOf(" + "ObjectComplementOf(" * 500, "nested more than 200 deep"),
        ("Ontology(<http://e>\n%)", "x.owl:2: '%)' cannot stand here"),
        ("Ontology()\n<http://e>", "x.owl:2: '<http://e>' cannot stand outside"),
        ("Prefix(x:<http://e>)", "a prefix is written Prefix(name:=<IRI>)"),
        ("Ontology: <http://e>\nClass: A\n SubClassOf: B and", "x.owl:3: a name is missing at the end"),
        ("Ontology: <http://e>\nClass: A\n SubClassOf: r some", "a name is missing at the end"),
        ("Ontology: <http://e>\nClass: x:A", "x.owl:2: the prefix 'x:' is not declared"),
        ("Ontology: <http://e>\nIndividual: a\n Domain: B", "x.owl:3: Domain: has no place in a frame"),
        ("Ontology: <http://e>\nClass: A\n SubClassOf: " + "not " * 500 + "B", "nested more than 200 deep"),
        ("Ontology: <http://e>\nClass: A\n SubClassOf: p some xsd:int[> x]", "a bound is written [>= 5, < 10]"),
        ("Ontology: <http://e>\nClass: A\n SubClassOf: r min x B", "a restriction needs some, only"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.owl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        statements(path, lambda *_: None)
    assert said in str(caught.value)
    path.write_bytes(text.encode() + b"\n# \xff")
    with pytest.raises(InputError, match="is not UTF-8"):
        statements(path, lambda *_: None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<SubClassOf>\n<Class IRI='#A'/></SubClassOf>", "x.owl:2: SubClassOf(…) has 1 parts"),
        ("<SubClassOf><Class/></SubClassOf>", "x.owl:2: an element has neither IRI nor abbreviatedIRI"),
        ("\n<Declaration><Class abbreviatedIRI='x:A'/></Declaration>", "x.owl:3: the prefix 'x:' is not declared"),
        ("<SubClassOf>" + "<ObjectComplementOf>" * 500, "nested more than 200 deep"),
        ("<SubClassOf>", "cannot be parsed as XML"),
        ("\xff", "cannot be parsed as XML"),
    ],
)
def test_a_mistake_in_xml_names_its_line(tmp_path: Path, body: str, said: str) -> None:
    path = tmp_path / "x.owl"
    text = f"<?xml version='1.0'?><Ontology xmlns='http://www.w3.org/2002/07/owl#'>\n{body}\n</Ontology>"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        statements(path, lambda *_: None)
    assert said in str(caught.value)


def test_facts_in_attributes_of_rdf_xml_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.rdf"
    path.write_text(
        """<?xml version="1.0"?>
        <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e.org/#">
        <rdf:Description rdf:about="http://e.org/#a" rdf:type="http://e.org/#C" e:age="5"/>
        <e:D rdf:about="http://e.org/#b"><e:r rdf:parseType="Resource"><e:age>7</e:age></e:r></e:D></rdf:RDF>"""
    )
    kb = load(path)
    assert {kb.scenes.hierarchy.name(i) for i in range(len(kb.scenes.hierarchy))} >= {"C", "D"}
    assert set(kb.scenes.numbers["age"][1]) == {5.0, 7.0}
    assert len(kb) == 3


def test_what_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ttl.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 20)))
    assert len(content(path)) == 1 << 20
    with pytest.raises(InputError, match=r"x\.ttl\.gz: has more than 0 MB; save it as N-Triples"):
        content(path, most=1000)
