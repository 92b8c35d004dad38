"""ONNX graphs through onnxruntime: every value of the graph can be a layer, by its name or its node's.

The graph runs as it is written: onnxruntime's own optimisations stay off, because they would fuse a convolution with
what follows unless somebody asks for its values, and a value's last bits would depend on what else is recorded.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conceptx.activations.graphs import GraphModel
from conceptx.errors import InputError
from conceptx.files import digest_bytes

_LARGEST = 2_000_000_000
_MEND = "export the model again, with onnx.checker as the judge"
_TYPES: dict[str, Any] = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxModel(GraphModel):
    """An ONNX graph with one input, a batch of pictures."""

    def __init__(self, proto: Any, where: str) -> None:
        data = proto.SerializeToString(deterministic=True)
        session = _session(data, where)
        given = session.get_inputs()
        picture = given[0].shape if len(given) == 1 else []
        if len(picture) != 4 or given[0].type not in _TYPES or 3 not in (picture[1], picture[3]):
            shown = ", ".join(f"{item.name} {item.type} {item.shape}" for item in given)
            what = f"it takes {shown}, not one batch of pictures"
            raise InputError(where, what, "export a model with one input of shape (images, 3, height, width)")
        super().__init__(digest_bytes(data), picture[0] if isinstance(picture[0], int) else None)
        self._proto, self._where = proto, where
        self._session: tuple[tuple[str, ...], Any] | None = None
        self._input, self._dtype = given[0].name, _TYPES[given[0].type]
        self._channels_last = picture[1] != 3
        sides = (picture[1], picture[2]) if self._channels_last else (picture[2], picture[3])
        self.side = sides[0] if isinstance(sides[0], int) and sides[0] == sides[1] else None
        self._output = str(session.get_outputs()[0].name)
        self._operators = {value: node.op_type for node in proto.graph.node for value in node.output if value}
        if self._output not in self._operators:
            raise InputError(where, "its output is not calculated by a node", _MEND)
        first = ((node.name, node.output[0]) for node in proto.graph.node if node.name and node.output)
        self._aliases = {name: value for name, value in first if name not in self._operators}

    def names(self) -> Mapping[str, str]:
        """Return the names of all values and of the nodes that put them out."""
        return {**self._operators, **{name: self._operators[value] for name, value in self._aliases.items()}}

    def calculate(self, batch: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """Run the graph with the wanted values as outputs."""
        values = tuple(dict.fromkeys(self._aliases.get(name, name) for name in wanted))
        held = self._session
        if held is None or held[0] != values:
            held = self._session = values, _session(self._with_outputs(values), self._where)
        pictures = batch.cpu().numpy().astype(self._dtype, copy=False)
        if self._channels_last:
            pictures = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
        try:
            found = held[1].run(list(values), {self._input: pictures})
        except Exception as error:  # onnxruntime's errors share no type
            first = (str(error).splitlines() or [""])[0]
            shape = " × ".join(map(str, batch.shape))
            raise InputError(self._where, f"onnxruntime fails on a batch of {shape} ({first})", _MEND) from error
        by_name = dict(zip(values, found, strict=True))
        arrays = {name: by_name[self._aliases.get(name, name)] for name in wanted}
        return {name: torch.from_numpy(np.array(a)) for name, a in arrays.items() if isinstance(a, np.ndarray)}

    def output(self) -> str:
        """Return the name of the graph's first output."""
        return self._output

    def _with_outputs(self, values: Collection[str]) -> bytes:
        """Return the graph with these values as its outputs."""
        onnx = _package("onnx")
        proto = onnx.ModelProto()
        proto.CopyFrom(self._proto)
        own = {output.name for output in proto.graph.output}
        proto.graph.output.extend(onnx.ValueInfoProto(name=value) for value in values if value not in own)
        return bytes(proto.SerializeToString(deterministic=True))


def from_onnx(path: Path) -> OnnxModel:
    """Return the graph in a file."""
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "there is no such file", "give the path of a .onnx file")
    onnx = _package("onnx")
    _package("onnxruntime")
    if path.stat().st_size > _LARGEST:
        raise InputError(str(path), "the file has more than 2 GB", "give a smaller model")
    try:
        proto = onnx.load(str(path))
        onnx.checker.check_model(proto)
    except Exception as error:  # protobuf's, onnx's and the file system's errors share no type
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(str(path), f"this is not an ONNX model ({first})", _MEND) from error
    return OnnxModel(proto, str(path))


def _session(data: bytes, where: str) -> Any:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no type
        first = (str(error).splitlines() or [""])[0]
        raise InputError(where, f"onnxruntime cannot run the model ({first})", _MEND) from error


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError("--model", f"{name} is not installed", "pip install 'conceptx[models]'") from None
