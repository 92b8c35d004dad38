"""The artefact tables: what a run's Parquet files hold, and how users' own tables are read.

Writers call `write_parquet`, readers `read_parquet` with the schema they expect. `read_activations`, `read_labels`
and `read_hypotheses` take the files that a user brings.
"""

from conceptx.tables.artefacts import (
    CONTROLS,
    HYPOTHESES,
    IMAGES,
    MARGINS,
    OBJECTS,
    SCORES,
    SPLITS,
    VERDICTS,
    from_rows,
    read_parquet,
    write_parquet,
)
from conceptx.tables.results import ResultTable
from conceptx.tables.text import alike, unknown_image
from conceptx.tables.users import (
    ActivationTable,
    HypothesisTable,
    LabelTable,
    read_activations,
    read_hypotheses,
    read_labels,
    read_rows,
)

__all__ = [
    "CONTROLS",
    "HYPOTHESES",
    "IMAGES",
    "MARGINS",
    "OBJECTS",
    "SCORES",
    "SPLITS",
    "VERDICTS",
    "ActivationTable",
    "HypothesisTable",
    "LabelTable",
    "ResultTable",
    "alike",
    "from_rows",
    "read_activations",
    "read_hypotheses",
    "read_labels",
    "read_parquet",
    "read_rows",
    "unknown_image",
    "write_parquet",
]
