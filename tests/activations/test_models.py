"""Models by name, file and factory; files that lie; torchvision beside another PyTorch."""

from __future__ import annotations

import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conceptx.activations.facts import model_facts
from conceptx.activations.layers import list_layers
from conceptx.activations.models import import_torchvision, load_model, load_weights, model_digest, read_weights
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.training import PREPROCESS, WorldNet
from conceptx.errors import InputError
from tests.activations.networks import residual


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(residual().state_dict(), tmp_path / "residual.pt")
    return tmp_path / "residual.pt"


def test_an_architecture_without_weights_is_drawn_from_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (load_model("squeezenet1_1", "none", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.digest == again.digest != other.digest
    assert not first.model.training
    assert first.preprocess is not None and first.preprocess.side == 224


def test_default_weights_are_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match=r"nothing is downloaded without being asked; fetch https://.*squeezenet1_1"):
        load_model("squeezenet1_1")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"half a file")
    with pytest.raises(InputError, match="the file is damaged"):
        load_model("squeezenet1_1")


def test_default_weights_that_are_in_the_cache_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("conceptx.activations.sources.torchvision_zoo.digest_file", lambda _: "b8a52dc0")
    wanted = load_model("squeezenet1_1", "none", seed=5)
    (tmp_path / "checkpoints").mkdir()
    torch.save(wanted.model.state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    assert load_model("squeezenet1_1").digest == wanted.digest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "model 'resnet5': there is no architecture of this name; did you mean 'resnet50'"),
        ("zzzz", "give the name of a torchvision or timm model, efficientnet-lite0, world-cnn, a file or package"),
        ("world-cnn", "it has no default weights; give a weights file"),
        ("no_such_module_here:make", "the module cannot be imported (No module named 'no_such_module_here')"),
        ("json:dmp", "the module has no callable 'dmp'; did you mean 'dump'"),
        ("json:loads", "the factory fails (TypeError"),
        ("platform:node", "the factory returns str; let it return a torch.nn.Module"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(name)
    assert message in str(caught.value)


def test_a_factory_of_the_users_in_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "my_nets_7.py").write_text(
        "from torch import nn\nfrom conceptx.activations.preprocess import Preprocess\n"
        "def bare():\n    return nn.Linear(2, 2)\n"
        "def whole():\n    return nn.Linear(2, 2), Preprocess(size=8)\n"
    )
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    assert load_model("my_nets_7:bare").preprocess is None
    assert load_model("my_nets_7:whole").preprocess == Preprocess(size=8)
    assert sys.path == path


def test_a_state_dict_for_a_factory(weights: Path) -> None:
    loaded = load_model("tests.activations.networks:residual", weights)
    assert loaded.digest == model_digest(residual()) != model_digest(residual(seed=1))


def test_state_dicts_in_the_usual_wrappings(tmp_path: Path) -> None:
    state = residual(seed=3).state_dict()
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    for n, content in enumerate((state, {"state_dict": prefixed, "epoch": 3}, {"model": state}, prefixed)):
        torch.save(content, tmp_path / f"{n}.pth")
        model = residual()
        load_weights(model, tmp_path / f"{n}.pth")
        assert model_digest(model) == model_digest(residual(seed=3))


def test_another_number_of_classes_is_taken_from_the_file(tmp_path: Path) -> None:
    made = import_torchvision().models.get_model("squeezenet1_1", weights=None, num_classes=7)
    torch.save(made.state_dict(), tmp_path / "seven.pth")
    assert load_model("squeezenet1_1", tmp_path / "seven.pth").digest == model_digest(made.eval())


