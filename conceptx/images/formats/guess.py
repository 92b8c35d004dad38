"""Which kind of image set lies at a path, told by the files that only this kind has."""

from __future__ import annotations

import re
from pathlib import Path

from conceptx.errors import InputError
from conceptx.images.formats.reading import ENDINGS, files_below

_SIGNS = (
    ("ade20k", r"_atr\.txt\Z|(\A|/)ADE_[^/]*_seg\.png\Z"),
    ("ade20k_scenes", r"(\A|/)objectInfo150\.(txt|csv)\Z"),
    ("open_images", r"class-descriptions[^/]*\.csv\Z"),
    ("visual_genome", r"(\A|/)(scene_graphs|relationships)\.json\Z"),
    ("coco", r"(\A|/)instances[^/]*\.json\Z"),
    ("coco_panoptic", r"(\A|/)panoptic[^/]*\.json\Z"),
    ("imagenet", r"(\A|/)n\d{8}/"),
    ("voc", r"(\A|/)JPEGImages/"),
    ("cifar", r"(\A|/)(batches\.meta|fine_label_names)\.txt\Z"),
    ("hf", r"(\A|/)(dataset_dict|state)\.json\Z|\.arrow\Z"),
    ("sun", r"(\A|/)sun_[a-z]+\.jpg\Z"),
)
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson"})


def guess_kind(path: Path) -> str:
    """Return the kind of the image set at a path; a folder of pictures and nothing known beside them is a `folder`."""
    if path.is_file():
        if path.suffix.lower() in _TABLES:
            return "table"
        if path.suffix.lower() == ".json":
            return "coco_panoptic" if "panoptic" in path.name else "coco"
        raise InputError(
            str(path), "this is neither a table nor a JSON file", "unpack it, or give the folder that holds it"
        )
    if not path.is_dir():
        raise InputError(str(path), "there is no such image set", "check the path, or write KIND:PATH")
    names = files_below(path)
    for kind, sign in _SIGNS:
        found = re.compile(sign)
        if any(found.search(name) for name in names):
            return kind
    stems = {Path(name).stem for name in names if Path(name).suffix.lower() in ENDINGS}
    if any(name.endswith((".json", ".xml")) and Path(name).stem in stems for name in names):
        return "labelme"
    if stems:
        return "folder"
    raise InputError(str(path), "there is no picture and no annotation that is known here", "write KIND:PATH")
