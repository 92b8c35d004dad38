"""The same two tiny scenes in every format; run as a script, this writes them to `data/fixtures/images`.

A kitchen (24 × 16) with a table and a red cup on it, whose handle is a part; a living room (20 × 20) with a sofa.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

KITCHEN, ROOM = (24, 16), (20, 20)
TABLE, CUP, HANDLE, SOFA = (2, 8, 16, 6), (6, 4, 4, 4), (9, 5, 1, 2), (1, 2, 10, 9)
Box = tuple[int, int, int, int]


def _paint(size: tuple[int, int], things: list[tuple[Box, tuple[int, int, int]]]) -> np.ndarray:
    pixels = np.full((size[1], size[0], 3), 225, np.uint8)
    pixels[::3, :, 2] = 190
    for (x, y, w, h), colour in things:
        pixels[y : y + h, x : x + w] = colour
    return pixels


def kitchen() -> np.ndarray:
    return _paint(KITCHEN, [(TABLE, (130, 90, 40)), (CUP, (200, 30, 30)), (HANDLE, (150, 20, 20))])


def room() -> np.ndarray:
    return _paint(ROOM, [(SOFA, (40, 60, 160))])


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 90} if path.suffix.lower() in (".jpg", ".jpeg") else {}))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _mask(size: tuple[int, int], things: list[tuple[Box, int, int]]) -> np.ndarray:
    """ADE20K's three channels: (box, class, blue value) painted one over the other."""
    mask = np.zeros((size[1], size[0], 3), np.uint8)
    for (x, y, w, h), of_class, blue in things:
        mask[y : y + h, x : x + w] = (of_class // 256 * 10, of_class % 256, blue)
    return mask


def ade20k(root: Path) -> None:
    first = root / "images/training/k/kitchen/ADE_train_00000001"
    save(first.with_suffix(".jpg"), kitchen())
    # The third of four objects, the plate, is hidden: it has a line and no pixel.
    save(
        first.with_name(first.name + "_seg.png"),
        _mask(KITCHEN, [((0, 0, 24, 16), 2978, 64), (TABLE, 2684, 128), (CUP, 529, 255)]),
    )
    save(first.with_name(first.name + "_parts_1.png"), _mask(KITCHEN, [(HANDLE, 1180, 255)]))
    write(
        first.with_name(first.name + "_atr.txt"),
        '001 # 0 # 0 # wall # wall # ""\n002 # 0 # 1 # table # table # "wooden"\n003 # 0 # 1 # plate # plate # ""\n'
        '004 # 0 # 0 # cup # cup # "red, small"\n001 # 1 # 0 # handle, grip, handgrip, hold # handle # ""\n',
    )
    second = root / "images/validation/l/living_room/ADE_val_00000001"
    save(second.with_suffix(".jpg"), room())
    save(second.with_name(second.name + "_seg.png"), _mask(ROOM, [(SOFA, 2473, 255)]))
    write(
        second.with_name(second.name + "_atr.txt"),
        'Prediction:\nliving_room\nLabel:\nliving_room\n001 # 0 # 0 # sofa, couch, lounge # couch # "" # 0.97\n',
    )
    index = {
        "filename": ["ADE_train_00000001.jpg", "ADE_val_00000001.jpg"],
        "folder": ["images/training/k/kitchen", "images/validation/l/living_room"],
        "scene": ["/kitchen", "/living_room"],
        "objectnames": ["-"] * 4,
        "objectPresence": np.zeros((4, 2)),
        "objectcounts": np.array([np.float64(1), np.float64(2)]),
    }
    (root / "index_ade20k.pkl").write_bytes(pickle.dumps(index, protocol=2))


def ade20k_scenes(root: Path) -> None:
    for name, pixels, things in (
        ("training/ADE_train_00000001", kitchen(), [(TABLE, 16), (CUP, 42)]),
        ("validation/ADE_val_00000001", room(), [(SOFA, 24)]),
    ):
        save(root / "images" / f"{name}.jpg", pixels)
        mask = np.zeros(pixels.shape[:2], np.uint8)
        for (x, y, w, h), number in things:
            mask[y : y + h, x : x + w] = number
        save(root / "annotations" / f"{name}.png", mask)
    write(root / "sceneCategories.txt", "ADE_train_00000001 kitchen\nADE_val_00000001 living_room\n")
    write(
        root / "objectInfo150.txt",
        "Idx\tRatio\tTrain\tVal\tName\n16\t0.02\t3000\t300\ttable\n24\t0.01\t2000\t200\tsofa, couch, lounge\n"
        "42\t0.005\t900\t90\tcup\n",
    )


def _coco(images: list[dict[str, object]], annotations: list[dict[str, object]]) -> str:
    categories = [
        {"id": 67, "name": "dining table", "supercategory": "furniture"},
        {"id": 47, "name": "cup", "supercategory": "kitchen"},
        {"id": 63, "name": "couch", "supercategory": "furniture"},
    ]
    # The order of the published files: categories come last.
    return json.dumps(
        {"info": {}, "images": images, "licenses": [], "annotations": annotations, "categories": categories}
    )


def _corners(box: Box) -> list[int]:
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def coco(root: Path) -> None:
    save(root / "train2017/000000000001.jpg", kitchen())
    save(root / "val2017/000000000002.jpg", room())
    x, y, w, h = CUP
    cup = np.zeros(KITCHEN[::-1], bool)
    cup[y : y + h, x : x + w] = True
    runs = np.diff(np.flatnonzero(np.diff(cup.T.ravel().astype(int), prepend=0, append=-1)), prepend=0).tolist()
    train = [
        {"id": 1, "image_id": 1, "category_id": 67, "bbox": [*TABLE], "area": 80.0, "segmentation": [_corners(TABLE)]},
        {"id": 2, "image_id": 1, "category_id": 47, "iscrowd": 1, "segmentation": {"counts": runs, "size": [16, 24]}},
    ]
    val = [{"id": 3, "image_id": 2, "category_id": 63, "segmentation": [_corners(SOFA)]}]
    image = {"id": 1, "file_name": "000000000001.jpg", "width": 24, "height": 16}
    other = {"id": 2, "file_name": "000000000002.jpg", "width": 20, "height": 20}
    write(root / "annotations/instances_train2017.json", _coco([image], train))
    write(root / "annotations/instances_val2017.json", _coco([other], val))


def coco_panoptic(root: Path) -> None:
    save(root / "images/000000000001.jpg", kitchen())
    save(root / "images/000000000002.jpg", room())
    images = [{"id": n, "file_name": f"00000000000{n}.jpg"} for n in (1, 2)]
    segments = [
        [
            {"id": 3226956, "category_id": 67, "area": 80, "bbox": [*TABLE], "iscrowd": 0},
            {"id": 6979964, "category_id": 47, "area": 16, "bbox": [*CUP], "iscrowd": 0},
        ],
        [{"id": 8345, "category_id": 63, "area": 90, "bbox": [*SOFA], "iscrowd": 0}],
    ]
    annotations = [
        {"image_id": n, "file_name": f"00000000000{n}.png", "segments_info": found}
        for n, found in zip((1, 2), segments, strict=True)
    ]
    write(root / "panoptic.json", _coco(images, annotations))


def _voc(name: str, box: Box, inside: str = "") -> str:
    x, y, w, h = box
    corners = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
    return f"<name>{name}</name><bndbox>{corners}</bndbox>{inside}"


def voc(root: Path) -> None:
    base = root / "VOC2012"
    save(base / "JPEGImages/2007_000001.jpg", kitchen())
    save(base / "JPEGImages/2007_000002.jpg", room())
    handle = f"<part>{_voc('handle', HANDLE)}</part>"
    table, cup = _voc("diningtable", TABLE), _voc("cup", CUP, handle)
    write(
        base / "Annotations/2007_000001.xml",
        "<annotation><folder>VOC2012</folder><filename>2007_000001.jpg</filename>"
        f"<object>{table}</object><object>{cup}</object></annotation>\n",
    )
    write(
        base / "Annotations/2007_000002.xml",
        f"<annotation><filename>2007_000002.jpg</filename><object>{_voc('sofa', SOFA)}</object></annotation>\n",
    )
    write(base / "ImageSets/Main/train.txt", "2007_000001\n")
    write(base / "ImageSets/Main/val.txt", "2007_000002\n")


def visual_genome(root: Path) -> None:
    save(root / "VG_100K/1.jpg", kitchen())
    save(root / "VG_100K_2/2.jpg", room())

    def thing(number: int, box: Box, names: list[str], synsets: list[str]) -> dict[str, object]:
        x, y, w, h = box
        return {"object_id": number, "x": x, "y": y, "w": w, "h": h, "names": names, "synsets": synsets}

    table, cup = thing(11, TABLE, ["table"], ["table.n.02"]), thing(12, CUP, ["red cup"], ["cup.n.01"])
    sofa = thing(21, SOFA, ["couch"], [])
    objects = [{"image_id": 1, "objects": [table, cup]}, {"image_id": 2, "objects": [sofa]}]
    write(root / "objects.json", json.dumps(objects))
    attributes = [
        {"image_id": 2, "attributes": [{**sofa, "attributes": ["soft"]}]},
        {"image_id": 1, "attributes": [table, {**cup, "attributes": ["red", "red"]}]},
    ]
    write(root / "attributes.json", json.dumps(attributes))
    relation = {"relationship_id": 1, "predicate": "ON top of", "synsets": [], "subject": cup, "object": table}
    write(root / "relationships.json", json.dumps([{"image_id": 1, "relationships": [relation]}]))


def open_images(root: Path) -> None:
    save(root / "train/000a1b2c3d4e5f60.jpg", kitchen())
    save(root / "validation/00ffee0011223344.jpg", room())

    def row(image: str, label: str, box: Box, size: tuple[int, int]) -> str:
        x, y, w, h = box
        edges = (x / size[0], (x + w) / size[0], y / size[1], (y + h) / size[1])
        return f"{image},xclick,{label},1,{','.join(f'{edge:.6f}' for edge in edges)},0,0,0,0,0\n"

    edges = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"
    head = f"{edges},IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    write(
        root / "oidv6-train-annotations-bbox.csv",
        head
        + row("000a1b2c3d4e5f60", "/m/04bcr3", TABLE, KITCHEN)
        + row("ffffffffffffffff", "/m/02p5f1q", CUP, KITCHEN)
        + row("000a1b2c3d4e5f60", "/m/02p5f1q", CUP, KITCHEN),
    )
    write(root / "validation-annotations-bbox.csv", head + row("00ffee0011223344", "/m/02crq1", SOFA, ROOM))
    write(
        root / "train-annotations-human-imagelabels.csv",
        "ImageID,Source,LabelName,Confidence\n000a1b2c3d4e5f60,verification,/m/02p5f1q,1\n"
        "000a1b2c3d4e5f60,verification,/m/0d4v4,0\n000a1b2c3d4e5f60,verification,/m/0fx9l,1\n"
        "000a1b2c3d4e5f60,machine,/m/0d4v4,0.7\n",
    )
    write(
        root / "class-descriptions.csv",
        '/m/04bcr3,Table\n/m/02p5f1q,Coffee cup\n/m/02crq1,Couch\n/m/0d4v4,Window\n/m/0fx9l,"Microwave, oven"\n',
    )


