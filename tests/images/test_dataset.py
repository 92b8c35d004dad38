"""Image sets, and every kind of picture file that somebody may bring."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from conceptx.errors import InputError
from conceptx.images import dataset, pictures
from conceptx.images.dataset import BadImage, ImageSet, inside, read_picture
from conceptx.images.pictures import picture_size, read_mask
from conceptx.tables import IMAGES, OBJECTS, from_rows


def set_of(root: Path | None, *names: str) -> ImageSet:
    images = from_rows([{"image": name, "path": name} for name in names], IMAGES)
    objects = from_rows([{"image": name, "object": "o1", "label": "cat"} for name in names], OBJECTS)
    return ImageSet("some images", root, images, objects)


def file_of(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def solid(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (6, 4), colour)  # type: ignore[arg-type]


def turned() -> bytes:
    """A JPEG that is 6 wide and 4 high, with the note that it is to be shown turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return file_of(solid("RGB", (200, 10, 10)), "JPEG", exif=exif, quality=95)


def several_views() -> bytes:
    """A JPEG with two pictures in it, as telephones make them."""
    return file_of(solid("RGB", (0, 99, 0)), "MPO", save_all=True, append_images=[solid("RGB", (99, 0, 0))])


def shares(*values: float) -> bytes:
    return file_of(Image.fromarray(np.full((4, 6), values, np.float32)), "TIFF")


def animated() -> bytes:
    frames = [solid("RGB", colour) for colour in ((255, 0, 0), (0, 255, 0))]
    return file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])


def sixteen_bit() -> bytes:
    return file_of(Image.fromarray(np.full((4, 6), 0x8000, np.uint16)), "PNG")


READABLE = {
    "plain": (file_of(solid("RGB", (9, 8, 7)), "PNG"), (4, 6), (9, 8, 7)),
    "grey": (file_of(solid("L", 77), "PNG"), (4, 6), (77, 77, 77)),
    "one bit": (file_of(solid("1", 1), "PNG"), (4, 6), (255, 255, 255)),
    "palette": (file_of(solid("RGB", (0, 0, 255)).quantize(4), "PNG"), (4, 6), (0, 0, 255)),
    "half transparent": (file_of(solid("RGBA", (0, 0, 0, 128)), "PNG"), (4, 6), (127, 127, 127)),
    "transparent garbage": (file_of(solid("RGBA", (1, 2, 3, 0)), "PNG"), (4, 6), (255, 255, 255)),
    "16 bit grey": (sixteen_bit(), (4, 6), (128, 128, 128)),
    "four inks": (file_of(solid("CMYK", (0, 0, 0, 0)), "JPEG"), (4, 6), (255, 255, 255)),
    "turned": (turned(), (6, 4), (200, 10, 10)),
    "animated": (animated(), (4, 6), (255, 0, 0)),
    "several views": (several_views(), (4, 6), (0, 99, 0)),
    "grey and transparent": (file_of(solid("LA", (0, 128)), "PNG"), (4, 6), (127, 127, 127)),
    "a transparent palette": (file_of(solid("P", 0), "PNG", transparency=0), (4, 6), (255, 255, 255)),
    "floating point, to 1": (shares(0.5), (4, 6), (128, 128, 128)),
    "floating point, to 255": (shares(200.0), (4, 6), (200, 200, 200)),
    "16 bit of few values": (file_of(Image.fromarray(np.full((4, 6), 9, np.uint16)), "PNG"), (4, 6), (9, 9, 9)),
    "32 bit grey": (file_of(Image.fromarray(np.full((4, 6), 77, np.int32)), "TIFF"), (4, 6), (77, 77, 77)),
    "inks of a scanner": (file_of(solid("CMYK", (255, 0, 0, 0)), "TIFF"), (4, 6), (0, 255, 255)),
    "broadcast colours": (file_of(solid("YCbCr", (128, 128, 128)), "JPEG"), (4, 6), (128, 128, 128)),
    "WebP": (file_of(solid("RGB", (0, 0, 0)), "WEBP", lossless=True), (4, 6), (0, 0, 0)),
}


@pytest.mark.parametrize("kind", READABLE)
def test_any_kind_of_picture_becomes_rgb(kind: str, tmp_path: Path) -> None:
    data, size, colour = READABLE[kind]
    (tmp_path / "x").write_bytes(data)
    pixels = set_of(tmp_path, "x").load(0)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*size, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= 6


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


