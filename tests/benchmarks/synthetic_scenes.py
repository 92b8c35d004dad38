"""Made-up scenes at any size: a taxonomy, images of objects from any hierarchy, and problems with a planted answer.

The same seed gives the same scenes and problems.
"""

from __future__ import annotations

import numpy as np

from conceptx.annotation.scenes import Scenes
from conceptx.induction.extents import Extents, unpack
from conceptx.induction.formulas import Formula, decode, row_of
from conceptx.induction.problem import Problem
from conceptx.ontology.hierarchy import Hierarchy


def taxonomy(n_classes: int, seed: int = 1, fan: float = 6.0, second_parent: float = 0.15) -> Hierarchy:
    """Return a taxonomy: about `fan` children a class, every seventh class with a second parent nearby."""
    rng = np.random.Generator(np.random.PCG64(seed))
    child = np.arange(1, n_classes)
    parent = np.minimum((child / fan * rng.uniform(0.7, 1.3, n_classes - 1)).astype(np.int64), child - 1)
    other = np.minimum(np.maximum(parent + rng.integers(-3, 4, n_classes - 1), 0), child - 1)
    second = (rng.random(n_classes - 1) < second_parent) & (other != parent)
    edges = [*zip(child.tolist(), parent.tolist(), strict=True)]
    edges += [*zip(child[second].tolist(), other[second].tolist(), strict=True)]
    return Hierarchy.from_edges([(f"Class_{c}", f"Class_{p}") for c, p in edges])


def scenes_of(
    hierarchy: Hierarchy, n_images: int, *, objects: int = 10, vocabulary: int = 5000, kinds: int = 12, seed: int = 1
) -> Scenes:
    """Return images of `objects` objects with classes from a random vocabulary; a kind of image prefers some of them.

    Half of the objects are drawn from the taste of the image's kind, half by Zipf's law.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    size = min(vocabulary, len(hierarchy))
    words = rng.choice(len(hierarchy), size, replace=False)
    common = 1 / (np.arange(size) + 5.0)
    taste = 0.5 * rng.dirichlet(np.full(size, 0.05), size=kinds) + 0.5 * common / common.sum()
    kind = rng.integers(kinds, size=n_images)
    labels = np.empty((n_images, objects), dtype=np.int64)
    for k in range(kinds):
        chosen = np.flatnonzero(kind == k)
        labels[chosen] = rng.choice(size, size=(len(chosen), objects), p=taste[k])
    names = tuple(f"image {i}" for i in range(n_images))
    things = np.arange(n_images * objects, dtype=np.int32) + n_images
    return Scenes(
        hierarchy,
        names,
        names + tuple(f"object {i}" for i in range(len(things))),
        things,
        words[labels.ravel()].astype(np.int32),
        {"contains": (np.repeat(np.arange(n_images, dtype=np.int32), objects), things)},
    )


def planted_formula(
    rng: np.random.Generator, extents: Extents, length: int, least: float = 0.03, most: float = 0.4
) -> tuple[Formula, np.ndarray]:
    """Draw a formula of `length` atoms, each of which matters, that holds for `least` to `most` of the images."""
    n = extents.n_images
    everything = np.full(extents.packed.shape[1], ~np.uint64(0))
    single = np.flatnonzero((extents.lengths == 1) & (extents.counts >= 0.02 * n))
    while True:
        chosen = [int(a) for a in rng.choice(single, size=length, replace=False)] + [0] * (3 - length)
        form = int(rng.integers({1: 1, 2: 8, 3: 64}[length]))
        formula = decode((length, *chosen, form))
        held = unpack(row_of(formula, extents.packed, everything), n)
        if not least * n <= held.sum() <= most * n:
            continue
        rows = unpack(extents.packed[chosen[:length]], n)
        different = [min(np.count_nonzero(row != held), np.count_nonzero(row == held)) for row in rows]
        if length == 1 or min(different) >= 0.1 * held.sum():
            return formula, held


def planted_problem(
    extents: Extents, seed: int, positives: int = 100, negatives: int = 300, wrong: int = 3
) -> tuple[tuple[int, int, int], Problem]:
    """Return atoms (t0, t1, t2) and a problem that ``t0 and (t1 or t2)`` answers but for `wrong` images on each side.

    Each alternative is needed for at least a quarter of the positive images, and ``t0`` alone has many more.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    n = extents.n_images
    single = np.flatnonzero((extents.lengths == 1) & (extents.counts >= positives // 2) & (extents.counts <= 0.7 * n))
    while True:
        t0, t1, t2 = (int(a) for a in rng.choice(single, size=3, replace=False))
        a, b, c = unpack(extents.packed[[t0, t1, t2]], n)
        held = a & (b | c)
        parts = [np.count_nonzero(part) for part in (a & b & ~c, a & c & ~b)]
        if held.sum() < positives or min(parts) < held.sum() // 4 or a.sum() < 1.5 * held.sum():
            continue
        outside = np.flatnonzero(~held)
        if len(outside) < negatives + wrong:
            continue
        inside = rng.permutation(np.flatnonzero(held))
        other = rng.permutation(outside)
        right, taken = positives - wrong, inside[positives - wrong : positives]
        positive, negative = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        positive[inside[:right]] = True
        positive[other[:wrong]] = True
        negative[taken] = True
        negative[other[wrong : wrong + negatives - len(taken)]] = True
        return (t0, t1, t2), Problem(positive, negative)
