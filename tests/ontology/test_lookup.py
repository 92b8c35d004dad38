"""Labels find their classes: by their own words in any form, else by a misspelling, against a naive scan."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from conceptx.ontology import Hierarchy, lookup_index
from conceptx.ontology.forms import folded, readings, sense_lemma, singular, singular_form, without_qualifier
from conceptx.ontology.lookup import Lookup
from conceptx.ontology.lookup_index import build_index, open_index

CLASSES = [
    *("Beds", "Couches", "Dining_tables", "Cranes_(birds)", "Cranes_(machines)", "Mice", "Knives", "Traffic_lights"),
    *("Épées", "Glasses", "Buses", "Skyscrapers", "Paris,_Texas", "Window_panes", "STOP_signs", "People", "Straße"),
]
SYNONYMS = {"Couches": ["sofa", "settee"], "Mice": ["mouse"], "Window_panes": ["windowpane"]}


@pytest.fixture(scope="module")
def lookup() -> Lookup:
    return Lookup(Hierarchy.from_edges([(name, "Things") for name in CLASSES], synonyms=SYNONYMS))


@pytest.mark.parametrize(
    ("label", "name", "kind"),
    [
        ("Beds", "Beds", "exact"),
        ("Dining tables", "Dining_tables", "exact"),
        ("dining_tables", "Dining_tables", "case"),
        ("DINING-TABLES", "Dining_tables", "case"),
        ("dining table", "Dining_tables", "plural"),
        ("bed", "Beds", "plural"),
        ("knife", "Knives", "plural"),
        ("person", "People", "plural"),
        ("bus", "Buses", "plural"),
        ("sofa", "Couches", "exact"),
        ("sofa, couch, lounge", "Couches", "exact"),
        ("settees", "Couches", "plural"),
        ("bed.n.01", "Beds", "sense"),
        ("dining_table.n.01", "Dining_tables", "sense"),
        ("WN_Bed", "Beds", "sense"),
        ("WN_dining_table.n.01", "Dining_tables", "sense"),
        ("mouse", "Mice", "exact"),
        ("épée", "Épées", "plural"),
        ("e\u0301pe\u0301es", "Épées", "case"),
        ("ＢＥＤＳ", "Beds", "case"),
        ("strasse", "Straße", "case"),
        ("Paris, Texas", "Paris,_Texas", "exact"),
        ("skyscrapper", "Skyscrapers", "distance"),
        ("trafic ligh", "Traffic_lights", "distance"),
        ("traffic-lights", "Traffic_lights", "case"),
        ("trafficlight", "Traffic_lights", "spacing"),
        ("window pane", "Window_panes", "plural"),
        ("sky scraper", "Skyscrapers", "spacing"),
        ("  Beds  ", "Beds", "exact"),
    ],
)
def test_the_best_candidate(lookup: Lookup, label: str, name: str, kind: str) -> None:
    best = lookup.candidates(label)[0]
    assert (best.name, best.kind) == (name, kind)


def test_an_ambiguous_label_has_all_its_candidates(lookup: Lookup) -> None:
    found = lookup.candidates("crane")
    assert [(c.name, c.kind) for c in found] == [("Cranes_(birds)", "qualified"), ("Cranes_(machines)", "qualified")]
    assert found[0].confidence == found[1].confidence < 0.9


@pytest.mark.parametrize("label", ["", " ", ",", "zzzzzzzzzz", "bad", "\u202e", "日本"])
def test_nothing_is_found_where_nothing_is_meant(lookup: Lookup, label: str) -> None:
    assert lookup.candidates(label) == []


def test_distance_zero_switches_misspellings_off(lookup: Lookup) -> None:
    assert lookup.candidates("skyscrapper", max_distance=0) == []
    assert lookup.candidates("skyscrapper", max_distance=1)[0].distance == 1


def test_merged_names_find_their_class(tmp_path: Path) -> None:
    lines = [
        "<http://e.org/Sofa> <http://www.w3.org/2002/07/owl#equivalentClass> <http://e.org/Couch> .",
        "<http://e.org/Couch> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://e.org/Seat> .",
    ]
    (tmp_path / "x.nt").write_text("\n".join(lines))
    from conceptx.ontology import open_ontology

    assert Lookup(open_ontology(tmp_path / "x.nt")).candidates("sofas")[0].name == "Couch"


WORDS = st.text("abcés_ ('1", min_size=1, max_size=9).filter(lambda t: t.strip() and t.isprintable())


@given(st.sets(WORDS, min_size=1, max_size=30), WORDS, st.integers(1, 2))
@settings(max_examples=150, deadline=None)
def test_the_index_finds_what_a_scan_over_all_names_finds(names: set[str], label: str, distance: int) -> None:
    h = Hierarchy.from_edges((), classes=names)
    index = build_index(h)
    wanted = singular_form(folded(label))
    near = {(index.forms[i], d) for i, d in index.near(wanted, distance)}
    forms = {singular_form(folded(text)) for name in names for text in (name, without_qualifier(name))} - {""}
    assert near == {(f, Levenshtein.distance(f, wanted)) for f in forms if Levenshtein.distance(f, wanted) <= distance}
    assert set(index.forms) - {""} == forms
    owners = {h.text(t)[0] for t in index.terms_of(wanted)}
    assert owners == {n for n in names if wanted and wanted in map(_form, (n, without_qualifier(n)))}


def _form(text: str) -> str:
    return singular_form(folded(text))


def test_a_stored_index_is_taken_only_for_its_own_hierarchy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_index, "STORED_FROM", 1)
    Hierarchy.from_edges([("Beds", "Things")]).save(tmp_path)
    h = Hierarchy.open(tmp_path)
    assert Lookup(h).candidates("bed")[0].name == "Beds"
    assert (tmp_path / "lookup" / "lookup.json").is_file()
    monkeypatch.setattr(lookup_index, "build_index", lambda _: pytest.fail("built again"))
    assert Lookup(h).candidates("bed")[0].name == "Beds"
    monkeypatch.undo()
    monkeypatch.setattr(lookup_index, "STORED_FROM", 1)
    Hierarchy.from_edges([("Lamps", "Things")]).save(tmp_path)
    other = Hierarchy.open(tmp_path)
    assert [c.name for c in Lookup(other).candidates("lamp")] == ["Lamps"]
    (tmp_path / "lookup" / "terms.npy").write_bytes(b"damaged")
    assert open_index(other).terms_of("lamp")


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("bed", "beds"),
        ("bench", "benches"),
        ("baby", "babies"),
        ("shelf", "shelves"),
        ("glass", "glasses"),
        ("box", "boxes"),
        ("bus", "buses"),
        ("house", "houses"),
        ("vase", "vases"),
        ("toy", "toys"),
        ("movie", "movies"),
        ("man", "men"),
        ("tomato", "tomatoes"),
        ("face", "faces"),
        ("horse", "horses"),
        ("cup", "cups"),
        ("child", "children"),
        ("axe", "axes"),
        ("ski", "skis"),
        ("taxi", "taxis"),
    ],
)
def test_singular_and_plural_meet(one: str, many: str) -> None:
    assert singular(one) == singular(many)


def test_readings_of_labels() -> None:
    assert readings("sofa, couch") == ["sofa, couch", "sofa", "couch"]
    assert readings("bed.n.01, cot.n.03") == ["bed.n.01, cot.n.03", "bed", "cot"]
    assert readings(" lamp ") == ["lamp"]
    assert sense_lemma("U.S.A") is None and sense_lemma("WN_") is None
