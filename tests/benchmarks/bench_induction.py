"""How fast the search is, beside plain numpy and others in the same run; how often a beam misses; what is proven.

Run ``python tests/benchmarks/bench_induction.py [section …]`` with the sections first, published, scenes, wide, large,
small, memory and cold (all by default; wide, large and memory take minutes and up to 6 GB).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from synthetic_hierarchy import category_graph
from synthetic_scenes import planted_formula, planted_problem, scenes_of, taxonomy

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.induction import Settings, induce, induce_problem
from conceptx.induction.extents import Extents, atoms, restrict
from conceptx.induction.index import Index, first_level
from conceptx.induction.optimal import in_threads, work
from conceptx.induction.problem import Problem, target
from conceptx.ontology.hierarchy import Hierarchy
from tests.induction.worlds import plant, random_scenes

CACHE = Path(tempfile.gettempdir()) / "conceptx-benchmarks"


def main() -> None:
    """Print every measurement, or those of the sections that are named."""
    for name in sys.argv[1:] or list(SECTIONS):
        print(f"--- {name}", flush=True)
        SECTIONS[name]()


def seconds(job: Callable[[], Any], repeat: int = 3) -> float:
    """Return the shortest time of some runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def resident() -> float:
    """Return the highest memory use of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def wikipedia(n: int = 2_000_000) -> Path:
    """Return the folder of a compiled made-up category graph; it is made once."""
    folder = CACHE / f"categories-{n}"
    if not folder.is_dir():
        graph = category_graph(n)
        names = graph.names.to_pylist()
        edges = [(names[c], names[p]) for c, p in zip(graph.child.tolist(), graph.parent.tolist(), strict=True)]
        Hierarchy.from_edges(edges).save(folder)
    return folder


def first() -> None:
    """64 units × 100,000 classes × 20,000 images with 7.8 million entries: the first level and what else there is."""
    from scipy import sparse

    rng = np.random.Generator(np.random.PCG64(0))
    n, classes, units, entries = 20_000, 100_000, 64, 7_800_000
    sizes = np.minimum(rng.pareto(0.9, classes) * 4 + 1, n // 2).astype(np.int64)
    sizes = np.maximum((sizes * (entries / sizes.sum())).astype(np.int64), 1)
    packed = np.zeros((classes, -(-n // 64)), dtype=np.uint64)
    for a in range(classes):
        images = rng.integers(n, size=sizes[a])
        np.bitwise_or.at(packed[a], images // 64, np.uint64(1) << (images % 64).astype(np.uint64))
    counts = np.bitwise_count(packed).sum(axis=1, dtype=np.int64)
    index = Index(packed, counts, np.ones(classes, dtype=np.int64), np.zeros(n))
    goals = [g for g in (target(v, "correlation", 100) for v in rng.standard_normal((units, n))) if g is not None]
    ours = seconds(lambda: first_level(index, goals))
    halves = [goals[: units // 2], goals[units // 2 :]]
    both = seconds(lambda: list(in_threads(lambda half: first_level(index, half), halves, 2)))
    starts, images, _, _ = index.sparse()
    matrix = sparse.csr_matrix((np.ones(len(images)), images, starts), shape=(classes, n))
    values = np.stack([g.q for g in goals], axis=1)
    product = seconds(lambda: matrix @ values, 2)
    assert np.array_equal(matrix @ values, first_level(index, goals).T)
    block = np.unpackbits(packed[:2000].view(np.uint8), axis=1, bitorder="little")[:, :n].astype(np.float32)
    small = values.astype(np.float32)
    dense = seconds(lambda: block @ small, 2) * classes / 2000
    planes = packed[:2000, None, :] & packed[None, :1, :]
    bits = seconds(lambda: np.bitwise_count(planes), 2) * classes / 2000 * units
    stream = np.ones(1 << 25)
    bandwidth = stream.nbytes / seconds(lambda: stream.sum())
    read, added = packed.nbytes / bandwidth, len(images) * units * 8 / bandwidth
    print(f"  {len(images):,} entries; ours {ours:.3f} s on one core, {both:.3f} s on two, exact")
    print(f"  scipy sparse float64 {product:.3f} s, numpy float32 product {dense:.2f} s, numpy bit counts {bits:.2f} s")
    print(f"  memory bandwidth {bandwidth / 1e9:.1f} GB/s: reading the bits {read:.3f} s ({ours / read:.1f} ×),")
    print(f"  reading every added value once {added:.3f} s ({ours / added:.2f} ×, {both / added:.2f} × on two)")


def published() -> None:
    """1,370 images of 10 objects, 64 units of 1 to 61 positive images, 2 million classes, length ≤ 3."""
    folder = wikipedia()
    rng = np.random.Generator(np.random.PCG64(3))
    scenes = scenes_of(Hierarchy.open(folder), 1370, vocabulary=500)
    warm = replace(PROTOCOL, max_length=3)
    values = np.maximum(rng.standard_normal((64, 1370)), 0)
    values[np.arange(64), rng.integers(1370, size=64)] += 3
    extents = atoms(scenes, ("classes",))
    for i in range(64):
        held = planted_formula(rng, extents, 1 + i % 3, 0.01, 0.1)[1]
        values[i] *= 0.15
        values[i, rng.permutation(np.flatnonzero(held))[: int(rng.integers(1, 62))]] += 3
    induce(scenes, values[:2], warm, extents=extents)
    start = time.perf_counter()
    hierarchy = Hierarchy.open(folder)
    scenes = Scenes(hierarchy, scenes.images, scenes.individuals, scenes.type_of, scenes.type_class, scenes.roles)
    opened = time.perf_counter()
    extents = atoms(scenes, ("classes",))
    made = time.perf_counter()
    found = induce(scenes, values, warm, extents=extents)
    done = time.perf_counter()
    proven = np.mean([u.hypotheses[0].optimal for u in found if u.hypotheses])
    induce(scenes, values, replace(warm, search="beam"), extents=extents)
    beamed = time.perf_counter() - done
    print(f"  {len(extents):,} distinct extents; opening {opened - start:.2f} s, atoms {made - opened:.2f} s,")
    print(f"  search {done - made:.2f} s for 64 units, certified {proven:.0%}; {done - start:.2f} s in all")
    print(f"  by beam {beamed:.2f} s, {made - start + beamed:.2f} s in all")
    problem = Problem(values[0] >= 0.8 * values[0].max(), values[0] <= 0.2 * values[0].max())
    print(f"  plain numpy, the same formulas of one unit: about {_naive(restrict(extents, problem.used)[0]):,.0f} s")


def _naive(extents: Extents) -> float:
    """Seconds for all formulas of three atoms in numpy, from a sample of pairs: masks, sums, scores."""
    held = extents.unpacked()[extents.lengths == 1]
    x = np.random.Generator(np.random.PCG64(0)).standard_normal(held.shape[1])
    step = max(1, len(held) // 3)
    pairs = [(i, j) for i in range(0, len(held), step) for j in range(i + 1, len(held), step)][:3]

    def job() -> None:
        for i, j in pairs:
            for a in (held[i], ~held[i]):
                for b in (held[j], ~held[j]):
                    for rows in (held & (a & b), held | (a & b), held & (a | b), held | (a | b)):
                        size = rows.sum(axis=1)
                        np.abs(rows @ x) / np.sqrt(np.maximum(size * (len(x) - size), 1))

    return seconds(job, 1) / len(pairs) * len(held) * (len(held) - 1) / 2


def scenes() -> None:
    """1,000 images, 1,000 to 100,000 classes, 100 positive and 300 negative images, planted T0 and (T1 or T2)."""
    for n in (1000, 10_000, 100_000):
        world = scenes_of(taxonomy(n), 1000, vocabulary=min(n // 2, 20_000))
        extents = atoms(world, ("classes",))
        settings = Settings(objective="f1", atoms=("classes",))
        problems = [planted_problem(extents, seed) for seed in range(20)]
        for search in ("auto", "beam"):
            asked = replace(settings, search=search)
            induce_problem(world, problems[0][1], asked, extents=extents)
            times, reached, certified = [], 0, 0
            for (t0, t1, t2), problem in problems:
                start = time.perf_counter()
                found = induce_problem(world, problem, asked, extents=extents)
                times.append(time.perf_counter() - start)
                a, b, c = extents.unpacked()[[t0, t1, t2]]
                held = a & (b | c)
                right = np.count_nonzero(held & problem.positive)
                planted = 2 * right / (np.count_nonzero(held & problem.used) + np.count_nonzero(problem.positive))
                reached += found.hypotheses[0].score >= planted - 1e-12
                certified += found.hypotheses[0].optimal
            print(
                f"  {n:7,} classes, {len(extents):6,} extents, {search:5} {np.median(times) * 1e3:6.1f} ms a problem "
                f"(slowest {max(times) * 1e3:.0f}), planted score reached in {reached} of 20, certified {certified}"
            )


def wide() -> None:
    """A base of 2 million classes, about 30,000 distinct extents of 1,370 images: proofs and beams, unit by unit."""
    world = scenes_of(Hierarchy.open(wikipedia()), 1370, vocabulary=10_000)
    for objective, least in (("correlation", 7), ("f1", 1)):
        extents = atoms(world, ("classes",), min_support=least)
        print(f"  {len(extents):,} distinct extents of {least} images and more, objective {objective}")
        for noise in (0.1, 0.2, 0.3, 0.5, 1.0):
            rng = np.random.Generator(np.random.PCG64(20))
            planted = [planted_formula(rng, extents, 1 + i % 3)[1] for i in range(12)]
            values = np.stack([held + noise * rng.standard_normal(1370) for held in planted])
            _units(world, extents, values, Settings(objective, atoms=("classes",), min_support=least), f"noise {noise}")


def _units(world: Scenes, extents: Extents, values: np.ndarray, settings: Settings, name: str) -> None:
    outcomes, spent = {}, {}
    for search in ("auto", "beam"):
        asked = replace(settings, search=search)
        induce(world, values[:1], asked, extents=extents)
        start = time.perf_counter()
        outcomes[search] = induce(world, values, asked, extents=extents)
        spent[search] = (time.perf_counter() - start) / len(values)
    proven = [u.hypotheses[0].optimal for u in outcomes["auto"]]
    pairs = list(zip(outcomes["auto"], outcomes["beam"], strict=True))
    below = [b.hypotheses[0].score < a.hypotheses[0].score * (1 - 1e-12) for a, b in pairs]
    of_proven = np.mean(np.array(below)[proven]) if any(proven) else float("nan")
    gaps = [u.hypotheses[0].bound - u.hypotheses[0].score for u in outcomes["auto"] if not u.hypotheses[0].optimal]
    gap = f", median gap of the others {np.median(gaps):.3f}" if gaps else ""
    print(
        f"  {name}: {spent['auto'] * 1e3:5.0f} ms a unit, certified {np.mean(proven):4.0%}{gap}; beam "
        f"{spent['beam'] * 1e3:4.0f} ms a unit, below the certified optimum for {of_proven:.0%}",
        flush=True,
    )


def large() -> None:
    """20,000 images, 100,000 classes, by beam: 2,048 units, and the curve in images and units."""
    hierarchy = taxonomy(100_000)
    rng = np.random.Generator(np.random.PCG64(5))
    for images, units in ((5000, 64), (10_000, 64), (20_000, 64), (20_000, 128), (20_000, 256), (20_000, 2048)):
        world = scenes_of(hierarchy, images, vocabulary=20_000)
        extents = atoms(world, ("classes",), min_support=images // 200)
        values = rng.standard_normal((units, images), dtype=np.float32)
        values += extents.unpacked()[rng.integers(len(extents), size=units)]
        start = time.perf_counter()
        induce(world, values, Settings(search="beam", atoms=("classes",)), extents=extents)
        spent = time.perf_counter() - start
        print(
            f"  {images:6,} images × {units:5,} units, {len(extents):,} extents: {spent:6.1f} s, "
            f"{spent / units * 1e3:.0f} ms a unit, {spent / units / images * 1e6:.2f} µs a unit and image, "
            f"{resident():.1f} GB at most",
            flush=True,
        )


def small() -> None:
    """Worlds like the built-in one: recovery of planted units, certified units, and what the beam misses."""
    for noise in (0.5, 1.0):
        for seed in (20, 21, 22):
            rng = np.random.Generator(np.random.PCG64(seed))
            world = random_scenes(rng, 1800)
            extents = atoms(world, ("classes",), min_support=9)
            chosen = [plant(rng, extents, length, 9) for length in (1, 2, 3) for _ in range(20)]
            values = np.stack([p.held + noise * rng.standard_normal(1800) for p in chosen])
            sets = work(extents.lengths, 3)
            name = f"{len(extents)} extents ({sets / 1e6:.1f} million sets), noise {noise}, seed {seed}"
            _units(world, extents, values, Settings(atoms=("classes",)), name)
            found = induce(world, values, Settings(atoms=("classes",)), extents=extents)
            same = [
                u.proposed is not None and np.array_equal(evaluate(u.proposed.expression, world), p.held)
                for u, p in zip(found, chosen, strict=True)
            ]
            print(f"    the planted extent is proposed for {np.mean(same):.0%}")


def memory() -> None:
    """1 million images × 20,000 distinct extents: indexing, the first level of 16 units, one unit's beam."""
    code = f"""
import sys, time, resource
sys.path.insert(0, {str(HERE.parents[1])!r})
import numpy as np
from conceptx.induction.index import Index, first_level
from conceptx.induction.problem import target
from conceptx.induction.branch import bounded
rng = np.random.Generator(np.random.PCG64(0))
n, extents = 1_000_000, 20_000
packed = np.empty((extents, n // 64), dtype=np.uint64)
for first in range(0, extents, 100):
    a, b, c = rng.integers(1 << 64, size=(3, 100, n // 64), dtype=np.uint64)
    packed[first : first + 100] = a & b & c
counts = np.concatenate([np.bitwise_count(packed[i : i + 100]).sum(axis=1, dtype=np.int64)
                         for i in range(0, extents, 100)])
index = Index(packed, counts, np.ones(extents, dtype=np.int64), rng.integers(1 << 30, size=n).astype(float))
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(f"  rows {{packed.nbytes / 1e9:.2f}} GB, process {{most():.2f}} GB", flush=True)
goals = [target(v, "correlation", 5000) for v in rng.standard_normal((16, n))]
first_level(Index(packed[:10], counts[:10], np.ones(10, dtype=np.int64), index.marks), goals)
start = time.perf_counter(); first_level(index, goals)
print(f"  first level of 16 units {{time.perf_counter() - start:.1f}} s, process {{most():.2f}} GB", flush=True)
start = time.perf_counter(); proof = bounded(index, goals[:1])[0]
print(f"  one unit {{time.perf_counter() - start:.1f}} s, certified {{proof.certified}}, process {{most():.2f}} GB")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def cold() -> None:
    """A first search in a fresh process with an empty cache of machine code, and with a full one."""
    code = f"""
