from __future__ import annotations

import numpy as np
import pytest

from conceptx.tables import MARGINS, VERDICTS, from_rows
from conceptx.verification.margins import margins
from conceptx.verification.measures import measure
from conceptx.verification.statistics import rank


def test_a_row_has_the_columns_of_the_table() -> None:
    rng = np.random.default_rng(0)
    row = measure("7", "Bed", "evaluation", rank(rng.normal(size=50)), rng.random(50) < 0.5, 8).as_row("fc")
    assert list(row) == VERDICTS.names
    assert from_rows([row], VERDICTS).to_pylist() == [row]


@pytest.mark.parametrize(
    ("n_target", "n", "note"),
    [
        (0, 30, "not testable: evaluation has no targets, all its 30 images are others"),
        (30, 30, "not testable: evaluation has no others, all its 30 images are targets"),
        (3, 30, "with 3 among 30 images no p below 0.00049 could be reached"),
        (25, 30, "not testable: evaluation has 5 others and the protocol wants 8"),
        (0, 0, "not testable: evaluation has no images"),
        (1, 1, "not testable: evaluation has no others, all its 1 images are targets"),
        (
            1,
            30,
            "not testable: evaluation has 1 target and the protocol wants 8; with 1 among 30 images no p below 0.067",
        ),
    ],
)
def test_a_test_that_cannot_be_run_says_why(n_target: int, n: int, note: str) -> None:
    found = measure("0", "Bed", "evaluation", rank(np.arange(float(n))), np.arange(n) < n_target, 8)
    assert note in found.note
    row = found.as_row("fc")
    assert all(row[c] is None for c in ("u", "z", "p", "z_uncorrected", "p_one_tailed", "q"))


def test_a_constant_unit_cannot_be_tested() -> None:
    found = measure("0", "Bed", "verification", rank(np.zeros(40)), np.arange(40) < 20, 8)
    assert found.note == "not testable: the unit has the same value on all images of verification"
    assert found.tla.value == 0.0


def test_a_sparse_unit_says_that_p_allows_for_it() -> None:
    values = np.zeros(600)
    values[:12] = 1 + np.arange(12)
    found = measure("0", "Bed", "verification", rank(values), np.arange(600) % 60 == 0, 8)
    assert found.note.startswith("p allows for the skewness")


def test_margins_count_what_is_above_each_threshold() -> None:
    values = np.array([0.0, 1.0, 2.0, 5.0, 10.0, 0.0, 2.0, 7.0])
    extent = np.arange(8) < 5
    rows = margins("fc", "0", "Bed", "evaluation", rank(values), extent, 10.0, (0.0, 0.2, 0.4, 0.6))
    assert [r["tla"] for r in rows] == [4 / 5, 2 / 5, 2 / 5, 1 / 5]
    assert [r["non_tla"] for r in rows] == [2 / 3, 1 / 3, 1 / 3, 1 / 3]
    assert from_rows(rows, MARGINS).num_rows == 4


def test_a_unit_that_never_fires_has_no_relative_margins() -> None:
    rows = margins("fc", "0", "Bed", "evaluation", rank(-np.arange(8.0)), np.arange(8) < 5, 0.0, (0.0, 0.2))
    assert [(r["threshold"], r["tla"]) for r in rows] == [(0.0, 0.0)]


def test_a_split_without_targets_has_null_margins() -> None:
    (row,) = margins("fc", "0", "Bed", "evaluation", rank(np.arange(8.0)), np.zeros(8, dtype=bool), 7.0, (0.0,))
    assert row["tla"] is row["tla_low"] is None and row["non_tla"] == 7 / 8
