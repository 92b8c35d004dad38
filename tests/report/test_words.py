from dataclasses import replace

import pyarrow as pa
import pytest

from conceptx.expressions import parse
from conceptx.report import ReportInput, gather
from conceptx.report.measures import floor_sentences
from conceptx.report.words import in_words
from conceptx.tables import CONTROLS, from_rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Kitchens", "images that are classed as “Kitchens”"),
        ("not Kitchens", "images that are not classed as “Kitchens”"),
        ("owl:Thing", "all images"),
        ("owl:Nothing", "no image at all"),
        ("contains some Beds", "images that contain “Beds”"),
        ("contains some Dining_rooms", "images that contain “Dining rooms”"),
        ("contains some Beds and not (contains some Lamps)", "images that contain “Beds”, and no “Lamps”"),
        (
            "contains some Beds and contains some (Lamps or Candles)",
            "images that contain “Beds”, and contain “Lamps” or “Candles”",
        ),
        (
            "not (contains some (Lamps or Candles)) and contains some Beds",
            "images that contain no “Lamps” or “Candles”, and contain “Beds”",
        ),
        ("contains some (Beds and Furniture)", "images that contain “Beds” that are also “Furniture”"),
        ("contains some (Cups and not Mugs)", "images that contain “Cups” that are not “Mugs”"),
        (
            "contains some (Chairs and hasColor some Red) and not (contains some Beds)",
            "images that (contain “Chairs” that have the colour “Red”), and contain no “Beds”",
        ),
        (
            "contains some (Cups and on some Tables and beside some Plates)",
            "images that contain “Cups” that are on “Tables”, and are beside “Plates”",
        ),
        ("contains min 3 Chairs", "images that contain at least 3 “Chairs”"),
        ("not (contains min 3 Chairs)", "images that contain fewer than 3 “Chairs”"),
        ("not (contains max 3 Chairs)", "images that contain more than 3 “Chairs”"),
        ("not (contains exactly 3 Chairs)", "images that contain any number except exactly 3 “Chairs”"),
        ("contains only Cups", "images that contain nothing but “Cups”, if anything"),
        ("not (contains only Cups)", "images that contain objects that are not “Cups”"),
        ("contains some (inverse on some Cups)", "images that contain objects that are what “Cups” are on"),
        ("contains some owl:Thing", "images that contain objects"),
        ("not (contains some owl:Thing)", "images that contain no objects"),
        (
            "contains some (hasArea some xsd:double[>= 0.25])",
            "images that contain objects that have an area (as a share of the image) of at least 0.25",
        ),
        (
            "(contains some A and contains some B) or Kitchens",
            "images that (contain “A”, and contain “B”), or are classed as “Kitchens”",
        ),
        ("not (contains some A and contains some B)", "images that contain no “A”, or contain no “B”"),
        (
            "not (contains some A) and (contains some B or not (contains some C))",
            "images that contain no “A”, and (contain “B”, or contain no “C”)",
        ),
        ("contains some (Cups and holds some Tea)", "images that contain “Cups” that have as “holds” “Tea”"),
        (
            "contains some (Cups and hasSuperCategory some Things)",
            "images that contain “Cups” that have the super category “Things”",
        ),
    ],
)
def test_says_exactly_what_the_expression_says(text: str, words: str) -> None:
    assert in_words(parse(text)) == words


def test_labels_come_from_the_hierarchy_and_cannot_close_their_quotes() -> None:
    assert in_words(parse("contains some Q42"), {"Q42": "”Beds” or “chairs"}.__getitem__) == (
        'images that contain “"Beds" or "chairs”'
    )


def test_the_floor_speaks_only_of_the_controls_that_make_it(world: ReportInput) -> None:
    evidence = gather(world)
    said = floor_sentences(evidence)
    assert said[0].startswith("40 control units with nothing to explain (real units with their values shuffled and ")
    directions = next(kind for kind in evidence.layers[0].controls if kind.kind == "directions")
    confirmed = directions.verdicts["confirmed"]
    assert "None of them was confirmed." in said
    assert said[-1] == (
        "Beside the floor, because they may truly depend on what images show: "
        f"{confirmed} of 50 random directions in the layer {'was' if confirmed == 1 else 'were'} confirmed."
    )
    bright = world.controls.slice(0, 3).to_pylist()
    rows = [row | {"layer": "pixels", "unit": "mean brightness", "kind": "brightness"} for row in bright]
    more = replace(world, controls=pa.concat_tables([world.controls, from_rows(rows, CONTROLS)]))
    assert "1 plain measure of the images (their mean brightness)" in floor_sentences(gather(more))[-1]
    assert gather(more).layers[0].floor == evidence.layers[0].floor
