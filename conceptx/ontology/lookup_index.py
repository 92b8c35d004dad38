"""The index behind `Lookup`: every form of every name, findable exactly and within a few edits.

`open_index(hierarchy)` takes the one stored beside a compiled hierarchy (memory-mapped), or builds it. Forms are
sorted by their bytes for exact search. For misspellings each form has a 64-bit signature of its letters, and the
signatures lie in order of the forms' lengths: one pass over those of a similar length leaves few forms to compare.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import JobError
from conceptx.files import atomic_path, map_array, write_json
from conceptx.ontology.csr import Ints, Longs
from conceptx.ontology.forms import folded, singular, without_qualifier
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.ontology.strings import Strings

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
STORED_FROM = 50_000  # names; fewer are indexed faster than files are opened
_FOLDER = "lookup"
_ARRAYS = ("offsets", "blob", "indptr", "terms", "signatures", "order", "starts")


@dataclass(frozen=True, slots=True)
class Index:
    """`forms` in the order of their bytes; the terms of form i are ``terms[indptr[i]:indptr[i + 1]]``.

    Terms number the hierarchy's texts: names, then aliases, then labels, then synonyms. ``signatures[starts[l]:
    starts[l + 1]]`` belong to the forms of l characters, which are the forms numbered by `order` at these places.
    """

    forms: Strings
    indptr: Longs
    terms: Ints
    signatures: npt.NDArray[np.uint64]
    order: Ints
    starts: Longs

    def terms_of(self, form: str) -> list[int]:
        """Return the terms that have exactly this form."""
        found = self.forms.find(form)
        return [] if found is None else self.terms_at(found)

    def terms_at(self, i: int) -> list[int]:
        """Return the terms of the form numbered i."""
        terms: list[int] = self.terms[self.indptr[i] : self.indptr[i + 1]].tolist()
        return terms

    def near(self, form: str, max_distance: int) -> list[tuple[int, int]]:
        """Return (number, distance) of all forms within `max_distance` edits (Levenshtein, by character)."""
        from rapidfuzz.distance import Levenshtein

        own = np.uint64(signature(form))
        found = []
        for length in range(max(len(form) - max_distance, 1), min(len(form) + max_distance, len(self.starts) - 2) + 1):
            # An insertion or deletion flips at most one bit, a substitution two.
            flips = 2 * max_distance - abs(length - len(form))
            start, stop = int(self.starts[length]), int(self.starts[length + 1])
            unlike = np.bitwise_count(self.signatures[start:stop] ^ own)
            for i in self.order[start + np.flatnonzero(unlike <= flips)].tolist():
                distance = Levenshtein.distance(form, self.forms[i], score_cutoff=max_distance)
                if distance <= max_distance:
                    found.append((i, distance))
        return found


def signature(form: str) -> int:
    """Return 64 bits that say which letters occur once, which twice or more, which digits, and whether others do."""
    coded = np.frombuffer(form.encode("utf-8"), np.uint8)
    return int(_signatures_plain(coded, np.array([0, len(coded)]))[0])


def open_index(hierarchy: Hierarchy) -> Index:
    """Return the index of a hierarchy: stored beside it, or built now (and stored where it is large)."""
    folder = hierarchy.folder / _FOLDER if hierarchy.folder is not None else None
    if folder is None or len(hierarchy) < STORED_FROM:
        return build_index(hierarchy)
    stored = _read(folder, hierarchy.digest)
    if stored is not None:
        return stored
    index = build_index(hierarchy)
    try:
        _write(folder, index, hierarchy.digest)
    except JobError:  # a folder that cannot be written to, or no room: the index serves from memory
        return index
    return _read(folder, hierarchy.digest) or index


def build_index(hierarchy: Hierarchy) -> Index:
    """Build the index in memory."""
    import pyarrow as pa
    import pyarrow.compute as pc

    everything = pa.concat_arrays([column.to_arrow() for column in hierarchy.text_columns()])
    given = np.flatnonzero(pc.binary_length(everything).to_numpy())
    texts = everything.take(pa.array(given)).cast(pa.string())
    plain = singular_forms(folded_forms(texts))
    bracketed = np.flatnonzero(pc.ends_with(texts, ")").to_numpy(zero_copy_only=False))
    bare = [without_qualifier(text) for text in texts.take(pa.array(bracketed)).to_pylist()]
    short = singular_forms(folded_forms(pa.array(bare, pa.string())))
    coded = pa.concat_arrays([plain, short]).cast(pa.large_binary()).dictionary_encode()
    numbers = coded.indices.to_numpy().astype(np.int64)
    term = given[np.concatenate([np.arange(len(texts)), bracketed])]
    extra = np.concatenate([np.zeros(len(texts), np.bool_), np.ones(len(bracketed), np.bool_)])
    ranking = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(ranking), np.int64)
    rank[ranking] = np.arange(len(ranking))
    forms = Strings.from_arrow(coded.dictionary.take(pa.array(ranking)))
    place = rank[numbers]
    real = np.flatnonzero(forms.offsets[place] < forms.offsets[place + 1])
    by_form = real[np.lexsort((term[real], extra[real], place[real]))]
    indptr = np.zeros(len(forms) + 1, np.int64)
    np.cumsum(np.bincount(place[by_form], minlength=len(forms)), out=indptr[1:])
    lengths = pc.utf8_length(forms.to_arrow().cast(pa.large_string())).to_numpy()
    order = np.argsort(lengths, kind="stable").astype(np.int32)
    run = _signatures_compiled() if len(forms) > STORED_FROM else _signatures_plain
    starts = np.zeros(int(lengths.max(initial=0)) + 2, np.int64)
    np.cumsum(np.bincount(lengths), out=starts[1:])
    signatures = run(forms.blob, forms.offsets)[order]
    return Index(forms, indptr, term[by_form].astype(np.int32), signatures, order, starts)


def folded_forms(texts: pa.Array) -> pa.Array:
    """Return `forms.folded` of every text; the ASCII ones all at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dropped = pc.replace_substring_regex(pc.ascii_lower(texts), r"['`\".]", "")
    simple = pc.ascii_trim_whitespace(pc.replace_substring_regex(dropped, r"[\s\v_\-/]+", " "))
    others = np.flatnonzero(~pc.string_is_ascii(texts).to_numpy(zero_copy_only=False))
    if len(others) == 0:
        return simple
    mask = np.zeros(len(texts), np.bool_)
    mask[others] = True
    exact = [folded(text) for text in texts.take(pa.array(others)).to_pylist()]
    return pc.replace_with_mask(simple, pa.array(mask), pa.array(exact, simple.type))


