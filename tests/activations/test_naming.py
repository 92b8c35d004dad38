"""What the name of a model says, and paths in it."""

from __future__ import annotations

import pytest

from conceptx.activations.naming import ModelName, model_file, parse_model, with_location
from conceptx.errors import InputError


@pytest.mark.parametrize(
    ("name", "kind", "location"),
    [
        ("resnet50", "zoo", "resnet50"),
        ("torchvision:resnet50", "torchvision", "resnet50"),
        ("timm:vit_tiny_patch16_224.augreg_in21k", "timm", "vit_tiny_patch16_224.augreg_in21k"),
        ("efficientnet-lite0", "lite", "efficientnet-lite0"),
        ("world-cnn", "world", "world-cnn"),
        ("nets/a.onnx", "onnx", "nets/a.onnx"),
        ("onnx:a.bin", "onnx", "a.bin"),
        ("A.PT2", "exported", "A.PT2"),
        ("a.ts", "torchscript", "a.ts"),
        ("C:\\nets\\a.pt", "torchscript", "C:\\nets\\a.pt"),
        ("torchscript:a", "torchscript", "a"),
        ("head:folder/x.y", "head", "folder/x.y"),
        ("my.nets:make", "factory", "my.nets:make"),
    ],
)
def test_names(name: str, kind: str, location: str) -> None:
    assert parse_model(name) == ModelName(kind, location)
    assert model_file(name) == (location if kind in ("onnx", "exported", "torchscript", "head") else None)
    moved = with_location(name, "other/place")
    assert parse_model(moved) == (ModelName(kind, "other/place") if model_file(name) else parse_model(name))


def test_a_prefix_alone_is_refused() -> None:
    with pytest.raises(InputError, match="model 'onnx:': nothing follows 'onnx:'; write onnx:NAME"):
        parse_model("onnx:")
