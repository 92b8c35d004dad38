"""ECII's problem files (``.config``, ``.conf``): DL-Learner's form with a default namespace and ECII's own limits."""

from __future__ import annotations

from conceptx.errors import InputError
from conceptx.induction.problems.configuration import Configuration
from conceptx.induction.problems.examples import LearningProblem


def read_ecii(configuration: Configuration) -> LearningProblem:
    """Read the problem of an ECII configuration.

    Its limits K1 to K10 and its list of object properties bound ECII's own candidates; they are not used here.
    """
    path = configuration.path
    positives = configuration.names("positiveExamples", "posExamples")
    negatives = configuration.names("negativeExamples", "negExamples")
    if positives is None:
        raise InputError(str(path), "states no positive examples", "add lp.positiveExamples = { … }")
    return LearningProblem(
        name=path.stem,
        where=str(path),
        bases=configuration.bases("fileName", "url"),
        positives=positives,
        negatives=negatives or (),
        prefixes=configuration.prefixes,
    )
