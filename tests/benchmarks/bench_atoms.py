"""How fast atoms are built, beside one class after the other in numpy; how many there are of each kind.

Run with ``python tests/benchmarks/bench_atoms.py [images] [classes]``; by default 20,000 images and 100,000 classes.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.annotation.scenes import Scenes
from conceptx.induction.atoms import KINDS, MAKERS
from conceptx.induction.extents import atoms, pack
from conceptx.ontology.hierarchy import Hierarchy


def world(n_images: int, n_classes: int, objects: int = 10, seed: int = 0) -> Scenes:
    """Return images with so many objects each, of leaf classes with skewed frequencies; colours, relations, sizes."""
    rng = np.random.Generator(np.random.PCG64(seed))
    leaves = n_classes // 3
    inner = n_classes - leaves
    edges = [(f"C{i}", f"C{int(rng.integers(max(1, i // 4)))}") for i in range(1, inner)]
    edges += [(f"C{i}", f"C{int(rng.integers(i))}") for i in rng.choice(np.arange(2, inner), inner // 5)]
    edges += [(f"L{i}", f"C{int(rng.integers(inner // 10, inner))}") for i in range(leaves)]
    hierarchy = Hierarchy.from_edges([*edges, *((colour, "Colours") for colour in ("Red", "Green", "Blue"))])
    share = 1 / np.arange(1, leaves + 1) ** 0.7
    n_objects = n_images * objects
    of = np.arange(n_images, n_images + n_objects)
    image = np.repeat(np.arange(n_images), objects)
    ids = np.array([hierarchy.id(f"L{i}") for i in range(leaves)])
    kind = ids[rng.choice(leaves, size=n_objects, p=share / share.sum())]
    coloured = of[rng.random(n_objects) < 0.5]
    values = np.arange(n_images + n_objects, n_images + n_objects + len(coloured))
    colours = np.array([hierarchy.id(c) for c in ("Red", "Green", "Blue")])[rng.integers(3, size=len(coloured))]
    above = of[rng.random(n_objects) < 0.1]
    below = n_images + (above - n_images) // objects * objects + rng.integers(objects, size=len(above))
    apart = above != below
    names = tuple(f"image {k}" for k in range(n_images))
    return Scenes(
        hierarchy,
        names,
        (*names, *(f"thing {k}" for k in range(n_objects + len(coloured)))),
        np.concatenate([of, values]),
        np.concatenate([kind, colours]),
        {"contains": (image, of), "hasColor": (coloured, values), "on": (above[apart], below[apart])},
        {"hasArea": (of, rng.random(n_objects))},
    )


def one_by_one(scenes: Scenes, share: int) -> float:
    """Seconds for the rows of all classes, from every `share`-th: members, their images, a packed row."""
    image_of = np.full(scenes.n_individuals, -1)
    source, target = scenes.roles["contains"]
    image_of[target] = source
    start = time.process_time()
    seen: dict[bytes, int] = {}
    for c in scenes.closure.classes[::share]:
        held = np.zeros(scenes.n_images, dtype=bool)
        images = image_of[scenes.closure.members(int(c))]
        held[images[images >= 0]] = True
        seen.setdefault(pack(held).tobytes(), int(c))
    return (time.process_time() - start) * share


def main() -> None:
    """Print every measurement."""
    n_images, n_classes = (int(x) for x in (sys.argv[1:3] or ("20000", "100000")))
    scenes = world(n_images, n_classes)
    start = time.process_time()
    print(f"{n_images:,} images, {n_classes:,} classes, {len(scenes.closure.classes):,} of them with instances")
    print(f"  closure: {time.process_time() - start:.2f} s")
    slow = one_by_one(scenes, 20)
    for kinds in (("classes",), KINDS, *((kind,) for kind in MAKERS if kind not in KINDS), tuple(MAKERS)):
        start = time.process_time()
        found = atoms(scenes, kinds, min_support=max(5, n_images // 200))
        spent = time.process_time() - start
        beside = f", one class after the other {slow:.2f} s ({slow / spent:.0f} ×)" if kinds == ("classes",) else ""
        name = "all kinds" if kinds == tuple(MAKERS) else " + ".join(kinds)
        print(f"  {name}: {len(found):,} distinct in {spent:.2f} s{beside}")
    print(f"  largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
