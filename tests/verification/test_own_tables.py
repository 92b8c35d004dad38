from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.ontology import Hierarchy
from conceptx.tables import read_activations, read_hypotheses, read_labels
from conceptx.verification.own_tables import divide, labels_as_classes, read_hypothesis, verify_tables
from conceptx.verification.protocol import Protocol

FAST = Protocol(name="fast", n_controls=20)


def write(folder: Path, activations: str, labels: str, hypotheses: str):
    """Write the three tables and read them."""
    paths = [folder / name for name in ("A.csv", "L.csv", "H.csv")]
    for path, text in zip(paths, (activations, labels, hypotheses), strict=True):
        path.write_text(text, encoding="utf-8")
    return read_activations(paths[0]), read_labels(paths[1]), read_hypotheses(paths[2])


def study(
    folder: Path, splits: bool = True, n: int = 40, hypotheses: str = 'unit,expression\nu1,bed\nu10,"sofa, couch"\n'
):
    """A study of the published form: one label an image, two units that fire for their label, one that never fires."""
    rng = np.random.default_rng(0)
    activations, labels = ["image,u1,u10,dead"], ["image,label,split" if splits else "image,label"]
    for label in ("bed", "sofa, couch", "street"):
        for i in range(n):
            image = f"{label.split(',')[0]}{i}.jpg"
            bed, sofa = (
                (rng.random() < (0.95 if label == mine else 0.3)) * (1 + rng.random())
                for mine in ("bed", "sofa, couch")
            )
            activations.append(f"{image},{bed},{sofa},0")
            cells = [image, f'"{label}"'] + (["evaluation" if i % 5 else "verification"] if splits else [])
            labels.append(",".join(cells))
    return write(folder, "\n".join(activations), "\n".join(labels), hypotheses)


def test_published_statistics_by_hand(tmp_path: Path) -> None:
    activations, labels, hypotheses = study(tmp_path, n=60)
    found = verify_tables(activations, labels, hypotheses, protocol="dalal2024")
    rows = found.verdicts.to_pylist()
    assert [(r["unit"], r["split"]) for r in rows] == [
        (u, s) for u in ("u1", "u10") for s in ("evaluation", "verification")
    ]
    for row in rows:
        members = [s == row["split"] for s in labels.splits]
        label = {"u1": "bed", "u10": "sofa, couch"}[row["unit"]]
        values = activations.values[activations.units.index(row["unit"])].astype(float)[members]
        target = np.array(labels.labels)[members] == label
        x, y = values[target], values[~target]
        assert (row["n_target"], row["n_other"]) == (len(x), len(y))
        assert row["tla"] == pytest.approx((x > 0).mean()) and row["non_tla"] == pytest.approx((y > 0).mean())
        u = sum((a > b) + 0.5 * (a == b) for a in x for b in y)
        z = (len(x) * len(y) / 2 - u) / math.sqrt(len(x) * len(y) * (len(x) + len(y) + 1) / 12)
        assert row["u"] == u and row["z_uncorrected"] == pytest.approx(z, rel=1e-12)
        assert row["p_one_tailed"] == pytest.approx(stats.norm.cdf(z), rel=1e-9)
        corrected = stats.mannwhitneyu(x, y, use_continuity=False, method="asymptotic").pvalue
        assert row["p"] == pytest.approx(corrected, rel=1e-9)
    assert [u.verdict for u in found.summary.units] == ["confirmed", "confirmed"]
    assert found.summary.other_labels_pass == 0.0
    thresholds = {r["threshold"] for r in found.margins.to_pylist()}
    assert thresholds == {0.0, 0.2, 0.4, 0.6}


def test_margins_use_the_maximum_of_all_given_images(tmp_path: Path) -> None:
    activations, labels, hypotheses = study(tmp_path)
    found = verify_tables(activations, labels, hypotheses, protocol="dalal2024")
    values = activations.values[0].astype(float)
    members = np.array(labels.splits) == "evaluation"
    target = np.array(labels.labels) == "bed"
    for row in found.margins.to_pylist():
        if row["unit"] == "u1" and row["split"] == "evaluation":
            fires = values > row["threshold"] * values.max()
            assert row["tla"] == pytest.approx(fires[members & target].mean())
            assert row["non_tla"] == pytest.approx(fires[members & ~target].mean())
            assert row["tla_low"] <= row["tla"] <= row["tla_high"]


