"""Layers by name, and what they put out.

`list_layers` shows what a model's layers are called, `expand_layers` finds those that a pattern means, and `capturing`
records chosen ones: it yields a function from a batch to the recorded outputs, and leaves the model as it found it.

=====================================  ========================================================================
name                                   what is recorded
=====================================  ========================================================================
``layer4.1.conv2``                     what the module of this path puts out
``relu@3``                             the third call of a module that one forward pass calls several times
``encoder[1]``, ``encoder[hidden]``    that item of an output that is a tuple or a dictionary
``fx:layer1.0.add``                    an operation between modules, by the name that tracing gives it
``conv2d_3``, ``/fc/Gemm``             a value of an exported program or an ONNX graph
``layer*.conv2``                       all layers that the pattern fits (``*`` any text, ``?`` one character)
=====================================  ========================================================================

Recorded is exactly what the named module puts out: name the convolution for the values before the nonlinearity, name
the nonlinearity for the values after it; `LayerInfo.nonlinearity` says which of the two a layer is. Values are copied
when the module returns, so a later in-place operation does not change them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conceptx.activations.functions import PREFIX, Traced, check_traced, kind_of, trace
from conceptx.activations.graphs import GraphModel
from conceptx.activations.identity import is_of_known_code
from conceptx.activations.layer_names import Place, check_calls, resolve, tensor_of, tensors_of
from conceptx.activations.nonlinearities import NonlinearityWatch, after_nonlinearity
from conceptx.activations.steady import SteadyPass
from conceptx.activations.units import default_reduction, n_units
from conceptx.errors import ConceptxError, InputError, did_you_mean

Keep = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One output that can be recorded: its name, the module's type, its shape per image, and its number of units.

    `reduction` is the one used when none is asked for (see `units`), `nonlinearity` says ``after relu`` or
    ``before relu`` where the forward pass shows it, and `calls` how often one pass calls the module.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    units: int
    calls: int
    reduction: str = ""
    nonlinearity: str = ""


def list_layers(model: nn.Module, example: Tensor) -> list[LayerInfo]:
    """Return all that can be recorded, in the order of the forward pass; `example` is a batch of images.

    The outputs that are left out are no floating-point tensors, do not have one entry per image in their first
    dimension, or have a shape without units. Operations between modules are in `list_functions`.
    """
    pair = torch.cat([example[:1], example[-1:]])
    if isinstance(model, GraphModel):
        operators = model.names()
        values = model.values(pair, list(operators))
        return _listed([(name, operators[name], values[name]) for name in operators if name in values])
    paths = {module: path for path, module in model.named_modules() if path}
    seen: list[tuple[str, int, dict[str, Tensor]]] = []
    calls: dict[str, int] = {}
    watch = NonlinearityWatch()

    def hook(module: nn.Module, _: object, output: object) -> None:
        path = paths[module]
        calls[path] = calls.get(path, 0) + 1
        tensors = tensors_of(output)
        seen.append((path, calls[path], tensors))
        for key, tensor in tensors.items():
            watch.produced(tensor, (path, calls[path], key))

    modules = {p: module for module, p in paths.items() if not isinstance(module, torch.jit.ScriptModule)}
    with _hooked(model, modules, lambda _: hook), torch.inference_mode(), watch:
        SteadyPass()(lambda: send(model, pair))
    found: list[LayerInfo] = []
    for path, call, tensors in seen:
        name = path if calls[path] == 1 else f"{path}@{call}"
        for key, tensor in tensors.items():
            side = watch.sides.get((path, call, key), "")
            found.extend(_info(name + key, _kind(modules[path]), tensor, calls[path], side))
    return found


def list_functions(model: nn.Module, example: Tensor) -> list[LayerInfo]:
    """Return the operations between modules that can be recorded, named ``fx:…``; see `functions`."""
    if isinstance(model, GraphModel):
        return []
    values: dict[str, Tensor] = {}
    with _hooked(model), torch.inference_mode():
        traced = trace(model)
        traced.run(torch.cat([example[:1], example[-1:]]), {name: _store(values, name) for name in traced.nodes})
    return _listed([(PREFIX + name, kind_of(traced.nodes[name]), value) for name, value in values.items()])


def expand_layers(model: nn.Module, layers: Sequence[str], example: Tensor) -> tuple[str, ...]:
    """Return the layers with every pattern (``*``, ``?``) replaced by the names it fits, each layer once.

    A name that the model has is taken as it is, whatever characters it has.
    """
    known: dict[bool, list[LayerInfo]] = {}
    plain = {*model.names()} if isinstance(model, GraphModel) else {name for name, _ in model.named_modules()}
    found: list[str] = []
    for layer in layers:
        if layer in plain or not set("*?") & set(layer):
            found.append(layer)
            continue
        functional = layer.startswith(PREFIX)
        if functional not in known:
            known[functional] = (list_functions if functional else list_layers)(model, example)
        pattern = re.compile(re.escape(layer).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        fitting = [info.name for info in known[functional] if pattern.fullmatch(info.name)]
        if not fitting:
            mend = did_you_mean(layer.replace("*", ""), (info.name for info in known[functional]))
            raise InputError(f"layer {layer!r}", "no layer fits this pattern", mend or "see --list-layers")
        found.extend(fitting)
    return tuple(dict.fromkeys(found))


@contextmanager
def capturing(
    model: nn.Module, layers: Sequence[str], keep: Keep = lambda _, output: output.clone()
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """Yield a function that sends a batch through the model and returns ``{layer: keep(layer, output)}``.

    `keep` runs inside the forward pass, right when the layer returns, and must not return a view of its argument.
    The model runs in evaluation mode without gradients, and what is random in it draws the same numbers in every pass.
    All passes but the first end after the last of the layers where the model's code is known (see `identity`).
    At the end, also after an exception, every module is in the mode it was in and the hooks are gone. A layer that the
    forward pass does not reach, and values that are no numbers, raise `InputError`.
    """
    if isinstance(model, GraphModel):
        _check_known(model, layers)
        with _hooked(model):
            yield lambda batch: _checked(
                {name: keep(name, v) for name, v in model.values(batch, layers).items()}, layers
            )
        return
    modules = dict(model.named_modules(remove_duplicate=False))
    functional = [layer for layer in layers if layer.startswith(PREFIX) and layer not in modules]
    places = [resolve(layer, modules) for layer in layers if layer not in functional]
    listener = _Listener(places, modules, keep, may_end=is_of_known_code(model))
    steadily = SteadyPass()
    traced: list[Traced] = []

    def run(batch: Tensor) -> dict[str, Tensor]:
        recorded: dict[str, Tensor] = {}
        with torch.inference_mode():
            if places or not functional:
                recorded.update(steadily(lambda: listener.listen(model, batch)))
            if functional:
                if not traced:
                    traced.append(trace(model))
                    steadily(lambda: check_traced(traced[0], model, batch))
                takers = {name.removeprefix(PREFIX): _store(recorded, name, keep) for name in functional}
                steadily(lambda: traced[0].run(batch, takers))
        return _checked(recorded, layers)

    with _hooked(model, {place.path: modules[place.path] for place in places}, listener.hook_for):
        yield run


class _Enough(BaseException):
    """Ends a pass in which a listener has heard all that it wants; no error, so no model takes it for one."""


class _Listener:
    """What the hooks on a model hear: while one pass runs, the wanted outputs and how often modules are called.

    A copy of the model takes the hooks with it; what the copy's modules put out is not heard. The first pass is always
    a whole one: it shows what the names mean. Later ones may end (`may_end`) when all is heard.
    """

    def __init__(
        self, places: Sequence[Place], modules: Mapping[str, nn.Module], keep: Keep, *, may_end: bool = False
    ) -> None:
        self._places, self._modules, self._keep = places, modules, keep
        self._may_end, self._wanted = may_end, len({place.name for place in places})
        self._enough = _Enough()
        self._recorded: dict[str, Tensor] = {}
        self._calls: dict[str, int] = {}
        self._reached: set[str] = set()
        self._listening = False

    def hook_for(self, path: str) -> Callable[[nn.Module, object, object], None]:
        """Return the hook of the module at `path`."""
        wanted = [place for place in self._places if place.path == path]
        own = self._modules[path]

        def hook(module: nn.Module, _: object, output: object) -> None:
            if not self._listening or module is not own:
                return
            self._calls[path] = self._calls.get(path, 0) + 1
            for place in wanted:
                if place.call in (None, self._calls[path]):
                    self._recorded[place.name] = self._keep(place.name, tensor_of(place, output))
            if self._may_end and self._reached and len(self._recorded) == self._wanted:
                raise self._enough

        return hook

    def listen(self, model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        """Send a batch through the model and return what was wanted of it."""
        self._recorded, self._calls = {}, {}
        self._listening = True
        try:
            send(model, batch)
        except _Enough as heard:
            if heard is not self._enough:  # a model within this one has its own listener
                raise
            return self._recorded
        finally:
            self._listening = False
        for place in self._places:
            check_calls(place, self._calls.get(place.path, 0), place.name in self._reached)
            self._reached.add(place.name)
        return self._recorded


def send(model: nn.Module, batch: Tensor) -> None:
    """Send a batch through a model; a mistake in its code becomes one sentence.

    A `RuntimeError`, which PyTorch raises for wrong shapes and for want of memory, is left to the caller.
    """
    try:
        model(batch)
    except (ConceptxError, RuntimeError, MemoryError):
        raise
    except Exception as error:  # whatever the user's code raises
        shape = " × ".join(map(str, batch.shape))
        what = f"its forward pass fails on a batch of pictures, {shape} ({type(error).__name__}: {error})"
        raise InputError("model", what, "mend it, or wrap it in a factory whose model takes such a batch") from error


@contextmanager
def _hooked(
    model: nn.Module,
    modules: Mapping[str, nn.Module] | None = None,
    hook_for: Callable[[str], Callable[[nn.Module, object, object], None]] | None = None,
) -> Iterator[None]:
    """Put the model into evaluation mode with a forward hook on each of `modules`, and undo both at the end.

    The buffers are then as they were, too: some models write into theirs whatever their mode.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    handles = []
    try:
        model.eval()
        if modules is not None and hook_for is not None:
            for path, module in modules.items():
                if isinstance(module, torch.jit.ScriptModule):
                    what = "this module is TorchScript, which calls no hooks"
                    raise InputError(
                        f"layer {path!r}", what, "save the whole model with torch.jit.save and name the file"
                    )
                handles.append(module.register_forward_hook(hook_for(path)))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
        for module, name, buffer, before in buffers:
            if module._buffers.get(name) is not buffer:
                module._buffers[name] = buffer
            if not torch.equal(buffer, before):
                with torch.inference_mode():
                    buffer.copy_(before)


