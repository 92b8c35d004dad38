"""Answer the problems of a file: load what they name, search or score, and say what was left out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conceptx.errors import InputError
from conceptx.induction.individuals.knowledge import KnowledgeBase, load
from conceptx.induction.individuals.results import Learned
from conceptx.induction.problems import LearningProblem, placed
from conceptx.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found for one problem; `lines` are those of the score file, by rank, where one was given."""

    problem: str
    learned: Learned
    warnings: tuple[str, ...]
    lines: tuple[int, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the document that ``conceptx learn --json`` prints for one problem."""
        learned = self.learned
        rows = [solution.row(rank) for rank, solution in enumerate(learned.solutions, start=1)]
        for row, line in zip(rows, self.lines, strict=False):
            row["line"] = line
        return {
            "problem": self.problem,
            "positives": learned.positives,
            "negatives": learned.negatives,
            "seconds": learned.seconds,
            "complete_to_length": learned.complete,
            "warnings": list(self.warnings),
            "solutions": rows,
        }


def solve(
    problems: Sequence[LearningProblem],
    objective: str = "f1",
    top: int = 5,
    seconds: float | None = None,
    score: Path | None = None,
    kb: Path | None = None,
    reasoner: bool = False,
    progress: Progress = silent,
) -> list[Answer]:
    """Answer every problem; those over one knowledge base share what was enumerated of it.

    `kb` takes the place of what the problems name. With `score` the expressions of that file are counted instead.
    """
    from conceptx.induction.individuals.search import learn
    from conceptx.induction.individuals.settings import Settings
    from conceptx.induction.individuals.space import Space

    settings = Settings(objective, top, seconds=seconds)
    loaded: dict[tuple[Path, ...], KnowledgeBase] = {}
    spaces: dict[tuple[tuple[Path, ...], frozenset[str], frozenset[str]], Space] = {}
    answers = []
    for problem in problems:
        bases = (kb,) if kb else problem.bases
        if not bases:
            raise InputError(problem.where, "names no knowledge base", "give one with --kb")
        if bases not in loaded:
            for path in bases:
                if not path.is_file():
                    what = f"the knowledge base {str(path)!r} does not exist"
                    raise InputError(problem.where, what, "put it there, or give another with --kb")
            loaded[bases] = _inferred(bases) if reasoner else load(*bases)
        base = loaded[bases]
        examples = placed(problem, base)
        warnings = (*base.notes, *examples.warnings)
        if score is not None:
            from conceptx.induction.individuals.scoring import read_expressions
            from conceptx.induction.individuals.scoring import score as count

            given = read_expressions(score, base, problem.prefixes)
            learned, order = count(base, examples.positives, examples.negatives, [x for _, x in given], objective)
            answers.append(Answer(problem.name, learned, warnings, tuple(given[i][0] for i in order)))
            continue
        key = (bases, examples.forbidden, examples.forbidden_roles)
        if key not in spaces:
            spaces[key] = Space(base, None, examples.forbidden, examples.forbidden_roles)
        found = learn(base, examples.positives, examples.negatives, settings, spaces[key], progress)
        answers.append(Answer(problem.name, found, warnings))
    return answers


def _inferred(bases: tuple[Path, ...]) -> KnowledgeBase:
    """Load the files with everything that HermiT infers from them, in the place of definitions that we unfold."""
    from conceptx.ontology.reasoner import materialise

    for path in bases:
        if path.suffix.lower() == ".kb":
            raise InputError(
                str(path), "is no RDF, which the reasoner needs", "save it as OWL, or leave out --reasoner"
            )
    with tempfile.TemporaryDirectory(prefix="conceptx-") as folder:
        made = Path(folder) / "inferred.nt"
        materialise(bases, made)
        return replace(load(made, unfold=False), where=str(bases[0]))
