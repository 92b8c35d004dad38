"""Pictures inside larger files: CIFAR's planes, and rows of Arrow and Parquet files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conceptx.images.containers import contained_bytes, is_contained, read_contained, read_stored
from conceptx.images.pictures import BadImage

PIXELS = [np.full((4, 5, 3), shade, np.uint8) for shade in (10, 60, 110, 160)]


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def table(*rows: object) -> pa.Table:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"label": list(range(len(rows))), "image": pa.array(rows, kind)})


ROWS = table(*({"bytes": encoded(p), "path": None} for p in PIXELS))


@pytest.fixture(params=["arrow", "arrow-file", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind = request.param
    path = tmp_path / ("x.parquet" if kind == "parquet" else "x.arrow")
    if kind == "parquet":
        pq.write_table(ROWS, path, row_group_size=3)
    else:
        with (pa.ipc.new_file if kind == "arrow-file" else pa.ipc.new_stream)(str(path), ROWS.schema) as writer:
            writer.write_table(ROWS, max_chunksize=2)
    return path


def test_each_row_is_a_picture(file: Path) -> None:
    for row, pixels in enumerate(PIXELS):
        assert np.array_equal(read_stored(file.parent, f"{file.name}#{row}"), pixels)
        assert contained_bytes(file.parent, f"{file.name}#{row}") == encoded(pixels)


def test_a_row_that_is_not_there(file: Path) -> None:
    with pytest.raises(BadImage, match=rf"{file.name}#4: the row cannot be read"):
        read_contained(file.parent, f"{file.name}#4")


def test_a_file_that_has_changed_is_read_again(file: Path) -> None:
    read_contained(file.parent, f"{file.name}#0")
    changed = table({"bytes": encoded(PIXELS[3]), "path": None})
    file.unlink()
    if file.suffix == ".parquet":
        pq.write_table(changed, file)
    else:
        with pa.ipc.new_stream(str(file), changed.schema) as writer:
            writer.write_table(changed)
    assert np.array_equal(read_contained(file.parent, f"{file.name}#0"), PIXELS[3])


def test_a_row_may_name_a_file_below_the_folder_only(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.fromarray(PIXELS[0]).save(tmp_path / "set" / "a.png")
    Image.fromarray(PIXELS[0]).save(tmp_path / "b.png")
    rows = ({"bytes": None, "path": name} for name in ("a.png", "../b.png", None))
    pq.write_table(table(*rows, {"bytes": b"hello", "path": None}), tmp_path / "set" / "x.parquet")
    assert np.array_equal(read_contained(tmp_path / "set", "x.parquet#0"), PIXELS[0])
    for row, message in ((1, "leaves the folder"), (2, "there is no picture in this row"), (3, "cannot be read")):
        with pytest.raises(BadImage, match=message):
            read_contained(tmp_path / "set", f"x.parquet#{row}")


@pytest.mark.parametrize("name", ["x.arrow", "x.parquet"])
def test_hostile_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="there is no such file"):
        read_contained(tmp_path, f"{name}#0")
    (tmp_path / name).write_bytes(b"ARROW1\0\0PAR1" * 50)
    with pytest.raises(BadImage, match="the row cannot be read"):
        read_contained(tmp_path, f"{name}#0")
    with pytest.raises(BadImage, match="the path leaves the folder"):
        read_contained(tmp_path, f"../{name}#0")


def test_a_table_without_pictures(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [1]}), tmp_path / "x.parquet")
    with pytest.raises(BadImage, match="no column holds pictures"):
        read_contained(tmp_path, "x.parquet#0")


def test_planes_of_bytes(tmp_path: Path) -> None:
    pixels = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (tmp_path / "x.bin").write_bytes(b"\7" + pixels.transpose(2, 0, 1).tobytes())
    assert np.array_equal(read_contained(tmp_path, "x.bin#1"), pixels)
    with pytest.raises(BadImage, match=r"x\.bin#2: the file ends after 3071 of 3072 bytes"):
        read_contained(tmp_path, "x.bin#2")
    with pytest.raises(BadImage, match="there is no such file"):
        read_contained(tmp_path, "y.bin#2")


@pytest.mark.parametrize(
    ("path", "contained"),
    [
        ("a.bin#0", True),
        ("d/a.arrow#12", True),
        ("a.png#1", False),
        ("a.bin", False),
        ("a.bin#x", False),
        ("#1", False),
    ],
)
def test_what_names_a_place_in_a_file(path: str, contained: bool) -> None:
    assert is_contained(path) is contained
    if not contained:
        with pytest.raises(BadImage, match="this names no place in a file"):
            read_contained(Path(), path)
