"""The audit itself: all checks over one run, in the order in which its figures came to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conceptx.artefacts import hierarchy_of, protocol_of
from conceptx.audit.against import check_counterexamples, check_sanity, judged_of
from conceptx.audit.artefacts import check_files, check_images, check_splits
from conceptx.audit.beside import check_effects, check_stability
from conceptx.audit.chain import check_manifest
from conceptx.audit.evidence import Evidence, read_evidence
from conceptx.audit.findings import MISSHAPEN, Audit, Check, Finding
from conceptx.audit.recompute import check_floor, check_hypotheses, check_margins, check_rule, check_verdicts
from conceptx.audit.replay import check_replay
from conceptx.audit.together import check_ensembles, check_numbers, check_plan
from conceptx.errors import InputError
from conceptx.inputs import brightness_of_run
from conceptx.progress import Progress, silent
from conceptx.report.beside import TABLES
from conceptx.run import Run
from conceptx.tables import CONTROLS, HYPOTHESES, MARGINS, VERDICTS, read_parquet
from conceptx.verification.protocol import Protocol


def audit_run(path: Path, *, replay: bool = False, progress: Progress = silent) -> Audit:
    """Check every digest of the run at `path` and compute every figure again; `replay` repeats search and tests too.

    A table that cannot be read any more is a finding, not an error: the audit goes on with what is left.
    """
    run = Run.open(path)
    checks = [check_files(run, progress)]
    try:
        checks.append(check_manifest(run))
    except MISSHAPEN as error:
        checks.append(Check("manifest", 0, (Finding("manifest.json", _misshapen(error)),)))
    missing = [stage for stage in ("images", "extract", "annotate", "induce", "verify") if not run.has(stage)]
    if missing:
        checks.append(Check("figures", 0, (), f"the stage {missing[0]!r} has not run yet"))
        return Audit(str(path), checks)
    try:
        checks += [check_images(run, progress), check_splits(run), *_figures(run, progress)]
        if replay:
            checks.append(check_replay(run, progress))
    except InputError as error:
        checks.append(Check("figures", 0, (Finding(error.where, error.what),), "what comes after this"))
    except MISSHAPEN as error:
        checks.append(Check("figures", 0, (Finding(str(path), _misshapen(error)),), "what comes after this"))
    return Audit(str(path), checks)


def _misshapen(error: Exception) -> str:
    return f"what is recorded has another shape than this version writes ({type(error).__name__}: {error})"


def _figures(run: Run, progress: Progress) -> list[Check]:
    protocol = protocol_of(run)
    evidence = read_evidence(run)
    hypotheses, verdicts, controls, margins = (
        read_parquet(run.path / f"{name}.parquet", schema).to_pylist()
        for name, schema in (
            ("hypotheses", HYPOTHESES),
            ("verdicts", VERDICTS),
            ("controls", CONTROLS),
            ("margins", MARGINS),
        )
    )
    checks = [
        check_hypotheses(hypotheses, evidence, protocol, progress),
        check_verdicts(verdicts, evidence, protocol, progress),
        check_margins(margins, evidence, progress),
        check_floor(controls, run.summary, protocol),
        check_rule(verdicts, hypotheses, run.summary, protocol),
    ]
    return checks + _beside(run, hypotheses, verdicts, evidence, protocol, progress)


def _beside(
    run: Run,
    hypotheses: list[dict[str, Any]],
    verdicts: list[dict[str, Any]],
    evidence: Evidence,
    protocol: Protocol,
    progress: Progress,
) -> list[Check]:
    """Compute what stands beside the verdicts again; an earlier version did not write it."""
    written = run.manifest["stages"]["verify"]["outputs"]
    absent = [name for name in TABLES if f"{name}.parquet" not in written]
    if absent:
        what = f"the run was made without {absent[0]}.parquet (by an earlier version)"
        return [Check("beside the verdicts", 0, (), what)]
    tables = {name: read_parquet(run.path / f"{name}.parquet", schema).to_pylist() for name, schema in TABLES.items()}
    seed, judged, hierarchy = run.request.seed, judged_of(verdicts), hierarchy_of(run)
    brightness = brightness_of_run(run)
    plan = run.read_json("plan.json")
    return [
        check_effects(tables["effects"], verdicts, evidence, brightness, protocol, seed, progress),
        check_stability(tables["stability"], hypotheses, evidence, protocol, seed, progress),
        check_sanity(tables["sanity"], judged, evidence, hierarchy, seed, progress),
        check_counterexamples(tables["counterexamples"], judged, evidence, hierarchy, progress),
        check_ensembles(tables["ensembles"], judged, evidence, protocol, progress),
        check_numbers(tables, judged, run.summary, protocol),
        check_plan(plan, hypotheses, verdicts, evidence, run.summary, protocol, seed, run.digest_of("extract")),
    ]
