"""Activation matrices on disk: units × images, float32, memory-mapped, never stale and never half.

`open_activations` opens what is recorded for a layer, `open_statistics` the table of its units, `save_activations`
stores a matrix that is at hand, and `Writer` stores one that comes in blocks of images and goes on after a kill. A
matrix of layer ``features.0`` is ``features.0.npy`` with ``features.0.units.parquet`` (see `statistics`) and
``features.0.json`` beside it: the names of the layer, units and images, and `meta`, which holds the `key`: the digest
of all that the values depend on. A matrix with another key counts as absent.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError, did_you_mean
from conceptx.files import atomic_path, digest_bytes, digest_json, map_array, write_failure, write_json

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
STATISTICS = ".units.parquet"
"""The end of the name of a layer's statistics."""

_LONGEST_NAME = 150
_Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """The values (units × images) of one layer; `meta` says how they were made."""

    layer: str
    units: tuple[str, ...]
    images: tuple[str, ...]
    values: _Values
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.units), len(self.images))
        if self.values.shape != shape:
            raise InputError(
                f"activations of {self.layer!r}",
                f"the matrix is {self.values.shape}, the names say {shape}",
                "give one row per unit and one column per image",
            )

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """The images that could not be read, each with the reason."""
        return [(image, reason) for image, reason in self.meta.get("skipped", ())]

    def for_images(self, images: Sequence[str]) -> Activations:
        """Return the columns of these images, in this order."""
        place = {image: column for column, image in enumerate(self.images)}
        missing = next((image for image in images if image not in place), None)
        if missing is not None:
            raise InputError(
                f"activations of {self.layer!r}",
                f"image {missing!r} is not among the activations",
                did_you_mean(missing, self.images) or "remove it from the request or re-extract with this image",
            )
        columns = np.fromiter((place[image] for image in images), dtype=np.intp, count=len(images))
        return Activations(self.layer, self.units, tuple(images), self.values[:, columns], self.meta)


def store_name(layer: str) -> str:
    """Return the file name (without ending) of a layer: the layer itself, odd characters as %XX; one to one.

    >>> store_name("layer4.1.conv2"), store_name("relu@3"), store_name("a/b")
    ('layer4.1.conv2', 'relu@3', 'a%2Fb')
    """
    name = quote(layer, safe="@[]").replace("~", "%7E")
    name = re.sub(r"^\.", "%2E", name) or "%"
    return name if len(name) <= _LONGEST_NAME else f"{name[:80]}%%{digest_bytes(layer.encode())}"


def stored_layers(folder: Path) -> list[str]:
    """Return the layers whose values are completely recorded in `folder`, sorted by name."""
    found = [read_facts(path) for path in Path(folder).glob("*.json")]
    return sorted(str(facts["layer"]) for facts in found if facts["meta"].get("keep") != "top")


def open_activations(folder: Path, layer: str, *, key: str | None = None) -> Activations:
    """Open the matrix of a layer, memory-mapped and read-only; with a `key`, only if it was made from just that."""
    folder = Path(folder)
    path = layer_path(folder, layer, ".json")
    facts = _recorded(folder, layer)
    meta = facts["meta"]
    if key is not None and meta.get("key") != key:
        raise InputError(str(path), "the activations were made from something else", "extract the layer again")
    if meta.get("keep") == "top":
        what = "only the statistics and the top images of this layer are kept"
        raise InputError(str(path), what, "extract it with --keep all")
    values_path = layer_path(folder, layer, ".npy")
    try:
        values = map_array(values_path)
    except (OSError, ValueError) as error:
        raise InputError(str(values_path), f"the matrix cannot be read ({error})", "extract the layer again") from error
    shape = (len(facts["units"]), len(facts["images"]))
    if values.dtype != np.float32 or values.shape != shape or facts["layer"] != layer:
        raise InputError(str(path), f"this is not the float32 matrix of {layer!r}", "extract the layer again")
    return Activations(layer, tuple(facts["units"]), tuple(facts["images"]), values, meta)


def open_statistics(folder: Path, layer: str) -> pa.Table:
    """Return what is known of each unit of a layer over all images: the columns of `statistics.schema`."""
    from conceptx.activations.statistics import schema
    from conceptx.tables import read_parquet

    _recorded(folder, layer)
    return read_parquet(layer_path(folder, layer, STATISTICS), schema())


