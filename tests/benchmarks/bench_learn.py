"""How fast `learn` answers the problems over a family, beside plain Python sets in the same run.

Run with ``python tests/benchmarks/bench_learn.py``. It makes a family and asks for eighteen kinds of relatives; where
``CONCEPTX_SHARED_DATA`` is set it also answers Ontolearn's eighteen published family problems. Then a knowledge base
of 1,000 scenes over 1,000 classes, with a planted answer.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.annotation.evaluate import holds
from conceptx.expressions import parse
from conceptx.induction.individuals.knowledge import KnowledgeBase, load
from conceptx.induction.individuals.search import learn
from conceptx.induction.individuals.settings import Settings
from conceptx.induction.individuals.space import Space
from tests.induction.individuals.worlds import everything

TYPE, SUB = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>", "<http://www.w3.org/2000/01/rdf-schema#subClassOf>"
NS = "http://example.org/bench#"
RELATIVES = {
    "Father": "Male and hasChild some owl:Thing",
    "Mother": "Female and hasChild some owl:Thing",
    "Son": "Male and hasParent some owl:Thing",
    "Daughter": "Female and hasParent some owl:Thing",
    "Brother": "Male and hasSibling some owl:Thing",
    "Sister": "Female and hasSibling some owl:Thing",
    "Sibling": "hasSibling some owl:Thing",
    "Grandfather": "Male and hasChild some (hasChild some owl:Thing)",
    "Grandmother": "Female and hasChild some (hasChild some owl:Thing)",
    "Grandson": "Male and hasParent some (hasParent some owl:Thing)",
    "Granddaughter": "Female and hasParent some (hasParent some owl:Thing)",
    "Great-grandson": "Male and hasParent some (hasParent some (hasParent some owl:Thing))",
    "Great-granddaughter": "Female and hasParent some (hasParent some (hasParent some owl:Thing))",
    "Nephew": "Male and hasParent some (hasSibling some owl:Thing)",
    "Uncle by blood": "Male and hasSibling some (hasChild some owl:Thing)",
    "Aunt by blood": "Female and hasSibling some (hasChild some owl:Thing)",
    "Parent of many": "hasChild min 3 owl:Thing",
    "Has only sons": "hasChild some owl:Thing and hasChild only Male",
}


def family(seed: int, folder: Path) -> KnowledgeBase:
    """Return four generations of people."""
    rng = np.random.Generator(np.random.PCG64(seed))
    lines = [f"<{NS}{c}> {SUB} <{NS}Person> ." for c in ("Male", "Female")]
    people = 0

    def person() -> int:
        nonlocal people
        people += 1
        lines.append(f"<{NS}p{people}> {TYPE} <{NS}{'Male' if rng.random() < 0.5 else 'Female'}> .")
        return people

    def link(a: int, role: str, b: int) -> None:
        lines.append(f"<{NS}p{a}> <{NS}{role}> <{NS}p{b}> .")

    couples = [(person(), person()) for _ in range(14)]
    for _ in range(3):
        following = []
        for one, other in couples:
            children = [person() for _ in range(int(rng.integers(1, 5)))]
            for child in children:
                for parent in (one, other):
                    link(parent, "hasChild", child)
                    link(child, "hasParent", parent)
                for sibling in children:
                    if sibling != child:
                        link(child, "hasSibling", sibling)
            following += [(child, person()) for child in children if rng.random() < 0.6]
        couples = following
    path = folder / "family.nt"
    path.write_text("\n".join(lines) + "\n")
    return load(path)


Examples = tuple[list[int], list[int]]


def sides(kb: KnowledgeBase, text: str) -> Examples:
    """Return the members of a class and the others."""
    held = holds(parse(text), kb.scenes)
    return np.flatnonzero(held).tolist(), np.flatnonzero(~held).tolist()


def naive(kb: KnowledgeBase, problems: Sequence[Examples], longest: int) -> tuple[float, int]:
    """Return the seconds of the same enumeration with Python sets, and how many problems it solves."""
    start = time.process_time()
    extents = everything(kb, longest)
    solved = 0
    for positives, negatives in problems:
        p, n = set(positives), set(negatives)
        solved += any(p <= extent and not extent & n for extent in extents)
    return time.process_time() - start, solved


def run(kb: KnowledgeBase, problems: dict[str, Examples]) -> None:
    """Answer all problems over one knowledge base and print what each took."""
    settings = Settings(top=1)
    learn(kb, *next(iter(problems.values())), settings)
    wall, cpu = time.perf_counter(), time.process_time()
    space = Space(kb)
    answers = {name: learn(kb, *sides_, settings, space) for name, sides_ in problems.items()}
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for name, answer in answers.items():
        best = answer.solutions[0]
        proven = "proven" if best.optimal else f"complete to {answer.complete}"
        print(f"  {name:20} F1 {best.f1:.3f} {best.length:2d} symbols, {proven:14} {answer.seconds:6.3f} s {best.text}")
    perfect = sum(answer.solutions[0].f1 == 1.0 for answer in answers.values())
    print(
        f"  {perfect} of {len(problems)} without a mistake in {wall:.2f} s, {cpu:.2f} s of CPU; {space.used:,} extents"
    )
    reached = Space(kb)
    start = time.process_time()
    reached.grow(5)
    ours = time.process_time() - start
    seconds, solved = naive(kb, list(problems.values()), 5)
    print(f"  plain sets, lengths up to 5: {seconds:.2f} s of CPU, {solved} of {len(problems)} solved;", end=" ")
    print(f"ours, the same lengths: {ours:.4f} s ({seconds / max(ours, 1e-9):,.0f} ×)")


def scenes(folder: Path, n_images: int = 1000, n_classes: int = 1000) -> None:
    """Answer problems over scenes with a planted class; P 100, N 300, of P six are noise."""
    rng = np.random.Generator(np.random.PCG64(0))
    lines = [f"<{NS}C{i}> {SUB} <{NS}C{rng.integers(0, i // 4 + 1)}> ." for i in range(20, n_classes)]
    weight = rng.permutation(1 / np.arange(1, n_classes + 1) ** 0.7)
    kinds = rng.choice(n_classes, size=(n_images, 10), p=weight / weight.sum())
    for i in range(n_images):
        for k in range(10):
            lines.append(f"<{NS}img{i}> <{NS}hasObject> <{NS}o{i}_{k}> .")
            lines.append(f"<{NS}o{i}_{k}> {TYPE} <{NS}C{kinds[i, k]}> .")
    path = folder / "scenes.nt"
    path.write_text("\n".join(lines) + "\n")
    start = time.perf_counter()
    kb = load(path)
    loaded = time.perf_counter() - start
    print(f"{n_images:,} scenes, {len(kb):,} individuals, {n_classes:,} classes: loaded in {loaded:.2f} s")
    images = np.array([kb.place(f"img{i}") for i in range(n_images)])
    space = Space(kb)
    done = 0
    while done < 4:
        a, b, c = rng.integers(0, n_classes, 3)
        text = f"hasObject some C{a} and hasObject some (C{b} or C{c})"
        if any(f"C{x}" not in kb.scenes.hierarchy for x in (a, b, c)):
            continue
        held = holds(parse(text), kb.scenes)[images]
        if not 94 <= held.sum() <= 200:
            continue
        inside, outside = rng.permutation(images[held]), rng.permutation(images[~held])
        positives = [*inside[:94].tolist(), *outside[300:306].tolist()]
        answer = learn(kb, positives, outside[:300].tolist(), Settings(top=1), space)
        best = answer.solutions[0]
        planted = 2 * 94 / (94 + 100)
        print(
            f"  planted F1 {planted:.3f}, found {best.f1:.3f} in {answer.seconds:.2f} s: {best.text}  (planted: {text})"
        )
        done += 1


def main() -> None:
    """Print every measurement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kb = family(1, folder)
        print(f"a family of {len(kb)}, 18 problems")
        run(kb, {title: sides(kb, text) for title, text in RELATIVES.items()})
        shared = os.environ.get("CONCEPTX_SHARED_DATA")
        if shared:
            base = Path(shared) / "owl" / "ontolearn-family"
            start = time.perf_counter()
            kb = load(base / "family-benchmark_rich_background.owl")
            print(f"Ontolearn's family: loaded in {time.perf_counter() - start:.2f} s")
            stated = json.loads((base / "lp_family.json").read_text())
            run(
                kb, {t: ([kb.places[i] for i in p["pos"]], [kb.places[i] for i in p["neg"]]) for t, p in stated.items()}
            )
        scenes(folder)


if __name__ == "__main__":
    main()
