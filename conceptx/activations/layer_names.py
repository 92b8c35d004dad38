"""What a layer's name means in a tree of modules.

A name is a module path as in `model.named_modules()`, with two optional ends: ``relu@3`` is the third call of a module
that one forward pass calls several times, and ``encoder[1]`` or ``encoder[hidden]`` is that item of an output that is a
tuple or a dictionary (without it, the first floating-point tensor).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conceptx.errors import InputError, did_you_mean

_NAME = re.compile(r"(?P<path>.+?)(?:@(?P<call>[1-9][0-9]*))?(?:\[(?P<key>[^\[\]]+)\])?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A resolved layer name; `call` is None where the name does not say which."""

    name: str
    path: str
    call: int | None
    key: str | None


def resolve(layer: str, modules: Mapping[str, nn.Module]) -> Place:
    """Find the module that a layer name means; a path that exists is taken whole, whatever characters it has."""
    if layer and layer in modules:
        return Place(layer, layer, None, None)
    match = _NAME.fullmatch(layer)
    path = match["path"] if match else layer
    if match is None or path not in modules:
        hint = did_you_mean(path, (name for name in modules if name))
        mend = hint or f"choose a module, such as {_some(modules)}"
        raise InputError(f"layer {layer!r}", "the model has no module of this name", mend)
    return Place(layer, path, int(match["call"]) if match["call"] else None, match["key"])


def check_calls(place: Place, calls: int, reached_before: bool) -> None:
    """Refuse a layer that the pass did not reach, and a name that could mean several calls."""
    where = f"layer {place.name!r}"
    wanted = place.call or 1
    if calls < wanted and reached_before:
        raise InputError(
            where,
            "the forward pass skips it on some images (a branch of the model depends on the image)",
            "choose a layer that every image reaches",
        )
    if calls == 0:
        raise InputError(where, "the forward pass does not call this module", "choose one that every image reaches")
    if place.call is None and calls > 1:
        raise InputError(
            where,
            f"one forward pass calls this module {calls} times",
            f"say which call is meant: {place.path}@1 to {place.path}@{calls}",
        )
    if calls < wanted:
        raise InputError(
            where,
            f"one forward pass calls this module {calls} time{'s' if calls > 1 else ''}",
            f"choose a call from {place.path}@1 to {place.path}@{calls}",
        )


def tensor_of(place: Place, output: object) -> Tensor:
    """Return the tensor that the name means among a module's output."""
    where = f"layer {place.name!r}"
    items = items_of(output)
    if place.key is not None:
        if place.key not in items:
            known = ", ".join(map(repr, items)) if items else "none, it is a " + type(output).__name__
            raise InputError(where, f"the output has no item {place.key!r}", f"choose one of its items ({known})")
        output = items[place.key]
    elif not isinstance(output, Tensor):
        output = next((item for item in items.values() if isinstance(item, Tensor)), None)
    if not isinstance(output, Tensor) or not _has_values(output):
        raise InputError(where, "it puts out no floating-point tensor", "choose another layer")
    return output


def items_of(output: object) -> dict[str, object]:
    """Return the items of a tuple, list or dictionary by printed key; none of a tensor."""
    if isinstance(output, Mapping):
        return {str(key): value for key, value in output.items()}
    if isinstance(output, (tuple, list)):
        return {str(key): value for key, value in enumerate(output)}
    return {}


def tensors_of(output: object) -> dict[str, Tensor]:
    """Return the floating-point tensors of an output by the end of their name."""
    if isinstance(output, Tensor):
        return {"": output} if _has_values(output) else {}
    return {
        f"[{key}]": item for key, item in items_of(output).items() if isinstance(item, Tensor) and _has_values(item)
    }


def _has_values(output: Tensor) -> bool:
    """Tell whether a tensor holds a floating-point number at every place."""
    return output.is_floating_point() and output.layout == torch.strided


def _some(modules: Mapping[str, nn.Module]) -> str:
    """Return the names of the last modules without parts, as a hint at what names look like."""
    names = [name for name, module in modules.items() if name and not any(True for _ in module.children())]
    return ", ".join(map(repr, names[-4:]))
