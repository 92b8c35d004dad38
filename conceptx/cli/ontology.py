"""Commands over class hierarchies: compile, describe, search, cut out, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptx.cli.options import counted, print_json, progress_for, shared

if TYPE_CHECKING:
    from conceptx.ontology import Hierarchy

_SOURCES = ("wikipedia", "skos", "owl", "wordnet", "edges")
_REMOVED_SHOWN = 10


@click.group()
def ontology() -> None:
    """Compile, describe and search class hierarchies."""


@ontology.command()
@click.option("--wikipedia", type=click.Path(path_type=Path), help="A folder with the SQL dumps of a wiki.")
@click.option("--skos", type=click.Path(path_type=Path), help="A SKOS file, such as DBpedia's categories.")
@click.option("--owl", type=click.Path(path_type=Path), help="An OWL or RDF Schema file.")
@click.option("--wordnet", type=click.Path(path_type=Path), help="A folder with a WordNet database, or a WN-LMF file.")
@click.option("--edges", type=click.Path(path_type=Path), help="A table of child and parent.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder for the compiled hierarchy.")
@click.option("--root", help="The class to start from.  [default: the source's own]")
@click.option("--max-depth", type=click.IntRange(min=1), help="The most edges away from the root.")
@click.option("--language", default="en", show_default=True, help="The language of labels (SKOS, OWL).")
@click.option("--maintenance", is_flag=True, help="Wikipedia: keep hidden and administrative categories.")
@click.option("--drop", multiple=True, help="Wikipedia: leave out this category and its tree; repeatable.")
@click.option("--drop-pattern", default="", help="Wikipedia: leave out categories that match this expression.")
@click.option("--articles", is_flag=True, help="Wikipedia: articles become classes below their categories.")
@click.option("--no-redirects", is_flag=True, help="Wikipedia: do not keep redirects as synonyms.")
@click.option("--accept-incomplete", is_flag=True, help="Wikipedia: take what a cut-off download holds.")
@shared
def build(out: Path, as_json: bool, quiet: bool, **options: Any) -> None:
    """Compile one source into the folder OUT; a build that was killed goes on where it was."""
    from conceptx.errors import InputError
    from conceptx.ontology import build as builders

    given = [name for name in _SOURCES if options[name] is not None]
    if len(given) != 1:
        what = "no source is given" if not given else f"--{given[0]} and --{given[1]} are given"
        raise InputError("request", what, f"give one of {', '.join('--' + name for name in _SOURCES)}")
    kind = given[0]
    source, root, depth = options[kind], options["root"], options["max_depth"]
    progress = progress_for(quiet or as_json)
    if kind == "wikipedia":
        from conceptx.ontology.sources.wikipedia import WikipediaOptions

        wanted = WikipediaOptions(
            root=root,
            max_depth=depth,
            maintenance=options["maintenance"],
            drop=options["drop"],
            drop_pattern=options["drop_pattern"],
            articles=options["articles"],
            redirects=not options["no_redirects"],
            accept_incomplete=options["accept_incomplete"],
        )
        made = builders.build_wikipedia(source, out, wanted, progress)
    elif kind == "skos":
        made = builders.build_skos(source, out, root, depth, options["language"], progress)
    elif kind == "owl":
        made = builders.build_owl(source, out, root, depth, options["language"], progress)
    elif kind == "wordnet":
        made = builders.build_wordnet(source, out, root, depth, progress)
    else:
        made = builders.build_edges(source, out, root, depth, progress)
    _show_info(made, as_json, quiet)


@ontology.command()
@click.argument("hierarchy", type=click.Path(path_type=Path))
@shared
def info(hierarchy: Path, as_json: bool, quiet: bool) -> None:
    """Describe a hierarchy: sizes, depths, the edges that were left out."""
    _show_info(_opened(hierarchy), as_json, quiet)


@ontology.command()
@click.argument("hierarchy", type=click.Path(path_type=Path))
@click.argument("text")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@shared
def search(hierarchy: Path, text: str, limit: int, as_json: bool, quiet: bool) -> None:
    """Find classes by a part of a name, label or synonym, with the path from the root."""
    from conceptx.ontology.query import search as find

    found = find(_opened(hierarchy), text, limit)
    if as_json:
        print_json([asdict(item) for item in found])
        return
    if not found and not quiet:
        click.echo(f"no class has {text!r} in a name, a label or a synonym; try a shorter part of it", err=True)
    for item in found:
        also = "" if item.matched in (item.name, item.label) else f"  ({item.matched})"
        click.echo(f"{item.name}{also}")
        click.echo(f"    {' > '.join(item.path)}")


@ontology.command()
@click.argument("hierarchy", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder, or an .svg file for a picture.")
@click.option("--below", is_flag=True, help="Take along what is below the classes as well.")
@shared
def subtree(hierarchy: Path, names: tuple[str, ...], out: Path, below: bool, as_json: bool, quiet: bool) -> None:
    """Cut out the part that the classes NAMES need, or draw the neighbourhood of one of them."""
    from conceptx.errors import InputError
    from conceptx.files import write_text

    whole = _opened(hierarchy)
    if out.suffix == ".svg":
        from conceptx.ontology.picture import neighbourhood

        if len(names) != 1:
            raise InputError("request", f"a picture shows one class, {len(names)} are given", "name one class")
        write_text(out, neighbourhood(whole, names[0]))
        _say({"picture": str(out)}, f"drawn: {out}", as_json, quiet)
        return
    from conceptx.ontology.query import subtree as cut

    part = cut(whole, names, below)
    part.save(out)
    _say({"folder": str(out), "classes": len(part)}, f"{counted(len(part), 'class', 'classes')}: {out}", as_json, quiet)


@ontology.command()
@click.argument("hierarchy", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="An .owl, .ttl, .nt or .sqlite3 file.")
@shared
def export(hierarchy: Path, names: tuple[str, ...], out: Path, as_json: bool, quiet: bool) -> None:
    """Write a hierarchy as OWL, whole or only what the classes NAMES need."""
    from conceptx.ontology.export import export as write

    write(_opened(hierarchy), out, classes=names or None)
    _say({"file": str(out)}, f"written: {out}", as_json, quiet)


def _opened(path: Path) -> Hierarchy:
    from conceptx.inputs import named_ontology
    from conceptx.ontology import open_ontology

    found = open_ontology(named_ontology(str(path), Path.cwd()))
    found.verify()
    return found


def _show_info(hierarchy: Hierarchy, as_json: bool, quiet: bool) -> None:
    from conceptx.ontology.query import info as describe

    facts = describe(hierarchy)
    if as_json:
        print_json(asdict(facts))
        return
    if quiet:
        return
    roots = ", ".join(facts.roots) + (", …" if facts.n_roots > len(facts.roots) else "")
    sizes = (counted(facts.classes, "class", "classes"), counted(facts.edges, "edge"), counted(facts.n_roots, "root"))
    click.echo(f"{', '.join(sizes)}: {roots}")
    several = counted(facts.several_parents, "class", "classes")
    click.echo(f"{counted(facts.leaves, 'leaf', 'leaves')}, {several} with several parents")
    click.echo(f"{counted(facts.synonyms, 'synonym')}, {counted(facts.merged, 'name')} merged into another class")
    most = max(facts.depths, default=1)
    for depth, count in enumerate(facts.depths):
        click.echo(f"depth {depth:3d}  {count:9,d}  {'█' * max(round(40 * count / most), 1)}")
    left_out = len(facts.removed)
    click.echo(f"{counted(left_out, 'edge')} left out" + (":" if left_out else ""))
    for edge in facts.removed[:_REMOVED_SHOWN]:
        click.echo(f"    {edge.child} > {edge.parent}: {edge.reason}")
    if left_out > _REMOVED_SHOWN:
        click.echo("    … all of them in the folder's removed.tsv, or with --json")
    for note in facts.notes:
        click.echo(f"note: {note}")


def _say(value: dict[str, Any], text: str, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(value)
    elif not quiet:
        click.echo(text)
