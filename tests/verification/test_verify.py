from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from conceptx.errors import InputError
from conceptx.expressions import parse, to_manchester
from conceptx.files import json_ready
from conceptx.tables import CONTROLS, HYPOTHESES, MARGINS, VERDICTS, from_rows, write_parquet
from conceptx.verification.controls import Candidate, Floor
from conceptx.verification.judge import Examined, judge
from conceptx.verification.measures import Measured
from conceptx.verification.protocol import PROTOCOLS, Protocol
from conceptx.verification.statistics import Estimate
from conceptx.verification.verify import verify
from tests.verification.worlds import World, planted, table_of, world

FAST = Protocol(name="fast", n_controls=20)


@pytest.fixture(scope="module")
def small() -> World:
    return world(1, (300, 150, 150))


def mixed(w: World, seed: int = 0) -> np.ndarray:
    """Two planted units, two noise units, a unit that never fires."""
    rng = np.random.default_rng(seed)
    n = w.scenes.n_images
    rows = [planted(w.extents[3], 2, rng, relu=True), planted(w.extents[12], 2, rng)]
    rows += [np.maximum(rng.normal(size=n), 0), rng.normal(size=n), np.zeros(n)]
    return np.stack(rows)


def test_the_tables_have_the_schemas_and_every_unit_one_verdict(small: World) -> None:
    layer = small.layer(mixed(small))
    found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    assert found.verdicts.schema == VERDICTS
    assert found.margins.schema == MARGINS
    assert found.controls.schema == CONTROLS
    verdict_of = {u.unit: u for u in found.summary.units}
    assert list(verdict_of) == ["0", "1", "2", "3", "4"]
    assert verdict_of["0"].verdict == verdict_of["1"].verdict == "confirmed"
    assert verdict_of["0"].expression == to_manchester(small.expressions[3])
    assert verdict_of["2"].verdict != "confirmed" and verdict_of["3"].verdict != "confirmed"
    assert verdict_of["4"].verdict == "unexplained" and "never fires" in verdict_of["4"].note
    assert sum(found.summary.counts.values()) == 5
    for unit, summary in verdict_of.items():
        judged = {
            (r["expression"], r["verdict"]) for r in found.verdicts.to_pylist() if r["unit"] == unit and r["verdict"]
        }
        assert judged == {(summary.expression, summary.verdict)}
    json.dumps(json_ready(found.summary.to_dict()))


def test_induction_rows_carry_no_test_and_untested_units_no_held_out_rows(small: World) -> None:
    layer = small.layer(mixed(small))
    found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    rows = found.verdicts.to_pylist()
    learned = [r for r in rows if r["split"] == "induction"]
    assert learned and all(r[c] is None for r in learned for c in ("u", "z", "p", "z_uncorrected", "p_one_tailed", "q"))
    assert all(r["correlation"] is not None for r in learned)
    for unit in found.summary.units:
        held_out = [r for r in rows if r["unit"] == unit.unit and r["split"] in ("evaluation", "verification")]
        assert bool(held_out) == (unit.verdict != "unexplained")
        assert sum(r["split"] == "verification" for r in held_out) <= 1


def test_statistics_of_a_row_are_scipys_on_the_images_of_the_split(small: World) -> None:
    values = mixed(small)
    layer = small.layer(values)
    found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    row = next(r for r in found.verdicts.to_pylist() if r["unit"] == "0" and r["split"] == "verification")
    members = small.of("verification")
    extent, x = small.extents[3][members], layer.values[0][members]
    scipy = stats.mannwhitneyu(x[extent], x[~extent], use_continuity=False, method="asymptotic")
    assert (row["n_target"], row["n_other"]) == (extent.sum(), (~extent).sum())
    assert (row["u"], row["p"]) == (scipy.statistic, pytest.approx(scipy.pvalue, rel=1e-12))
    assert row["correlation"] == pytest.approx(np.corrcoef(x, extent)[0, 1], abs=1e-9)
    assert row["tla"] == pytest.approx((x[extent] > 0).mean())
    assert row["non_tla"] == pytest.approx((x[~extent] > 0).mean())
    tested = [r for r in found.verdicts.to_pylist() if r["split"] == "verification" and r["p"] is not None]
    q = stats.false_discovery_control([r["p"] for r in tested])
    assert [r["q"] for r in tested] == pytest.approx(q.tolist())
    assert found.summary.n_tests["verification"] == len(tested)


