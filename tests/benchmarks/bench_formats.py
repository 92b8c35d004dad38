"""How fast the two largest formats are read, and in how much memory, beside the plain way in the same run.

``python tests/benchmarks/bench_formats.py [--boxes 14000000] [--images 1700000] [--megabytes 1000]`` writes a synthetic
Open Images CSV and a synthetic Visual Genome, and reads each in a process of its own: with conceptx, and with the csv
module (every row as floats, nothing kept) or `json.load`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

CLASSES = 600
OBJECTS_PER_IMAGE = 35


def write_boxes(folder: Path, boxes: int, images: int) -> Path:
    """Write a CSV with the columns of Open Images, grouped by image as the published one is."""
    rng = np.random.Generator(np.random.PCG64(0))
    path = folder / "train-annotations-bbox.csv"
    ids = pa.array([f"{i * 0x9E3779B97F4A7C15 % (1 << 64):016x}" for i in range(images)])
    classes = pa.array([f"/m/{i:05x}" for i in range(CLASSES)])
    zeros = pa.array(np.zeros(1 << 20, np.int8))
    names = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax")
    flags = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
    schema = pa.schema(
        [(name, pa.string() if name in ("ImageID", "Source", "LabelName") else pa.float32()) for name in names]
        + [(name, pa.int8()) for name in flags]
    )
    with arrow_csv.CSVWriter(path, schema, write_options=arrow_csv.WriteOptions(quoting_style="none")) as writer:
        for start in range(0, boxes, 1 << 20):
            n = min(1 << 20, boxes - start)
            image = (np.arange(start, start + n) * images // boxes).astype(np.int64)
            edges = np.sort(np.round(rng.random((n, 2, 2)), 6).astype(np.float32), axis=2)
            columns = [
                ids.take(pa.array(image)),
                pa.array(["xclick"]).take(pa.array(np.zeros(n, np.int8))),
                classes.take(pa.array(rng.integers(0, CLASSES, n))),
                pa.array(np.ones(n, np.float32)),
                *(pa.array(np.ascontiguousarray(edges[:, axis, end])) for axis in (0, 1) for end in (0, 1)),
                *(zeros.slice(0, n) for _ in flags),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return path


def write_genome(folder: Path, megabytes: int) -> int:
    """Write objects, attributes and relations in about the published proportions; return their size in bytes."""
    rng = np.random.Generator(np.random.PCG64(1))
    (folder / "VG_100K").mkdir()
    limit, written, image = megabytes * 1_000_000, 0, 0
    names = [f"thing {i}" for i in range(2000)]
    with (
        (folder / "objects.json").open("w") as objects,
        (folder / "attributes.json").open("w") as attributes,
        (folder / "relationships.json").open("w") as relations,
    ):
        files = (objects, attributes, relations)
        for handle in files:
            handle.write("[")
        while written < limit:
            image += 1
            (folder / "VG_100K" / f"{image}.jpg").touch()
            draws = rng.integers(0, 500, (OBJECTS_PER_IMAGE, 6)).tolist()
            things = [
                {
                    "synsets": [f"{names[(d[0] * 4 + d[1]) % 2000]}.n.01"],
                    "h": d[1],
                    "object_id": image * 100 + k,
                    "merged_object_ids": [],
                    "names": [names[d[0]]],
                    "w": d[2],
                    "y": d[3],
                    "x": d[4],
                }
                for k, d in enumerate(draws)
            ]
            told = [{**t, "attributes": [names[d[5]]]} for t, d in zip(things[:26], draws, strict=False)]
            links = [
                {
                    "predicate": f"Next {d[5] % 50}",
                    "object": things[k],
                    "relationship_id": image * 100 + k,
                    "synsets": [],
                    "subject": things[k + 1],
                }
                for k, d in enumerate(draws[:21])
            ]
            held = ({"objects": things}, {"attributes": told}, {"relationships": links})
            for handle, record in zip(files, held, strict=True):
                text = json.dumps({"image_id": image, **record})
                handle.write(text if image == 1 else "," + text)
                written += len(text) + 1
        for handle in files:
            handle.write("]")
    return written


def read_boxes(path: Path, images: int) -> int:
    """Read the boxes with conceptx, into an image set of `images` images whose sizes are known."""
    from conceptx.images.dataset import ImageSet
    from conceptx.images.formats.openimages import Known, Objects, batches
    from conceptx.tables import IMAGES

    ids = pa.array([f"{i * 0x9E3779B97F4A7C15 % (1 << 64):016x}" for i in range(images)])
    size = np.full(images, 1024, np.float32)
    objects = Objects(Known(ids, size, size, {f"/m/{i:05x}": f"class {i}" for i in range(CLASSES)}))
    for batch in batches(path, ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")):
        objects.add(path, batch)
    columns = {
        "image": ids,
        "path": pa.compute.binary_join_element_wise(ids, ".jpg", ""),
        "sha256": pa.compute.binary_join_element_wise(ids, ids, ids, ids, ""),
        "width": pa.array(size).cast(pa.int32()),
        "height": pa.array(size).cast(pa.int32()),
        "split": pa.nulls(images, pa.string()),
        "category": pa.nulls(images, pa.string()),
    }
    found = ImageSet("boxes", None, pa.table(columns, schema=IMAGES), objects.table())
    return int(found.objects.num_rows)


def read_boxes_plainly(path: Path, images: int) -> int:
    """Read the boxes with the csv module and keep nothing."""
    import csv

    count = 0
    with path.open(newline="") as handle:
        for row in csv.DictReader(handle):
            count += float(row["XMin"]) <= float(row["XMax"]) and float(row["YMin"]) <= float(row["YMax"])
    return count


def read_genome(path: Path, images: int) -> int:
    """Read the whole of the synthetic Visual Genome with conceptx."""
    from conceptx.images.formats import open_images

    return int(open_images(f"visual_genome:{path}").objects.num_rows)


def read_genome_plainly(path: Path, images: int) -> int:
    """Load the three files with `json.load`, all at once, as they are needed to join them."""
    held = [json.loads((path / f"{name}.json").read_text()) for name in ("objects", "attributes", "relationships")]
    return sum(len(record["objects"]) for record in held[0])


READERS = {f.__name__: f for f in (read_boxes, read_boxes_plainly, read_genome, read_genome_plainly)}


def measure(reader: str, path: Path, size: int, images: int) -> tuple[float, float]:
    """Return seconds and peak memory in GB of a reader in a process of its own."""
    command = [sys.executable, __file__, "--reader", reader, "--path", str(path), "--images", str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, seconds, peak = (float(v) for v in done.stdout.split())
    rate = size / 1e6 / seconds
    print(f"{reader:22} {rows:12,.0f} rows  {seconds:7.1f} s  {rate:7.1f} MB/s  peak {peak:5.2f} GB", flush=True)
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--boxes", type=int, default=14_000_000)
    parser.add_argument("--images", type=int, default=1_700_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--reader", choices=sorted(READERS))
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.reader:
        start = time.perf_counter()
        rows = READERS[options.reader](options.path, options.images)
        seconds = time.perf_counter() - start
        print(rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_boxes(folder, options.boxes, options.images)
        size = path.stat().st_size
        print(f"Open Images: {options.boxes:,} boxes in {options.images:,} images, {size / 1e6:,.0f} MB")
        ours = measure("read_boxes", path, size, options.images)
        plain = measure("read_boxes_plainly", path, size, options.images)
        print(f"ratio of speed to the csv module: {plain[0] / ours[0]:.1f}")
        path.unlink()
        size = write_genome(folder, options.megabytes)
        print(f"Visual Genome: {size / 1e6:,.0f} MB")
        ours = measure("read_genome", folder, size, 0)
        plain = measure("read_genome_plainly", folder, size, 0)
        print(f"ratio of speed to json.load: {plain[0] / ours[0]:.2f}; of memory: {plain[1] / ours[1]:.1f}")


if __name__ == "__main__":
    main()