def test_an_induction_split_of_the_table_carries_no_test(tmp_path: Path) -> None:
    activations, labels, hypotheses = study(tmp_path, n=100)
    for_induction = tuple("induction" if i % 3 == 0 else s for i, s in enumerate(labels.splits))
    labels = type(labels)(labels.source, labels.images, labels.labels, None, for_induction, labels.lines)
    rows = verify_tables(activations, labels, hypotheses, protocol=FAST).verdicts.to_pylist()
    assert all((r["p"] is None) == (r["split"] == "induction") for r in rows)


def test_without_splits_every_label_is_divided_alike(tmp_path: Path) -> None:
    activations, labels, hypotheses = study(tmp_path, splits=False, n=50)
    split = divide(activations.images, labels, 0.8, seed=3)
    for label in set(labels.labels):
        images = [i for i, name in zip(labels.images, labels.labels, strict=True) if name == label]
        assert sum(split[i] == "evaluation" for i in images) == 40
    assert split == divide(activations.images, labels, 0.8, seed=3)
    assert split == {**divide(activations.images[::-1], labels, 0.8, seed=3)}
    assert split != divide(activations.images, labels, 0.8, seed=4)
    found = verify_tables(activations, labels, hypotheses, protocol="dalal2024", seed=3)
    sizes = {r["split"]: r["n_target"] + r["n_other"] for r in found.verdicts.to_pylist()}
    assert sizes == {"evaluation": 120, "verification": 30}


def test_conceptx_rules_on_tables_have_controls_and_a_floor(tmp_path: Path) -> None:
    text = "unit,expression\nu1,bed\nu1,street\nu10,\"'sofa, couch'\"\ndead,bed\nu10,\"bed or 'sofa, couch'\"\n"
    activations, labels, hypotheses = study(tmp_path, n=100, splits=False, hypotheses=text)
    found = verify_tables(activations, labels, hypotheses, protocol=FAST, seed=1)
    verdict = {(r["unit"], r["expression"]): r["verdict"] for r in found.verdicts.to_pylist()}
    assert verdict["u1", "contains some bed"] == "confirmed"
    assert verdict["u1", "contains some street"] == "rejected"
    assert verdict["u10", "contains some bed or contains some 'sofa, couch'"] in ("weak", "confirmed")
    assert [(u.unit, u.verdict, u.expression) for u in found.summary.units] == [
        ("u1", "confirmed", "contains some bed"),
        ("u10", "confirmed", "contains some 'sofa, couch'"),
        ("dead", "unexplained", None),
    ]
    assert 0 < found.summary.floor.verification < 0.5
    assert math.isnan(found.summary.floor.search)
    assert set(found.controls["kind"].to_pylist()) == {"shuffled", "noise"}


def test_names_mean_objects_in_the_image(tmp_path: Path) -> None:
    activations, labels, _ = study(tmp_path)
    from conceptx.annotation.scenes import scenes_from_labels

    scenes, _ = scenes_from_labels(labels, images=activations.images)
    for text, printed in {
        "bed": "contains some bed",
        "sofa, couch": "contains some 'sofa, couch'",
        "bed and not street": "contains some bed and not (contains some street)",
        "contains some (bed or street)": "contains some (bed or street)",
    }.items():
        assert to_manchester(read_hypothesis(text, scenes, "H.csv:2")) == printed