def test_the_same_seed_gives_the_same_bytes_and_image_order_does_not_matter(small: World, tmp_path) -> None:
    layer = small.layer(mixed(small))
    made = []
    for i in range(2):
        found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
        for name in ("verdicts", "margins", "controls"):
            write_parquet(tmp_path / f"{name}{i}.parquet", getattr(found, name))
        made.append(found)
    for name in ("verdicts", "margins", "controls"):
        assert (tmp_path / f"{name}0.parquet").read_bytes() == (tmp_path / f"{name}1.parquet").read_bytes()
    order = np.random.default_rng(0).permutation(len(layer.images))
    shuffled = type(layer)("fc", layer.units, tuple(layer.images[i] for i in order), layer.values[:, order])
    again = verify(shuffled, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    assert again.verdicts.equals(made[0].verdicts)


def test_a_units_controls_do_not_depend_on_the_other_kinds(small: World) -> None:
    layer = small.layer(mixed(small))
    hypotheses = small.hypotheses(layer)
    both = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    one = Protocol(name="one", n_controls=20, controls=("noise",))
    alone = verify(layer, small.scenes, small.splits, hypotheses, protocol=one, search=small.search())
    assert both.summary.floors["noise"] == alone.summary.floors["noise"]


def test_the_floor_can_be_computed_again_from_the_table_of_controls(small: World) -> None:
    layer = small.layer(mixed(small))
    found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    rows = [r for r in found.controls.to_pylist() if r["split"] == "verification" and r["kind"] != "directions"]
    assert len(rows) == found.summary.floor.n == 40
    effects = [r["correlation"] for r in rows]
    assert found.summary.floor.verification == np.quantile(effects, 0.95, method="higher")
    within = [r for r in rows if "not above the noise floor" in r["note"]]
    assert len(within) >= 36 and all(r["verdict"] == "unexplained" for r in within)


@pytest.mark.parametrize(
    ("floor", "verdict", "note"),
    [
        (math.nan, "confirmed", ""),
        (0.19, "confirmed", ""),
        (0.21, "weak", "the correlation, 0.200, is not above the noise floor 0.210"),
    ],
)
def test_the_correlation_is_compared_with_the_floor(floor: float, verdict: str, note: str) -> None:
    rows = [
        Measured("0", "Bed", split, correlation=Estimate(0.2, 0.05, 0.34), p=1e-3)
        for split in ("evaluation", "verification")
    ]
    examined = Examined("fc", "0", 0.5, tuple(rows), *rows)
    (judged,) = judge([examined], FAST, Floor(n=40, search=0.1, verification=floor))
    assert (judged.verdict, judged.note) == (verdict, note)


def test_the_proposed_hypothesis_is_taken_unless_evaluation_speaks_against_it(small: World) -> None:
    extent = small.extents[3]
    rng = np.random.default_rng(0)
    layer = small.layer(planted(extent, 2, rng)[None])
    true, longer, wrong = small.expressions[3], small.expressions[12], small.expressions[5]
    for candidates, taken in (
        ([Candidate(longer, 0.9), Candidate(true, 0.8, True)], true),
        ([Candidate(true, 0.9), Candidate(wrong, 0.8, True)], true),
    ):
        hypotheses = table_of(layer, [candidates])
        found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
        assert found.summary.units[0].expression == to_manchester(taken)


def test_untrained_units_are_reported_and_do_not_move_the_floor(small: World) -> None:
    layer = small.layer(mixed(small))
    hypotheses = small.hypotheses(layer)
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search(), untrained=layer)
    without = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    assert found.summary.floor == without.summary.floor
    assert set(found.summary.floors) == {"shuffled", "noise", "untrained", "directions"}
    assert found.summary.control_counts["untrained"]["confirmed"] == 2
    assert set(found.controls["kind"].to_pylist()) == {"shuffled", "noise", "untrained", "directions"}


def test_a_unit_whose_evidence_is_within_the_floor_is_not_tested(small: World) -> None:
    values = mixed(small)
    layer = small.layer(values)
    hypotheses = table_of(layer, [[Candidate(small.expressions[3], 0.01)], [], [], [], []])
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    first, second = found.summary.units[:2]
    assert first.verdict == "unexplained" and "noise floor" in first.note
    assert second.verdict == "unexplained" and second.expression is None and "no hypothesis" in second.note
    assert found.summary.n_tests == {"evaluation": 0, "verification": 0}


