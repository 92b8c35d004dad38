"""TorchScript archives: the program is walked in Python, so that every module in it can be hooked.

A loaded archive runs as compiled code, which calls no hooks. So `from_scripted` mirrors its tree of modules as plain
torch modules whose forward pass carries out the archive's instructions one by one, with the same operators and so the
same values. Loading an archive runs no Python code: PyTorch reads it with an unpickler of its own that only makes
TorchScript's types. Instructions that would touch files are refused before the archive is loaded.
"""

from __future__ import annotations

import copy
import operator
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from conceptx.activations.sources.weights import check_unpacked_size
from conceptx.errors import ConceptxError, InputError
from conceptx.files import digest_file

_TOUCHES_FILES = re.compile(r"\b(torch|aten|ops\.aten)\.(save|from_file|load)\s*\(")
_FORWARD = re.compile(r"forward\d*")
_MEND = "export the model with torch.export.save instead, or give its architecture and --weights"
_STEPS = 10_000_000

_ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "__getitem__": operator.getitem,
    "__contains__": lambda items, item: item in items,
    "len": len,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": operator.floordiv,
    "remainder": operator.mod,
    "neg": operator.neg,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "pow": operator.pow,
    "min": min,
    "max": max,
    "copy": list,
    "list": list,
    "__range_length": lambda start, end, step: len(range(start, end, step)),
    "__derive_index": lambda index, start, step: start + index * step,
    "Int": int,
    "Float": float,
    "Bool": bool,
    "slice": lambda items, start, end, step: items[start:end:step],
}
"""What instructions mean where no operand is a tensor: Python's own."""


class ScriptedModule(nn.Module):
    """One module of an archive: its parameters, its parts, and a forward pass that follows its instructions."""

    def __init__(self, script: Any, functions: Any, where: str) -> None:
        super().__init__()
        self._script, self._functions, self._where = (script,), functions, where  # in a tuple: it is no part of this
        for name, parameter in script.named_parameters(recurse=False):
            self.register_parameter(name, nn.Parameter(parameter.detach(), requires_grad=False))
        for name, buffer in script.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        for name, part in script.named_children():
            self.add_module(name, ScriptedModule(part, functions, where))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a module with copies of the weights (unless `memo` has them); the instructions are shared."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__ = {
            name: value if name in ("_script", "_functions") else copy.deepcopy(value, memo)
            for name, value in self.__dict__.items()
        }
        return twin

    def _get_name(self) -> str:
        return str(self._script[0].original_name)

    def forward(self, *inputs: Any, method: str = "forward") -> Any:
        """Carry out the module's instructions; tracing calls those of its second use ``forward1``."""
        return self.call(method, inputs)

    def call(self, method: str, inputs: tuple[Any, ...]) -> Any:
        """Carry out one method of the module."""
        graph = self._script[0]._c._get_method(method).graph
        return _Frame(self._functions, self._where).run(graph, (self, *inputs))


class ScriptedModel(ScriptedModule):
    """A whole archive; `sha256` says by content which."""

    def __init__(self, script: Any, functions: Any, sha256: str, where: str) -> None:
        super().__init__(script, functions, where)
        self.sha256 = sha256

    def extra_repr(self) -> str:
        """Return what tells this archive from others."""
        return f"sha256={self.sha256}"