def _store(
    values: dict[str, Tensor], name: str, keep: Keep = lambda _, output: output.clone()
) -> Callable[[Tensor], None]:
    """Return a function that keeps a value under a name."""

    def take(value: Tensor) -> None:
        values[name] = keep(name, value)

    return take


def _check_known(model: GraphModel, layers: Sequence[str]) -> None:
    known = model.names()
    for layer in layers:
        if layer not in known:
            mend = did_you_mean(layer, known) or f"its last values are {', '.join(map(repr, list(known)[-4:]))}"
            raise InputError(f"layer {layer!r}", "the model has no value of this name", mend)


def _checked(recorded: dict[str, Tensor], layers: Sequence[str]) -> dict[str, Tensor]:
    """Return what was recorded in the order of `layers` when all of it is there and is numbers."""
    for layer in layers:
        if layer not in recorded:
            raise InputError(f"layer {layer!r}", "it puts out no floating-point tensor", "choose another layer")
        # Values on a GPU are still being computed; they are looked at when they have come.
        if recorded[layer].device.type != "cuda" and not bool(torch.isfinite(recorded[layer]).all()):
            what = "the model puts out values that are no numbers (NaN or infinite)"
            raise InputError(f"layer {layer!r}", what, "check the weights and the preprocessing")
    return {layer: recorded[layer] for layer in layers}


def _kind(module: nn.Module) -> str:
    return str(module._get_name())  # type: ignore[no-untyped-call]


def _listed(rows: Sequence[tuple[str, str, Tensor]]) -> list[LayerInfo]:
    """Return what can be recorded among values of a graph: name, operator and value for a pair of images."""
    return [info for name, kind, value in rows for info in _info(name, kind, value, 1, after_nonlinearity(kind))]


def _info(name: str, kind: str, value: Tensor, calls: int, side: str) -> list[LayerInfo]:
    """Return the facts of an output for a pair of images; none where it has no units or is not per image."""
    shape = tuple(value.shape[1:])
    reduction = default_reduction(shape)
    if value.shape[:1] != (2,) or reduction is None or not value.is_floating_point():
        return []
    return [LayerInfo(name, kind, shape, n_units(shape, reduction), calls, reduction, side)]
