"""A layer of which only the statistics and the top images are kept, for image sets whose matrix would not fit.

`TallyWriter` takes the blocks that a `store.Writer` takes, and stores what `statistics.Tally` has gathered from them.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conceptx.activations.statistics import SKETCH_ERROR, Tally
from conceptx.activations.store import FORMAT, STATISTICS, Activations, check_finite, layer_path, read_facts
from conceptx.errors import InputError
from conceptx.files import atomic_path, digest_json, write_json
from conceptx.tables import write_parquet


class TallyWriter:
    """Gathers the statistics of one layer from blocks of images and resumes where a killed process left it.

    What is gathered is in ``NAME.tally~`` and is replaced as a whole after every block. `done` is the number of images
    in it, `finished` tells that all is published.
    """

    def __init__(self, folder: Path, layer: str, units: Sequence[str], images: Sequence[str], key: str) -> None:
        self.folder, self.layer, self.key = Path(folder), layer, key
        self.units, self.images = tuple(units), tuple(images)
        self.done = 0
        self.skipped: dict[int, str] = {}
        self.missing = 0
        self._tally = Tally(len(self.units))
        self._facts, self._table = layer_path(self.folder, layer, ".json"), layer_path(self.folder, layer, STATISTICS)
        self._state = layer_path(self.folder, layer, ".tally~")
        self.finished = self._is_published()
        if not self.finished:
            self._resume()

    def write(self, start: int, block: npt.NDArray[np.floating], skipped: Mapping[int, str] | None = None) -> None:
        """Take the values (images, units) of the images from position `start` on, and make what they add durable."""
        skipped = skipped or {}
        if start > self.done:
            raise ValueError(f"a block starts at {start}, but only {self.done} images are counted")
        rows = np.asarray(block[self.done - start :], dtype=np.float32)
        start, known = max(start, self.done), self.done
        if not len(rows):
            return
        check_finite(self.layer, self.units, self.images, rows.T, start, skipped)
        fresh = {position: reason for position, reason in skipped.items() if position >= known}
        self._tally.add(rows, start, list(fresh))
        self.skipped.update(fresh)
        self.done = start + len(rows)
        facts = {"key": self._state_key(), "done": self.done, "skipped": {str(p): r for p, r in self.skipped.items()}}
        with atomic_path(self._state) as temporary, temporary.open("wb") as handle:
            np.savez(handle, allow_pickle=False, facts=np.array(json.dumps(facts)), **self._tally.state())

    def finish(self, meta: Mapping[str, object]) -> None:
        """Publish the statistics with `meta`; what an earlier request kept of this layer goes."""
        if self.done < len(self.images):
            raise ValueError(f"only {self.done} of {len(self.images)} images are counted")
        table = self._tally.table(self.units, self.images)
        self._facts.unlink(missing_ok=True)
        layer_path(self.folder, self.layer, ".npy").unlink(missing_ok=True)
        write_parquet(self._table, table)
        facts = {
            "format": FORMAT,
            "layer": self.layer,
            "units": self.units,
            "images": [],
            "meta": {
                **meta,
                "key": self.key,
                "keep": "top",
                "n_images": len(self.images) - len(self.skipped),
                "quantile_error": SKETCH_ERROR,
                "skipped": [[self.images[p], reason] for p, reason in sorted(self.skipped.items())],
                "dead": [row["unit"] for row in table.select(["unit", "dead"]).to_pylist() if row["dead"]],
            },
        }
        write_json(self._facts, facts)
        self._state.unlink(missing_ok=True)
        self.finished = True

    def open(self) -> Activations:
        """Return the layer with its facts and without any image: no values are kept."""
        facts = read_facts(self._facts)
        return Activations(self.layer, self.units, (), np.zeros((len(self.units), 0), np.float32), facts["meta"])

    def _is_published(self) -> bool:
        """Tell whether the statistics are there; those beside a whole matrix of the same key are as good."""
        try:
            return bool(read_facts(self._facts)["meta"]["key"] == self.key) and self._table.is_file()
        except (InputError, KeyError, TypeError):
            return False

    def _resume(self) -> None:
        try:
            with np.load(self._state, allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                if facts["key"] != self._state_key():
                    return
                tally = Tally.from_state(stored)
            done, skipped = int(facts["done"]), {int(p): str(reason) for p, reason in facts["skipped"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError, MemoryError):
            return
        except (zipfile.BadZipFile, zlib.error):
            return
        self._tally, self.done, self.skipped = tally, done, skipped

    def _state_key(self) -> str:
        return digest_json([FORMAT, self.key, self.units, self.images])
