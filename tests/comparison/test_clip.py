"""A tiny random CLIP model in a folder, from pictures and labels to similarities, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conceptx.comparison.clip_dissect import FUNCTIONS, _clip_classes, cosine, embed, label_units, soft_wpmi
from conceptx.errors import InputError
from conceptx.expressions import Named, contains
from conceptx.images.dataset import ImageSet
from conceptx.tables import IMAGES, OBJECTS, from_rows


def pictures(n: int = 19) -> ImageSet:
    rng = np.random.default_rng(0)
    shown = {f"{i:02d}": rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8) for i in range(n)}
    rows = from_rows([{"image": name} for name in shown], IMAGES)
    return ImageSet("noise", None, rows, from_rows([], OBJECTS), pictures=shown.__getitem__)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model_class, processor_class = _clip_classes()
    folder = tmp_path_factory.mktemp("clip")
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="<|endoftext|>", model_max_length=16
    )
    size = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**size, "vocab_size": len(tokens), "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1}
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**size, "image_size": 16, "patch_size": 8}, projection_dim=6
    )
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    processor_class(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_similarities_are_those_of_the_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    model_class, processor_class = _clip_classes()
    images, labels = pictures(), ["bed", "lamp", "car", "x" * 100]
    places = [18, *range(17)]
    found = embed(model, images, places, labels)
    assert found.shape == (18, 4)
    processor = processor_class.from_pretrained(str(model))
    network = model_class.from_pretrained(str(model)).eval()
    capsys.readouterr()
    shown = [images.load(p) for p in places]
    inputs = processor(text=labels, images=shown, return_tensors="pt", padding=True, truncation=True)
    with torch.inference_mode():
        logits = network(**inputs).logits_per_image / network.logit_scale.exp()
    assert found == pytest.approx(logits.numpy(), abs=1e-5)
    assert (np.abs(found) <= 1 + 1e-6).all()
    assert np.array_equal(embed(model, images, places, labels), found)
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore")
def test_units_that_follow_a_label_get_it(model: Path) -> None:
    images, labels = pictures(80), ["bed", "lamp", "car"]
    similarity = embed(model, images, range(80), labels)
    keys = [("fc", label) for label in labels]
    found = label_units(
        keys, similarity.T, similarity, labels, [contains(Named(c)) for c in labels], function="rank-reorder"
    )
    assert dict(found.texts) == {("fc", label): label for label in labels}


def test_what_is_no_clip_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match="there is no such folder; name a folder with config"):
        embed(tmp_path / "openai" / "clip-vit-base-patch32", pictures(1), [0], ["bed"])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="this is not a CLIP model"):
        embed(tmp_path, pictures(1), [0], ["bed"])


def test_a_layer_is_labelled_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(4)
    similarity, values = rng.random((150, 6)), rng.random((8, 150))
    labels = [*"abcdef"]
    meant = [contains(Named(c)) for c in labels]
    keys = [("a" if i < 3 else "b", str(i)) for i in range(8)]
    for function in FUNCTIONS:
        both = label_units(keys, values, similarity, labels, meant, function=function).texts
        alone = [
            label_units(keys[part], values[part], similarity, labels, meant, function=function).texts
            for part in (slice(0, 3), slice(3, 8))
        ]
        assert both == {**alone[0], **alone[1]}, function


def test_of_equal_values_the_earlier_image_comes_first() -> None:
    values = np.array([[0.0], [1.0], [1.0], [1.0]])
    similarity = np.array([[9.0, 0], [9, 0], [0, 9], [0, 9]])
    assert int(np.argmax(soft_wpmi(similarity, values, top=1, weight=0.0))) == 0
    assert int(np.argmax(soft_wpmi(similarity[::-1], values[::-1], top=1, weight=0.0))) == 1


def test_similarities_that_hardly_vary_count_less() -> None:
    values = np.array([[0.0], [1.0], [0.0], [2.0]])
    similarity = np.stack([values[:, 0], values[:, 0] * 1e-3], axis=1)
    strong, weak = cosine(similarity, values)[0]
    assert strong == pytest.approx(1.0)
    assert weak < 0.01
