"""The individuals of annotated images as a graph: their classes, roles and numbers.

`Scenes` is the record that induction and verification work on; `scenes.build_scenes` makes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy

Ints = npt.NDArray[np.int32]
Pairs = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Closure:
    """Members of every class that has one, superclasses included, as a sparse matrix of classes × individuals.

    The members of `classes[k]` are `individuals[starts[k]:starts[k + 1]]`; classes and members are sorted.
    """

    classes: Ints
    starts: npt.NDArray[np.int64]
    individuals: Ints

    def members(self, class_id: int) -> Ints:
        """Return the individuals of a class, those of its subclasses included."""
        k = int(np.searchsorted(self.classes, class_id))
        if k == len(self.classes) or self.classes[k] != class_id:
            return self.individuals[:0]
        return self.individuals[self.starts[k] : self.starts[k + 1]]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Individuals (images, then objects, then attribute values), their asserted classes, roles and numbers.

    `images` are the individuals 0 … n_images - 1. `type_of[k]` is an individual of the class `type_class[k]`, as
    asserted; superclasses are in `closure`. `roles` holds pairs (source, target) of individuals, `numbers` pairs
    (individual, value). Every array is a sorted, duplicate-free, read-only copy, so that nothing derived from
    scenes can change them. Scenes are equal when their digests are.
    """

    hierarchy: Hierarchy
    images: tuple[str, ...]
    individuals: tuple[str, ...]
    type_of: Ints
    type_class: Ints
    roles: Mapping[str, Pairs]
    numbers: Mapping[str, tuple[Ints, npt.NDArray[np.float64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "images", tuple(self.images))
        put(self, "individuals", tuple(self.individuals))
        if self.individuals[: self.n_images] != self.images:
            raise ValueError("the first individuals are not the images")
        if len(set(self.images)) != self.n_images:
            name, _ = Counter(self.images).most_common(1)[0]
            raise InputError("images", f"image {name!r} appears twice", "keep one image of that name")
        n = self.n_individuals
        type_of, type_class = _sorted_pairs(self.type_of, self.type_class, n, len(self.hierarchy))
        put(self, "type_of", type_of)
        put(self, "type_class", type_class)
        put(self, "roles", {role: _sorted_pairs(*self.roles[role], n, n) for role in sorted(self.roles)})
        put(self, "numbers", {name: _sorted_values(*self.numbers[name], n) for name in sorted(self.numbers)})

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.hierarchy, self.images, self.individuals, self.type_of, self.type_class, self.roles, self.numbers)
        return Scenes, parts

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Scenes) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Scenes({self.n_images} images, {self.n_individuals} individuals, {len(self.type_of)} types)"

    @property
    def n_images(self) -> int:
        """The number of images."""
        return len(self.images)

    @property
    def n_individuals(self) -> int:
        """The number of images, objects and attribute values together."""
        return len(self.individuals)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the hierarchy, the individuals' names and all assertions."""
        h = sha256(f"{self.hierarchy.digest} {self.n_images} {self.n_individuals}".encode())

        def add(name: str, *arrays: npt.NDArray[Any]) -> None:
            """Feed one named part; lengths keep neighbouring parts apart."""
            h.update(f"\n{name!r} {[len(a) for a in arrays]}\n".encode())
            for array in arrays:
                h.update(np.ascontiguousarray(array).data)

        encoded = [name.encode("utf-8", "surrogatepass") for name in self.individuals]
        add("names", np.fromiter(map(len, encoded), np.int64, len(encoded)))
        h.update(b"".join(encoded))
        add("types", self.type_of, self.type_class)
        for kind, pairs in (("role", self.roles), ("number", self.numbers)):
            for name, (left, right) in pairs.items():
                add(f"{kind} {name}", left, right)
        return h.hexdigest()

    @cached_property
    def closure(self) -> Closure:
        """Every class with a member, and its members: the asserted types with all superclasses added.

        Computed at the first use and kept: (class × asserted class below it) times (asserted class × individual).
        """
        from scipy import sparse

        used, rank = np.unique(self.type_class, return_inverse=True)
        ends, found = self.hierarchy.ancestor_sets(used)
        classes, column = np.unique(found, return_inverse=True)
        above = sparse.csr_array((np.ones(len(found), bool), column, ends), shape=(len(used), len(classes)))
        places = (rank, self.type_of)
        asserted = sparse.csr_array((np.ones(len(rank), bool), places), shape=(len(used), self.n_individuals))
        closed = sparse.csr_array(above.T @ asserted)
        closed.sort_indices()
        return Closure(
            _frozen(classes.astype(np.int32)),
            _frozen(closed.indptr.astype(np.int64)),
            _frozen(closed.indices.astype(np.int32)),
        )

    def subset(self, image_ids: Iterable[str]) -> Scenes:
        """Return the scenes of these images only, in the order given.

        Everything that is connected to a kept image stays, so an expression holds for a kept image if and only if it
        held before; the vocabulary of roles and numbers stays too, even where it becomes empty.
        """
        place = {name: i for i, name in enumerate(self.images)}
        names = tuple(image_ids)
        for name in names:
            if name not in place:
                raise InputError("images", f"image {name!r} is not among the scenes", _mend(name, place))
        kept = np.array([place[name] for name in names], dtype=np.int64)
        reached = _connected(self, kept)
        reached[kept] = False
        order = np.concatenate([kept, np.flatnonzero(reached)])
        new = np.full(self.n_individuals, -1, dtype=np.int32)
        new[order] = np.arange(len(order), dtype=np.int32)
        typed = new[self.type_of] >= 0
        numbers = {}
        for name, (of, value) in self.numbers.items():
            stays = new[of] >= 0
            numbers[name] = (new[of[stays]], value[stays])
        roles = {}
        for role, (source, target) in self.roles.items():
            stays = new[source] >= 0
            roles[role] = (new[source[stays]], new[target[stays]])
        return Scenes(
            self.hierarchy,
            names,
            tuple(self.individuals[i] for i in order),
            new[self.type_of[typed]],
            self.type_class[typed],
            roles,
            numbers,
        )

    def to_owlready2(self) -> Any:
        """Return the same individuals as an ontology in a world of its own; see `knowledge.to_owlready2`."""
        from conceptx.annotation.knowledge import to_owlready2

        return to_owlready2(self)

    def to_rdflib(self) -> Any:
        """Return the same individuals as a graph; see `knowledge.to_rdflib`."""
        from conceptx.annotation.knowledge import to_rdflib

        return to_rdflib(self)


