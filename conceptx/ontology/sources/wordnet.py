"""WordNet's database files: noun synsets, their hypernyms, their lemmas as synonyms, their glosses left aside.

A synset's name is its first lemma with the number of its sense, as in other tools: ``bed.n.01``. The numbers come
from `index.noun`, or where that is missing from the order in `data.noun`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from conceptx.errors import InputError
from conceptx.ontology.records import ClassGraph, check_name
from conceptx.ontology.sources.streams import buffered

_HYPERNYMS = ("@", "@i")


def find_nouns(path: Path) -> Path:
    """Return the path of `data.noun` in a WordNet folder (or in its `dict` folder), or of the WN-LMF file given."""
    for candidate in (path, path / "data.noun", path / "dict" / "data.noun"):
        if candidate.is_file():
            return candidate
    mend = "give WordNet's database folder, such as /usr/share/wordnet, or a WN-LMF file"
    raise InputError(str(path), "holds no 'data.noun'" if path.is_dir() else "does not exist", mend)


def read_wordnet(path: Path) -> ClassGraph:
    """Read the nouns of `data.noun`, or of a WN-LMF file, at `path`."""
    import pyarrow as pa

    with buffered(path) as stream:
        is_xml = stream.peek(5)[:5].removeprefix(b"\xef\xbb\xbf").startswith(b"<")
    if is_xml:
        from conceptx.ontology.sources.wnlmf import read_wnlmf

        return read_wnlmf(path)
    offsets: list[int] = []
    lemmas: list[list[str]] = []
    hypernyms: list[list[int]] = []
    with buffered(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith((b"  ", b"\n", b"\r")):
                continue  # the licence at the top is indented
            try:
                offset, words, above = _synset(line.decode("utf-8").partition("|")[0].split())
            except (ValueError, IndexError) as error:
                shown = ascii(line[:40].decode("utf-8", "replace"))
                what = f"is no line of a WordNet database: {shown}"
                raise InputError(f"{path}:{number}", what, "give WordNet's 'data.noun'") from error
            offsets.append(offset)
            lemmas.append(words)
            hypernyms.append(above)
    place = {offset: i for i, offset in enumerate(offsets)}
    names = _names(path, offsets, lemmas)
    for name in names:
        check_name(str(path), name)
    edges = [(i, place[o]) for i, above in enumerate(hypernyms) for o in above if o in place]
    pairs = np.array(edges, np.int32).reshape(-1, 2)
    synonyms = [(i, word.replace("_", " ")) for i, words in enumerate(lemmas) for word in words[1:]]
    return ClassGraph(
        names=pa.array([name.encode("utf-8") for name in names], pa.large_binary()),
        child=pairs[:, 0],
        parent=pairs[:, 1],
        label_of=np.arange(len(names), dtype=np.int32),
        labels=[words[0].replace("_", " ") for words in lemmas],
        synonym_of=np.array([i for i, _ in synonyms], np.int32),
        synonyms=[word for _, word in synonyms],
        iri_base="urn:wordnet:",
        about={"source": "wordnet", "file": path.name},
    )


def _synset(fields: list[str]) -> tuple[int, list[str], list[int]]:
    """Return offset, lemmas and hypernyms of a line ``offset file type count (lemma id)… count (pointer)… ``."""
    count = int(fields[3], 16)
    words = fields[4 : 4 + 2 * count : 2]
    pointers = fields[4 + 2 * count :]
    above = []
    for k in range(int(pointers[0])):
        symbol, target, part, _ = pointers[1 + 4 * k : 5 + 4 * k]
        if symbol in _HYPERNYMS and part == "n":
            above.append(int(target))
    if len(words) != count or count == 0:
        raise ValueError("lemmas are missing")
    return int(fields[0]), words, above


def _names(path: Path, offsets: list[int], lemmas: list[list[str]]) -> list[str]:
    senses = _senses(path.with_name(path.name.replace("data.noun", "index.noun")))
    seen: defaultdict[str, int] = defaultdict(int)
    names = []
    for offset, words in zip(offsets, lemmas, strict=True):
        lemma = words[0].lower()
        seen[lemma] += 1
        names.append(f"{lemma}.n.{senses.get((lemma, offset), seen[lemma]):02d}")
    taken: defaultdict[str, int] = defaultdict(int)
    for name in names:
        taken[name] += 1
    return [n if taken[n] == 1 else f"{n}.{offset:08d}" for n, offset in zip(names, offsets, strict=True)]


def _senses(index: Path) -> dict[tuple[str, int], int]:
    """Return the number of each sense by lemma and synset offset, from `index.noun`."""
    if not index.is_file():
        return {}
    senses = {}
    with buffered(index) as lines:
        for line in lines:
            fields = line.decode("utf-8").split()
            if line.startswith(b" ") or len(fields) < 6 or not fields[2].isdigit():
                continue
            for number, offset in enumerate(fields[-int(fields[2]) :], 1):
                senses[fields[0], int(offset)] = number
    return senses
