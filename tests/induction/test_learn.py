from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import Named, contains, length, to_manchester
from conceptx.induction import Problem, Settings, induce, induce_problem, scores
from conceptx.induction.ecii import ecii
from conceptx.induction.extents import atoms
from conceptx.induction.problem import problem_from_values
from conceptx.ontology.hierarchy import Hierarchy
from tests.induction.worlds import example, plant, random_scenes

ONE = Settings(workers=1, atoms=("classes",))


@pytest.fixture(scope="module")
def world():
    return example(5, 400)


def planted_units(seed: int, n: int, per_length: int, noise: float):
    rng = np.random.Generator(np.random.PCG64(seed))
    scenes = random_scenes(rng, n)
    found = atoms(scenes, ("classes",), min_support=9)
    planted = [plant(rng, found, size, 9) for size in (1, 2, 3) for _ in range(per_length)]
    return scenes, planted, np.stack([p.held + noise * rng.standard_normal(n) for p in planted])


@pytest.mark.slow
def test_planted_expressions_are_proposed():
    recovered = []
    for seed in (20, 21, 22):
        scenes, planted, values = planted_units(seed, 1800, 40, noise=0.5)
        learned = induce(scenes, values, Settings())
        for unit, p in zip(learned, planted, strict=True):
            assert unit.hypotheses[0].optimal
            recovered.append(np.array_equal(evaluate(unit.proposed.expression, scenes), p.held))
    assert np.mean(recovered) >= 0.95


def test_a_strong_planted_unit_is_proposed_with_all_its_facts():
    scenes, planted, values = planted_units(7, 600, 3, noise=0.1)
    learned = induce(scenes, values, ONE)
    assert len(learned) == 9 and learned.n_tried == sum(u.n_tried for u in learned) > 9 * 10**6
    for unit, p, v in zip(learned, planted, values, strict=True):
        h = unit.proposed
        held = evaluate(h.expression, scenes)
        assert np.array_equal(held, p.held)
        assert h.length == length(h.expression) == p.length and h.extent_size == held.sum()
        assert h.scores == scores.score_all(v, held) and h.score == h.scores["correlation"]
        for twin in h.twins:
            assert np.array_equal(evaluate(twin, scenes), held)
        assert len(h.twins) == min(h.n_twins, 10) or h.n_twins > len(h.twins)


def test_the_ranking_the_frontier_and_the_certificate_agree(world):
    scenes, _ = world
    rng = np.random.Generator(np.random.PCG64(1))
    learned = induce(scenes, rng.standard_normal((4, 400)), ONE)
    for unit in learned:
        found = [h.score for h in unit.hypotheses]
        assert found == sorted(found, reverse=True) and len(unit) == 5
        assert [h.proposed for h in unit].count(True) == 1
        assert unit.hypotheses[0].optimal and all(h.bound == found[0] for h in unit)
        steps = unit.frontier
        assert [s.length for s in steps] == sorted({s.length for s in steps})
        assert [s.score for s in steps] == sorted({s.score for s in steps})
        assert steps[-1].behind == 0 and all(s.behind > 0 and s.behind_error > 0 for s in steps[:-1])
        assert min(steps, key=lambda s: s.criterion).proposed
        assert {s.expression for s in steps} >= {h.expression for h in unit if h.optimal}
        held = [evaluate(h.expression, scenes) for h in unit]
        for i, h in enumerate(unit):
            for e in h.rewordings:
                other = evaluate(e, scenes)
                assert (held[i] & other).sum() / (held[i] | other).sum() >= 0.95


