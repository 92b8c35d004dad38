"""Atoms and their extents: which images each simple statement holds for, as packed rows of bits.

`atoms(scenes)` gives the statements that searches combine; `extent(expression, scenes)` gives the row of any
expression. Image i is bit i % 64 of word i // 64; the bits past the last image are 0. Rows are read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conceptx.annotation.scenes import Scenes, evaluate
from conceptx.errors import InputError
from conceptx.expressions import (
    CONTAINS,
    And,
    Expression,
    Named,
    Not,
    Nothing,
    Or,
    Some,
    Thing,
    length,
    to_manchester,
)
from conceptx.induction.atoms import KINDS, MAKERS, Statements, statements
from conceptx.induction.rows import (
    Bools,
    Ints,
    Rows,
    narrowed,
    pack,
    pack_sparse,
    same_packed,
    same_rows,
    take_rows,
    unpack,
)

__all__ = ["KINDS", "Evaluator", "Extents", "atoms", "collapse", "extent", "pack", "restrict", "unpack"]


@dataclass(frozen=True, slots=True, eq=False)
class Extents:
    """Distinct extents, each with one expression that stands for it and the others that have the same images.

    packed: (extents, words) uint64; counts: (extents,) images in each. They are ordered by length, then from the most
    specific class (see `atoms.Vocabulary.levels`; for several classes the sum), then by name.
    """

    packed: Rows
    counts: Ints
    expressions: tuple[Expression, ...]
    twins: tuple[tuple[Expression, ...], ...]
    lengths: Ints
    depths: Ints
    n_images: int

    def __len__(self) -> int:
        return len(self.expressions)

    def unpacked(self) -> Bools:
        """Return the extents as booleans (extents, images)."""
        return unpack(self.packed, self.n_images)


def atoms(
    scenes: Scenes, kinds: Sequence[str] = KINDS, *, image_classes: bool = False, min_support: int = 1
) -> Extents:
    """Return the distinct atoms that hold for at least `min_support` images and fail for at least as many.

    Kinds, by default the first three: classes: ``contains some C`` for every class C above a used one. attributes:
    ``contains some (C and role some V)`` for roles that lead to attribute values. relations: the same for roles between
    objects. counts: ``contains min n C``. thresholds: ``contains some (C and number some xsd:double[>= t])``. inverses:
    ``contains some (C and inverse role some D)``. nested: ``contains some (C and role some (D and role some E))``.
    conjunctions: ``contains some (A and B)``. negations: ``contains some (A and not B)``. `image_classes` adds the
    images' own classes. Of each kind but classes the most specific `MAX_ROLE_ATOMS` are kept. An extent is represented
    by its shortest expression, of these by the most specific.
    """
    for kind in kinds:
        if kind not in MAKERS:
            raise InputError("atoms", f"{kind!r} is not a kind of atom", f"use some of {', '.join(MAKERS)}")
    found = statements(scenes, kinds, image_classes=image_classes, min_support=min_support)
    return collapse(found, scenes.n_images)


def collapse(found: Statements, n_images: int) -> Extents:
    """Bring statements of the same images together, each under the shortest, then most specific, then first named."""
    lengths = np.fromiter(map(length, found.expressions), np.int64, len(found))
    # each text is needed once: remembered ones would push out those that are asked for again
    texts = [to_manchester.__wrapped__(e) for e in found.expressions]
    order = np.array(sorted(range(len(found)), key=lambda k: (lengths[k], -found.depths[k], texts[k])), dtype=np.int64)
    starts, images = take_rows(found.starts, found.images, order)
    same = same_rows(starts, images, n_images)
    own = np.flatnonzero(same == np.arange(len(order)))
    twins: dict[int, list[Expression]] = {k: [] for k in own.tolist()}
    for k in np.flatnonzero(same != np.arange(len(order))).tolist():
        twins[int(same[k])].append(found.expressions[order[k]])
    return _extents(
        pack_sparse(*take_rows(starts, images, own), n_images),
        [found.expressions[k] for k in order[own]],
        list(twins.values()),
        lengths[order[own]],
        found.depths[order[own]],
        n_images,
    )


def extent(expression: Expression, scenes: Scenes) -> Rows:
    """Return the packed row (words,) of the images that an expression holds for; equal to packing `evaluate`."""
    return Evaluator(scenes).row(expression)


class Evaluator:
    """Extents of many expressions over the same scenes; remembers the rows of ``contains some C``."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._image_of = _image_of(scenes)
        self._everything = pack(np.ones(scenes.n_images, dtype=bool))
        self._known: dict[Expression, Rows] = {}

    def row(self, expression: Expression) -> Rows:
        """Return the packed, read-only row of an expression."""
        if expression in self._known:
            return self._known[expression]
        row = self._compute(expression)
        row.setflags(write=False)
        if isinstance(expression, Some):
            self._known[expression] = row
        return row

    def held(self, expression: Expression) -> Bools:
        """Return the images that an expression holds for as booleans (images,)."""
        return unpack(self.row(expression), self._scenes.n_images)

    def _compute(self, expression: Expression) -> Rows:
        match expression:
            case Thing() | And(()):
                return self._everything.copy()
            case Nothing() | Or(()) | Some(_, Or(())):
                return np.zeros_like(self._everything)
            case Not(operand):
                return self._everything & ~self.row(operand)
            case And(operands):
                return _joined(np.bitwise_and, [self.row(o) for o in operands])
            case Or(operands):
                return _joined(np.bitwise_or, [self.row(o) for o in operands])
            case Some(role, Or(operands)):
                return _joined(np.bitwise_or, [self.row(Some(role, o)) for o in operands])
            case Some(role, Named(name)) if role == CONTAINS:
                members = self._scenes.closure.members(self._scenes.hierarchy.id(name))
                return _row_of(self._image_of, members, self._scenes.n_images)
            case _:
                return pack(evaluate(expression, self._scenes))


