"""Scenes: which image contains which objects of which classes, and for which images an expression holds.

Callers make scenes with `build_scenes` (an image set) or `scenes_from_labels` (a user's table) and ask
`evaluate(expression, scenes)`, which is the reference that every faster path is tested against.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conceptx.annotation.evaluate import evaluate, holds
from conceptx.annotation.graph import Closure, Pairs, Scenes
from conceptx.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from conceptx.annotation.mapping import Mapping as LabelMapping
    from conceptx.images.dataset import ImageSet
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.tables import LabelTable

__all__ = ["Closure", "Coverage", "Scenes", "build_scenes", "evaluate", "holds", "labels_in", "scenes_from_labels"]

_Thing = tuple[int, str]
"""An object: the place of its image, and its name in this image."""

CONTAINS = "contains"
HAS_AREA = "hasArea"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of the annotations did not become part of the scenes.

    `unmapped` counts the annotations of each label without a class (categories and attribute values too).
    """

    source: str
    bare_images: tuple[str, ...]
    unmapped: Mapping[str, int]
    dropped_objects: int
    dropped_relations: int

    def warnings(self) -> list[str]:
        """Return one sentence for each thing that a user should know: where, what, mend."""
        found: list[InputError] = []
        if self.bare_images:
            what = f"{_count(len(self.bare_images), 'image')} without any object of a class: {_few(self.bare_images)}"
            found.append(InputError(self.source, what, "label them, or read every 'not' as true for them"))
        if self.unmapped:
            worst = sorted(self.unmapped, key=lambda label: (-self.unmapped[label], label))
            what = f"{_count(len(worst), 'label')} without a class, dropped: {_few(worst)}"
            found.append(InputError(self.source, what, "give them classes in the mapping table"))
        if self.dropped_relations:
            what = f"{_count(self.dropped_relations, 'relation')} to objects that are not part of the scenes, dropped"
            found.append(InputError(self.source, what, "annotate both objects of a relation, with labels that map"))
        return [str(error) for error in found]


def labels_in(images: ImageSet) -> list[str]:
    """Return all labels of an image set, sorted: of objects, of attribute values, and the images' categories."""
    columns = (images.objects["label"], images.images["category"])
    labels = {str(label) for column in columns for label in column.unique().to_pylist() if label}
    return sorted(labels | _values(images.objects))


def build_scenes(images: ImageSet, mapping: LabelMapping, hierarchy: Hierarchy) -> tuple[Scenes, Coverage]:
    """Return the scenes of an image set, and what of it is not part of them.

    An object is an individual if one of its labels has a class; so is an attribute value, one for each object that
    has it. Relations link objects of one image. `hasArea` is an object's visible area as a share of its image.
    """
    classes = {label: mapping.class_of(label) for label in labels_in(images)}
    return _build(images.name, images.images, images.objects, classes, hierarchy)


def scenes_from_labels(
    labels: LabelTable,
    mapping: LabelMapping | None = None,
    hierarchy: Hierarchy | None = None,
    images: Sequence[str] | None = None,
) -> tuple[Scenes, Coverage]:
    """Return the scenes of a user's table of labels, and what of it is not part of them.

    Without a hierarchy every label is its own class. A row that names no `object` is an object of its own.
    `images` are the images that the scenes shall have (those with activations); by default the table's, in order.
    """
    from conceptx.annotation.mapping import map_labels
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.ontology.records import check_name
    from conceptx.tables import IMAGES, OBJECTS, from_rows, unknown_image

    distinct = sorted(set(labels.labels))
    classes: dict[str, str | None]
    if hierarchy is None:
        first_line = dict(zip(reversed(labels.labels), reversed(labels.lines), strict=True))
        for label in distinct:
            check_name(f"{labels.source}:{first_line[label]}", label)
        hierarchy = Hierarchy.from_edges((), classes=distinct)
        classes = {label: label for label in distinct}
    else:
        mapping = map_labels(distinct, hierarchy) if mapping is None else mapping
        classes = {label: mapping.class_of(label) for label in distinct}
    names = tuple(dict.fromkeys(labels.images)) if images is None else tuple(images)
    known = set(names)
    for image, line in zip(labels.images, labels.lines, strict=True):
        if image not in known:
            raise unknown_image(f"{labels.source}:{line}", image, known)
    given = [""] * len(labels.images) if labels.objects is None else labels.objects
    objects = [name or f"row {line}" for name, line in zip(given, labels.lines, strict=True)]
    keys = ("image", "object", "label")
    rows = [dict(zip(keys, row, strict=True)) for row in zip(labels.images, objects, labels.labels, strict=True)]
    return _build(
        labels.source,
        from_rows([{"image": name} for name in names], IMAGES),
        from_rows(rows, OBJECTS),
        classes,
        hierarchy,
    )


