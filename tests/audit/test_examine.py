"""An audit passes on an honest run, and names what was changed in another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import conceptx
from conceptx.audit import audit_run, compare_runs, sign_run, verify_signature
from conceptx.errors import InputError
from conceptx.files import digest_file, digest_json
from conceptx.progress import silent
from tests.worlds import write_tables


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited")
    tables = write_tables(folder / "tables")
    out = folder / "run"
    conceptx.explain(
        activations=str(tables["activations"]),
        labels=str(tables["labels"]),
        ontology="world",
        max_length=2,
        out=out,
        progress=silent,
    )
    return out


@pytest.fixture
def run(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "run"))


def test_an_honest_run_passes_and_repeats_byte_for_byte(run: Path) -> None:
    result = audit_run(run, replay=True)
    assert result.findings == []
    compared = {check.name: check.compared for check in result.checks}
    assert compared["verdicts"] > 5
    assert compared["hypotheses"] > 2
    assert compared["replay"] >= 5


def test_a_changed_byte_anywhere_is_found_and_named(run: Path) -> None:
    names = sorted(p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file() and p.name != ".lock")
    for name in [n for n in names if n != "manifest.json"]:
        data = (run / name).read_bytes()
        (run / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if data else b"x")
        if name == "run.toml":
            with pytest.raises(InputError, match=r"run\.toml"):
                audit_run(run)
        else:
            from conceptx.audit.artefacts import check_files
            from conceptx.run import Run

            assert [f.where for f in check_files(Run.open(run)).findings] == [name]
        (run / name).write_bytes(data)


def test_missing_and_added_files_are_named(run: Path) -> None:
    (run / "margins.parquet").unlink()
    (run / "report" / "extra.html").write_text("x")
    found = [str(f) for f in audit_run(run).findings]
    assert "margins.parquet: the file is missing" in found
    assert "report/extra.html: no stage of the run wrote this file" in found


def forge(run: Path, name: str, change: Callable[[list[dict[str, object]]], None]) -> None:
    """Change a table and its digest in the manifest, as somebody would who hopes that only digests are checked."""
    path = run / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    manifest = json.loads((run / "manifest.json").read_text())
    for stage in manifest["stages"].values():
        if name in stage["outputs"]:
            stage["outputs"][name]["sha256"] = digest_file(path)
    (run / "manifest.json").write_text(json.dumps(manifest))


def change_first(column: str, value: object, **where: object) -> Callable[[list[dict[str, object]]], None]:
    def change(rows: list[dict[str, object]]) -> None:
        row = next(r for r in rows if all(r[k] == v for k, v in where.items()) and r[column] is not None)
        row[column] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("verdicts.parquet", change_first("auroc", 0.99, split="verification"), "auroc is 0.99, computed again"),
        ("verdicts.parquet", change_first("p", 1e-30, split="evaluation"), "p is 1e-30, computed again"),
        ("verdicts.parquet", change_first("q", 1e-30, unit="beds"), "q is 1e-30, computed again"),
        ("verdicts.parquet", change_first("n_target", 7), "n_target is 7, computed again"),
        ("verdicts.parquet", change_first("tla_low", 0.9), "tla_low is 0.9, computed again"),
        ("hypotheses.parquet", change_first("correlation", 0.9), "correlation is 0.9, computed again"),
        ("hypotheses.parquet", change_first("length", 1, length=2), "length is 1, computed again 2"),
        ("hypotheses.parquet", change_first("twins", ["contains some Thing"]), "does not hold for the same images"),
        ("margins.parquet", change_first("non_tla", 0.001), "non_tla is 0.001, computed again"),
        ("effects.parquet", change_first("cliffs_delta", 0.99), "cliffs_delta is 0.99, computed again"),
        ("effects.parquet", change_first("p_max_t", 0.5), "p_max_t is 0.5, computed again"),
        ("stability.parquet", change_first("wins", 0.123), "wins is 0.123, computed again"),
        ("sanity.parquet", change_first("outcome", "rises"), "outcome is 'rises', computed again"),
        ("counterexamples.parquet", change_first("image", "x.jpg"), "image is 'x.jpg', computed again"),
        ("controls.parquet", change_first("correlation", 0.9, split="verification"), "verification is"),
    ],
)
def test_a_forged_figure_is_found_though_its_digest_was_forged_too(
    run: Path, name: str, change: Callable[[list[dict[str, object]]], None], says: str
) -> None:
    if name == "controls.parquet":

        def change(rows: list[dict[str, object]]) -> None:
            for row in rows:
                row["correlation"] = 0.0

    forge(run, name, change)
    found = [str(f) for f in audit_run(run).findings]
    assert any(says in text for text in found), found


def test_a_forged_plan_is_found_though_its_digest_was_forged_too(run: Path) -> None:
    plan = json.loads((run / "plan.json").read_text())
    plan["hypotheses"]["units"][0]["tested"].append("contains some Lamps")
    (run / "plan.json").write_text(json.dumps(plan))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["stages"]["plan"]["outputs"]["plan.json"]["sha256"] = digest_file(run / "plan.json")
    (run / "manifest.json").write_text(json.dumps(manifest))
    found = " ".join(map(str, audit_run(run).findings))
    assert "plan.json: digest is" in found
    assert "plan.json: hypotheses is not what the run has" in found


def test_a_run_of_an_earlier_version_is_audited_as_far_as_it_goes(run: Path) -> None:
    (run / "effects.parquet").unlink()

    def earlier(manifest: dict[str, Any]) -> None:
        stages = manifest["stages"]
        stages["verify"]["outputs"].pop("effects.parquet")
        outputs = {output: facts["sha256"] for output, facts in stages["verify"]["outputs"].items()}
        stages["report"]["inputs"]["verify"] = digest_json(outputs)
        reads = {"reads": stages["report"]["inputs"], "version": manifest["conceptx"]}
        stages["report"]["fingerprint"] = digest_json(reads)

    change_manifest(run, earlier)
    result = audit_run(run)
    assert result.passed
    assert result.checks[-1].left_out == "the run was made without effects.parquet (by an earlier version)"


def swapped(rows: list[dict[str, object]]) -> None:
    rows[0], rows[-1] = rows[-1], rows[0]


@pytest.mark.parametrize(
    "name", ["verdicts.parquet", "hypotheses.parquet", "effects.parquet", "counterexamples.parquet", "margins.parquet"]
)
def test_swapped_rows_are_found_by_digest_and_by_the_chain_of_stages(run: Path, name: str) -> None:
    forge(run, name, swapped)
    found = [str(f) for f in audit_run(run).findings]
    stage = "induce" if name == "hypotheses.parquet" else "verify"
    assert any(f"is not the digest of what the stage {stage!r} wrote" in text for text in found), found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["stages"]["induce"].update(fingerprint="0" * 64), "manifest.json, induce, fingerprint"),
        (lambda m: m["stages"]["verify"]["inputs"].update(seed=1), "manifest.json, verify, fingerprint"),
        (lambda m: m["stages"]["plan"]["inputs"].update(images="0" * 64), "manifest.json, plan, inputs, images"),
        (lambda m: m["stages"]["extract"].update(status="begun"), "manifest.json, extract, status"),
        (lambda m: m["stages"]["images"]["outputs"]["images.parquet"].update(bytes=1), "recorded are 1"),
        (lambda m: m["inputs"].update(ontology="0" * 64), "manifest.json, inputs, ontology"),
        (lambda m: m.update(conceptx="9.9"), "manifest.json, images, fingerprint"),
    ],
)
def test_an_edited_manifest_disagrees_with_itself(
    run: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    change_manifest(run, change)
    found = [str(f) for f in audit_run(run).findings]
    assert any(says in text for text in found), found


def test_a_forged_verdict_breaks_the_rule(run: Path) -> None:
    def confirm(rows: list[dict[str, object]]) -> None:
        for row in rows:
            if row["unit"] == "noise" and row["verdict"]:
                row["verdict"] = "confirmed"

    forge(run, "verdicts.parquet", confirm)
    found = [str(f) for f in audit_run(run).findings]
    assert any("unit 'noise': says confirmed" in text for text in found), found


def test_a_table_that_is_no_table_is_a_finding(run: Path) -> None:
    (run / "verdicts.parquet").write_bytes(b"PAR1 no more")
    assert any("this is not a Parquet table" in str(f) for f in audit_run(run).findings)


def change_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(stages=[]),
        lambda manifest: manifest.update(stages={"verify": 7}),
        lambda manifest: manifest["stages"].update(verify={"status": "done"}),
        lambda manifest: manifest["stages"]["verify"].update(outputs=[]),
        lambda manifest: manifest["stages"]["verify"]["outputs"].update({"verdicts.parquet": None}),
    ],
)
def test_a_manifest_of_another_shape_is_refused(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    change_manifest(run, change)
    with pytest.raises(InputError, match="the manifest has another shape than this version writes"):
        audit_run(run, replay=True)


@pytest.mark.parametrize("name", ["verification.json", "images.json", "annotation.json"])
def test_a_file_of_another_shape_is_a_finding(run: Path, name: str) -> None:
    (run / name).write_text("[]")
    assert name in " ".join(map(str, audit_run(run).findings))


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "a/../../outside.txt"])
def test_a_path_out_of_the_run_is_named_and_never_read(run: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.parent / "outside.txt").write_text("secret")
    facts = {"sha256": "0" * 64, "bytes": 6, "mtime_ns": 0}
    change_manifest(run, lambda manifest: manifest["stages"]["annotate"]["outputs"].update({name: facts}))
    seen: list[Path] = []
    monkeypatch.setattr("conceptx.audit.artefacts.digest_file", lambda path: seen.append(path) or digest_file(path))
    found = [str(finding) for finding in audit_run(run, replay=True).findings]
    assert f"{name}: the recorded path leads out of the folder; the file was not read" in found
    assert all(path.resolve().is_relative_to(run.resolve()) for path in seen)


def test_an_incomplete_run_says_so(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["stages"]["verify"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert audit_run(run).checks[-1].left_out == "the stage 'verify' has not run yet"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_signature_holds_until_the_manifest_changes(run: Path, tmp_path: Path) -> None:
    import subprocess

    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@example.org", "-f", str(key)], check=True)
    assert sign_run(run, key).name == "manifest.json.sig"
    public = key.with_suffix(".pub")
    assert verify_signature(run, public) == "ann@example.org"
    signers = tmp_path / "signers"
    signers.write_text(f"bob@example.org {public.read_text()}")
    assert verify_signature(run, signers) == "bob@example.org"
    with pytest.raises(InputError):
        verify_signature(run, signers, "eve@example.org")
    assert audit_run(run).passed
    with (run / "manifest.json").open("a") as file:
        file.write(" ")
    with pytest.raises(InputError, match="does not belong to this manifest"):
        verify_signature(run, public)


def test_a_missing_key_and_a_missing_signature_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such key"):
        sign_run(run, tmp_path / "none")
    public = tmp_path / "id.pub"
    public.write_text("ssh-ed25519 AAAA ann\n")
    with pytest.raises(InputError, match="there is no signature"):
        verify_signature(run, public)


def test_a_run_is_the_same_as_itself_and_differs_from_another(run: Path, tmp_path: Path) -> None:
    same = compare_runs(run, run)
    assert {pair.change for pair in same.pairs} == {"same"}
    assert same.settings == {}
    tables = write_tables(tmp_path / "tables", seed=1)
    other = tmp_path / "other"
    conceptx.explain(
        activations=str(tables["activations"]), labels=str(tables["labels"]), max_length=1, out=other, progress=silent
    )
    result = compare_runs(run, other)
    assert result.settings["max_length"] == (2, 1)
    assert result.settings["ontology"] == ("world", None)
    assert result.paired_by == "values"
    assert len(result.pairs) == 3
    assert result.common_images == 300
    json.dumps(result.to_dict())
