"""What a model's name stands for, by content, so that a stage can tell whether it has changed; mostly without torch."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from conceptx.activations.naming import FILE_KINDS, parse_model
from conceptx.errors import InputError
from conceptx.files import digest_file


def model_facts(name: str, weights: str | Path = "default") -> dict[str, Any]:
    """Return what a model depends on, as plain data: digests of its files, or the version of the package it is from.

    A model of the user's own code is loaded, because nothing less tells whether it has changed.
    """
    parsed = parse_model(name)
    if parsed.kind == "factory":
        from conceptx.activations.models import load_model

        return {"model": load_model(name, weights).digest}
    facts: dict[str, Any] = {"kind": parsed.kind}
    if parsed.kind in FILE_KINDS:
        facts["file"] = _content(Path(parsed.location))
    else:
        facts["packages"] = {package: _version(package) for package in ("torch", "torchvision", "timm")}
    facts["weights"] = weights if str(weights) in ("default", "none") else digest_file(_existing(Path(weights)))
    return facts


def _content(path: Path) -> Any:
    """Return digests of a file, or of the files in a folder by name."""
    if _existing(path).is_dir():
        return {file.name: digest_file(file) for file in sorted(path.iterdir()) if file.is_file()}
    return digest_file(path)


def _existing(path: Path) -> Path:
    if not path.is_file() and not path.is_dir():
        raise InputError(str(path), "there is no such file or folder", "check the path")
    return path


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
