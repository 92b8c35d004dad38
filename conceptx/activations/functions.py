"""Operations between modules as layers: what a forward pass does with functions and methods.

`trace` follows a model's forward pass symbolically (torch.fx) and names every operation by the module that it is in and
by itself, as torchvision's feature extraction does: ``layer1.0.add``, ``flatten``. `Traced.run` then carries out the
same operations on the same parameters, and hands out the values that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from conceptx.activations.layer_names import tensors_of
from conceptx.activations.sources.torchvision_zoo import import_torchvision
from conceptx.errors import InputError, did_you_mean

PREFIX = "fx:"
"""What the name of such a layer begins with."""


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A traced forward pass: the operations by name (without the prefix) in their order, and the pass itself."""

    nodes: Mapping[str, fx.Node]
    module: fx.GraphModule

    def run(self, batch: Tensor, wanted: Mapping[str, Callable[[Tensor], None]]) -> Any:
        """Carry out the pass, call `wanted[name](value)` as soon as each value is there, and return the output."""
        asked: dict[fx.Node, list[Callable[[Tensor], None]]] = {}
        for name, take in wanted.items():
            asked.setdefault(self.node(name), []).append(take)

        class Recorder(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if isinstance(value, Tensor) and value.is_floating_point():
                    for take in asked.get(n, ()):
                        take(value)
                return value

        return Recorder(self.module).run(batch)

    def node(self, name: str) -> fx.Node:
        """Return the operation of a name: a qualified one, or that of the node itself."""
        found = self.nodes.get(name) or next((node for node in self.nodes.values() if node.name == name), None)
        if found is None:
            mend = did_you_mean(name, self.nodes) or f"its operations are {', '.join(list(self.nodes)[:4]) or 'none'}"
            raise InputError(f"layer {PREFIX + name!r}", "the forward pass has no operation of this name", mend)
        return found


def trace(model: nn.Module) -> Traced:
    """Trace the forward pass of a model that is in evaluation mode."""
    import_torchvision()
    from torchvision.models.feature_extraction import NodePathTracer

    tracer = NodePathTracer()
    try:
        graph = tracer.trace(model)
        module = fx.GraphModule(tracer.root, graph)
    except Exception as error:  # whatever the user's forward pass makes of symbols
        first = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        what = f"the forward pass cannot be traced ({first})"
        raise InputError(
            "model", what, "name layers by their modules, or give a model without such branches"
        ) from error
    named = {
        name: node for node, name in tracer.node_to_qualname.items() if node.op in ("call_function", "call_method")
    }
    return Traced(named, module)


def check_traced(traced: Traced, model: nn.Module, batch: Tensor) -> None:
    """Refuse a trace that does not do what the model does (its forward pass depends on the images' values)."""
    state = torch.default_generator.get_state()
    wanted = tensors_of(model(batch))
    torch.default_generator.set_state(state)
    found = tensors_of(traced.run(batch, {}))
    if wanted.keys() != found.keys() or not all(torch.equal(wanted[key], found[key]) for key in wanted):
        raise InputError(
            "model",
            "its traced forward pass gives other values than the model (it depends on more than the images)",
            "name layers by their modules",
        )


def kind_of(node: fx.Node) -> str:
    """Return the name of the function or method that an operation calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