def labelme(root: Path) -> None:
    save(root / "pictures/kitchen.png", kitchen())
    save(root / "Images/rooms/room.jpg", room())

    def shape(label: str, box: Box, **more: object) -> dict[str, object]:
        x, y, w, h = box
        return {"label": label, "points": [[x, y], [x + w, y + h]], "shape_type": "rectangle", "group_id": None} | more

    shapes = [
        shape("table", TABLE),
        shape("cup", CUP, group_id=1, flags={"red": True, "full": False}),
        shape("cup", HANDLE, group_id=1),
    ]
    held = {
        "version": "5.0.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": "../pictures/kitchen.png",
        "imageData": None,
    }
    write(root / "labels/kitchen.json", json.dumps(held))
    x, y, w, h = SOFA
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    points = "".join(f"<pt><x>{a}</x><y>{b}</y></pt>" for a, b in corners)
    arm = "<pt><x>1</x><y>2</y></pt><pt><x>3</x><y>2</y></pt><pt><x>3</x><y>6</y></pt>"
    write(
        root / "Annotations/rooms/room.xml",
        "<annotation><filename>room.jpg</filename><folder>rooms</folder>"
        "<object><name>sofa</name><deleted>0</deleted><attributes>dark blue, soft</attributes><id>0</id>"
        f"<parts><hasparts>1</hasparts><ispartof/></parts><polygon>{points}</polygon></object>"
        "<object><name>arm</name><deleted>0</deleted><id>1</id>"
        f"<parts><hasparts/><ispartof>0</ispartof></parts><polygon>{arm}</polygon></object>"
        "<object><name>ghost</name><deleted>1</deleted><id>2</id></object></annotation>\n",
    )


