"""How long an audit takes and how much memory, on made-up runs of growing size.

`python tests/benchmarks/bench_audit.py [--largest] [--run FOLDER]` makes a run, audits it and prints the seconds and
the processor seconds of each check, beside those of the reading of all stored values, which no audit can do without.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.audit import audit_run
from conceptx.audit.evidence import read_evidence
from conceptx.run import Run
from tests.benchmarks.synthetic_run import make_run

SIZES = ((64, 3_000), (256, 10_000))
LARGEST = ((2_048, 50_000),)
T = TypeVar("T")


def printed(steps: Iterable[T], *, total: int | None = None, label: str = "") -> Iterator[T]:
    """Pass the steps on, and print how long they took."""
    start, worked = time.perf_counter(), time.process_time()
    yield from steps
    took, worked = time.perf_counter() - start, time.process_time() - worked
    print(f"  {label:24} {took:9.1f} {worked:9.1f}", flush=True)


def measure(path: Path) -> None:
    """Print the table of one run."""
    evidence = read_evidence(Run.open(path))
    layers = evidence.layers.items()
    units = [(name, unit) for name, layer in layers for unit in layer.units]
    print(f"{len(units):,} units × {len(evidence.images):,} images")
    print(f"  {'':24} {'seconds':>9} {'CPU s':>9}")
    for unit in printed(units, label="(reading all values)"):
        evidence.all_values(*unit)
    del evidence
    start, worked = time.perf_counter(), time.process_time()
    found = audit_run(path, progress=printed)
    took, worked = time.perf_counter() - start, time.process_time() - worked
    print(f"  {'the whole audit':24} {took:9.1f} {worked:9.1f}")
    print(f"  {'compared':24} {sum(check.compared for check in found.checks):9,}")
    print(f"  {'differences':24} {len(found.findings):9,}")
    print(f"  {'peak memory MB':24} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:9.0f}")
    for finding in found.findings[:20]:
        print(f"    {finding}")


def main() -> None:
    """Print a table for each size."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--largest", action="store_true", help="also 2,048 × 50,000, which takes an hour to make")
    options.add_argument("--run", type=Path, help="audit this run instead")
    asked = options.parse_args()
    if asked.run:
        measure(asked.run)
        return
    for units, images in (*SIZES, *(LARGEST if asked.largest else ())):
        with tempfile.TemporaryDirectory(prefix="bench-audit-") as folder:
            measure(make_run(Path(folder), units, images).path)


if __name__ == "__main__":
    main()
