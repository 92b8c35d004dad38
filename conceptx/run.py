"""The run directory: what was asked, what was made, from what, and how a stopped run goes on.

A run is a folder with `run.toml` (the request), `manifest.json` (digests, versions, seconds) and the artefacts of
the stages. `Run.stage` does a stage's work only when what it reads has changed since the stage last ended well.
"""

from __future__ import annotations

import json
import os
import platform
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from html import escape
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from conceptx import __version__
from conceptx.activations.naming import parse_model
from conceptx.activations.preprocess import Preprocess
from conceptx.errors import InputError, JobError, did_you_mean
from conceptx.files import (
    digest_file,
    digest_json,
    remove_leftovers,
    write_bytes,
    write_failure,
    write_json,
    write_text,
)
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

TRAINED = "train"
"""The weights of a network that the run trains itself: the built-in one, on the built-in world."""

BUILT_IN_WORLD = "world"
"""The name of the ontology that ships."""

GIVEN = "given"
"""The kind of a model or image set that a Python caller handed over as an object: ``given:NAME``."""

_IN_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple[str, ...]": "a list of texts",
}
"""What the type of a request's field is called in a message."""

_RECORDED_PACKAGES = ("numpy", "scipy", "torch", "torchvision", "owlready2", "rdflib", "pyarrow", "numba", "pillow")


@dataclass(frozen=True, slots=True)
class Request:
    """What a run was asked for; relative paths are relative to the run folder.

    Either `model`, `layers` and `images` are given, or the tables `activations` and `labels`. Without an `ontology`
    every label is a class of its own. `objective` and `max_length` take the place of the protocol's. `search` is auto,
    optimal, beam or ecii, `seconds` the longest time that it takes to prove a unit's optimum. `splits` is "own"
    or "original": the image set's train, val and test become induction, evaluation and verification. `sentences` asks a
    local sentence model about labels that no class name resembles, `reasoner` lets HermiT check the proposed
    expressions on a sample of the images. `keep` is "all", or "top" for statistics and top images without the
    matrix. `device`, `autocast` (bf16, fp16) and `cluster` (auto, ray://…, whose machines exchange `blocks` there) say
    where the network runs, and `device` where the search adds up. `single_file` puts the whole report into one page.

    `preprocess` is a line as `Preprocess.text` writes it (None: the weights' own).
    """

    model: str | None = None
    weights: str = "default"
    layers: tuple[str, ...] = ()
    reduction: str | None = None
    preprocess: str | None = None
    images: str | None = None
    activations: str | None = None
    labels: str | None = None
    ontology: str | None = None
    protocol: str = "conceptx"
    objective: str | None = None
    max_length: int | None = None
    search: str = "auto"
    seconds: float | None = None
    splits: str = "own"
    sentences: bool = False
    reasoner: bool = False
    image_classes: bool = False
    max_bad: float = 0.01
    keep: str = "all"
    device: str | None = None
    autocast: str | None = None
    cluster: str | None = None
    blocks: str | None = None
    single_file: bool = False
    seed: int = 0

    def checked(self) -> Self:
        """Return the request when it can be carried out, else say what is missing."""
        if self.activations is not None:
            if self.labels is None:
                raise InputError("request", "activations are given without labels", "add --labels TABLE")
            if self.model is not None:
                raise InputError("request", "a model and an activation table are given", "keep one of the two")
        else:
            for name, value in (("model", self.model), ("layer", self.layers), ("images", self.images)):
                if not value:
                    raise InputError("request", f"no {name} is given", f"add --{name}, or --activations and --labels")
        if self.preprocess is not None:
            Preprocess.from_text(self.preprocess, "preprocess")
        if self.model is not None:
            parse_model(self.model)
        if self.max_length is not None and not 1 <= self.max_length <= 6:
            raise InputError("request", f"max_length is {self.max_length}", "choose a length from 1 to 6")
        for name, value, known in (
            ("keep", self.keep, ("all", "top")),
            ("autocast", self.autocast, (None, "bf16", "fp16")),
        ):
            if value not in known:
                raise InputError("request", f"{name} is {value!r}", f"choose {' or '.join(k for k in known if k)}")
        if self.splits not in ("own", "original"):
            raise InputError("request", f"splits is {self.splits!r}", "choose own or original")
        if self.seed < 0:
            raise InputError("request", f"seed is {self.seed}", "choose a whole number from 0")
        if not 0 <= self.max_bad <= 1:
            raise InputError("request", f"max_bad is {self.max_bad}", "choose a share from 0 to 1")
        return self


def read_request(path: Path) -> Request:
    """Read a request from a TOML file; keys that do not exist are refused by name."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), "there is no such file", "check the path") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "give a TOML file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(str(path), f"this is not a TOML file ({error})", "mend the file") from error
    known = {f.name: f for f in fields(Request)}
    for name, value in values.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(str(path), f"the key {name!r} is unknown{' (' + hint + ')' if hint else ''}", "remove it")
        if name == "preprocess" and isinstance(value, dict):
            values[name] = Preprocess.from_table(value, str(path)).text()
        elif name == "layers" and isinstance(value, list) and all(isinstance(v, str) for v in value):
            values[name] = tuple(value)
        elif not _has_type(value, str(known[name].type)):
            wanted = _IN_WORDS[str(known[name].type).split(" | ")[0]]
            raise InputError(str(path), f"{name} is {repr(value)[:80]}, not {wanted}", "mend the value")
    return Request(**values)


def write_request(path: Path, request: Request) -> None:
    """Write a request as TOML; what is not asked for (None) is left out."""
    lines = []
    for item in fields(request):
        value = getattr(request, item.name)
        if value is not None:
            lines.append(f"{item.name} = {_toml(value)}")
    write_text(path, "\n".join(lines) + "\n")


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
        if path.is_dir() and any(path.iterdir()) and not (path / "run.toml").is_file():
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


def with_paths(request: Request, base: Path, run: Path) -> Request:
    """Return `request` with paths that were meant relative to `base` made right for a run folder at `run`.

    What lies inside the run folder stays relative, so that the folder can be moved; the rest becomes absolute.
    """

    def mend(location: str) -> str:
        path = (base / location).resolve()
        inside = path.is_relative_to(run.resolve())
        return path.relative_to(run.resolve()).as_posix() if inside else str(path)

    changed: dict[str, str] = {}
    for name in ("activations", "labels", "ontology"):
        location = getattr(request, name)
        if location is not None and (name, location) != ("ontology", BUILT_IN_WORLD):
            changed[name] = mend(location)
    if request.images is not None and ":" in request.images:
        kind, location = request.images.split(":", 1)
        if kind not in ("rendered", GIVEN):
            changed["images"] = f"{kind}:{mend(location)}"
    if request.weights not in ("default", "none", TRAINED):
        changed["weights"] = mend(request.weights)
    if request.model is not None and not request.model.startswith(f"{GIVEN}:"):
        from conceptx.activations.naming import model_file, with_location

        file = model_file(request.model)
        if file is not None:
            changed["model"] = with_location(request.model, mend(file))
    if request.protocol.endswith(".toml"):
        changed["protocol"] = mend(request.protocol)
    return replace(request, **changed)  # type: ignore[arg-type]


def _read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest, or an empty one where there is none or it is not of this version."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
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


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _has_type(value: object, annotation: str) -> bool:
    kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}
    wanted = kinds.get(annotation.split(" | ")[0], ())
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))
