"""What speaks for one class among several of the same name: the labels it occurs with, the other labels, its sense.

`weigh` is what the mapping asks; `cooccurrence` counts which labels images show together.
"""

from __future__ import annotations

from collections import abc, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conceptx.ontology.csr import Ints
from conceptx.ontology.forms import sense_of

if TYPE_CHECKING:
    from conceptx.images.dataset import ImageSet
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.ontology.lookup import Candidate

Together = abc.Mapping[str, abc.Mapping[str, int]]

_MAX_WITNESSES = 20
_NEIGHBOURS = (1, 2, 4)


class Cooccurrence(abc.Mapping[str, dict[str, int]]):
    """How many images show two labels together: label → other label → number of images."""

    def __init__(self, labels: Sequence[str], counts: Any) -> None:
        self._place = {label: i for i, label in enumerate(labels)}
        self._labels = tuple(labels)
        self._counts = counts

    def __getitem__(self, label: str) -> dict[str, int]:
        i = self._place[label]
        of = slice(self._counts.indptr[i], self._counts.indptr[i + 1])
        pairs = zip(self._counts.indices[of].tolist(), self._counts.data[of].tolist(), strict=True)
        return {self._labels[j]: n for j, n in pairs if j != i}

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


def cooccurrence(images: ImageSet) -> Cooccurrence:
    """Return how often the labels of objects and the images' categories occur together in an image."""
    from scipy import sparse

    place = {name: i for i, name in enumerate(images.images["image"].to_pylist())}
    seen = list(zip(images.images["image"].to_pylist(), images.images["category"].to_pylist(), strict=True))
    seen += zip(images.objects["image"].to_pylist(), images.objects["label"].to_pylist(), strict=True)
    pairs = {(place[image], label) for image, label in seen if label}
    labels = sorted({label for _, label in pairs})
    column = {label: j for j, label in enumerate(labels)}
    at = np.array(sorted((i, column[label]) for i, label in pairs), dtype=np.int32).reshape(-1, 2)
    shown = sparse.csr_array((np.ones(len(at), np.int32), (at[:, 0], at[:, 1])), shape=(len(place), len(labels)))
    counts = sparse.csr_array(shown.T @ shown)
    counts.sort_indices()
    return Cooccurrence(labels, counts)


class Above:
    """The superclasses of each of some classes (reflexive, ascending), found for all of them in one walk."""

    def __init__(self, hierarchy: Hierarchy, ids: Iterable[int]) -> None:
        self.ids = np.array(sorted(set(ids)), np.int32)
        self._indptr, self._indices = hierarchy.ancestor_sets(self.ids)

    def __getitem__(self, i: int) -> Ints:
        k = int(np.searchsorted(self.ids, i))
        return self._indices[self._indptr[k] : self._indptr[k + 1]]

    def counts(self) -> tuple[Ints, Ints]:
        """Return all these superclasses, ascending, and how many of the classes each one is above."""
        above, count = np.unique(self._indices, return_counts=True)
        return above, count.astype(np.int32)


class Setting:
    """The classes that the other labels of a data set mean for certain, and how many of them each class is above."""

    def __init__(self, hierarchy: Hierarchy, class_of: abc.Mapping[str, int], above: Above) -> None:
        self.hierarchy, self.class_of, self.above = hierarchy, class_of, above
        self._held, self._count = Above(hierarchy, class_of.values()).counts()

    def likeness(self, i: int) -> float:
        """Return how near class i is to the nearest classes of the setting; 0 without classes.

        The mean over k in 1, 2, 4 of ``2 N(a) / (N(i) + N(a))``: the Wu-Palmer similarity of i and the lowest a above
        it (reflexive) that holds k of the classes, N the classes on a shortest path from a root.
        """
        if len(self._count) == 0:
            return 0.0
        chain = self.above[i]
        place = np.minimum(np.searchsorted(self._held, chain), len(self._held) - 1)
        held = np.where(self._held[place] == chain, self._count[place], 0)
        length = self.hierarchy.depth(chain) + 1
        own = int(self.hierarchy.depth(i)[0]) + 1
        most = int(self._count.max())
        lowest = [int(length[held >= min(k, most)].max(initial=0)) for k in _NEIGHBOURS]
        return sum(2 * n / (own + n) for n in lowest) / len(lowest)


Ground = Literal["the labels it occurs with", "the other labels", "the order of its senses", "name only"]


def weigh(label: str, options: Sequence[Candidate], setting: Setting, together: Together) -> tuple[list[float], Ground]:
    """Return a weight for each of several classes of one name, above 0 in all, and what ranks them.

    The weight is the nearness to the classes of the labels that it occurs with, or where that is not known to those of
    all other labels, divided by the square root of the sense's number where the classes are WordNet's.
    """
    senses = sense_numbers(options)
    common = [number**-0.5 for number in senses]
    near = _nearness(label, options, setting, together)
    ground: Ground = "the labels it occurs with"
    if not any(near):
        near, ground = [setting.likeness(option.id) for option in options], "the other labels"
    if not any(near):
        return common, "the order of its senses" if len(set(senses)) > 1 else "name only"
    return [n * c for n, c in zip(near, common, strict=True)], ground


def sense_numbers(options: Sequence[Candidate]) -> list[float]:
    """Return the number of the sense in which each class bears the word; 1 for all that are not WordNet's.

    A class named after the word tells its number (``post.n.04``); those that bear it as a synonym have the numbers that
    are left, and the mean of these where there are several.
    """
    own = [sense_of(option.name, option.matched) for option in options]
    if not any(sense_of(option.name) for option in options):
        return [1.0] * len(options)
    taken = {number for number in own if number}
    left = [k for k in range(1, len(options) + len(taken) + 1) if k not in taken]
    others = left[: sum(number == 0 for number in own)]
    return [float(number) if number else float(np.mean(others)) for number in own]


def _nearness(label: str, options: Sequence[Candidate], setting: Setting, together: Together) -> list[float]:
    """Return for each class how near it is to the classes that the label occurs with; zeros where there are none.

    The mean of the Wu-Palmer similarity to the classes of the other labels o that weigh most. Their weight is
    n(o)² / N(o), with n(o) images that show both and N(o) the sum of n over all that o occurs with: a label that
    occurs with everything says little.
    """
    weights = defaultdict[int, float](float)
    for other, images in together.get(label, {}).items():
        if other in setting.class_of:
            weights[setting.class_of[other]] += images**2 / max(images, sum(together.get(other, {}).values()))
    witnesses = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_WITNESSES]
    total = sum(weight for _, weight in witnesses)
    if not total:
        return [0.0] * len(options)
    similar = setting.hierarchy.wu_palmer
    return [sum(w * similar(option.id, c) for c, w in witnesses) / total for option in options]
