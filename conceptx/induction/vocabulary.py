"""The words of scenes as sparse matrices: classes, individuals and images, and which goes with which."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from conceptx.annotation.scenes import Scenes
from conceptx.expressions import CONTAINS, Role
from conceptx.induction.rows import Ints

Sparse: TypeAlias = Any
"""A scipy CSR array with ascending indices."""


class Vocabulary:
    """The classes with instances, which individuals are theirs, and which images contain each individual."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes
        closure, n = scenes.closure, scenes.n_individuals
        ones = np.ones(len(closure.individuals), dtype=np.int32)
        self.members: Sparse = sparse.csr_array(
            (ones, closure.individuals, closure.starts), shape=(len(closure.classes), n)
        )
        """classes × individuals, subclasses included"""
        source, target = scenes.roles.get(CONTAINS.name, (np.empty(0, np.int32), np.empty(0, np.int32)))
        inside = source < scenes.n_images
        self.contained: Sparse = matrix(target[inside], source[inside], (n, scenes.n_images))
        """individuals × images"""

    @cached_property
    def held(self) -> Sparse:
        """Classes × images: the images that contain an individual of each class."""
        from conceptx.induction.kernels.packed import merge

        members, contained = self.members, self.contained
        ascending = np.all(contained.indices[1:] >= contained.indices[:-1]) and members.has_sorted_indices
        if np.diff(contained.indptr).max(initial=0) > 1 or not ascending:
            return tidy(members @ contained, clipped=True)
        # every individual is in one image, and they come in the order of the images
        image = np.full(len(contained.indptr) - 1, -1, dtype=np.int32)
        image[np.diff(contained.indptr) > 0] = contained.indices
        images, starts = np.empty(members.nnz, dtype=np.int32), np.zeros(members.shape[0] + 1, dtype=np.int64)
        merge(members.indptr, members.indices, image, images, starts)
        shape = (members.shape[0], contained.shape[1])
        return sparse.csr_array((np.ones(starts[-1], np.int32), images[: starts[-1]].copy(), starts), shape=shape)

    @cached_property
    def classes_of(self) -> Sparse:
        """Individuals × classes, superclasses included."""
        return tidy(self.members.T)

    @cached_property
    def asserted(self) -> Sparse:
        """Individuals × classes as asserted."""
        place = np.searchsorted(self.scenes.closure.classes, self.scenes.type_class)
        return matrix(self.scenes.type_of, place, self.classes_of.shape)

    @cached_property
    def near(self) -> Sparse:
        """Individuals × classes, as asserted and right above."""
        return tidy(self.asserted + self.asserted @ self.parents, clipped=True)

    @cached_property
    def parents(self) -> Sparse:
        """Classes × classes: the classes right above each."""
        hierarchy, classes = self.scenes.hierarchy, self.scenes.closure.classes
        starts = hierarchy.parents_indptr
        counts = starts[classes + 1] - starts[classes]
        places = np.repeat(starts[classes] - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        above = np.searchsorted(classes, hierarchy.parents_indices[places])
        return matrix(np.repeat(np.arange(len(classes)), counts), above, (len(classes), len(classes)))

    @cached_property
    def levels(self) -> Ints:
        """The length of the longest chain above each class.

        A class is always on a higher level than its superclasses, so the highest of several classes with the same
        images is a most specific one; the shortest path to a root, which `Hierarchy.depth` gives, does not have this
        property.
        """
        links = self.parents.tocoo()
        child, parent = links.coords
        level = np.zeros(len(self.scenes.closure.classes), dtype=np.int64)
        while True:
            before = level.copy()
            np.maximum.at(level, child, level[parent] + 1)
            if np.array_equal(before, level):
                return level

    @cached_property
    def names(self) -> list[str]:
        """The names of the classes."""
        return self.scenes.hierarchy.names.take(self.scenes.closure.classes)

    def adjacency(self, role: Role) -> Sparse:
        """Return individuals × individuals: the contained sources of a role and what they are related to."""
        source, target = self.scenes.roles[role.name]
        if role.inverse:
            source, target = target, source
        kept = np.diff(self.contained.indptr)[source] > 0
        return matrix(source[kept], target[kept], (self.scenes.n_individuals,) * 2)

    @cached_property
    def class_sizes(self) -> Ints:
        """In how many images each class is."""
        sizes: Ints = np.diff(self.held.indptr).astype(np.int64)
        return sizes

    def roles(self, *, attributes: bool) -> list[Role]:
        """Return the roles that lead to attribute values, or those that lead to objects of images."""
        held = np.diff(self.contained.indptr) > 0
        return [
            Role(name)
            for name, (_, target) in self.scenes.roles.items()
            if name != CONTAINS.name and bool(held[target].any()) != attributes
        ]


def matrix(row: npt.NDArray[np.integer], column: npt.NDArray[np.integer], shape: tuple[int, int]) -> Sparse:
    """Return the 0-1 matrix with ones at these places; repeated places count once."""
    return tidy(sparse.csr_array((np.ones(len(row), np.int32), (row, column)), shape=shape), clipped=True)


def rows_of(parts: Sequence[npt.NDArray[np.integer]], n: int) -> Sparse:
    """Return the 0-1 matrix whose rows have ones at the given ascending places."""
    places = np.concatenate([np.zeros(0, np.int32), *parts]).astype(np.int32)
    starts = np.cumsum([0, *map(len, parts)])
    return sparse.csr_array((np.ones(len(places), np.int32), places, starts), shape=(len(parts), n))


def tidy(given: Sparse, clipped: bool = False) -> Sparse:
    """Return the matrix as compressed rows with ascending indices and no stored zeros; `clipped`: ones for all."""
    found = sparse.csr_array(given)
    found.sum_duplicates()
    found.eliminate_zeros()
    found.sort_indices()
    if clipped:
        found.data = np.ones_like(found.data)
    return found