def from_scripted(path: Path) -> ScriptedModel:
    """Return the TorchScript program in a file, after instructions that touch files were refused."""
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "there is no such file", "give the path of a TorchScript archive")
    check_unpacked_size(path)
    _check_code(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript itself is deprecated
            unit = torch._C.CompilationUnit()  # torch.jit.load makes one too, but does not hand it out
            loaded = torch._C.import_ir_module(unit, str(path), torch.device("cpu"), {}, False)  # type: ignore[call-arg]
            script = torch.jit._recursive.wrap_cpp_module(loaded).eval()  # type: ignore[no-untyped-call]
        return ScriptedModel(script, unit, digest_file(path), str(path)).eval()
    except ConceptxError:
        raise
    except Exception as error:  # the reader promises no types of errors
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        what = f"PyTorch cannot read the archive ({lines[0] if lines else type(error).__name__})"
        raise InputError(str(path), what, _MEND) from error


def _check_code(path: Path) -> None:
    """Refuse what is no TorchScript archive, and an archive whose code reads or writes files."""
    names: list[str] = []
    code: dict[str, bytes] = {}
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                code = {name: archive.read(name) for name in names if name.endswith(".py")}
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise InputError(str(path), f"its archive is damaged ({error})", _MEND) from error
    for name, text in code.items():
        if _TOUCHES_FILES.search(text.decode("utf-8", "replace")):
            what = f"its code ({name}) reads or writes files; it was refused, and nothing in it was run"
            raise InputError(str(path), what, _MEND)
    if not any("/code/" in name for name in names):
        what = "this is no TorchScript archive; if it holds weights alone, their architecture must be named"
        raise InputError(str(path), what, f"write --model ARCHITECTURE --weights {path.name}")


class _Frame:
    """Carries out a graph of TorchScript: blocks, branches, loops, calls of modules, and PyTorch's operators."""

    def __init__(self, functions: Any, where: str) -> None:
        self._functions, self._where = functions, where
        self._values: dict[str, Any] = {}
        self._special: Mapping[str, Callable[[Any, list[Any]], Any]] = {
            "prim::Constant": _constant,
            "prim::GetAttr": lambda node, given: self._attribute(given[0], node.s("name")),
            "prim::CallMethod": lambda node, given: _method(given[0], node.s("name"), tuple(given[1:])),
            "prim::CallFunction": self._function,
            "prim::ListConstruct": lambda _, given: given,
            "prim::TupleConstruct": lambda _, given: tuple(given),
            "prim::DictConstruct": lambda _, given: dict(zip(given[::2], given[1::2], strict=True)),
            "prim::TupleUnpack": lambda _, given: tuple(given[0]),
            "prim::ListUnpack": lambda _, given: tuple(given[0]),
            "prim::TupleIndex": lambda _, given: given[0][given[1]],
            "prim::unchecked_cast": lambda _, given: given[0],
            "prim::unchecked_unwrap_optional": lambda _, given: given[0],
            "prim::Uninitialized": lambda _, __: None,
            "prim::If": self._branch,
            "prim::Loop": self._loop,
            "prim::RaiseException": self._raise,
            "prim::dtype": lambda _, given: given[0].dtype,
            "prim::device": lambda _, given: given[0].device,
            "prim::is_cuda": lambda _, given: given[0].is_cuda,
            "prim::Print": lambda _, __: None,
            "aten::warn": lambda _, __: None,
            "aten::__is__": lambda _, given: given[0] is given[1],
            "aten::__isnot__": lambda _, given: given[0] is not given[1],
            "aten::__not__": lambda _, given: not given[0],
            "aten::format": lambda _, given: given[0].format(*given[1:]),
            "aten::append": lambda _, given: _append(given[0], given[1]),
            "aten::dict": lambda _, given: dict(*given),
            "aten::_set_item": lambda _, given: given[0].__setitem__(given[1], given[2]),
        }

    def run(self, graph: Any, inputs: tuple[Any, ...]) -> Any:
        """Carry out a graph and return its output."""
        found = self._block(graph, inputs)
        return found[0] if len(found) == 1 else tuple(found)

    def _block(self, block: Any, inputs: tuple[Any, ...]) -> list[Any]:
        for value, given in zip(block.inputs(), inputs, strict=False):
            self._values[value.debugName()] = given
        for node in block.nodes():
            self._carry_out(node)
        return [self._values[value.debugName()] for value in block.outputs()]

    def _carry_out(self, node: Any) -> None:
        kind = node.kind()
        given = [self._values[value.debugName()] for value in node.inputs()]
        names = [value.debugName() for value in node.outputs()]
        special = self._special.get(kind)
        found = special(node, given) if special is not None else self._operate(kind, node, given)
        if len(names) == 1 and kind not in ("prim::TupleUnpack", "prim::ListUnpack", "prim::If", "prim::Loop"):
            self._values[names[0]] = found
        elif names:
            self._values.update(zip(names, found, strict=True))

    def _operate(self, kind: str, node: Any, given: list[Any]) -> Any:
        """Call PyTorch's operator of this name, in the overload that the archive names."""
        space, _, name = kind.partition("::")
        native = _ON_NUMBERS.get(name)
        if native is not None and not any(isinstance(item, Tensor) for item in given):
            return native(*given)
        try:
            schema = torch._C.parse_schema(node.schema())
            called = getattr(getattr(getattr(torch.ops, space), name), schema.overload_name or "default")
        except (RuntimeError, AttributeError):
            raise InputError(self._where, f"its instruction {kind!r} cannot be followed", _MEND) from None
        named = {a.name: item for a, item in zip(schema.arguments, given, strict=True) if a.kwarg_only}
        return called(*given[: len(given) - len(named)], **named)

    def _function(self, node: Any, given: list[Any]) -> Any:
        """Call a function of the archive, which its type names."""
        qualified = next(iter(node.inputs())).type().annotation_str
        found = self._functions.find_function(qualified)
        if found is None:
            raise InputError(self._where, f"it calls {qualified!r}, which the archive does not hold", _MEND)
        return _Frame(self._functions, self._where).run(found.graph, tuple(given[1:]))

    def _attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, ScriptedModule):
            own = (owner._modules.get(name), owner._parameters.get(name), owner._buffers.get(name))
            found = next((item for item in own if item is not None), None)
            return owner._script[0]._c.getattr(name) if found is None else found
        return getattr(owner, name)

    def _branch(self, node: Any, given: list[Any]) -> list[Any]:
        first, second = node.blocks()
        return self._block(first if given[0] else second, ())

    def _loop(self, node: Any, given: list[Any]) -> list[Any]:
        limit, going, carried = given[0], given[1], list(given[2:])
        (body,) = node.blocks()
        for step in range(min(limit, _STEPS)):
            if not going:
                break
            going, *carried = self._block(body, (step, *carried))
        return carried

    def _raise(self, node: Any, given: list[Any]) -> None:
        raise InputError(self._where, f"the model refuses the images ({given[0]})", "check the preprocessing's size")


def _constant(node: Any, _: list[Any]) -> Any:
    value = node.output()
    return None if value.type().kind() == "NoneType" else value.toIValue()


def _method(owner: Any, name: str, given: tuple[Any, ...]) -> Any:
    if isinstance(owner, ScriptedModule):
        return owner(*given, method=name) if _FORWARD.fullmatch(name) else owner.call(name, given)
    return getattr(owner, name)(*given)


def _append(items: list[Any], item: Any) -> list[Any]:
    items.append(item)
    return items
