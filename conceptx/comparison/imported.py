"""Labels that other tools wrote, as expressions: files of CLIP-Dissect, Network Dissection, MILAN and others.

========================================  =====================================================================
file                                      columns that are read
========================================  =====================================================================
CLIP-Dissect ``descriptions.csv``         layer, unit, description, similarity
Network Dissection ``tally.csv``          unit (from 1, or from 0 if there is a unit 0), category, label, score, …
Compositional Explanations ``tally….csv`` unit (from 0), category, label (a formula), score, length
MILAN, its captions                       layer, unit, description
MILANNOTATIONS, people's captions         layer, unit, summary; several rows a unit
Describe-and-Dissect                      Neuron ID, Label 1, Label 2, Label 3; or Neuron ID, label
any other table                           a column for the unit and one for the text, by the names below
========================================  =====================================================================

What a text means is in `meaning`. Of several texts for a unit the first that means something counts. What means nothing
in the run's hierarchy is left out and counted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conceptx.comparison.labelling import Key, Labelling
from conceptx.comparison.meaning import Meaning
from conceptx.errors import InputError
from conceptx.expressions import Expression
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables.text import alike, separator_of

_UNITS = ("unit", "neuron", "unit_id", "neuron_id", "neuron id", "channel", "feature")
_TEXTS = (
    *("description", "label", "label 1", "annotation", "summary", "caption"),
    *("concept", "formula", "explanation", "expression"),
)
_FURTHER = ("label 2", "label 3")
_FORMAL = ("formula", "expression")
_LARGEST = 200_000_000


@dataclass(frozen=True, slots=True)
class LabelFile:
    """What a file says: the tool that wrote it, the texts for each unit in order, and the rows of other layers.

    `formal`: the texts are from a column of expressions, not of captions.
    """

    tool: str
    texts: Mapping[Key, tuple[str, ...]]
    elsewhere: int = 0
    formal: bool = False


def read_labels(path: Path, units: Mapping[str, Sequence[str]]) -> LabelFile:
    """Read a CSV file (or one with tabs or semicolons); `units` are those of each layer of the run.

    A file without layers, or with a single one, is about the only layer of the run. Rows of layers that the run does
    not have are left out.
    """
    path = Path(path)
    text = _content(path)
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator_of(path, ",", _names_both))
    try:
        columns = {(name or "").strip().casefold(): name for name in lines.fieldnames or ()}
        rows = [(lines.line_num, row) for row in lines]
    except csv.Error as error:
        raise InputError(f"{path}:{lines.line_num + 1}", f"this is not a table ({error})", "write it as CSV") from error
    unit_column = next((columns[name] for name in _UNITS if name in columns), None)
    text_columns = [columns[name] for name in _TEXTS if name in columns][:1]
    if unit_column is None or not text_columns:
        missing = "unit" if unit_column is None else "label"
        raise InputError(f"{path}:1", f"there is no column for the {missing}", "name the columns unit and label")
    text_columns += [columns[name] for name in _FURTHER if name in columns]
    tool = _tool(columns) or path.stem
    layer_column = columns.get("layer")
    layer_of = _layers({(row[layer_column] or "").strip() for _, row in rows} if layer_column else set(), units, path)
    known = {layer: set(of_layer) for layer, of_layer in units.items()}
    found: dict[Key, list[str]] = {}
    elsewhere = 0
    # Network Dissection counts units from 1; of its descendants some count from 0.
    from_one = tool == "NetDissect" and all((row[unit_column] or "").strip() != "0" for _, row in rows)
    for line, row in rows:
        layer = layer_of.get((row[layer_column] or "").strip() if layer_column else "")
        if layer is None:
            elsewhere += 1
            continue
        number = (row[unit_column] or "").strip()
        unit = str(int(number) - 1) if from_one and number.isdecimal() and len(number) < 10 else number
        if unit not in known[layer]:
            same = alike(number, known[layer])
            first = units[layer][0] if units[layer] else "none"
            mend = f"remove the row, or name units as the run does: {first}, …"
            mend = mend if same is None else f"write it as the run does: {same}"
            raise InputError(f"{path}:{line}", f"layer {layer!r} has no unit {number!r}", mend)
        said = [stripped for name in text_columns if (stripped := (row[name] or "").strip())]
        if said:
            found.setdefault((layer, unit), []).extend(said)
    formal = next(name for name in _TEXTS if name in columns) in _FORMAL
    return LabelFile(tool, {key: tuple(said) for key, said in found.items()}, elsewhere, formal)


def imported(path: Path, units: Mapping[str, Sequence[str]], hierarchy: Hierarchy, used: Sequence[str]) -> Labelling:
    """Return the labels of a file as expressions; `used` are the names of the classes that the images show."""
    read = read_labels(path, units)
    meaning = Meaning(hierarchy, used)
    meant = {
        said: meaning(said, read.formal) for said in sorted({said for every in read.texts.values() for said in every})
    }
    labels: dict[Key, Expression] = {}
    texts: dict[Key, str] = {}
    for key, every in read.texts.items():
        texts[key] = next((said for said in every if meant[said] is not None), every[0])
        expression = meant[texts[key]]
        if expression is not None:
            labels[key] = expression
    notes = [f"from {Path(path).name}"]
    lost = len(texts) - len(labels)
    if lost:
        notes.append(f"{lost} of {len(texts)} units have no text that means something in the hierarchy")
    if read.elsewhere:
        notes.append(f"{read.elsewhere} rows are about layers that the run does not have")
    return Labelling(f"{read.tool} ({Path(path).name})", labels, texts, None, "; ".join(notes))


def _names_both(header: Sequence[str]) -> bool:
    """Tell whether a header has a column for the unit and one for the text."""
    names = {name.casefold() for name in header}
    return not names.isdisjoint(_UNITS) and not names.isdisjoint(_TEXTS)


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(str(path), "the file is larger than 200 MB", "give a table with one row a unit")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"this is not UTF-8 text ({error.reason})", "save it as UTF-8") from error


def _tool(columns: Mapping[str, str]) -> str | None:
    """Return the tool that writes such columns; None where several do."""
    known = set(columns)
    if {"category", "score", "label"} <= known:
        return "Compositional Explanations" if {"length", "label_noncomp"} & known else "NetDissect"
    if "neuron id" in known and {"label", "label 1"} & known:
        return "Describe-and-Dissect"
    if "summary" in known:
        return "MILANNOTATIONS"
    return "CLIP-Dissect" if "similarity" in known else None


def _layers(named: set[str], units: Mapping[str, Sequence[str]], path: Path) -> dict[str, str]:
    """Return the run's layer for each name that a file has for one."""
    if not named - {""} or (len(named) == 1 and len(units) == 1):
        if len(units) > 1:
            what = f"it does not say which layer its units are of; the run has {', '.join(units)}"
            raise InputError(f"{path}:1", what, "add a column named layer")
        return dict.fromkeys(named | {""}, next(iter(units)))
    found = {name: name for name in named if name in units}
    if not found:
        what = f"its layers ({', '.join(sorted(named)[:5])}) are none of the run's"
        raise InputError(f"{path}:1", what, f"use {', '.join(units)} in the column layer")
    return found
