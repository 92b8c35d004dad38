"""The schemas of a run's Parquet files, and how these files are written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from conceptx.errors import InputError
from conceptx.files import atomic_path

_ATTRIBUTES = pa.list_(pa.struct([("role", pa.string()), ("value", pa.string())]))
_RELATIONS = pa.list_(pa.struct([("role", pa.string()), ("object", pa.string())]))

IMAGES = pa.schema(
    [
        ("image", pa.string()),
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("split", pa.string()),
        ("category", pa.string()),
    ]
)

OBJECTS = pa.schema(
    [
        ("image", pa.string()),
        ("object", pa.string()),
        ("label", pa.string()),
        *((name, pa.float32()) for name in ("x", "y", "w", "h", "area")),
        ("attributes", _ATTRIBUTES),
        ("relations", _RELATIONS),
    ]
)

SCORES = ("correlation", "f1", "iou", "auprc", "mcc", "balanced_accuracy", "coverage")

HYPOTHESES = pa.schema(
    [
        ("layer", pa.string()),
        ("unit", pa.string()),
        ("rank", pa.int32()),
        ("expression", pa.string()),
        ("length", pa.int32()),
        ("extent_size", pa.int64()),
        *((name, pa.float64()) for name in SCORES),
        ("twins", pa.list_(pa.string())),
        ("optimal", pa.bool_()),
        ("bound", pa.float64()),
        ("proposed", pa.bool_()),
    ]
)


def _with_interval(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name + end, pa.float64()) for name in names for end in ("", "_low", "_high")]


VERDICTS = pa.schema(
    [
        ("layer", pa.string()),
        ("unit", pa.string()),
        ("expression", pa.string()),
        ("split", pa.string()),
        ("n_target", pa.int64()),
        ("n_other", pa.int64()),
        *_with_interval("tla", "non_tla", "auroc", "auprc", "correlation"),
        *((name, pa.float64()) for name in ("u", "z", "p", "z_uncorrected", "p_one_tailed", "q")),
        ("verdict", pa.string()),
        ("note", pa.string()),
    ]
)

CONTROLS = pa.schema([("kind", pa.string()), *VERDICTS])

MARGINS = pa.schema(
    [
        ("layer", pa.string()),
        ("unit", pa.string()),
        ("expression", pa.string()),
        ("split", pa.string()),
        ("threshold", pa.float64()),
        *_with_interval("tla", "non_tla"),
    ]
)

SPLITS = ("induction", "evaluation", "verification")


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write `table` atomically; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        pq.write_table(table.combine_chunks(), temporary, compression="zstd", version="2.6", store_schema=False)


def read_parquet(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table that has the columns of `schema` (others are dropped), in the schema's order and types."""
    table = open_parquet(path)
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise InputError(str(path), f"the column {missing[0]!r} is missing", "write the table again with this version")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise InputError(str(path), f"a column has another type ({first_line(error)})", "write it again") from error


def from_rows(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return a table of `schema` from dictionaries; absent keys are null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def open_parquet(path: Path) -> pa.Table:
    """Read whatever table a Parquet file holds."""
    if not Path(path).is_file():
        raise InputError(str(path), "there is no such file", "check the path")
    try:
        table = pq.read_table(path)
        table.validate(full=True)
        if len(set(table.column_names)) < table.num_columns:
            raise ValueError("two columns have one name")
        return table
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            str(path), f"this is not a Parquet table ({first_line(error)})", "write the file again"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, for a message of our own."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
