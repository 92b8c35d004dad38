"""Hierarchies at Wikipedia's size: compiling, opening, asking, looking up, and what other tools need for the same.

Run ``python tests/benchmarks/bench_ontology.py [--classes 2000000] [--others 100000]``. The other tools get a graph of
`--others` classes: as many as ours by default (rdflib needs 4 GB for a million), and 0 leaves them out. Every figure
stands beside a baseline that is measured in the same run.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.ontology import Hierarchy
from conceptx.ontology.build import WikipediaOptions, build_wikipedia
from conceptx.ontology.csr import rows
from conceptx.ontology.cycles import break_cycles
from conceptx.ontology.forms import folded, singular_form
from conceptx.ontology.lookup import Lookup
from conceptx.ontology.sources.sqldump import DumpReader
from tests.benchmarks.synthetic_hierarchy import CategoryGraph, category_graph, write_dumps, write_ntriples


def main() -> None:
    """Measure everything and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=100_000)
    parser.add_argument("--others", type=int, help="classes for pyoxigraph, owlready2, rdflib and ours side by side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph = category_graph(options.classes)
        print(f"{options.classes:,} categories, {len(graph.child):,} links")
        compiling(graph, Path(folder))
        asking(Path(folder) / "out")
        looking_up(Path(folder) / "out")
        cycles(graph)
        resuming(graph, Path(folder))
        wanted = options.classes if options.others is None else options.others
        if wanted:
            others(wanted, Path(folder))


def compiling(graph: CategoryGraph, folder: Path) -> None:
    """SQL text to columns, and dumps to a compiled hierarchy."""
    size = write_dumps(folder / "dumps", graph)
    build_wikipedia(*_small(folder))  # the compiled loops are loaded once
    links = folder / "dumps" / "enwiki-20260101-categorylinks.sql"
    only = ("cl_type", b"subcat")

    def read() -> int:
        reader = DumpReader(links, "categorylinks", ("cl_from", "cl_target_id"), (), only)
        return sum(len(piece.numbers["cl_from"]) for piece in reader.run())

    seconds, _ = timed(read)
    baseline, _ = timed(lambda: sum(len(line) for line in links.open("rb")))
    speed = links.stat().st_size / 1e6 / seconds
    print(f"reading SQL rows      {speed:8.0f} MB/s ({seconds:.2f} s; only splitting the lines: {baseline:.2f} s)")
    seconds, h = timed(lambda: build_wikipedia(folder / "dumps", folder / "out", WikipediaOptions()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"dumps → compiled      {seconds:8.1f} s, {size / 1e6 / seconds:.0f} MB of SQL a second, {peak:.0f} MB at most"
    )
    print(f"  {h}, {len(h.removed):,} edges left out")


def _small(folder: Path) -> tuple[Path, Path]:
    write_dumps(folder / "small", category_graph(20_000))
    return folder / "small", folder / "small_out"


_OPEN = """
import os, sys, time
import numpy as np
from conceptx.ontology.hierarchy import Hierarchy
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
t = time.perf_counter(); h = Hierarchy.open(sys.argv[1]); opened = time.perf_counter() - t
print(f"opening               {opened * 1e3:8.1f} ms, {resident():.0f} MB resident in all")
ids = np.random.Generator(np.random.PCG64(0)).integers(0, len(h), 1000)
t = time.perf_counter(); a = h.ancestors(ids); first = time.perf_counter() - t
t = time.perf_counter(); a = h.ancestors(ids); again = time.perf_counter() - t
print(f"ancestors of 1,000    {first * 1e3:8.1f} ms, again {again * 1e3:.1f} ms ({len(a):,} classes)")
"""


def asking(compiled: Path) -> None:
    """Opening and ancestors, in a process of their own; ancestors one by one beside a walk over Python sets."""
    print(
        subprocess.run([sys.executable, "-c", _OPEN, str(compiled)], check=True, capture_output=True, text=True).stdout,
        end="",
    )
    h = Hierarchy.open(compiled)
    ids = np.random.Generator(np.random.PCG64(0)).integers(0, len(h), 1000)
    h.ancestor_sets(ids)
    ours, _ = timed(lambda: h.ancestor_sets(ids))

    def walk() -> int:
        total = 0
        for i in ids.tolist():
            found, waiting = {i}, [i]
            while waiting:
                for p in h.parents(waiting.pop()).tolist():
                    if p not in found:
                        found.add(p)
                        waiting.append(p)
            total += len(found)
        return total

    slow, _ = timed(walk)
    print(f"each one's ancestors  {ours * 1e3:8.1f} ms for 1,000 sets (Python sets: {slow * 1e3:.0f} ms)")


def looking_up(compiled: Path) -> None:
    """1,000 labels with two misspellings each, beside a scan over length buckets with rapidfuzz."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    h = Hierarchy.open(compiled)
    built, lookup = timed(lambda: Lookup(h))
    opened, lookup = timed(lambda: Lookup(h))
    random = np.random.Generator(np.random.PCG64(3))
    labels = []
    for i in random.integers(0, len(h), 1000).tolist():
        letters = list(h.label(i).lower())
        for place in random.integers(0, len(letters), 2).tolist():
            letters[place] = "abcdefgh"[random.integers(0, 8)]
        labels.append("".join(letters))
    ours, found = timed(lambda: lookup.many(labels))
    buckets: dict[int, list[str]] = {}
    for name in h.names:
        form = singular_form(folded(name))
        buckets.setdefault(len(form), []).append(form)
    few = labels[:20]

    def scan() -> int:
        hits = 0
        for label in few:
            form = singular_form(folded(label))
            near = [f for length in range(len(form) - 2, len(form) + 3) for f in buckets.get(length, ())]
            hits += bool(process.extractOne(form, near, scorer=Levenshtein.distance, score_cutoff=2))
        return hits

    slow, hits = timed(scan)
    slow *= len(labels) / len(few)
    hit = sum(map(bool, found))
    print(f"lookup index          {built:8.1f} s to build, {opened * 1e3:.1f} ms to open")
    print(f"1,000 misspelt labels {ours:8.2f} s, {hit} found")
    print(f"  rapidfuzz over length buckets: {slow:.1f} s ({slow / ours:.0f}×), {hits} of {len(few)} found")


def cycles(graph: CategoryGraph) -> None:
    """Edges kept, beside the published method: breadth-first, drop every edge to a category visited earlier."""
    n = len(graph.names)
    parent, child = graph.parent.astype(np.int32), graph.child.astype(np.int32)
    order = np.lexsort((child, parent))
    parent, child = parent[order], child[order]
    seconds, broken = timed(lambda: break_cycles(n, parent, child, 0))
    ours = len(parent) - int(broken.removed.sum())
    indptr, indices = rows(n, parent, child)
    published = _published(n, indptr.tolist(), indices.tolist())
    lost = len(parent) - ours
    print(f"cycles                {seconds:8.1f} s; {ours:,} of {len(parent):,} edges kept, {lost:,} left out")
    dropped = len(parent) - published
    print(f"  published method: {published:,} kept, {dropped:,} left out ({dropped / max(lost, 1):.0f}×)")


def _published(n: int, indptr: list[int], indices: list[int]) -> int:
    seen = bytearray(n)
    seen[0] = 1
    waiting, kept = deque([0]), 0
    while waiting:
        node = waiting.popleft()
        for child in indices[indptr[node] : indptr[node + 1]]:
            if not seen[child]:
                seen[child] = 1
                kept += 1
                waiting.append(child)
    return kept


def resuming(graph: CategoryGraph, folder: Path) -> None:
    """A build that is killed half-way and taken up again, beside the build that was not."""
    write_dumps(folder / "dumps", graph)
    command = [sys.executable, "-c", _BUILD, str(folder / "dumps"), str(folder / "resumed")]
    whole, _ = timed(lambda: subprocess.run([*command[:-1], str(folder / "whole")], check=True))
    with subprocess.Popen(command) as process:
        time.sleep(whole / 2)
        process.kill()
    if (folder / "resumed").exists():
        print("killed half-way       nothing was left to do")
        return
    again, _ = timed(lambda: subprocess.run(command, check=True))
    same = all(p.read_bytes() == (folder / "resumed" / p.name).read_bytes() for p in (folder / "whole").iterdir())
    outcome = "the same bytes" if same else "OTHER BYTES"
    print(f"killed half-way       {again:8.1f} s to go on ({whole:.1f} s at once), {outcome}")


_BUILD = """
import sys
from pathlib import Path
from conceptx.ontology.build import build_wikipedia
from conceptx.ontology.sources import sqldump, wikipedia
wikipedia._KEPT_EVERY = min(wikipedia._KEPT_EVERY, max(p.stat().st_size for p in Path(sys.argv[1]).iterdir()) // 8)
build_wikipedia(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def others(n: int, folder: Path) -> None:
    """One N-Triples file here and in the other tools: load it, list the classes, ancestors of 600 of them."""
    graph = category_graph(n)
    onward = graph.parent < graph.child  # the others do not break cycles
    graph = CategoryGraph(graph.names, graph.child[onward], graph.parent[onward])
    path = folder / "graph.nt"
    write_ntriples(path, graph)
    some = np.random.Generator(np.random.PCG64(2)).integers(1, n, 600)
    asked = folder / "asked.txt"
    asked.write_text("\n".join(_BASE + graph.names[int(i)].as_py() for i in some), encoding="utf-8")
    print(f"{n:,} classes, {len(graph.child):,} axioms as N-Triples, {path.stat().st_size / 1e6:.0f} MB:")
    print(f"  {'':<22}{'load':>10}{'ancestors of 600':>20}{'peak memory':>14}{'found':>12}")
    ours: list[float] = []
    codes = (("ours, from the file", _OURS), ("ours, compiled", _COMPILED))
    for name, code in (*codes, ("pyoxigraph", _PYOXIGRAPH), ("owlready2", _OWLREADY2), ("rdflib", _RDFLIB)):
        command = [sys.executable, "-c", _SHARED + code, str(path), str(asked), str(folder / "compiled")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"  {name:<22}not installed or failed: {done.stderr.strip().splitlines()[-1][:90]}")
            continue
        load, ask, memory, found = map(float, done.stdout.split())
        ours = [*ours, load, ask]
        against = f"   {load / ours[2]:,.0f}× and {ask / ours[3]:,.0f}× ours" if len(ours) > 4 else ""
        print(f"  {name:<22}{load:8.3f} s{ask:18.4f} s{memory:11,.0f} MB{int(found):12,}{against}")


_BASE = "http://example.org/category/"
_SHARED = """
import re, sys, time
asked = open(sys.argv[2], encoding="utf-8").read().split("\\n")
SUB = "http://www.w3.org/2000/01/rdf-schema#subClassOf"
def report(load, ask, found):
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
    print(load, ask, int(peak) / 1024, found)
t = time.perf_counter()
"""
_OURS = """
from conceptx.ontology import open_ontology
h = open_ontology(sys.argv[1]); loaded = time.perf_counter() - t
h.save(sys.argv[3])
ids = [h.id(a.rpartition("/")[2]) for a in asked]
h.ancestor_sets(ids); t = time.perf_counter()
found = len(h.ancestor_sets(ids)[1]); report(loaded, time.perf_counter() - t, found)
"""
_COMPILED = """
from conceptx.ontology.hierarchy import Hierarchy
t = time.perf_counter()
h = Hierarchy.open(sys.argv[3]); loaded = time.perf_counter() - t
ids = [h.id(a.rpartition("/")[2]) for a in asked]
h.ancestor_sets(ids); t = time.perf_counter()
found = len(h.ancestor_sets(ids)[1]); report(loaded, time.perf_counter() - t, found)
"""
_RDFLIB = """
import rdflib
t = time.perf_counter()
g = rdflib.Graph().parse(sys.argv[1], format="nt"); loaded = time.perf_counter() - t
t = time.perf_counter()
found = sum(len(set(g.transitive_objects(rdflib.URIRef(a), rdflib.URIRef(SUB)))) for a in asked)
report(loaded, time.perf_counter() - t, found)
"""
_OWLREADY2 = """
import owlready2
t = time.perf_counter()
world = owlready2.World()
list(world.get_ontology("http://example.org/category/").load(fileobj=open(sys.argv[1], "rb")).classes())
loaded = time.perf_counter() - t
t = time.perf_counter()
found = sum(len(world[a].ancestors()) - 1 for a in asked); report(loaded, time.perf_counter() - t, found)
"""
_PYOXIGRAPH = """
import pyoxigraph as ox
t = time.perf_counter(); s = ox.Store()
s.bulk_load(path=sys.argv[1], format=ox.RdfFormat.N_TRIPLES); loaded = time.perf_counter() - t
below, found, t = ox.NamedNode(SUB), 0, time.perf_counter()
for a in asked:
    met = {ox.NamedNode(a)}; waiting = list(met)
    while waiting:
        fresh = {q.object for q in s.quads_for_pattern(waiting.pop(), below, None, None)} - met
        met |= fresh; waiting += fresh
    found += len(met)
report(loaded, time.perf_counter() - t, found)
"""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long `work` took and what it gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
