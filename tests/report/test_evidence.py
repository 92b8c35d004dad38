import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conceptx.activations.store import Activations
from conceptx.annotation.scenes import evaluate
from conceptx.errors import InputError
from conceptx.expressions import parse
from conceptx.files import json_ready, write_json
from conceptx.report import ReportInput, gather, write_report
from conceptx.report.notebook import read_unit
from conceptx.report.records import VERDICTS_IN_ORDER, Evidence
from conceptx.tables import CONTROLS, HYPOTHESES, MARGINS, VERDICTS, from_rows
from tests.report.worlds import World


def test_every_unit_is_there_once_best_first(world: ReportInput) -> None:
    evidence = gather(world)
    assert sorted(unit.index for unit in evidence.units) == list(range(8))
    places = [VERDICTS_IN_ORDER.index(unit.verdict) for unit in evidence.units]
    assert places == sorted(places)
    assert sum(evidence.verdicts.values()) == 8
    assert evidence.verdicts == evidence.layers[0].verdicts
    silent = next(unit for unit in evidence.units if unit.index == 7)
    assert (silent.verdict, silent.expression, silent.statistics) == ("unexplained", None, ())
    assert "never fires" in silent.note


def test_statistics_are_those_of_the_table(world: ReportInput) -> None:
    rows = {(r["unit"], r["expression"], r["split"]): r for r in world.verdicts.to_pylist()}
    for unit in gather(world).units:
        for row in unit.statistics:
            source = rows[unit.unit, unit.expression, row.split]
            assert (row.p, row.q, row.n_target) == (source["p"], source["q"], source["n_target"])
            assert (row.auroc.value, row.tla.low) == (source["auroc"], source["tla_low"])


def test_examples_are_held_out_and_say_the_truth(world: ReportInput) -> None:
    activations = world.activations[0]
    place = {image: i for i, image in enumerate(activations.images)}
    for unit in gather(world).units:
        assert len({example.image for example in unit.top}) == 8
        assert {example.split for example in unit.top} <= {"evaluation", "verification"}
        for example in (*unit.top, *unit.missed, *unit.unexpected):
            i = place[example.image]
            assert example.value == pytest.approx(activations.values[unit.index, i], rel=1e-5)
            if unit.expression is not None:
                assert example.matches == bool(evaluate(parse(unit.expression), world.scenes)[i])
        assert all(e.matches and e.level <= 0.2 for e in unit.missed)
        assert all(not e.matches and e.level > 0.2 for e in unit.unexpected)


def test_order_of_table_rows_of_other_units_does_not_matter(world: ReportInput) -> None:
    units = {unit.unit for unit in gather(world).units}
    assert {"1"} <= units
    only = replace(world, verdicts=world.verdicts.filter(np.array(world.verdicts["unit"].to_pylist()) != "1"))
    changed = next(unit for unit in gather(only).units if unit.unit == "1")
    assert changed.verdict == "unexplained"
    assert changed.expression == next(r["expression"] for r in world.hypotheses.to_pylist() if r["unit"] == "1")


def test_controls_and_floor(world: ReportInput) -> None:
    layer = gather(world).layers[0]
    floor = world.verification["floor"]
    assert isinstance(floor, dict)
    assert [(kind.kind, kind.n, len(kind.search)) for kind in layer.controls] == [
        ("shuffled", 20, 20),
        ("noise", 20, 20),
        ("directions", 50, 50),
    ]
    assert (layer.floor.n, layer.floor.correlation) == (40, floor["verification"])
    pooled = sorted([*layer.controls[0].search, *layer.controls[1].search])
    for unit in gather(world).units:
        if unit.search is None:
            assert unit.controls_below is None
        else:
            assert unit.controls_below == sum(value < unit.search for value in pooled) / 40
    own = gather(replace(world, verification={})).layers[0]
    assert (own.floor.n, own.floor.search) == (40, None)


def test_no_absolute_path_survives(world: ReportInput) -> None:
    request = {**world.request, "ontology": "/somewhere/world.owl", "weights": "C:\\models\\w.pt", "out": "a/b"}
    shown = gather(replace(world, request=request)).request
    assert shown["images"] == "rendered:tiny"
    assert (shown["ontology"], shown["weights"], shown["out"]) == ("world.owl", "w.pt", "a/b")


