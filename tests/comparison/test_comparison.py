"""Other methods, beside one another: formulas against their published code, texts, and the table of all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conceptx.annotation.scenes import scenes_from_labels
from conceptx.comparison.clip_dissect import cosine, label_units, rank_reorder, soft_wpmi, wpmi
from conceptx.comparison.invert import invert
from conceptx.comparison.labelling import Labelling, chance
from conceptx.comparison.meaning import Meaning
from conceptx.comparison.scoring import compare_methods
from conceptx.errors import InputError
from conceptx.expressions import Named as Class
from conceptx.expressions import contains, normalise, parse, to_manchester
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables import LabelTable

HIERARCHY = Hierarchy.from_edges(
    [("bed", "furniture"), ("lamp", "furniture"), ("furniture", "thing"), ("car", "thing"), ("blue sky", "thing")]
)
USED = {"bed", "lamp", "car", "furniture", "thing", "blue sky"}


def test_the_four_functions_agree_with_the_published_code() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    similarity, values = rng.random((60, 7)), rng.random((60, 3))
    clip, target = torch.tensor(similarity), torch.tensor(values)

    def published(top: int, a: float, weight: float, soft: bool) -> np.ndarray:
        feats = torch.nn.functional.softmax(a * clip, dim=1)
        inds = torch.topk(target, dim=0, k=top)[1]
        p_in = 0.998 - (torch.arange(0, top).double() / top * (0.998 - 0.97)).unsqueeze(1)
        rows = []
        for unit in range(3):
            chosen = feats[inds[:, unit]]
            terms = torch.log((1 + p_in * (chosen - 1) if soft else chosen) + 1e-7)
            rows.append(terms.sum(dim=0, keepdim=True))
        given = torch.cat(rows)
        prior = torch.logsumexp(given, dim=0, keepdim=True) - np.log(3)
        return (given - weight * prior).numpy()

    assert soft_wpmi(similarity, values, top=20) == pytest.approx(published(20, 10, 1.0, True))
    assert wpmi(similarity, values, top=28) == pytest.approx(published(28, 2, 0.6, False))
    x, y = ((m - m.mean(dim=0)) ** 3 for m in (clip, target))
    x, y = (m / m.norm(dim=0) for m in (x, y))
    assert cosine(similarity, values) == pytest.approx((y.T @ x).numpy())
    same = rank_reorder(np.stack([values[:, 0], -values[:, 0] + 1], axis=1), values[:, :1], share=0.5)
    assert same[0, 0] == 0.0
    assert same[0, 1] < 0.0


def test_degenerate_units_and_labels_get_no_label() -> None:
    rng = np.random.default_rng(1)
    similarity, values = rng.random((50, 2)), np.stack([np.zeros(50), rng.random(50)])
    expressions = [contains(Class("bed")), contains(Class("car"))]
    for function in ("soft-wpmi", "wpmi", "cosine", "rank-reorder"):
        keys = [("l", "0"), ("l", "1")]
        found = label_units(keys, values, similarity, ["bed", "car"], expressions, function=function)
        assert set(found.labels) == {("l", "1")}, function
    with pytest.raises(InputError, match="soft-wpmi"):
        label_units([], values, similarity, ["bed", "car"], expressions, function="soft-wpm")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("bed", "contains some bed"),
        ("Beds", "contains some bed"),
        ("((bed OR car) AND (NOT lamp))", "(contains some bed or contains some car) and not (contains some lamp)"),
        ("contains some bed", "contains some bed"),
        ("a lamp beside two beds", "contains some (bed or lamp)"),
        ("a photo of blue sky", "contains some 'blue sky'"),
        ("beds, lamps", "contains some (bed or lamp)"),
        ("bed, beds", "contains some bed"),
        ("nothing of the kind", None),
        ("(bed OR", None),
        ("(bed OR)", None),
        ("AND", None),
        ("(bed|car)&~lamp", "(contains some bed or contains some car) and not (contains some lamp)"),
        ("~lamp", "not (contains some lamp)"),
        ("bed | unicorn", "contains some bed"),
        ("blue_sky-s", "contains some 'blue sky'"),
        ("(blue sky-s OR bed)", "contains some bed or contains some 'blue sky'"),
        ("Beds & other things", "contains some (bed or thing)"),
        ("", None),
    ],
)
def test_what_a_text_means(text: str, meant: str | None) -> None:
    found = Meaning(HIERARCHY, USED)(text)
    wanted = None if meant is None else normalise(parse(meant))
    assert (None if found is None else to_manchester(found)) == (None if wanted is None else to_manchester(wanted))


@pytest.fixture(scope="module")
def world() -> tuple:
    rng = np.random.default_rng(2)
    n = 400
    shown = rng.random((n, 3)) < 0.3
    bare = np.flatnonzero(~shown.any(axis=1))
    shown[bare, bare % 3] = True
    names = [f"{i:03d}" for i in range(n)]
    rows = [(names[i], ("bed", "lamp", "car")[j]) for i, j in np.argwhere(shown).tolist()]
    images, labels = zip(*rows, strict=True)
    table = LabelTable("labels.csv", images, labels, None, None, tuple(range(2, len(rows) + 2)))
    scenes, _ = scenes_from_labels(table, None, HIERARCHY, names)
    splits = {name: ("induction", "induction", "evaluation", "verification")[i % 4] for i, name in enumerate(names)}
    values = {("fc", str(j)): shown[:, j] + 0.3 * rng.standard_normal(n) for j in range(3)}
    return scenes, splits, values, shown


def test_a_good_labelling_beats_chance_and_both_are_measured_on_the_same_images(world: tuple) -> None:
    scenes, splits, values, _ = world
    good = Labelling("good", {("fc", str(j)): contains(Class(c)) for j, c in enumerate(("bed", "lamp", "car"))})
    luck = chance(good, list(values), seed=0)
    assert all(luck.labels[key] != good.labels[key] for key in values)
    result = compare_methods([luck, good], values, scenes, splits)
    assert [m.method for m in result.methods] == ["good", "chance (good)"]
    assert result.methods[0].covered == result.methods[0].distinct == result.methods[0].best == 3
    assert result.methods[0].holds.value == 1.0
    assert result.methods[0].auroc.value > 0.9 > 0.6 > result.methods[1].auroc.value
    assert result.images == 100
    json.dumps(result.to_dict(), default=str)
    with pytest.raises(InputError, match="same name"):
        compare_methods([good, good], values, scenes, splits)


def test_invert_finds_planted_labels(world: tuple) -> None:
    scenes, splits, values, _ = world
    learned = [name for name, split in splits.items() if split == "induction"]
    places = [i for i, split in enumerate(splits.values()) if split == "induction"]
    rows = np.stack([row[places] for row in values.values()])
    found = invert(list(values), rows, scenes.subset(learned), length=1)
    assert [to_manchester(e) for e in found.labels.values()] == [f"contains some {c}" for c in ("bed", "lamp", "car")]


def test_a_single_unit_has_no_chance_label(world: tuple) -> None:
    alone = Labelling("alone", {("fc", "0"): contains(Class("bed"))})
    assert not chance(alone, [("fc", "0"), ("fc", "1")], seed=0).labels
