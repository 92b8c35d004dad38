"""Network Dissection: thresholds, geometry and overlaps against brute force; whole runs on small networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.activations.preprocess import Preprocess
from conceptx.annotation.mapping import map_labels
from conceptx.annotation.scenes import Scenes, build_scenes
from conceptx.comparison.counting import between, count, enlarged
from conceptx.comparison.netdissect import DETECTOR, netdissect, overlaps, thresholds
from conceptx.comparison.regions import Regions, seen_at
from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.images.dataset import ImageSet
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.tables import IMAGES, OBJECTS, from_rows

torch = pytest.importorskip("torch")

HIERARCHY = Hierarchy.from_edges(
    [("bed", "furniture"), ("lamp", "furniture"), ("furniture", "thing"), ("car", "thing")]
)
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
COLOURS = {"bed": 0, "lamp": 1, "car": 2}


def painted(boxes: dict[str, list[tuple]], size: tuple[int, int]) -> ImageSet:
    """Return black pictures (height, width) with a box of a label's colour for each (label, x, y, w, h).

    A box is brightest in the middle of the pictures, so that few places are among the brightest.
    """
    height, width = size
    y, x = np.mgrid[:height, :width]
    bright = (255 - np.hypot(y - height / 2 + 0.3, x - width / 2 + 0.4)).astype(np.uint8)
    objects = [
        {"image": image, "object": f"o#{i}", "label": label, "x": x, "y": y, "w": w, "h": h, "area": None}
        for image, things in boxes.items()
        for i, (label, x, y, w, h) in enumerate(things)
    ]

    def picture(image: str) -> np.ndarray:
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        for label, left, top, w, h in boxes[image]:
            if left is not None:
                place = slice(int(top), int(top + h)), slice(int(left), int(left + w))
                pixels[(*place, COLOURS[label])] = bright[place]
        return pixels

    rows = from_rows([{"image": image, "height": height, "width": width} for image in boxes], IMAGES)
    return ImageSet("painted", None, rows, from_rows(objects, OBJECTS), pictures=picture)


def scenes_of(images: ImageSet) -> Scenes:
    return build_scenes(images, map_labels(["bed", "lamp", "car"], HIERARCHY), HIERARCHY)[0]


def random_boxes(rng: np.random.Generator, n: int, size: tuple[int, int]) -> dict[str, list[tuple]]:
    found: dict[str, list[tuple]] = {}
    for i in range(n):
        things = []
        for _ in range(rng.integers(0, 4)):
            x, y = rng.integers(0, size[1] - 8), rng.integers(0, size[0] - 8)
            w, h = rng.integers(4, size[1] - x + 1), rng.integers(4, size[0] - y + 1)
            things.append((("bed", "lamp", "car")[rng.integers(3)], x, y, w, h))
        found[f"{i:02d}"] = things
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([0.005, 0.1, 0.5, 1.0]), st.booleans())
def test_the_threshold_is_the_quantile_of_all_values(seed: int, n: int, top: float, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((n, 3, 4, 5)).astype(np.float32)
    if ties:
        maps = np.maximum(np.round(maps), 0)
    cuts = np.sort(rng.integers(0, n + 1, 3))
    blocks = np.split(maps, cuts)
    found = thresholds(blocks, n + int(rng.integers(3)), top)
    every = maps.transpose(1, 0, 2, 3).reshape(3, -1).astype(np.float64)
    assert found == pytest.approx(np.quantile(every, 1 - top, axis=1), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("height", "width"), [(40, 60), (61, 40), (50, 50), (97, 33)])
@pytest.mark.parametrize(("size", "crop"), [(24, None), (32, 24), (20, 24), (50, 24)])
def test_the_grid_is_where_the_preprocessing_puts_the_pixels(height: int, width: int, size: int, crop: int) -> None:
    preprocess = Preprocess(size, **PLAIN, interpolation="nearest", crop=crop)
    rows, columns = np.mgrid[:height, :width]
    coded = np.stack([rows + 1, columns + 1, np.zeros_like(rows)], axis=2).astype(np.uint8)
    seen = preprocess.pixels(coded)
    y, x = seen_at(preprocess, height, width, preprocess.side)
    outside = ((y < 0) | (y >= height))[:, None] | ((x < 0) | (x >= width))[None, :]
    assert np.array_equal(seen[:, :, 0] == 0, outside)
    # Pillow's nearest neighbour is the pixel that the centre falls into; on an edge either one is right.
    there = seen.astype(float) - 1
    assert (np.abs(there[:, :, 0] + 0.5 - y[:, None])[~outside] <= 0.5 + 1e-9).all()
    assert (np.abs(there[:, :, 1] + 0.5 - x[None, :])[~outside] <= 0.5 + 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(0, 10**6))
def test_enlarging_is_bilinear(height: int, width: int, grid: int, seed: int) -> None:
    maps = np.random.default_rng(seed).standard_normal((3, height, width)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None].double(), size=(grid, grid), mode="bilinear", align_corners=False
    )[0].numpy()
    found = enlarged(maps, grid)
    assert found == pytest.approx(wanted, abs=1e-5)
    assert (enlarged(np.full((1, height, width), 0.1, np.float32), grid) == np.float32(0.1)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(0, 10**6), st.booleans())
def test_the_compiled_loop_counts_what_plain_arrays_have(
    height: int, width: int, grid: int, seed: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((5, height, width)).astype(np.float32)
    if ties:
        maps = np.maximum(np.round(maps), 0)
    limits = np.quantile(maps.reshape(5, -1).astype(np.float64), 0.7, axis=1)
    regions = rng.random((4, grid * grid)) < 0.4
    alone, both = np.zeros(5, np.int64), np.zeros((5, 4), np.int64)
    count(maps, limits, between(height, grid), between(width, grid), regions.T.astype(np.uint8), alone, both)
    fires = enlarged(maps, grid).reshape(5, -1) > limits[:, None]
    assert np.array_equal(alone, fires.sum(axis=1))
    assert np.array_equal(both, fires.astype(int) @ regions.T.astype(int))


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_agree_with_counting_pixel_by_pixel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, 9, (37, 52))
    images = painted(boxes, (37, 52))
    scenes = scenes_of(images)
    preprocess = Preprocess(20, **PLAIN, crop=16)
    maps = rng.standard_normal((9, 4, 5, 5)).astype(np.float32)
    maps[:, 3] = 0
    limits = thresholds([maps[:4], maps[4:]], 9, top=0.2)
    regions = Regions(scenes, images, preprocess, 16)
    found = overlaps(zip(images.ids, maps, strict=True), limits, regions)

    below = {"thing": ("bed", "lamp", "car"), "furniture": ("bed", "lamp"), "bed": ("bed",), "lamp": ("lamp",)}
    y, x = seen_at(preprocess, 37, 52, 16)
    for c, name in enumerate(regions.classes):
        for unit in range(4):
            both = alone = area = 0
            for i, image in enumerate(images.ids):
                if not boxes[image]:
                    continue
                large = torch.nn.functional.interpolate(
                    torch.from_numpy(maps[i : i + 1, unit : unit + 1]), size=(16, 16), mode="bilinear"
                )[0, 0]
                for row in range(16):
                    for column in range(16):
                        fires = float(large[row, column]) > limits[unit]
                        shown = any(
                            bx <= x[column] < bx + w and by <= y[row] < by + h
                            for label, bx, by, w, h in boxes[image]
                            if label in below.get(name, (name,))
                        )
                        both += fires and shown
                        alone += fires
                        area += shown
            assert (found.both[unit, c], found.units[unit], found.classes[c]) == (both, alone, area)
            assert found.iou[unit, c] == (both / (alone + area - both) if alone + area else 0)


def colours() -> torch.nn.Module:
    """Return a network whose first maps are the colours at a quarter of the resolution, and whose last has no maps."""
    model = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(3 * 6 * 6, 5))
    return model.eval()


@pytest.fixture(scope="module")
def world() -> tuple[ImageSet, Callable]:
    images = painted(random_boxes(np.random.default_rng(7), 40, (48, 72)), (48, 72))
    return images, lambda: (colours(), Preprocess(24, **PLAIN, crop=24))


def test_a_network_that_sees_colours_is_labelled_by_them(world: tuple) -> None:
    images, network = world
    keys = [("0", str(unit)) for unit in range(3)]
    found = netdissect(keys, network, images, scenes_of(images))
    assert {key: to_manchester(e) for key, e in found.labels.items()} == {
        ("0", "0"): "contains some bed",
        ("0", "1"): "contains some lamp",
        ("0", "2"): "contains some car",
    }
    assert found.texts["0", "0"].startswith("bed (IoU 0.")
    assert f"labelled units are detectors (IoU > {DETECTOR}); over boxes" in found.note
    reverse = netdissect(keys[::-1], network, images, scenes_of(images))
    assert (reverse.labels, reverse.texts) == (found.labels, found.texts)


def test_several_passes_give_the_same(world: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    images, network = world
    keys = [("0", str(unit)) for unit in range(3)]
    whole = netdissect(keys, network, images, scenes_of(images))
    monkeypatch.setattr("conceptx.comparison.netdissect._ROOM", 1)
    assert netdissect(keys, network, images, scenes_of(images)).texts == whole.texts


def test_masks_count_in_place_of_boxes(world: tuple) -> None:
    images, network = world
    rows = {(r["image"], r["object"]): r for r in images.objects.to_pylist()}

    def corner(image: str) -> dict[str, np.ndarray]:
        found = {}
        for (of, name), r in rows.items():
            if of == image and r["label"] == "bed":
                found[name] = np.zeros((48, 72), dtype=bool)
        return found

    keys = [("0", "0")]
    found = netdissect(keys, network, images, scenes_of(images), masks=corner)
    assert "bed (" not in found.texts.get(("0", "0"), ""), "no bed has a pixel in its mask"
    with pytest.raises(InputError, match="the mask of 'o#0' is 2 × 2, the picture 48 × 72"):
        netdissect(keys, network, images, scenes_of(images), masks=lambda image: {"o#0": np.ones((2, 2), dtype=bool)})


def test_what_cannot_be_dissected_is_said_in_a_sentence(world: tuple) -> None:
    images, network = world
    scenes = scenes_of(images)
    with pytest.raises(InputError) as caught:
        netdissect([("2", "0")], network, images, scenes)
    assert str(caught.value) == (
        "layer '2': its output of 5 per image has no places, so Network Dissection has nothing to overlap with the "
        "objects; extract a convolutional layer, or leave out --method netdissect"
    )
    mixed = netdissect([("2", "0"), ("0", "1")], network, images, scenes)
    assert set(mixed.labels) == {("0", "1")} and mixed.note.endswith("no maps: layer '2'")
    with pytest.raises(InputError, match="unit '3' is none of its 3 maps"):
        netdissect([("0", "3")], network, images, scenes)
    with pytest.raises(InputError, match="unit 'a' is none of its 3 maps"):
        netdissect([("0", "a")], network, images, scenes)
    bare = painted({"a": [("bed", None, None, None, None)]}, (48, 72))
    with pytest.raises(InputError, match="no annotation says where in its image an object is"):
        netdissect([("0", "0")], network, bare, scenes_of(bare))


def test_a_unit_that_never_fires_gets_no_label(world: tuple) -> None:
    images, _ = world
    silent = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.ReLU())
    with torch.no_grad():
        silent[0].weight.zero_()
        silent[0].bias.zero_()
        silent[0].weight[1, 0] = 1.0
    found = netdissect([("1", "0"), ("1", "1")], lambda: (silent, Preprocess(24, **PLAIN)), images, scenes_of(images))
    assert set(found.labels) == {("1", "1")}


def test_sizes_that_the_table_does_not_know_come_from_the_picture(world: tuple, tmp_path: Path) -> None:
    images, network = world
    rows = [{**row, "width": None, "height": None} for row in images.images.to_pylist()]
    sizeless = ImageSet(images.name, None, from_rows(rows, IMAGES), images.objects, pictures=images.pictures)
    keys = [("0", "0")]
    assert (
        netdissect(keys, network, sizeless, scenes_of(images)).texts
        == netdissect(keys, network, images, scenes_of(images)).texts
    )