def test_the_wrong_direction_and_a_chance_hypothesis_are_rejected(small: World) -> None:
    values = np.stack([-planted(small.extents[3], 2, np.random.default_rng(0)), np.arange(600.0) % 7])
    layer = small.layer(values)
    hypotheses = table_of(layer, [[Candidate(small.expressions[3], 0.9)], [Candidate(small.expressions[3], 0.9)]])
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    assert [u.verdict for u in found.summary.units] == ["rejected", "rejected"]


def test_an_effect_on_one_split_only_is_weak(small: World) -> None:
    rng = np.random.default_rng(0)
    values = planted(small.extents[3], 2, rng)
    values[small.of("verification")] = rng.normal(size=150)
    layer = small.layer(values[None])
    found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    (unit,) = found.summary.units
    assert unit.verdict == "weak" and unit.note == "only evaluation agrees"


def test_too_few_targets_leave_a_note_and_the_smallest_attainable_p(small: World) -> None:
    text = "contains some Bed and contains some Car and contains some Cup and contains some Dog"
    expression = parse(text)
    layer = small.layer(mixed(small))
    hypotheses = table_of(layer, [[Candidate(expression, 0.9)], [], [], [], []])
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    rows = [r for r in found.verdicts.to_pylist() if r["split"] in ("evaluation", "verification")]
    assert len(rows) == 2
    for row in rows:
        assert row["p"] is row["q"] is row["z"] is None
        assert row["note"].startswith("not testable: ")
        if row["n_target"]:
            smallest = 2 / math.comb(150, row["n_target"])
            assert f"no p below {smallest:.2g}" in row["note"]
    assert found.summary.units[0].verdict == "unexplained"


def test_units_are_told_apart_by_their_whole_name(small: World) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(11, small.scenes.n_images))
    values[1] = planted(small.extents[3], 4, rng)
    values[10] = planted(small.extents[5], 4, rng)
    layer = small.layer(values)
    found = verify(layer, small.scenes, small.splits, small.hypotheses(layer), protocol=FAST, search=small.search())
    expression_of = {u.unit: u.expression for u in found.summary.units}
    assert expression_of["1"] == to_manchester(small.expressions[3])
    assert expression_of["10"] == to_manchester(small.expressions[5])