def test_names_that_do_not_agree_are_listed_with_the_nearest(tmp_path: Path) -> None:
    state = residual().state_dict()
    state["conv1.wieght"] = state.pop("conv1.weight")
    state["fc.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(InputError) as caught:
        load_weights(residual(), tmp_path / "a.pt")
    assert str(caught.value).endswith(
        "a.pt: the weights are not this model's: missing 'conv1.weight' (there is 'conv1.wieght'); unknown "
        "'conv1.wieght'; of another shape: 'fc.bias' is (3,), not (5,); name the model they were made for"
    )


class _Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("how", ["torch", "legacy", "pickle"])
def test_a_malicious_file_is_refused_and_not_run(tmp_path: Path, how: str) -> None:
    marker, path = tmp_path / "it-ran", tmp_path / "bad.pt"
    content = {"fc.weight": torch.zeros(2), "x": _Malicious(marker)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content["x"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(InputError) as caught:
        load_model("squeezenet1_1", path)
    assert not marker.exists()
    assert "bad.pt" in str(caught.value) and "it was refused, and nothing in it was run" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04", b"\x80\x02}q\x00."])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_files_that_hold_no_weights(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    with pytest.raises(InputError, match=r"a\.(pt|safetensors): (this is not|the file holds more)"):
        read_weights(tmp_path / name)
    with pytest.raises(InputError, match="there is no such file"):
        read_weights(tmp_path / "none.pt")


def test_a_whole_model_in_a_file_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(InputError, match=r"more than weights.*save it with torch.save\(model.state_dict"):
        read_weights(tmp_path / "whole.pt")


def test_an_archive_that_unpacks_to_a_lot_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(50_000_000))
    with pytest.raises(InputError, match="it unpacks to 50,000,000 bytes"):
        read_weights(tmp_path / "bomb.pt")


def test_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(residual(seed=3).state_dict(), tmp_path / "a.safetensors")
    model = residual()
    load_weights(model, tmp_path / "a.safetensors")
    assert model_digest(model) == model_digest(residual(seed=3))


def test_without_safetensors_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    (tmp_path / "a.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"safetensors is not installed; pip install 'conceptx\[models\]'"):
        read_weights(tmp_path / "a.safetensors")


def test_the_worlds_own_network(tmp_path: Path) -> None:
    assert load_model("world-cnn", "none").preprocess == PREPROCESS
    with torch.random.fork_rng(devices=[]):
        made = WorldNet(classes=4)
    torch.save(made.state_dict(), tmp_path / "w.pt")
    loaded = load_model("world-cnn", tmp_path / "w.pt")
    assert loaded.digest == model_digest(made.eval()) and loaded.name == "world-cnn"
    layers = {info.name: info.units for info in list_layers(loaded.model, torch.zeros(1, 3, 96, 96))}
    assert layers["fc"] == 64 and layers["head"] == 4


def test_the_digest_sees_values_names_types_and_architecture() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    digests = {model_digest(model)}
    for change in (
        lambda m: m[0].weight.data.__setitem__((0, 0), 7),
        lambda m: m.double(),
        lambda m: m.__setitem__(1, nn.Tanh()),
        lambda m: m.register_buffer("extra", torch.zeros(0), persistent=False),
        lambda m: m.register_buffer("scalar", torch.tensor(3)),
    ):
        change(model)
        digests.add(model_digest(model))
    assert len(digests) == 6
    assert model_digest(model) == model_digest(model)


def test_the_code_of_the_users_model_is_part_of_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(2, 2, bias=False)\n        nn.init.ones_(self.fc.weight)\n"
        "    def forward(self, x):\n        return self.fc(x).{}()\n"
    )
    digests = set()
    for n, function in enumerate(("relu", "tanh")):
        (tmp_path / f"my_code_{n}.py").write_text(code.format(function))
        digests.add(load_model(f"my_code_{n}:Net").digest)
        assert load_model(f"my_code_{n}:Net").digest in digests
    assert len(digests) == 2


def test_the_operations_of_a_traced_model_are_part_of_its_digest() -> None:
    def traced(function: object) -> str:
        graph = torch.fx.Graph()
        graph.output(graph.call_function(function, (graph.placeholder("x"),)))
        return model_digest(torch.fx.GraphModule(nn.Module(), graph))

    assert traced(torch.relu) != traced(torch.tanh)
    assert traced(torch.relu) == traced(torch.relu)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weight: weight.long(), "of another type: 'fc.weight' is int64, not float32; name the model"),
        (lambda weight: weight.to(torch.complex64), "'fc.weight' is complex64, not float32"),
        (lambda weight: weight.to_sparse(), "'fc.weight' is float32, sparse_coo, not float32"),
    ],
)
def test_weights_of_another_type_are_refused(tmp_path: Path, change: Callable[[Tensor], Tensor], message: str) -> None:
    model = residual()
    state = model.state_dict()
    state["fc.weight"] = change(state["fc.weight"])
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(InputError, match=message):
        load_weights(model, tmp_path / "a.pt")
    state["fc.weight"] = model.fc.weight.detach().half()
    torch.save(state, tmp_path / "a.pt")
    load_weights(model, tmp_path / "a.pt")


def test_a_refusal_does_not_advise_to_trust_the_file(tmp_path: Path) -> None:
    torch.save({"a": residual()}, tmp_path / "a.pt")
    with pytest.raises(InputError) as caught:
        read_weights(tmp_path / "a.pt")
    assert re.search(
        r"holds more than weights \(.*not an allowed global by default\); it was refused", str(caught.value)
    )
    assert "add_safe_globals" not in str(caught.value)


def test_a_pipe_in_place_of_a_model_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="there is no such file or folder"):
        model_facts(str(tmp_path / "a.onnx"))