NOISE = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (40, 40, 3), dtype=np.uint8)
WHOLE = file_of(Image.fromarray(NOISE), "PNG")
HOSTILE = {
    "nothing": b"",
    "text": b"image,label\n",
    "a script": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "truncated": WHOLE[: len(WHOLE) // 2],
    "truncated JPEG": file_of(Image.fromarray(NOISE), "JPEG")[:700],
    "spoiled": WHOLE[:600] + bytes([WHOLE[600] ^ 255]) + WHOLE[601:],
    "a bomb": claiming(60000, 60000),
    "numbers that are none": shares(float("nan")),
    "a font": b"\0\1\0\0" + bytes(60),
    "a JPEG of no size": b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\0\1\1\x11\0\xff\xd9",
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.filterwarnings("default")
def test_a_bad_file_is_named_in_one_sentence(kind: str, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(HOSTILE[kind])
    with pytest.raises(BadImage, match=r"bad\.png: the picture .*; ") as caught:
        set_of(tmp_path, "bad.png").load(0)
    assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "wide.png").write_bytes(claiming(9001, 9000))
    with pytest.raises(
        BadImage, match=r"wide\.png: the picture has 9001 × 9000 pixels; reduce it to 80,000,000 pixels"
    ):
        read_picture(tmp_path / "wide.png")


def test_too_large_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 100)
    (tmp_path / "big.png").write_bytes(WHOLE)
    with pytest.raises(BadImage, match=r"big\.png: the file has [0-9,]+ bytes; reduce it to 100 or fewer"):
        read_picture(tmp_path / "big.png")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="there is no such file; add the picture"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(BadImage, match="there is no such file"):
        read_picture(tmp_path / "none.png" / "x.png")
    with pytest.raises(BadImage, match="the file cannot be read"):
        read_picture(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(BadImage, match=r"x\.png: the file cannot be read \(it is no plain file\)"):
        read_picture(tmp_path / "x.png")


def test_a_mask_is_read_as_it_is_stored(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[3, 250]], np.uint8)).convert("P")
    palette.putdata([3, 250])
    palette.save(tmp_path / "p.png")
    assert read_mask(tmp_path / "p.png").tolist() == [[3, 250]]
    Image.fromarray(np.array([[70, 40000]], np.uint16)).save(tmp_path / "w.png")
    assert read_mask(tmp_path / "w.png").tolist() == [[70, 40000]]
    with pytest.raises(BadImage, match="there is no such file"):
        read_mask(tmp_path / "none.png")


def test_the_size_of_a_turned_picture_is_that_which_is_shown() -> None:
    assert picture_size(turned()) == (4, 6)
    assert picture_size(WHOLE) == (40, 40)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "a/../../secret.png", "link.png"])
def test_a_path_never_leaves_the_folder(path: str, tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(WHOLE)
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(BadImage, match="the path leaves the folder"):
        set_of(root, path).load(0)


def test_a_path_with_a_null_byte(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="this is no path of a file"):
        inside(tmp_path, "a\0b")


def test_images_without_pictures_say_so() -> None:
    with pytest.raises(BadImage, match=r"image 'a': there is no picture of it"):
        set_of(None, "a").load(0)


def test_a_name_is_used_once() -> None:
    with pytest.raises(InputError, match="image 'a' appears twice"):
        set_of(None, "a", "b", "a")


def test_a_subset_has_its_images_in_the_given_order_and_only_their_objects() -> None:
    images = set_of(None, "a", "b", "c")
    some = images.subset(["c", "a"])
    assert some.ids == ["c", "a"]
    assert sorted(some.objects["image"].to_pylist()) == ["a", "c"]
    assert some.digest != images.digest
    assert images.subset(images.ids).digest == images.digest
    with pytest.raises(InputError, match="there is no image 'd'"):
        images.subset(["d"])


def test_the_digest_is_of_the_rows_and_not_of_their_place_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"image": "a", "object": str(i), "label": "cat", "attributes": [{"role": "r", "value": "v"}] if i % 3 else None}
        for i in range(10)
    ]
    table = from_rows(rows, OBJECTS)
    images = from_rows([{"image": "a"}], IMAGES)
    whole = ImageSet("x", None, images, table)
    parts = ImageSet("x", None, images, pa.concat_tables([table.slice(0, 3), table.slice(3, 1), table.slice(4)]))
    assert whole.digest == parts.digest
    assert whole.digest != ImageSet("x", None, images, table.slice(0, 9)).digest
    monkeypatch.setattr(dataset, "_ROWS_AT_ONCE", 4)
    other = ImageSet("x", None, images, pa.concat_tables([table.slice(0, 5), table.slice(5)]))
    assert ImageSet("x", None, images, table).digest == other.digest


def test_pictures_may_come_from_a_function() -> None:
    images = replace(set_of(None, "a", "b"), pictures=lambda name: np.full((1, 2, 3), ord(name), np.uint8))
    assert images.load(1)[0, 0, 0] == ord("b")
    assert images.subset(["b"]).load(0)[0, 0, 0] == ord("b")


def test_original_splits_go_with_their_images() -> None:
    images = replace(set_of(None, "a", "b"), original_splits=("train", "val"))
    assert images.subset(["b"]).original_splits == ("val",)
    with pytest.raises(InputError, match="there are 1 original splits for 2 images"):
        replace(images, original_splits=("train",))


def test_a_message_is_the_same_in_every_run(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"hello")
    with pytest.raises(BadImage) as caught:
        read_picture(tmp_path / "x.png")
    assert caught.value.what == "the picture cannot be read (its format is not known)"