def test_several_layers_are_corrected_together(small: World) -> None:
    first, second = small.layer(mixed(small), "a"), small.layer(mixed(small, 1), "b")
    import pyarrow as pa

    hypotheses = pa.concat_tables([small.hypotheses(first), small.hypotheses(second)])
    found = verify([first, second], small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    assert [(u.layer, u.unit) for u in found.summary.units] == [(a, str(i)) for a in "ab" for i in range(5)]
    tested = [r for r in found.verdicts.to_pylist() if r["split"] == "verification" and r["p"] is not None]
    q = stats.false_discovery_control([r["p"] for r in tested])
    assert [r["q"] for r in tested] == pytest.approx(q.tolist())


def test_dalal2024_judges_by_activation(small: World) -> None:
    rng = np.random.default_rng(0)
    extent = small.extents[3]
    fires = np.where(extent, rng.random(600) < 0.95, rng.random(600) < 0.3) * rng.exponential(size=600)
    rarely = np.where(extent, rng.random(600) < 0.6, rng.random(600) < 0.1) * rng.exponential(size=600)
    always = rng.exponential(size=600)
    layer = small.layer(np.stack([fires, rarely, always]))
    rows = [
        {"layer": "fc", "unit": str(u), "rank": 1, "expression": to_manchester(small.expressions[3]), "coverage": 0.9}
        for u in range(3)
    ]
    found = verify(layer, small.scenes, small.splits, from_rows(rows, HYPOTHESES), protocol="dalal2024")
    assert [u.verdict for u in found.summary.units] == ["confirmed", "rejected", "weak"]
    assert found.controls.num_rows == 0 and math.isnan(found.summary.floor.verification)
    members = small.of("verification")
    row = next(r for r in found.verdicts.to_pylist() if r["unit"] == "0" and r["split"] == "verification")
    x, y = layer.values[0][members][extent[members]], layer.values[0][members][~extent[members]]
    u = sum((a > b) + 0.5 * (a == b) for a in x for b in y)
    z = (len(x) * len(y) / 2 - u) / math.sqrt(len(x) * len(y) * (len(x) + len(y) + 1) / 12)
    assert row["z_uncorrected"] == pytest.approx(z) and z < 0
    assert row["p_one_tailed"] == pytest.approx(stats.norm.cdf(z))


def test_controls_need_the_search(small: World) -> None:
    layer = small.layer(mixed(small))
    with pytest.raises(ValueError, match="pass the search"):
        verify(layer, small.scenes, small.splits, small.hypotheses(layer))


BAD = {
    "a split without images": (
        lambda w, v: {"splits": dict.fromkeys(w.splits, "induction")},
        "no image is in the split",
    ),
    "a split of another name": (lambda w, v: {"splits": dict.fromkeys(w.splits, "test")}, "use one of induction"),
    "an image that is not annotated": (
        lambda w, v: {"splits": {**w.splits, "00001.jpeg": "evaluation"}},
        "did you mean '00001.jpg'",
    ),
    "an image twice": (
        lambda w, v: {"layer": type(w.layer(v))("fc", ("0",), (*w.scenes.images[:-1], "00000.jpg"), v[:1])},
        "appears twice",
    ),
    "an image without activations": (
        lambda w, v: {"layer": type(w.layer(v))("fc", ("0",), w.scenes.images[:-1], v[:1, :-1])},
        "has no activations",
    ),
    "NaN": (lambda w, v: {"layer": w.layer(np.where(np.arange(600) == 7, np.nan, v))}, "'00007.jpg' is not finite"),
    "a unit that does not exist": (
        lambda w, v: {
            "hypotheses": from_rows(
                [{"layer": "fc", "unit": "77", "rank": 1, "expression": "contains some Bed"}], HYPOTHESES
            )
        },
        "hypotheses:1: layer 'fc' has no unit '77'",
    ),
    "a protocol that does not exist": (lambda w, v: {"protocol": "dalal2042"}, "did you mean 'dalal2024'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str, small: World) -> None:
    change, message = BAD[case]
    values = mixed(small)
    layer = small.layer(values)
    hypotheses = small.hypotheses(small.layer(values[:1]))
    given = {"layer": layer, "splits": small.splits, "hypotheses": hypotheses, "protocol": FAST}
    given |= change(small, values)
    with pytest.raises(InputError) as caught:
        verify(
            given["layer"],
            small.scenes,
            given["splits"],
            given["hypotheses"],
            protocol=given["protocol"],
            search=small.search(),
        )
    assert message in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("relu", [False, True])
def test_pure_noise_is_confirmed_no_more_often_than_nominal(relu: bool) -> None:
    confirmed, families = 0, 0
    for seed in range(5):
        w = world(seed)
        rng = np.random.default_rng(100 + seed)
        values = rng.normal(size=(200, w.scenes.n_images))
        layer = w.layer(np.maximum(values - 1, 0) if relu else values)
        found = verify(layer, w.scenes, w.splits, w.hypotheses(layer), seed=seed, search=w.search())
        confirmed += found.summary.counts["confirmed"]
        families += found.summary.counts["confirmed"] > 0
    assert stats.binomtest(confirmed, 1000, 0.05, alternative="greater").pvalue > 0.01
    # With every null true, the share of runs with any confirmation is the false discovery rate.
    assert stats.binomtest(families, 5, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.slow
def test_without_the_floor_the_tests_alone_keep_the_false_discovery_rate() -> None:
    bare = Protocol(name="bare", controls=(), n_controls=0)
    any_confirmed = 0
    for seed in range(40):
        w = world(seed, (300, 150, 150))
        values = np.maximum(np.random.default_rng(seed).normal(size=(40, 600)) - 0.5, 0)
        layer = w.layer(values)
        found = verify(layer, w.scenes, w.splits, w.hypotheses(layer), protocol=bare, seed=seed, search=w.search())
        any_confirmed += found.summary.counts["confirmed"] > 0
    assert stats.binomtest(any_confirmed, 40, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("relu", [False, True])
def test_power_at_signal_to_noise_one_with_600_held_out_images(relu: bool) -> None:
    confirmed, total = 0, 0
    for seed in range(3):
        w = world(seed)
        rng = np.random.default_rng(seed)
        chosen = rng.choice([i for i, e in enumerate(w.extents) if 0.05 < e.mean() < 0.95], 40, replace=False)
        truth = np.stack([planted(w.extents[i], 1, rng, relu) for i in chosen])
        noise = rng.normal(size=(40, w.scenes.n_images))
        layer = w.layer(np.concatenate([truth, noise]))
        found = verify(layer, w.scenes, w.splits, w.hypotheses(layer), seed=seed, search=w.search())
        confirmed += sum(u.verdict == "confirmed" for u in found.summary.units[:40])
        total += 40
    assert confirmed / total >= 0.9


def test_protocols_are_the_two_published_ones() -> None:
    assert list(PROTOCOLS) == ["conceptx", "dalal2024"]
