"""What stands beside the verdicts: the slow path agrees with the fast one, and finds every figure that was changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.audit import resampled
from conceptx.audit.against import check_counterexamples, check_sanity, judged_of
from conceptx.audit.beside import check_effects, check_stability
from conceptx.audit.draws import changed_targets, orders, resamples
from conceptx.audit.evidence import Evidence
from conceptx.audit.findings import Check
from conceptx.audit.scenes import read_pictures
from conceptx.audit.together import check_ensembles, check_numbers, check_plan
from conceptx.audit.variants import variants
from conceptx.expressions import to_manchester
from conceptx.report import ReportInput
from conceptx.verification import resampling, sanity
from conceptx.verification.controls import generator
from conceptx.verification.protocol import Protocol
from tests.expressions.strategies import expressions
from tests.report.worlds import BESIDE, brightness_of, make_world

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> ReportInput:
    return make_world(n_images=300, n_units=17, noise=0.6, beside=True)


@pytest.fixture(scope="module")
def evidence(world: ReportInput) -> Evidence:
    assert world.mapping is not None
    class_of = {row.label: row.class_name for row in world.mapping.rows if row.class_name is not None}
    pictures = read_pictures(world.images, world.objects, class_of, world.scenes.hierarchy)
    images = world.images["image"].to_pylist()
    layer = world.activations[0]
    splits = np.array(world.images["split"].to_pylist())
    return Evidence({"fc": layer}, images, [pictures[i] for i in images], splits, {"fc": np.arange(len(images))})


@pytest.fixture
def tables(world: ReportInput) -> dict[str, Rows]:
    return {name: table.to_pylist() for name, table in world.beside.items()}


def checked(world: ReportInput, evidence: Evidence, tables: dict[str, Rows]) -> dict[str, Check]:
    verdicts, hypotheses = world.verdicts.to_pylist(), world.hypotheses.to_pylist()
    judged, hierarchy = judged_of(verdicts), world.scenes.hierarchy
    found = [
        check_effects(tables["effects"], verdicts, evidence, brightness_of(evidence.images), BESIDE, 0),
        check_stability(tables["stability"], hypotheses, evidence, BESIDE, 0),
        check_sanity(tables["sanity"], judged, evidence, hierarchy, 0),
        check_counterexamples(tables["counterexamples"], judged, evidence, hierarchy),
        check_ensembles(tables["ensembles"], judged, evidence, BESIDE),
        check_numbers(tables, judged, world.verification, BESIDE),
        check_plan(world.plan, hypotheses, verdicts, evidence, world.verification, BESIDE, 0, "ab" * 32),
    ]
    return {check.name: check for check in found}


def test_both_ways_agree(world: ReportInput, evidence: Evidence, tables: dict[str, Rows]) -> None:
    found = checked(world, evidence, tables)
    assert [str(finding) for check in found.values() for finding in check.findings] == []
    assert [check.left_out for name, check in found.items() if name != "plan"] == [""] * 6
    for name in ("effects", "stability", "sanity", "counterexamples", "ensembles"):
        assert found[name].compared == len(tables[name]) > 5


@pytest.mark.slow
def test_every_changed_figure_is_found_and_named(
    world: ReportInput, evidence: Evidence, tables: dict[str, Rows]
) -> None:
    wanted = {}
    for name, rows in tables.items():
        for column in rows[0]:
            i = next((i for i, row in enumerate(rows) if row[column] not in (None, "")), None)
            if i is not None and column != "rank":
                wanted[name, column] = i
    assert len(wanted) > 80
    for name in tables:
        changed = {key: i for key, i in wanted.items() if key[0] == name}
        for (_, column), i in changed.items():
            rows = [dict(row) for row in tables[name]]
            rows[i][column] = _other(rows[i][column])
            check = checked_one(name, world, evidence, {**tables, name: rows})
            said = " ".join(map(str, check.findings))
            assert check.findings, (name, column)
            assert f"{name}.parquet" in said, said


def checked_one(name: str, world: ReportInput, evidence: Evidence, tables: dict[str, Rows]) -> Check:
    verdicts, hypotheses = world.verdicts.to_pylist(), world.hypotheses.to_pylist()
    judged, hierarchy = judged_of(verdicts), world.scenes.hierarchy
    calls: dict[str, Callable[[], Check]] = {
        "effects": lambda: check_effects(
            tables["effects"], verdicts, evidence, brightness_of(evidence.images), BESIDE, 0
        ),
        "stability": lambda: check_stability(tables["stability"], hypotheses, evidence, BESIDE, 0),
        "sanity": lambda: check_sanity(tables["sanity"], judged, evidence, hierarchy, 0),
        "counterexamples": lambda: check_counterexamples(tables["counterexamples"], judged, evidence, hierarchy),
        "ensembles": lambda: check_ensembles(tables["ensembles"], judged, evidence, BESIDE),
    }
    return calls[name]()


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.01 if value < 0.5 else value - 0.01
        case str():
            return value + "x"
    return [*value, "x"]


def test_missing_and_added_rows_are_named(world: ReportInput, evidence: Evidence, tables: dict[str, Rows]) -> None:
    for name in tables:
        for rows in (tables[name][1:], [*tables[name], dict(tables[name][0], unit="99", expression="contains some X")]):
            assert checked_one(name, world, evidence, {**tables, name: rows}).findings, name


def test_a_plan_that_was_not_kept_to_is_named(world: ReportInput, evidence: Evidence) -> None:
    verdicts, hypotheses = world.verdicts.to_pylist(), world.hypotheses.to_pylist()

    def says(plan: Any, summary: Any = world.verification, seed: int = 0) -> str:
        check = check_plan(plan, hypotheses, verdicts, evidence, summary, BESIDE, seed, "ab" * 32)
        return " ".join(map(str, check.findings))

    assert "seed is not what the run has" in says(world.plan, seed=1)
    assert "plan.json: digest is" in says({**world.plan, "seed": 1})
    units = world.plan["hypotheses"]["units"]
    fewer = {**world.plan, "hypotheses": {**world.plan["hypotheses"], "units": units[1:]}}
    assert "was tested and not planned" in says(fewer)
    shown = {**world.verification, "plan": {**world.verification["plan"], "digest": "cd" * 32}}
    assert "verification.json, plan: digest is" in says(world.plan, shown)


VALUES = st.one_of(
    st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0]), min_size=6, max_size=40),
    st.integers(0, 2**32).map(lambda s: np.random.default_rng(s).standard_normal(150).tolist()),
)


@given(VALUES, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_resampling_agrees_with_the_fast_way(given_values: Sequence[float], seed: int) -> None:
    values = np.array(given_values)
    rng = np.random.default_rng(seed)
    n = len(values)
    extents = [rng.random(n) < share for share in (0.2, 0.5)]
    if any(extent.all() or not extent.any() for extent in extents) or values.min() == values.max():
        return
    fast = resampling.resample(
        [values], [[0, 1]], lambda i: extents[i], bootstrap=20, permutations=30, seed=seed, word="w", workers=1
    )
    drawn = resamples(n, 20, seed, "w")
    ranked = resampled.rank_measures(resampled.groups_of(values), extents, drawn)
    r = resampled.correlations(values, extents, drawn)
    for i in range(2):
        for place, slow in enumerate((*ranked[i], r[i])):
            assert fast.binned[i, place] == pytest.approx(slow[0], abs=1e-5, nan_ok=True)
            # Where all drawn images have one value there is no correlation; single precision cannot always tell.
            known = ~np.isnan(slow[1:])
            assert fast.bootstrap[i, place][known] == pytest.approx((slow[1:] - slow[0])[known], abs=1e-5)
    permuted = resampled.permuted_z(values, extents, orders(n, 30, seed, "w"))
    for i, (observed, z) in enumerate(permuted):
        assert fast.observed[i] == pytest.approx(observed, nan_ok=True)
        assert fast.permuted[i] == pytest.approx(z, abs=1e-5, nan_ok=True)
    p = resampling.p_values(fast)
    max_t = resampling.max_t(fast)
    for i, (ends, corrected) in enumerate(
        zip([resampled.p_of(*pair) for pair in permuted], resampled.max_t_of(permuted), strict=True)
    ):
        assert ends[0] - 1e-12 <= p[i] <= ends[1] + 1e-12
        assert corrected[0] - 1e-12 <= max_t[i] <= corrected[1] + 1e-12


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.integers(0, 99))
@settings(deadline=None)
def test_changed_targets_are_those_of_the_run(held: list[bool], seed: int) -> None:
    extent = np.array(held)
    rng = generator(seed, "sanity", "layer", "unit")
    fewer, more = changed_targets(extent, seed, "layer", "unit")
    assert np.array_equal(fewer, sanity._fewer(extent, rng))
    assert np.array_equal(more, sanity._more(extent, rng))


@given(expressions(st.sampled_from(["Balls", "Boxes", "Round_things", "Rings"])))
@settings(max_examples=100, deadline=None)
def test_variants_are_those_of_the_run(expression: Any) -> None:
    scenes = _WORLD.scenes
    sizes = np.diff(scenes.closure.starts).tolist()
    names = [scenes.hierarchy.name(i) for i in scenes.closure.classes.tolist()]
    again = variants(expression, scenes.hierarchy, dict(zip(names, sizes, strict=True)))
    fast = [(v.change, v.part, to_manchester(v.expression)) for v in sanity.variants(expression, scenes)]
    assert [(change, part, to_manchester(changed)) for change, part, changed in again] == fast


_WORLD = make_world(n_images=40, n_units=2)


def test_protocols_without_resamples_have_nothing_to_compare(world: ReportInput, evidence: Evidence) -> None:
    none = Protocol("conceptx", bootstrap=0, permutations=0)
    check = check_stability([], world.hypotheses.to_pylist(), evidence, none, 0)
    assert (check.compared, check.findings) == (0, ())


def test_a_resample_in_which_the_unit_is_constant_has_no_correlation() -> None:
    rng = np.random.default_rng(3)
    values = np.zeros(300)
    values[rng.choice(300, 3, replace=False)] = (0.5, 1.0, 1.5)
    drawn = resamples(300, 400, 0, "verification")
    alike = [len(set(values[row > 0])) == 1 for row in drawn]
    [r] = resampled.correlations(values, [values > 0.7], drawn)
    assert 5 < sum(alike) < 100
    assert np.isnan(r[alike]).all()
