"""Are the files of a run those that its stages wrote, and the images those that were read?"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from conceptx.audit.findings import MISSHAPEN, Check, Finding
from conceptx.files import digest_file
from conceptx.inputs import Given, image_set_of
from conceptx.progress import Progress, silent
from conceptx.run import Run

BESIDE = frozenset({"run.toml", "manifest.json", "manifest.json.sig", "manifest.json.minisig", ".lock", "notes.json"})
"""What may lie in a run folder without a stage having written it."""

_PICTURES = "training/"
"""The rendered pictures that the built-in network was trained on; the manifest has the digest of its weights."""


def check_files(run: Run, progress: Progress = silent) -> Check:
    """Compare every file with the digest that its stage left in the manifest, and name what no stage made."""
    recorded = {
        name: str(facts["sha256"])
        for stage in run.manifest.get("stages", {}).values()
        for name, facts in stage["outputs"].items()
    }
    findings = []
    for name in progress(sorted(recorded), total=len(recorded), label="digests"):
        findings += _differs(run.path, name, name, recorded[name])
    request = run.manifest.get("request")
    if request is not None:
        findings += _differs(run.path, "run.toml", "run.toml", str(request))
    for name in sorted(_files_of(run.path) - set(recorded) - BESIDE - _own_images(run)):
        if not name.startswith(_PICTURES):
            findings.append(Finding(name, "no stage of the run wrote this file"))
    left_out = "" if request is not None else "the manifest has no digest of run.toml (written by an earlier version)"
    return Check("files", len(recorded) + (request is not None), tuple(findings), left_out)


def _own_images(run: Run) -> set[str]:
    """Return the image files that lie in the run folder itself; `check_images` looks at them."""
    if not run.has("images"):
        return set()
    try:
        images = image_set_of(run, Given())
    except MISSHAPEN:
        return set()
    if images.root is None or not images.root.resolve().is_relative_to(run.path.resolve()):
        return set()
    base = images.root.resolve().relative_to(run.path.resolve())
    return {(base / path).as_posix() for path in images.images["path"].to_pylist() if path}


def check_images(run: Run, progress: Progress = silent) -> Check:
    """Compare the image files with the digests in `images.parquet`."""
    images = image_set_of(run, Given())
    if images.root is None:
        return Check("images", 0, (), "the run has no image files (tables or objects were given)")
    findings: list[Finding] = []
    compared = 0
    rows = zip(*(images.images[name].to_pylist() for name in ("image", "path", "sha256")), strict=True)
    for image, path, digest in progress(rows, total=len(images), label="image files"):
        if path and digest:
            compared += 1
            findings += _differs(images.root, path, f"image {image!r}", digest)
    return Check("images", compared, tuple(findings))


def check_splits(run: Run) -> Check:
    """Look for one picture in two splits: images of equal bytes, and images that are listed twice."""
    table = image_set_of(run, Given()).images
    seen: dict[str, tuple[str, str | None]] = {}
    findings = []
    rows = zip(*(table[name].to_pylist() for name in ("image", "sha256", "split")), strict=True)
    for image, digest, split in rows:
        first, other = seen.setdefault(digest or image, (image, split))
        if other != split:
            findings.append(Finding(f"image {image!r}", f"is in {split} and equals {first!r}, which is in {other}"))
    return Check("splits", len(table), tuple(findings))


def leaves(name: str) -> bool:
    """Tell whether a recorded path leads out of the folder that it belongs to; such a file is never read."""
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or "\0" in name


def _differs(folder: Path, recorded: str, name: str, digest: str) -> list[Finding]:
    if leaves(recorded):
        return [Finding(name, "the recorded path leads out of the folder; the file was not read")]
    path = folder / recorded
    try:
        found = digest_file(path)
    except FileNotFoundError:
        return [Finding(name, "the file is missing")]
    except OSError as error:
        return [Finding(name, f"the file cannot be read ({error.strerror})")]
    return [] if found == digest else [Finding(name, f"has the sha256 {found[:16]}…, recorded is {digest[:16]}…")]


def _files_of(folder: Path) -> set[str]:
    return {(Path(base) / name).relative_to(folder).as_posix() for base, _, names in os.walk(folder) for name in names}
