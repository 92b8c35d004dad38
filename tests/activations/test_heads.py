"""Heads: the same bits from the same seed, what they measure, and folders that lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from conceptx.activations.extract import extract
from conceptx.activations.heads import HeadSettings, _divide, load_head, train_head
from conceptx.activations.layers import capturing, list_layers
from conceptx.activations.models import LoadedModel, load_model, model_digest
from conceptx.activations.preprocess import Preprocess
from conceptx.activations.untrained import untrained_copy
from conceptx.errors import InputError
from tests.activations.networks import PREPROCESS, MemoryImages, inputs_of, noise_images, residual

_SETTINGS = HeadSettings(units=8, epochs=12, patience=4)


def _coloured(n: int = 60, bad: tuple[int, ...] = ()) -> MemoryImages:
    """Return noise that is reddish, greenish or bluish, which is its category."""
    images = noise_images(n, bad=bad)
    images.pixels = images.pixels // 2
    for i in range(n):
        images.pixels[i, ..., i % 3] += 100
    images.category = ["red", "green", "blue"] * (n // 3)
    return images


def _backbone() -> LoadedModel:
    model = residual().eval()
    return LoadedModel(model, PREPROCESS, "tests.activations.networks:residual", model_digest(model))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("head")
    train_head(_backbone(), "bn1", _coloured(), out=folder, reduction="mean", settings=_SETTINGS)
    return folder


def test_a_head_learns_and_is_a_model_again(trained: Path, tmp_path: Path) -> None:
    facts = json.loads((trained / "head.json").read_text())
    assert facts["classes"] == ["blue", "green", "red"] and facts["images"] == {"fit": 42, "test": 9, "validation": 9}
    assert facts["accuracy"]["test"] >= 0.8 and np.sum(facts["confusion"]) == 9
    assert facts["accuracy"]["test"] == np.trace(facts["confusion"]) / 9
    model, preprocess = load_head(trained, _backbone())
    assert preprocess == PREPROCESS and not model.training
    images = _coloured()
    with torch.inference_mode():
        recognised = [facts["classes"][i] for i in model(inputs_of(images)).argmax(1)]
    shares = facts["accuracy"]
    right = sum(shares[name] * facts["images"][name] for name in shares)
    assert sum(map(str.__eq__, recognised, images.category)) == round(right)
    hidden = extract(model, "hidden", images, out=tmp_path, preprocess=preprocess)
    assert len(hidden.units) == 8 and (hidden.values >= 0).all()
    listed = {info.name: info for info in list_layers(model, inputs_of(images)[:1])}
    assert listed["hidden"].nonlinearity == "after relu" and listed["hidden.0"].nonlinearity == "before relu"
    assert listed["scores"].units == 3 and "backbone.conv1" in listed


def test_the_hidden_values_are_those_of_the_features(trained: Path) -> None:
    model, _ = load_head(trained, _backbone())
    x = inputs_of(_coloured(18))
    with capturing(residual(), ["bn1"]) as run:
        features = run(x)["bn1"].mean((2, 3))
    with capturing(model, ["hidden"]) as run:
        got = run(x)["hidden"]
    with torch.inference_mode():
        assert torch.equal(got, model.hidden(features))
    loss = model(x).sum()
    loss.backward()
    assert model.scores.weight.grad is not None and model.backbone.conv1.weight.grad is None
    assert not any(module._forward_hooks for module in model.modules())


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_state(trained: Path, tmp_path: Path) -> None:
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    for seed in (0, 1):
        train_head(
            _backbone(), "bn1", _coloured(), out=tmp_path / str(seed), reduction="mean", seed=seed, settings=_SETTINGS
        )
    assert torch.equal(torch.random.get_rng_state(), state) and torch.get_num_threads() == threads
    for name in ("head.pt", "head.json", "curves.svg"):
        assert (tmp_path / "0" / name).read_bytes() == (trained / name).read_bytes()
    assert (tmp_path / "1" / "head.pt").read_bytes() != (trained / "head.pt").read_bytes()
    assert (
        load_head(trained, _backbone())[0].state_dict().keys()
        == load_head(tmp_path / "1", _backbone())[0].state_dict().keys()
    )


def test_the_epoch_with_the_smallest_validation_loss_is_kept(trained: Path) -> None:
    facts = json.loads((trained / "head.json").read_text())
    losses = facts["curves"]["validation_loss"]
    assert facts["best_epoch"] == int(np.argmin(losses))
    assert len(losses) == min(12, facts["best_epoch"] + 1 + 4)
    assert facts["curves"]["validation_accuracy"][facts["best_epoch"]] == facts["accuracy"]["validation"]
    picture = (trained / "curves.svg").read_text()
    assert picture.startswith("<svg") and picture.count("<polyline") == 3 and "test accuracy" in picture


def test_a_head_on_a_named_backbone_is_loaded_by_its_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = load_model("world-cnn", "none", seed=4)
    torch.save(made.model.state_dict(), tmp_path / "w.pt")
    backbone = load_model("world-cnn", "w.pt")
    train_head(backbone, "features", _coloured(), out=tmp_path / "a" / "head", weights="w.pt", settings=_SETTINGS)
    loaded = load_model(f"head:{tmp_path / 'a' / 'head'}")
    assert loaded.preprocess == backbone.preprocess
    assert str(tmp_path) not in (tmp_path / "a" / "head" / "head.json").read_text()
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "a", tmp_path / "moved" / "a")
    shutil.move(tmp_path / "w.pt", tmp_path / "moved" / "w.pt")
    assert load_model("head:moved/a/head").digest == loaded.digest
    twin = untrained_copy(loaded.model, 1)
    assert twin is not None and model_digest(twin) != loaded.digest
    torch.save(load_model("world-cnn", "none", seed=5).model.state_dict(), tmp_path / "moved" / "w.pt")
    with pytest.raises(InputError, match="is not the one that the head was trained on"):
        load_model("head:moved/a/head")


def test_a_folder_may_not_name_code(trained: Path) -> None:
    with pytest.raises(InputError, match="which a folder may not name; write a factory that returns load_head"):
        load_model(f"head:{trained}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "is not what conceptx train-head writes"),
        ({"features": "7"}, "is not what conceptx train-head writes"),
        ({"features": 10**9}, "is not what conceptx train-head writes"),
        ({"settings": {}}, "is not what conceptx train-head writes"),
        ({"features": 8}, "the weights are not this model's"),
        ({"backbone": "0"}, "is not the one that the head was trained on"),
        ({"preprocess": {"size": 0}}, "size is 0"),
    ],
)
def test_folders_that_lie(trained: Path, tmp_path: Path, change: dict[str, object], message: str) -> None:
    for name in ("head.pt", "head.json"):
        shutil.copy(trained / name, tmp_path / name)
    facts = json.loads((trained / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(InputError) as caught:
        load_head(tmp_path, _backbone())
    assert message in str(caught.value)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file; give the folder that conceptx train-head wrote"):
        load_model(f"head:{tmp_path}")
    (tmp_path / "head.json").write_text("[")
    with pytest.raises(InputError, match="it cannot be read"):
        load_head(tmp_path)


def test_unreadable_images_are_left_out_and_listed(tmp_path: Path) -> None:
    images = _coloured(bad=(4, 7))
    result = train_head(_backbone(), "fc", images, out=tmp_path, settings=_SETTINGS, max_bad=0.1)
    assert [image for image, _ in result.skipped] == ["0004.png", "0007.png"]
    assert sum(result.images.values()) == 58


@pytest.mark.parametrize(
    ("category", "message"),
    [
        (["a", None], "image '0001.png': it has no category to learn"),
        (["a", "a"], "they have no two categories to tell apart"),
        (["a", "b"], "the category 'b' has 1 readable images; give at least 3 of every category"),
    ],
)
def test_images_that_cannot_be_learned(tmp_path: Path, category: list[str | None], message: str) -> None:
    images = _coloured(6)

    class Changed(MemoryImages):
        @property
        def images(self) -> pa.Table:
            values = ["a", category[1], *["a"] * 4]
            return super().images.set_column(2, "category", pa.array(values, pa.string()))

    with pytest.raises(InputError) as caught:
        train_head(_backbone(), "fc", Changed(images.pixels), out=tmp_path, settings=_SETTINGS)
    assert message in str(caught.value)


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a head cannot stand on an operation"):
        train_head(_backbone(), "fx:add", _coloured(), out=tmp_path)
    with pytest.raises(InputError, match="the model has no module of this name; did you mean 'fc'"):
        train_head(_backbone(), "fcc", _coloured(), out=tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="this is a file, not a folder"):
        train_head(_backbone(), "fc", _coloured(), out=tmp_path / "file")
    with pytest.raises(InputError, match="units is 0; choose a number from 1"):
        HeadSettings(units=0)
    with pytest.raises(InputError, match="choose shares whose sum is below 1"):
        HeadSettings(validation=0.5, test=0.5)


@given(st.lists(st.integers(3, 40), min_size=2, max_size=5), st.integers(0, 3))
def test_the_parts_are_stratified_and_disjoint(sizes: list[int], seed: int) -> None:
    targets = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    names = [str(i) for i in range(len(sizes))]
    parts = _divide(targets, names, HeadSettings(), torch.Generator().manual_seed(seed))
    every = torch.cat(list(parts.values()))
    assert sorted(every.tolist()) == list(range(len(targets)))
    for number, size in enumerate(sizes):
        counts = {name: int((targets[part] == number).sum()) for name, part in parts.items()}
        assert min(counts.values()) >= 1 and counts["test"] == counts["validation"]
        assert abs(counts["test"] - 0.15 * size) <= 1


def test_a_unit_that_never_varies_does_no_harm(tmp_path: Path) -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x.mean((2, 3)), torch.full((len(x), 1), 7.0)], dim=1)

    model = nn.Sequential(Constant())
    backbone = LoadedModel(model, Preprocess(size=12), "given", model_digest(model))
    result = train_head(backbone, "0", _coloured(), out=tmp_path, settings=HeadSettings(epochs=20))
    assert result.accuracy["fit"] > 0.8 and np.isfinite(result.curves["loss"]).all()
