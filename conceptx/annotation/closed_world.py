"""The closed world of scenes in axioms, so that a reasoner of the open world draws the same conclusions.

`closed_world(scenes, expressions)` is what `conceptx.verification.reasoned` hands to HermiT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import numpy as np

from conceptx.annotation.graph import Scenes
from conceptx.annotation.iris import BASE, iri
from conceptx.annotation.knowledge import ONTOLOGY, individual_iris
from conceptx.expressions import Expression, Role, Value, names, roles, walk

IMAGE = f"{BASE}isImage"
"""The class of all images and of nothing else."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_OWL = "http://www.w3.org/2002/07/owl#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_RDF_TYPE = f"<{_RDF}type>"
_SUBCLASS = f"<{_RDFS}subClassOf>"
_DOUBLE = f"<{_XSD}double>"


def closed_world(scenes: Scenes, expressions: Iterable[Expression]) -> Iterator[str]:
    """Yield what decides the expressions in every model, as N-Triples: the individuals and the closed world.

    Of the hierarchy it holds the classes at or below one that an expression names and at or above an asserted one: no
    other class can make an individual a member. The closed world is said with axioms: an individual that is not
    asserted to be of a named class (or of one below it) is of its complement; its successors by a role, in each
    direction that an expression goes, and its numbers are the ones listed and no others; individuals that are
    connected differ (others need not: nothing is counted across). Images are of the class `IMAGE`, and nothing else is.
    Individuals are those that `relevant` leaves.
    """
    given = list(expressions)
    scenes = relevant(scenes, given)
    node = [f"<{one}>" for one in individual_iris(scenes)]
    hierarchy, asked = scenes.hierarchy, sorted({scenes.hierarchy.id(name) for e in given for name in names(e)})
    kept = _between(scenes, asked)

    yield f"<{ONTOLOGY}> {_RDF_TYPE} <{_OWL}Ontology> ."
    for c in sorted({*kept, *asked}):
        yield f"<{hierarchy.iri(c)}> {_RDF_TYPE} <{_OWL}Class> ."
        for parent in hierarchy.parents(c).tolist():
            if c in kept and parent in kept:
                yield f"<{hierarchy.iri(c)}> {_SUBCLASS} <{hierarchy.iri(parent)}> ."
    for one in node:
        yield f"{one} {_RDF_TYPE} <{_OWL}NamedIndividual> ."
    for i, c in zip(scenes.type_of.tolist(), scenes.type_class.tolist(), strict=True):
        if c in kept:
            yield f"{node[i]} {_RDF_TYPE} <{hierarchy.iri(c)}> ."
    for c in asked:
        other = f"<{BASE}no:{c}>"
        yield f"{other} {_RDF_TYPE} <{_OWL}Class> ."
        yield f"{other} <{_OWL}disjointWith> <{hierarchy.iri(c)}> ."
        absent = np.setdiff1d(np.arange(scenes.n_individuals), scenes.closure.members(c))
        yield from (f"{node[i]} {_RDF_TYPE} {other} ." for i in absent.tolist())
    for role in dict.fromkeys(role for e in given for role in roles(e)):
        yield from _closed_role(scenes, role, node)
    numbers = dict.fromkeys(e.name for outer in given for e in walk(outer) if isinstance(e, Value))
    for name in numbers:
        yield from _closed_number(scenes, name, node)
    yield from _images(scenes, node)
    for k, members in enumerate(_components(scenes)):
        if len(members) > 1:
            yield f"_:all{k} {_RDF_TYPE} <{_OWL}AllDifferent> ."
            yield from _list(f"_:all{k} <{_OWL}distinctMembers>", [node[i] for i in members], f"all{k}")


def relevant(scenes: Scenes, expressions: Iterable[Expression]) -> Scenes:
    """Return the scenes with the individuals that the expressions' roles reach from an image, and with these roles."""
    used = dict.fromkeys(role for e in expressions for role in roles(e))
    reached = np.arange(scenes.n_individuals) < scenes.n_images
    while True:
        before = np.count_nonzero(reached)
        for role in used:
            source, target = scenes.roles[role.name]
            if role.inverse:
                source, target = target, source
            reached[target[reached[source]]] = True
        if np.count_nonzero(reached) == before:
            break
    new = np.cumsum(reached) - 1

    def kept(pairs: tuple[Any, Any], both: bool) -> tuple[Any, Any]:
        left, right = pairs
        stays = reached[left] & (reached[right] if both else True)
        return new[left[stays]], new[right[stays]] if both else right[stays]

    return Scenes(
        scenes.hierarchy,
        scenes.images,
        tuple(scenes.individuals[i] for i in np.flatnonzero(reached)),
        *kept((scenes.type_of, scenes.type_class), both=False),
        {role.name: kept(scenes.roles[role.name], both=True) for role in used},
        {name: kept(pairs, both=False) for name, pairs in scenes.numbers.items()},
    )


