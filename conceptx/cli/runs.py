"""Commands over a run: the demo, the whole job, and one command a stage."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptx.cli.options import counted, print_json, progress_for, shared
from conceptx.cli.requests import EXPLAIN_OPTIONS, RECORD_OPTIONS, SEED, add_options, request_of

if TYPE_CHECKING:
    from conceptx.run import Run
    from conceptx.verification.results import Verification


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("conceptx-demo"), show_default=True, help="The run folder."
)
@click.option("--open", "opened", is_flag=True, help="Open the report in the browser at the end.")
@SEED
@shared
def demo(out: Path, opened: bool, seed: int | None, as_json: bool, quiet: bool) -> None:
    """Do the whole job on the built-in world: render, train, explain, prove, report.

    It takes some minutes. The same command again goes on where it was stopped; what is done is not done again.
    """
    from conceptx.api import demo as whole_job

    run = whole_job(out, seed=seed or 0, progress=progress_for(quiet or as_json))
    _finish(run, as_json, quiet)
    if opened:
        click.launch(str(run.report_path))


@click.command(short_help="Explain the units of a layer: the whole job, up to the report.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@add_options(*RECORD_OPTIONS, *EXPLAIN_OPTIONS, SEED)
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.  [default: the folder of FILE]")
@click.option("--plan", "plan_only", is_flag=True, help="Stop when plan.json says what will be tested.")
@shared
def explain(file: Path | None, out: Path | None, plan_only: bool, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Explain the units of a layer: extract, map the labels, search, test, report.

    Needed are --model, --layer and --images, or the tables --activations and --labels; and --out. FILE is the run.toml
    of a run, or its folder: the run is taken up again, and flags take the place of what it says. What is done already
    is not done again.
    """
    from conceptx.errors import InputError
    from conceptx.pipeline import run_stages, start_run

    if file is not None and file.is_dir():
        file /= "run.toml"
    if out is None:
        if file is None:
            raise InputError("request", "no folder is given for the run", "add --out FOLDER")
        out = file.parent
    with start_run(out, request_of(file, flags, out)) as run:
        top_only = run.request.keep == "top"
        upto = "extract" if top_only else "plan" if plan_only else "report"
        progress = progress_for(quiet or as_json)
        if not top_only:
            run_stages(run, upto="images", progress=progress)
            _check_labels(run)  # before hours of extraction, not after
        run_stages(run, upto=upto, progress=progress)
    if top_only:
        _finish_statistics(run, as_json, quiet)
        return
    if plan_only:
        plan = run.read_json("plan.json")
        shown = {"run": str(run.path), "plan": str(run.path / "plan.json"), "digest": plan["digest"], **plan["tests"]}
        if as_json:
            print_json(shown)
        elif not quiet:
            click.echo(f"{shown['plan']}: {plan['tests']['evaluation']} tests on evaluation, at most")
            click.echo(f"{plan['tests']['verification']} on verification; digest {plan['digest']}")
        return
    _finish(run, as_json, quiet)


def _check_labels(run: Run) -> None:
    """Refuse a run without anything that an expression could speak of."""
    import pyarrow.parquet as pq

    from conceptx.errors import InputError

    if pq.read_metadata(run.path / "objects.parquet").num_rows:
        return
    name = str(run.read_json("images.json").get("name"))
    categories = pq.read_table(run.path / "images.parquet", columns=["category"])["category"]
    mend = "give a table of labels: labels.csv (image,label) beside the pictures"
    if categories.null_count == len(categories):
        raise InputError(name, "no image has a label", mend)
    if not run.request.image_classes:
        raise InputError(name, "the images have categories and no labels", f"{mend}, or add --image-classes")


def _bring_up_to_date(
    folder: Path, stage: str, seed: int | None, as_json: bool, quiet: bool, **changes: object
) -> None:
    """Run the stages up to `stage`, with a changed request where a flag asks for one (None: as it was)."""
    from dataclasses import replace

    from conceptx.pipeline import run_stages, start_run
    from conceptx.run import Run

    run = Run.open(folder)
    changed = {name: value for name, value in {"seed": seed, **changes}.items() if value is not None}
    if changed:
        run = start_run(folder, replace(run.request, **changed))  # type: ignore[arg-type]
    with run:
        done = run_stages(run, upto=stage, progress=progress_for(quiet or as_json))
    if as_json:
        print_json({"run": str(folder), "stage": stage, "done": done})
    elif not quiet:
        click.echo(f"{stage}: {'done' if stage in done else 'nothing has changed'}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--review", is_flag=True, help="List the doubtful decisions, for a person to make.")
