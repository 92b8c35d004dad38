"""The class that is nearest in meaning, by a local sentence model: the last resort for labels that no name resembles.

`nearest` is what the mapping asks. Up to `EXHAUSTIVE` names are all embedded. Of more, each label gets a shortlist
first: by the mean of the names' word pieces, each piece embedded once by the same model and weighted by its rarity
(``a / (a + p)``, p its share of all pieces; the pieces' mean is taken off). That pass costs some seconds for a
million names; the model then reads the shortlists alone. The pieces' vectors are kept beside a compiled
hierarchy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conceptx.annotation.sentence_model import NAME, Encoder, Floats, open_encoder
from conceptx.errors import JobError
from conceptx.files import atomic_path
from conceptx.ontology.csr import Ints
from conceptx.ontology.forms import sense_lemma
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy

EXHAUSTIVE = 20_000
"""Names that are embedded one and all; it takes seconds."""
SHORTLIST = 200
"""Names that the model reads for each label; the nearest of all is among them for 99 of 100 nouns of WordNet."""
TAKEN = 0.7
"""The confidence from which on the nearest class is taken, though always as doubtful; others are offered only."""

_RARITY = 1e-3
_BLOCK = 4096

# Fitted to 4,000 lower-case nouns of WordNet that were each hidden from their own synset and then looked up: the
# share that came to their synset or one above it, as a function of the cosine and its lead over the next class.
_AT_ZERO, _PER_COSINE, _PER_LEAD = -6.37, 6.31, 9.18


@dataclass(frozen=True, slots=True)
class Near:
    """A class near a label in meaning: `text` is what it is called, `confidence` runs from 0 to 1."""

    id: int
    name: str
    text: str
    cosine: float
    confidence: float


def confidence(cosine: float, lead: float) -> float:
    """Return how often a nearest class is right: ``1 / (1 + exp(-(a + b cosine + c lead)))``, in 0 to 1.

    `lead` is the cosine less that of the next class. See the module for what the constants were fitted to.
    """
    return 1.0 / (1.0 + math.exp(-(_AT_ZERO + _PER_COSINE * cosine + _PER_LEAD * lead)))


def nearest(
    labels: Sequence[str],
    hierarchy: Hierarchy,
    limit: int = 8,
    encoder: Encoder | None = None,
    progress: Progress = silent,
) -> list[list[Near]]:
    """Return for each label up to `limit` classes, the nearest first; only the first one's confidence is above 0."""
    if not labels:
        return []
    encoder = open_encoder() if encoder is None else encoder
    texts, owners = _texts(hierarchy)
    spoken = [_spoken(label) for label in labels]
    asked = encoder.encode(spoken)
    if len(texts) <= EXHAUSTIVE:
        lists = np.broadcast_to(np.arange(len(texts)), (len(labels), len(texts)))
        read = np.arange(len(texts))
    else:
        lists = _shortlists(spoken, texts, encoder, _pieces(hierarchy, encoder, progress), progress)
        read = np.unique(lists)
    vectors = encoder.encode([texts[i] for i in read.tolist()], progress, "Embedding class names")
    found = []
    for row, wanted in zip(lists, asked, strict=True):
        cosines = np.round(vectors[np.searchsorted(read, row)] @ wanted, 4)
        found.append(_ranked(hierarchy, texts, owners, row, cosines, limit))
    return found


def _spoken(label: str) -> str:
    return " ".join((sense_lemma(label.strip()) or label).replace("_", " ").split())


def _texts(hierarchy: Hierarchy) -> tuple[list[str], Ints]:
    """Return all that classes are called, in words, and the class of each: labels, merged names, synonyms."""
    names, aliases, labels, synonyms = hierarchy.text_columns()
    spoken = [label or name.replace("_", " ") for name, label in zip(names, labels, strict=True)]
    spoken += [alias.replace("_", " ") for alias in aliases]
    spoken += synonyms
    every = np.arange(len(hierarchy), dtype=np.int32)
    further = np.repeat(every, np.diff(hierarchy.synonyms_indptr))
    return spoken, np.concatenate([every, hierarchy.alias_class, further])


