"""The search and the tests once more, from the stored activations and labels: are the artefacts equal to the byte?"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from conceptx.audit.artefacts import leaves
from conceptx.audit.findings import Check, Finding
from conceptx.errors import InputError
from conceptx.files import digest_file
from conceptx.pipeline import run_stages
from conceptx.progress import Progress, silent
from conceptx.run import Run

REPLAYED = ("induce", "plan", "verify", "truth")
"""The stages that need nothing but what the run stores."""


def check_replay(run: Run, progress: Progress = silent) -> Check:
    """Run the stages `REPLAYED` again in a temporary folder beside copies of what they read, and compare the files.

    Only the same version of conceptx, numba and numpy on a machine of the same kind need give the same bytes.
    """
    stages = run.manifest.get("stages", {})
    names = [name for name in REPLAYED if name in stages]
    read = [name for name in stages if name not in (*REPLAYED, "report")]
    outside = [output for stage in stages.values() for output in stage["outputs"] if leaves(output)]
    if outside:
        return Check("replay", 0, tuple(Finding(name, "the recorded path leads out of the folder") for name in outside))
    findings: list[Finding] = []
    compared = 0
    with tempfile.TemporaryDirectory(prefix="conceptx-audit-") as folder:
        copy = Path(folder) / "run"
        for name in ["run.toml", *(output for stage in read for output in stages[stage]["outputs"])]:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(run.path / name, copy / name)
        again = Run(copy, run.request, {**run.manifest, "stages": {name: stages[name] for name in read}})
        try:
            run_stages(again, upto=names[-1], only=(*names,), progress=progress)
        except InputError as error:
            return Check("replay", 0, (Finding(error.where, f"{error.what}; {error.mend}"),))
        for name in names:
            for output, facts in stages[name]["outputs"].items():
                compared += 1
                if digest_file(copy / output) != facts["sha256"]:
                    findings.append(Finding(output, "the replay gives other bytes"))
    return Check("replay", compared, tuple(findings))
