import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from conceptx.expressions import parse, to_manchester
from conceptx.report import ReportInput
from conceptx.report.examples import Pictures, choose, distribution, framed_parts, levels


def test_levels_of_positive_negative_and_constant_units() -> None:
    assert levels(np.array([0, 1, 4], np.float32)).tolist() == [0, 0.25, 1]
    assert levels(np.array([-3, -1, -2], np.float32)).tolist() == [0, 1, 0.5]
    assert levels(np.array([-1, 1], np.float32)).tolist() == [0, 1]
    assert levels(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
    assert levels(np.zeros(0, np.float32)).tolist() == []


def test_the_highest_of_an_all_negative_unit_are_its_highest() -> None:
    top, missed, unexpected = choose(np.array([-5, -1, -3], np.float32), np.array([True, False, True]))
    assert top == [1, 2, 0]
    assert missed == [0]
    assert unexpected == [1]


def test_ties_stay_in_the_order_of_the_images() -> None:
    top, missed, unexpected = choose(np.zeros(20, np.float32), np.ones(20, bool))
    assert top == list(range(8))
    assert missed == [0, 1, 2, 3]
    assert unexpected == []


def test_distribution_counts_every_image_once() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=200).astype(np.float32)
    matches = rng.random(200) < 0.3
    found = distribution(values, matches, ["evaluation"])
    assert found is not None
    assert sum(found.target) == matches.sum()
    assert sum(found.other) == (~matches).sum()
    assert distribution(values[:0], matches[:0], []) is None
    constant = distribution(np.zeros(4, np.float32), np.array([True, False, False, False]), [])
    assert constant is not None
    assert (sum(constant.target), sum(constant.other)) == (1, 3)


def test_framed_parts_know_what_is_wanted() -> None:
    text = "contains some A and not (contains some (B or C)) and Kitchens and contains max 2 D and contains only E"
    found = [(to_manchester(part), wanted) for part, wanted in framed_parts(parse(text))]
    assert found == [("A", True), ("B or C", False), ("D", False), ("not E", False)]


def test_boxes_frame_the_members_of_the_named_classes_only(world: ReportInput) -> None:
    pictures = Pictures(world.images, world.objects, world.scenes)
    parts = pictures.members(parse("contains some Round_things and not (contains some Boxes)"))
    for image in world.images["image"].to_pylist():
        example = pictures.example(image, None, 1.0, 1.0, None, parts)
        mine = [row["label"] for row in world.objects.to_pylist() if row["image"] == image]
        wanted = sorted(box.label for box in example.boxes if box.wanted)
        assert wanted == sorted(label for label in mine if label in ("ball", "ring"))
        assert sorted(b.label for b in example.boxes if not b.wanted) == sorted(x for x in mine if x == "box")
        assert all(0 <= v <= 1 for b in example.boxes for v in (b.x, b.y, b.w, b.h, b.x + b.w - 1e-4, b.y + b.h - 1e-4))


@given(
    st.lists(st.tuples(st.sampled_from([-0.5, 0.0, 0.1, 0.2, 0.5, 1.0]), st.booleans()), min_size=1, max_size=60),
    st.booleans(),
)
def test_examples_are_those_of_a_whole_sort(pairs: list[tuple[float, bool]], explained: bool) -> None:
    values = np.array([value for value, _ in pairs], np.float32)
    matches = np.array([match for _, match in pairs])
    level = levels(values)
    falling, rising = (np.argsort(key, kind="stable").tolist() for key in (-level, level))
    missed = [i for i in rising if matches[i] and level[i] <= 0.2][:4]
    unexpected = [i for i in falling if not matches[i] and level[i] > 0.2][:4]
    expected = (falling[:8], missed, unexpected) if explained else (falling[:8], [], [])
    assert choose(values, matches if explained else None) == expected
