"""A published study's own files: its activations, tested as it did, and beside that what correction and controls leave.

`read_study` reads the folders that the authors of concept induction for hidden units published (arXiv 2308.03999,
2404.13567): ``evaluation/`` and ``verification/`` with one CSV a label, named after the units that it was proposed for
(``neuron_22_54_….csv``). A CSV has one column a unit, then ``Class_names`` and ``Filenames``; after its images follow a
row without a name and the authors' own percentages, which are not read. `retest` tests every label on its units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conceptx.errors import InputError
from conceptx.expressions import Named, Or, contains, to_manchester
from conceptx.progress import Progress, silent
from conceptx.tables import ActivationTable, HypothesisTable, LabelTable
from conceptx.tables.text import text_rows, wrong_width
from conceptx.verification.own_tables import verify_tables
from conceptx.verification.results import Verification

SPLITS = ("evaluation", "verification")
_UNITS = re.compile(r"neuron_(\d+(?:_\d+)*)(?!\d)", re.IGNORECASE)
_CLASS, _FILE = "class_names", "filenames"
_LARGEST = float(np.finfo(np.float32).max)
_COUNTED = ("n_target", "n_other", "tla", "non_tla")
_FIGURES = (
    *(f"{name}_{split}" for split in SPLITS for name in _COUNTED),
    *("z_uncorrected", "p_one_tailed", "z", "p", "q", "correlation_low", "published", "conceptx", "note"),
)


@dataclass(frozen=True, slots=True)
class Study:
    """A study as the three tables that `verify_tables` takes; every row of its files is an image."""

    activations: ActivationTable
    labels: LabelTable
    hypotheses: HypothesisTable


@dataclass(frozen=True, slots=True)
class Retest:
    """A study tested as published, and by the protocol `conceptx` on the same images."""

    published: Verification
    controlled: Verification

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a unit and label.

        TLA and non-TLA of both splits, z and p on verification as published (`z_uncorrected`, `p_one_tailed`) and
        corrected for ties (`z`, `p`), q over all units and labels, the correlation's lower end, and both verdicts.
        """
        controlled = {_key(row): row for row in self.controlled.verdicts.to_pylist()}
        found: dict[tuple[str, str | None], dict[str, Any]] = {}
        for row in self.published.verdicts.to_pylist():
            empty = {"unit": row["unit"], "label": row["expression"] or "", **dict.fromkeys(_FIGURES)}
            made = found.setdefault((row["unit"], row["expression"]), empty)
            other = controlled[_key(row)]
            if row["split"] is not None:
                made |= {f"{name}_{row['split']}": row[name] for name in _COUNTED}
            if row["split"] != "evaluation":  # a unit that never fires has one row, of no split
                made |= {name: row[name] for name in ("z_uncorrected", "p_one_tailed", "z", "p")}
                made |= {"q": other["q"], "correlation_low": other["correlation_low"]}
                made |= {"published": row["verdict"], "conceptx": other["verdict"]}
                made["note"] = other["note"] or row["note"]
        return list(found.values())

    def numbers(self) -> dict[str, Any]:
        """Return the study in numbers.

        How many units and labels are confirmed by either, the noise floor, and the share of pairs of a unit and another
        unit's label that pass the published threshold on evaluation.
        """
        rows = self.rows()
        return {
            "hypotheses": len(rows),
            "published": sum(row["published"] == "confirmed" for row in rows),
            "conceptx": sum(row["conceptx"] == "confirmed" for row in rows),
            "both": sum(row["published"] == row["conceptx"] == "confirmed" for row in rows),
            "floor": self.controlled.summary.floor.verification,
            "other_labels_pass": self.published.summary.other_labels_pass,
        }


def retest(study: Study, *, seed: int = 0, progress: Progress = silent) -> Retest:
    """Test every label of a study on its units, by the protocols `dalal2024` and `conceptx`."""
    tables = (study.activations, study.labels, study.hypotheses)
    return Retest(
        verify_tables(*tables, protocol="dalal2024", seed=seed, progress=progress),
        verify_tables(*tables, protocol="conceptx", seed=seed, progress=progress),
    )


