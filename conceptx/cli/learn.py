"""The command that learns class expressions for any OWL knowledge base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conceptx.cli.options import print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.induction.individuals.solve import Answer


@click.command(short_help="Learn class expressions for any OWL knowledge base.")
@click.argument("problem", required=False, type=click.Path(path_type=Path))
@click.option("--kb", type=click.Path(path_type=Path), help="The knowledge base.  [default: what PROBLEM names]")
@click.option("--positives", help="A file with one individual a line, or individuals with commas between them.")
@click.option("--negatives", help="The same for the negative examples.")
@click.option("--only", multiple=True, help="Of a file with many problems only this one; repeatable.")
@click.option("--score", type=click.Path(path_type=Path), help="Score the expressions in this file, one a line.")
@click.option("--objective", default="f1", show_default=True, help="What is maximised: f1, or coverage (accuracy).")
@click.option("--top", type=click.IntRange(min=1, max=1000), default=5, show_default=True, help="How many solutions.")
@click.option("--seconds", type=float, help="The longest time for each problem.  [default: a fixed amount of work]")
@click.option("--reasoner", is_flag=True, help="Let HermiT infer the types of the individuals first.")
@shared
def learn(
    problem: Path | None,
    kb: Path | None,
    positives: str | None,
    negatives: str | None,
    only: tuple[str, ...],
    score: Path | None,
    objective: str,
    top: int,
    seconds: float | None,
    reasoner: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn class expressions that hold for the positive and not for the negative individuals of PROBLEM.

    PROBLEM is a file of DL-Learner (.conf), ECII (.config, .conf) or Ontolearn (.json); or give --kb, --positives
    and --negatives.
    """
    from conceptx.errors import InputError, did_you_mean
    from conceptx.induction.individuals.solve import solve
    from conceptx.induction.problems import problem_of_lists, read_problems

    if problem is not None:
        if positives is not None or negatives is not None:
            what = "a problem file and lists of examples are given"
            raise InputError("request", what, "give PROBLEM, or --kb with --positives and --negatives")
        problems = read_problems(problem)
    elif positives is None or negatives is None:
        mend = "give PROBLEM, or --kb with --positives and --negatives"
        raise InputError("request", "no learning problem is given", mend)
    else:
        problems = [problem_of_lists(kb, positives, negatives)]
    if only:
        names = [p.name for p in problems]
        for name in only:
            if name not in names:
                mend = did_you_mean(name, names) or f"it has {', '.join(names[:8])}"
                raise InputError(str(problem or "request"), f"there is no problem {name!r}", mend)
        problems = [p for p in problems if p.name in only]
    progress = progress_for(quiet or as_json)
    answers = solve(problems, objective, top, seconds, score, kb, reasoner, progress)
    if as_json:
        records = [answer.record() for answer in answers]
        print_json(records[0] if len(records) == 1 else records)
    elif not quiet:
        for answer in answers:
            _show(answer, searched=score is None)


def _show(answer: Answer, searched: bool) -> None:
    """Print one problem as a small table."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    for warning in answer.warnings:
        click.echo(f"warning: {warning}", err=True)
    learned = answer.learned
    title = f"{answer.problem}: {learned.positives} positive, {learned.negatives} negative, {learned.seconds:.2f} s"
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE, pad_edge=False)
    for name in ("F1", "accuracy", "tp", "fp", "fn", "tn", "length"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("expression", overflow="fold")
    for solution in learned.solutions:
        counts = (str(n) for n in solution.counts)
        length = f"{solution.length}{'*' if solution.optimal else ''}"
        scores = (f"{solution.f1:.3f}", f"{solution.coverage:.3f}")
        table.add_row(*scores, *counts, length, escape(solution.text))
    Console(soft_wrap=False).print(table)
    if searched and any(solution.optimal for solution in learned.solutions):
        click.echo("* proven: no expression of this length or shorter scores higher, and no shorter one as high")
