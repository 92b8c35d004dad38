"""A set of sixteen different pictures in every kind that ``--images`` takes, large enough to be divided into splits.

`MAKERS[kind](folder)` writes one and returns a `Made`: what follows the colon, and what a reader has to find. The
pictures are of the kinds that files come in: grey, four inks, a palette, moving, turned by their EXIF data, under a
wrong name.
`fixtures` has the same kinds with two scenes, whose boxes, attributes and relations are known.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from tests.images.formats.fixtures import write

N = 16
LABELS = ("bed", "lamp", "car")
SCENES = ("kitchen", "bedroom")
BOXES = ((1, 1, 7, 8), (12, 4, 6, 9))
_ROTATED = 0x0112


@dataclass
class Made:
    """Where a set lies, its pictures by name (a file, or the pixels), and how often each label and category occurs."""

    path: Path
    pictures: dict[str, Path | np.ndarray] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)

    def pixels(self, image: str) -> np.ndarray:
        """Return a picture as Pillow decodes it, without a line of the package."""
        held = self.pictures[image]
        if isinstance(held, np.ndarray):
            return held
        with Image.open(held) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def things(i: int) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Return the objects of picture `i`: labels that differ, with their boxes."""
    labels = (LABELS[i % 3], LABELS[(i + 1) % 3])[: 1 + i % 2]
    return list(zip(labels, BOXES, strict=False))


