"""The audit itself: all checks over one run, in the order in which its figures came to be."""

from __future__ import annotations

from pathlib import Path

from conceptx.artefacts import protocol_of
from conceptx.audit.artefacts import check_files, check_images, check_splits
from conceptx.audit.evidence import read_evidence
from conceptx.audit.findings import MISSHAPEN, Audit, Check, Finding
from conceptx.audit.recompute import check_floor, check_hypotheses, check_margins, check_rule, check_verdicts
from conceptx.audit.replay import check_replay
from conceptx.errors import InputError
from conceptx.progress import Progress, silent
from conceptx.run import Run
from conceptx.tables import CONTROLS, HYPOTHESES, MARGINS, VERDICTS, read_parquet


def audit_run(path: Path, *, replay: bool = False, progress: Progress = silent) -> Audit:
    """Check every digest of the run at `path` and compute every figure again; `replay` repeats search and tests too.

    A table that cannot be read any more is a finding, not an error: the audit goes on with what is left.
    """
    run = Run.open(path)
    try:
        checks = [check_files(run, progress)]
    except MISSHAPEN as error:
        return Audit(str(path), [Check("files", 0, (Finding("manifest.json", _misshapen(error)),), "all that follows")])
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
    return [
        check_hypotheses(hypotheses, evidence, protocol, progress),
        check_verdicts(verdicts, evidence, protocol, progress),
        check_margins(margins, evidence, progress),
        check_floor(controls, run.summary, protocol),
        check_rule(verdicts, hypotheses, run.summary, protocol),
    ]