def _images(scenes: Scenes, node: list[str]) -> Iterator[str]:
    others = f"<{BASE}noImage>"
    yield f"<{IMAGE}> {_RDF_TYPE} <{_OWL}Class> ."
    yield f"{others} {_RDF_TYPE} <{_OWL}Class> ."
    yield f"{others} <{_OWL}disjointWith> <{IMAGE}> ."
    yield from (f"{one} {_RDF_TYPE} <{IMAGE}> ." for one in node[: scenes.n_images])
    yield from (f"{one} {_RDF_TYPE} {others} ." for one in node[scenes.n_images :])


def _components(scenes: Scenes) -> list[list[int]]:
    """Return the sets of individuals that roles connect."""
    from scipy import sparse

    n = scenes.n_individuals
    pairs = [np.stack(both) for both in scenes.roles.values()] or [np.zeros((2, 0), np.int32)]
    source, target = np.concatenate(pairs, axis=1)
    links = sparse.csr_array((np.ones(len(source), bool), (source, target)), shape=(n, n))
    n_parts, part = sparse.csgraph.connected_components(links, directed=False)
    members: list[list[int]] = [[] for _ in range(n_parts)]
    for i, p in enumerate(part.tolist()):
        members[p].append(i)
    return members


def _between(scenes: Scenes, asked: Iterable[int]) -> set[int]:
    """Return the asserted classes and those above them that are, or are below, one of `asked`."""
    hierarchy, wanted = scenes.hierarchy, frozenset(asked)
    below: dict[int, bool] = {}
    for start in np.unique(scenes.type_class).tolist():
        waiting = [start]
        while waiting:
            parents = hierarchy.parents(waiting[-1]).tolist()
            unknown = [p for p in parents if p not in below]
            if unknown:
                waiting += unknown
            else:
                c = waiting.pop()
                below[c] = c in wanted or any(below[p] for p in parents)
    return {c for c, is_below in below.items() if is_below}


def _closed_role(scenes: Scenes, role: Role, node: list[str]) -> Iterator[str]:
    """Yield the pairs of a role and, in the direction that is asked for, that there are no others."""
    name, mark = f"<{iri('role', role.name)}>", sha256(role.name.encode()).hexdigest()[:16]
    source, target = scenes.roles[role.name]
    yield f"{name} {_RDF_TYPE} <{_OWL}ObjectProperty> ."
    yield from (f"{node[i]} {name} {node[j]} ." for i, j in zip(source.tolist(), target.tolist(), strict=True))
    if role.inverse:
        source, target = target, source
        mark += "i"
    successors: dict[int, list[str]] = {}
    for i, j in zip(source.tolist(), target.tolist(), strict=True):
        successors.setdefault(i, []).append(node[j])
    for i, one in enumerate(node):
        only, inverse = f"_:only{mark}x{i}", f"_:inverse{mark}x{i}"
        if role.inverse:
            yield f"{inverse} <{_OWL}inverseOf> {name} ."
        yield f"{one} {_RDF_TYPE} {only} ."
        yield f"{only} {_RDF_TYPE} <{_OWL}Restriction> ."
        yield f"{only} <{_OWL}onProperty> {inverse if role.inverse else name} ."
        if i not in successors:
            yield f"{only} <{_OWL}allValuesFrom> <{_OWL}Nothing> ."
        else:
            yield f"{only} <{_OWL}allValuesFrom> {only}o ."
            yield f"{only}o {_RDF_TYPE} <{_OWL}Class> ."
            yield from _list(f"{only}o <{_OWL}oneOf>", successors[i], f"{mark}x{i}")


def _closed_number(scenes: Scenes, name: str, node: list[str]) -> Iterator[str]:
    """Yield the numbers of a data property, and that each individual has no others."""
    values: dict[int, list[str]] = {}
    of, number = scenes.numbers[name]
    for i, v in zip(of.tolist(), number.tolist(), strict=True):
        values.setdefault(i, []).append(f'"{v!r}"^^{_DOUBLE}')
    where, mark = f"<{iri('role', name)}>", sha256(name.encode()).hexdigest()[:16]
    yield f"{where} {_RDF_TYPE} <{_OWL}DatatypeProperty> ."
    for i, one in enumerate(node):
        only = f"_:number{mark}x{i}"
        yield f"{one} {_RDF_TYPE} {only} ."
        yield f"{only} {_RDF_TYPE} <{_OWL}Restriction> ."
        yield f"{only} <{_OWL}onProperty> {where} ."
        if i not in values:
            yield f'{only} <{_OWL}maxCardinality> "0"^^<{_XSD}nonNegativeInteger> .'
            continue
        yield from (f"{one} {where} {v} ." for v in values[i])
        yield f"{only} <{_OWL}allValuesFrom> {only}o ."
        yield f"{only}o {_RDF_TYPE} <{_RDFS}Datatype> ."
        yield from _list(f"{only}o <{_OWL}oneOf>", values[i], f"n{mark}x{i}")


def _list(start: str, items: list[str], mark: str) -> Iterator[str]:
    """Yield an RDF list that begins with the subject and the predicate of `start`."""
    for k, item in enumerate(items):
        yield f"{start} _:l{mark}x{k} ."
        yield f"_:l{mark}x{k} <{_RDF}first> {item} ."
        start = f"_:l{mark}x{k} <{_RDF}rest>"
    yield f"{start} <{_RDF}nil> ."