def painted(i: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the pixels of picture `i`: coarse patches that tell it from all others."""
    rng = np.random.Generator(np.random.PCG64(i))
    width, height = size or (20 + i % 4, 18 + i % 3)
    patches = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST))


def save(path: Path, i: int) -> Path:
    """Write picture `i` in one of the ways in which pictures come, whatever its name ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(painted(i))
    turned = Image.Exif()
    turned[_ROTATED] = 6
    match i % 6:
        case 1:
            picture.convert("L").save(path, "JPEG")
        case 2:
            picture.convert("CMYK").save(path, "JPEG")
        case 3:
            picture.save(path, "JPEG", exif=turned)
        case 4:
            picture.quantize(16).save(path, "PNG")
        case 5:
            picture.quantize(64).save(path, "GIF", save_all=True, append_images=[picture.rotate(180).quantize(64)])
        case _:
            picture.save(path, "JPEG", progressive=True)
    return path


def _gathered(path: Path, names: Callable[[int], tuple[str, str]], *, categories: bool = False) -> Made:
    """Save all pictures below `path`; `names` gives the image's name and the path of picture `i`."""
    made = Made(path)
    for i in range(N):
        name, below = names(i)
        made.pictures[name] = save(path / below, i)
        made.labels.update(label for label, _ in things(i))
        if categories:
            made.categories[SCENES[i % 2]] += 1
    return made


def _split(i: int) -> str:
    return "val" if i % 4 == 3 else "train"


def ade20k(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        below = f"images/training/{SCENES[i % 2][0]}/{SCENES[i % 2]}/ADE_train_{i:08}.jpg"
        return below, below

    made = _gathered(root, names, categories=True)
    for i, name in enumerate(made.pictures):
        stem = root / name.removesuffix(".jpg")
        mask = np.zeros((18, 20, 3), np.uint8)
        for number, (label, (x, y, w, h)) in enumerate(things(i), start=1):
            value = round(255 * number / len(things(i)))
            mask[y : y + h, x : x + w] = (10, LABELS.index(label), value)
        Image.fromarray(mask).save(f"{stem}_seg.png")
        lines = (f'{k:03} # 0 # 0 # {label} # {label} # ""\n' for k, (label, _) in enumerate(things(i), start=1))
        write(Path(f"{stem}_atr.txt"), "".join(lines))
    return made


def ade20k_scenes(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"images/training/ADE_train_{i:08}.jpg", f"images/training/ADE_train_{i:08}.jpg"

    made = _gathered(root, names, categories=True)
    for i, name in enumerate(made.pictures):
        mask = np.zeros((18, 20), np.uint8)
        for label, (x, y, w, h) in things(i):
            mask[y : y + h, x : x + w] = LABELS.index(label) + 1
        path = root / name.replace("images/", "annotations/").replace(".jpg", ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    write(root / "sceneCategories.txt", "".join(f"ADE_train_{i:08} {SCENES[i % 2]}\n" for i in range(N)))
    lines = (f"{k}\t0\t0\t0\t{label}\n" for k, label in enumerate(LABELS, start=1))
    write(root / "objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tName\n" + "".join(lines))
    return made


def cifar(root: Path) -> Made:
    made = Made(root)
    root.mkdir(parents=True, exist_ok=True)
    for file, places in (("data_batch_1", range(12)), ("test_batch", range(12, N))):
        records = []
        for number, i in enumerate(places):
            pixels = painted(i, (32, 32))
            made.pictures[f"{file}/{number}"] = pixels
            made.labels[LABELS[i % 3]] += 1
            made.categories[LABELS[i % 3]] += 1
            records.append(bytes([i % 3]) + pixels.transpose(2, 0, 1).tobytes())
        (root / f"{file}.bin").write_bytes(b"".join(records))
    write(root / "batches.meta.txt", "\n".join(LABELS) + "\n\n")
    return made


def _coco_file(root: Path, part: str, kind: str, places: list[int], folder: str) -> None:
    categories = [{"id": 10 + k, "name": label, "supercategory": "thing"} for k, label in enumerate(LABELS)]
    images = [{"id": i, "file_name": f"{i:012}.jpg", "width": 20 + i % 4, "height": 18 + i % 3} for i in places]
    annotations: list[dict[str, object]] = []
    for i in places:
        found = [
            {"id": 100 * i + k, "category_id": 10 + LABELS.index(label), "bbox": [*box], "area": box[2] * box[3]}
            for k, (label, box) in enumerate(things(i))
        ]
        whole = [{"image_id": i, "file_name": f"{i:012}.png", "segments_info": found}]
        annotations += whole if kind == "panoptic" else [{**one, "image_id": i, "iscrowd": 0} for one in found]
    held = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    write(root / folder / f"{kind}_{part}2017.json", json.dumps(held))


def _coco(root: Path, kind: str) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"{_split(i)}2017/{i:012}.jpg", f"{_split(i)}2017/{i:012}.jpg"

    made = _gathered(root, names)
    for part in ("train", "val"):
        _coco_file(root, part, kind, [i for i in range(N) if _split(i) == part], "annotations")
    return made


def coco(root: Path) -> Made:
    return _coco(root, "instances")


def coco_panoptic(root: Path) -> Made:
    return _coco(root, "panoptic")


def folder(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"{SCENES[i % 2]}/{i} ü.jpg", f"{SCENES[i % 2]}/{i} ü.jpg"

    made = _gathered(root, names, categories=True)
    rows = [f"{name},{label}" for i, name in enumerate(made.pictures) for label, _ in things(i)]
    (root / "labels.csv").write_bytes("\r\n".join(["\ufeffimage,label", *rows, ""]).encode("utf-8"))
    return made


def hf(root: Path) -> Made:
    made = Made(root)
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(SCENES), "_type": "ClassLabel"},
        "objects": {"category": {"feature": {"names": list(LABELS), "_type": "ClassLabel"}, "_type": "List"}},
    }
    rows = []
    for i in range(N):
        buffer = io.BytesIO()
        Image.fromarray(painted(i)).save(buffer, "PNG")
        boxes = [list(map(float, box)) for _, box in things(i)]
        objects = {"bbox": boxes, "category": [LABELS.index(label) for label, _ in things(i)]}
        rows.append({"image": {"bytes": buffer.getvalue(), "path": None}, "label": i % 2, "objects": objects})
        made.pictures[f"train/{i}"] = painted(i)
        made.labels.update(label for label, _ in things(i))
        made.categories[SCENES[i % 2]] += 1
    table = pa.Table.from_pylist(rows)
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (root / "data").mkdir(parents=True)
    pq.write_table(table, root / "data" / "train-00000-of-00001.parquet", row_group_size=5)
    return made


def imagenet(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        below = f"train/n{i % 3:08}/n{i % 3:08}_{i}.JPEG"
        return below, below

    made = _gathered(root, names)
    made.labels = Counter(LABELS[i % 3] for i in range(N))
    made.categories = Counter(made.labels)
    write(root / "synset_words.txt", "".join(f"n{k:08} {label}\n" for k, label in enumerate(LABELS)))
    return made


def labelme(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"rooms/{i}.jpg", f"rooms/{i}.jpg"

    made = _gathered(root, names)
    for i in range(N):
        shapes = [
            {"label": label, "points": [[x, y], [x + w, y + h]], "shape_type": "rectangle"}
            for label, (x, y, w, h) in things(i)
        ]
        write(root / f"rooms/{i}.json", json.dumps({"version": "5", "imagePath": f"{i}.jpg", "shapes": shapes}))
    return made


def open_images(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"{i:016x}", f"train/{i:016x}.jpg"

    made = _gathered(root, names)
    rows = ["ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"]
    for i, name in enumerate(made.pictures):
        for label, (x, y, w, h) in things(i):
            edges = ",".join(f"{edge / 24:.4f}" for edge in (x, x + w, y, y + h))
            rows.append(f"{name},xclick,/m/{LABELS.index(label)},1,{edges}")
    write(root / "oidv6-train-annotations-bbox.csv", "\r\n".join(rows) + "\r\n")
    write(root / "class-descriptions.csv", "".join(f"/m/{k},{label}\n" for k, label in enumerate(LABELS)))
    return made


def sun(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        below = f"SUN397/{SCENES[i % 2][0]}/{SCENES[i % 2]}/sun_{chr(97 + i)}.jpg"
        return below, below

    made = _gathered(root, names, categories=True)
    made.labels = Counter()
    shown = [name.removeprefix("SUN397") for name in made.pictures]
    write(root / "Training_01.txt", "\n".join(shown[:12]) + "\n")
    write(root / "Testing_01.txt", "\n".join(shown[12:]) + "\n")
    return made


def table(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"picture {i}", f"held/{i}.jpg"

    made = _gathered(root, names, categories=True)
    made.path = root / "images.tsv"
    write(
        made.path,
        "image\tpath\tcategory\n" + "".join(f"picture {i}\theld/{i}.jpg\t{SCENES[i % 2]}\n" for i in range(N)),
    )
    rows = (f"picture {i}\t{label}\n" for i in range(N) for label, _ in things(i))
    write(root / "labels.tsv", "image\tlabel\n" + "".join(rows))
    return made


def visual_genome(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return str(i + 1), f"VG_100K/{i + 1}.jpg"

    made = _gathered(root, names)
    held = [
        {
            "image_id": i + 1,
            "objects": [
                {"object_id": 10 * i + k, "x": x, "y": y, "w": w, "h": h, "names": [label], "synsets": []}
                for k, (label, (x, y, w, h)) in enumerate(things(i))
            ],
        }
        for i in range(N)
    ]
    write(root / "objects.json", json.dumps(held))
    return made


def voc(root: Path) -> Made:
    def names(i: int) -> tuple[str, str]:
        return f"JPEGImages/{i:06}.jpg", f"JPEGImages/{i:06}.jpg"

    made = _gathered(root, names)
    for i in range(N):
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax>"
            f"<ymax>{y + h}</ymax></bndbox></object>"
            for label, (x, y, w, h) in things(i)
        )
        text = f"<annotation><filename>{i:06}.jpg</filename>{objects}</annotation>\n"
        write(root / f"Annotations/{i:06}.xml", text)
    return made


MAKERS: dict[str, Callable[[Path], Made]] = {
    "ade20k": ade20k,
    "ade20k_scenes": ade20k_scenes,
    "cifar": cifar,
    "coco": coco,
    "coco_panoptic": coco_panoptic,
    "folder": folder,
    "hf": hf,
    "imagenet": imagenet,
    "labelme": labelme,
    "open_images": open_images,
    "sun": sun,
    "table": table,
    "visual_genome": visual_genome,
    "voc": voc,
}