def _joined(combine: np.ufunc, rows: list[Rows]) -> Rows:
    return np.asarray(combine.reduce(rows), dtype=np.uint64)


def _image_of(scenes: Scenes) -> tuple[Ints, npt.NDArray[np.int32]]:
    """Return the images that contain each individual as CSR: those of i are images[starts[i]:starts[i + 1]]."""
    source, target = scenes.roles.get(CONTAINS.name, (np.empty(0, np.int32), np.empty(0, np.int32)))
    inside = source < scenes.n_images
    source, target = source[inside], target[inside]
    starts = np.zeros(scenes.n_individuals + 1, dtype=np.int64)
    np.cumsum(np.bincount(target, minlength=scenes.n_individuals), out=starts[1:])
    return starts, source[np.argsort(target, kind="stable")]


def _row_of(image_of: tuple[Ints, npt.NDArray[np.int32]], members: npt.NDArray[np.int32], n: int) -> Rows:
    """Return the packed row of the images that contain one of `members`."""
    starts, images = image_of
    held = np.zeros(n, dtype=bool)
    counts = starts[members + 1] - starts[members]
    first = np.repeat(starts[members] - np.cumsum(counts) + counts, counts)
    held[images[first + np.arange(len(first))]] = True
    return pack(held)


def restrict(extents: Extents, used: Bools) -> tuple[Extents, Ints]:
    """Return the atoms as they are among the images `used`, and the place of each among `extents`.

    What is equal there collapses; what holds for all or none of them goes.
    """
    if used.all():
        return extents, np.arange(len(extents))
    n = int(np.count_nonzero(used))
    rows = narrowed(extents.packed, used)
    same = same_packed(rows)
    sizes = np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
    own = np.flatnonzero((same == np.arange(len(rows))) & (sizes > 0) & (sizes < n))
    place = np.full(len(rows), -1)
    place[own] = np.arange(len(own))
    twins = list(map(extents.twins.__getitem__, own.tolist()))
    for k in np.flatnonzero((same != np.arange(len(rows))) & (place[same] >= 0)).tolist():
        twins[place[same[k]]] += (extents.expressions[k], *extents.twins[k])
    expressions = list(map(extents.expressions.__getitem__, own.tolist()))
    return _extents(rows[own], expressions, twins, extents.lengths[own], extents.depths[own], n), own


def _extents(
    packed: Rows,
    expressions: Sequence[Expression],
    twins: Sequence[Sequence[Expression]],
    lengths: Ints,
    depths: Ints,
    n_images: int,
) -> Extents:
    counts = np.bitwise_count(packed).sum(axis=1, dtype=np.int64)
    for array in (packed, counts, lengths, depths):
        array.setflags(write=False)
    return Extents(packed, counts, tuple(expressions), tuple(map(tuple, twins)), lengths, depths, n_images)
