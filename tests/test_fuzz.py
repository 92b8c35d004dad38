"""Every format that is read, with bytes flipped, cut out, doubled and cut off: an answer, or one clear sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptx.errors import InputError
from tests.images.formats.fixtures import path_of
from tests.ontology.dumps import write_wiki

FIXTURES = Path(__file__).parents[1] / "data" / "fixtures"
SHIPPED = FIXTURES / "images"
FEW, MANY = 12, 400

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Format:
    """The files of a whole example, and what reads the folder that they lie in."""

    make: Callable[[Path], object]
    read: Callable[[Path], object]


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    """Return what writes an example of one file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


# ------------------------------------------------------------------------------------------------ class hierarchies

LINKS = [("Food", "Main_topic_classifications"), ("Fruit", "Food"), ("Apples", "Fruit"), ("Food", "Apples")]
TURTLE = """@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
:Bed a owl:Class ; rdfs:subClassOf :Furniture ; rdfs:label "bed"@en ; skos:altLabel "bunk"@en .
:Furniture a owl:Class ; owl:equivalentClass :Movable . :Movable a owl:Class .
"""
TRIPLES = """<http://x/a> <http://www.w3.org/2004/02/skos/core#broader> <http://x/b> .
<http://x/b> <http://www.w3.org/2004/02/skos/core#broader> <http://x/c> .
<http://x/a> <http://www.w3.org/2004/02/skos/core#prefLabel> "caf\\u00E9 \\"a\\""@en .
"""
XML = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="http://www.w3.org/2002/07/owl#"
 xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xml:base="http://x/">
