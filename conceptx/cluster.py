"""The same work on a Ray cluster: extraction in shards of images, induction in shards of units.

`extract_on_cluster` and `induce_on_cluster` do what `activations.extract.extract_layers` and `induction.induce` do,
with the same results to the last bit. `Cluster` says where: ``auto`` is the cluster that this machine belongs to, or
else one of its own cores and GPUs; ``ray://HOST:PORT`` is another one.

A task computes the values of one shard for all layers and writes them as one block to a location that `fsspec` knows
(a folder that all machines see, ``s3://…``, ``gs://…``); this process reads the blocks in order and stores the
matrices. A worker that dies costs the block it was working on: Ray gives the shard to another one. A driver that dies
costs nothing that is a whole block: the next attempt takes what is there. Every wait has a time limit.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptx.errors import ConceptxError, InputError, JobError
from conceptx.files import digest_json
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    import numpy.typing as npt

    from conceptx.activations.extract import Part
    from conceptx.activations.planning import Plan
    from conceptx.activations.preprocess import Preprocess
    from conceptx.activations.store import Activations
    from conceptx.annotation.scenes import Scenes
    from conceptx.induction import Explained, Induction, Settings

_AHEAD = 2
"""Tasks that wait beside every one that can run."""

_SHARDS_A_PLACE = 4
"""Shards of units for every core: enough that none is idle for long at the end."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where and how to divide work.

    `blocks` is the location of extraction's blocks (None: a folder beside the activations, which all machines must
    see). A task takes `shard` images, a whole number of batches, and reserves `cpus` cores: less than one, so that a
    core is never reserved twice and small tasks still find a place. After `patience` seconds without any progress the
    job ends; what is done stays. A task whose worker died is tried `retries` times more.
    """

    address: str = "auto"
    blocks: str | None = None
    shard: int = 512
    cpus: float = 0.9
    patience: float = 1800.0
    retries: int = 3

    def __post_init__(self) -> None:
        if self.address not in ("auto", "local") and not self.address.startswith("ray://"):
            raise InputError("cluster", f"{self.address!r} is no cluster", "give auto, local or ray://HOST:PORT")
        if self.shard < 16 or self.shard % 16:
            raise InputError("cluster", f"a shard of {self.shard} images", "give a multiple of 16")
        if not 0 < self.cpus <= 1:
            raise InputError("cluster", f"a task of {self.cpus} cores", "give a number above 0, up to 1")


def extract_on_cluster(
    model: Any,
    layers: Sequence[str],
    images: Any,
    *,
    out: Path,
    preprocess: Preprocess | None,
    cluster: Cluster,
    keep: str = "all",
    max_bad: float = 0.01,
    reduction: str | None = None,
    device: str | None = None,
    autocast: str | None = None,
    progress: Progress = silent,
) -> dict[str, Activations]:
    """Record several layers in one pass over the images; see `extract_layers`.

    The model, its code and the image files must be there on every machine (the weights are sent). With GPUs in the
    cluster, and no other `device` asked for, every task takes one.
    """
    from conceptx.activations.extract import record
    from conceptx.activations.planning import plan

    planned = plan(model, layers, images, preprocess, reduction=reduction, device=device, autocast=autocast, workers=1)
    source = _Shards(cluster, cluster.blocks or str(Path(out).resolve() / "blocks~"))
    made = record(planned, Path(out), keep=keep, max_bad=max_bad, source=source, progress=progress)
    source.clean()
    return made


def induce_on_cluster(
    scenes: Scenes,
    values: npt.ArrayLike,
    settings: Settings | None = None,
    *,
    cluster: Cluster,
    progress: Progress = silent,
) -> Induction:
    """Return for each unit the ranked hypotheses that explain its values (units, images); see `induction.induce`."""
    import numpy as np

    from conceptx.induction import Induction, Settings, induce

    settings = settings or Settings()
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        return induce(scenes, x, settings, progress)
    with _connected(cluster) as ray:
        size = max(len(x) // (_SHARDS_A_PLACE * _places(ray, cluster, gpu=False)), 1)
        starts = range(0, len(x), size)
        common = ray.put((scenes, replace(settings, workers=1)))
        work = ray.remote(num_cpus=cluster.cpus, max_retries=cluster.retries)(_induce_shard)
        tasks = (
            (f"units {a} to {min(a + size, len(x)) - 1}", lambda a=a: work.remote(common, x[a : a + size]))
            for a in starts
        )
        found = list(
            progress(_in_order(ray, tasks, cluster, gpu=False), total=len(starts), label="search on the cluster")
        )
    units: list[Explained] = [unit for part in found for unit in part.units]
    return Induction(tuple(units), found[0].objective, found[0].n_atoms, found[0].n_images)


def _induce_shard(common: tuple[Scenes, Settings], values: npt.ArrayLike) -> Induction:
    from conceptx.induction import induce

    return induce(common[0], values, common[1])


# ------------------------------------------------------------------------------------------ extraction


class _Shards:
    """Computes a plan's values as tasks on a cluster; a source of `activations.extract.record`."""

    def __init__(self, cluster: Cluster, location: str) -> None:
        self.cluster, self.location = cluster, location
        self._job: str | None = None

    def parts(self, planned: Plan, start: int) -> tuple[Iterator[Part], int]:
        """Return the values shard by shard."""
        size = self.cluster.shard
        first = start - start % size
        return self._parts(planned, first, start), -(-(len(planned.ids) - first) // size)

    def parity(self, planned: Plan) -> dict[str, dict[str, float]]:
        """Return the deviations over the first images, computed where the values are."""
        with _connected(self.cluster) as ray:
            task = self._task(ray, _parity, planned)
            call = [("the parity check", lambda: task.remote(ray.put(planned)))]
            found: dict[str, dict[str, float]] = next(_in_order(ray, call, self.cluster, gpu=_has_gpu(ray, planned)))
            return found

    def clean(self) -> None:
        """Remove the blocks of what has been stored, and nothing else that lies at the location."""
        if self._job is None:
            return
        system, folder = _opened(self.location)
        system.rm(f"{folder}/{self._job}", recursive=True)
        if not self.cluster.blocks and not system.ls(folder):
            system.rmdir(folder)

    def _parts(self, planned: Plan, first: int, start: int) -> Iterator[Part]:
        n, size = len(planned.ids), self.cluster.shard
        job = self._job = digest_json([planned.key(layer) for layer in planned.recorded])[:32]
        with _connected(self.cluster) as ray:
            gpu = _has_gpu(ray, planned)
            threads = 0 if gpu else _threads(planned)
            task = self._task(ray, _compute_shard, planned)
            common = ray.put(planned)
            tasks = []
            for a in range(first, n, size):
                b = min(a + size, n)
                path = f"{job}/{a}-{b}.npz"
                name = f"images {planned.ids[a]!r} to {planned.ids[b - 1]!r}"
                submit = lambda a=a, b=b, path=path: task.remote(common, a, b, self.location, path, threads)  # noqa: E731
                done = _read_block(self.location, path, a, b)
                tasks.append((name, submit if done is None else (lambda path=path: ray.put(path))))
            for path, a in zip(_in_order(ray, tasks, self.cluster, gpu=gpu), range(first, n, size), strict=True):
                part = _read_block(self.location, path, a, min(a + size, n))
                if part is None:
                    what = f"the block {path} that a worker wrote cannot be read here"
                    raise JobError(self.location, what, "give a location for blocks that every machine sees")
                yield _from(part, start)

    def _task(self, ray: Any, work: Callable[..., Any], planned: Plan) -> Any:
        reserved: dict[str, float] = {"num_cpus": self.cluster.cpus}
        if _has_gpu(ray, planned):
            reserved["num_gpus"] = 1
        return ray.remote(**reserved, max_retries=self.cluster.retries)(work)


def _compute_shard(planned: Plan, start: int, end: int, location: str, path: str, threads: int) -> str:
    """Write the block of one shard and return its path; runs on a worker."""
    import numpy as np
    import torch

    from conceptx.activations.extract import values_of

    if threads:
        torch.set_num_threads(threads)
    gathered: dict[str, list[Any]] = {layer: [] for layer in planned.recorded}
    unreadable: dict[str, str] = {}
    placed = planned if threads else replace(planned, device="cuda", workers=None)
    for part in values_of(placed, start, end):
        unreadable.update({str(position): reason for position, reason in part.unreadable.items()})
        for layer, rows in gathered.items():
            zeros = np.zeros((part.n, planned.units(layer)), np.float32)
            rows.append(zeros if part.values is None else part.values[layer])
    arrays = {str(i): np.concatenate(rows) for i, rows in enumerate(gathered.values())}
    buffer = io.BytesIO()
    facts = json.dumps({"layers": list(gathered), "unreadable": unreadable})
    np.savez(buffer, allow_pickle=False, facts=np.array(facts), **arrays)
    system, folder = _opened(location)
    system.makedirs(f"{folder}/{path.rpartition('/')[0]}", exist_ok=True)
    temporary = f"{folder}/{path}.{os.getpid()}~"
    with system.open(temporary, "wb") as handle:
        handle.write(buffer.getvalue())
    system.mv(temporary, f"{folder}/{path}")
    return path


def _parity(planned: Plan) -> dict[str, dict[str, float]]:
    from conceptx.activations.extract import parity_of

    return parity_of(planned)


def _read_block(location: str, path: str, start: int, end: int) -> Part | None:
    """Return a block; None where there is none, or none that is whole."""
    import numpy as np

    from conceptx.activations.extract import Part

    system, folder = _opened(location)
    try:
        with system.open(f"{folder}/{path}", "rb") as handle:
            content = handle.read()
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            values = {layer: stored[str(i)] for i, layer in enumerate(facts["layers"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile, zlib.error):
        return None
    if any(rows.shape[:1] != (end - start,) for rows in values.values()):
        return None
    return Part(start, end - start, values, {int(p): reason for p, reason in facts["unreadable"].items()})


def _from(part: Part, start: int) -> Part:
    """Return the images of a part from position `start` on."""
    if part.first >= start or part.values is None:
        return part
    gone = start - part.first
    values = {layer: rows[gone:] for layer, rows in part.values.items()}
    unreadable = {p: reason for p, reason in part.unreadable.items() if p >= start}
    return replace(part, first=start, n=part.n - gone, values=values, unreadable=unreadable)


def _threads(planned: Plan) -> int:
    """Return the threads of a task: one, unless that changes bits on the first images; then as many as here."""
    import numpy as np
    import torch

    from conceptx.activations.extract import values_of
    from conceptx.activations.forward import BATCH

    here = torch.get_num_threads()
    if here == 1:
        return 1
    whole = list(values_of(planned, 0, min(BATCH, len(planned.ids))))
    torch.set_num_threads(1)
    try:
        alone = list(values_of(planned, 0, min(BATCH, len(planned.ids))))
    finally:
        torch.set_num_threads(here)
    for a, b in zip(whole, alone, strict=True):
        for layer, rows in (a.values or {}).items():
            if b.values is None or not np.array_equal(rows, b.values[layer], equal_nan=True):
                return here
    return 1


# ------------------------------------------------------------------------------------------ the cluster


@contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    """Yield ray, connected; a cluster that was started here ends with the block. Nothing is reported to anyone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError("--cluster", "ray is not installed", "pip install 'conceptx[cluster]'") from None
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "torchvision" in sys.modules:  # a network of it is unpickled on a worker before any of our code runs there
        quiet["runtime_env"] = {"worker_process_setup_hook": _prepare_worker}
    try:
        if cluster.address.startswith("ray://"):
            ray.init(address=cluster.address, **quiet)
        elif cluster.address == "local" or not _joined(ray, quiet):
            ray.init(address="local", include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        mend = "check that it runs, and that its Python and Ray are those here"
        raise JobError(f"cluster {cluster.address}", f"it does not answer ({first})", mend) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _prepare_worker() -> None:
    """Import torchvision as it was imported here: where its compiled operators do not load, only this way works."""
    from conceptx.activations.sources.torchvision_zoo import import_torchvision

    import_torchvision()


def _joined(ray: Any, quiet: dict[str, Any]) -> bool:
    """Join the cluster of this machine, and tell whether there is one."""
    try:
        ray.init(address="auto", **quiet)
    except ConnectionError:
        return False
    return True


def _has_gpu(ray: Any, planned: Plan) -> bool:
    """Tell whether the tasks of a plan take a GPU each."""
    asked = planned.device is None or planned.device.startswith("cuda")
    return asked and ray.cluster_resources().get("GPU", 0) >= 1


def _places(ray: Any, cluster: Cluster, *, gpu: bool) -> int:
    """Return how many tasks can run at a time."""
    resources = ray.cluster_resources()
    cores = int(resources.get("CPU", 1) / cluster.cpus)
    return max(int(min(cores, resources.get("GPU", 0))) if gpu else cores, 1)


def _in_order(ray: Any, tasks: Any, cluster: Cluster, *, gpu: bool) -> Iterator[Any]:
    """Yield the results of tasks (name, submit) in their order, with a bounded number of them under way."""
    waiting: list[tuple[str, Any]] = []
    coming = iter(tasks)
    room = _places(ray, cluster, gpu=gpu) * (1 + _AHEAD)
    try:
        while True:
            while len(waiting) < room and (task := next(coming, None)) is not None:
                waiting.append((task[0], task[1]()))
            if not waiting:
                return
            yield _result(ray, [reference for _, reference in waiting], waiting[0][0], cluster)
            waiting.pop(0)
    finally:
        for _, reference in waiting:
            ray.cancel(reference, force=False)


def _result(ray: Any, references: list[Any], name: str, cluster: Cluster) -> Any:
    """Return the result of the first task; while others end there is progress, and the wait goes on."""
    where = f"cluster {cluster.address}"
    ended = -1
    while True:
        done, _ = ray.wait(references[:1], num_returns=1, timeout=cluster.patience)
        if done:
            break
        others, _ = ray.wait(references, num_returns=len(references), timeout=0)
        if len(others) <= ended or not others:
            what = f"nothing has come back for {cluster.patience:g} seconds, {name} are due"
            raise JobError(where, what, "see whether its machines are busy, and run the same command again; it resumes")
        ended = len(others)
    try:
        return ray.get(references[0], timeout=cluster.patience)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, ConceptxError) else None
        if cause is not None:
            raise cause from None
        raise JobError(where, f"a task fails on {name} ({_last_line(error)})", "mend that, and run it again") from error
    except ray.exceptions.RayError as error:
        what = f"the worker on {name} died {cluster.retries + 1} times ({_last_line(error)})"
        raise JobError(where, what, "give its machines more memory, or smaller shards; finished blocks stay") from error


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _opened(location: str) -> tuple[Any, str]:
    """Return the file system of a location and the path in it."""
    try:
        import fsspec
    except ImportError:
        raise InputError("--cluster", "fsspec is not installed", "pip install 'conceptx[cluster]'") from None
    try:
        system, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise InputError(
            location, f"this location cannot be used ({error})", "install its package, or give a folder"
        ) from error
    return system, str(path).rstrip("/")
