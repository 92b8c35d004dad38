"""Training: the same bits for the same seed, after a kill, and for any number of threads; and it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conceptx.activations import training
from conceptx.activations.models import model_digest
from conceptx.activations.training import TrainingSettings, WorldNet, augment, train
from conceptx.errors import InputError
from tests.activations.networks import MemoryImages

QUICK = TrainingSettings(epochs=3, batch_size=16)


def coloured_shapes(n: int, seed: int = 0, side: int = 96) -> MemoryImages:
    """Images of noise with one square, disc or cross of a random colour; the shape is the category."""
    rng = np.random.Generator(np.random.PCG64(seed))
    pixels = rng.integers(90, 166, (n, side, side, 3)).astype(np.uint8)
    names = ("cross", "disc", "square")
    categories = [names[i % 3] for i in range(n)]
    rows, columns = np.mgrid[:side, :side]
    for image, category in zip(pixels, categories, strict=True):
        r, c = rng.integers(20, side - 20, 2)
        dr, dc = abs(rows - r), abs(columns - c)
        shape = {
            "square": (dr < 11) & (dc < 11),
            "disc": dr**2 + dc**2 < 13**2,
            "cross": ((dr < 4) & (dc < 16)) | ((dc < 4) & (dr < 16)),
        }[category]
        image[shape] = rng.choice([20, 235], 3)
    return MemoryImages(pixels, category=categories)


def _train(out: Path, images: MemoryImages, settings: TrainingSettings = QUICK, seed: int = 0, **options):
    model = WorldNet(classes=3)
    return model, train(model, images, out=out, seed=seed, settings=settings, **options)


def test_the_same_seed_gives_the_same_bits_and_leaves_nothing_changed(tmp_path: Path) -> None:
    images, threads, state = coloured_shapes(60), torch.get_num_threads(), torch.random.get_rng_state()
    model = WorldNet(classes=3)
    torch.random.set_rng_state(state)
    result = train(model, images, out=tmp_path / "a", settings=QUICK)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert result.classes == ("cross", "disc", "square")
    assert len(result.curves["loss"]) == 3 and result.accuracy == max(result.curves["accuracy"])
    assert not model.training

    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        again, _ = _train(tmp_path / "b", images)
    finally:
        torch.set_num_threads(threads)
    assert model_digest(again) == model_digest(model)
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    assert model_digest(_train(tmp_path / "c", images, seed=1)[0]) != model_digest(model)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_training_that_was_stopped_ends_in_the_same_weights(tmp_path: Path, stop_after: int) -> None:
    images = coloured_shapes(60)

    class Stop(BaseException):
        pass

    def stopping(iterable, *, total=None, label=""):
        for n, item in enumerate(iterable):
            if label == "training" and n == stop_after:
                raise Stop
            yield item

    _train(tmp_path / "want", images)
    with pytest.raises(Stop):
        _train(tmp_path / "got", images, progress=stopping)
    assert [p.name for p in (tmp_path / "got").iterdir()] == ["checkpoint.pt"]
    ran = []

    def counting(iterable, *, total=None, label=""):
        for item in iterable:
            if label == "training":
                ran.append(item)
            yield item

    _train(tmp_path / "got", images, progress=counting)
    assert ran == list(range(stop_after, 3))
    assert _files(tmp_path / "got") == _files(tmp_path / "want")


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    images = coloured_shapes(30)
    quick = replace(QUICK, epochs=1)
    _train(tmp_path, images, quick)
    (tmp_path / "weights.pt").rename(tmp_path / "checkpoint.pt")
    model, _ = _train(tmp_path / "want", images, quick, seed=3)
    (tmp_path / "checkpoint.pt").write_bytes(training.saved({"key": "another"}))
    assert model_digest(_train(tmp_path, images, quick, seed=3)[0]) == model_digest(model)
    (tmp_path / "checkpoint.pt").write_bytes(b"half")
    (tmp_path / "training.json").write_text("{")
    assert model_digest(_train(tmp_path, images, quick, seed=3)[0]) == model_digest(model)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    images = coloured_shapes(30)
    model, result = _train(tmp_path, images)
    images.loaded.clear()
    again, same = _train(tmp_path, images)
    assert images.loaded == [] and same == result and model_digest(again) == model_digest(model)


@pytest.mark.slow
def test_it_learns_shapes(tmp_path: Path) -> None:
    _, result = _train(tmp_path, coloured_shapes(600), TrainingSettings(epochs=12))
    assert result.accuracy > 0.9


def test_augmentation_moves_and_mirrors_whole_pixels() -> None:
    pixels = torch.arange(2 * 6 * 5 * 3, dtype=torch.uint8).reshape(2, 6, 5, 3)
    assert torch.equal(augment(pixels, 0, torch.Generator().manual_seed(0)).flip(2).sort(2)[0], pixels.sort(2)[0])
    seen = set()
    for seed in range(60):
        moved = augment(pixels, 1, torch.Generator().manual_seed(seed))
        for before, after in zip(pixels, moved, strict=True):
            found = [
                (dy, dx, mirror)
                for dy in (-1, 0, 1)
                for dx in (-1, 0, 1)
                for mirror in (False, True)
                if torch.equal(_moved(before, dy, dx, mirror), after)
            ]
            assert len(found) == 1
            seen.update(found)
    assert len(seen) == 18


def _moved(image: torch.Tensor, dy: int, dx: int, mirror: bool) -> torch.Tensor:
    height, width = image.shape[:2]
    rows = [
        [image[min(max(r + dy, 0), height - 1), min(max(c + dx, 0), width - 1)] for c in range(width)]
        for r in range(height)
    ]
    out = torch.stack([torch.stack(row) for row in rows])
    return out.flip(1) if mirror else out


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (
            ["a", "a", "b", "b"],
            "they have 2 categories and the network has 3 classes; make it with WorldNet(classes=2)",
        ),
        (["a", "b", "c", "c"], "a category has a single image"),
        (["a", None, "c", "c"], "image '0001.png': it has no category to learn"),
    ],
)
def test_image_sets_that_cannot_be_learned(tmp_path: Path, categories: list, message: str) -> None:
    images = MemoryImages(np.zeros((4, 96, 96, 3), dtype=np.uint8), category=categories)
    with pytest.raises(InputError) as caught:
        train(WorldNet(classes=3), images, out=tmp_path)
    assert message in str(caught.value)
