"""Detectors: their layers against plain hooks on torchvision's own whole forward pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conceptx.activations.layers import capturing, list_layers
from conceptx.activations.models import import_torchvision, load_model
from conceptx.errors import InputError

FEW = ("fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large")
MORE = (
    *("fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2"),
    *("fcos_resnet50_fpn", "keypointrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"),
    *("retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "ssd300_vgg16"),
)


def _made(name: str, **options: object) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: nn.Module = import_torchvision().models.get_model(name, weights=None, weights_backbone=None, **options)
    return made.eval()


def _cut_out(maps: Tensor, boxes: Tensor, output_size: tuple[int, int], **_: object) -> Tensor:
    return maps.new_zeros((len(boxes), maps.shape[1], *output_size))


def _plain(model: nn.Module, images: list[Tensor]) -> dict[str, list[Tensor]]:
    """Return the first tensor of every call of every module, by plain hooks on a list of images."""
    seen: dict[str, list[Tensor]] = {}

    def hook(path: str, output: object) -> None:
        items = list(output.values()) if isinstance(output, dict) else output
        first = items if isinstance(items, Tensor) else next(iter(items), None) if isinstance(items, list) else None
        if isinstance(first, Tensor):
            seen.setdefault(path, []).append(first.clone())

    for path, module in model.named_modules():
        module.register_forward_hook(lambda _, __, output, path=path: hook(path, output))
    with torch.no_grad():
        model(images)
    return seen


@pytest.mark.parametrize("name", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_layers_are_those_of_the_whole_forward_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, whole = load_model(name, "none"), _made(name)
    preprocess = loaded.preprocess
    assert preprocess is not None and (preprocess.mean, preprocess.std) == ((0, 0, 0), (1, 1, 1))
    assert preprocess.side == (300 if "ssd300" in name else 320 if "320" in name else 800)
    loaded.model.transform.min_size = whole.transform.min_size = (192,)  # less to calculate
    # The compiled operators may be missing; which boxes are kept changes nothing that every image has.
    ops = import_torchvision().ops
    monkeypatch.setattr(ops.boxes, "nms", lambda _, scores, __: scores.argsort(descending=True)[:5])
    monkeypatch.setattr(ops.poolers, "roi_align", _cut_out)
    batch = torch.rand((2, 3, 320, 320), generator=torch.Generator().manual_seed(1))
    wanted = _plain(whole, list(batch))
    layers = [info.name for info in list_layers(loaded.model, batch)]
    assert len(layers) > 60
    assert not any(layer.startswith("roi_heads") for layer in layers)
    with capturing(loaded.model, layers) as run:
        got = run(batch)
    compared = 0
    for layer in layers:
        path, _, call = layer.partition("@")
        if "[" not in layer:
            compared += 1
            assert torch.equal(got[layer], wanted[path][int(call or 1) - 1]), layer
    assert compared > 60


def test_a_layer_that_works_on_boxes_is_refused() -> None:
    model = load_model("fasterrcnn_mobilenet_v3_large_320_fpn", "none").model
    with (
        pytest.raises(InputError, match=r"'roi_heads\.box_head\.fc6': the forward pass does not call this module"),
        capturing(model, ["roi_heads.box_head.fc6"]) as run,
    ):
        run(torch.zeros(1, 3, 64, 64))


def test_weights_of_detectors(tmp_path: Path) -> None:
    name = "ssdlite320_mobilenet_v3_large"
    torch.save(_made(name, num_classes=4).state_dict(), tmp_path / "four.pt")
    loaded = load_model(name, tmp_path / "four.pt")
    assert {info.name: info.shape for info in list_layers(loaded.model, torch.zeros(1, 3, 320, 320))}[
        "head[cls_logits]"
    ][1] == 4
    state = _made("fasterrcnn_mobilenet_v3_large_320_fpn").state_dict()
    frozen = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(frozen, tmp_path / "frozen.pt")
    with pytest.raises(InputError, match=r"frozen\.pt: the weights are of a detector with frozen normalisations"):
        load_model("fasterrcnn_mobilenet_v3_large_320_fpn", tmp_path / "frozen.pt")


def test_a_detector_of_a_factory_is_taken_and_one_with_a_pass_of_its_own_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "detector_nets.py").write_text(
        "from conceptx.activations.models import import_torchvision\n"
        "detection = import_torchvision().models.detection\n"
        "def plain():\n    return detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)\n"
        "class Own(detection.ssd.SSD):\n    def forward(self, x):\n        return self.backbone(x)\n"
        "def own():\n    model = plain()\n    model.__class__ = Own\n    return model\n"
    )
    monkeypatch.chdir(tmp_path)
    assert type(load_model("detector_nets:plain").model).__name__ == "Detector"
    assert type(load_model("detector_nets:own").model).__name__ == "Own"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("r3d_18", "it takes a video, and only networks of single pictures can be explained; choose one for"),
        ("torchvision:raft_small", "it takes two pictures, and only networks of single pictures"),
        ("quantized_resnet18", "its quantised form calculates in whole numbers, .*; write resnet18, or give a factory"),
    ],
)
def test_models_of_other_inputs_are_refused_in_one_sentence(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_model(name, "none")
