"""An OWL knowledge base as individuals of which class expressions hold: `load` reads any file.

`KnowledgeBase.scenes` has every individual as an image, so that `conceptx.annotation.evaluate.holds` is the exact
meaning of every expression here: closed world, individuals of different names are different.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from conceptx.annotation.evaluate import holds
from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import NOTHING, Count, Expression, Named, Only, Some, Value, quote, walk
from conceptx.induction.individuals.axioms import Axioms
from conceptx.induction.individuals.closure import build
from conceptx.induction.individuals.forms import renamed
from conceptx.induction.individuals.naming import Names

if TYPE_CHECKING:
    from conceptx.annotation.scenes import Scenes

_BLANKS = re.compile(r"\s+")
_COMPARED = 5000
_NUMBER = "\x00number"


@dataclass(frozen=True, eq=False)
class KnowledgeBase:
    """All individuals of one file with what follows for them; `prefixes` are those that the file declares."""

    where: str
    scenes: Scenes
    names: Names
    by_iri: Mapping[str, int]
    prefixes: Mapping[str, str]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return self.scenes.n_individuals

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of every individual by its name and by every IRI that it has."""
        places = {self.names.individuals[iri]: place for iri, place in self.by_iri.items()}
        return {**places, **self.by_iri}

    def place(self, given: str, prefixes: Mapping[str, str] | None = None) -> int | None:
        """Return the place of the individual that is meant, or None: an IRI, a prefixed or a bare name.

        A prefix that is declared nowhere does not count. Blanks around and inside a name do not count where the name
        with blanks is unknown.
        """
        text = given.strip().removeprefix("<").removesuffix(">").strip()
        for form in dict.fromkeys((text, _BLANKS.sub("", text), _BLANKS.sub("_", text))):
            for name in self._readings(form, prefixes or {}):
                if name in self.places:
                    return self.places[name]
        return None

    def _readings(self, text: str, prefixes: Mapping[str, str]) -> list[str]:
        readings = [text]
        prefix, colon, rest = text.partition(":")
        if colon and not rest.startswith("//"):
            known = {**self.prefixes, **prefixes}
            if prefix.strip() in known:
                readings.append(known[prefix.strip()] + rest.strip())
            elif prefix.strip() or "" not in known:
                readings.append(rest.strip())
        elif not colon and "" in prefixes:
            readings.append(prefixes[""] + text)
        return readings

    @cached_property
    def text_properties(self) -> frozenset[str]:
        """The names of the data properties that have no numbers."""
        return frozenset(self.names.properties[iri] for iri in self.names.texts)

    def holds(self, expression: Expression) -> npt.NDArray[np.bool_]:
        """Return for every individual whether the expression holds for it.

        Unlike for `conceptx.annotation.evaluate.holds`, the expression may have ``'{adam}'`` for any individual, and
        ``'colour value "red"'`` for a value that nothing has.
        """
        return holds(renamed(expression, self._meant, lambda role: role, lambda name: name), self._numbered)

    def _meant(self, name: str) -> Expression:
        if name in self.scenes.hierarchy:
            return Named(name)
        place = self._nominal(name)
        return NOTHING if place is None else Value(_NUMBER, "=", place)

    def _nominal(self, name: str) -> int | None:
        return self.places.get(name[1:-1]) if name.startswith("{") and name.endswith("}") else None

    def is_value(self, name: str) -> bool:
        """Return whether the name is that of the class of what has a certain value, whether anything has it or not."""
        return name in self.names.values or name.startswith(self._value_names)

    @cached_property
    def _value_names(self) -> tuple[str, ...]:
        return tuple(f"{quote(name)} value " for name in self.names.properties.values())

    @cached_property
    def name_of(self) -> dict[str, str]:
        """The name of every class, role and data property by its IRI."""
        return {**self.names.properties, **self.names.roles, **self.names.classes}

    @cached_property
    def _numbered(self) -> Scenes:
        """The scenes with the number of every individual as a value, by which one can be named."""
        numbers = np.arange(len(self))
        return replace(
            self.scenes, numbers={**self.scenes.numbers, _NUMBER: (numbers.astype(np.int32), numbers.astype(float))}
        )

    def check(self, expression: Expression, where: str) -> None:
        """Refuse an expression with a class, a role or a data property that the knowledge base does not have."""
        scenes = self.scenes
        for part in walk(expression):
            match part:
                case Named(name) if name not in scenes.hierarchy:
                    if self._nominal(name) is not None or self.is_value(name):
                        continue
                    if name.startswith("{"):
                        self._refuse(where, "individual", name[1:-1], [*scenes.individuals])
                    self._refuse(where, "class", name, [*self.names.classes.values()])
                case Some(role, _) | Only(role, _) | Count(_, _, role, _) if role.name not in scenes.roles:
                    self._refuse(where, "role", role.name, [*scenes.roles])
                case Value(name, _, _) if name not in scenes.numbers:
                    self._refuse(where, "data property with numbers", name, [*scenes.numbers])

    def _refuse(self, where: str, kind: str, name: str, known: list[str]) -> NoReturn:
        shown = ", ".join(sorted(known)[:8]) + (", …" if len(known) > 8 else "")
        mend = did_you_mean(name, known[:_COMPARED]) or (f"it has {shown}" if known else f"it has no {kind} at all")
        raise InputError(where, f"the knowledge base has no {kind} '{name}'", mend)


def load(*paths: Path, unfold: bool = True) -> KnowledgeBase:
    """Read a knowledge base of one file or several: RDF in any syntax, or DL-Learner's ``.kb``.

    `unfold`: definitions with a negation give their class members in the closed world.
    """
    read = [_read(path) for path in paths]
    axioms = read[0]
    for other in read[1:]:
        axioms.take(other)
    scenes, names, by_iri, notes = build(axioms, unfold)
    return KnowledgeBase(axioms.where, scenes, names, by_iri, axioms.prefixes, notes)


def _read(path: Path) -> Axioms:
    if not path.is_file():
        what = "is a folder, not a knowledge base" if path.is_dir() else "there is no such knowledge base"
        raise InputError(str(path), what, "check the path, or give the file with --kb")
    if path.suffix.lower() == ".kb":
        from conceptx.induction.individuals.kbfile import read_kb

        return read_kb(path)
    from conceptx.induction.individuals.rdf import read_rdf

    return read_rdf(path)
