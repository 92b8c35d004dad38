"""Labels find their classes; what is ambiguous or misspelt is said; what a person decided stays."""

from __future__ import annotations

import pytest

from conceptx.annotation.mapping import (
    CLOSE,
    EXACT,
    MANUAL,
    Mapping,
    Row,
    cooccurrence,
    map_labels,
    read_sssom,
    write_sssom,
)
from conceptx.errors import InputError
from conceptx.ontology.hierarchy import Hierarchy
from tests.annotation.test_scenes import image_set

HIERARCHY = Hierarchy.from_edges(
    [
        ("Cranes_(birds)", "Birds"),
        ("Birds", "Animals"),
        ("Herons", "Birds"),
        ("Animals", "Nature"),
        ("Cranes_(machines)", "Construction_equipment"),
        ("Excavators", "Construction_equipment"),
        ("Construction_equipment", "Technology"),
        ("Beds", "Furniture"),
        ("Sofas", "Furniture"),
        ("Chairs", "Furniture"),
        ("Lamps", "Furniture"),
        ("People", "Nature"),
        ("Traffic_lights", "Technology"),
        ("Televisions", "Technology"),
        ("Skyscrapers", "Buildings"),
        ("Bedrooms", "Rooms"),
    ],
    synonyms={
        "Cranes_(birds)": ["crane"],
        "Cranes_(machines)": ["crane"],
        "Sofas": ["sofa", "couch"],
        "People": ["person"],
        "Televisions": ["television", "tv"],
    },
)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Beds", "Beds"),
        ("bed", "Beds"),
        ("sofa, couch, lounge", "Sofas"),
        ("person, individual, someone, somebody, mortal, soul", "People"),
        ("traffic light, traffic signal, stoplight", "Traffic_lights"),
        ("television, tv", "Televisions"),
        ("Traffic_Lights", "Traffic_lights"),
        ("bed.n.01", "Beds"),
        ("WN_Bed", "Beds"),
        ("BEDROOM", "Bedrooms"),
    ],
)
def test_labels_as_annotators_write_them(label, expected):
    row = map_labels([label], HIERARCHY).row(label)
    assert row.class_name == expected
    assert row.predicate == EXACT
    assert row.justification == "semapv:LexicalMatching"
    assert not row.doubtful
    assert row.confidence >= 0.9


def test_a_label_without_a_class_is_doubtful_and_has_none():
    mapping = map_labels(["xylophone", "bed"], HIERARCHY)
    assert mapping.class_of("xylophone") is None
    assert [row.label for row in mapping.doubtful] == ["xylophone"]
    assert mapping.rows[0].label == "xylophone"
    assert mapping.rows[0].confidence == 0


def test_a_long_misspelling_is_taken_and_doubtful():
    row = map_labels(["skyscaper"], HIERARCHY).row("skyscaper")
    assert row.class_name == "Skyscrapers"
    assert (row.predicate, row.justification) == (CLOSE, "semapv:LexicalSimilarityThresholdMatching")
    assert row.doubtful
    assert map_labels(["skyscaper"], HIERARCHY, max_distance=0).class_of("skyscaper") is None


def test_a_short_misspelling_is_offered_and_not_taken():
    row = map_labels(["lamb"], HIERARCHY).row("lamb")
    assert row.class_name is None
    assert "Lamps" in row.alternatives


def test_the_last_word_offers_a_broader_class():
    row = map_labels(["armless swivel chair"], HIERARCHY).row("armless swivel chair")
    assert row.class_name is None
    assert row.alternatives == ("Chairs",)


def test_an_ambiguous_label_is_said_to_be_ambiguous():
    row = map_labels(["crane"], HIERARCHY).row("crane")
    assert row.class_name == "Cranes_(birds)"
    assert row.alternatives == ("Cranes_(machines)",)
    assert row.doubtful
    assert row.confidence <= 0.5
    assert row.comment == "2 classes of this name, ranked by name only"


