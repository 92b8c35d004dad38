"""Labels to classes: 1,000 labels against millions of names, and nearest meaning by the local sentence model.

Run ``python tests/benchmarks/bench_mapping.py [--classes 100000] [--wordnet FOLDER]``. The second part needs the extra
`sentences` and WordNet's database (Debian's `wordnet-base`); each is left out where it is missing. It says how often
the shortlist holds what a comparison with every name finds, and how often the nearest class is the right one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.annotation.mapping import map_labels
from conceptx.ontology import Hierarchy, store
from conceptx.ontology.build import build_wordnet
from conceptx.ontology.compile import compile_graph
from conceptx.ontology.forms import folded, singular_form
from conceptx.ontology.lookup import Lookup
from conceptx.ontology.records import ClassGraph
from tests.benchmarks.synthetic_hierarchy import ROOT, category_graph


def main() -> None:
    """Measure both parts and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=100_000)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mapping(options.classes, Path(folder) / "categories")
        if (options.wordnet / "data.noun").is_file():
            meaning(build_wordnet(options.wordnet, Path(folder) / "wordnet"))


def mapping(n: int, folder: Path) -> None:
    """Map 1,000 labels: a third exact, a third in other forms, a third misspelt; beside exact names only."""
    graph = category_graph(n)
    compiled = compile_graph(ClassGraph(graph.names.cast(pa.large_binary()), graph.child, graph.parent), "", ROOT)
    store.write_columns(folder, compiled.columns)
    hierarchy = Hierarchy.open(folder)
    start = time.perf_counter()
    lookup = Lookup(hierarchy)
    built = time.perf_counter() - start
    random = np.random.Generator(np.random.PCG64(7))
    labels = []
    for k, i in enumerate(random.integers(0, len(hierarchy), 1000).tolist()):
        label = hierarchy.label(i) if k % 3 == 0 else hierarchy.label(i).lower().replace(" ", "-")
        place = int(random.integers(1, len(label)))
        labels.append(label if k % 3 < 2 else label[:place] + "q" + label[place:])
    start = time.perf_counter()
    rows = map_labels(labels, hierarchy, lookup=lookup).rows
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    exact = sum(hierarchy.get(label.replace(" ", "_")) is not None for label in labels)
    naive = time.perf_counter() - start
    found = sum(row.class_name is not None for row in rows)
    print(f"{len(hierarchy):,} classes: index {built:.1f} s, 1,000 labels {seconds:.2f} s, {found} mapped")
    print(f"  exact names only (the published way): {naive:.3f} s, {exact} mapped")


def meaning(hierarchy: Hierarchy, n: int = 300) -> None:
    """Hide nouns from their synset and look them up by meaning: shortlist against all names, right against wrong."""
    try:
        from conceptx.annotation import sentence
        from conceptx.annotation.sentence_model import open_encoder

        encoder = open_encoder()
    except Exception as error:  # whatever a missing or broken package raises, the first part stands
        print(f"sentence model left out: {error}")
        return
    texts, owners = sentence._texts(hierarchy)
    forms = [singular_form(folded(text)) for text in texts]
    seen, names = Counter(forms), np.bincount(owners)
    fit = [k for k, t in enumerate(texts) if seen[forms[k]] == 1 and names[owners[k]] > 1 and t.islower()]
    asked = np.random.Generator(np.random.PCG64(1)).choice(fit, n, replace=False)
    start = time.perf_counter()
    every = encoder.encode(texts)
    whole = time.perf_counter() - start
    pieces = sentence._pieces(hierarchy, encoder, sentence.silent)
    start = time.perf_counter()
    labels = [texts[k] for k in asked]
    lists = sentence._shortlists(labels, texts, encoder, pieces, sentence.silent)
    short = time.perf_counter() - start
    read = np.unique(lists)
    start = time.perf_counter()
    encoder.encode([texts[k] for k in read])
    short += time.perf_counter() - start
    held, right = 0, np.zeros((n, 2))
    for row, k in enumerate(asked.tolist()):
        cosines = every @ every[k]
        cosines[k] = -1
        best = int(np.argmax(cosines))
        held += best in lists[row]
        other = float(cosines[owners != owners[best]].max())
        right[row, 0] = sentence.confidence(float(cosines[best]), float(cosines[best]) - other)
        right[row, 1] = owners[best] in hierarchy.ancestors(int(owners[k]))
    print(f"{len(texts):,} names by meaning, {n} labels: {short:.0f} s by shortlist (all names: {whole:.0f} s)")
    print(f"  the shortlist holds the nearest name of all for {held / n:.1%} of the labels")
    for low, high in ((0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 1)):
        inside = (right[:, 0] >= low) & (right[:, 0] < high)
        if inside.any():
            share, said = right[inside, 1].mean(), right[inside, 0].mean()
            print(f"  confidence {low:.1f} to {high:.1f}: {inside.sum():4d} labels, {said:.2f} said, {share:.2f} right")


if __name__ == "__main__":
    main()
