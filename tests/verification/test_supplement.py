"""Stability, sanity, counter-examples, ensembles, and the tables beside the verdicts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import Named, contains, parse, to_manchester
from conceptx.files import json_ready
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.verification import counterexamples, ensembles, sanity, stability
from conceptx.verification.statistics import tally
from conceptx.verification.supplement import EFFECTS, supplement
from conceptx.verification.verify import verify
from tests.verification.test_verify import FAST, mixed
from tests.verification.worlds import World, planted, world


@pytest.fixture(scope="module")
def small() -> World:
    return world(1, (300, 150, 150))


def garden(seed: int = 0, n: int = 400) -> Scenes:
    """Images with one object of one or two of four leaf classes below Animal and Plant."""
    edges = [("Cat", "Animal"), ("Dog", "Animal"), ("Rose", "Plant"), ("Oak", "Plant")]
    hierarchy = Hierarchy.from_edges([*edges, ("Animal", "Living"), ("Plant", "Living")])
    rng = np.random.default_rng(seed)
    leaves = ["Cat", "Dog", "Rose", "Oak"]
    images = tuple(f"{i}.jpg" for i in range(n))
    has = [(i, leaf) for i in range(n) for leaf in leaves if rng.random() < 0.25]
    individuals = (*images, *(f"{images[i]}#{leaf}" for i, leaf in has))
    objects = np.arange(n, n + len(has))
    classes = np.array([hierarchy.id(leaf) for _, leaf in has])
    return Scenes(
        hierarchy, images, individuals, objects, classes, {"contains": (np.array([i for i, _ in has]), objects)}
    )


# ------------------------------------------------------------------------------------------------- stability


def test_places_are_counted_from_the_highest_and_nan_comes_last() -> None:
    scores = np.array([[0.1, 0.5, np.nan], [0.3, 0.5, 0.2], [0.2, 0.1, 0.1]])
    assert stability.places(scores).T.tolist() == [[3, 1, 2], [1, 2, 3], [3, 1, 2]]


def test_the_explanation_set_is_the_smallest_that_wins_often_enough() -> None:
    assert stability.explanation_set(np.array([0.2, 0.7, 0.06, 0.04])) == {0, 1, 2}
    assert stability.explanation_set(np.array([0.0, 0.95, 0.05])) == {1}


def test_a_clear_unit_is_stable_and_twin_like_expressions_share_the_set(small: World) -> None:
    rng = np.random.default_rng(0)
    images = small.of("induction")
    clear = planted(small.extents[3], 2, rng)[images]
    both = planted(small.extents[3].astype(float) + small.extents[5], 2, rng)[images]
    candidates = [[small.expressions[i] for i in (5, 3)], [small.expressions[i] for i in (3, 5)]]
    rows = stability.stability_rows(
        [("fc", "clear"), ("fc", "both")],
        [clear, both],
        candidates,
        lambda e: small.extents[small.expressions.index(e)][images],
        resamples=200,
        seed=0,
    )
    assert [row["rank"] for row in rows[:2]] == [2, 1]
    assert rows[1]["wins"] == rows[1]["stability"] == 1.0 and rows[1]["in_set"] and not rows[0]["in_set"]
    assert [row["set_size"] for row in rows] == [1, 1, 2, 2]
    assert sum(row["wins"] for row in rows[2:]) == pytest.approx(1.0)
    for row in rows:
        extent = small.extents[[to_manchester(e) for e in small.expressions].index(row["expression"])][images]
        values = clear if row["unit"] == "clear" else both
        assert row["correlation"] == pytest.approx(np.corrcoef(extent, values)[0, 1], abs=1e-5)
        assert row["correlation_low"] < row["correlation"] < row["correlation_high"]


def test_what_holds_for_every_image_has_no_correlation_and_comes_last(small: World) -> None:
    images = small.of("induction")
    values = planted(small.extents[3], 2, np.random.default_rng(0))[images]
    extents = [np.ones_like(small.extents[3][images]), small.extents[3][images]]
    rows = stability.stability_rows(
        [("fc", "u")],
        [values],
        [small.expressions[:2]],
        lambda e: extents[small.expressions.index(e)],
        resamples=50,
        seed=0,
    )
    assert [row["correlation_low"] is None for row in rows] == [True, False]
    assert [row["rank"] for row in rows] == [2, 1] and rows[1]["wins"] == 1.0


# ------------------------------------------------------------------------------------------------- sanity


def test_variants_go_up_down_and_beside_and_leave_parts_out() -> None:
    scenes = garden()
    found = sanity.variants(parse("contains some Animal and not (contains some Rose)"), scenes)
    shown = {(v.change, v.part, to_manchester(v.expression)) for v in found}
    assert shown == {
        ("superclass", "Animal", "contains some Living and not (contains some Rose)"),
        ("subclass", "Animal", "contains some Cat and not (contains some Rose)"),
        ("subclass", "Animal", "contains some Dog and not (contains some Rose)"),
        ("sibling", "Animal", "contains some Plant and not (contains some Rose)"),
        ("superclass", "Rose", "contains some Animal and not (contains some Plant)"),
        ("sibling", "Rose", "contains some Animal and not (contains some Oak)"),
        ("left out", "contains some Animal", "not (contains some Rose)"),
        ("left out", "not (contains some Rose)", "contains some Animal"),
    }


def test_parts_are_left_out_at_any_depth() -> None:
    text = "contains some (Cat and Dog) and not (contains some Rose or contains some Oak)"
    shown = {to_manchester(e) for e in sanity.shortened(parse(text))}
    assert shown == {
        "not (contains some Rose or contains some Oak)",
        "contains some (Cat and Dog)",
        "contains some Dog and not (contains some Rose or contains some Oak)",
        "contains some Cat and not (contains some Rose or contains some Oak)",
        "contains some (Cat and Dog) and not (contains some Oak)",
        "contains some (Cat and Dog) and not (contains some Rose)",
    }
    assert sanity.shortened(parse("contains some Cat")) == []


def test_the_true_word_falls_in_every_direction_and_a_wrong_one_shows() -> None:
    scenes = garden()
    truth = evaluate(parse("contains some Animal"), scenes)
    values = planted(truth, 1, np.random.default_rng(0))

    def rows_of(text: str) -> dict[tuple, dict]:
        rows = sanity.sanity_rows("fc", "0", parse(text), values, lambda e: evaluate(e, scenes), scenes, 0)
        return {(row["change"], row["variant"]): row for row in rows}

    true = rows_of("contains some Animal")
    assert len(true) == 1 + 2 + 1 + 2 and {row["outcome"] for row in true.values()} == {"falls"}
    wrong = rows_of("contains some Cat")
    assert wrong["superclass", "contains some Animal"]["outcome"] == "rises"
    row = true["superclass", "contains some Living"]
    living = evaluate(parse("contains some Living"), scenes)
    expected = np.corrcoef(truth, values)[0, 1] - np.corrcoef(living, values)[0, 1]
    assert row["fall"] == pytest.approx(expected) and row["n_target"] == living.sum()
    assert true["half of the targets removed", None]["n_target"] == truth.sum() - truth.sum() // 2


def test_variants_without_a_difference_or_without_a_test_say_so() -> None:
    scenes = garden(n=60)
    values = np.arange(60.0)
    rows = sanity.sanity_rows("fc", "0", contains(Named("Cat")), values, lambda e: np.arange(60) < 20, scenes, 0)
    assert {row["outcome"] for row in rows if row["variant"]} == {"same images"}
    nothing = sanity.sanity_rows(
        "fc",
        "0",
        contains(Named("Cat")),
        values,
        lambda e: (np.arange(60) < 20) & (e == contains(Named("Cat"))),
        scenes,
        0,
    )
    assert {row["outcome"] for row in nothing if row["variant"]} == {
        "not testable: it holds for none of the held-out images"
    }
    assert all(row.get("fall") is None for row in nothing if row["variant"])


# ------------------------------------------------------------------------------------------------- counter-examples


def test_counter_examples_are_ranked_by_how_much_they_contradict() -> None:
    values = np.array([10.0, 0.0, 1.0, 9.0, 5.0, 0.5, 2.0])
    matches = np.array([1, 1, 1, 0, 0, 0, 0], dtype=bool)
    assert counterexamples.against(values, matches) == ([1, 2], [3, 4])
    assert counterexamples.against(-values, matches)[1][0] == 5
    rows = counterexamples.counterexample_rows("fc", "0", "Bed", values, matches, "abcdefg", ["induction"] * 7)
    assert [(r["kind"], r["rank"], r["image"], r["level"]) for r in rows] == [
        ("silent", 1, "b", 0.0),
        ("silent", 2, "c", 0.1),
        ("unexpected", 1, "d", 0.9),
        ("unexpected", 2, "e", 0.5),
    ]
    assert counterexamples.levels(np.zeros(3)).tolist() == [0, 0, 0] and not len(counterexamples.levels(np.zeros(0)))


def test_the_missing_word_is_found() -> None:
    from conceptx.induction.extents import atoms

    scenes = garden(n=300)
    cat, rose = evaluate(parse("contains some Cat"), scenes), evaluate(parse("contains some Rose"), scenes)
    values = (cat | rose) + 0.1 * np.random.default_rng(0).random(300)
    words = atoms(scenes, ("classes",))
    unexpected = ~cat & (counterexamples.levels(values) > 0.2)
    found = counterexamples.missing_words(words.packed, words.counts, unexpected, cat)
    assert to_manchester(words.expressions[found[0]]) == "contains some Rose"
    hits = (unexpected & rose).sum() / unexpected.sum() - (~cat & ~unexpected & rose).sum()
    assert hits == 1.0
    assert counterexamples.missing_words(words.packed, words.counts, np.zeros(300, dtype=bool), cat) == []


# ------------------------------------------------------------------------------------------------- ensembles


def test_an_ensemble_fires_less_often_on_others_and_is_counted_right(small: World) -> None:
    rng = np.random.default_rng(0)
    extent, n = small.extents[3], small.scenes.n_images

    def noisy() -> np.ndarray:
        return np.where(rng.random(n) < np.where(extent, 0.95, 0.3), 1.0, 0.0)

    values = [noisy(), noisy(), rng.random(n)]
    splits = {split: small.of(split) for split in ("evaluation", "verification")}
    rows = ensembles.ensemble_rows(
        "fc", "abc", values, [1.0] * 3, [small.expressions[3]], lambda e: extent, splits, (0.0, 0.5)
    )
    row = next(r for r in rows if r["split"] == "verification" and r["threshold"] == 0.0)
    assert set(row["units"]) >= {"a", "b"} and row["single"] in row["units"]
    places = splits["verification"]
    together = np.logical_and.reduce([values["abc".index(u)][places] > 0 for u in row["units"]])
    alone = values["abc".index(row["single"])][places] > 0
    others = ~extent[places]
    assert row["non_tla"] == pytest.approx(together[others].mean())
    assert row["drop"] == pytest.approx(alone[others].mean() - together[others].mean()) and row["drop_low"] > 0.05
    assert row["loss"] == pytest.approx(alone[~others].mean() - together[~others].mean())
    assert row["n_target"] + row["n_other"] == len(places)


def test_units_that_never_fire_and_lone_units_make_no_ensemble(small: World) -> None:
    splits = {split: small.of(split) for split in ("evaluation", "verification")}
    arguments = ([small.expressions[3]], lambda e: small.extents[3], splits, (0.0,))
    values = [small.extents[3].astype(float), np.zeros(600)]
    assert ensembles.ensemble_rows("fc", "ab", values, [1.0, 0.0], *arguments) == []
    assert ensembles.ensemble_rows("fc", "ab", [values[0]] * 2, [1.0, 1.0], *arguments) == []


# ------------------------------------------------------------------------------------------------- all of it


def test_the_supplement_has_a_row_for_every_held_out_row(small: World) -> None:
    values = mixed(small)
    layer = small.layer(values)
    hypotheses = small.hypotheses(layer)
    brightness = dict(zip(small.splits, np.random.default_rng(3).random(600).tolist(), strict=True))
    found = verify(
        layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search(), brightness=brightness
    )
    arguments = ([layer], small.scenes, small.splits, hypotheses, found.verdicts)
    made = supplement(*arguments, protocol=FAST, brightness=brightness)
    again = supplement(*arguments, protocol=FAST, brightness=brightness)
    assert all(made.tables[name].equals(again.tables[name]) for name in made.tables)
    held_out = [r for r in found.verdicts.to_pylist() if r["split"] in ("evaluation", "verification")]
    rows = made.effects.to_pylist()
    key = ("layer", "unit", "expression", "split")
    assert sorted(tuple(r[k] for k in key) for r in rows) == sorted(tuple(r[k] for k in key) for r in held_out)
    assert made.effects.schema == EFFECTS
    by_key = {tuple(r[k] for k in key): r for r in held_out}
    for row in rows:
        verdict = by_key[tuple(row[k] for k in key)]
        assert row["base_rate"] == pytest.approx(row["n_target"] / 150)
        assert row["cliffs_delta"] == pytest.approx(2 * verdict["auroc"] - 1)
        assert (row["p_permutation"] is None) == (row["p_max_t"] is None) == (verdict["p"] is None)
        if verdict["p"] is not None:
            assert 1 / 1001 <= row["p_permutation"] <= row["p_max_t"]
            assert row["auroc_bootstrap_low"] <= verdict["auroc"] <= row["auroc_bootstrap_high"]
        assert row["auroc_bound_low"] <= verdict["auroc"] <= row["auroc_bound_high"]
        members = small.of(row["split"])
        extent = evaluate(parse(row["expression"]), small.scenes)[members]
        x, z = layer.values[int(row["unit"])][members], np.array(list(brightness.values()))[members]
        assert row["r_brightness"] == pytest.approx(np.corrcoef(x, z)[0, 1])
        residuals = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x.astype(float), extent.astype(float))]
        assert row["r_partial"] == pytest.approx(np.corrcoef(*residuals)[0, 1])
        assert tally(x, extent).n_target == row["n_target"]
    assert made.numbers["confirmed"] == made.numbers["confirmed_by_max_t"] == 2
    assert {r["unit"] for r in made.sanity.to_pylist()} == {"0", "1"}
    json.dumps(json_ready(made.numbers))


def test_without_resamples_and_with_untestable_rows_there_is_no_p(small: World) -> None:
    from dataclasses import replace

    from conceptx.verification.controls import Candidate
    from tests.verification.worlds import table_of

    rare = parse("contains some Bed and contains some Car and contains some Cup and contains some Dog")
    layer = small.layer(mixed(small)[:1])
    hypotheses = table_of(layer, [[Candidate(rare, 0.9)]])
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    made = supplement([layer], small.scenes, small.splits, hypotheses, found.verdicts, protocol=FAST)
    assert made.effects["p_permutation"].to_pylist() == made.effects["p_max_t"].to_pylist() == [None, None]
    bare = replace(FAST, bootstrap=0, permutations=0)
    hypotheses = small.hypotheses(layer)
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=bare, search=small.search())
    made = supplement([layer], small.scenes, small.splits, hypotheses, found.verdicts, protocol=bare)
    assert set(made.effects["p_permutation"].to_pylist()) == {None} and not made.stability.num_rows
    assert made.numbers["confirmed_by_max_t"] is None


def test_brightness_must_be_known_for_every_image(small: World) -> None:
    layer = small.layer(mixed(small))
    with pytest.raises(InputError, match=r"brightness: the brightness of image '00000.jpg' is not known"):
        verify(
            layer,
            small.scenes,
            small.splits,
            small.hypotheses(layer),
            protocol=FAST,
            search=small.search(),
            brightness={},
        )


def test_a_unit_that_only_sees_brightness_shows_in_the_partial_correlation(small: World) -> None:
    rng = np.random.default_rng(0)
    bright = small.extents[3] + 0.3 * rng.random(600)
    layer = small.layer((bright + 0.05 * rng.normal(size=600))[None])
    brightness = dict(zip(small.splits, bright.tolist(), strict=True))
    found = verify(
        layer,
        small.scenes,
        small.splits,
        small.hypotheses(layer),
        protocol=FAST,
        search=small.search(),
        brightness=brightness,
    )
    assert found.summary.control_counts["brightness"]["confirmed"] == 1
    made = supplement(
        [layer],
        small.scenes,
        small.splits,
        small.hypotheses(layer),
        found.verdicts,
        protocol=FAST,
        brightness=brightness,
    )
    row = next(r for r in made.effects.to_pylist() if r["split"] == "verification")
    assert row["r_brightness"] > 0.95 and abs(row["r_partial"]) < 0.3
