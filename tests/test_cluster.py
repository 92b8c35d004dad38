"""Two workers against one process, to the last bit; a killed worker; a driver that goes on where one was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from conceptx.activations.extract import extract_layers
from conceptx.activations.store import open_statistics
from conceptx.cluster import Cluster, extract_on_cluster, induce_on_cluster
from conceptx.errors import InputError, JobError
from tests.activations.networks import PREPROCESS, noise_images, residual

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@dataclass
class WatchedImages:
    """Images that write down who loads them; loading takes a little while."""

    folder: Path
    pixels: np.ndarray
    bad: tuple[int, ...] = ()
    wait: float = 0.0

    @property
    def ids(self) -> list[str]:
        return [f"{i:04}.png" for i in range(len(self.pixels))]

    @property
    def images(self) -> pa.Table:
        return noise_images(0).images if not len(self.pixels) else pa.table({"sha256": self.ids})

    def load(self, i: int) -> np.ndarray:
        time.sleep(self.wait)
        with (self.folder / f"{os.getpid()}.loads").open("a") as handle:
            handle.write(f"{i}\n")
        if i in self.bad:
            raise InputError(self.ids[i], "the file is not an image", "replace it")
        return self.pixels[i]


def _loads(folder: Path) -> dict[int, list[int]]:
    return {int(p.stem): [int(line) for line in p.read_text().split()] for p in folder.glob("*.loads")}


@pytest.fixture(scope="module")
def ray_of_two() -> Iterator[object]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    yield ray
    ray.shutdown()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("keep", ["all", "top"])
def test_two_workers_store_the_bytes_of_one_process(ray_of_two: object, tmp_path: Path, keep: str) -> None:
    images = WatchedImages(tmp_path, noise_images(200).pixels, bad=(3, 100))
    options = {"preprocess": PREPROCESS, "max_bad": 0.1, "keep": keep}
    extract_layers(residual(), ["fc", "relu@2"], images, out=tmp_path / "one", **options)
    cluster = Cluster(shard=32, patience=120)
    extract_on_cluster(residual(), ["fc", "relu@2"], images, out=tmp_path / "two", cluster=cluster, **options)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert not list((tmp_path / "two").glob("blocks~"))
    assert open_statistics(tmp_path / "two", "fc").num_rows == 5


def test_a_killed_worker_costs_its_block_and_nothing_else(ray_of_two: object, tmp_path: Path) -> None:
    images = WatchedImages(tmp_path, noise_images(256).pixels, wait=0.02)
    victims: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not victims:
            for worker, loaded in _loads(tmp_path).items():
                if worker != os.getpid() and len(loaded) > 40:
                    os.kill(worker, signal.SIGKILL)
                    victims.append(worker)
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    cluster = Cluster(shard=32, patience=120)
    made = extract_on_cluster(residual(), ["fc"], images, out=tmp_path / "two", preprocess=PREPROCESS, cluster=cluster)
    killer.join()
    assert victims
    loads = [i for worker, found in _loads(tmp_path).items() if worker != os.getpid() for i in found]
    again = sorted(i for i in set(loads) if loads.count(i) > 1)
    assert again and len({i // 32 for i in again}) == 1, "one shard, and only this, was read again"
    want = extract_layers(residual(), ["fc"], images, out=tmp_path / "one", preprocess=PREPROCESS)
    np.testing.assert_array_equal(made["fc"].values, want["fc"].values)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


_DRIVER = """
import sys
from pathlib import Path
import conceptx.cluster as cluster
from tests.activations.networks import PREPROCESS, noise_images, residual
from tests.test_cluster import WatchedImages

folder = Path(sys.argv[1])
images = WatchedImages(folder, noise_images(192).pixels, wait=0.03)
cluster.extract_on_cluster(residual(), ["fc"], images, out=folder / "two", preprocess=PREPROCESS,
                           cluster=cluster.Cluster("local", shard=16, patience=120))
"""


def test_a_killed_driver_goes_on_with_the_blocks_that_are_there(tmp_path: Path) -> None:
    pytest.importorskip("ray")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _DRIVER, str(tmp_path)])

    driver = start()
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "two").glob("blocks~/*/*.npz"))) < 4:
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    time.sleep(3)
    ready = {path.name for path in (tmp_path / "two").glob("blocks~/*/*.npz")}
    for path in tmp_path.glob("*.loads"):
        path.unlink()
    driver = start()
    assert driver.wait(timeout=240) == 0
    loads = {i for worker, found in _loads(tmp_path).items() for i in found}
    spared = {i for name in ready for i in range(*map(int, name.removesuffix(".npz").split("-")))} - set(range(16))
    assert len(spared) >= 48 and not spared & loads
    images = WatchedImages(tmp_path, noise_images(192).pixels)
    extract_layers(residual(), ["fc"], images, out=tmp_path / "one", preprocess=PREPROCESS)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_induction_in_shards_of_units(ray_of_two: object) -> None:
    from conceptx.induction import Settings, induce
    from tests.induction.worlds import random_scenes

    rng = np.random.Generator(np.random.PCG64(3))
    scenes, values = random_scenes(rng, 150), rng.normal(size=(7, 150))
    values[2] = 1.0
    settings = Settings(max_length=2)
    assert induce_on_cluster(scenes, values, settings, cluster=Cluster(patience=120)) == induce(
        scenes, values, settings
    )


def test_what_goes_wrong_on_a_worker_is_said_here(ray_of_two: object, tmp_path: Path) -> None:
    images = WatchedImages(tmp_path, noise_images(64).pixels, bad=tuple(range(64)))
    with pytest.raises(InputError, match="images cannot be read so far"):
        extract_on_cluster(
            residual(), ["fc"], images, out=tmp_path / "two", preprocess=PREPROCESS, cluster=Cluster(shard=32)
        )
    slow = WatchedImages(tmp_path, noise_images(64).pixels, wait=1.0)
    with pytest.raises(JobError, match="nothing has come back for 1 seconds"):
        extract_on_cluster(
            residual(),
            ["fc"],
            slow,
            out=tmp_path / "slow",
            preprocess=PREPROCESS,
            cluster=Cluster(shard=64, patience=1),
        )


@pytest.mark.parametrize(("options", "said"), [({"address": "there"}, "is no cluster"), ({"shard": 20}, "16")])
def test_clusters_that_cannot_be(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Cluster(**options)
