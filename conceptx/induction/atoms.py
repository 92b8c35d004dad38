"""The statements that a search combines, with the images each of them holds for, as sparse rows.

`statements(scenes, kinds, …)` makes them; `extents.atoms` brings equal ones together. A statement is ``contains some
C``, or ``contains some (C and X)`` with a condition X on the object; everything is computed for all classes at once by
products of sparse matrices (individuals × classes, individuals × images).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from conceptx.annotation.scenes import Scenes
from conceptx.expressions import (
    CONTAINS,
    And,
    Count,
    Expression,
    Named,
    Not,
    Role,
    Some,
    Value,
    contains,
    to_manchester,
)
from conceptx.induction.rows import Ints
from conceptx.induction.vocabulary import Sparse, Vocabulary, matrix, rows_of, tidy

KINDS = ("classes", "attributes", "relations")
"""The kinds that are combined unless others are asked for."""
MAX_ROLE_ATOMS = 500
"""So many statements of each kind but classes are kept: the most specific ones."""

_MAX_COUNT = 10
_CUTS = (0.1, 0.25, 0.5, 0.75, 0.9)
_BLOCK = 1 << 24
_TRIED = 40


@dataclass(frozen=True, slots=True, eq=False)
class Statements:
    """Expressions with their depth (see `Vocabulary.levels`); the k-th holds for images[starts[k]:starts[k + 1]]."""

    expressions: Sequence[Expression]
    depths: Ints
    starts: Ints
    images: npt.NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.expressions)


@dataclass(frozen=True, slots=True, eq=False)
class _Conditions:
    """Conditions on objects: which individuals meet each (conditions × individuals), and how specific it is.

    `own` holds those of them that suggest the condition, because what it names is asserted right there. `order` ranks
    conditions that are equally specific: by its first text, then the class that is conjoined, then the second.
    """

    expressions: list[Expression]
    order: list[tuple[str, str]]
    depths: Ints
    met: Sparse
    own: Sparse


def statements(scenes: Scenes, kinds: Sequence[str], *, image_classes: bool, min_support: int) -> Statements:
    """Return the statements of these kinds that hold for `min_support` images and fail for as many (at least one)."""
    vocabulary = Vocabulary(scenes)
    least = max(min_support, 1)
    found = [MAKERS[kind](vocabulary, least) for kind in MAKERS if kind in kinds]
    if image_classes:
        found.append(_image_classes(vocabulary, least))
    sizes = [np.zeros(1, np.int64), *(np.diff(part.starts) for part in found)]
    return Statements(
        [e for part in found for e in part.expressions],
        np.concatenate([np.zeros(0, np.int64), *(part.depths for part in found)]),
        np.cumsum(np.concatenate(sizes)),
        np.concatenate([np.zeros(0, np.int64), *(part.images for part in found)]),
    )


def _classes(v: Vocabulary, least: int) -> Statements:
    held = v.held
    kept = _supported(np.diff(held.indptr), least, v.scenes.n_images)
    return _take(held, kept, [contains(Named(v.names[k])) for k in kept], v.levels[kept])


def _image_classes(v: Vocabulary, least: int) -> Statements:
    held = tidy(v.members[:, : v.scenes.n_images])
    kept = _supported(np.diff(held.indptr), least, v.scenes.n_images)
    return _take(held, kept, [Named(v.names[k]) for k in kept], v.levels[kept])


def _counts(v: Vocabulary, least: int) -> Statements:
    """Return ``contains min n C`` for n from 2 on, where fewer images have n than n - 1 objects of C."""
    n_images = v.scenes.n_images
    counted = tidy(v.members @ v.contained)
    rows = np.repeat(np.arange(counted.shape[0]), np.diff(counted.indptr))
    before = np.diff(counted.indptr)
    found: list[tuple[int, int, int]] = []
    for n in range(2, _MAX_COUNT + 1):
        sizes = np.bincount(rows[counted.data >= n], minlength=len(before))
        fit = (sizes >= least) & (sizes <= n_images - least) & (sizes < before)
        found += [(-int(v.levels[k]), n, int(k)) for k in np.flatnonzero(fit)]
        before = sizes
    chosen = sorted(found, key=lambda f: (f[0], f[1], v.names[f[2]]))[:MAX_ROLE_ATOMS]
    parts = []
    for _, n, k in chosen:
        row = slice(counted.indptr[k], counted.indptr[k + 1])
        parts.append(counted.indices[row][counted.data[row] >= n])
    expressions = [Count("min", n, CONTAINS, Named(v.names[k])) for _, n, k in chosen]
    return _take(rows_of(parts, n_images), np.arange(len(parts)), expressions, np.array([-d for d, _, _ in chosen]))


def _attributes(v: Vocabulary, least: int) -> Statements:
    """Return ``contains some (C and role some D)`` for roles to attribute values, D as asserted, C any class."""
    return _conditioned(v, [_successors(v, role, v.asserted) for role in v.roles(attributes=True)], v.classes_of, least)


def _relations(v: Vocabulary, least: int) -> Statements:
    """Return the same for roles between objects, C and D as asserted or right above."""
    return _conditioned(v, [_successors(v, role, v.near) for role in v.roles(attributes=False)], v.near, least)


def _inverses(v: Vocabulary, least: int) -> Statements:
    """Return ``contains some (C and inverse role some D)`` for roles between objects."""
    turned = [Role(role.name, inverse=True) for role in v.roles(attributes=False)]
    return _conditioned(v, [_successors(v, role, v.near) for role in turned], v.near, least)


def _nested(v: Vocabulary, least: int) -> Statements:
    """Return ``contains some (C and role some (D and other some E))``: what a related object has or is related to."""
    relations = v.roles(attributes=False)
    inner = [_successors(v, role, v.asserted) for role in (*v.roles(attributes=True), *relations)]
    objects = _objects(v, inner)
    return _conditioned(v, [_reaching(v, role, objects) for role in relations], v.near, least, narrower=True)


def _thresholds(v: Vocabulary, least: int) -> Statements:
    """Return ``contains some (C and number some xsd:double[>= t])`` (and ``<= t``) at quantiles t of the number."""
    held = np.diff(v.contained.indptr) > 0
    values: list[Value] = []
    parts = []
    for name, (of, value) in v.scenes.numbers.items():
        inside = held[of]
        cuts = np.quantile(value[inside], _CUTS).tolist() if inside.any() else []
        for cut in sorted({float(f"{q:.2g}") for q in cuts}):
            values += [Value(name, ">=", cut), Value(name, "<=", cut)]
            parts += [np.unique(of[inside & (value >= cut)]), np.unique(of[inside & (value <= cut)])]
    met = rows_of(parts, v.scenes.n_individuals)
    order = [(to_manchester(value), "") for value in values]
    conditions = _Conditions(list(values), order, np.zeros(len(parts), np.int64), met, met)
    return _conditioned(v, [conditions], v.classes_of, least, narrower=True)


def _conjunctions(v: Vocabulary, least: int) -> Statements:
    """Return ``contains some (A and B)`` for classes A and B that are asserted of one object."""
    several = v.asserted[np.flatnonzero(np.diff(v.asserted.indptr) > 1)]
    a, b = (c.astype(np.int64) for c in tidy(several.T @ several).tocoo().coords)
    rank = np.empty(len(v.names), dtype=np.int64)
    rank[sorted(range(len(v.names)), key=v.names.__getitem__)] = np.arange(len(v.names))
    fresh = rank[a] < rank[b]
    return _of_two(v, a[fresh], b[fresh], least, negated=False)


def _negations(v: Vocabulary, least: int) -> Statements:
    """Return ``contains some (A and not B)`` for classes A right above B."""
    b, a = (c.astype(np.int64) for c in v.parents.tocoo().coords)
    return _of_two(v, a, b, least, negated=True)


MAKERS: dict[str, Callable[[Vocabulary, int], Statements]] = {
    "classes": _classes,
    "attributes": _attributes,
    "relations": _relations,
    "counts": _counts,
    "thresholds": _thresholds,
    "inverses": _inverses,
    "nested": _nested,
    "conjunctions": _conjunctions,
    "negations": _negations,
}
"""Every kind of statement: `KINDS`, and those that a user may add."""


# ------------------------------------------------------------------------------------------- conditions on objects


def _successors(v: Vocabulary, role: Role, targets: Sparse) -> _Conditions:
    """Return ``role some D`` for every class D of a target, as `targets` (individuals × classes) has it."""
    links = v.adjacency(role)
    own = tidy((links @ targets).T)
    kept = np.flatnonzero(np.diff(own.indptr))
    met = tidy((links @ v.classes_of).T)[kept]
    expressions: list[Expression] = [Some(role, Named(v.names[d])) for d in kept]
    return _Conditions(expressions, [(role.name, v.names[d]) for d in kept], v.levels[kept], met, own[kept])


def _objects(v: Vocabulary, conditions: Sequence[_Conditions]) -> _Conditions:
    """Return ``D and X`` for conditions X and classes D that are asserted of an object that suggests X."""
    expressions: list[Expression] = []
    order: list[tuple[str, str]] = []
    depths, rows = [np.zeros(0, np.int64)], [rows_of([], v.scenes.n_individuals)]
    for given in conditions:
        for k, c, individuals in _joined(v, given, v.asserted):
            expressions += [And((Named(v.names[j]), given.expressions[i])) for i, j in zip(k, c, strict=True)]
            order += [("".join(given.order[i]), v.names[j]) for i, j in zip(k, c, strict=True)]
            depths.append(given.depths[k] + v.levels[c])
            rows.append(individuals)
    met = tidy(sparse.vstack(rows, format="csr"))
    depth = np.concatenate(depths)
    best = _most_specific(depth, lambda p: order[p], 4 * MAX_ROLE_ATOMS)
    return _Conditions([expressions[p] for p in best], [order[p] for p in best], depth[best], met[best], met[best])


def _reaching(v: Vocabulary, role: Role, objects: _Conditions) -> _Conditions:
    """Return ``role some X`` for conditions X."""
    met = tidy((v.adjacency(role) @ objects.met.T).T)
    expressions: list[Expression] = [Some(role, e) for e in objects.expressions]
    return _Conditions(expressions, [(role.name, to_manchester(e)) for e in expressions], objects.depths, met, met)


def _joined(v: Vocabulary, conditions: _Conditions, classes: Sparse) -> Iterator[tuple[Ints, Ints, Sparse]]:
    """Yield in blocks the pairs (condition, class) that an individual suggests, and who meets both.

    `classes` (individuals × classes) says which classes an individual suggests; members are all that the closure has.
    """
    n_classes, n = len(v.names), v.scenes.n_individuals
    suggested = tidy(conditions.own @ classes)
    wanted = np.repeat(np.arange(suggested.shape[0]), np.diff(suggested.indptr)) * n_classes + suggested.indices
    grown = np.diff(v.classes_of.indptr)
    work = np.cumsum(conditions.met @ grown)
    cuts = (np.flatnonzero(np.diff(work // _BLOCK)) + 1).tolist()
    for first, last in pairwise([0, *cuts, len(work)] if len(work) else []):
        met = conditions.met[first:last]
        condition = np.repeat(np.arange(first, last), np.diff(met.indptr))
        counts = grown[met.indices]
        starts = v.classes_of.indptr[met.indices]
        places = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        code = np.repeat(condition, counts) * n_classes + v.classes_of.indices[places]
        at = np.searchsorted(wanted, code)
        kept = wanted[np.minimum(at, len(wanted) - 1)] == code if len(wanted) else np.zeros(len(code), dtype=bool)
        who = np.repeat(met.indices, counts)[kept]
        low = int(suggested.indptr[first])
        high = int(suggested.indptr[last])
        individuals = matrix(at[kept] - low, who, (high - low, n))
        yield wanted[low:high] // n_classes, wanted[low:high] % n_classes, individuals


def _conditioned(
    v: Vocabulary, conditions: Sequence[_Conditions], classes: Sparse, least: int, *, narrower: bool = False
) -> Statements:
    """Return ``contains some (C and X)`` for the most specific pairs of a condition and a class with support.

    With `narrower` only those that fewer images have than C.
    """
    n_images = v.scenes.n_images
    depths, rows = [np.zeros(0, np.int64)], [rows_of([], n_images)]
    pairs: list[tuple[_Conditions, int, int]] = []
    for given in conditions:
        for k, c, individuals in _joined(v, given, classes):
            held = tidy(individuals @ v.contained)
            sizes = np.diff(held.indptr)
            fit = (sizes >= least) & (sizes <= n_images - least)
            if narrower:
                fit &= sizes < v.class_sizes[c]
            kept = np.flatnonzero(fit)
            pairs += [(given, int(i), int(j)) for i, j in zip(k[kept], c[kept], strict=True)]
            depths.append(given.depths[k[kept]] + v.levels[c[kept]])
            rows.append(held[kept])
    depth = np.concatenate(depths)

    def order(place: int) -> tuple[str, str, str]:
        given, k, c = pairs[place]
        return given.order[k][0], v.names[c], given.order[k][1]

    best = _most_specific(depth, order, MAX_ROLE_ATOMS)
    chosen = [pairs[p] for p in best]
    expressions = [contains(And((Named(v.names[c]), given.expressions[k]))) for given, k, c in chosen]
    return _take(tidy(sparse.vstack(rows, format="csr")), best, expressions, depth[best])


def _of_two(v: Vocabulary, a: Ints, b: Ints, least: int, *, negated: bool) -> Statements:
    """Return ``contains some (A and B)``, or with `negated` ``(A and not B)``, where fewer images have it than A and B.

    The most specific pairs are tried first, a bounded number of them.
    """
    n_images = v.scenes.n_images
    tried = _most_specific(v.levels[a] + v.levels[b], lambda p: (v.names[a[p]], v.names[b[p]]), _TRIED * MAX_ROLE_ATOMS)
    places: list[Ints] = [np.zeros(0, np.int64)]
    rows = [rows_of([], n_images)]
    for first in range(0, len(tried), MAX_ROLE_ATOMS):
        if sum(map(len, places)) >= MAX_ROLE_ATOMS:
            break
        block = tried[first : first + MAX_ROLE_ATOMS]
        ours, theirs = v.members[a[block]], v.members[b[block]]
        both = ours.multiply(theirs)
        held = tidy((ours - both if negated else both) @ v.contained)
        sizes = np.diff(held.indptr)
        fit = (sizes >= least) & (sizes <= n_images - least) & (sizes < v.class_sizes[a[block]])
        if not negated:
            fit &= sizes < v.class_sizes[b[block]]
        places.append(block[fit])
        rows.append(held[np.flatnonzero(fit)])
    chosen = np.concatenate(places)[:MAX_ROLE_ATOMS]
    held = tidy(sparse.vstack(rows, format="csr"))[: len(chosen)]
    two: list[Expression] = [Not(Named(v.names[k])) if negated else Named(v.names[k]) for k in b[chosen]]
    expressions = [contains(And((Named(v.names[k]), other))) for k, other in zip(a[chosen], two, strict=True)]
    return _take(held, np.arange(len(chosen)), expressions, v.levels[a[chosen]] + v.levels[b[chosen]])


# --------------------------------------------------------------------------------------------------- sparse matrices


def _most_specific(depths: Ints, order: Callable[[int], tuple[str, ...]], most: int) -> Ints:
    """Return the places of the greatest depths, at most so many; `order` decides between equal ones."""
    if len(depths) == 0:
        return np.zeros(0, dtype=np.int64)
    least = np.partition(depths, -min(most, len(depths)))[-min(most, len(depths))]
    near = np.flatnonzero(depths >= least).tolist()
    return np.array(sorted(near, key=lambda p: (-int(depths[p]), order(p)))[:most], dtype=np.int64)


def _supported(sizes: npt.NDArray[np.integer], least: int, n_images: int) -> Ints:
    return np.flatnonzero((sizes >= least) & (sizes <= n_images - least))


def _take(held: Sparse, kept: Ints, expressions: Sequence[Expression], depths: Ints) -> Statements:
    rows = held[kept]
    return Statements(expressions, depths.astype(np.int64), rows.indptr.astype(np.int64), rows.indices)
