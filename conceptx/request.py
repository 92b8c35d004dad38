"""The request: what a run was asked for, as a record and as the file `run.toml`."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from conceptx.activations.naming import model_file, parse_model, with_location
from conceptx.activations.preprocess import Preprocess
from conceptx.errors import InputError, did_you_mean
from conceptx.files import write_text

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
            if self.layers:
                raise InputError("request", "a layer and an activation table are given", "leave out --layer")
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
        file = model_file(request.model)
        if file is not None:
            changed["model"] = with_location(request.model, mend(file))
    if request.protocol.endswith(".toml"):
        changed["protocol"] = mend(request.protocol)
    return replace(request, **changed)  # type: ignore[arg-type]


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
