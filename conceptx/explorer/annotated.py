"""What the run's images are annotated with, by label: scenes for any classes of the labels, at once.

`read_annotations` reads the run's tables once; `Annotations.scenes` gives what `annotation.build_scenes` would, but for
the individuals' names and for individuals without a class, which nothing leads to. No label is looked up twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conceptx.annotation.graph import Ints, Pairs
from conceptx.annotation.scenes import CONTAINS, HAS_AREA, Scenes
from conceptx.images.dataset import ImageSet
from conceptx.ontology.hierarchy import Hierarchy

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Images, their things (objects) and their facts (attribute values of things) as columns of numbers.

    `labels` has the number of every label. `category` are (image, label), `written` are (thing, label), one for each
    row of the tables; `image_of` has the image of every thing. `facts` are by role (thing, label), `links` by role
    (thing, thing). `areas` are (thing, share of its image). `names` are the individuals: images, things, facts.
    """

    hierarchy: Hierarchy
    images: tuple[str, ...]
    names: tuple[str, ...]
    labels: Mapping[str, int]
    category: Pairs
    written: Pairs
    image_of: Ints
    facts: Mapping[str, Pairs]
    links: Mapping[str, Pairs]
    areas: tuple[Ints, npt.NDArray[np.float64]]

    def bearing(self, label: str) -> Bools:
        """Return which images bear a label: on a thing, as their category, or as the value of an attribute."""
        found = np.zeros(len(self.images), dtype=bool)
        number = self.labels.get(label)
        if number is not None:
            found[self.category[0][self.category[1] == number]] = True
            for thing, value in (self.written, *self.facts.values()):
                found[self.image_of[thing[value == number]]] = True
        return found

    def scenes(self, class_of: Mapping[str, str | None], among: Bools) -> Scenes:
        """Return the scenes in which every label has this class (None: none); images not `among` have nothing."""
        number = np.full(len(self.labels) + 1, -1, dtype=np.int32)
        for text, name in class_of.items():
            if name is not None and text in self.labels:
                number[self.labels[text]] = self.hierarchy.id(name)
        here = among[self.image_of]
        thing, label = self.written
        typed = here[thing] & (number[label] >= 0)
        present = np.zeros(len(self.image_of), dtype=bool)
        present[thing[typed]] = True
        first = len(self.images)
        things = np.flatnonzero(present).astype(np.int32)
        image, category = self.category
        own = among[image] & (number[category] >= 0)
        of = [image[own], first + thing[typed]]
        classes = [number[category[own]], number[label[typed]]]
        roles: dict[str, Pairs] = {CONTAINS: (self.image_of[things], first + things)}
        for role, (source, target) in self.links.items():
            both = present[source] & present[target]
            roles[role] = _joined(roles.get(role), first + source[both], first + target[both])
        place = first + len(self.image_of)
        for role, (source, value) in self.facts.items():
            kept = np.flatnonzero(present[source] & (number[value] >= 0)).astype(np.int32)
            roles[role] = _joined(roles.get(role), first + source[kept], place + kept)
            of.append(place + kept)
            classes.append(number[value[kept]])
            place += len(source)
        measured, share = self.areas
        known = present[measured]
        numbers = {HAS_AREA: (first + measured[known], share[known])} if len(measured) else {}
        return Scenes(
            self.hierarchy, self.images, self.names, np.concatenate(of), np.concatenate(classes), roles, numbers
        )


def read_annotations(images: ImageSet, order: Sequence[str], hierarchy: Hierarchy) -> Annotations:
    """Read the annotations of the images in `order`; those of other images are left out."""
    place = {image: i for i, image in enumerate(order)}
    labels: dict[str, int] = {}
    things: dict[tuple[int, str], int] = {}

    def number(label: str) -> int:
        return labels.setdefault(label, len(labels))

    columns = (images.images[name].to_pylist() for name in ("image", "category", "width", "height"))
    category: list[tuple[int, int]] = []
    sizes: dict[int, float] = {}
    for image, of_image, width, height in zip(*columns, strict=True):
        if image in place:
            if of_image:
                category.append((place[image], number(of_image)))
            if width and height:
                sizes[place[image]] = width * height
    names = ("image", "object", "label", "area", "relations", "attributes")
    rows = list(zip(*(images.objects[name].to_pylist() for name in names), strict=True))
    rows = [row for row in rows if row[0] in place]
    written: list[tuple[int, int]] = []
    areas: dict[int, float] = {}
    facts: dict[str, dict[tuple[int, int], None]] = {}
    for image, thing, label, area, _, attributes in rows:
        key = place[image], thing
        k = things.setdefault(key, len(things))
        written.append((k, number(label)))
        if area is not None:
            areas.setdefault(k, area)
        for fact in attributes or ():
            if fact["role"] and fact["value"]:
                facts.setdefault(fact["role"], {})[k, number(fact["value"])] = None
    links: dict[str, list[tuple[int, int]]] = {}
    for image, thing, _, _, relations, _ in rows:
        for link in relations or ():
            pairs = links.setdefault(link["role"], [])
            source, target = things[place[image], thing], things.get((place[image], link["object"]))
            if target is not None:
                pairs.append((source, target))
    image_of = np.fromiter((image for image, _ in things), np.int32, len(things))
    shares = {
        k: area / sizes[int(image_of[k])]
        for k, area in areas.items()
        if math.isfinite(area) and int(image_of[k]) in sizes
    }
    unnamed = ("",) * (len(things) + sum(map(len, facts.values())))
    return Annotations(
        hierarchy,
        tuple(order),
        (*order, *unnamed),
        labels,
        _columns(category),
        _columns(written),
        image_of,
        {role: _columns(list(pairs)) for role, pairs in facts.items()},
        {role: _columns(pairs) for role, pairs in links.items()},
        (np.fromiter(shares, np.int32, len(shares)), np.fromiter(shares.values(), np.float64, len(shares))),
    )


def _columns(pairs: Sequence[tuple[int, int]]) -> Pairs:
    both = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def _joined(known: Pairs | None, source: Ints, target: Ints) -> Pairs:
    if known is None:
        return source, target
    return np.concatenate([known[0], source]), np.concatenate([known[1], target])
