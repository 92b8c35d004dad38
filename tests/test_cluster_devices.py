"""Where the tasks of a cluster compute: a GPU each where there are some, else a share of a core; played without any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conceptx import cluster
from conceptx.activations import extract
from conceptx.activations.extract import Part, values_of
from conceptx.activations.planning import Plan, plan
from conceptx.cluster import Cluster
from tests.activations.networks import PREPROCESS, noise_images, residual


class _Ray:
    """Knows what a cluster has, and what a task asked for."""

    def __init__(self, **resources: float) -> None:
        self.resources, self.asked = resources, {}

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, **asked: Any) -> Any:
        self.asked = asked
        return lambda work: SimpleNamespace(work=work)


def _plan(device: str | None = None) -> Plan:
    return replace(plan(residual(), ["fc"], noise_images(64), PREPROCESS, workers=1), device=device)


@pytest.mark.parametrize(
    ("resources", "device", "gpus", "places"),
    [
        ({"CPU": 8.0, "GPU": 2.0}, None, 1, 2),
        ({"CPU": 8.0, "GPU": 2.0}, "cuda", 1, 2),
        ({"CPU": 8.0, "GPU": 2.0}, "cpu", None, 8),
        ({"CPU": 8.0}, None, None, 8),
        ({"CPU": 1.0, "GPU": 4.0}, None, 1, 1),
    ],
)
def test_a_task_takes_a_gpu_where_there_is_one(
    resources: dict[str, float], device: str | None, gpus: int | None, places: int
) -> None:
    ray, planned = _Ray(**resources), _plan(device)
    cluster._Shards(Cluster(), "x")._task(ray, print, planned)
    assert ray.asked == {"num_cpus": 0.9, "max_retries": 3} | ({} if gpus is None else {"num_gpus": gpus})
    assert cluster._places(ray, Cluster(), gpu=cluster._has_gpu(ray, planned)) == places


@pytest.mark.parametrize(("threads", "device", "workers"), [(0, "cuda", None), (1, None, 1)])
def test_shards_on_two_devices_are_the_blocks_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, device: str | None, workers: int | None
) -> None:
    placed: list[Plan] = []

    def watched(planned: Plan, start: int, end: int) -> Iterator[Part]:
        placed.append(planned)
        return values_of(replace(planned, device=None), start, end)  # each "device" is this processor

    monkeypatch.setattr(extract, "values_of", watched)
    planned = _plan()
    for start in (32, 0):
        cluster._compute_shard(planned, start, start + 32, str(tmp_path), f"job/{start}-{start + 32}.npz", threads)
    assert [(p.device, p.workers) for p in placed] == [(device, workers)] * 2
    blocks = [cluster._read_block(str(tmp_path), f"job/{a}-{a + 32}.npz", a, a + 32) for a in (0, 32)]
    found = np.concatenate([block.values["fc"] for block in blocks if block is not None and block.values])
    want = np.concatenate([part.values["fc"] for part in values_of(planned, 0, 64) if part.values])
    np.testing.assert_array_equal(found, want)