@click.option(
    "--sentences/--no-sentences",
    default=None,
    help="Ask a local sentence model about labels that no class name resembles (extra sentences).",
)
@SEED
@shared
def annotate(run: Path, review: bool, sentences: bool | None, seed: int | None, as_json: bool, quiet: bool) -> None:
    """Compile the hierarchy and map the labels to its classes.

    Stages before it are done first where they are not done yet, as with every command of one stage.
    """
    if not review:
        _bring_up_to_date(run, "annotate", seed, as_json, quiet, sentences=sentences)
        return
    from conceptx.annotation.sssom import read_sssom

    _bring_up_to_date(run, "annotate", seed, as_json=False, quiet=True, sentences=sentences)
    path = run / "mapping.sssom.tsv"
    doubtful = read_sssom(path).doubtful
    if as_json:
        print_json([asdict(row) for row in doubtful])
        return
    for row in doubtful:
        others = f"; it could be {', '.join(row.alternatives)}" if row.alternatives else ""
        click.echo(f"{row.label}: {row.class_name or 'no class'} (confidence {row.confidence:.2f}){others}")
    if not doubtful:
        click.echo(f"No label is doubtful; all decisions are in {path}.")
        return
    said = counted(len(doubtful), "doubtful label")
    click.echo(f"{said}; decide in {path} (column object_id), and the next run keeps that")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--reasoner/--no-reasoner", default=None, help="Let HermiT check the expressions on 30 images (extra reasoner)."
)
@SEED
@shared
def induce(run: Path, reasoner: bool | None, seed: int | None, as_json: bool, quiet: bool) -> None:
    """Search the expressions that describe what fires each unit; what they need is done first."""
    _bring_up_to_date(run, "judge" if reasoner else "induce", seed, as_json, quiet, reasoner=reasoner)
    if reasoner and not (as_json or quiet):
        click.echo(_judged(run))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--single-file/--folder", default=None, help="One page that holds all, or a page for each unit.")
@SEED
@shared
def report(run: Path, single_file: bool | None, seed: int | None, as_json: bool, quiet: bool) -> None:
    """Write the report of RUN; what it needs is done first."""
    _bring_up_to_date(run, "report", seed, as_json, quiet, single_file=single_file)


@click.command(short_help="Test hypotheses on held-out images, or on new ones.")
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--activations", type=click.Path(path_type=Path), help="A table: image, then one column per unit.")
@click.option("--labels", type=click.Path(path_type=Path), help="A table: image,label[,object][,split].")
@click.option("--hypotheses", type=click.Path(path_type=Path), help="A table: unit,expression.")
@click.option("--ontology", type=click.Path(path_type=Path), help="A hierarchy for the labels.  [default: none]")
@click.option("--protocol", help="conceptx, dalal2024 or a TOML file.  [default: conceptx]")
@click.option(
    "--bank",
    type=click.Path(path_type=Path),
    help="New images for RUN: a folder with a sub-folder a label (see conceptx bank fetch).",
)
@SEED
@shared
def verify(
    run: Path | None,
    activations: Path | None,
    labels: Path | None,
    hypotheses: Path | None,
    ontology: Path | None,
    protocol: str | None,
    bank: Path | None,
    seed: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Test hypotheses on images that the search has not seen.

    Those of RUN on its held-out images; with --bank on new images; or, without RUN, those of --hypotheses on
    --activations and --labels.
    """
    from conceptx.errors import InputError

    tables = {"activations": activations, "labels": labels, "hypotheses": hypotheses}
    if run is not None:
        given = [name for name, value in {**tables, "ontology": ontology, "protocol": protocol}.items() if value]
        if given:
            raise InputError("request", f"a run and --{given[0]} are given", "keep one of the two")
        if bank is None:
            _bring_up_to_date(run, "verify", seed, as_json, quiet)
        else:
            from conceptx.artefacts import verify_on_bank
            from conceptx.run import Run

            found = verify_on_bank(Run.open(run), bank, seed=seed, progress=progress_for(quiet or as_json))
            _print_verification(found, as_json, quiet)
        return
    if bank is not None:
        raise InputError("request", "a bank is given without a run", "give the folder of the run that it is to test")
    for name, path in tables.items():
        if path is None:
            raise InputError("request", f"no {name} are given", f"give the folder of a run, or --{name} TABLE")
    from conceptx.api import verify_tables

    assert activations is not None
    assert labels is not None
    assert hypotheses is not None
    result = verify_tables(
        activations,
        labels,
        hypotheses,
        ontology=ontology,
        protocol=protocol or "conceptx",
        seed=seed or 0,
        progress=progress_for(quiet or as_json),
    )
    _print_verification(result, as_json, quiet)


def _print_verification(result: Verification, as_json: bool, quiet: bool) -> None:
    for warning in result.warnings if as_json and not quiet else ():
        click.echo(f"note: {warning}", err=True)
    if as_json:
        print_json(result.verdicts.to_pylist())
    elif not quiet:
        from conceptx.cli.summary import print_verdicts

        print_verdicts(result)


def _finish_statistics(run: Run, as_json: bool, quiet: bool) -> None:
    """Say where the statistics of a run are that keeps no values to search and to test."""
    from conceptx.activations.store import STATISTICS, store_name
    from conceptx.inputs import recorded_layers

    folder = run.path / "activations"
    files = [str(folder / f"{store_name(layer)}{STATISTICS}") for layer in recorded_layers(run)]
    if as_json:
        print_json({"run": str(run.path), "statistics": files})
    elif not quiet:
        click.echo(f"{', '.join(files)}: statistics and top images of every unit.")
        click.echo("The search and the tests need every value: they follow with --keep all.")


def _finish(run: Run, as_json: bool, quiet: bool) -> None:
    """Say how a run ended."""
    judged = {"reasoner": _judged(run.path)} if run.request.reasoner else {}
    if as_json:
        print_json({"run": str(run.path), "report": str(run.report_path), **judged, **run.summary})
    elif not quiet:
        from conceptx.cli.summary import print_summary

        for sentence in judged.values():
            click.echo(sentence)
        print_summary(run)


def _judged(folder: Path) -> str:
    """Return the sentence on what HermiT checked in a run."""
    from conceptx.run import Run

    told = Run.open(folder).read_json("reasoner.json")
    return str(told.get("sentence", "HermiT had nothing to check: no expression is proposed"))