def singular_forms(texts: pa.Array) -> pa.Array:
    """Return `forms.singular_form` of every folded text; each distinct word is looked at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    split = pc.split_pattern(texts, " ")
    words = split.values.dictionary_encode()
    single = pa.array([singular(word) for word in words.dictionary.to_pylist()], texts.type)
    changed = pa.ListArray.from_arrays(split.offsets, single.take(words.indices))
    return pc.binary_join(changed, " ")


def _signatures_plain(blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return every string's signature: bits 0-25 letters, 26-51 letters that repeat, 52-61 digits, 62-63 others."""
    result = np.zeros(len(offsets) - 1, np.uint64)
    one = np.uint64(1)
    for i in range(len(offsets) - 1):
        bits = np.uint64(0)
        for k in range(offsets[i], offsets[i + 1]):
            byte = blob[k]
            if 97 <= byte <= 122:
                bit = one << np.uint64(byte - 97)
                if bits & bit:
                    bit = one << np.uint64(byte - 71)
            elif 48 <= byte <= 57:
                bit = one << np.uint64(byte + 4)
            elif byte >= 192:
                bit = one << np.uint64(62 + (blob[k + 1] & 1))
            else:
                continue
            bits |= bit
        result[i] = bits
    return result


@cache
def _signatures_compiled() -> Callable[..., Any]:
    from numba import njit

    compiled: Callable[..., Any] = njit(cache=True)(_signatures_plain)
    return compiled


def _write(folder: Path, index: Index, digest: str) -> None:
    texts: tuple[npt.NDArray[Any], ...] = (index.forms.offsets, index.forms.blob)
    numbers = (index.indptr, index.terms, index.signatures, index.order, index.starts)
    sizes = {}
    (folder / "lookup.json").unlink(missing_ok=True)
    for name, array in zip(_ARRAYS, (*texts, *numbers), strict=True):
        with atomic_path(folder / f"{name}.npy") as path, path.open("wb") as out:
            np.save(out, array, allow_pickle=False)
        sizes[name] = (folder / f"{name}.npy").stat().st_size
    write_json(folder / "lookup.json", {"version": VERSION, "hierarchy": digest, "bytes": sizes})


def _read(folder: Path, digest: str) -> Index | None:
    """Map the stored index; None where it is missing, incomplete or made for another hierarchy."""
    try:
        header = json.loads((folder / "lookup.json").read_bytes())
        if header["version"] != VERSION or header["hierarchy"] != digest:
            return None
        if any((folder / f"{name}.npy").stat().st_size != header["bytes"][name] for name in _ARRAYS):
            return None
        arrays = [np.asarray(map_array(folder / f"{n}.npy")) for n in _ARRAYS]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Index(Strings(arrays[0], arrays[1]), arrays[2], arrays[3], arrays[4], arrays[5], arrays[6])