def test_the_frontier_is_that_of_the_search(world: ReportInput) -> None:
    steps = [(1, 0.4, "contains some Beds"), (2, 0.6, "contains some Beds and contains some Lamps")]
    units = gather(replace(world, frontier={"fc": {"0": steps}})).units
    assert {unit.unit: unit.frontier for unit in units if unit.frontier} == {"0": tuple(steps)}


def test_doubtful_mappings_come_first(world: ReportInput) -> None:
    quality = gather(world).quality
    assert [row.doubtful for row in quality.mapping] == [True] + [False] * 6
    assert quality.mapping[0].label == "thingummy"
    labelled = set(world.objects["image"].to_pylist())
    assert set(quality.images_without_labels) == set(world.images["image"].to_pylist()) - labelled


def test_evidence_is_json_and_equal_for_equal_inputs(world: ReportInput, make: World) -> None:
    first = json.dumps(json_ready(gather(world).to_dict()), sort_keys=True, allow_nan=False)
    assert json.dumps(json_ready(gather(make(beside=True)).to_dict()), sort_keys=True) == first


def test_tables_without_splits_pictures_or_results(world: ReportInput) -> None:
    images = world.images.set_column(5, "split", [[None] * world.images.num_rows])
    schemas = {"hypotheses": HYPOTHESES, "verdicts": VERDICTS, "controls": CONTROLS, "margins": MARGINS}
    empty = {name: from_rows([], schema) for name, schema in schemas.items()}
    bare = replace(world, images=images.cast(world.images.schema), image_set=None, **empty)
    evidence = gather(replace(bare, verification={}))
    assert evidence.verdicts["unexplained"] == 8
    assert evidence.hypotheses_tried is None
    assert all(len(unit.top) == 8 and unit.distribution is None for unit in evidence.units)


def test_two_layers_keep_their_units_apart(world: ReportInput) -> None:
    first = world.activations[0]
    second = Activations("conv", first.units[:2], first.images, -first.values[:2])
    evidence = gather(replace(world, activations=(first, second)))
    assert [layer.units for layer in evidence.layers] == [8, 2]
    assert {(u.layer, u.unit) for u in evidence.units if u.layer == "conv"} == {("conv", "0"), ("conv", "1")}
    assert all(u.verdict == "unexplained" for u in evidence.units if u.layer == "conv")


def test_an_expression_of_unknown_classes_is_shown_without_examples(world: ReportInput) -> None:
    rows = [r | {"expression": "contains some Unicorns"} for r in world.verdicts.to_pylist()]
    evidence = gather(replace(world, verdicts=from_rows(rows, VERDICTS), hypotheses=from_rows([], HYPOTHESES)))
    unit = evidence.units[0]
    assert unit.words == "images that contain “Unicorns”"
    assert unit.distribution is None
    assert unit.top[0].matches is None


def test_the_evidence_comes_back_from_its_json(world: ReportInput, tmp_path: Path) -> None:
    evidence = gather(world)
    write_json(tmp_path / "report.json", evidence.to_dict())
    assert Evidence.from_dict(json.loads((tmp_path / "report.json").read_text())) == evidence
    with pytest.raises(ValueError, match="schema"):
        Evidence.from_dict({"schema": "other/1"})


def test_a_unit_shows_itself_and_draws_a_figure(world: ReportInput, tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    write_report(world, tmp_path / "report")
    view = read_unit(tmp_path, 0)
    assert "<table>" in view._repr_html_()
    figure = view.plot()
    assert len(figure.axes) == 3
    figure.savefig(tmp_path / "figure.pdf", backend="pdf")
    assert matplotlib.get_backend()
    read_unit(tmp_path, 7).plot()
    with pytest.raises(InputError, match="no such unit"):
        read_unit(tmp_path, "x")
    with pytest.raises(InputError, match="no report"):
        read_unit(tmp_path / "elsewhere", 0)