@pytest.mark.parametrize(("other", "expected"), [("excavator", "Cranes_(machines)"), ("heron", "Cranes_(birds)")])
def test_an_ambiguous_label_is_ranked_by_what_it_occurs_with(other, expected):
    together = {"crane": {other: 5, "xylophone": 9}, other: {"crane": 5}}
    mapping = map_labels(["crane", other, "xylophone"], HIERARCHY, cooccurrence=together)
    row = mapping.row("crane")
    assert row.class_name == expected
    assert row.doubtful
    assert row.confidence > 0.5
    assert row.justification == "semapv:CompositeMatching"
    assert len(row.alternatives) == 1


def test_a_label_that_occurs_with_everything_says_little():
    everything = {f"label {k}": 50 for k in range(20)}
    together = {
        "crane": {"heron": 50, "excavator": 40},
        "heron": {"crane": 50, **everything},
        "excavator": {"crane": 40},
    }
    mapping = map_labels(["crane", "heron", "excavator"], HIERARCHY, cooccurrence=together)
    assert mapping.class_of("crane") == "Cranes_(machines)"


def test_cooccurrence_counts_images():
    images = [{"image": "a", "category": "site"}, {"image": "b"}]
    seen = [("a", "crane"), ("a", "crane"), ("a", "truck"), ("b", "crane"), ("b", "car")]
    objects = [{"image": image, "object": str(k), "label": label} for k, (image, label) in enumerate(seen)]
    together = cooccurrence(image_set(images, objects))
    assert {label: together[label] for label in together} == {
        "car": {"crane": 1},
        "crane": {"car": 1, "site": 1, "truck": 1},
        "site": {"crane": 1, "truck": 1},
        "truck": {"crane": 1, "site": 1},
    }
    assert len(together) == 4
    assert "red" not in together


def test_cooccurrence_of_nothing():
    assert len(cooccurrence(image_set([{"image": "a"}], []))) == 0


def test_the_order_of_labels_and_repetitions_change_nothing():
    labels = ["crane", "bed", "lamb", "bed", "sofa, couch"]
    assert map_labels(labels, HIERARCHY) == map_labels(sorted(set(labels)), HIERARCHY)


def test_what_a_person_decided_is_kept_and_the_rest_is_found_again(tmp_path):
    path = tmp_path / "mapping.sssom.tsv"
    write_sssom(path, map_labels(["crane", "bed", "lamb"], HIERARCHY))
    text = path.read_text("utf-8")
    text = text.replace("\tclass:Cranes_%28birds%29", "\tclass:Cranes_(machines)")
    text = text.replace("\tclass:Beds", "\tsssom:NoTermFound")
    path.write_text(text, "utf-8")
    again = map_labels(["crane", "bed", "lamb", "sofa"], HIERARCHY, reviewed=read_sssom(path))
    assert again.class_of("crane") == "Cranes_(machines)"
    assert again.class_of("bed") is None
    assert again.class_of("sofa") == "Sofas"
    assert {row.label for row in again.rows if row.reviewed} == {"bed", "crane"}
    write_sssom(path, again)
    third = map_labels(["bed"], HIERARCHY, reviewed=read_sssom(path))
    assert third.class_of("crane") == "Cranes_(machines)"  # a decision outlives the label's absence
    assert third.row("lamb") is None  # a suggestion does not


def test_a_persons_decision_is_evidence_for_others():
    reviewed = Mapping((Row("digger", "Excavators", justification=MANUAL),))
    together = {"crane": {"digger": 1}}
    mapping = map_labels(["crane", "digger"], HIERARCHY, reviewed, cooccurrence=together)
    assert mapping.class_of("crane") == "Cranes_(machines)"


def test_a_persons_class_must_exist():
    reviewed = Mapping((Row("bed", "Bedds", justification=MANUAL),), source="mapping.sssom.tsv")
    with pytest.raises(InputError) as error:
        map_labels(["bed"], HIERARCHY, reviewed)
    assert str(error.value).startswith(
        "mapping.sssom.tsv: label 'bed' is mapped to the class 'Bedds', which the hierarchy does not have; did you mean"
    )
    assert map_labels(["sofa"], HIERARCHY, reviewed).row("bed") == reviewed.row("bed")  # not asked for, not judged


