"""DL-Learner's problem files (``.conf``), those of its first versions (``import(…)``, ``+name``) included."""

from __future__ import annotations

import re
from pathlib import Path

from conceptx.errors import InputError
from conceptx.induction.problems.configuration import Configuration
from conceptx.induction.problems.examples import LearningProblem, Vocabulary

_IMPORT = re.compile(r"""\bimport\s*\(\s*"([^"]+)"\s*(?:,[^)]*)?\)""")
_SIGNED = re.compile(
    r"""^[ \t]*([+-])[ \t]*(?:\w+[ \t]*\([ \t]*"([^"\n]+)"[ \t]*\)|"([^"\n]+)"|([^\W\d][\w\-:]*))[ \t]*[.;]?[ \t]*$""",
    re.MULTILINE,
)
_POSITIVE_ONLY = re.compile(r"pos(?:itive)?[ _-]?only")
_ROLES = ("Roles", "ObjectProperties", "DataProperties", "DatatypeProperties")


def read_dllearner(configuration: Configuration) -> LearningProblem:
    """Read the problem of a DL-Learner configuration."""
    path = configuration.path
    signed = [(sign, inside or quoted or bare) for sign, inside, quoted, bare in _SIGNED.findall(configuration.text)]
    positives = configuration.names("positiveExamples")
    negatives = configuration.names("negativeExamples")
    kinds = " ".join(value for _, value in configuration.options("type", "problem")).lower()
    describe = next((value for _, value in configuration.options("classToDescribe")), "")
    if positives is None and not signed and not describe:
        what = "states no positive examples (no lp.positiveExamples, no lines with +)"
        raise InputError(str(path), what, "give a problem file of DL-Learner, ECII or Ontolearn")
    old = tuple(dict.fromkeys(path.parent / Path(name) for name in _IMPORT.findall(configuration.text)))
    return LearningProblem(
        name=path.stem,
        where=str(path),
        bases=configuration.bases("fileName", "url") or old,
        positives=(*(positives or ()), *(name for sign, name in signed if sign == "+")),
        negatives=(*(negatives or ()), *(name for sign, name in signed if sign == "-")),
        prefixes=configuration.prefixes,
        rest_negative=bool(describe) or bool(_POSITIVE_ONLY.search(kinds)),
        describe=describe,
        vocabulary=Vocabulary(
            configuration.names("ignoredConcepts", "ignoredClasses") or (),
            configuration.names(*(f"ignored{kind}" for kind in _ROLES)) or (),
            configuration.names("allowedConcepts", "allowedClasses") or (),
            configuration.names(*(f"allowed{kind}" for kind in _ROLES)) or (),
        ),
    )
