"""Labels that other tools wrote: CLIP-Dissect, Network Dissection, INVERT, MILAN, or any table of units and texts.

A text becomes an expression if it is one, if it is a class or the label of one, if it is a formula of labels with AND,
OR and NOT, or, for a caption, by the classes that its words name. What means nothing in the run's hierarchy is left out
and counted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from conceptx.annotation.mapping import map_labels
from conceptx.comparison.labelling import Key, Labelling
from conceptx.errors import InputError
from conceptx.expressions import And, Expression, Named, Not, Or, contains, names, normalise, parse
from conceptx.ontology.hierarchy import Hierarchy

_UNITS = ("unit", "neuron", "unit_id", "neuron_id", "channel", "feature")
_TEXTS = ("description", "label", "annotation", "caption", "concept", "formula", "explanation", "expression")
_LARGEST = 200_000_000
_MOST_WORDS = 5
_TOKEN = re.compile(r"\(|\)|\b(?:AND|OR|NOT)\b|[^()]+?(?=\(|\)|\b(?:AND|OR|NOT)\b|$)")


def read_labels(path: Path, units: Mapping[str, Sequence[str]]) -> tuple[str, dict[Key, str]]:
    """Return the tool that wrote a CSV or TSV file, and its text for each unit; `units` are those of each layer.

    Network Dissection's ``tally.csv`` counts units from 1; a file without a layer is about the only layer.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(str(path), "the file is larger than 200 MB", "give a table with one row a unit")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"this is not UTF-8 text ({error.reason})", "save it as UTF-8") from error
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in first else ",")
    columns = {(name or "").strip().casefold(): name for name in reader.fieldnames or ()}
    unit_column = next((columns[name] for name in _UNITS if name in columns), None)
    text_column = next((columns[name] for name in _TEXTS if name in columns), None)
    if unit_column is None or text_column is None:
        missing = "unit" if unit_column is None else "label"
        raise InputError(f"{path}:1", f"there is no column for the {missing}", "name the columns unit and label")
    tally = {"category", "score"} <= set(columns) and "label" in columns
    tool = "NetDissect" if tally else "CLIP-Dissect" if "similarity" in columns else path.stem
    found: dict[Key, str] = {}
    for line, row in enumerate(reader, start=2):
        layer = _layer_of(row, columns, units, f"{path}:{line}")
        number = (row[unit_column] or "").strip()
        unit = str(int(number) - 1) if tally and number.isdigit() else number
        if unit not in units[layer]:
            raise InputError(f"{path}:{line}", f"layer {layer!r} has no unit {number!r}", "remove the row")
        said = (row[text_column] or "").strip()
        if said:
            found.setdefault((layer, unit), said)
    return tool, found


def imported(path: Path, units: Mapping[str, Sequence[str]], hierarchy: Hierarchy, used: Sequence[str]) -> Labelling:
    """Return the labels of a file as expressions; `used` are the names of the classes that the images show."""
    tool, texts = read_labels(path, units)
    known = set(used)
    distinct = sorted(set(texts.values()))
    meant = {said: expression_of(said, hierarchy, known) for said in distinct}
    labels = {key: expression for key, said in texts.items() if (expression := meant[said]) is not None}
    lost = len(texts) - len(labels)
    note = f"from {Path(path).name}" + (f"; {lost} texts mean nothing in the hierarchy" if lost else "")
    return Labelling(f"{tool} ({Path(path).name})", labels, texts, None, note)


def expression_of(text: str, hierarchy: Hierarchy, used: set[str]) -> Expression | None:
    """Return what a text means for an image, or None."""
    named = _class_of(text, hierarchy)
    if named is not None:
        return contains(Named(named))
    if re.search(r"\b(?:AND|OR|NOT)\b", text):
        return _formula(text, hierarchy)
    try:
        expression = parse(text)
    except InputError:
        return _caption(text, hierarchy, used)
    if all(hierarchy.get(name) is not None for name in names(expression)):
        return contains(expression) if isinstance(expression, Named) else expression
    return _caption(text, hierarchy, used)


def _layer_of(row: dict[str, str], columns: Mapping[str, str], units: Mapping[str, Sequence[str]], where: str) -> str:
    layer = (row[columns["layer"]] or "").strip() if "layer" in columns else ""
    if layer in units:
        return layer
    if len(units) == 1:
        return next(iter(units))
    raise InputError(where, f"the run has no layer {layer!r}", f"use one of {', '.join(units)}")


def _class_of(text: str, hierarchy: Hierarchy) -> str | None:
    if hierarchy.get(text) is not None:
        return text
    rows = map_labels([text], hierarchy, max_distance=0).rows if text.strip() else ()
    return rows[0].class_name if rows else None


def _formula(text: str, hierarchy: Hierarchy) -> Expression | None:
    """Read a formula as Network Dissection's and INVERT's tools print it: ``((water OR river) AND (NOT blue))``."""
    tokens = [t.strip() for t in _TOKEN.findall(text) if t.strip()]
    place = 0

    def either() -> Expression | None:
        nonlocal place
        operands = [both()]
        while place < len(tokens) and tokens[place] == "OR":
            place += 1
            operands.append(both())
        return _joined(Or, operands)

    def both() -> Expression | None:
        nonlocal place
        operands = [one()]
        while place < len(tokens) and tokens[place] == "AND":
            place += 1
            operands.append(one())
        return _joined(And, operands)

    def one() -> Expression | None:
        nonlocal place
        if place >= len(tokens):
            return None
        token = tokens[place]
        place += 1
        if token == "NOT":
            inner = one()
            return None if inner is None else Not(inner)
        if token == "(":
            found = either()
            if place >= len(tokens) or tokens[place] != ")":
                return None
            place += 1
            return found
        named = _class_of(token, hierarchy)
        return None if named is None else contains(Named(named))

    if len(tokens) > 200:
        return None
    found = either()
    return None if found is None or place != len(tokens) else normalise(found)


def _joined(kind: type[And] | type[Or], operands: Sequence[Expression | None]) -> Expression | None:
    known = [operand for operand in operands if operand is not None]
    if len(known) != len(operands):
        return None
    return known[0] if len(known) == 1 else kind(tuple(known))


def _caption(text: str, hierarchy: Hierarchy, used: set[str]) -> Expression | None:
    """Return images with any of the classes that a caption names; the longest names first, each word once."""
    words = re.findall(r"[^\W_]+", text.casefold())[:200]
    found: dict[str, None] = {}
    start = 0
    while start < len(words):
        for end in range(min(len(words), start + _MOST_WORDS), start, -1):
            named = _class_of(" ".join(words[start:end]), hierarchy)
            if named in used:
                found[str(named)] = None
                start = end
                break
        else:
            start += 1
    parts = tuple(Named(name) for name in found)
    return None if not parts else normalise(contains(parts[0] if len(parts) == 1 else Or(parts)))
