"""Whatever can be wrong with annotations: one sentence that names the file and the line or record, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from conceptx.errors import InputError
from conceptx.images.check import check_images
from conceptx.images.formats import FORMATS, open_images
from tests.images.formats import fixtures


def _text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def _whole(name: str, data: str | bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(data.encode() if isinstance(data, str) else data) and None


def _gone(*names: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for name in names:
            (root / name).unlink()

    return change


def _json(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    def changed(root: Path) -> None:
        held = json.loads((root / name).read_text())
        change(held)
        (root / name).write_text(json.dumps(held))

    return changed


def _no_rows(root: Path) -> None:
    (root / "test" / "data-00000-of-00001.arrow").unlink()
    file = root / "train" / "data-00000-of-00001.arrow"
    table = pa.ipc.open_stream(file.read_bytes()).read_all()
    with pa.ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table.slice(0, 0))


def _ragged(root: Path) -> None:
    file = root / "train" / "data-00000-of-00001.arrow"
    (row,) = pa.ipc.open_stream(file.read_bytes()).read_all().to_pylist()
    row["objects"]["bbox"].pop()
    table = pa.Table.from_pylist([row])
    with pa.ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table)


TRAIN = "annotations/instances_train2017.json"
XML = "VOC2012/Annotations/2007_000001.xml"
BOXES = "oidv6-train-annotations-bbox.csv"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><annotation>&b;</annotation>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><filename>&a;</filename></annotation>'

WRONG: list[tuple[str, Callable[[Path], None], str]] = [
    ("ade20k_scenes", _gone("objectInfo150.txt"), r"there is no objectInfo150\.txt or objectInfo150\.csv"),
    ("ade20k_scenes", _whole("objectInfo150.txt", "Idx\tName\nx\ty\n"), r"objectInfo150\.txt:2: the line is no class"),
    ("ade20k_scenes", _whole("objectInfo150.txt", "Idx\tName\n"), "there are no classes"),
    ("ade20k_scenes", _whole("sceneCategories.txt", "a b c\n"), r"sceneCategories\.txt:1: the line has 3 words"),
    ("cifar", _whole("train.bin", b"x" * 100), r"train\.bin: the file has 100 bytes, no multiple of 3,074"),
    ("cifar", _whole("train.bin", b""), r"train\.bin: the file has 0 bytes"),
    ("cifar", _whole("fine_label_names.txt", "one\n"), r"test\.bin, picture 0|train\.bin, picture 0: the label is 2"),
    ("cifar", _gone("fine_label_names.txt"), r"there is neither batches\.meta\.txt nor fine_label_names\.txt"),
    ("coco", _whole(TRAIN, "{"), r"instances_train2017\.json, .*this is no valid JSON"),
    (
        "coco",
        _json(TRAIN, lambda d: d["annotations"][1].update(image_id=9)),
        r"annotations\[1\]: .* names image 9, which",
    ),
    (
        "coco",
        _json(TRAIN, lambda d: d["annotations"][0].update(category_id=5)),
        r"annotations\[0\]: .* category 5, which",
    ),
    (
        "coco",
        _json(TRAIN, lambda d: d["annotations"][0].update(bbox=[1, 2, -3, 4])),
        r"annotations\[0\]: bbox is \[1, 2, -3",
    ),
    ("coco", _json(TRAIN, lambda d: d["annotations"][0].update(bbox="x")), r"annotations\[0\]: bbox is 'x'"),
    ("coco", _json(TRAIN, lambda d: d["annotations"][0].update(image_id="1")), r"annotations\[0\]: image_id is '1'"),
    ("coco", _json(TRAIN, lambda d: d["annotations"].append(5)), r"annotations\[2\]: this is no record"),
    ("coco", _json(TRAIN, lambda d: d.update(images={})), r"images\[-1\]: this is no record"),
    (
        "coco",
        _json(TRAIN, lambda d: d["images"][0].update(file_name="../x.jpg")),
        r"images\[0\]: .*'\.\./x\.jpg' is no path",
    ),
    ("coco", _json(TRAIN, lambda d: d["images"][0].update(file_name="/etc/x")), r"images\[0\]: .*'/etc/x' is no path"),
    ("coco", _json(TRAIN, lambda d: d["images"][0].update(file_name="a\0b")), r"images\[0\]: .* is no path"),
    ("coco", _json(TRAIN, lambda d: d["images"][0].pop("file_name")), r"images\[0\]: the image has no file_name"),
    ("coco", _json(TRAIN, lambda d: d["categories"][0].update(name=" ")), r"categories\[0\]: the category has no name"),
    ("coco", _json(TRAIN, lambda d: d["categories"][0].update(name="\ud800")), r"is no valid Unicode text"),
    (
        "coco",
        _json(TRAIN, lambda d: d["images"].append({"id": 1, "file_name": "b.jpg"})),
        r"images\[1\]: the id 1 appears",
    ),
    (
        "coco",
        _json(TRAIN, lambda d: d["images"].append({"id": 2, "file_name": "000000000001.jpg"})),
        r"images\[1\]: the picture 'train2017/000000000001\.jpg' is listed above already",
    ),
    (
        "coco",
        _json(TRAIN, lambda d: d["categories"].append({"id": 67, "name": "desk"})),
        r"categories\[3\]: the id 67 appears twice",
    ),
    (
        "coco",
        _json(TRAIN, lambda d: d["annotations"].append(d["annotations"][0])),
        r"train2017\.json: two annotations of the image 'train2017/000000000001\.jpg' have the id 1; give every",
    ),
    (
        "coco",
        _json(TRAIN, lambda d: d["annotations"][0].update(id=1 << 70)),
        r"annotations\[0\]: id is 1180591620717411303",
    ),
    ("coco", _whole(TRAIN, '[{"images": []}]'), r"instances_train2017\.json: this is a list; write COCO's form"),
    (
        "coco_panoptic",
        _json("panoptic.json", lambda d: d["annotations"].append(d["annotations"][0])),
        r"two annotations of the image 'images/000000000001\.jpg' have the id 3226956",
    ),
    (
        "coco_panoptic",
        _text("panoptic.json", '"category_id": 67, "area"', '"area"'),
        r"\[0\], segments_info\[0\]: category_id",
    ),
    (
        "coco_panoptic",
        _text("panoptic.json", '"segments_info": [', '"segments_info": 1, "x": ['),
        "segments_info is no list",
    ),
    ("folder", _whole("labels.csv", "image,label\nnone.png,cup\n"), r"labels\.csv:2: there is no image 'none\.png'"),
    ("hf", _whole("train/data-00000-of-00001.arrow", b"hello"), r"data-00000-of-00001\.arrow: the file cannot be read"),
    ("imagenet", _whole("synset_words.txt", "tench\n"), r"synset_words\.txt:1: the line is no synset"),
    ("hf", _no_rows, "there are no images; give a data set with at least one row"),
    ("hf", _ragged, r"row 0: the lists of its objects have 1 to 2 items; give every object a bbox and a category"),
    (
        "imagenet",
        _whole("LOC_val_solution.csv", 'ImageId,PredictionString\na,"' + "1 " * 100_000 + '"\n'),
        r"LOC_val_solution\.csv:2: the row cannot be read \(field larger than field limit",
    ),
    ("imagenet", _whole("LOC_val_solution.csv", "ImageId,PredictionString\na,b\n"), r"LOC_val_solution\.csv:2"),
    ("imagenet", _whole("Annotations/n04379243/n04379243_1.xml", BOMB), r"xml:1: the file declares a document type"),
    ("labelme", _text("labels/kitchen.json", '"label": "cup"', '"label": ""'), r"shapes\[1\]: the shape has no label"),
    ("labelme", _text("labels/kitchen.json", "[2, 8]", '["a", 8]'), r"shapes\[0\]: the shape's points are no pairs"),
    ("labelme", _json("labels/kitchen.json", lambda d: d.update(shapes={})), r"kitchen\.json, shapes: this is no list"),
    ("labelme", _json("labels/kitchen.json", lambda d: d.pop("shapes")), r"kitchen\.json, shapes: this is no list"),
    (
        "labelme",
        _text("labels/kitchen.json", "../pictures/kitchen.png", "../../x.png"),
        r"kitchen\.json: .* is outside",
    ),
    ("labelme", _text("Annotations/rooms/room.xml", "<x>1</x>", "<x>inf</x>"), r"room\.xml, object 1: x is 'inf'"),
    (
        "labelme",
        _text("Annotations/rooms/room.xml", "<id>1</id>", "<id>0</id>"),
        r"object 2: object id 0 appears twice",
    ),
    (
        "labelme",
        _text("Annotations/rooms/room.xml", "room.jpg", "../../../etc/x.jpg"),
        r"room\.xml: the picture .* no path",
    ),
    (
        "labelme",
        _whole("labels/more.json", '{"shapes": [], "imagePath": "../pictures/kitchen.png"}'),
        "is annotated in",
    ),
    (
        "open_images",
        _text(BOXES, ",xclick,/m/02p5f1q,1,0.2", ",xclick,/m/02p5f1q,1,x"),
        r"bbox\.csv:3: XMin is 'x50000'",
    ),
    ("open_images", _text(BOXES, ",0,0,0,0,0\n", ",0\n"), r"bbox\.csv:2: the row has 9 cells, not 13"),
    ("open_images", _text(BOXES, ",0.083333,", ",0.9,"), r"bbox\.csv:2: the box is turned inside out"),
    ("open_images", _text(BOXES, ",0.083333,", ",nan,"), r"bbox\.csv:2: XMin is 'nan'"),
    ("open_images", _text(BOXES, ",0.083333,", ",83,"), r"bbox\.csv:2: XMin is '83'"),
    ("open_images", _gone("class-descriptions.csv"), r"there is no \*class-descriptions\*\.csv"),
    ("open_images", _whole("class-descriptions.csv", "a,b\nc\n"), r"class-descriptions\.csv:2: the row has 1 cells"),
    ("sun", _whole("SUN397/images.mat", b"x"), None),
    (
        "table",
        _text("images.jsonl", '"box": [6, 4, 4, 4]', '"box": [6, 4]'),
        r"images\.jsonl:1, object 1: box is \[6, 4\]",
    ),
    (
        "table",
        _text("images.jsonl", '"object": "table"}]', '"object": "bed"}]'),
        r":1, object 1: there is no object 'bed'",
    ),
    ("table", _text("images.jsonl", '["sofa"]', "[5]"), r"images\.jsonl:2, object 1: this is neither a label nor"),
    ("table", _text("images.jsonl", '["sofa"]', '"sofa"'), r"images\.jsonl:2: objects is no list"),
    ("table", _text("images.jsonl", '"image": "b"', '"image": 5'), r"images\.jsonl:2: image is 5"),
    ("table", _text("images.jsonl", '"image": "b"', '"image": "b", "split": "train"'), r":2: 'train' is not a split"),
    (
        "table",
        _text("images.jsonl", '"image": "b"', '"image": "a.png"'),
        r"images\.jsonl:2: image 'a\.png' is listed above",
    ),
    (
        "table",
        _text("images.jsonl", '"path": "b.jpg"', '"path": "../b.jpg"'),
        r"\.\./b\.jpg: the path leaves the folder",
    ),
    (
        "table",
        _text("images.jsonl", '{"hasColor": "red"}', '{"hasColor": 5}'),
        r":1, object 1: attributes are no roles",
    ),
    ("table", _whole("images.jsonl", "[]\n"), r"images\.jsonl:1: this is no JSON object"),
    ("table", _whole("images.jsonl", "{\n"), r"images\.jsonl:1: this is no valid JSON"),
    ("table", _whole("images.jsonl", b"\xff\n"), r"images\.jsonl:1: this is no valid JSON"),
    ("table", _whole("images.jsonl", "[" * 100_000), r"images\.jsonl:1: this is no valid JSON"),
    ("table", _whole("images.jsonl", "\n"), "there are no images"),
    (
        "visual_genome",
        _text("objects.json", '"object_id": 12', '"object_id": -1'),
        r"image 1, objects\[1\]: object_id is -1",
    ),
    (
        "visual_genome",
        _text("objects.json", '"x": 2,', '"x": "2",'),
        r"image 1, objects\[0\]: x, y, w and h are no box",
    ),
    ("visual_genome", _text("objects.json", '["couch"]', "[]"), r"image 2, objects\[0\]: the object has no name"),
    ("visual_genome", _text("objects.json", '"image_id": 1', '"image_id": 1.5'), r"image 1: image_id is 1\.5"),
    ("visual_genome", _text("relationships.json", '"relationships": [', '"relationships": 5, "x": ['), "is no list"),
    ("visual_genome", _whole("objects.json", "{}"), None),
    ("visual_genome", _gone("objects.json"), r"there is neither objects\.json nor scene_graphs\.json"),
    ("visual_genome", _gone("VG_100K/1.jpg", "VG_100K_2/2.jpg"), r"there is no picture ID\.jpg"),
    ("voc", _whole(XML, BOMB), r"2007_000001\.xml:1: the file declares a document type"),
    ("voc", _whole(XML, OUTSIDE), r"2007_000001\.xml:1: the file declares a document type"),
    ("voc", _whole(XML, BOMB.encode("utf-16")), r"2007_000001\.xml:1: the file declares a document type"),
    ("voc", _whole(XML, "<annotation>\n<object>\n</annotation>"), r"2007_000001\.xml:3: this is no valid XML"),
    ("voc", _whole(XML, ""), r"2007_000001\.xml:1: this is no valid XML"),
    ("voc", _whole(XML, "<a>" * 10_000), r"elements are nested more than 50 deep"),
    ("voc", _whole(XML, '<?xml version="1.0" encoding="nonsense"?><a/>'), r"this is no valid XML"),
    ("voc", _text(XML, "<xmin>3<", "<xmin>1e99<"), r"2007_000001\.xml, object 1: xmin is '1e99'"),
    ("voc", _text(XML, "<xmin>3<", "<xmin>30<"), r"object 1: the box from 30, 9 to 18, 14 is turned inside out"),
    ("voc", _text(XML, "<name>handle</name>", ""), r"object 2, part 1: the part has no name"),
    (
        "voc",
        _text("VOC2012/Annotations/2007_000002.xml", "2007_000002.jpg", "2007_000001.jpg"),
        r"2007_000002\.xml: the picture '.*/2007_000001\.jpg' is annotated in .*/2007_000001\.xml already",
    ),
    (
        "voc",
        _text(XML, "2007_000001.jpg", "../../x.jpg"),
        r"2007_000001\.xml: the picture '\.\./\.\./x\.jpg' is no path",
    ),
]


@pytest.mark.parametrize(("kind", "spoil", "message"), WRONG)
def test_wrong_annotations_are_named_in_one_sentence(
    kind: str, spoil: Callable[[Path], None], message: str | None, tmp_path: Path
) -> None:
    fixtures.MAKERS[kind](tmp_path)
    spoil(tmp_path)
    path = fixtures.path_of(kind, tmp_path)
    if message is None:  # nothing that would be read is wrong
        open_images(f"{kind}:{path}")
        return
    with pytest.raises(InputError, match=message) as caught:
        open_images(f"{kind}:{path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_folders_that_hold_nothing_or_are_not_there(kind: str, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "none.jsonl"):
        with pytest.raises(InputError, match=str(tmp_path)) as caught:
            open_images(f"{kind}:{path}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - {"cifar", "hf", "table"}))
def test_a_picture_behind_a_link_that_leads_out_is_refused(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    fixtures.MAKERS[kind](root)
    picture = sorted(p for p in root.rglob("*") if p.suffix in (".jpg", ".JPEG"))[0]
    (tmp_path / "secret.jpg").write_bytes(picture.read_bytes())
    picture.unlink()
    picture.symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(InputError, match="the path leaves the folder"):
        open_images(f"{kind}:{root}")


def _linked(root: Path) -> None:
    (root / "elsewhere").symlink_to(root / "kitchen")
    (root / "gone").symlink_to(root / "nothing")


LEFT_OUT: list[tuple[str, Callable[[Path], None], str]] = [
    (
        "ade20k",
        _gone("images/validation/l/living_room/ADE_val_00000001_seg.png"),
        "without a mask, and so without boxes",
    ),
    ("ade20k_scenes", _gone("annotations/validation/ADE_val_00000001.png"), "without a mask, and so without objects"),
    (
        "ade20k_scenes",
        _text("objectInfo150.txt", "42\t0.005\t900\t90\tcup\n", ""),
        "left out: regions of class 42, which",
    ),
    (
        "ade20k_scenes",
        _text("sceneCategories.txt", "ADE", "ADE_x k\nADE"),
        "left out: scenes of 1 pictures that are not",
    ),
    ("coco", _json(TRAIN, lambda d: d.pop("annotations")), "instances_train2017.json: there is no annotation in it"),
    ("folder", _linked, "left out: links to folders, or to nothing: 'elsewhere', 'gone'"),
    ("folder", _whole("kitchen/x.heic", "x"), "left out: pictures in formats that are not read: 'kitchen/x.heic'"),
    (
        "imagenet",
        _gone("train/n04379243/n04379243_1.JPEG"),
        "left out: annotations of 1 pictures that are not here: 'n04",
    ),
    (
        "sun",
        _gone("SUN397/k/kitchen/sun_aaa.jpg"),
        "left out: what is said of 1 pictures that are not here: 'k/kitchen",
    ),
    (
        "open_images",
        lambda root: fixtures.save(root / "b/000a1b2c3d4e5f60.png", fixtures.room()),
        "left out: pictures of an",
    ),
    (
        "visual_genome",
        lambda root: fixtures.save(root / "b/1.jpg", fixtures.room()),
        "left out: pictures whose name is no",
    ),
    (
        "visual_genome",
        lambda root: fixtures.save(root / "b/x.jpg", fixtures.room()),
        "left out: pictures whose name is no",
    ),
]


@pytest.mark.parametrize(("kind", "change", "note"), LEFT_OUT)
def test_nothing_is_left_out_in_silence(kind: str, change: Callable[[Path], None], note: str, tmp_path: Path) -> None:
    fixtures.MAKERS[kind](tmp_path)
    before = open_images(f"{kind}:{fixtures.path_of(kind, tmp_path)}").notes
    change(tmp_path)
    added = [said for said in open_images(f"{kind}:{fixtures.path_of(kind, tmp_path)}").notes if said not in before]
    assert len(added) == 1 and added[0].startswith(note), added


def test_a_link_to_a_picture_that_is_gone_is_a_missing_picture(tmp_path: Path) -> None:
    fixtures.folder(tmp_path)
    (tmp_path / "kitchen" / "gone.png").symlink_to(tmp_path / "nothing.png")
    found = check_images(open_images(f"folder:{tmp_path}"))
    assert (found.images, found.missing, found.notes) == (3, ("kitchen/gone.png",), ())
    (tmp_path / "kitchen" / "round.png").symlink_to(tmp_path / "kitchen" / "round.png")
    with pytest.raises(InputError, match=r"'kitchen/round\.png': this is no path of a file|the path leaves the folder"):
        open_images(f"folder:{tmp_path}")


def test_an_archive_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"set\.zip: this is a file and no folder; unpack it, or give the folder"):
        open_images(f"folder:{tmp_path / 'set.zip'}")


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    fixtures.folder(tmp_path)
    (tmp_path / "kitchen" / "a.png").rename(tmp_path / "kitchen" / "b\udcff.png")
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(InputError, match=r"'kitchen/b\\udcff\.png' is no valid Unicode text; rename it"):
        open_images(f"folder:{tmp_path}")


def test_names_with_odd_characters_are_read(tmp_path: Path) -> None:
    names = ["a b.png", "a\nb.png", "a#1.png", "ü%20.png", "x.bin#5.png"]
    for name in names:
        fixtures.save(tmp_path / "c" / name, fixtures.kitchen())
    images = open_images(f"folder:{tmp_path}")
    assert sorted(images.ids) == sorted(f"c/{name}" for name in names)
    for i in range(len(images)):
        assert images.load(i).shape == (16, 24, 3)


TOKENS = (
    b"\0",
    b"\xff\xfe",
    b"null",
    b"-1",
    b"1e400",
    b"{",
    b"]",
    b'"',
    b",",
    b"#",
    b"\n",
    b"<a>",
    b"9" * 25,
    b"\\ud800",
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_spoiled_files_are_read_or_refused_and_nothing_else(kind: str, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(7))
    fixtures.MAKERS[kind](tmp_path)
    pictures = (".jpg", ".JPEG") if kind.startswith("ade20k") else (".jpg", ".JPEG", ".png")
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file() and p.suffix not in pictures)
    for _ in range(300):
        file = files[int(rng.integers(len(files)))]
        whole = file.read_bytes()
        spoiled = bytearray(whole)
        for _ in range(int(rng.integers(1, 5))):
            at, to = sorted(rng.integers(0, len(spoiled) + 1, 2).tolist())
            match int(rng.integers(4)):
                case 0:
                    spoiled[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
                case 1:
                    del spoiled[at : min(at + 20, to)]
                case 2:
                    del spoiled[to:]
                case 3:
                    spoiled[at:at] = spoiled[at : min(at + 40, to)]
        file.write_bytes(spoiled)
        try:
            check_images(open_images(f"{kind}:{fixtures.path_of(kind, tmp_path)}"))
        except InputError as error:
            assert "\n" not in str(error)
        file.write_bytes(whole)