<owl:Class rdf:about="#Bed"><rdfs:subClassOf rdf:resource="#Furniture"/><rdfs:label>bed</rdfs:label></owl:Class>
</rdf:RDF>
"""
NOUNS = """  1 This is a licence line.
00001740 03 n 02 entity 0 thing 0 001 ~ 00001930 n 0000 | that which is
00001930 03 n 01 physical_entity 0 001 @ 00001740 n 0000 | an entity that has a body
"""
LMF = """<?xml version="1.0" encoding="UTF-8"?>
<LexicalResource><Lexicon id="x" language="en">
<LexicalEntry id="w1"><Lemma writtenForm="bed" partOfSpeech="n"/><Sense id="s1" synset="y1"/></LexicalEntry>
<LexicalEntry id="w2"><Lemma writtenForm="furniture" partOfSpeech="n"/><Sense id="s2" synset="y2"/></LexicalEntry>
<Synset id="y1" partOfSpeech="n"><SynsetRelation relType="hypernym" target="y2"/></Synset>
<Synset id="y2" partOfSpeech="n"/></Lexicon></LexicalResource>
"""


EDGES = "child\tparent\nbed\tfurniture\ncaf\u00e9\tplace\nsofa, couch\tfurniture\n"


QUADS = "<http://x/a> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://x/b> <http://x/g> .\n" * 3
JSONLD = """{"@context": {"sub": "http://www.w3.org/2000/01/rdf-schema#subClassOf"}, "@id": "http://x/a",
 "sub": [{"@id": "http://x/b"}, {"@id": "http://x/c"}]}"""


def read_wikipedia(folder: Path) -> object:
    from conceptx.ontology.build import build_wikipedia

    return build_wikipedia(folder / "dumps", folder / "out")


def read_class_graph(kind: str, name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from conceptx.ontology import build

        return getattr(build, f"build_{kind}")(folder / name, folder / "out")

    return read


def write_edges(folder: Path) -> None:
    pq.write_table(pa.table({"child": ["bed", "chair"], "parent": ["furniture", "furniture"]}), folder / "e.parquet")


def write_quadstore(folder: Path) -> None:
    from conceptx.ontology import Hierarchy
    from conceptx.ontology.export import export

    export(Hierarchy.from_edges([("bed", "furniture"), ("cup", "thing")]), folder / "x.sqlite3")


def write_hierarchy(folder: Path) -> None:
    from conceptx.ontology import Hierarchy

    edges = [("bed", "furniture"), ("furniture", "thing"), ("thing", "bed"), ("cup", "thing")]
    Hierarchy.from_edges(edges, labels={"bed": "the bed"}, synonyms={"cup": ["mug"]}).save(folder / "h")


def read_hierarchy(folder: Path) -> object:
    from conceptx.ontology import Hierarchy

    hierarchy = Hierarchy.open(folder / "h")
    hierarchy.verify()
    return hierarchy.removed, hierarchy.ancestors(hierarchy.id("bed")), list(hierarchy.names)


# ------------------------------------------------------------------------------------------------ tables and requests

RUN = """model = "resnet18"
weights = "none"
layers = ["layer1.0", "fc"]
images = "folder:pictures"
max_bad = 0.02
seed = 3
image_classes = true
preprocess = {size = 32, crop = 24, mean = [0.5, 0.5, 0.5], std = [0.2, 0.2, 0.2]}
"""
PROTOCOL = """base = "dalal2024"
name = "mine"
objective = "f1"
max_length = 3
negation = true
fractions = [0.5, 0.3, 0.2]
margins = [0.0, 0.2]
controls = ["shuffled", "noise"]
n_controls = 40
"""
MAPPING = """#curie_map:
#  class: "urn:conceptx:class:"
subject_id\tsubject_label\tpredicate_id\tobject_id\tmapping_justification\tconfidence\tother
label:bed\tbed\tskos:exactMatch\tclass:Bed\tsemapv:LexicalMatching\t0.93\tsuggested=skos:exactMatch class:Bed
label:cup\t"c\tup"\tskos:closeMatch\tsssom:NoTermFound\tsemapv:ManualMappingCuration\t1\t
"""
ACTIVATIONS = 'image,u0,u1\na,0.5,1\nb,-1e3,2\n"c,d",0,0.25\n'
LABELS = 'image,label,object,split\na,bed,1,induction\nb,"sofa, couch",1,evaluation\nc,cup,2,verification\n'
EXPRESSIONS = """# a comment
Female and hasChild some (Male or not Female)
hasChild min 2 owl:Thing
\u2203 hasChild.\u22a4 \u2293 \u00acMale
"""


def read_request(folder: Path) -> object:
    from conceptx.request import read_request, write_request

    request = read_request(folder / "run.toml").checked()
    write_request(folder / "again.toml", request)
    assert read_request(folder / "again.toml") == request
    return request


def read_protocol(folder: Path) -> object:
    from conceptx.verification.protocol import load_protocol

    return load_protocol(folder / "p.toml").describe()


def read_mapping(folder: Path) -> object:
    from conceptx.annotation.sssom import read_sssom, write_sssom

    found = read_sssom(folder / "m.sssom.tsv")
    write_sssom(folder / "again.tsv", found)
    return read_sssom(folder / "again.tsv")


def read_with(function: str, name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from conceptx import tables

        return getattr(tables, function)(folder / name)

    return read


def write_npz(folder: Path) -> None:
    np.savez_compressed(folder / "a.npz", values=np.eye(3, 40, dtype=np.float32), images=np.arange(40).astype(str))


def write_activations(folder: Path) -> None:
    columns = {"image": list("abcd"), "u0": [0.5, 1, 2, 3], "u1": [1, 2, 3, 4]}
    pq.write_table(pa.table(columns), folder / "a.parquet")


# ------------------------------------------------------------------------------------------------ pictures and networks


def write_images(kind: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copytree(SHIPPED / kind, folder / kind)


def read_images(kind: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from conceptx.images.check import check_images
        from conceptx.images.formats import open_images

        return check_images(open_images(f"{kind}:{path_of(kind, folder / kind)}")).to_dict()

    return read


def read_picture(folder: Path) -> object:
    from conceptx.images.pictures import read_picture as read

    (path,) = folder.iterdir()
    return read(path)


def write_picture(name: str, mode: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        from PIL import Image

        pixels = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / name)

    return make


def write_store(folder: Path) -> None:
    from conceptx.activations.store import Activations, save_activations

    images = tuple(map(str, range(12)))
    save_activations(folder, Activations("fc", ("0", "1"), images, np.ones((2, 12), np.float32), {}), key="k")


def read_store(folder: Path) -> object:
    from conceptx.activations.store import open_activations, open_statistics

    found = open_activations(folder, "fc")
    return found.for_images(list(found.images)[::-1]).values.sum(), open_statistics(folder, "fc"), found.skipped


def write_weights(name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        torch = pytest.importorskip("torch")
        state = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
        if name.endswith(".safetensors"):
            pytest.importorskip("safetensors.torch").save_file(state, folder / name)
        else:
            torch.save(state, folder / name)

    return make


def read_weights(folder: Path) -> object:
    import torch

    from conceptx.activations.sources.weights import load_weights

    (path,) = folder.iterdir()
    return load_weights(torch.nn.Linear(2, 3), path)


# ------------------------------------------------------------------------------------------------ learning problems


def copied(*names: str) -> Callable[[Path], object]:
    return lambda folder: [shutil.copy(FIXTURES / "learn" / name, folder) for name in names]


def read_problem(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from conceptx.induction.problems import read_problems

        return read_problems(folder / name)

    return read


def read_knowledge(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from conceptx.induction.individuals.knowledge import load

        return load(folder / name)

    return read


def read_scores(folder: Path) -> object:
    from conceptx.induction.individuals.knowledge import load
    from conceptx.induction.individuals.scoring import read_expressions

    return read_expressions(folder / "s.txt", load(FIXTURES / "learn" / "family.ttl"))


# ------------------------------------------------------------------------------------------------ a run


@cache
def finished_run() -> Files:
    """The files of a small run up to its hypotheses, without its hierarchy and activations (see above)."""
    import tempfile

    from conceptx.pipeline import run_stages, start_run
    from conceptx.request import Request

    rng = np.random.Generator(np.random.PCG64(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        marks = rng.random((60, 3)) < 0.4
        rows = [f"i{k},{mark[0] + rng.random():.4f}" for k, mark in enumerate(marks)]
        (folder / "a.csv").write_text("\n".join(["image,u0", *rows]))
        labels = [f"i{k},{label}" for k, mark in enumerate(marks) for label in ("any", *np.array(list("xyz"))[mark])]
        (folder / "l.csv").write_text("\n".join(["image,label", *labels]))
        request = Request(activations=str(folder / "a.csv"), labels=str(folder / "l.csv"), max_length=1)
        with start_run(folder / "run", request) as run:
            run_stages(run, upto="induce")
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted((folder / "run").rglob("*"))
            if path.is_file() and path.name != ".lock"
        }


def write_run(folder: Path) -> None:
    for name, data in finished_run().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def read_run(folder: Path) -> object:
    from conceptx.artefacts import layers_of, scenes_of, settings_of, splits_of
    from conceptx.inputs import Given, image_set_of
    from conceptx.run import Run

    run = Run.open(folder / "run")
    found = repr(run), run.images.to_pylist(), run.objects.to_pylist(), run.hypotheses.to_pylist(), run.warnings
    image_set_of(run, Given())
    run.require("images", "extract", "annotate", "induce")
    return found, settings_of(run), splits_of(run), scenes_of(run), layers_of(run)


FORMATS: dict[str, Format] = {
    "wikipedia": Format(lambda folder: write_wiki(folder / "dumps", LINKS), read_wikipedia),
    "skos": Format(write("x.nt", TRIPLES), read_class_graph("skos", "x.nt")),
    "turtle": Format(write("x.ttl", TURTLE), read_class_graph("owl", "x.ttl")),
    "rdfxml": Format(write("x.owl", XML), read_class_graph("owl", "x.owl")),
    "quads": Format(write("x.nq", QUADS), read_class_graph("owl", "x.nq")),
    "jsonld": Format(write("x.jsonld", JSONLD), read_class_graph("owl", "x.jsonld")),
    "quadstore": Format(write_quadstore, read_class_graph("owl", "x.sqlite3")),
    "wordnet": Format(write("data.noun", NOUNS), read_class_graph("wordnet", "data.noun")),
    "wnlmf": Format(write("wn.xml", LMF), read_class_graph("wordnet", "wn.xml")),
    "tsv": Format(write("e.tsv", EDGES), read_class_graph("edges", "e.tsv")),
    "edges": Format(write_edges, read_class_graph("edges", "e.parquet")),
    "hierarchy": Format(write_hierarchy, read_hierarchy),
    "run.toml": Format(write("run.toml", RUN), read_request),
    "protocol": Format(write("p.toml", PROTOCOL), read_protocol),
    "sssom": Format(write("m.sssom.tsv", MAPPING), read_mapping),
    "activations": Format(write("a.csv", ACTIVATIONS), read_with("read_activations", "a.csv")),
    "parquet": Format(write_activations, read_with("read_activations", "a.parquet")),
    "npz": Format(write_npz, read_with("read_activations", "a.npz")),
    "labels": Format(write("l.csv", LABELS), read_with("read_labels", "l.csv")),
    "hypotheses": Format(write("h.tsv", "unit\texpression\nu0\tBed or Sofa\n"), read_with("read_hypotheses", "h.tsv")),
    "png": Format(write_picture("p.png", "RGB"), read_picture),
    "palette": Format(write_picture("p.gif", "P"), read_picture),
    "jpeg": Format(write_picture("p.jpg", "CMYK"), read_picture),
    "webp": Format(write_picture("p.webp", "RGB"), read_picture),
    "tiff": Format(write_picture("p.tif", "F"), read_picture),
    "store": Format(write_store, read_store),
    "weights": Format(write_weights("w.pt"), read_weights),
    "safetensors": Format(write_weights("w.safetensors"), read_weights),
    "dllearner": Format(copied("father.conf"), read_problem("father.conf")),
    "ecii": Format(copied("father.config"), read_problem("father.config")),
    "ontolearn": Format(copied("family.json"), read_problem("family.json")),
    "owl": Format(copied("family.ttl"), read_knowledge("family.ttl")),
    "kb": Format(copied("blocks.kb"), read_knowledge("blocks.kb")),
    "expressions": Format(write("s.txt", EXPRESSIONS), read_scores),
    "run": Format(write_run, read_run),
    **{kind: Format(write_images(kind), read_images(kind)) for kind in sorted(path.name for path in SHIPPED.iterdir())},
}


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with one to four changes: bits flipped, pieces cut out or doubled, extreme numbers, the end off."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not changed:
            break
        at = int(rng.integers(len(changed)))
        size = int(min(rng.integers(1, 40), len(changed) - at))
        match int(rng.integers(7)):
            case 0 | 1:
                changed[at] ^= 1 << int(rng.integers(8))
            case 2:
                changed[at] = int(rng.integers(256))
            case 3:
                del changed[at : at + size]
            case 4:
                changed[at:at] = changed[at : at + size]
            case 5:
                changed[at : at + 4] = bytes([int(rng.choice([0, 0xFF, 0x7F, 0x80]))] * min(4, len(changed) - at))
            case _:
                if rng.random() < 0.3:
                    del changed[at:]
    return bytes(changed)


def survives(kind: str, folder: Path, count: int) -> None:
    """Read `count` damaged examples of a format; whatever is raised is an `InputError` on one line."""
    example = folder / "whole"
    example.mkdir()
    made = FORMATS[kind]
    made.make(example)
    names = sorted(path.relative_to(example).as_posix() for path in example.rglob("*") if path.is_file())
    shutil.copytree(example, folder / "first")
    made.read(folder / "first")
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64([number, *kind.encode()]))
        copy = folder / "damaged"
        shutil.copytree(example, copy)
        name = names[int(rng.integers(len(names)))]
        (copy / name).write_bytes(damaged((copy / name).read_bytes(), rng))
        try:
            made.read(copy)
        except InputError as error:
            shown = f"{error.where}: {error.what}"
            assert shown.isprintable() and error.what and error.mend, (kind, number, name, shown)
        except Exception as error:
            pytest.fail(f"{kind}, number {number}, {name}: {type(error).__name__}: {error}")
        shutil.rmtree(copy)


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    survives(kind, tmp_path, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_many_damaged_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    survives(kind, tmp_path, MANY)
