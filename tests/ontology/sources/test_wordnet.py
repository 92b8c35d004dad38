"""WordNet's database files, in a few lines that the test writes in their form."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.ontology.build import build_wordnet
from conceptx.ontology.lookup import Lookup

DATA = """  1 This licence stands at the top of the file.
00000100 03 n 01 entity 0 001 ~ 00000200 n 0000 | that which is
00000200 06 n 02 furniture 0 piece_of_furniture 0 001 @ 00000100 n 0000 | movables
00000300 06 n 01 bed 0 001 @ 00000200 n 0000 | a place to sleep
00000400 06 n 02 bed 1 bottom 1 002 @ 00000100 n 0000 + 00000900 v 0101 | a depression
00000500 18 n 01 Paris 0 001 @i 00000100 n 0000 | an instance
"""
INDEX = """  1 This licence stands at the top of the file.
bed n 2 2 @ ~ 2 1 00000300 00000400
furniture n 1 1 @ 1 1 00000200
"""


def test_synsets_lemmas_and_senses(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    h = build_wordnet(tmp_path, tmp_path / "out")
    assert set(h.names) == {"entity.n.01", "furniture.n.01", "bed.n.01", "bed.n.02", "paris.n.01"}
    assert h.parents(h.id("bed.n.01")).tolist() == [h.id("furniture.n.01")]
    assert h.parents(h.id("paris.n.01")).tolist() == [h.id("entity.n.01")]
    assert h.synonyms(h.id("furniture.n.01")) == ("piece of furniture",)
    assert h.label(h.id("paris.n.01")) == "Paris"
    assert Lookup(h).candidates("bed.n.01")[0].name == "bed.n.01"


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no 'data\.noun'"):
        build_wordnet(tmp_path, tmp_path / "out")
    (tmp_path / "data.noun").write_text("child\tparent\n")
    with pytest.raises(InputError, match=r"data\.noun:1: is no line of a WordNet database: 'child\\tparent"):
        build_wordnet(tmp_path, tmp_path / "out")


LMF = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://127.0.0.1:9/WN-LMF-1.1.dtd">
<LexicalResource><Lexicon id="x" language="en">
<LexicalEntry id="e1"><Lemma writtenForm="entity" partOfSpeech="n"/><Sense id="s1" synset="y1"/></LexicalEntry>
<LexicalEntry id="e2"><Lemma writtenForm="furniture" partOfSpeech="n"/><Sense id="s2" synset="y2"/></LexicalEntry>
<LexicalEntry id="e3"><Lemma writtenForm="bed" partOfSpeech="n"/><Sense id="s3" synset="y3"/>
  <Sense id="s4" synset="y4"/></LexicalEntry>
<LexicalEntry id="e4"><Lemma writtenForm="bed" partOfSpeech="v"/><Sense id="s5" synset="y5"/></LexicalEntry>
<LexicalEntry id="e5"><Lemma writtenForm="bottom" partOfSpeech="n"/><Sense id="s6" synset="y4"/></LexicalEntry>
<LexicalEntry id="e6"><Lemma writtenForm="piece of furniture" partOfSpeech="n"/>
  <Sense id="s7" synset="y2"/></LexicalEntry>
<LexicalEntry id="e7"><Lemma writtenForm="Paris" partOfSpeech="n"/><Sense id="s8" synset="y6"/></LexicalEntry>
<Synset id="y1" partOfSpeech="n"/>
<Synset id="y2" partOfSpeech="n" members="e2 e6"><SynsetRelation relType="hypernym" target="y1"/></Synset>
<Synset id="y3" partOfSpeech="n"><SynsetRelation relType="hypernym" target="y2"/></Synset>
<Synset id="y4" partOfSpeech="n" members="s4 s6"><SynsetRelation relType="hypernym" target="y1"/>
  <SynsetRelation relType="hyponym" target="y3"/></Synset>
<Synset id="y5" partOfSpeech="v"><SynsetRelation relType="hypernym" target="y9"/></Synset>
<Synset id="y6" partOfSpeech="n"><SynsetRelation relType="instance_hypernym" target="y1"/></Synset>
</Lexicon></LexicalResource>"""


@pytest.mark.parametrize("ending", ["xml", "xml.gz"])
def test_the_same_wordnet_as_xml(tmp_path: Path, ending: str) -> None:
    data = LMF.encode()
    (tmp_path / f"wn.{ending}").write_bytes(gzip.compress(data) if ending == "xml.gz" else data)
    h = build_wordnet(tmp_path / f"wn.{ending}", tmp_path / "out")
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    assert h.digest == build_wordnet(tmp_path, tmp_path / "other").digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<rdf/>", "is XML with the root element 'rdf', not a WordNet"),
        ("<LexicalResource/>", "holds no noun synsets with lemmas"),
        ("<LexicalResource><Lemma/></LexicalResource>", "wn.xml:1: lacks the attribute 'writtenForm'"),
        ("<LexicalResource><Lemma", "cannot be parsed as XML"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///x">]><LexicalResource/>', "declares the XML entity 'a'"),
    ],
)
def test_other_xml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "wn.xml").write_text(text)
    with pytest.raises(InputError) as error:
        build_wordnet(tmp_path / "wn.xml", tmp_path / "out")
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()
