"""The commands over models: what they print, for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from conceptx.activations.preprocess import Preprocess
from conceptx.cli.models import show_layers, train_head
from conceptx.errors import InputError


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    generator = np.random.Generator(np.random.PCG64(0))
    for channel, category in enumerate(("red", "green")):
        (tmp_path / "pictures" / category).mkdir(parents=True)
        for i in range(8):
            pixels = generator.integers(0, 120, (30, 30, 3), dtype=np.uint8)
            pixels[..., channel] += 100
            Image.fromarray(pixels).save(tmp_path / "pictures" / category / f"{i}.png")
    return tmp_path / "pictures"


def test_train_head_and_look_at_it(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "head"
    asked = ["--model", "world-cnn", "--weights", "none", "--layer", "features", "--images", f"folder:{pictures}"]
    asked += ["--out", str(out), "--units", "5", "--epochs", "3"]
    said = CliRunner().invoke(train_head, asked, catch_exceptions=False).output
    assert "2 categories; " in said and "of 2 held-out images are recognised (epoch " in said
    assert f"explain its units with --model head:{out} and --layer hidden" in said
    printed = CliRunner().invoke(train_head, [*asked, "--json"], catch_exceptions=False).stdout
    assert json.loads(printed)["classes"] == ["green", "red"]
    show_layers(f"head:{out}", "default", None, as_json=False)
    shown = capsys.readouterr().out
    assert re.search(r"^hidden +Sequential +5 +5 +value +after relu$", shown, re.MULTILINE)
    assert "preprocessing: size=96" in shown


def test_layers_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show_layers("squeezenet1_1", "none", Preprocess(size=64), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["side"] == 64 and found["untraceable"] is None and found["preprocess"]["size"] == 64
    first = found["layers"][0]
    assert (first["name"], first["units"], first["reduction"]) == ("features.0", 64, "max")
    assert any(layer["name"].startswith("fx:features.3.cat") for layer in found["functions"])


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("nets:words", "its forward pass fails on a batch of pictures, 2 × 3 × 224 × 224"),
        ("nets:dense", "it fails on an image of 224 × 224 pixels"),
        ("nets:broken", "the factory fails (ZeroDivisionError"),
        ("nets:ended", "the factory fails (SystemExit: 3); mend it"),
        (
            "nets:custom",
            "its forward pass fails on a batch of pictures, 2 × 3 × 224 × 224 (Mine: my words and more)",
        ),
        ("nets:lazy", "the weights 'bias' have no shape yet; send a batch through a lazy model"),
        ("nets:meta", "the weights 'bias' have no values yet; send a batch through a lazy model, or load the weights"),
        ("noisy:make", "the module fails while it is imported (RuntimeError: no)"),
    ],
)
def test_models_that_take_no_pictures(
    factory: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "class Words(nn.Module):\n    def forward(self, x, mask):\n        return x\n"
        "words = Words\n"
        "def dense():\n    return nn.Linear(5, 5)\n"
        "def broken():\n    return 1 / 0\n"
        "def ended():\n    raise SystemExit(3)\n"
        "class Mine(Exception):\n    pass\n"
        "class custom(nn.Module):\n    def forward(self, x):\n        raise Mine('my words\\nand more')\n"
        "def lazy():\n    return nn.LazyConv2d(4, 3)\n"
        "def meta():\n    return nn.Conv2d(3, 4, 3, device='meta')\n"
    )
    (tmp_path / "noisy.py").write_text("raise RuntimeError('no')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        show_layers(factory, "default", None, as_json=False)
    assert message in str(caught.value)


def test_what_a_users_module_prints_is_not_printed_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "from torch import nn\nprint('loading')\ndef net():\n    print('making')\n    return nn.Conv2d(3, 2, 3)\n"
    (tmp_path / "loud_nets.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    show_layers("loud_nets:net", "default", Preprocess(size=8), as_json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out)["layers"] == []
    assert printed.err.split() == ["loading", "making"]