import sys, time
sys.path.insert(0, {str(HERE.parents[1])!r})
import numpy as np
from conceptx.induction import Settings, induce
from conceptx.induction.extents import atoms
from tests.induction.worlds import random_scenes
rng = np.random.Generator(np.random.PCG64(1))
world = random_scenes(rng, 400)
values = rng.standard_normal((16, 400))
extents = atoms(world, ("classes",), min_support=5)
for name, budget in (("enumeration", 50_000_000), ("branch and bound", 1)):
    start, cpu = time.perf_counter(), time.process_time()
    induce(world, values, Settings(budget=budget, atoms=("classes",), workers=1), extents=extents)
    spent = time.process_time() - cpu
    print(f"    {{name}} of 16 units: {{time.perf_counter() - start:.1f}} s, {{spent:.1f}} s of processor time")
"""
    with tempfile.TemporaryDirectory() as folder:
        for state in ("empty", "full"):
            print(f"  {state} cache", flush=True)
            subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_CACHE_DIR": folder})


PROTOCOL = Settings("coverage", atoms=("classes",), positive_from=0.8, negative_to=0.2)
SECTIONS: dict[str, Callable[[], None]] = {
    "first": first,
    "published": published,
    "scenes": scenes,
    "small": small,
    "cold": cold,
    "wide": wide,
    "large": large,
    "memory": memory,
}

if __name__ == "__main__":
    main()