BAD = {
    "unknown unit": ("H", "u100,bed", "H.csv:2: unit 'u100' is not among the activations; did you mean 'u10', 'u1'?"),
    "unknown class": ("H", "u1,beds", "there is no class 'beds'; did you mean 'bed'?"),
    "no expression": ("H", "u1,bed and", "H.csv:2: 'bed and' is no class and no expression"),
    "an empty expression": ("H", "u1,", "H.csv:2: the expression is empty; write a class's name or an expression"),
    "the same twice": ("H", "u1,bed\nu1,contains some bed", "H.csv:3: unit 'u1' has this hypothesis twice"),
    "an unknown image": ("L", "nowhere.jpg,bed,evaluation", "image 'nowhere.jpg' is not among the activations"),
    "an image in two splits": ("L", "bed1.jpg,bed,verification", "image 'bed1.jpg' is in verification here"),
    "an image without a label": ("A", "alone.jpg,1,1,1", "image 'alone.jpg' has activations and no label"),
    "NaN": ("A", "alone.jpg,nan,1,1", "alone.jpg"),
    "a unit in another case": ("H", "U1,bed", "H.csv:2: unit 'U1' is not among the activations; write 'u1'"),
    "a unit of another name": ("H", "layer4/9,bed", "not among the activations; name one of 'u"),
    "an image without its ending": ("L", "bed1,bed,evaluation", "write it as there in all rows: 'bed1.jpg'"),
    "a label in two cases": ("LH", "bed1.jpg,BED,", "'bed' and 'BED' are two classes, since the labels are written"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str, tmp_path: Path) -> None:
    which, row, message = BAD[case]
    study(tmp_path)
    if which == "H":
        (tmp_path / "H.csv").write_text(f"unit,expression\n{row}\n")
    else:
        path = tmp_path / f"{which[0]}.csv"
        split = next(
            (line.rpartition(",")[2] for line in path.read_text().splitlines() if line.startswith("bed1.")), ""
        )
        path.write_text(path.read_text() + "\n" + row + (split if which == "LH" else "") + "\n")
    with pytest.raises(InputError) as caught:
        verify_tables(
            read_activations(tmp_path / "A.csv"),
            read_labels(tmp_path / "L.csv"),
            read_hypotheses(tmp_path / "H.csv"),
            protocol="dalal2024",
        )
    assert message in str(caught.value)


def test_a_split_of_one_class_and_a_dead_unit_are_not_testable(tmp_path: Path) -> None:
    activations, labels, hypotheses = study(tmp_path, hypotheses="unit,expression\nu1,bed\ndead,bed\n")
    moved = tuple("evaluation" if name == "bed" else "verification" for name in labels.labels)
    labels = type(labels)(labels.source, labels.images, labels.labels, None, moved, labels.lines)
    found = verify_tables(activations, labels, hypotheses, protocol="dalal2024")
    first, second, dead = found.verdicts.to_pylist()
    assert first["note"] == "not testable: evaluation has no others, all its 40 images are targets"
    assert second["note"].startswith("not testable: verification has no targets, all its 80 images are others")
    assert first["p"] is second["p"] is dead["p"] is None
    assert dead["verdict"] == "unexplained" and "never fires" in dead["note"]


@pytest.mark.slow
def test_hypotheses_given_at_random_are_not_confirmed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [f"{i}.jpg" for i in range(600)]
    labels = "image,label\n" + "".join(f"{i},{rng.choice(list('abcdefgh'))}\n" for i in images)
    values = np.maximum(rng.normal(size=(600, 200)), 0)
    header = "image," + ",".join(f"u{u}" for u in range(200))
    activations = (
        header + "\n" + "".join(f"{i}," + ",".join(map(str, v)) + "\n" for i, v in zip(images, values, strict=True))
    )
    hypotheses = "unit,expression\n" + "".join(f"u{u},{rng.choice(list('abcdefgh'))}\n" for u in range(200))
    tables = write(tmp_path, activations, labels, hypotheses)
    found = verify_tables(*tables)
    assert found.summary.counts["confirmed"] <= 1
    # Each of the two splits lets 2.5 % of true nulls pass upwards.
    assert found.summary.other_labels_pass < 0.01


def test_a_long_mistake_is_shown_short_and_without_control_marks(tmp_path: Path) -> None:
    deep = "not (" * 3000 + "bed" + ")" * 3000
    for text in (deep, "bed\u202e and " * 50):
        activations, labels, hypotheses = study(tmp_path, hypotheses=f'unit,expression\nu1,"{text}"\n')
        with pytest.raises(InputError, match="is no class and no expression") as caught:
            verify_tables(activations, labels, hypotheses, protocol=FAST)
        said = str(caught.value)
        assert len(said) < 500
        assert "\u202e" not in said
        assert said.startswith(f"{tmp_path / 'H.csv'}:2: ")


def test_labels_that_a_hierarchy_does_not_know_are_named(tmp_path: Path) -> None:
    known = Hierarchy.from_edges(
        [("Beds", "Furniture"), ("Cranes (birds)", "Birds"), ("Cranes (machines)", "Machines")]
    )
    (tmp_path / "L.csv").write_text("image,label\na,bed\nb,zzz\nc,crane\n")
    scenes, said = labels_as_classes(read_labels(tmp_path / "L.csv"), known, ("a", "b", "c"))
    assert scenes.n_images == 3
    assert said[0].endswith("without a class, which count for nothing: 'zzz'; write the name of a class in their place")
    assert "labels whose class is doubtful: 'crane'; write" in said[1]