def sun(root: Path) -> None:
    save(root / "SUN397/k/kitchen/sun_aaa.jpg", kitchen())
    save(root / "SUN397/a/apartment_building/outdoor/sun_bbb.jpg", room())
    write(root / "Training_01.txt", "/k/kitchen/sun_aaa.jpg\n")
    write(root / "Testing_01.txt", "/a/apartment_building/outdoor/sun_bbb.jpg\n")


def imagenet(root: Path) -> None:
    save(root / "train/n04379243/n04379243_1.JPEG", kitchen())
    save(root / "val/n04256520/ILSVRC2012_val_00000001.JPEG", room())
    x, y, w, h = TABLE
    box = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
    write(
        root / "Annotations/n04379243/n04379243_1.xml",
        f"<annotation><object><name>n04379243</name><bndbox>{box}</bndbox></object></annotation>\n",
    )
    write(root / "synset_words.txt", "n04379243 table\nn04256520 studio couch, day bed\n")


def cifar(root: Path) -> None:
    planes = [np.asarray(Image.fromarray(p).resize((32, 32))).transpose(2, 0, 1).tobytes() for p in (kitchen(), room())]
    root.mkdir(parents=True, exist_ok=True)
    (root / "train.bin").write_bytes(bytes([1, 2]) + planes[0] + bytes([0, 1]) + planes[1])
    (root / "test.bin").write_bytes(bytes([0, 0]) + planes[1])
    write(root / "fine_label_names.txt", "couch\nlamp\ntable\n")
    write(root / "coarse_label_names.txt", "soft furniture\nhard furniture\n")