def _pieces(hierarchy: Hierarchy, encoder: Encoder, progress: Progress) -> Floats:
    """Return the vector of each word piece, shape (pieces, width), computed once for a compiled hierarchy."""
    path = None if hierarchy.folder is None else hierarchy.folder / "lookup" / f"pieces-{NAME}.npy"
    shape = (encoder.n_tokens, encoder.width)
    if path is not None and path.is_file():
        try:
            stored = np.load(path, allow_pickle=False)
        except (OSError, ValueError):
            stored = np.zeros(0)
        if stored.shape == shape and stored.dtype == np.float16:
            return np.asarray(stored, np.float32)
    made = encoder.encode_tokens(progress).astype(np.float16)
    if path is not None:
        with suppress(JobError), atomic_path(path) as temporary, temporary.open("wb") as out:
            np.save(out, made, allow_pickle=False)
    return made.astype(np.float32)


def _shortlists(
    labels: Sequence[str], texts: Sequence[str], encoder: Encoder, pieces: Floats, progress: Progress
) -> npt.NDArray[np.int64]:
    """Return the numbers of the `SHORTLIST` texts whose word pieces are nearest to each label's, ascending."""
    blocks = range(0, len(texts), _BLOCK)
    coded = [
        _split(encoder, texts[start : start + _BLOCK])
        for start in progress(blocks, total=len(blocks), label="Splitting class names")
    ]
    counts = np.sum([np.bincount(flat, minlength=encoder.n_tokens) for flat, _ in coded], axis=0)
    rarity = _RARITY / (_RARITY + counts / np.sum(counts))
    weighted = ((pieces - pieces.mean(0)) * rarity[:, None]).astype(np.float32)
    asked = _sums(weighted, *_split(encoder, labels))
    best = np.full((len(labels), SHORTLIST), -np.inf, np.float32)
    place = np.zeros((len(labels), SHORTLIST), np.int64)
    for start, block in zip(blocks, progress(coded, total=len(coded), label="Comparing class names"), strict=True):
        likeness = asked @ _sums(weighted, *block).T
        here = np.broadcast_to(np.arange(start, start + likeness.shape[1]), likeness.shape)
        both, numbers = np.concatenate([best, likeness], axis=1), np.concatenate([place, here], axis=1)
        kept = np.argpartition(-both, SHORTLIST - 1, axis=1)[:, :SHORTLIST]
        best, place = np.take_along_axis(both, kept, 1), np.take_along_axis(numbers, kept, 1)
    return np.sort(place, axis=1)


def _split(encoder: Encoder, texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.int64]]:
    """Return the word pieces of all texts, one text's after the other's, and where each text begins."""
    tokens = [ids[1:-1] or ids[:1] for ids in encoder.tokens(texts)]
    lengths = np.array([len(ids) for ids in tokens])
    return np.array([token for ids in tokens for token in ids], np.int32), np.cumsum(lengths) - lengths


def _sums(weighted: Floats, flat: Ints, first: npt.NDArray[np.int64]) -> Floats:
    """Return the direction of the sum of each text's weighted pieces, shape (texts, width)."""
    sums = np.add.reduceat(weighted[flat], first, axis=0)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return sums


def _ranked(
    hierarchy: Hierarchy,
    texts: Sequence[str],
    owners: Ints,
    row: npt.NDArray[np.integer],
    cosines: Floats,
    limit: int,
) -> list[Near]:
    """Return the classes of the texts `row` by their nearest text, then by their order."""
    order = np.lexsort((row, -cosines))
    _, first = np.unique(owners[row[order]], return_index=True)
    chosen = order[np.sort(first)][: limit + 1]
    near = [(float(cosines[k]), int(row[k])) for k in chosen]
    lead = near[0][0] - near[1][0] if len(near) > 1 else 0.0
    return [
        Near(int(owners[k]), hierarchy.name(int(owners[k])), texts[k], cosine, confidence(cosine, lead) * (n == 0))
        for n, (cosine, k) in enumerate(near[:limit])
    ]
