"""What `--model` can say: the kind of a model and where it is, without loading anything.

`parse_model` reads a name; `model_file` and `with_location` let a caller mend a relative path. No torch is imported
here, so that a request can be checked before anything heavy starts.

======================================  ===================================================================
written                                 means
======================================  ===================================================================
``resnet50``, ``torchvision:resnet50``  an architecture of torchvision (a bare name may also be timm's)
``timm:resnet18``                       an architecture of timm
``efficientnet-lite0``                  a pretrained network whose weights are part of a package
``world-cnn``                           the small network of the built-in world
``FILE.onnx``, ``onnx:FILE``            a graph for onnxruntime
``FILE.pt2``, ``exported:FILE``         a program of ``torch.export``
``FILE.ts``, ``torchscript:FILE``       a TorchScript archive (also ``.torchscript``, ``.jit``, ``.pt``, ``.pth``)
``head:FOLDER``                         a head of ``conceptx train-head`` on its backbone
``package.module:factory``              a callable of the user's
======================================  ===================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from conceptx.errors import InputError

_SUFFIXES = {
    ".onnx": "onnx",
    ".pt2": "exported",
    ".ts": "torchscript",
    ".torchscript": "torchscript",
    ".jit": "torchscript",
    ".pt": "torchscript",
    ".pth": "torchscript",
}
FILE_KINDS = ("onnx", "exported", "torchscript", "head")
"""The kinds of models that are a file or a folder."""

_PREFIXES = (*FILE_KINDS, "torchvision", "timm")
LITE = "efficientnet-lite0"
WORLD = "world-cnn"


@dataclass(frozen=True, slots=True)
class ModelName:
    """A kind (``zoo``, ``torchvision``, ``timm``, ``lite``, ``world``, ``factory`` or one of `FILE_KINDS`) and a place.

    `location` is an architecture's name, a path, or ``package.module:factory``.
    """

    kind: str
    location: str


def parse_model(name: str) -> ModelName:
    """Return what a model's name says.

    >>> parse_model("timm:resnet18")
    ModelName(kind='timm', location='resnet18')
    >>> parse_model("nets/a.onnx")
    ModelName(kind='onnx', location='nets/a.onnx')
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in _PREFIXES:
        if not rest:
            raise InputError(f"model {name!r}", f"nothing follows {prefix + ':'!r}", f"write {prefix}:NAME")
        return ModelName(prefix, rest)
    kind = _SUFFIXES.get(PurePath(name).suffix.lower())
    if kind is not None:
        return ModelName(kind, name)
    if colon:
        return ModelName("factory", name)
    return ModelName({LITE: "lite", WORLD: "world"}.get(name, "zoo"), name)


def model_file(name: str) -> str | None:
    """Return the path that a model's name holds, or None where it names no file."""
    parsed = parse_model(name)
    return parsed.location if parsed.kind in FILE_KINDS else None


def with_location(name: str, location: str) -> str:
    """Return a model's name with another path; names without a path stay as they are."""
    parsed = parse_model(name)
    return f"{parsed.kind}:{location}" if parsed.kind in FILE_KINDS else name
