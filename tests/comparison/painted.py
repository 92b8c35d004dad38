"""A network that sees colours, and pictures with coloured things: a whole run by the command line in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from conceptx.activations.preprocess import Preprocess
from conceptx.cli import cli

LABELS = ("bed", "lamp", "car")
"""Red, green and blue."""
SIDE = 24
MODEL = "tests.comparison.painted:network"


class Colours(nn.Module):
    """`maps` has a unit for each colour and one for all of them; `fc` has their maxima."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 4, 2, stride=2), nn.ReLU())
        self.fc = nn.Linear(4, 4)
        with torch.no_grad():
            kernel = torch.zeros(4, 3, 2, 2)
            for colour in range(3):
                kernel[colour, colour] = 0.25
                kernel[3, colour] = 0.1
            self.maps[0].weight.copy_(kernel)
            self.maps[0].bias.fill_(-0.3)
            self.fc.weight.copy_(torch.eye(4))
            self.fc.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.fc(self.maps(images).amax(dim=(2, 3)))
        return found


def network() -> tuple[nn.Module, Preprocess]:
    """Return what ``--model`` names."""
    return Colours().eval(), Preprocess(SIDE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def picture(shown: dict[int, tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """Return a dark picture with a square of a colour at each place (x, y)."""
    pixels = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    for colour, (x, y) in shown.items():
        pixels[y : y + 8, x : x + 8, colour] = rng.integers(150, 255, (8, 8))
    return pixels


def paint(folder: Path, n: int = 240, boxes: bool = True) -> Path:
    """Write pictures, and a table of them with their objects; return the table."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(n):
        shown = {int(c): tuple(map(int, rng.integers(0, 16, 2))) for c in np.flatnonzero(rng.random(3) < 0.4)}
        Image.fromarray(picture(shown, rng)).save(folder / f"{i:03d}.png")
        objects: list[dict[str, Any]] = []
        for colour, (x, y) in shown.items():
            place = {"box": [x, y, 8, 8]} if boxes else {}
            objects.append({"object": f"o{colour}", "label": LABELS[colour], **place})
        category = LABELS[min(shown)] if shown else "nothing"
        lines.append(json.dumps({"image": f"{i:03d}.png", "category": category, "objects": objects}))
    table = folder / "images.jsonl"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def hierarchy(folder: Path) -> Path:
    """Write a table of edges, and return it."""
    path = folder / "edges.csv"
    path.write_text("child,parent\nbed,furniture\nlamp,furniture\ncar,vehicle\nfurniture,thing\nvehicle,thing\n")
    return path


def quick(folder: Path) -> Path:
    """Write a protocol with fewer controls and resamples, and return it."""
    path = folder / "quick.toml"
    path.write_text('name = "quick"\nn_controls = 40\nn_directions = 5\nbootstrap = 100\npermutations = 200\n')
    return path


def request(folder: Path, *layers: str, boxes: bool = True, n: int = 240) -> list[object]:
    """Return the arguments of ``conceptx explain`` over painted pictures in a folder."""
    images = ("--images", f"table:{paint(folder / 'pictures', n, boxes)}", "--ontology", hierarchy(folder))
    chosen = [part for layer in layers or ("maps",) for part in ("--layer", layer)]
    how = ("--protocol", quick(folder), "--max-length", 2)
    return ["explain", "--model", MODEL, *chosen, *images, *how, "--out", folder / "run"]


def called(*arguments: object) -> str:
    """Run the command line, expect that it ends well, and return what it printed."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*arguments: object) -> Any:
    """Run a command with ``--json``, and return what it printed."""
    return json.loads(called(*arguments, "--json"))


def stages(run: Path) -> dict[str, Any]:
    """Return the stages that a run's manifest names."""
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]
    return found
