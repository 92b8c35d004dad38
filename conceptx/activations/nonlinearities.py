"""Whether a layer's values are before or after a nonlinearity, as one forward pass shows it.

`NonlinearityWatch` watches every function of PyTorch that is called while it is active. It goes by the tensors
themselves: what a nonlinearity is given is before it, what it returns is after it, also where it works in place.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

_NAMES = frozenset(
    (
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "glu", "silu", "mish"),
        *("sigmoid", "logsigmoid", "hardsigmoid", "tanh", "hardtanh", "hardswish", "softplus", "softsign"),
        *("softmax", "log_softmax", "threshold"),
    )
)


class NonlinearityWatch(TorchFunctionMode):
    """Call `produced` for each tensor that a layer puts out; afterwards `sides` says what is known of the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.sides: dict[Hashable, str] = {}
        self._makers: dict[int, list[Hashable]] = {}
        self._after: dict[int, str] = {}
        self._held: list[Tensor] = []  # while a tensor lives, no other one has its identity

    def produced(self, tensor: Tensor, layer: Hashable) -> None:
        """Take note that `layer` puts out `tensor`."""
        self._held.append(tensor)
        self._makers.setdefault(id(tensor), []).append(layer)
        if id(tensor) in self._after:
            self.sides[layer] = f"after {self._after[id(tensor)]}"

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry out a function, and take note of what goes into and comes out of a nonlinearity."""
        written = getattr(func, "__name__", "")
        name = written.rstrip("_")
        if name not in _NAMES:
            if written.startswith("__i") or (written.endswith("_") and not written.endswith("__")):
                self._makers.pop(id(args[0]), None)  # changed in place: it is no longer what the layer put out
            return func(*args, **(kwargs or {}))
        given = next((value for value in (*args, *(kwargs or {}).values()) if isinstance(value, Tensor)), None)
        found = func(*args, **(kwargs or {}))
        for layer in self._makers.pop(id(given), ()):
            self.sides.setdefault(layer, f"before {name}")
        if isinstance(found, Tensor):
            self._held.append(found)
            self._after[id(found)] = name
        return found


def after_nonlinearity(operator: str) -> str:
    """Return ``after relu`` for an operator (in any spelling) that is a nonlinearity, else nothing."""
    name = operator.rstrip("_").lower()
    return f"after {name}" if name in _NAMES else ""
