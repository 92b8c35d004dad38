"""Programs of ``torch.export`` (``.pt2``): checked before they are read, then run value by value.

PyTorch's own reader unpickles parts of such a file without limits and evaluates expressions that it finds in it. So
`from_exported` first examines the archive (`check_archive`) and refuses every part that could run code; what is left
are tensors and a list of calls of PyTorch's operators. The program's guards are never turned into code.

A value is called by the module that puts it out, as `torch.export` recorded it (``layer4.1.conv2``, ``relu@2``), or by
its node's name (``add_3``).
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from conceptx.activations.graphs import GraphModel
from conceptx.activations.sources.weights import check_unpacked_size, read_pickled_bytes
from conceptx.errors import ConceptxError, InputError
from conceptx.files import digest_bytes

_FILES = re.compile(
    r"[^/]+/(archive_format|archive_version|byteorder|version|\.data/[\w.]+|models/model\.json|extra/.*"
    r"|data/sample_inputs/model\.pt|data/(weights|constants)/(model_\w+_config\.json|\w+))"
)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten(?!\.(save|load|from_file)\b)|prims|higher_order|torchvision)\.\w+(\.\w+)?"
    r"|_operator\.\w+|math\.\w+|torch\.sym_\w+"
)
_EXPRESSION = re.compile(r"[\w\s'()+\-*/,=<>]*")
_WORD = re.compile(r"[^\W\d]\w*")
_WORDS = re.compile(
    r"[a-z]+\d+|Symbol|Integer|Rational|Float|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|IntTrueDiv"
    r"|ModularIndexing|Where|Identity|ToFloat|TruncToInt|FloorToInt|CeilToInt|positive|negative|integer|nonnegative"
    r"|nonzero|real|precision|True|False"
)
_NAME = re.compile(r"[\w.]*")
_MEND = "export it again with torch.export.save, from a model of plain tensors and PyTorch's operators"


class ExportedModel(GraphModel):
    """An exported program, run node by node."""

    def __init__(self, program: torch.export.ExportedProgram, sha256: str, where: str) -> None:
        inputs, image = _inputs(program, where)
        _check_mode(program.graph, where)
        super().__init__(sha256, image.shape[0] if isinstance(image.shape[0], int) else None)
        self._graph, self._inputs, self._dtype = program.graph_module, inputs, image.dtype
        self._nodes = _named_nodes(program.graph)
        self._output = _name_of_output(program, self._nodes, where)
        self.side = image.shape[2] if isinstance(image.shape[2], int) and image.shape[2] == image.shape[3] else None

    def names(self) -> Mapping[str, str]:
        """Return the names of all values: modules' outputs, and nodes that are none."""
        return {name: str(node.target).removeprefix("aten.").partition(".")[0] for name, node in self._nodes.items()}

    def calculate(self, batch: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """Run the program and copy each wanted value when it is there, before a later node may overwrite it."""
        names: dict[fx.Node, list[str]] = {}
        for name in wanted:
            names.setdefault(self._nodes[name], []).append(name)
        found: dict[str, Tensor] = {}

        class Recorder(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if isinstance(value, Tensor):
                    found.update({name: value.clone() for name in names.get(n, ())})
                return value

        inputs = [batch.to(self._dtype) if given is None else given for given in self._inputs]
        Recorder(self._graph).run(*inputs)
        return found

    def output(self) -> str:
        """Return the name of the program's first output."""
        return self._output


def from_exported(path: Path) -> ExportedModel:
    """Return the program in a file, after every part of it that could run code was refused."""
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "there is no such file", "give the path of a .pt2 file")
    check_unpacked_size(path)
    data = path.read_bytes()
    check_archive(str(path), data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(io.BytesIO(data))
            return ExportedModel(program, digest_bytes(data), str(path))
    except ConceptxError:
        raise
    except Exception as error:  # the reader promises no types of errors
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(str(path), f"PyTorch cannot read the program ({first})", _MEND) from error


def check_archive(where: str, data: bytes) -> None:
    """Refuse an archive that holds anything but tensors, plain containers and calls of PyTorch's operators."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            files = {name.partition("/")[2]: archive.read(name) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise InputError(where, f"this is not an exported program ({error})", _MEND) from error
    if len(files) != len(names) or "models/model.json" not in files:
        raise InputError(where, "this is not an exported program of this PyTorch's format", _MEND)
    for name in names:
        if not _FILES.fullmatch(name):
            raise InputError(where, f"the archive holds {name!r}, which an exported program does not need", _MEND)
    read_pickled_bytes(Path(where), files.get("data/sample_inputs/model.pt", b""))
    for kind in ("weights", "constants"):
        _check_payloads(where, _json(where, files.get(f"data/{kind}/model_{kind}_config.json", b"{}")))
    _check_program(where, _json(where, files["models/model.json"]))


def _json(where: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"the program cannot be read ({error})", _MEND) from error


def _check_payloads(where: str, config: Any) -> None:
    """Refuse tensors that are stored as pickles, and objects that are no tensors."""
    entries = config.get("config", {}) if isinstance(config, dict) else None
    for entry in entries.values() if isinstance(entries, dict) else [{}]:
        facts = entry if isinstance(entry, dict) else {}
        name = str(facts.get("path_name"))
        if facts.get("use_pickle") is not False or not re.fullmatch(r"(weight|tensor)_\w+", name):
            what = "the file holds a pickled object; it was refused, and nothing in it was run"
            raise InputError(where, what, _MEND)


def _check_program(where: str, value: Any, key: str = "") -> None:
    """Walk through the program's description and refuse strings that PyTorch would evaluate or look up."""
    if isinstance(value, dict):
        for inner, item in value.items():
            if key == "range_constraints" and not re.fullmatch(r"[a-z]+\d+", inner):
                raise InputError(where, f"the size {inner!r} is not one that PyTorch writes", _MEND)
            if inner != "metadata":
                _check_program(where, item, inner)
    elif isinstance(value, list):
        if key == "guards_code" and value:
            raise InputError(where, "the program holds guards, which are code", _MEND)
        for item in value:
            _check_program(where, item, key)
    elif isinstance(value, str):
        if key in ("target", "as_operator") and not _OPERATOR.fullmatch(value):
            raise InputError(where, f"it calls {value!r}, which is not one of PyTorch's operators", _MEND)
        words = _WORD.findall(value)
        if key == "expr_str" and not (_EXPRESSION.fullmatch(value) and all(map(_WORDS.fullmatch, words))):
            raise InputError(where, f"the expression {value[:80]!r} is not a size; nothing in it was run", _MEND)
        if key == "name" and not _NAME.fullmatch(value):
            raise InputError(where, f"the name {value[:80]!r} is not one that PyTorch gives", _MEND)


def _inputs(program: torch.export.ExportedProgram, where: str) -> tuple[list[Any], Any]:
    """Return the program's inputs (None for the images), and the example of the images that it was exported with."""
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    inputs: list[Any] = []
    images = []
    for spec, node in zip(program.graph_signature.input_specs, placeholders, strict=True):
        target = spec.target
        if spec.kind.name == "USER_INPUT":
            inputs.append(None)
            images.append(node.meta.get("val"))
        elif target is not None and target in program.state_dict:
            inputs.append(program.state_dict[target].detach())
        elif target is not None and target in program.constants:
            inputs.append(program.constants[target])
        else:
            raise InputError(where, f"the program needs {spec.kind.name.lower()}, which is no tensor", _MEND)
    picture = images[0] if len(images) == 1 else None
    if not isinstance(picture, Tensor) or picture.ndim != 4 or picture.shape[1] != 3:
        what = f"the program takes {len(images)} inputs" if picture is None else "its input is no batch of pictures"
        raise InputError(where, what, "export a model with one input of shape (images, 3, height, width)")
    return inputs, picture


def _named_nodes(graph: fx.Graph) -> dict[str, fx.Node]:
    """Return every tensor of the graph by its names: of the modules that end with it, else of its node."""
    last: dict[str, fx.Node] = {}
    path_of: dict[str, str] = {}
    nodes = [node for node in graph.nodes if node.op == "call_function" and isinstance(node.meta.get("val"), Tensor)]
    for node in nodes:
        for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
            if path:
                last[key] = node
                path_of[key] = path
    calls: dict[str, list[str]] = {}
    for key, path in path_of.items():
        calls.setdefault(path, []).append(key)
    names: dict[fx.Node, list[str]] = {}
    for path, keys in calls.items():
        for number, key in enumerate(keys, start=1):
            names.setdefault(last[key], []).append(path if len(keys) == 1 else f"{path}@{number}")
    found: dict[str, fx.Node] = {}
    for node in nodes:
        for name in (*reversed(names.get(node, ())), node.name):
            found.setdefault(name, node)
    return found


def _name_of_output(program: torch.export.ExportedProgram, nodes: Mapping[str, fx.Node], where: str) -> str:
    for output in program.graph_signature.user_outputs:
        if output in nodes:
            return str(output)
    raise InputError(where, "the program puts out no tensor that it calculates", _MEND)


def _check_mode(graph: fx.Graph, where: str) -> None:
    """Refuse a program that was exported in training mode: its dropout and batch norm would be active for ever."""
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        operator = str(node.target).removeprefix("aten.").partition(".")[0]
        schema = getattr(node.target, "_schema", None)
        for place, argument in enumerate(schema.arguments if schema is not None else ()):
            given = node.args[place] if place < len(node.args) else node.kwargs.get(argument.name)
            if (
                argument.name in ("training", "train")
                and given is True
                and ("norm" in operator or "dropout" in operator)
            ):
                what = (
                    f"it was exported in training mode ({node.name} would change the values at random or by the batch)"
                )
                raise InputError(where, what, "call model.eval() before torch.export.export")
