"""An OWL knowledge base as individuals of which class expressions hold: `load` reads any file.

`KnowledgeBase.scenes` has every individual as an image, so that `conceptx.annotation.evaluate.holds` is the exact
meaning of every expression here: closed world, individuals of different names are different.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from conceptx.errors import InputError, did_you_mean
from conceptx.expressions import Count, Expression, Named, Only, Some, Value, walk
from conceptx.induction.individuals.axioms import Axioms
from conceptx.induction.individuals.closure import build
from conceptx.induction.individuals.naming import Names

if TYPE_CHECKING:
    from conceptx.annotation.scenes import Scenes

_BLANKS = re.compile(r"\s+")
_COMPARED = 5000


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

        Blanks around and inside a name do not count where the name with blanks is unknown.
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
            elif not prefix.strip() and "" not in known:
                readings.append(rest.strip())
        elif not colon and "" in prefixes:
            readings.append(prefixes[""] + text)
        return readings

    def check(self, expression: Expression, where: str) -> None:
        """Refuse an expression with a class, a role or a data property that the knowledge base does not have."""
        scenes = self.scenes
        for part in walk(expression):
            match part:
                case Named(name) if name not in scenes.hierarchy:
                    self._refuse(where, "class", name, [*self.names.classes.values()])
                case Some(role, _) | Only(role, _) | Count(_, _, role, _) if role.name not in scenes.roles:
                    self._refuse(where, "role", role.name, [*scenes.roles])
                case Value(name, _, _) if name not in scenes.numbers:
                    self._refuse(where, "data property with numbers", name, [*scenes.numbers])

    def _refuse(self, where: str, kind: str, name: str, known: list[str]) -> None:
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
