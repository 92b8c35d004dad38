"""What a unit does over all images: extremes, mean, variance, quantiles, sparsity, and the images that fire it most.

`of_matrix` computes the statistics of a matrix that is at hand, `Tally` gathers them from blocks of images that are not
kept. Every figure is exact or has a stated bound, and none depends on how the images were divided into blocks or
machines: sums are kept as whole numbers (a float32 is a whole number times a power of two), quantiles are counts in
fixed bins. `Tally.merged` joins the tallies of two parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.activations.machine_code import compiled
from conceptx.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Values = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

TOP = 20
"""So many images are kept of each unit: those with its greatest values."""

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

SKETCH_ERROR = 2.0**-8
"""A quantile of a `Tally` is off by at most this share of itself, or by 2^-30 where that is more."""

_SHIFT = 16
_TINY = ((127 - 30) << 7) - 1
"""Of magnitudes below 2^-30 all bits are dropped, of others the last 16."""

_ROWS_AT_ONCE = 64


def quantile_name(share: float) -> str:
    """Return the column of a quantile.

    >>> quantile_name(0.05)
    'q05'
    """
    return f"q{round(share * 100):02}"


def columns() -> tuple[str, ...]:
    """Return the columns of the statistics that are numbers, in their order."""
    return ("maximum", "minimum", "mean", "variance", "sparsity", *map(quantile_name, QUANTILES))


def schema() -> pa.Schema:
    """Return the schema of the table of statistics: a row for each unit."""
    import pyarrow as pa

    return pa.schema(
        [
            ("unit", pa.string()),
            *((name, pa.float64()) for name in columns()),
            ("dead", pa.bool_()),
            ("top_images", pa.list_(pa.string())),
            ("top_values", pa.list_(pa.float32())),
        ]
    )


def rank(share: float, n: int) -> int:
    """Return the place of a quantile among n sorted values: the smallest k with (k + 1) / n at least the share.

    >>> rank(0.5, 4), rank(0.01, 4), rank(0.99, 4)
    (1, 0, 3)
    """
    exact = Fraction(str(share)) * n
    return max(-int(-exact // 1) - 1, 0)


def of_matrix(values: Values, units: Sequence[str], images: Sequence[str]) -> pa.Table:
    """Return the statistics of a matrix (units, images); all of them exact. It is read row by row."""
    rows: list[dict[str, object]] = []
    n = len(images)
    places = sorted({rank(share, n) for share in QUANTILES}) if n else []
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = np.asarray(values[start : start + _ROWS_AT_ONCE])
        tally = Tally(len(part), sketch=False)
        for first in range(0, n, 1 << 16):
            tally.add(np.ascontiguousarray(part[:, first : first + (1 << 16)].T), first)
        ordered = np.partition(part, places, axis=1) if n else part
        quantiles = {quantile_name(share): ordered[:, rank(share, n)] for share in QUANTILES} if n else {}
        rows += tally.rows(units[start : start + len(part)], images, quantiles)
    return _table(rows)


class Tally:
    """Gathers the statistics of units from blocks of images, in any order and on any number of machines."""

    def __init__(self, units: int, *, sketch: bool = True) -> None:
        self.units, self.n = units, 0
        self._sketch = sketch
        self._greatest = np.full(units, -np.inf, dtype=np.float32)
        self._least = np.full(units, np.inf, dtype=np.float32)
        self._silent = np.zeros(units, dtype=np.int64)
        self._sums = np.zeros((4, units, 256), dtype=np.int64)
        self._top_values = np.zeros((units, 0), dtype=np.float32)
        self._top_places = np.zeros((units, 0), dtype=np.int64)
        self._first_bin = 0
        self._counts = np.zeros((units, 1), dtype=np.uint32)

    def add(self, block: Values, start: int, skipped: Sequence[int] = ()) -> None:
        """Take the values (images, units) of the images from position `start` on, without those in `skipped`."""
        keep = np.ones(len(block), dtype=bool)
        keep[[position - start for position in skipped]] = False
        places = np.flatnonzero(keep) + start
        x = np.ascontiguousarray(block[keep].T, dtype=np.float32) + np.float32(0)  # + 0: there is no -0 after it
        if not x.shape[1]:
            return
        self.n += x.shape[1]
        self._greatest = np.maximum(self._greatest, x.max(axis=1))
        self._least = np.minimum(self._least, x.min(axis=1))
        self._silent += np.count_nonzero(x <= 0, axis=1)
        _add_sums(x.view(np.int32), self._sums)
        self._add_top(x, np.broadcast_to(places, x.shape))
        if self._sketch:
            self._add_counts(x)

    def merged(self, other: Tally) -> Tally:
        """Return the tally of both parts; this one is changed."""
        self.n += other.n
        self._greatest = np.maximum(self._greatest, other._greatest)
        self._least = np.minimum(self._least, other._least)
        self._silent += other._silent
        self._sums += other._sums
        self._add_top(other._top_values, other._top_places)
        last = other._first_bin + other._counts.shape[1]
        self._make_room(other._first_bin, last)
        self._counts[:, other._first_bin - self._first_bin : last - self._first_bin] += other._counts
        return self

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that has been gathered, to be stored."""
        return {
            "n": np.array([self.n, self._first_bin], dtype=np.int64),
            "extremes": np.stack([self._least, self._greatest]),
            "silent": self._silent,
            "sums": self._sums,
            "top_values": self._top_values,
            "top_places": self._top_places,
            "counts": self._counts,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, npt.NDArray[Any]]) -> Tally:
        """Return the tally that `state` was taken from."""
        tally = cls(len(state["silent"]))
        tally.n, tally._first_bin = int(state["n"][0]), int(state["n"][1])
        tally._least, tally._greatest = state["extremes"].copy()
        tally._silent, tally._sums = state["silent"].copy(), state["sums"].copy()
        tally._top_values, tally._top_places = state["top_values"].copy(), state["top_places"].copy()
        tally._counts = state["counts"].copy()
        return tally

    def table(self, units: Sequence[str], images: Sequence[str]) -> pa.Table:
        """Return the statistics; `images` are the names by position."""
        return _table(self.rows(units, images, self._quantiles()))

    def rows(
        self, units: Sequence[str], images: Sequence[str], quantiles: Mapping[str, npt.NDArray[Any]]
    ) -> list[dict[str, object]]:
        """Return a row for each unit, with quantiles that were found elsewhere."""
        rows = []
        for i, unit in enumerate(units):
            row: dict[str, object] = {"unit": unit, "dead": bool(self._greatest[i] == self._least[i])}
            if self.n:
                mean, variance = self._moments(i)
                row.update(maximum=float(self._greatest[i]), minimum=float(self._least[i]), mean=mean)
                row.update(variance=variance, sparsity=int(self._silent[i]) / self.n)
                row.update({name: float(found[i]) for name, found in quantiles.items()})
            row["top_images"] = [images[place] for place in self._top_places[i].tolist()]
            row["top_values"] = self._top_values[i].tolist()
            rows.append(row)
        return rows

    # ------------------------------------------------------------------------------------------ exact sums

    def _moments(self, unit: int) -> tuple[float, float]:
        """Return the mean and the variance (over n) of a unit, each the double nearest to the exact number."""
        total, squares = 0, 0
        for exponent in np.flatnonzero(self._sums[1:, unit].any(axis=0)).tolist():
            signed, high, cross, low = (int(part) for part in self._sums[:, unit, exponent])
            total += signed << (exponent - 1)
            squares += ((high << 24) + (cross << 13) + low) << (2 * (exponent - 1))
        mean = Fraction(total, self.n)
        variance = Fraction(squares, self.n) - mean * mean
        return float(mean / 2**149), float(variance / 2**298)

    # ------------------------------------------------------------------------------------------ top images

    def _add_top(self, x: Values, places: npt.NDArray[np.int64]) -> None:
        """Keep the greatest values; of equal ones those of earlier images."""
        if x.shape[1] > 8 * TOP:
            threshold = np.partition(x, x.shape[1] - TOP, axis=1)[:, -TOP]
            chosen = [_greatest(row, limit) for row, limit in zip(x, threshold, strict=True)]
            picked = np.array(chosen, dtype=np.int64).reshape(len(x), TOP)
            x, places = np.take_along_axis(x, picked, 1), np.take_along_axis(places, picked, 1)
        values = np.concatenate([self._top_values, x], axis=1)
        where = np.concatenate([self._top_places, places], axis=1)
        order = np.lexsort((where, -values), axis=1)[:, :TOP]
        self._top_values = np.take_along_axis(values, order, 1)
        self._top_places = np.take_along_axis(where, order, 1)

    # ------------------------------------------------------------------------------------------ quantiles

    def _add_counts(self, x: Values) -> None:
        """Count the values in bins: one for each sign, exponent and the first seven bits after the leading one."""
        first, last = _bins(np.array([x.min(), x.max()]))
        self._make_room(int(first), int(last) + 1)
        _count(x.view(np.int32), self._first_bin, self._counts)

    def _make_room(self, first: int, last: int) -> None:
        """Widen the range of bins so that it has `first` to `last`."""
        before = self._first_bin - min(first, self._first_bin)
        after = max(last - self._first_bin - self._counts.shape[1], 0)
        if before or after:
            self._counts = np.pad(self._counts, ((0, 0), (before, after)))
            self._first_bin -= before

    def _quantiles(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return for each quantile the middle of the bin that holds it, within the unit's extremes."""
        if not self.n:
            return {}
        reached = np.cumsum(self._counts, axis=1, dtype=np.int64)
        middles = _middles(np.arange(self._first_bin, self._first_bin + self._counts.shape[1]))
        found = {}
        for share in QUANTILES:
            bins = np.count_nonzero(reached <= rank(share, self.n), axis=1)
            found[quantile_name(share)] = np.clip(middles[bins], self._least, self._greatest).astype(np.float64)
        return found


def _greatest(row: Values, limit: np.float32) -> Ints:
    """Return the places of the `TOP` greatest values, those equal to the least of them in image order."""
    above = np.flatnonzero(row > limit)
    return np.concatenate([above, np.flatnonzero(row == limit)[: TOP - len(above)]])


def _bins(values: Values) -> Ints:
    """Return the bins of values, rising with them."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    magnitude = np.maximum(((bits & 0x7FFFFFFF) >> _SHIFT) - _TINY, 0)
    return np.where(bits < 0, -magnitude, magnitude)  # type: ignore[no-any-return]


def _middles(bins: Ints) -> npt.NDArray[np.float64]:
    """Return the middle of each bin; 0 for bin 0, which has the smallest magnitudes."""
    magnitude = np.abs(bins) + _TINY
    low = (magnitude.astype(np.uint32) << _SHIFT).view(np.float32).astype(np.float64)
    high = ((magnitude + 1).astype(np.uint32) << _SHIFT).view(np.float32).astype(np.float64)
    return np.sign(bins) * (low + high) / 2


@compiled
def _count(bits: npt.NDArray[np.int32], first_bin: int, counts: npt.NDArray[np.uint32]) -> None:
    """Add 1 to the bin (see `_bins`) of every value, given as its bits (units, images)."""
    for unit in range(bits.shape[0]):
        for image in range(bits.shape[1]):
            magnitude = max(((bits[unit, image] & 0x7FFFFFFF) >> _SHIFT) - _TINY, 0)
            counts[unit, (-magnitude if bits[unit, image] < 0 else magnitude) - first_bin] += 1


@compiled
def _add_sums(bits: npt.NDArray[np.int32], sums: Ints) -> None:
    """Add to the sums of m and m², where x = m 2^(e - 150), m whole and below 2^24, apart for each exponent e.

    m² = h² 2^24 + h l 2^13 + l² with m = h 2^12 + l; each of the three has a sum of its own, below 2^63.
    """
    for unit in range(bits.shape[0]):
        for image in range(bits.shape[1]):
            x = np.int64(bits[unit, image])
            exponent = (x >> 23) & 255
            m = x & 0x7FFFFF
            if exponent:
                m |= 0x800000
            else:
                exponent = 1  # type: ignore[assignment]
            high, low = m >> 12, m & 4095
            sums[0, unit, exponent] += -m if x < 0 else m
            sums[1, unit, exponent] += high * high
            sums[2, unit, exponent] += high * low
            sums[3, unit, exponent] += low * low


def _table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    from conceptx.tables import from_rows

    return from_rows(rows, schema())


def checked_kept(keep: str) -> str:
    """Return what to keep of a layer, or say what can be kept."""
    if keep not in ("all", "top"):
        raise InputError("keep", f"{keep!r} is not known", "choose 'all' (every value) or 'top' (the statistics)")
    return keep
