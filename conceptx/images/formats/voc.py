"""Pascal VOC: one XML file an image, with boxes, parts and actions."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from conceptx.errors import InputError
from conceptx.images.dataset import ImageSet
from conceptx.images.formats.columns import Box, ObjectColumns, first_few
from conceptx.images.formats.reading import (
    Entry,
    Pictures,
    existing_folder,
    image_table,
    numbered_lines,
    splits_or_none,
)
from conceptx.images.formats.words import PART_OF
from conceptx.images.formats.xml_tree import number_of, read_xml, text_of
from conceptx.progress import Progress, silent

_SPLITS = ("train", "val", "test")


def read_voc(path: Path, progress: Progress = silent) -> ImageSet:
    """Read a VOC folder (or VOCdevkit with several): `Annotations/*.xml` and `JPEGImages/`.

    Boxes count pixels from 1 and hold both corners, as VOC's do.
    """
    pictures = Pictures(existing_folder(path))
    files = pictures.files
    annotations = [name for name in files if name.endswith(".xml") and "Annotations" in PurePosixPath(name).parts[:-1]]
    if not annotations:
        raise InputError(str(path), "there is no Annotations/*.xml", "give the folder with Annotations and JPEGImages")
    lists = _lists(path, files)
    columns = ObjectColumns(str(path))
    found: dict[str, str | None] = {p: None for p in pictures.paths if "JPEGImages" in PurePosixPath(p).parts[:-1]}
    splits: dict[str, str | None] = {}
    annotated: dict[str, str] = {}
    for name in progress(annotations, label="annotations"):
        file = path / name
        tree = read_xml(file)
        above = PurePosixPath(name).parts
        base = PurePosixPath(*above[: above.index("Annotations")])
        stem = PurePosixPath(name).stem
        named = text_of(tree, "filename") or f"{stem}.jpg"
        folder = (base / "JPEGImages").as_posix()
        picture = pictures.find(str(file), named, [folder])
        if picture not in pictures:
            picture = pictures.find(str(file), f"{stem}.jpg", [folder])
        if picture in annotated:
            what = f"the picture {picture!r} is annotated in {annotated[picture]} already"
            raise InputError(str(file), what, "keep one file a picture")
        annotated[picture] = name
        found[picture] = None
        splits[picture] = lists.get((base.as_posix(), stem))
        add_objects(file, tree, picture, columns)
    for picture in found:
        parts = PurePosixPath(picture)
        splits.setdefault(picture, lists.get((parts.parent.parent.as_posix(), parts.stem)))
    entries = [Entry(picture, picture) for picture in sorted(found)]
    known = {(PurePosixPath(p).parent.parent.as_posix(), PurePosixPath(p).stem) for p in found}
    lost = sorted(f"{base}/{stem}" for base, stem in set(lists) - known)
    notes = (f"left out: images that only the lists of splits name: {first_few(lost)}",) if lost else ()
    return ImageSet(
        path.resolve().name,
        path,
        image_table(path, entries, progress),
        columns.table(),
        notes=notes,
        original_splits=splits_or_none([splits[entry.name] for entry in entries]),
    )


def add_objects(
    file: Path, tree: ElementTree.Element, image: str, columns: ObjectColumns, names: dict[str, str] | None = None
) -> int:
    """Add the objects of one annotation file, and return how many; `names` replaces codes by names."""
    count = 0
    for count, thing in enumerate(tree.findall("object"), start=1):
        where = f"{file}, object {count}"
        label = text_of(thing, "name")
        if not label:
            raise InputError(where, "the object has no name", "give it one")
        box = _box(where, thing)
        row = columns.add(image, str(count), (names or {}).get(label, label), box, box and box[2] * box[3])
        for action in thing.findall("actions/*"):
            if (action.text or "").strip() == "1":
                columns.attribute(row, "hasAction", action.tag)
        for number, part in enumerate(thing.findall("part"), start=1):
            inner = f"{where}, part {number}"
            name = text_of(part, "name")
            if not name:
                raise InputError(inner, "the part has no name", "give it one")
            around = _box(inner, part)
            below = columns.add(image, f"{count}.{number}", name, around, around and around[2] * around[3])
            columns.relation(below, PART_OF, row)
    return count


def _box(where: str, thing: ElementTree.Element) -> Box | None:
    box = thing.find("bndbox")
    if box is None:
        return None
    left, top, right, bottom = (number_of(where, box, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        raise InputError(
            where, f"the box from {left:g}, {top:g} to {right:g}, {bottom:g} is turned inside out", "mend it"
        )
    return left - 1, top - 1, right - left + 1, bottom - top + 1


def _lists(path: Path, files: list[str]) -> dict[tuple[str, str], str]:
    """Return the split of each (VOC folder, picture) that ImageSets/Main tells."""
    found: dict[tuple[str, str], str] = {}
    for name in files:
        parts = PurePosixPath(name)
        if parts.parts[-3:-1] == ("ImageSets", "Main") and parts.stem in _SPLITS and parts.suffix == ".txt":
            base = parts.parent.parent.parent.as_posix()
            for _, line in numbered_lines(path / name):
                found[base, line.split()[0]] = parts.stem
    return found