def folder(root: Path) -> None:
    save(root / "kitchen/a.png", kitchen())
    save(root / "living room/b.jpg", room())
    with (root / "labels.csv").open("w", newline="") as handle:
        rows = (("image", "label", "object"), ("kitchen/a.png", "table", "1"), ("kitchen/a.png", "cup", "2"))
        csv.writer(handle, lineterminator="\n").writerows((*rows, ("living room/b.jpg", "sofa", "1")))


def table(root: Path) -> None:
    save(root / "a.png", kitchen())
    save(root / "b.jpg", room())
    cup = {"object": "cup", "label": "cup", "box": [*CUP], "attributes": {"hasColor": "red"}}
    cup["relations"] = [{"role": "on", "object": "table"}]
    rows: list[dict[str, object]] = [
        {"image": "a.png", "category": "kitchen", "objects": [cup, {"object": "table", "label": "table", "area": 80}]},
        {"image": "b", "path": "b.jpg", "objects": ["sofa"]},
    ]
    write(root / "images.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def hf(root: Path) -> None:
    """What `datasets.DatasetDict.save_to_disk` writes, made without it."""
    names = {"kitchen": 1, "living room": 0}
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["living room", "kitchen"], "_type": "ClassLabel"},
        "objects": {
            "bbox": {"feature": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"}, "_type": "List"},
            "category": {"feature": {"names": ["table", "cup", "sofa"], "_type": "ClassLabel"}, "_type": "List"},
        },
    }
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    objects = pa.struct([("bbox", pa.list_(pa.list_(pa.float32()))), ("category", pa.list_(pa.int64()))])
    schema = pa.schema([("image", kind), ("label", pa.int64()), ("objects", objects)])
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for split, pixels, label, boxes, numbers in (
        ("train", kitchen(), "kitchen", [TABLE, CUP], [0, 1]),
        ("test", room(), "living room", [SOFA], [2]),
    ):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        things = {"bbox": [[float(v) for v in box] for box in boxes], "category": numbers}
        row = {"image": {"bytes": buffer.getvalue(), "path": None}, "label": names[label], "objects": things}
        (root / split).mkdir(parents=True, exist_ok=True)
        with pa.ipc.new_stream(str(root / split / "data-00000-of-00001.arrow"), schema) as writer:
            writer.write_table(pa.Table.from_pylist([row], schema))
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": None}
        write(root / split / "state.json", json.dumps(state))
    write(root / "dataset_dict.json", json.dumps({"splits": ["train", "test"]}))


MAKERS: dict[str, Callable[[Path], None]] = {
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


def path_of(kind: str, root: Path) -> Path:
    """What follows the colon in ``kind:PATH``."""
    return root / "images.jsonl" if kind == "table" else root


def main() -> None:
    home = Path(__file__).parents[3] / "data" / "fixtures" / "images"
    for kind, make in MAKERS.items():
        shutil.rmtree(home / kind, ignore_errors=True)
        make(home / kind)


if __name__ == "__main__":
    main()
