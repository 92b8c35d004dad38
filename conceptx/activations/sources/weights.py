"""State dicts in files: read without running anything in them, and loaded only where every name and shape agrees.

`read_weights` reads a file (``.pt``, ``.pth`` or ``.safetensors``), `load_weights` puts it into a model.
"""

from __future__ import annotations

import importlib
import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from conceptx.errors import InputError, nearest

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_SHOWN = 5


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict; the file may hold it under ``state_dict`` or ``model``, and with a ``module.`` prefix."""
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "there is no such file", "give the path of a weights file, 'default' or 'none'")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickled(path)
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(
            str(path), "this is not a state dict", "save the weights with torch.save(model.state_dict(), …)"
        )
    state = {str(name): tensor for name, tensor in content.items()}
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a weights file into a model; every name and shape must agree."""
    state = read_weights(path)
    _check_names(path, state, model.state_dict())
    model.load_state_dict(state)


def other_classes(model: nn.Module, state: Mapping[str, Tensor], own: int = 1000) -> int | None:
    """Return the number of classes of a state dict that differs from the model, which has `own`, in just this.

    A weight may have several rows for each class, as those of detectors have for a class's boxes.
    """
    rows = {
        (mine.shape[0], state[name].shape[0])
        for name, mine in model.state_dict().items()
        if name in state and mine.ndim and mine.shape != state[name].shape and mine.shape[1:] == state[name].shape[1:]
    }
    classes = {given * own / mine for mine, given in rows if mine and mine % own == 0}
    if len(classes) == 1 and len(rows) == len({mine for mine, _ in rows if mine and mine % own == 0}):
        (found,) = classes
        return int(found) if found.is_integer() and found > 0 else None
    return None


def read_pickled(path: Path) -> Any:
    """Read what `torch.save` wrote, tensors and plain containers only; anything else is refused and does not run."""
    path = Path(path)
    check_unpacked_size(path)
    return read_pickled_bytes(path, path)


def read_pickled_bytes(where: Path, source: Path | bytes) -> Any:
    """Read like `read_pickled` from a path or from memory; errors name `where`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickles that it then refuses anyway
            held = io.BytesIO(source) if isinstance(source, bytes) else source
            return torch.load(held, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        said = next((line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "Unsupported" in line), "")
        what = (
            f"the file holds more than weights ({_sentence(said) or 'code'}); it was refused, and nothing in it was run"
        )
        raise InputError(str(where), what, "save it with torch.save(model.state_dict(), …)") from error
    except (RuntimeError, EOFError, ValueError, OSError, KeyError, AttributeError, TypeError, IndexError) as error:
        known = "nothing in it is known" if isinstance(error, KeyError) else _sentence(str(error))
        what = f"this is not a weights file ({known or type(error).__name__})"
        raise InputError(str(where), what, "save it with torch.save(model.state_dict(), …)") from error


def _sentence(said: str) -> str:
    """Return the first sentence of what PyTorch says; the others advise to trust the file."""
    return (said.splitlines() or [""])[0].partition(". ")[0]


def check_unpacked_size(path: Path) -> None:
    """Refuse a zip archive that unpacks to much more than it is; PyTorch stores weights unpacked."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise InputError(str(path), f"its archive is damaged ({error})", "download or save it again") from error
    if size > 2 * path.stat().st_size + 1_000_000:
        what = f"it unpacks to {size:,} bytes from {path.stat().st_size:,}"
        raise InputError(str(path), what, "save it with torch.save, which does not pack")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        safetensors = importlib.import_module("safetensors.torch")
    except ImportError:
        raise InputError(str(path), "safetensors is not installed", "pip install 'conceptx[models]'") from None
    try:
        state: dict[str, Tensor] = safetensors.load_file(path)
    except Exception as error:  # SafetensorError, a plain Exception, is all that the package promises
        raise InputError(str(path), f"this is not a safetensors file ({error})", "check the file") from error
    return state


def _check_names(path: Path, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Compare a file's names and shapes with the model's, and list what does not agree."""
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    shapes = [name for name in wanted if name in given and wanted[name].shape != given[name].shape]
    types = [name for name in wanted if name in given and not _fits(given[name], wanted[name])]
    if not missing and not extra and not shapes and not types:
        return
    said = []
    if missing:
        near = {name: nearest(name, extra, 1) for name in missing[:_SHOWN]}
        said.append(
            "missing " + _listed([f"{n!r}" + (f" (there is {near[n][0]!r})" if near.get(n) else "") for n in missing])
        )
    if extra:
        said.append("unknown " + _listed([repr(name) for name in extra]))
    if shapes:
        listed = [f"{n!r} is {tuple(given[n].shape)}, not {tuple(wanted[n].shape)}" for n in shapes]
        said.append("of another shape: " + _listed(listed))
    if types:
        listed = [f"{n!r} is {_kind(given[n])}, not {_kind(wanted[n])}" for n in types]
        said.append("of another type: " + _listed(listed))
    raise InputError(
        str(path), "the weights are not this model's: " + "; ".join(said), "name the model they were made for"
    )


def _fits(given: Tensor, wanted: Tensor) -> bool:
    """Tell whether a tensor may be copied into another one without losing more than digits."""
    real = given.is_floating_point() or not (wanted.is_floating_point() or given.is_complex())
    return real and given.layout == wanted.layout


def _kind(tensor: Tensor) -> str:
    layout = "" if tensor.layout == torch.strided else f", {str(tensor.layout).removeprefix('torch.')}"
    return str(tensor.dtype).removeprefix("torch.") + layout


def _listed(items: list[str]) -> str:
    rest = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + rest