def test_the_description_length_is_as_documented(world):
    scenes, found = world
    values = np.random.Generator(np.random.PCG64(2)).standard_normal((1, 400))
    unit = induce(scenes, values, ONE)[0]
    for step in unit.frontier:
        r = np.corrcoef(values[0], evaluate(step.expression, scenes))[0, 1]
        e = len(found)
        size = {1: 2 * e, 2: 8 * e * (e - 1) // 2, 3: 64 * e * (e - 1) * (e - 2) // 6}[step.length]
        assert step.criterion == pytest.approx(400 * np.log(1 - r**2) + 2 * np.log(size))


def test_results_do_not_depend_on_threads_or_company(world):
    scenes, _ = world
    values = np.random.Generator(np.random.PCG64(3)).standard_normal((5, 400))
    alone = [induce(scenes, v[None], ONE)[0] for v in values]
    for search in ("optimal", "beam"):
        one, two = (induce(scenes, values, Settings(workers=w, atoms=("classes",), search=search)) for w in (1, 2))
        assert one == two
        if search == "optimal":
            assert list(one) == alone


def test_the_beam_says_that_it_has_no_certificate(world, monkeypatch):
    scenes, _ = world
    values = np.random.Generator(np.random.PCG64(4)).standard_normal((3, 400))
    certified, beamed = induce(scenes, values, ONE), induce(scenes, values, Settings(search="beam", workers=1))
    for c, b in zip(certified, beamed, strict=True):
        assert not any(h.optimal for h in b) and b.hypotheses[0].score <= b.hypotheses[0].bound
        assert c.hypotheses[0].score <= b.hypotheses[0].bound
    monkeypatch.setattr("conceptx.induction.learn._STEPS", 200)
    for unit in induce(scenes, values, Settings(budget=10, workers=1)):
        assert not any(h.optimal and h.length > 1 for h in unit)
        assert unit.hypotheses[0].score <= unit.hypotheses[0].bound


def test_branch_and_bound_says_the_same_as_complete_enumeration(world):
    scenes, found = world
    rng = np.random.Generator(np.random.PCG64(10))
    held = found.unpacked()
    values = (held[[5, 30, 60]] & ~held[[90, 20, 40]]) + 0.2 * rng.standard_normal((3, 400))
    for settings in (ONE, replace(ONE, objective="f1"), replace(ONE, positive_from=0.8, negative_to=0.2)):
        enumerated = induce(scenes, values, settings)
        bounded = induce(scenes, values, replace(settings, budget=1, search="optimal", workers=2))
        for a, b in zip(enumerated, bounded, strict=True):
            assert b.hypotheses[0].optimal and a.n_tried == b.n_tried
            assert a.hypotheses[0].score == pytest.approx(b.hypotheses[0].score, rel=1e-12)
            assert b.hypotheses[0].bound == b.hypotheses[0].score
            assert [(s.length, s.score) for s in a.frontier] == [(s.length, s.score) for s in b.frontier]


def test_the_published_scheme_takes_the_sides_of_each_unit(world):
    scenes, found = world
    values = found.unpacked()[[5, 30, 60]] + 0.1 * np.random.Generator(np.random.PCG64(3)).random((3, 400))
    asked = Settings("coverage", search="ecii", top=3)
    explained = induce(scenes, np.vstack([values, np.zeros(400)]), asked)
    for unit, row in zip(explained, values, strict=False):
        assert unit == ecii(scenes, problem_from_values(row), top=3, values=row) and len(unit) == 3
        assert not any(h.optimal for h in unit) and unit.proposed == unit.hypotheses[0]
    assert len(explained[3]) == 0 and explained[3].reason
    sides = replace(asked, positive_from=0.5, negative_to=0.3)
    assert induce(scenes, values, sides)[0] == ecii(
        scenes, problem_from_values(values[0], 0.5, 0.3), top=3, values=values[0]
    )
    problem = Problem(values[0] > 0.5, values[0] < 0.3)
    assert induce_problem(scenes, problem, asked) == ecii(scenes, problem, top=3)
    with pytest.raises(InputError, match="use one of coverage, f1"):
        Settings(search="ecii")


def test_settings_say_in_words_what_is_not_as_by_default():
    assert Settings().describe() == []
    assert "beam" in Settings(search="beam", seconds=1).describe()[0]
    assert "2.5 seconds" in Settings("f1", search="optimal", seconds=2.5).describe()[0]


def test_known_atoms_can_be_given(world):
    scenes, _ = world
    rng = np.random.Generator(np.random.PCG64(12))
    values = rng.random((2, 400))
    least = atoms(scenes, ("classes",), min_support=5)
    assert induce(scenes, values, ONE, extents=least) == induce(scenes, values, ONE)
    problem = Problem(values[0] > 0.7, values[0] < 0.5)
    all_atoms = atoms(scenes, ("classes",))
    settings = replace(ONE, objective="f1")
    assert induce_problem(scenes, problem, settings, extents=all_atoms) == induce_problem(scenes, problem, settings)


def test_longer_expressions_come_from_a_beam_on_top(world):
    scenes, _ = world
    values = np.random.Generator(np.random.PCG64(5)).standard_normal((2, 400))
    three, four = (induce(scenes, values, Settings(max_length=m, workers=1, atoms=("classes",))) for m in (3, 4))
    for a, b in zip(three, four, strict=True):
        assert b.hypotheses[0].length == 4 and not b.hypotheses[0].optimal
        assert b.hypotheses[0].score > a.hypotheses[0].score
        assert b.frontier[-2].expression == a.frontier[-1].expression


def test_without_negation_none_is_said(world):
    scenes, _ = world
    values = np.random.Generator(np.random.PCG64(6)).standard_normal((3, 400))
    for search in ("optimal", "beam"):
        for unit in induce(scenes, values, Settings(negation=False, search=search, workers=1)):
            assert unit.hypotheses and not any("not" in to_manchester(h.expression) for h in unit)


def test_problems_of_positive_and_negative_images(world):
    scenes, found = world
    held = found.unpacked()[3] & ~found.unpacked()[8]
    positive, negative = held.copy(), ~held
    negative[::3] = False
    unit = induce_problem(scenes, Problem(positive, negative), Settings(objective="f1", workers=1, atoms=("classes",)))
    best = unit.hypotheses[0]
    assert best.score == best.scores["f1"] == best.scores["coverage"] == 1.0 and best.optimal
    extent = evaluate(best.expression, scenes)
    assert extent[positive].all() and not extent[negative].any()
    assert best.length <= 2 and best.extent_size == extent.sum()


def test_the_published_protocol_makes_a_problem_of_each_unit(world):
    scenes, found = world
    rng = np.random.Generator(np.random.PCG64(8))
    values = np.maximum(found.unpacked()[:2] * 10 + rng.standard_normal((2, 400)), 0)
    settings = Settings("coverage", max_length=2, negation=False, positive_from=0.8, negative_to=0.2, workers=1)
    learned = induce(scenes, [*values, np.zeros(400)], settings)
    for unit, v in zip(learned, values, strict=False):
        for h in unit:
            held = evaluate(h.expression, scenes)
            positive, negative = v >= 0.8 * v.max(), v <= 0.2 * v.max()
            right = (held & positive).sum() + (~held & negative).sum()
            assert h.scores["coverage"] == right / (positive | negative).sum()
            assert h.scores["correlation"] == scores.correlation(v, held)
    assert learned[2].reason == "the unit has no value above 0" and not learned[2].hypotheses


def test_a_constant_unit_has_a_reason_and_no_hypothesis(world):
    scenes, _ = world
    values = np.random.Generator(np.random.PCG64(9)).standard_normal((3, 400))
    values[1] = 4
    learned = induce(scenes, values, ONE)
    assert learned[1].reason == "the unit has one value on all images" and len(learned[1]) == 0
    assert learned[0] == induce(scenes, values[:1], ONE)[0] and learned[1].proposed is None
    assert not induce(scenes, np.ones((1, 400)), ONE)[0].hypotheses


def test_the_table_has_a_row_for_each_hypothesis(world):
    scenes, _ = world
    learned = induce(scenes, np.random.Generator(np.random.PCG64(10)).standard_normal((2, 400)), ONE)
    rows = learned.to_table("fc", ["a", "b"]).to_pylist()
    assert [(r["unit"], r["rank"]) for r in rows] == [(u, k) for u in "ab" for k in range(1, 6)]
    first = learned[0].hypotheses[0]
    assert rows[0]["expression"] == to_manchester(first.expression) and rows[0]["correlation"] == first.score
    assert rows[0]["optimal"] and rows[0]["bound"] == first.score and rows[0]["auprc"] == first.scores["auprc"]


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        (np.zeros((2, 3)), {}, r"activations: values of the shape \(2, 3\) beside 400 images; give one row a unit"),
        (np.full((1, 400), np.nan), {}, "activations: unit 0 has the value nan on image number 0 .400 such"),
        (np.zeros((1, 400)), {"min_support": 300}, "annotations: no statement holds for at least 300 of the 400"),
    ],
)
def test_bad_input_is_refused(world, values, settings, message):
    with pytest.raises(InputError, match=message):
        induce(world[0], values, Settings(workers=1, atoms=("classes",), **settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "corelation"}, "did you mean 'correlation'"),
        ({"search": "best"}, "'best' is not a search; use one of auto, optimal, beam"),
        ({"max_length": 0}, "max_length: 0 is too small"),
        ({"seconds": 0}, "seconds: 0 is not a time; use a number above 0"),
        ({"positive_from": 0.8}, "only one of the two shares is given; give negative_to as well"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Settings(**settings)


def test_scenes_without_objects_are_an_error():
    h = Hierarchy.from_edges([("Bed", "Furniture")])
    empty = np.empty(0, np.int32)
    scenes = Scenes(h, ("a", "b"), ("a", "b"), empty, empty, {"contains": (empty, empty)})
    with pytest.raises(InputError, match="no statement holds for at least 5 of the 2 images"):
        induce(scenes, [[1.0, 2.0]], ONE)


def test_image_classes_are_said_only_on_request():
    h = Hierarchy.from_edges([("Kitchen", "Rooms"), ("Cup", "Things")])
    names = tuple(f"i{k}" for k in range(30))
    kitchens = np.arange(12, dtype=np.int32)
    cups = np.arange(30, 45, dtype=np.int32)
    types = (np.concatenate([kitchens, cups]), np.array([h.id("Kitchen")] * 12 + [h.id("Cup")] * 15, np.int32))
    scenes = Scenes(
        h, names, (*names, *map(str, range(15))), *types, {"contains": (np.arange(10, 25, dtype=np.int32), cups)}
    )
    values = np.arange(30)[None] < 12
    assert induce(scenes, values, Settings(workers=1))[0].proposed.expression != Named("Kitchen")
    assert induce(scenes, values, Settings(workers=1, image_classes=True))[0].proposed.expression == Named("Kitchen")
    assert contains(Named("Cup")) in atoms(scenes).expressions