def read_study(folder: Path) -> Study:
    """Read the two folders of a study; the units must be the same in all files, and the values finite numbers."""
    units: tuple[str, ...] = ()
    images: list[str] = []
    labels: list[str] = []
    splits: list[str] = []
    values: list[list[str]] = []
    proposed: dict[tuple[str, str], int] = {}
    seen: dict[str, int] = {}
    for split in SPLITS:
        for path in _files(folder, split):
            header, rows = _read(path)
            if units and header != units:
                what = f"its units are not those of the other files ({len(header)} and {len(units)})"
                raise InputError(f"{path}:1", what, "keep the files of one layer in one folder")
            units = header
            of_file = dict.fromkeys(label for label, _, _ in rows)
            text = to_manchester(_any_of(list(of_file)))
            for unit in _units(path, units):
                proposed.setdefault((unit, text), len(proposed) + 1)
            for label, name, cells in rows:
                image = f"{split}/{name}"
                seen[image] = seen.get(image, 0) + 1
                images.append(image if seen[image] == 1 else f"{image} ({seen[image]})")
                labels.append(label)
                splits.append(split)
                values.append(cells)
    matrix = np.array(values, dtype=np.float64).T
    lines = tuple(range(1, len(images) + 1))
    source = str(folder)
    of_units, texts = zip(*proposed, strict=True)
    return Study(
        ActivationTable(source, tuple(images), units, np.ascontiguousarray(matrix, dtype=np.float32)),
        LabelTable(source, tuple(images), tuple(labels), None, tuple(splits), lines),
        HypothesisTable(source, of_units, texts, tuple(proposed.values())),
    )


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["unit"], row["expression"], row["split"]


def _any_of(labels: list[str]) -> Any:
    operands = tuple(contains(Named(label)) for label in labels)
    return operands[0] if len(operands) == 1 else Or(operands)


def _files(folder: Path, split: str) -> list[Path]:
    inside = {path.name.lower(): path for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    if split not in inside or not inside[split].is_dir():
        mend = "give the folder that has evaluation/ and verification/ with one CSV a label"
        raise InputError(str(folder), f"there is no folder {split!r} in it", mend)
    files = sorted((path for path in inside[split].iterdir() if path.suffix.lower() == ".csv"), key=_place)
    if not files:
        raise InputError(str(inside[split]), "there is no CSV in it", "give one file a label: neuron_22_….csv")
    return files


def _place(path: Path) -> tuple[list[int], str]:
    match = _UNITS.match(path.name)
    return [int(number) for number in match[1].split("_")] if match else [], path.name


def _units(path: Path, units: tuple[str, ...]) -> list[str]:
    """Return the units that the file's name says its label was proposed for."""
    match = _UNITS.match(path.name)
    if match is None:
        raise InputError(str(path), "the name does not say for which units", "call it neuron_NUMBER_….csv")
    named = match[1].split("_")
    for unit in named:
        if unit not in units:
            raise InputError(str(path), f"its name says unit {unit}, which has no column", "rename the file")
    return named


def _read(path: Path) -> tuple[tuple[str, ...], list[tuple[str, str, list[str]]]]:
    """Return the units of a file and its rows: label, file name, and the values as text, checked to be numbers."""
    separator, lines = text_rows(path, ",", lambda names: {_CLASS, _FILE} <= {name.lower() for name in names})
    _, header = next(lines, (0, []))
    names = [cell.strip().lower() for cell in header]
    for name in (_CLASS, _FILE):
        if name not in names:
            mend = "keep the columns: one a unit, then Class_names and Filenames"
            raise InputError(f"{path}:1", f"the column {name.capitalize()!r} is missing", mend)
    n_units = min(names.index(_CLASS), names.index(_FILE))
    units = tuple(cell.strip() for cell in header[:n_units])
    if not units or len(set(units)) < n_units:
        raise InputError(f"{path}:1", "the columns of the units have no distinct names", "name each once")
    rows = list(_rows(path, lines, names, n_units, separator))
    if not rows:
        raise InputError(str(path), "there are no images", "add one row an image")
    return units, rows


def _rows(
    path: Path, lines: Iterator[tuple[int, list[str]]], names: list[str], n_units: int, separator: str
) -> Iterator[tuple[str, str, list[str]]]:
    label_at, file_at = names.index(_CLASS), names.index(_FILE)
    for line, cells in lines:
        if len(cells) != len(names):
            raise wrong_width(path, line, len(cells), len(names), separator)
        label, name = cells[label_at].strip(), cells[file_at].strip()
        if not label and not name:
            return  # the authors' own percentages follow
        if not label or not name:
            raise InputError(f"{path}:{line}", "the class or the file name is empty", "fill both or remove the row")
        try:
            finite = bool((np.abs(np.array(cells[:n_units], dtype=np.float64)) <= _LARGEST).all())
        except ValueError:
            finite = False
        if not finite:
            mend = "write a number, decimals with a point, or remove the row"
            raise InputError(f"{path}:{line}", "a value is not a finite number", mend)
        yield label, name, cells[:n_units]
