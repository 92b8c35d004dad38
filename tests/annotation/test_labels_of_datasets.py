"""Labels as ADE20K and COCO write them, and what they mean in WordNet and in the built-in world; checked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptx.annotation.mapping import map_labels
from conceptx.ontology import Hierarchy, open_ontology
from conceptx.ontology.build import build_wordnet

WORLD = Path(__file__).parents[2] / "ontologies" / "world.owl"
WORDNET = Path("/usr/share/wordnet")  # Debian's package wordnet-base
needs_wordnet = pytest.mark.skipif(not (WORDNET / "data.noun").is_file(), reason="wordnet-base is not installed")

# label → (WordNet synset, class of the built-in world); None: it has no such class
ADE20K = {
    "person, individual, someone, somebody, mortal, soul": ("person.n.01", "People"),
    "car, auto, automobile, machine, motorcar": ("car.n.01", "Cars"),
    "plant, flora, plant life": ("plant.n.02", "Plants"),
    "road, route": ("road.n.01", "Roads"),
    "truck, motortruck": ("truck.n.01", "Trucks"),
    "stall, stand, sales booth": ("stall.n.03", None),
    "scale, weighing machine": ("scale.n.07", None),
    "spotlight, spot": ("spotlight.n.02", None),
    "can, tin, tin can": ("can.n.01", None),
    "board, plank": ("board.n.02", None),
    "bag, handbag, pocketbook, purse": ("bag.n.04", None),
    "curtain, drape, drapery, mantle, pall": ("curtain.n.01", "Curtains"),
    "light, light source": ("light.n.02", "Light_sources"),
    "palm, palm tree": ("palm.n.03", None),
    "base, pedestal, stand": ("base.n.08", None),
    "chest of drawers, chest, bureau, dresser": ("chest_of_drawers.n.01", None),
    "earth, ground": ("ground.n.09", None),
    "windowpane, window": ("windowpane.n.01", "Windows"),
    "television receiver, television, television set, tv, tv set, idiot box, boob tube, telly, goggle box": (
        *("television_receiver.n.01", "Television_sets"),
    ),
}
COCO = {
    **{"bicycle": ("bicycle.n.01", "Bicycles"), "airplane": ("airplane.n.01", "Airplanes")},
    **{"traffic light": ("traffic_light.n.01", "Traffic_lights"), "fire hydrant": ("fireplug.n.01", None)},
    **{
        "dining table": ("dining_table.n.01", "Dining_tables"),
        "cell phone": ("cellular_telephone.n.01", "Mobile_phones"),
    },
    **{
        "wine glass": ("wineglass.n.01", "Wine_glasses"),
        "skis": ("ski.n.01", None),
        "laptop": ("laptop.n.01", "Laptops"),
    },
    **{
        "teddy bear": ("teddy.n.01", "Teddy_bears"),
        "remote": ("remote_control.n.01", None),
        "pizza": ("pizza.n.01", "Pizzas"),
    },
    **{"tennis racket": ("tennis_racket.n.01", None), "hair drier": ("hand_blower.n.01", None)},
    **{"giraffe": ("giraffe.n.01", None), "zebra": ("zebra.n.01", None)},
    **{"frisbee": ("frisbee.n.01", None), "refrigerator": ("refrigerator.n.01", "Refrigerators")},
}
# Words of several senses, with labels of the same pictures around them: the best sense first, and always doubtful.
AMBIGUOUS = {
    **{"bed": "bed.n.01", "chair": "chair.n.01", "couch": "sofa.n.01", "table": "table.n.02", "stool": "stool.n.01"},
    **{"bench": "bench.n.01", "cup": "cup.n.01", "bottle": "bottle.n.01", "horse": "horse.n.01", "sheep": "sheep.n.01"},
    **{"truck": "truck.n.01", "train": "train.n.01", "boat": "boat.n.01", "shelf": "shelf.n.01", "sink": "sink.n.01"},
    **{"knife": "knife.n.01", "sack": "sack.n.01", "wall": "wall.n.01", "umbrella": "umbrella.n.01"},
}
UNNAMED = ["right arm", "left arm", "right leg", "potted plant", "sports ball", "stop sign"]


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    return build_wordnet(WORDNET, tmp_path_factory.mktemp("wordnet") / "out")


@needs_wordnet
def test_the_real_database(wordnet: Hierarchy) -> None:
    assert len(wordnet) == 82_115 and [wordnet.name(int(i)) for i in wordnet.roots] == ["entity.n.01"]
    assert wordnet.removed == ()
    dog = wordnet.id("dog.n.01")
    assert [wordnet.name(int(i)) for i in wordnet.parents(dog)] == ["canine.n.02", "domestic_animal.n.01"]
    assert wordnet.synonyms(dog) == ("Canis familiaris", "domestic dog")
    assert wordnet.label(wordnet.id("sofa.n.01")) == "sofa" and "couch" in wordnet.synonyms(wordnet.id("sofa.n.01"))
    common = wordnet.lowest_common_ancestors(dog, wordnet.id("cat.n.01"))
    assert [wordnet.name(int(i)) for i in common] == ["carnivore.n.01"]


@needs_wordnet
def test_labels_in_wordnet(wordnet: Hierarchy) -> None:
    expected = {label: synset for label, (synset, _) in (ADE20K | COCO).items()}
    mapping = map_labels([*expected, *AMBIGUOUS, *UNNAMED], wordnet)
    assert {label: mapping.class_of(label) for label in expected} == expected
    assert {label: mapping.class_of(label) for label in AMBIGUOUS} == AMBIGUOUS
    assert all(mapping.row(label).doubtful and mapping.row(label).alternatives for label in AMBIGUOUS)
    assert all(mapping.class_of(label) is None for label in UNNAMED)


def test_labels_in_the_built_in_world() -> None:
    expected = {label: name for label, (_, name) in (ADE20K | COCO).items()}
    mapping = map_labels([*expected, *UNNAMED[:3]], open_ontology(WORLD))
    assert {label: mapping.class_of(label) for label in expected} == expected
    assert all(mapping.class_of(label) is None for label in UNNAMED[:3])
