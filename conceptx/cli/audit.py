"""The commands `audit` and `diff`: what an auditor asks of one run, and of two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conceptx.cli.options import print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.audit import Audit, Comparison

_SHOWN = 20
_WHOLE = ("figures", "beside the verdicts")
"""Checks that stand for many others that could not be made."""


@click.command(short_help="Check every digest and figure of a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--replay", is_flag=True, help="Repeat search and tests too, and compare the files byte for byte.")
@click.option("--sign", type=click.Path(path_type=Path), help="Sign the manifest with this key (SSH or minisign).")
@click.option("--verify", type=click.Path(path_type=Path), help="Check the signature: a public key or allowed signers.")
@click.option("--signer", help="Who must have signed, of the allowed signers.")
@shared
def audit(
    run: Path, replay: bool, sign: Path | None, verify: Path | None, signer: str | None, as_json: bool, quiet: bool
) -> int:
    """Check a run: every digest, and every figure computed again by a slow and independent path.

    Exit code 0: nothing differs. 1: something does; each difference is named.
    """
    from conceptx.audit import audit_run, sign_run, verify_signature

    signed_by = None if verify is None else verify_signature(run, verify, signer)
    result = audit_run(run, replay=replay, progress=progress_for(quiet or as_json))
    signature = sign_run(run, sign) if sign is not None and result.passed else None
    if as_json:
        print_json(
            {**result.to_dict(), "signed_by": signed_by, "signature": None if signature is None else str(signature)}
        )
    elif not quiet:
        _print_audit(result)
        if signed_by is not None:
            click.echo(f"The manifest was signed by {signed_by} and has not changed since.")
        if signature is not None:
            click.echo(f"Signed: {signature}")
    if sign is not None and signature is None:
        click.echo("error: not signed, because something differs", err=True)
    return 0 if result.passed else 1


@click.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="List units that are the same, too.")
@shared
def diff(first: Path, second: Path, everything: bool, as_json: bool, quiet: bool) -> None:
    """Compare two runs unit by unit and concept by concept."""
    from conceptx.audit import compare_runs

    result = compare_runs(first, second)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print_comparison(result, everything)


def _print_audit(result: Audit) -> None:
    for check in result.checks:
        outcome = "equal" if not check.findings else f"{len(check.findings)} differ"
        left_out = f" (not compared: {check.left_out})" if check.left_out else ""
        click.echo(f"{check.name}: {check.compared} compared, {outcome}{left_out}")
        for finding in check.findings[:_SHOWN]:
            click.echo(f"  {finding}")
        if len(check.findings) > _SHOWN:
            click.echo(f"  … and {len(check.findings) - _SHOWN} more (--json lists all)")
    if result.passed and any(check.name in _WHOLE for check in result.checks):
        click.echo("Nothing differs in what could be compared; not everything could.")
    else:
        click.echo("Nothing differs." if result.passed else f"{len(result.findings)} differences.")


def _print_comparison(result: Comparison, everything: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for name, (one, two) in result.settings.items():
        console.print(f"{name}: {one} → {two}", markup=False)
    for verdict, n in result.counts[0].items():
        console.print(f"{verdict}: {n} → {result.counts[1].get(verdict, 0)}")
    if result.paired_by == "name":
        console.print("Units are paired by name.")
    elif result.common_images:
        console.print(f"Units are paired by the values on {result.common_images} common images.")
    else:
        console.print("The runs have no image in common, so no unit can be paired with another.")
    table = Table()
    for column in ("unit", "first run", "second run", "similarity", "change"):
        table.add_column(column, overflow="fold")
    shown = [pair for pair in result.pairs if everything or pair.change != "same"]
    for pair in shown:
        other = pair.second
        table.add_row(
            Text(pair.first.unit),
            Text(f"{pair.first.verdict}: {pair.first.expression or 'none'}"),
            Text("" if other is None else f"{other.unit}: {other.verdict}: {other.expression or 'none'}"),
            "" if pair.similarity is None else f"{pair.similarity:.2f}",
            pair.change,
        )
    if shown:
        console.print(table)
    same = sum(pair.change == "same" for pair in result.pairs)
    console.print(f"{same} of {len(result.pairs)} units have the same expression and the same verdict.")
    changed = [concept for concept in result.concepts if concept.first != concept.second]
    for concept in changed[:_SHOWN]:
        console.print(f"{concept.name}: {concept.first} → {concept.second} confirmed units", markup=False)
