"""Learning problems as other tools write them: DL-Learner's ``.conf``, ECII's ``.config``, Ontolearn's ``.json``.

`read_problems(path)` tells the form from the content and returns every problem of the file; `problem_of_lists` makes
one from two lists of names. `placed` finds the examples in a knowledge base.
"""

from __future__ import annotations

from pathlib import Path

from conceptx.errors import InputError
from conceptx.induction.problems.configuration import Configuration, is_utf8
from conceptx.induction.problems.examples import LearningProblem, Placed, placed, problem_of_lists

__all__ = ["LearningProblem", "Placed", "placed", "problem_of_lists", "read_problems"]

_LARGEST = 1 << 28


def read_problems(path: Path) -> list[LearningProblem]:
    """Read every learning problem of a file."""
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(str(path), f"has more than {_LARGEST >> 20} MB", "give a file with one learning problem")
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        what = f"cannot be opened ({error.strerror})"
        raise InputError(str(path), what, "give a problem file, or --kb with --positives and --negatives") from error
    if text.lstrip().startswith(("{", "[")):
        from conceptx.induction.problems.ontolearn import read_ontolearn

        if not is_utf8(text):
            raise InputError(str(path), "is not UTF-8", "convert the file to UTF-8")
        return read_ontolearn(path, text)
    if path.suffix.lower() in (".owl", ".rdf", ".ttl", ".nt", ".kb") or text.lstrip().startswith("<"):
        what = "is a knowledge base, not a learning problem"
        raise InputError(str(path), what, "give it with --kb, and the examples with --positives and --negatives")
    configuration = Configuration(path, text)
    configuration.check_encoding()
    if configuration.is_ecii:
        from conceptx.induction.problems.ecii import read_ecii

        return [read_ecii(configuration)]
    from conceptx.induction.problems.dllearner import read_dllearner

    return [read_dllearner(configuration)]
