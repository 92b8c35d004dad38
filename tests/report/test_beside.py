"""What stands beside the verdicts in a report: it says what the tables say, and what a run lacks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import conceptx
from conceptx.artefacts import report_input
from conceptx.inputs import Given
from conceptx.progress import silent
from conceptx.report import ReportInput, evidence, gather, render, write_report
from conceptx.report.beside import N_LISTED, TABLES, unusable
from conceptx.report.beside_words import (
    beside_sentences,
    brightness_sentence,
    effect_measures,
    effect_sentence,
    not_worse,
    outcome,
    plan_sentences,
    sanity_sentence,
    sanity_table,
    stability_sentence,
)
from conceptx.report.checks import Change, Estimate, Stability
from conceptx.report.export import csv_files
from conceptx.run import Run
from conceptx.verification.counterexamples import FIRES_ABOVE
from tests.report.worlds import World, make_world
from tests.worlds import write_tables


@pytest.fixture(scope="module")
def rich() -> ReportInput:
    return make_world(n_images=300, n_units=17, noise=0.6, beside=True)


def test_units_say_what_the_tables_say(rich: ReportInput) -> None:
    rows = {name: table.to_pylist() for name, table in rich.beside.items()}
    found = gather(rich)
    for unit in found.units:
        mine = {name: [r for r in made if r.get("unit") == unit.unit] for name, made in rows.items()}
        judged = {name: [r for r in made if r["expression"] == unit.expression] for name, made in mine.items()}
        assert [e.p_max_t for e in unit.effects] == [r["p_max_t"] for r in judged["effects"]]
        assert [e.iou.low for e in unit.effects] == [r["iou_low"] for r in judged["effects"]]
        assert [(c.change, c.variant, c.outcome) for c in unit.sanity] == [
            (r["change"], r["variant"], r["outcome"]) for r in judged["sanity"]
        ]
        kept = [(r["kind"], r["image"]) for r in judged["counterexamples"] if r["rank"] <= N_LISTED]
        assert [(c.kind, c.image) for c in unit.counterexamples] == kept
        wins = {h.expression: h.stability.wins for h in unit.hypotheses if h.stability is not None}
        assert wins == {r["expression"]: r["wins"] for r in mine["stability"]}
    shown = [(e.expression, s.split, s.drop.value) for e in found.layers[0].ensembles for s in e.shares]
    assert shown == [(r["expression"], r["split"], r["drop"]) for r in rows["ensembles"]]
    assert shown


def test_pictures_against_an_explanation_are_those_of_the_table(rich: ReportInput) -> None:
    ranked = rich.beside["counterexamples"].to_pylist()
    some = 0
    for unit in gather(rich).units:
        for kind, group in (("silent", unit.missed), ("unexpected", unit.unexpected)):
            mine = [r for r in ranked if (r["unit"], r["kind"]) == (unit.unit, kind)]
            held_out = [r["image"] for r in mine if r["split"] != "induction"]
            learned = [r["image"] for r in mine if r["split"] == "induction"]
            assert [e.image for e in group] == [*held_out, *learned][:4]
            assert all((e.level > FIRES_ABOVE) != (kind == "silent") for e in group)
            assert all(e.matches == (kind == "silent") for e in group)
            some += len(group)
    assert some > 20


def test_a_run_without_the_tables_still_makes_a_report_that_says_so(make: World, tmp_path: Path) -> None:
    bare = replace(make(), missing=["effects.parquet: there is no such file; <b>conceptx verify</b> writes it"])
    write_report(bare, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Missing in this run" in page
    assert "effects.parquet: there is no such file; &lt;b&gt;" in page
    assert "This run has no plan" in page
    assert "What else was checked" not in (tmp_path / "units" / "0-0.html").read_text(encoding="utf-8")
    assert 'id="together"' not in page
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (content["plan"], len(content["missing"])) == (None, 1)


def test_pages_show_the_checks(rich: ReportInput, tmp_path: Path) -> None:
    write_report(rich, tmp_path)
    found = gather(rich)
    unit = next(u for u in found.units if u.sanity and u.counterexamples)
    page = (tmp_path / "units" / f"0-{unit.index}.html").read_text(encoding="utf-8")
    for title in ("Effect size", "Brightness", "Stability", "Sanity", "Counter-examples"):
        assert f"<dt>{title}</dt>" in page
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'id="together"' in index
    assert "Beside the verdicts" in index
    assert str(rich.plan["digest"]) in index
    assert "What was tested is what was planned" in index
    assert "<dt>Stability</dt>" in render(found, None)


def test_hostile_text_in_the_tables_is_escaped(rich: ReportInput) -> None:
    bad = "</code><script>alert(1)</script>"

    def spoiled(name: str, column: str) -> pa.Table:
        table = rich.beside[name]
        texts = [None if text is None else bad for text in table[column].to_pylist()]
        return table.set_column(table.column_names.index(column), column, pa.array(texts, pa.string()))

    beside = dict(rich.beside) | {
        "sanity": spoiled("sanity", "variant"),
        "counterexamples": spoiled("counterexamples", "word"),
    }
    plan = {**rich.plan, "digest": bad}
    shown = {**rich.verification, "plan": {**rich.verification["plan"], "matched": False, "differs": [bad]}}  # type: ignore[dict-item]
    hostile = replace(rich, beside=beside, plan=plan, verification=shown, missing=[bad])
    text = render(gather(hostile), None)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_an_ensemble_of_unknown_units_is_named_without_a_link(rich: ReportInput) -> None:
    rows = rich.beside["ensembles"].to_pylist()
    for row in rows:
        row["units"] = ["x<y", *row["units"]]
    changed = replace(rich, beside={**rich.beside, "ensembles": pa.Table.from_pylist(rows, schema=TABLES["ensembles"])})
    assert "<bdi>x&lt;y</bdi>" in render(gather(changed), None)
    odd = pa.Table.from_pylist([dict(rows[0], split="x> .")], schema=TABLES["ensembles"])
    assert unusable("ensembles", odd) == "the column 'split' names splits that there are not"


def test_many_units_share_pages(rich: ReportInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_IN_DETAIL", 5)
    monkeypatch.setattr("conceptx.report.html.BRIEF_ON_A_PAGE", 4)
    write_report(rich, tmp_path)
    pages = sorted(path.name for path in (tmp_path / "units").iterdir())
    assert len([name for name in pages if name.startswith("0-")]) == 5
    assert [name for name in pages if name.startswith("more")] == ["more-1.html", "more-2.html", "more-3.html"]
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "The first 5 have a page each" in index
    found = gather(rich)
    assert found.in_detail == 5
    for unit in found.units[5:]:
        assert len(unit.hypotheses) <= 1
        assert len(unit.top) <= 3
        assert f'units/more-{(found.units.index(unit) - 5) // 4 + 1}.html#unit-0-{unit.index}"' in index
    shared = (tmp_path / "units" / "more-3.html").read_text(encoding="utf-8")
    assert 'rel="prev"' in shared and 'rel="next"' not in shared
    with_all = replace(rich, hypotheses=rich.hypotheses)
    assert csv_files(found, with_all)["units.csv"].count("\r\n") == 18


def test_long_tables_stay_in_the_run_folder(rich: ReportInput, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {f"{name}.csv" for name in TABLES} <= set(csv_files(gather(rich), rich))
    monkeypatch.setattr("conceptx.report.export.MOST_ROWS", 20)
    assert "sanity.csv" not in csv_files(gather(rich), rich)


def test_a_plan_that_does_not_fit_is_said(rich: ReportInput) -> None:
    kept = gather(rich).plan
    assert kept is not None and kept.intact and kept.matched and kept.before
    assert len(plan_sentences(kept)) == 2
    changed = gather(replace(rich, plan={**rich.plan, "seed": 99}, plan_was_read=False)).plan
    assert changed is not None and not changed.intact
    said = " ".join(plan_sentences(changed))
    assert "somebody has changed it since" in said
    assert "does not show that the verification read the plan" in said
    other = {**rich.verification, "plan": {"digest": "cd" * 32, "matched": True}}
    unlike = gather(replace(rich, verification=other)).plan
    assert unlike is not None and unlike.matched is False
    assert "not what was planned" in " ".join(plan_sentences(unlike))


def change(outcome_is: str, kind: str = "sibling", fall: float = 0.0) -> Change:
    return Change(kind, "A", "contains some B", 9, 0.5, Estimate(fall, fall - 0.1, fall + 0.1), outcome_is)


def test_sentences() -> None:
    changes = [
        change("falls", fall=0.4),
        change("level"),
        change("rises", fall=-0.3),
        change("same images", "left out"),
    ]
    changes.append(change("not testable: it holds for all of the held-out images"))
    assert [outcome(c) for c in changes] == ["worse", "as good", "better", "same images", "not testable"]
    said = sanity_sentence(changes)
    assert said.startswith("5 small changes to the explanation: of 3 that hold for other images 1 fit worse")
    assert "1 better" in said
    assert sanity_table(changes) == [("A class for a sibling", [1, 1, 1, 0, 1]), ("A part left out", [0, 0, 0, 1, 0])]
    assert [c.outcome for c in not_worse(changes)] == ["rises", "level"]
    assert (sanity_sentence([]), effect_sentence(()), effect_measures(()), stability_sentence(None)) == ("", "", (), "")
    alone = Stability(1, Estimate(0.5, 0.4, 0.6), 0.99, 1, 1, True, 1, 0.99, 100)
    assert "its own explanation set" in stability_sentence(alone)
    assert "Another one is in front" in stability_sentence(replace(alone, in_set=False, wins=0.0))
    assert "and it is none of them" in stability_sentence(replace(alone, in_set=False, set_size=3))


def test_sentences_on_the_whole_run(rich: ReportInput) -> None:
    found = gather(rich)
    said = " ".join(beside_sentences(found))
    assert "max-T" in said and "small changes" in said
    assert beside_sentences(gather(replace(rich, verification={}))) == []
    unit = found.units[0]
    assert "among images of equal brightness" in brightness_sentence(unit)
    assert "percentage points more often above" in effect_sentence(unit.effects)
    names = [m.name for m in effect_measures(unit.effects)]
    assert {"Cliff's delta", "F1", "IoU", "p by permutation, over all"} <= set(names)


def test_a_run_whose_tables_are_gone_says_which(tmp_path: Path) -> None:
    tables = write_tables(tmp_path / "tables")
    given = {name: str(tables[name]) for name in ("activations", "labels")}
    out = tmp_path / "run"
    conceptx.explain(**given, max_length=1, out=out, progress=silent)
    whole = report_input(Run.open(out), Given())
    assert (set(whole.beside), whole.missing, whole.plan_was_read) == (set(TABLES), [], True)
    (out / "sanity.parquet").unlink()
    (out / "effects.parquet").write_bytes(b"PAR1 no more")
    (out / "plan.json").write_text("[]")
    rows = pq.read_table(out / "stability.parquet").to_pylist()
    rows[0]["wins"] = None
    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES["stability"]), out / "stability.parquet")
    rows = pq.read_table(out / "counterexamples.parquet").to_pylist()
    rows[0]["level"] = float("nan")
    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES["counterexamples"]), out / "counterexamples.parquet")
    shutil.rmtree(out / "report")
    said = report_input(Run.open(out), Given())
    missing = [text.split(":")[0].removesuffix(".parquet") for text in said.missing]
    assert missing == ["effects", "stability", "sanity", "counterexamples", "plan.json"]
    assert "the column 'wins' has empty cells" in said.missing[1]
    assert "the column 'level' has values that are no numbers" in said.missing[3]
    assert not said.plan_was_read
    write_report(said, tmp_path / "again")
    assert "sanity.parquet: there is no such file" in (tmp_path / "again" / "index.html").read_text(encoding="utf-8")