def _connected(scenes: Scenes, start: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which individuals are linked to one of `start` by roles, in either direction, over any distance."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    source = np.concatenate([np.empty(0, np.int32), *(pairs[0] for pairs in scenes.roles.values())])
    target = np.concatenate([np.empty(0, np.int32), *(pairs[1] for pairs in scenes.roles.values())])
    n = scenes.n_individuals
    links = sparse.coo_array((np.ones(len(source), np.int8), (source, target)), shape=(n, n))
    n_parts, part = connected_components(links, directed=False)
    touched = np.zeros(n_parts, dtype=bool)
    touched[part[start]] = True
    return np.asarray(touched[part], dtype=bool)


def _sorted_pairs(left: npt.ArrayLike, right: npt.ArrayLike, n_left: int, n_right: int) -> Pairs:
    """Return read-only copies of the pairs, sorted and distinct, all within bounds."""
    a, b = np.asarray(left, dtype=np.int64), np.asarray(right, dtype=np.int64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"pairs of the shapes {a.shape} and {b.shape}")
    if len(a) and (min(a.min(), b.min()) < 0 or a.max() >= n_left or b.max() >= n_right):
        raise ValueError("a pair names an individual or a class that does not exist")
    key = np.unique(a * max(n_right, 1) + b)
    a, b = np.divmod(key, max(n_right, 1))
    return _frozen(a.astype(np.int32)), _frozen(b.astype(np.int32))


def _sorted_values(of: npt.ArrayLike, value: npt.ArrayLike, n: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return read-only copies of (individual, value), sorted and distinct; values must be finite."""
    a, v = np.asarray(of, dtype=np.int32), np.asarray(value, dtype=np.float64)
    if a.shape != v.shape or a.ndim != 1 or not np.isfinite(v).all() or (len(a) and not 0 <= a.min() <= a.max() < n):
        raise ValueError("numbers must be finite, one for each individual that is named")
    order = np.lexsort((v, a))
    a, v = a[order], v[order]
    first = np.ones(len(a), dtype=bool)
    first[1:] = (a[1:] != a[:-1]) | (v[1:] != v[:-1])
    return _frozen(a[first]), _frozen(v[first])


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.setflags(write=False)
    return array


def _mend(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or "name images of these scenes"
