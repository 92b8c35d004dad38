"""Sums over extents as matrix products on a torch device (a GPU): the very numbers of the compiled loops.

An extent is a row of zeros and ones, and what is added up are whole numbers whose sums stay below 2^53: float64 adds
these exactly in any order, so results do not depend on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]

_NUMBERS = 1 << 26
"""So many zeros and ones are written out at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Packed extents (extents, bytes) on a device; image i is bit i % 8 of byte i // 8."""

    bits: torch.Tensor
    n_images: int

    @classmethod
    def of(cls, packed: npt.NDArray[np.uint64], n_images: int, device: str) -> Products:
        """Bring packed rows (extents, words) to a device."""
        import torch

        from conceptx.activations.forward import named_device

        rows = np.ascontiguousarray(packed, dtype="<u8").view(np.uint8)
        return cls(torch.from_numpy(rows.copy()).to(named_device(device)), n_images)

    def subset(self, extents: npt.NDArray[np.int64]) -> Products:
        """Return the products over some of the extents."""
        import torch

        return Products(self.bits[torch.from_numpy(extents).to(self.bits.device)], self.n_images)

    def sums(self, values: Floats) -> Floats:
        """Return the sums of whole numbers (rows, images) over every extent (rows, extents)."""
        return np.ascontiguousarray(self._times(values).cpu().numpy().T)

    def intersections(
        self, members: npt.NDArray[np.uint8], weight: npt.NDArray[np.integer[Any]]
    ) -> tuple[Counts, Counts]:
        """Return sizes and weighted sums of each of `members` (sets, images) with every extent (sets, extents)."""
        import torch

        found = self._times(np.concatenate([members, members * weight.astype(np.float64)]))
        counts, weighed = found.T.to(torch.int32).cpu().numpy().reshape(2, len(members), -1)
        return np.ascontiguousarray(counts), np.ascontiguousarray(weighed)

    def _times(self, values: Floats) -> torch.Tensor:
        """Return extents (as zeros and ones) times the transposed values: (extents, rows)."""
        import torch

        device, (extents, width) = self.bits.device, self.bits.shape
        right = torch.zeros((8 * width, len(values)), dtype=torch.float64, device=device)
        right[: self.n_images] = torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float64)).to(device)
        places = torch.arange(8, dtype=torch.uint8, device=device)
        found = torch.empty((extents, len(values)), dtype=torch.float64, device=device)
        rows = max(1, _NUMBERS // max(8 * width, 1))
        for first in range(0, extents, rows):
            block = self.bits[first : first + rows]
            written = ((block[:, :, None] >> places) & 1).reshape(len(block), 8 * width)
            torch.matmul(written.to(torch.float64), right, out=found[first : first + rows])
        return found
