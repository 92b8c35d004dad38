"""The compiled class hierarchy: integer ids, parents and children as sparse rows, names found by binary search.

`Hierarchy.open` maps a compiled folder in milliseconds, whatever its size, and touches only the pages that questions
need; `Hierarchy.from_edges` makes a small one in memory. Ids are 0..n-1 in the order of the names' UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError, did_you_mean
from conceptx.ontology import store
from conceptx.ontology.csr import Ints, Longs, distances, reach, reach_each
from conceptx.ontology.records import iri_tail
from conceptx.ontology.store import Columns, Removed
from conceptx.ontology.strings import Strings

if TYPE_CHECKING:
    import owlready2
    import rdflib

_NAMES_COMPARED = 2000

Nodes = int | np.integer | Iterable[int] | npt.NDArray[np.integer]


class Hierarchy:
    """An acyclic hierarchy of named classes; every query is answered from the compiled arrays."""

    def __init__(self, columns: Columns, removed: Sequence[Removed] = (), folder: Path | None = None) -> None:
        self.folder = folder
        self.about: Mapping[str, Any] = columns.about
        self.iri_base = columns.iri_base
        self._columns = columns
        self._removed = tuple(removed)
        arrays = columns.arrays
        self.parents_indptr, self.parents_indices = arrays["parents.indptr"], arrays["parents.indices"]
        self.children_indptr, self.children_indices = arrays["children.indptr"], arrays["children.indices"]
        self._depth = arrays["depth"]
        self.names = columns.strings("names")
        self.aliases = columns.strings("aliases")
        self.alias_class = arrays["aliases.class"]
        self._labels = columns.strings("labels")
        self._synonyms = columns.strings("synonyms")
        self.synonyms_indptr = arrays["synonyms.indptr"]
        self._iris = columns.strings("iris")
        self._alias_iris = columns.strings("aliases.iris")

    @classmethod
    def open(cls, folder: Path | str) -> Hierarchy:
        """Map the compiled hierarchy in `folder`; sizes are checked, contents are not read (see `verify`)."""
        columns, digest = store.open_columns(Path(folder))
        hierarchy = cls(columns, folder=Path(folder))
        hierarchy.__dict__["digest"] = digest
        return hierarchy

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[tuple[str, str]],
        labels: Mapping[str, str] | None = None,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        classes: Iterable[str] = (),
    ) -> Hierarchy:
        """Return the hierarchy of (child, parent) pairs in memory; cycles are broken, `classes` may stand alone."""
        from conceptx.ontology.compile import compile_graph
        from conceptx.ontology.records import graph_of_edges

        compiled = compile_graph(graph_of_edges("the edges", edges, labels, synonyms, classes), "the edges")
        return cls(compiled.columns, compiled.removed)

    def save(self, folder: Path | str) -> None:
        """Store the hierarchy in `folder`; the header comes last, so that a folder with a header is complete."""
        store.write_columns(Path(folder), self._columns, self.removed)

    def verify(self) -> None:
        """Read everything that is stored and compare it with its checksums; raise `InputError` on a difference."""
        if self.folder is not None:
            store.verify_columns(self.folder)

    def __len__(self) -> int:
        return len(self._depth)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __repr__(self) -> str:
        return f"<Hierarchy of {len(self):,} classes, {self.n_edges:,} edges, {len(self.roots):,} roots>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is not None:
            return Hierarchy.open, (self.folder,)
        return Hierarchy, (self._columns, self._removed)

    @property
    def n_edges(self) -> int:
        """Number of (child, parent) pairs."""
        return len(self.parents_indices)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: equal for equal classes, names, labels, IRIs and edges, wherever they are stored."""
        return store.columns_digest(self._columns.checksums(), self._columns.iri_base)

    @cached_property
    def removed(self) -> tuple[Removed, ...]:
        """Every edge of the source that is not in the hierarchy, with the reason."""
        return tuple(store.read_removed(self.folder)) if self.folder is not None else self._removed

    @cached_property
    def roots(self) -> Ints:
        """Ids of the classes without parents, ascending."""
        return np.flatnonzero(self._depth == 0).astype(np.int32)

    # Names

    def get(self, name: str) -> int | None:
        """Return the id of the class with this name (or one that was merged into it), or None."""
        found = self.names.find(name)
        if found is None:
            alias = self.aliases.find(name)
            found = None if alias is None else int(self.alias_class[alias])
        return found

    def id(self, name: str) -> int:
        """Return the id of the class with this name; an unknown one is an `InputError` with close names."""
        found = self.get(name)
        if found is None:
            hint = did_you_mean(name, self._names_near(name)) or "look it up with `conceptx ontology search`"
            raise InputError("the hierarchy", f"there is no class '{name}'", hint)
        return found

    def name(self, i: int) -> str:
        """Return the unique name of class i."""
        return self.names[self._checked(i)]

    def label(self, i: int) -> str:
        """Return the label of class i: the source's, or else the name with spaces for underscores."""
        return self._labels[self._checked(i)] or self.names[i].replace("_", " ")

    def synonyms(self, i: int) -> tuple[str, ...]:
        """Return further labels of class i, sorted."""
        start, stop = self.synonyms_indptr[self._checked(i)], self.synonyms_indptr[i + 1]
        return tuple(self._synonyms.slice(int(start), int(stop)))

    def iri(self, i: int) -> str:
        """Return the IRI of class i: the source's, or else the base followed by the percent-encoded name."""
        return self._iris[self._checked(i)] or self.iri_base + iri_tail(self.names[i])

    def alias_iri(self, k: int) -> str:
        """Return the IRI of the k-th alias."""
        return self._alias_iris[k] or self.iri_base + iri_tail(self.aliases[k])

    def text_columns(self) -> tuple[Strings, Strings, Strings, Strings]:
        """Return everything that classes are called: names, aliases, labels (empty by default), synonyms."""
        return self.names, self.aliases, self._labels, self._synonyms

    def iri_columns(self) -> tuple[Strings, Strings]:
        """Return the IRIs of classes and of aliases, empty where they are the base followed by the name."""
        return self._iris, self._alias_iris

    def text(self, term: int) -> tuple[str, int]:
        """Return the text numbered `term` in `text_columns`, one column after the other, and its class."""
        for column, owner in (
            (self.names, lambda k: k),
            (self.aliases, lambda k: int(self.alias_class[k])),
            (self._labels, lambda k: k),
            (self._synonyms, lambda k: int(np.searchsorted(self.synonyms_indptr, k, side="right")) - 1),
        ):
            if term < len(column):
                return column[term], owner(term)
            term -= len(column)
        raise IndexError("there is no such text")

    def _checked(self, i: int) -> int:
        if not 0 <= i < len(self):
            raise IndexError(f"class id {i} is outside 0..{len(self) - 1}")
        return int(i)

    def _names_near(self, name: str) -> list[str]:
        """Names worth comparing with an unknown one: all of a small hierarchy, else those that begin alike."""
        if len(self) <= _NAMES_COMPARED:
            return [*self.names, *self.aliases]
        near: list[str] = []
        spaced = name.replace(" ", "_")
        for form in dict.fromkeys((name, spaced, spaced[:1].upper() + spaced[1:])):
            place = self.names.place(form.encode("utf-8", "replace"))
            near += self.names.slice(max(place - 200, 0), min(place + 200, len(self)))
        return near

    # Structure

    def parents(self, i: int) -> Ints:
        """Return the direct superclasses of class i, ascending."""
        return self.parents_indices[self.parents_indptr[self._checked(i)] : self.parents_indptr[i + 1]]

    def children(self, i: int) -> Ints:
        """Return the direct subclasses of class i, ascending."""
        return self.children_indices[self.children_indptr[self._checked(i)] : self.children_indptr[i + 1]]

    def ancestors(self, ids: Nodes) -> Ints:
        """Return the classes that one of `ids` is, or is below: sorted, each once, `ids` included."""
        return reach(self.parents_indptr, self.parents_indices, self._nodes(ids))

    def ancestor_sets(self, ids: Nodes) -> tuple[Longs, Ints]:
        """Return the ancestors of each of `ids` as sparse rows: indptr (ids + 1), and each set ascending, reflexive."""
        return reach_each(self.parents_indptr, self.parents_indices, self._nodes(ids))

    def descendants(self, ids: Nodes) -> Ints:
        """Return the classes that are, or are below, one of `ids`: sorted, each once, `ids` included."""
        return reach(self.children_indptr, self.children_indices, self._nodes(ids))

    def depth(self, ids: Nodes | None = None) -> Ints:
        """Return the number of edges on the shortest path from a root, for `ids` or for all classes."""
        return self._depth if ids is None else self._depth[self._nodes(ids)]

    def path_to_root(self, i: int) -> list[int]:
        """Return a shortest path from class i up to a root, both included; among several the first by name."""
        path = [self._checked(i)]
        while self._depth[path[-1]] > 0:
            above = self.parents(path[-1])
            path.append(int(above[np.argmin(self._depth[above])]))
        return path

    def lowest_common_ancestors(self, a: int, b: int) -> Ints:
        """Return the common ancestors of a and b (reflexive) that have no common ancestor below them."""
        common = np.intersect1d(self.ancestors(a), self.ancestors(b), assume_unique=True)
        above = [self.parents(int(c)) for c in common]
        return np.setdiff1d(common, np.concatenate(above)) if len(common) else common

    def wu_palmer(self, a: int, b: int) -> float:
        """Return the Wu-Palmer similarity, the best over the lowest common ancestors c; 0 without any.

        ``2 N / (L(a) + L(b) + 2 N)`` with N the classes on a shortest path from a root to c, both included, and L
        the edges on a shortest path from a class up to c. It is 1 for a class and itself.
        """
        lowest = self.lowest_common_ancestors(a, b)
        if len(lowest) == 0:
            return 0.0
        twice = 2.0 * (self._depth[lowest] + 1)
        apart = sum(distances(self.parents_indptr, self.parents_indices, np.array([i]))[lowest] for i in (a, b))
        return float(np.max(twice / (apart + twice)))

    def _nodes(self, ids: Nodes) -> npt.NDArray[np.integer]:
        nodes = np.atleast_1d(np.asarray(ids if isinstance(ids, (int, np.integer, np.ndarray)) else list(ids)))
        if nodes.size == 0:
            return np.zeros(0, np.int32)
        if nodes.min() < 0 or nodes.max() >= len(self):
            raise IndexError(f"class ids run from 0 to {len(self) - 1}; got {nodes.min()} to {nodes.max()}")
        return nodes

    def to_owlready2(self, world: owlready2.World | None = None) -> owlready2.Ontology:
        """Return the hierarchy as an ontology of `world`, or of a fresh, isolated one."""
        from conceptx.ontology.export import to_owlready2

        return to_owlready2(self, world)

    def to_rdflib(self) -> rdflib.Graph:
        """Return the hierarchy as an rdflib graph, with the statements that `to_owlready2` holds."""
        from conceptx.ontology.export import to_rdflib

        return to_rdflib(self)
