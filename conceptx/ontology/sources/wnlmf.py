"""WordNets as XML (WN-LMF), the form in which the Open English WordNet and other languages' are published.

The same graph as from WordNet's database files: noun synsets, their hypernyms, their lemmas as synonyms. A synset's
name is its first lemma with the number of its sense among the lemma's nouns, ``bed.n.01``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from conceptx.errors import InputError
from conceptx.ontology.records import ClassGraph, check_name, clean_text
from conceptx.ontology.sources.rdf import prolog
from conceptx.ontology.sources.streams import buffered

_HYPERNYMS = frozenset(("hypernym", "instance_hypernym"))
_BLOCK = 1 << 20


@dataclass(slots=True)
class _Lexicon:
    """What the elements said so far; synsets and their lemmas in the order of the file."""

    synsets: list[str] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    lemmas: defaultdict[str, list[tuple[str, str, str, int]]] = field(default_factory=lambda: defaultdict(list))
    senses: Counter[str] = field(default_factory=Counter)
    entry: str = ""
    lemma: str = ""
    noun: bool = False

    def start(self, name: str, given: dict[str, str]) -> None:
        """Take in the begin of an element."""
        if name == "LexicalEntry":
            self.entry, self.lemma = given.get("id", ""), ""
        elif name == "Lemma":
            self.lemma, self.noun = clean_text(given["writtenForm"]), given.get("partOfSpeech") == "n"
        elif name == "Sense" and self.noun and self.lemma:
            key = self.lemma.lower()
            self.senses[key] += 1
            sense = (given.get("id", ""), self.entry, self.lemma, self.senses[key])
            self.lemmas[given["synset"]].append(sense)
        elif name == "Synset":
            self.noun = given.get("partOfSpeech") == "n"
            if self.noun:
                self.synsets.append(given["id"])
                self.members[given["id"]] = given.get("members", "").split()
        elif name == "SynsetRelation" and self.noun and self.synsets and given.get("relType") in _HYPERNYMS:
            self.edges.append((self.synsets[-1], given["target"]))

    def named(self, synset: str) -> list[tuple[str, int]]:
        """Return the synset's lemmas with the numbers of their senses, in the order that the synset gives them.

        Some files list the senses as a synset's members, others the entries.
        """
        rank = {member: k for k, member in enumerate(self.members[synset])}
        last = len(rank)
        found = sorted(self.lemmas[synset], key=lambda sense: min(rank.get(name, last) for name in sense[:2]))
        return [(lemma, number) for _, _, lemma, number in found]


def read_wnlmf(path: Path) -> ClassGraph:
    """Read the noun synsets of a WN-LMF file (plain, gz, bz2 or zst)."""
    import pyarrow as pa

    lexicon = _parsed(path)
    lemmas = {synset: found for synset in lexicon.synsets if (found := lexicon.named(synset))}
    if not lemmas:
        raise InputError(str(path), "holds no noun synsets with lemmas", "give a WN-LMF file")
    names = [f"{found[0][0].lower().replace(' ', '_')}.n.{found[0][1]:02d}" for found in lemmas.values()]
    taken = Counter(names)
    names = [n if taken[n] == 1 else f"{n}.{synset}" for n, synset in zip(names, lemmas, strict=True)]
    for name in names:
        check_name(str(path), name)
    place = {synset: i for i, synset in enumerate(lemmas)}
    edges = [(place[a], place[b]) for a, b in lexicon.edges if a in place and b in place]
    pairs = np.array(edges, np.int32).reshape(-1, 2)
    synonyms = [(i, lemma) for i, found in enumerate(lemmas.values()) for lemma, _ in found[1:]]
    return ClassGraph(
        names=pa.array([name.encode("utf-8") for name in names], pa.large_binary()),
        child=pairs[:, 0],
        parent=pairs[:, 1],
        label_of=np.arange(len(names), dtype=np.int32),
        labels=[found[0][0] for found in lemmas.values()],
        synonym_of=np.array([i for i, _ in synonyms], np.int32),
        synonyms=[text for _, text in synonyms],
        iri_base="urn:wordnet:",
        about={"source": "wordnet", "file": path.name},
    )


def _parsed(path: Path) -> _Lexicon:
    _, root = prolog(path)  # refuses entities that could expand or reach outside
    if root != "LexicalResource":
        raise InputError(str(path), f"is XML with the root element '{root}', not a WordNet", "give a WN-LMF file")
    lexicon = _Lexicon()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lexicon.start
    with buffered(path) as stream:
        try:
            while data := stream.read(_BLOCK):
                parser.Parse(data, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, UnicodeError, ValueError) as error:
            raise InputError(str(path), f"cannot be parsed as XML ({error})", "download it again") from error
        except KeyError as error:
            where = f"{path}:{parser.CurrentLineNumber}"
            raise InputError(where, f"lacks the attribute {error}", "give a WN-LMF file") from error
        except LookupError as error:
            raise InputError(str(path), f"cannot be decoded ({error})", "save it as UTF-8") from error
    return lexicon