HOSTILE = ["tab\tbed", "line\nbed", " ", ",", "_", "x" * 10_000, "\u202edeb", '"', "bed.n.", "#", "='bed'"]


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_mapped_or_not_but_never_break(tmp_path, label):
    mapping = map_labels([label, "bed", ""], HIERARCHY)
    assert {row.label for row in mapping.rows} == {label, "bed"}
    write_sssom(tmp_path / "m.tsv", mapping)
    assert read_sssom(tmp_path / "m.tsv").rows == mapping.rows


def _things(*names, **more):
    return Hierarchy.from_edges([(name, "Things") for name in names], **more)


def test_the_class_that_more_of_the_synonyms_name_is_the_one():
    h = _things("Bags", "Handbags", synonyms={"Handbags": ["purse", "pocketbook"]})
    row = map_labels(["bag, handbag, pocketbook, purse"], h).row("bag, handbag, pocketbook, purse")
    assert row.class_name == "Handbags" and not row.doubtful


def test_synonyms_that_name_different_classes_are_doubtful():
    row = map_labels(["earth, ground"], _things("Earth", "Grounds")).row("earth, ground")
    assert row.class_name == "Earth" and row.alternatives == ("Grounds",) and row.doubtful
    below = Hierarchy.from_edges([("Handbags", "Bags"), ("Bags", "Things")])
    row = map_labels(["handbag, bag"], below).row("handbag, bag")
    assert row.class_name == "Handbags" and not row.doubtful  # what is above it is no other class


def test_case_and_number_do_not_decide_in_silence():
    row = map_labels(["turkey"], _things("Turkey", "Turkeys")).row("turkey")
    assert row.doubtful and {row.class_name, *row.alternatives} == {"Turkey", "Turkeys"}
    row = map_labels(["crane"], _things("Cranes", "Cranes_(machines)")).row("crane")
    assert row.class_name == "Cranes" and row.alternatives == ("Cranes_(machines)",) and row.doubtful


def test_words_that_name_other_things_are_no_misspellings():
    h = _things("Light_arms", "Right", "Arms", "Wineglasses", "Wire_glasses")
    assert map_labels(["right arm"], h).class_of("right arm") is None
    row = map_labels(["wine glass"], h).row("wine glass")
    assert row.class_name == "Wineglasses" and row.predicate == EXACT and not row.doubtful


def test_senses_of_wordnet_are_ranked_by_their_numbers_and_the_other_labels():
    synonyms = {"sofa.n.01": ["couch"], "array.n.01": ["table"]}
    edges = "sofa.n.01<furniture.n.01 couch.n.02<idea.n.01 couch.n.03<idea.n.01 array.n.01<idea.n.01 "
    edges += "table.n.02<furniture.n.01 bed.n.01<furniture.n.01 furniture.n.01<entity.n.01 idea.n.01<entity.n.01"
    labels = {"couch.n.02": "couch", "couch.n.03": "couch", "table.n.02": "table", "bed.n.01": "bed"}
    h = Hierarchy.from_edges([tuple(edge.split("<")) for edge in edges.split()], labels, synonyms)
    row = map_labels(["couch"], h).row("couch")
    assert row.class_name == "sofa.n.01" and row.alternatives == ("couch.n.02", "couch.n.03")
    assert row.comment == "3 classes of this name, ranked by the order of its senses"
    assert map_labels(["table"], h).class_of("table") == "array.n.01"
    with_bed = map_labels(["table", "bed"], h).row("table")
    assert with_bed.class_name == "table.n.02" and with_bed.doubtful
    assert with_bed.comment == "2 classes of this name, ranked by the other labels"
    assert map_labels(["couch.n.02"], h).row("couch.n.02").class_name == "couch.n.02"


def test_the_confidences_of_equal_classes_and_the_rest_add_up_to_that_of_one():
    row = map_labels(["crane", "heron", "excavator"], HIERARCHY).row("crane")
    assert row.comment.endswith("ranked by the other labels") and 0 < row.confidence < 0.7
