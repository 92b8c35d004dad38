"""What the annotations of a run say, read a second time: one small graph of Python sets for each image.

`read_pictures` reads the run's tables as anyone could, and `holds` decides an expression by its definition. Nothing
here is shared with `conceptx.annotation`; what both get wrong in the same way, they got wrong apart from each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conceptx.expressions import And, Count, Expression, Named, Not, Nothing, Only, Or, Role, Some, Thing, Value

if TYPE_CHECKING:
    import pyarrow as pa

    from conceptx.ontology.hierarchy import Hierarchy

Node = tuple[str, ...]
IMAGE: Node = ()

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One image as a graph: the classes of every node (those above included), its links and its numbers."""

    classes: dict[Node, frozenset[str]] = field(default_factory=dict)
    links: dict[tuple[str, Node], set[Node]] = field(default_factory=dict)
    numbers: dict[tuple[str, Node], float] = field(default_factory=dict)


def holds(expression: Expression, picture: Picture, node: Node = IMAGE) -> bool:
    """Tell whether an expression holds for a node of a picture, by the definition of each construct."""
    match expression:
        case Thing():
            return True
        case Nothing():
            return False
        case Named(name):
            return name in picture.classes.get(node, frozenset())
        case Not(operand):
            return not holds(operand, picture, node)
        case And(operands):
            return all(holds(operand, picture, node) for operand in operands)
        case Or(operands):
            return any(holds(operand, picture, node) for operand in operands)
        case Some(role, filler):
            return any(holds(filler, picture, other) for other in _others(role, picture, node))
        case Only(role, filler):
            return all(holds(filler, picture, other) for other in _others(role, picture, node))
        case Count(kind, number, role, filler):
            found = sum(holds(filler, picture, other) for other in _others(role, picture, node))
            return {"min": found >= number, "max": found <= number, "exactly": found == number}[kind]
        case Value(name, comparison, number):
            known = picture.numbers.get((name, node))
            return known is not None and _COMPARE[comparison](known, number)
    raise TypeError(f"{type(expression).__name__} is not a class expression")


def _others(role: Role, picture: Picture, node: Node) -> set[Node]:
    if not role.inverse:
        return picture.links.get((role.name, node), set())
    return {source for (name, source), targets in picture.links.items() if name == role.name and node in targets}


def read_pictures(
    images: pa.Table, objects: pa.Table, class_of: Mapping[str, str], hierarchy: Hierarchy
) -> dict[str, Picture]:
    """Return the picture of every image; `class_of` says which class a label was mapped to, if any."""
    above = {label: _ancestors(name, hierarchy) for label, name in class_of.items()}
    sizes: dict[str, tuple[int | None, int | None]] = {}
    pictures: dict[str, Picture] = {}
    for row in images.select(["image", "category", "width", "height"]).to_pylist():
        picture = pictures[row["image"]] = Picture()
        sizes[row["image"]] = (row["width"], row["height"])
        if row["category"] in above:
            picture.classes[IMAGE] = above[row["category"]]
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in objects.to_pylist():
        rows.setdefault(row["image"], {}).setdefault(row["object"], []).append(row)
    for image, things in rows.items():
        _read_objects(pictures[image], things, above, sizes[image])
    return pictures


def _read_objects(
    picture: Picture,
    things: Mapping[str, list[dict[str, Any]]],
    above: Mapping[str, frozenset[str]],
    size: tuple[int | None, int | None],
) -> None:
    for thing, rows in things.items():
        found: frozenset[str] = frozenset().union(*(above.get(row["label"], frozenset()) for row in rows))
        if found:
            picture.classes[thing,] = found
            picture.links.setdefault(("contains", IMAGE), set()).add((thing,))
    for thing, rows in things.items():
        if (thing,) not in picture.classes:
            continue
        area = next((row["area"] for row in rows if row["area"] is not None), None)
        if area is not None and math.isfinite(area) and all(size):
            picture.numbers["hasArea", (thing,)] = area / (size[0] * size[1])  # type: ignore[operator]
        for row in rows:
            for link in row["relations"] or ():
                if (link["object"],) in picture.classes:
                    picture.links.setdefault((link["role"], (thing,)), set()).add((link["object"],))
            for fact in row["attributes"] or ():
                role, value = fact["role"], fact["value"]
                if role and value in above:
                    node = (thing, role, value)
                    picture.classes[node] = above[value]
                    picture.links.setdefault((role, (thing,)), set()).add(node)


def _ancestors(name: str, hierarchy: Hierarchy) -> frozenset[str]:
    """Return the names of a class and of all above it, walking from parent to parent."""
    found: set[int] = set()
    waiting = [hierarchy.id(name)]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(int(parent) for parent in hierarchy.parents(current))
    return frozenset(hierarchy.name(i) for i in found)