def save_activations(folder: Path, activations: Activations, *, key: str) -> Activations:
    """Store a matrix that is at hand (a user's table, a control) and return it as it is stored."""
    writer = Writer(folder, activations.layer, activations.units, activations.images, key)
    if not writer.finished:
        writer.write(0, activations.values.T)
        writer.finish(activations.meta)
    return writer.open()


class Writer:
    """Writes the matrix of one layer in blocks of images and resumes where a killed process left it.

    The values go to ``NAME.npy~``; ``NAME.json~`` says how many images are safely there, and is written only after
    they have reached the disk. `finish` moves the matrix to its place, and last writes the JSON file that makes it
    count. `done` is the number of images that need not be written again, `finished` tells that all is published.
    """

    def __init__(self, folder: Path, layer: str, units: Sequence[str], images: Sequence[str], key: str) -> None:
        self.folder, self.layer, self.key = Path(folder), layer, key
        self.units, self.images = tuple(units), tuple(images)
        self.done = 0
        self.skipped: dict[int, str] = {}
        self.finished = False
        self._values, self._facts = layer_path(self.folder, layer, ".npy"), layer_path(self.folder, layer, ".json")
        self._work, self._sidecar = layer_path(self.folder, layer, ".npy~"), layer_path(self.folder, layer, ".json~")
        self._resume()

    def write(self, start: int, block: npt.NDArray[np.floating], skipped: Mapping[int, str] | None = None) -> None:
        """Store the values (images, units) of the images from position `start` on, and make them durable.

        Rows of images in `skipped` (position → reason) are placeholders; `finish` leaves these images out.
        """
        skipped = skipped or {}
        if start > self.done:
            raise ValueError(f"a block starts at {start}, but only {self.done} images are stored")
        values = np.ascontiguousarray(block.T, dtype=np.float32)
        check_finite(self.layer, self.units, self.images, values, start, skipped)
        try:
            with self._work.open("rb+", buffering=0) as handle:
                for unit, row in enumerate(values):
                    handle.seek(self._offset + 4 * (unit * len(self.images) + start))
                    handle.write(row.data)
                os.fsync(handle.fileno())
        except OSError as error:
            raise write_failure(self._work, error) from error
        self.skipped.update(skipped)
        self.done = max(self.done, start + values.shape[1])
        self._write_sidecar()

    def finish(self, meta: Mapping[str, object]) -> None:
        """Publish the matrix with `meta`; the skipped images and the units without any variation are added to it."""
        if self.done < len(self.images):
            raise ValueError(f"only {self.done} of {len(self.images)} images are stored")
        if self._work.exists():
            self._facts.unlink(missing_ok=True)
            if self.skipped:
                self._publish_without_skipped()
            else:
                self._work.replace(self._values)
        images = [image for position, image in enumerate(self.images) if position not in self.skipped]
        statistics = self._describe(images)
        facts = {
            "format": FORMAT,
            "layer": self.layer,
            "units": self.units,
            "images": images,
            "meta": {
                **meta,
                "key": self.key,
                "skipped": [[self.images[p], reason] for p, reason in sorted(self.skipped.items())],
                "dead": [row["unit"] for row in statistics.select(["unit", "dead"]).to_pylist() if row["dead"]],
            },
        }
        write_json(self._facts, facts)
        self._sidecar.unlink(missing_ok=True)
        self.finished = True

    def open(self) -> Activations:
        """Open the published matrix."""
        return open_activations(self.folder, self.layer, key=self.key)

    def _describe(self, images: Sequence[str]) -> pa.Table:
        """Write the statistics of the published matrix, and return them."""
        from conceptx.activations.statistics import of_matrix
        from conceptx.tables import write_parquet

        table = of_matrix(np.load(self._values, mmap_mode="r", allow_pickle=False), self.units, images)
        write_parquet(layer_path(self.folder, self.layer, STATISTICS), table)
        return table

    @property
    def missing(self) -> int:
        """The bytes that the disk still has to find for the matrix; the holes of an unfinished file are empty."""
        if self.finished or not self._work.is_file():
            return 0
        status = self._work.stat()
        return max(status.st_size - 512 * getattr(status, "st_blocks", 0), 0)

    @property
    def _offset(self) -> int:
        return len(_header(len(self.units), len(self.images)))

    def _resume(self) -> None:
        state = self._read_sidecar()
        if self._is_published():
            self.finished, self.done = True, len(self.images)
            if not layer_path(self.folder, self.layer, STATISTICS).is_file():
                self._describe(read_facts(self._facts)["images"])
            if state is not None:
                self._sidecar.unlink()
            return
        if state is not None and (self._work.is_file() or state["done"] == len(self.images)):
            self.done = state["done"]
            self.skipped = {int(position): reason for position, reason in state["skipped"].items()}
            return
        header = _header(len(self.units), len(self.images))
        self._sidecar.unlink(missing_ok=True)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._work.open("wb") as handle:
                handle.write(header)
                handle.truncate(len(header) + 4 * len(self.units) * len(self.images))
        except OSError as error:
            raise write_failure(self._work, error) from error

    def _is_published(self) -> bool:
        try:
            return bool(read_facts(self._facts)["meta"]["key"] == self.key) and self._values.is_file()
        except (InputError, KeyError, TypeError):
            return False

    def _write_sidecar(self) -> None:
        state = {"key": self._state_key(), "done": self.done, "skipped": {str(p): r for p, r in self.skipped.items()}}
        write_json(self._sidecar, state)

    def _read_sidecar(self) -> dict[str, Any] | None:
        try:
            state = json.loads(self._sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return state if isinstance(state, dict) and state.get("key") == self._state_key() else None

    def _state_key(self) -> str:
        return digest_json([FORMAT, self.key, self.units, self.images])

    def _publish_without_skipped(self) -> None:
        """Write the matrix anew without the columns of skipped images."""
        kept = np.array([p for p in range(len(self.images)) if p not in self.skipped], dtype=np.intp)
        source = np.load(self._work, mmap_mode="r", allow_pickle=False)
        with atomic_path(self._values) as temporary, temporary.open("wb") as handle:
            handle.write(_header(len(self.units), len(kept)))
            for row in source:
                handle.write(row[kept].data)
        self._work.unlink()


def check_finite(
    layer: str,
    units: Sequence[str],
    images: Sequence[str],
    values: _Values,
    start: int,
    skipped: Mapping[int, str],
) -> None:
    """Refuse values (units, images from `start` on) that are no numbers; those of skipped images do not count."""
    if np.isfinite(values).all():
        return
    for unit, column in np.argwhere(~np.isfinite(values)):
        if start + column not in skipped:
            raise InputError(
                f"layer {layer!r}, unit {units[unit]!r}, image {images[start + column]!r}",
                f"the value is {values[unit, column]}",
                "check the weights and the preprocessing of the model",
            )


def layer_path(folder: Path, layer: str, ending: str) -> Path:
    """Return the file of a layer with this ending."""
    return Path(folder) / (store_name(layer) + ending)


def _header(units: int, images: int) -> bytes:
    """Return the header of a .npy file that holds a float32 matrix (units, images), rows first."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (units, images)})
    return buffer.getvalue()


def _recorded(folder: Path, layer: str) -> dict[str, Any]:
    """Return the content of the JSON file of a layer that has been recorded."""
    path = layer_path(folder, layer, ".json")
    if path.is_file():
        return read_facts(path)
    known = stored_layers(folder) if Path(folder).is_dir() else []
    mend = did_you_mean(layer, known) or "extract this layer first"
    raise InputError(str(folder), f"no activations of layer {layer!r} are here", mend)


def read_facts(path: Path) -> dict[str, Any]:
    """Return the content of a layer's JSON file."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if facts["format"] == FORMAT and isinstance(facts["layer"], str) and isinstance(facts["meta"], dict):
            for name in ("units", "images"):
                if not isinstance(facts[name], list) or not all(isinstance(text, str) for text in facts[name]):
                    raise ValueError(f"{name} is no list of names")
            return facts
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            str(path), f"this does not describe activations ({error})", "extract the layer again"
        ) from error
    raise InputError(str(path), "this was written by another version", "extract the layer again")