def _build(
    source: str, images: pa.Table, objects: pa.Table, classes: Mapping[str, str | None], hierarchy: Hierarchy
) -> tuple[Scenes, Coverage]:
    """Turn the two tables of an image set into scenes; `classes` says for every label its class or None."""
    class_ids = {label: hierarchy.id(name) for label, name in classes.items() if name is not None}
    names: list[str] = images["image"].to_pylist()
    categories, labels = images["category"].to_pylist(), objects["label"].to_pylist()
    unmapped = Counter(label for label in (*categories, *labels) if label and label not in class_ids)
    rows_of = _rows_of_things(source, names, objects)

    individuals = list(names)
    escaped = [_escape(name) for name in names]
    types = [(i, class_ids[category]) for i, category in enumerate(categories) if category in class_ids]
    number: dict[_Thing, int] = {}
    for thing, rows in rows_of.items():
        found = {class_ids[labels[row]] for row in rows if labels[row] in class_ids}
        if found:
            number[thing] = len(individuals)
            types.extend((len(individuals), of_class) for of_class in found)
            individuals.append(f"{escaped[thing[0]]}#{_escape(thing[1])}")
    if unmapped and not types:
        what = f"no label has a class in the hierarchy: {_few(sorted(unmapped))}"
        raise InputError(source, what, "give labels their classes in the mapping table, or choose another hierarchy")

    roles: dict[str, list[tuple[int, int]]] = {CONTAINS: [(thing[0], k) for thing, k in number.items()]}
    dropped_relations = 0
    relations = objects["relations"].to_pylist()
    for thing, rows in rows_of.items():
        for link in (link for row in rows for link in relations[row] or ()):
            other = (thing[0], link["object"])
            pairs = roles.setdefault(link["role"], [])
            if thing in number and other in number:
                pairs.append((number[thing], number[other]))
            else:
                dropped_relations += 1

    # Each (object, role, value) is an individual of its own: the red of one lamp is not the red of another.
    attributes = objects["attributes"].to_pylist()
    for thing, rows in rows_of.items():
        facts = dict.fromkeys((fact["role"], fact["value"]) for row in rows for fact in attributes[row] or ())
        for role, value in facts:
            if not role or not value:
                continue
            pairs = roles.setdefault(role, [])
            if value not in class_ids:
                unmapped[value] += 1
            elif thing in number:
                pairs.append((number[thing], len(individuals)))
                types.append((len(individuals), class_ids[value]))
                individuals.append(f"{individuals[number[thing]]}#{_escape(role)}={_escape(value)}")

    shares = _areas(images, objects, rows_of, number)
    scenes = Scenes(
        hierarchy,
        tuple(names),
        tuple(individuals),
        *_columns(types),
        {role: _columns(pairs) for role, pairs in roles.items()},
        {HAS_AREA: (np.array(list(shares), np.int32), np.array(list(shares.values()), np.float64))} if shares else {},
    )
    with_object = {image for image, _ in number}
    coverage = Coverage(
        source=source,
        bare_images=tuple(name for i, name in enumerate(names) if i not in with_object),
        unmapped=dict(sorted(unmapped.items())),
        dropped_objects=len(rows_of) - len(number),
        dropped_relations=dropped_relations,
    )
    return scenes, coverage


def _rows_of_things(source: str, images: Sequence[str], objects: pa.Table) -> dict[_Thing, list[int]]:
    """Return the rows that describe each object, the objects in the order of their images, then of their rows."""
    place = {name: i for i, name in enumerate(images)}
    rows_of: dict[_Thing, list[int]] = {}
    for row, (image, name) in enumerate(zip(objects["image"].to_pylist(), objects["object"].to_pylist(), strict=True)):
        if image not in place:
            raise InputError(source, f"object {name!r} is in image {image!r}, which is not in the set", "remove it")
        rows_of.setdefault((place[image], name), []).append(row)
    return dict(sorted(rows_of.items(), key=lambda item: item[0][0]))


def _areas(
    images: pa.Table, objects: pa.Table, rows_of: Mapping[_Thing, list[int]], number: Mapping[_Thing, int]
) -> dict[int, float]:
    """Return for each individual object its visible area over the area of its image, where both are known."""
    widths, heights = images["width"].to_pylist(), images["height"].to_pylist()
    areas = objects["area"].to_pylist()
    shares = {}
    for thing, k in number.items():
        width, height = widths[thing[0]], heights[thing[0]]
        area = next((areas[row] for row in rows_of[thing] if areas[row] is not None), None)
        if area is not None and math.isfinite(area) and width and height:
            shares[k] = area / (width * height)
    return shares


def _columns(pairs: Sequence[tuple[int, int]]) -> Pairs:
    both = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _escape(name: str) -> str:
    """Escape the marks that join the parts of an individual's name, so that the parts stay apart."""
    return name.replace("%", "%25").replace("#", "%23")


def _values(objects: pa.Table) -> set[str]:
    facts = (fact for facts in objects["attributes"].to_pylist() for fact in facts or ())
    return {str(fact["value"]) for fact in facts if fact["value"]}


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _few(names: Sequence[str]) -> str:
    """Return the first names, cut to a length that fits a message, and how many more there are."""
    shown = ", ".join(repr(name if len(name) <= 60 else name[:57] + "...") for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
