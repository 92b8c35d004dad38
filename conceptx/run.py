"""The run directory: what was asked, what was made, from what, and how a stopped run goes on.

A run is a folder with `run.toml` (the request), `manifest.json` (digests, versions, seconds) and the artefacts of
the stages. `Run.stage` does a stage's work only when what it reads has changed since the stage last ended well.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from conceptx import __version__
from conceptx.errors import InputError, JobError
from conceptx.files import (
    digest_file,
    digest_json,
    is_leftover,
    remove_leftovers,
    write_bytes,
    write_failure,
    write_json,
)
from conceptx.request import Request, read_request, write_request
from conceptx.tables import (
    CONTROLS,
    HYPOTHESES,
    IMAGES,
    MARGINS,
    OBJECTS,
    VERDICTS,
    ResultTable,
    read_parquet,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from conceptx.comparison import Comparison
    from conceptx.report.notebook import UnitView

MANIFEST_VERSION = 1

_RECORDED_PACKAGES = ("numpy", "scipy", "torch", "torchvision", "owlready2", "rdflib", "pyarrow", "numba", "pillow")


@dataclass(slots=True)
class Run:
    """One run folder. Use it as a context manager while writing: it locks the folder against a second writer."""

    path: Path
    request: Request
    manifest: dict[str, Any] = field(default_factory=dict)
    _lock: int | None = None
    _before: bytes | None = None

    @classmethod
    def create(cls, path: Path, request: Request) -> Run:
        """Return the run at `path`, made or taken up again; a changed request re-runs the stages that it touches."""
        request = request.checked()
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise InputError(str(path), "this is a file, not a run folder", "choose another --out")
        begun = (path / "run.toml").is_file() or not path.is_dir() or all(map(is_leftover, path.iterdir()))
        if not begun:
            raise InputError(str(path), "the folder is not empty and not a run", "choose an empty folder for --out")
        manifest = _read_manifest(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JobError(
                str(path), f"cannot be made ({error.strerror})", "choose a folder that is writable"
            ) from error
        file = path / "run.toml"
        run = cls(path, request, manifest, _before=file.read_bytes() if file.is_file() else b"")
        write_request(path / "run.toml", request)
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open an existing run folder."""
        path = Path(path)
        if not (path / "run.toml").is_file():
            raise InputError(str(path), "this is not a run folder (it has no run.toml)", "give the folder of a run")
        return cls(path, read_request(path / "run.toml").checked(), _read_manifest(path))

    def __enter__(self) -> Self:
        try:
            self._lock = _lock_folder(self.path)
        except InputError:
            if self._before:
                write_bytes(self.path / "run.toml", self._before)
            raise
        remove_leftovers(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, InputError):
            self._take_back()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_back(self) -> None:
        """Leave the folder as it was before a request whose input was wrong, unless a stage has ended well since."""
        if self._before is None:
            return
        if self._before:
            write_bytes(self.path / "run.toml", self._before)
        else:
            for name in ("run.toml", ".lock"):
                (self.path / name).unlink(missing_ok=True)
            if not any(self.path.iterdir()):
                self.path.rmdir()
        self._before = None

    def __repr__(self) -> str:
        return f"<Run {self.path}: {', '.join(self.manifest.get('stages', {})) or 'nothing done yet'}>"

    def _repr_html_(self) -> str:
        counts = self.summary["counts"] if self.has("verify") else {}
        cells = "".join(f"<td>{escape(str(n))} {escape(verdict)}</td>" for verdict, n in counts.items())
        title = escape(f"{self.request.model or self.request.activations}: {', '.join(self.request.layers) or 'table'}")
        return f"<table><caption>{title}</caption><tr>{cells or '<td>not verified yet</td>'}</tr></table>"

    @property
    def images(self) -> ResultTable:
        """The images and their splits."""
        return self._table("images", IMAGES)

    @property
    def objects(self) -> ResultTable:
        """The annotated objects."""
        return self._table("objects", OBJECTS)

    @property
    def hypotheses(self) -> ResultTable:
        """What the search found, ranked."""
        return self._table("hypotheses", HYPOTHESES)

    @property
    def verdicts(self) -> ResultTable:
        """What held-out images say of the hypotheses."""
        return self._table("verdicts", VERDICTS)

    @property
    def controls(self) -> ResultTable:
        """The same for control units."""
        return self._table("controls", CONTROLS)

    @property
    def margins(self) -> ResultTable:
        """Error margins: TLA and non-TLA above shares of the units' maxima."""
        return self._table("margins", MARGINS)

    @property
    def summary(self) -> dict[str, Any]:
        """The verification in numbers: units per verdict, noise floor, hypotheses tried."""
        return self.read_json("verification.json")

    @property
    def warnings(self) -> list[str]:
        """What the annotations lack, one sentence each."""
        found = self.read_json("annotation.json").get("warnings")
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise InputError(str(self.path / "annotation.json"), "it lists no warnings", "run the stage again")
        return found

    @property
    def report_path(self) -> Path:
        """The report's page."""
        return self.path / "report" / "index.html"

    def unit(self, unit: str | int, layer: str | None = None) -> UnitView:
        """One unit of the report: it shows itself in a notebook, and `plot()` draws a figure of it."""
        from conceptx.report.notebook import read_unit

        return read_unit(self.path, unit, layer)

    def compare(self, methods: Sequence[str] = (), labels: Sequence[str | Path] = ()) -> Comparison:
        """Other methods' labels beside the run's own, measured on the same images (see `conceptx compare`)."""
        from conceptx.artefacts import comparison_material
        from conceptx.comparison.of_run import METHODS, Wanted, compare

        wanted = Wanted(methods=tuple(methods) or METHODS, files=tuple(Path(path) for path in labels))
        return compare(comparison_material(self), wanted)

    def _table(self, name: str, schema: pa.Schema) -> ResultTable:
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            raise InputError(
                str(self.path), f"there are no {name} yet", f"run conceptx explain {self.path / 'run.toml'}"
            )
        return ResultTable(read_parquet(path, schema))

    def resolve(self, location: str) -> Path:
        """Return the path of a location in the request: relative ones are relative to the run folder."""
        return self.path / location

    @property
    def is_as_asked(self) -> bool:
        """Whether the request is still that of the last stage that ended well."""
        return self.manifest.get("request") == digest_file(self.path / "run.toml")

    def is_current(self, name: str, fingerprint: str) -> bool:
        """Tell whether stage `name` ended well from inputs of this fingerprint and its outputs are as it left them."""
        entry = self.manifest.get("stages", {}).get(name, {})
        return entry.get("fingerprint") == fingerprint and self.keeps(name)

    def keeps(self, name: str) -> bool:
        """Tell whether stage `name` ended well, from whatever inputs, and its outputs are as it left them."""
        entry = self.manifest.get("stages", {}).get(name, {})
        return entry.get("status") == "done" and all(
            self._is_unchanged(output, facts) for output, facts in entry["outputs"].items()
        )

    def stage(
        self,
        name: str,
        *,
        reads: Mapping[str, object],
        work: Callable[[], Sequence[str]],
    ) -> bool:
        """Do `work` unless stage `name` is current; tell whether it was done.

        `reads` is everything that the result depends on: settings as values, artefacts as digests (see `digest_of`).
        `work` returns the paths of what it wrote, relative to the run folder.
        """
        fingerprint = digest_json({"reads": dict(reads), "version": __version__})
        if self.is_current(name, fingerprint):
            return False
        self.manifest.setdefault("stages", {}).pop(name, None)
        started = time.monotonic()
        outputs = list(work())
        self.manifest["stages"][name] = {
            "fingerprint": fingerprint,
            "inputs": dict(reads),
            "outputs": {output: self._facts(output) for output in sorted(outputs)},
            "seconds": round(time.monotonic() - started, 3),
            "status": "done",
        }
        self._save()
        self._before = None
        return True

    def digest_of(self, stage: str) -> str:
        """Return one digest over all outputs of a stage that has ended well."""
        entry = self.manifest.get("stages", {}).get(stage)
        if entry is None:
            raise InputError(
                str(self.path), f"the stage {stage!r} has not run yet", f"run conceptx explain {self.path}/run.toml"
            )
        return digest_json({output: facts["sha256"] for output, facts in entry["outputs"].items()})

    def has(self, stage: str) -> bool:
        """Tell whether a stage has ever ended well in this run."""
        return stage in self.manifest.get("stages", {})

    def require(self, *stages: str) -> None:
        """Refuse to go on where one of `stages` has not ended well, or what it wrote was changed or removed since."""
        for stage in stages:
            self.digest_of(stage)
            if not self.keeps(stage):
                what = f"what the stage {stage!r} wrote was changed or removed since"
                raise InputError(str(self.path), what, f"run conceptx explain {self.path / 'run.toml'} again")

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON artefact."""
        try:
            value: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(str(self.path / name), f"cannot be read ({error})", "run the stage again") from error
        if not isinstance(value, dict):
            raise InputError(str(self.path / name), "this is not a JSON object", "run the stage again")
        return value

    def record_inputs(self, inputs: Mapping[str, str | None]) -> None:
        """Keep where what came from outside is (weights, images, ontology), and its digests, in the manifest."""
        self.manifest["inputs"] = {**self.manifest.get("inputs", {}), **inputs}

    def _save(self) -> None:
        self.manifest["version"] = MANIFEST_VERSION
        self.manifest["conceptx"] = __version__
        self.manifest["python"] = platform.python_version()
        self.manifest["request"] = digest_file(self.path / "run.toml")
        self.manifest["packages"] = {name: v for name in _RECORDED_PACKAGES if (v := _version(name)) is not None}
        write_json(self.path / "manifest.json", self.manifest)

    def _facts(self, output: str) -> dict[str, object]:
        path = self.path / output
        stat = path.stat()
        return {"sha256": digest_file(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}

    def _is_unchanged(self, output: str, facts: Mapping[str, object]) -> bool:
        path = self.path / output
        try:
            stat = path.stat()
        except (OSError, ValueError):
            return False
        if stat.st_size != facts["bytes"]:
            return False
        return stat.st_mtime_ns == facts["mtime_ns"] or digest_file(path) == facts["sha256"]


def _read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest, or an empty one where there is none or it is not of this version."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        raise InputError(str(path), "a part of this path is a file", "choose another --out") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            str(path / "manifest.json"), f"the manifest cannot be read ({error})", "remove it to run every stage again"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("version") != MANIFEST_VERSION:
        raise InputError(
            str(path / "manifest.json"),
            "the run was written by another version",
            "use a new --out, or remove the folder",
        )
    if not _has_shape(manifest):
        raise InputError(
            str(path / "manifest.json"),
            "the manifest has another shape than this version writes",
            "remove it to run every stage again",
        )
    return manifest


def _has_shape(manifest: dict[str, Any]) -> bool:
    """Tell whether the parts of a manifest that are looked up by name are what `Run` writes there."""
    inputs, stages = manifest.get("inputs", {}), manifest.get("stages", {})
    if not isinstance(inputs, dict) or not all(value is None or isinstance(value, str) for value in inputs.values()):
        return False
    if not isinstance(stages, dict) or not all(isinstance(entry, dict) for entry in stages.values()):
        return False
    outputs = [entry.get("outputs") for entry in stages.values()]
    if not all(isinstance(made, dict) for made in outputs):
        return False
    facts = [fact for made in outputs for fact in made.values()]
    return all(isinstance(fact, dict) and {"sha256", "bytes", "mtime_ns"} <= fact.keys() for fact in facts)


def _lock_folder(path: Path) -> int | None:
    """Hold an advisory lock on the folder until the handle is closed or the process ends."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        handle = os.open(path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise write_failure(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise InputError(str(path), "another conceptx is writing this run", "wait for it to end") from None
    return handle


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
