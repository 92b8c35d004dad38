"""What a killed build keeps: every finished part, under the digest of what it was made from.

`Staging.table` returns a part if it is there, and makes and stores it otherwise; a changed source, option or program
version gives another digest, so an outdated part is never taken. `Staging.pieces` keeps what has been read of a part
that takes long, with the state to go on from.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conceptx.files import atomic_path, digest_json
from conceptx.ontology.records import ClassGraph

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1


@dataclass(frozen=True, slots=True)
class Staging:
    """A folder of finished parts."""

    folder: Path

    def table(self, name: str, made_from: Mapping[str, object], make: Callable[[], pa.Table]) -> pa.Table:
        """Return the part `name`, made by `make` unless it is already stored for the same `made_from`."""
        key = digest_json({"version": VERSION, **made_from})
        path = self.folder / f"{name}-{key[:24]}.arrow"
        stored = _read(path)
        if stored is not None:
            return stored
        table = make()
        _write(path, table)
        return table

    def pieces(self, name: str, made_from: Mapping[str, object]) -> Pieces:
        """Return the log of the pieces of the part `name`, with those that a killed build left."""
        return Pieces(self.folder, f"{name}-{digest_json({'version': VERSION, **made_from})[:24]}")

    def graph(self, name: str, made_from: Mapping[str, object], make: Callable[[], ClassGraph]) -> ClassGraph:
        """Return a whole class graph, stored or made."""
        return _graph_of(self.table(name, made_from, lambda: _table_of(make())))

    def clear(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Pieces:
    """Pieces of one part in the order in which they were made, each stored with the state that follows it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.tables: list[pa.Table] = []
        self.state: dict[str, Any] | None = None
        while (table := _read(self._path(len(self.tables)))) is not None and table.schema.metadata:
            self.tables.append(table)
            self.state = json.loads(table.schema.metadata[b"state"])
        behind = len(self.tables)
        while (path := self._path(behind)).is_file():  # damaged, and what was read after it
            path.unlink()
            behind += 1

    def add(self, table: pa.Table, state: Mapping[str, object]) -> None:
        """Store the next piece; once this returns, a killed build goes on from `state`."""
        table = table.replace_schema_metadata({"state": json.dumps(dict(state))})
        _write(self._path(len(self.tables)), table)
        self.tables.append(table)

    def clear(self) -> None:
        """Remove the stored pieces, the last first, so that what is left is always a beginning."""
        for k in reversed(range(len(self.tables))):
            self._path(k).unlink(missing_ok=True)

    def _path(self, k: int) -> Path:
        return self._folder / f"{self._name}.{k:06d}.arrow"


def _read(path: Path) -> pa.Table | None:
    """Return a stored part; None where it is missing or damaged, so that it is made again."""
    import pyarrow as pa

    if not path.is_file():
        return None
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError):
        return None
    return table


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow as pa

    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


_TEXTS = ("names", "labels", "synonyms", "iris")
_NUMBERS = ("child", "parent", "label_of", "synonym_of", "iri_of")


def _table_of(graph: ClassGraph) -> pa.Table:
    """Put a graph's arrays, which differ in length, into the cells of a table with one row."""
    import pyarrow as pa

    columns = {name: getattr(graph, name) for name in (*_NUMBERS, *_TEXTS)}
    columns["same"] = graph.same.ravel()
    cells = {}
    for name, values in columns.items():
        kind = pa.large_binary() if name == "names" else pa.large_string() if name in _TEXTS else pa.int32()
        array = values if isinstance(values, pa.Array) else pa.array(values, kind)
        cells[name] = pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array)
    facts = {"merge_cycles": graph.merge_cycles, "iri_base": graph.iri_base}
    facts |= {"about": dict(graph.about), "notes": list(graph.notes)}
    return pa.table(cells).replace_schema_metadata({"facts": json.dumps(facts)})


def _graph_of(table: pa.Table) -> ClassGraph:
    facts = json.loads(table.schema.metadata[b"facts"])
    cells = {name: table[name].chunk(0).values for name in table.column_names}
    numbers = {name: cells[name].to_numpy().astype(np.int32) for name in (*_NUMBERS, "same")}
    return ClassGraph(
        names=cells["names"],
        child=numbers["child"],
        parent=numbers["parent"],
        label_of=numbers["label_of"],
        labels=cells["labels"],
        synonym_of=numbers["synonym_of"],
        synonyms=cells["synonyms"],
        iri_of=numbers["iri_of"],
        iris=cells["iris"],
        same=numbers["same"].reshape(-1, 2),
        merge_cycles=facts["merge_cycles"],
        iri_base=facts["iri_base"],
        about=facts["about"],
        notes=tuple(facts["notes"]),
    )
