"""Does the manifest agree with itself, and with the files: what each stage read is what the stages before it wrote.

No digest can protect the manifest from somebody who writes it anew; `signatures` are for that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from conceptx.audit.artefacts import leaves
from conceptx.audit.findings import Check, Finding
from conceptx.run import Run

_OUTSIDE = ("images", "ontology", "weights")
"""What came from outside of the run; the report names the digests of it."""


def check_manifest(run: Run) -> Check:
    """Compare fingerprints, the digests that stages hand to stages, sizes, and the digests that the report names."""
    manifest = run.manifest
    stages: Mapping[str, Mapping[str, Any]] = manifest.get("stages", {})
    findings: list[Finding] = []
    compared = 0

    def differs(where: str, wrong: bool, what: str) -> None:
        nonlocal compared
        compared += 1
        if wrong:
            findings.append(Finding(f"manifest.json, {where}", what))

    written = {
        name: _digest({output: facts["sha256"] for output, facts in stage["outputs"].items()})
        for name, stage in stages.items()
    }
    for name, stage in stages.items():
        again = _digest({"reads": stage["inputs"], "version": manifest.get("conceptx")})
        what = "is not that of its inputs and this version; the record was changed, or another version made it"
        differs(f"{name}, fingerprint", stage["fingerprint"] != again, what)
        differs(f"{name}, status", stage["status"] != "done", f"is {stage['status']!r}, not 'done'")
        for other, digest in stage["inputs"].items():
            if other != name and other in written and _is_digest(digest):
                what = f"is not the digest of what the stage {other!r} wrote"
                differs(f"{name}, inputs, {other}", digest != written[other], what)
        for output, facts in stage["outputs"].items():
            path = run.path / output
            if not leaves(output) and path.is_file():
                size = path.stat().st_size
                what = f"has {size} bytes, recorded are {facts['bytes']}"
                differs(f"{name}, {output}", size != facts["bytes"], what)
    turtle = run.path / "report" / "report.ttl"
    if "report" in stages and turtle.is_file():
        said = turtle.read_text(encoding="utf-8", errors="replace")
        for name in _OUTSIDE:
            digest = manifest.get("inputs", {}).get(name)
            if digest:
                differs(f"inputs, {name}", f'"{digest}"' not in said, "is not the digest that report.ttl names")
    return Check("manifest", compared, tuple(findings))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


def _digest(value: object) -> str:
    """Return the SHA-256 of the JSON text with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode()).hexdigest()
