"""What a run is made of: its images, its network and its labels, from the request or from a Python caller.

`Given` carries objects in place of names. The functions here turn a request into image sets, activations and a
mapping, by the rooms' own functions; `pipeline` calls them as the first three stages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conceptx.errors import InputError
from conceptx.files import digest_file, digest_json, write_json
from conceptx.progress import Progress
from conceptx.request import BUILT_IN_WORLD, GIVEN, TRAINED
from conceptx.run import Run
from conceptx.tables import (
    IMAGES,
    OBJECTS,
    SPLITS,
    from_rows,
    read_activations,
    read_labels,
    read_parquet,
    unknown_image,
    write_parquet,
)

if TYPE_CHECKING:
    import torch

    from conceptx.activations.preprocess import Preprocess
    from conceptx.images.dataset import ImageSet
    from conceptx.ontology.hierarchy import Hierarchy

TABLE_LAYER = "table"
"""The layer's name of activations that came as a table."""

_BRIGHTNESS_FILE = "activations/brightness.parquet"
_BRIGHTNESS = pa.schema([("image", pa.string()), ("brightness", pa.float64())])
_WORLD_WEIGHTS = "model/weights.pt"
_LAYERS_FILE = "layers.json"
_TRAINING_SEED = 1_000_003
"""Added to the seed of the run: no training image is an image that is explained."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a Python caller hands over as objects, in place of names in the request."""

    model: torch.nn.Module | None = None
    preprocess: Preprocess | None = None
    images: ImageSet | None = None


# ---------------------------------------------------------------------------------------------------- images


def was_given(name: str | None) -> bool:
    """Tell whether a model or image set of the request was an object of the Python caller's."""
    return name is not None and name.partition(":")[0] == GIVEN


def is_rendered(run: Run) -> bool:
    """Tell whether the run is on the built-in world, whose truth is known."""
    return run.request.images is not None and run.request.images.partition(":")[0] == "rendered"


def images_read(run: Run, given: Given) -> dict[str, object]:
    """Return what the image stage depends on: content where it is cheap, else names, sizes and times of the files."""
    request = run.request
    facts: dict[str, object] = {"protocol": request.protocol, "seed": request.seed, "splits": request.splits}
    if request.activations is not None and request.labels is not None:
        facts["activations"] = digest_file(_existing(run.resolve(request.activations)))
        facts["labels"] = digest_file(_existing(run.resolve(request.labels)))
    if given.images is not None:
        facts["images"] = given.images.digest
    elif request.images is not None:
        kind, _, location = request.images.partition(":")
        facts["images"] = kind if kind == "rendered" else _listing(run.resolve(location))
        facts["spec"] = request.images if kind == "rendered" else kind
    return facts


def read_images(run: Run, given: Given, fractions: tuple[float, float, float], progress: Progress) -> ImageSet:
    """Return the run's image set with a split for every image; splits that the images bring stand."""
    from conceptx.images.splits import split_images, use_original_splits

    request = run.request
    if given.images is not None:
        found = given.images
    elif request.images is None:
        found = _images_of_tables(run)
    elif is_rendered(run):
        from conceptx.images.rendered import render_world, rendered_options

        options = rendered_options(request.images)
        found = render_world(run.path / "images", **{"seed": request.seed, **options}, progress=progress)
    else:
        from conceptx.images.formats import open_images

        kind, _, location = request.images.partition(":")
        found = open_images(f"{kind}:{run.resolve(location)}", progress)
    if request.activations is not None and request.images is not None:
        found = _labelled(found, run)
    if request.splits == "original":
        found = use_original_splits(found, seed=request.seed, progress=progress)
    run.record_inputs({"images": found.digest, "images_root": _inside(run, found.root)})
    divided = split_images(found, fractions=fractions, seed=request.seed, progress=progress)
    present = set(divided.images["split"].to_pylist())
    for split in SPLITS:
        if split not in present:
            raise InputError(found.name, f"no image is in the split {split!r}", "bring more images, or move some there")
    return divided


def image_set_of(run: Run, given: Given) -> ImageSet:
    """Return the image set as the run's tables have it, able to load the pictures where they still are."""
    from conceptx.images.dataset import ImageSet

    facts = run.read_json("images.json")
    notes = facts.get("notes", [])
    texts = (facts.get("name"), facts.get("attribution"), *(notes if isinstance(notes, list) else [None]))
    if not all(isinstance(text, str) for text in texts):
        raise InputError(str(run.path / "images.json"), "it does not describe an image set", "run the stage again")
    root = run.manifest.get("inputs", {}).get("images_root")
    kept = ImageSet(
        name=facts["name"],
        root=None if root is None else run.resolve(root),
        images=read_parquet(run.path / "images.parquet", IMAGES),
        objects=read_parquet(run.path / "objects.parquet", OBJECTS),
        attribution=facts["attribution"],
        notes=tuple(notes),
    )
    if given.images is None:
        return kept
    return replace(given.images, images=kept.images, objects=kept.objects, original_splits=())


def _images_of_tables(run: Run) -> ImageSet:
    """Return the image set of a run without pictures: those of the activations, with the labels' rows as objects."""
    from conceptx.images.dataset import ImageSet

    assert run.request.activations is not None
    images = read_activations(run.resolve(run.request.activations)).images
    table = from_rows([{"image": image} for image in images], IMAGES)
    bare = ImageSet(Path(run.request.activations).stem, None, table, from_rows([], OBJECTS))
    return _labelled(bare, run)


def _labelled(images: ImageSet, run: Run) -> ImageSet:
    """Return the image set with the objects and splits of the run's label table."""
    assert run.request.labels is not None
    assert run.request.activations is not None
    labels = read_labels(run.resolve(run.request.labels))
    active = read_activations(run.resolve(run.request.activations))
    known = set(active.images)
    for image, line in zip(labels.images, labels.lines, strict=True):
        if image not in known:
            raise unknown_image(f"{labels.source}:{line}", image, known)
    pictured = set(images.ids)
    missing = next((image for image in active.images if image not in pictured), None)
    if missing is not None:
        raise InputError(active.source, f"image {missing!r} is not among the images", "add the picture or drop the row")
    names = labels.objects or tuple(map(str, range(len(labels.images))))
    rows = zip(labels.images, names, labels.labels, strict=True)
    objects = [{"image": image, "object": name, "label": label} for image, name, label in rows]
    split_of = dict(zip(labels.images, labels.splits, strict=True)) if labels.splits else {}
    table = [{**row, "split": split_of.get(row["image"])} for row in images.images.to_pylist() if row["image"] in known]
    if split_of:
        unsplit = next((row["image"] for row in table if row["split"] is None), None)
        if unsplit is not None:
            raise InputError(
                labels.source, f"image {unsplit!r} has no split", "add a row for it, or drop its activations"
            )
    return replace(images, images=from_rows(table, IMAGES), objects=from_rows(objects, OBJECTS), original_splits=())


def _listing(path: Path) -> str:
    """Return a digest over the names, sizes and times of the files at or below `path`, but for those of run folders."""
    _existing(path)
    base = path.parent if path.is_file() else path
    entries = []
    for folder, folders, files in os.walk(base):
        if Path(folder) != base and "run.toml" in files:
            folders.clear()
            continue
        for name in files:
            file = Path(folder, name)
            if file.is_file():
                stat = file.stat()
                below = file.relative_to(base).as_posix().encode("utf-8", "backslashreplace").decode()
                entries.append((below, stat.st_size, stat.st_mtime_ns))
    return digest_json([path.name, sorted(entries)])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError(str(path), "there is no such file or folder", "check the path")
    return path


def _inside(run: Run, path: Path | None) -> str | None:
    """Return a path relative to the run folder where it is inside, so that the folder can be moved."""
    if path is None:
        return None
    path, home = Path(path).resolve(), run.path.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)


# ---------------------------------------------------------------------------------------------------- the network


def model_read(run: Run, given: Given) -> dict[str, object]:
    """Return what the extraction depends on, beside the images."""
    request = run.request
    facts: dict[str, object] = {
        name: getattr(request, name)
        for name in ("model", "layers", "reduction", "preprocess", "max_bad", "keep", "autocast")
    }
    facts["weights"] = request.weights
    if request.weights == TRAINED:
        facts["weights"] = run.digest_of("train")
    elif given.model is None and request.model is not None and not was_given(request.model):
        from conceptx.activations.facts import model_facts

        facts["weights"] = model_facts(*_named_model(run))
    if given.model is not None:
        from conceptx.activations.models import model_digest

        facts["weights"] = model_digest(given.model)
    if given.preprocess is not None:
        facts["preprocess"] = given.preprocess.facts()
    facts["seed"] = request.seed
    return facts


def extract_layers(run: Run, given: Given, progress: Progress) -> Sequence[str]:
    """Write the activations of the request's layers, and those of an untrained copy of the network."""
    from conceptx.activations.store import STATISTICS, Activations, save_activations, store_name

    folder = run.path / "activations"
    request = run.request
    endings: tuple[str, ...] = (".npy", ".json", STATISTICS)
    if request.activations is not None:
        table = read_activations(run.resolve(request.activations))
        made = Activations(TABLE_LAYER, table.units, table.images, table.values, {"source": "table"})
        save_activations(folder, made, key=digest_file(run.resolve(request.activations)))
        return [f"activations/{TABLE_LAYER}{ending}" for ending in endings]

    from conceptx.activations.extract import extract_layers as record
    from conceptx.activations.layers import expand_layers
    from conceptx.activations.models import example_input, model_digest
    from conceptx.activations.untrained import untrained_copy

    model, preprocess = model_of(run, given)
    images = image_set_of(run, given)
    run.record_inputs({"weights": model_digest(model)})
    layers = expand_layers(model, request.layers, example_input(model, preprocess))
    if request.keep == "top":
        endings = (".json", STATISTICS)

    def extract(network: torch.nn.Module, where: Path) -> None:
        options: dict[str, Any] = {
            "out": where,
            "preprocess": preprocess,
            "reduction": request.reduction,
            "max_bad": request.max_bad,
            "keep": request.keep,
            "device": request.device,
            "autocast": request.autocast,
            "progress": progress,
        }
        if request.cluster is None:
            record(network, layers, images, **options)
            return
        from conceptx.cluster import Cluster, extract_on_cluster

        cluster = Cluster(request.cluster, blocks=request.blocks)
        extract_on_cluster(network, layers, images, cluster=cluster, **options)

    extract(model, folder)
    written = [f"activations/{store_name(layer)}{end}" for layer in layers for end in endings]
    untrained = untrained_copy(model, request.seed)
    if untrained is not None:
        extract(untrained, folder / "untrained")
        written += [path.replace("activations/", "activations/untrained/", 1) for path in written]
    write_parquet(run.path / _BRIGHTNESS_FILE, _brightness(images, progress))
    write_json(run.path / _LAYERS_FILE, {"layers": layers})
    return [*written, _BRIGHTNESS_FILE, _LAYERS_FILE]


def recorded_layers(run: Run) -> tuple[str, ...]:
    """Return the layers that a run has activations of: those of the request, its patterns replaced by what they fit."""
    if not run.request.layers:
        return (TABLE_LAYER,)
    if not (run.path / _LAYERS_FILE).is_file():
        return run.request.layers
    return tuple(run.read_json(_LAYERS_FILE)["layers"])


def brightness_of_run(run: Run) -> dict[str, float] | None:
    """Return the mean brightness of each image that could be read, or None for a run without pictures."""
    path = run.path / _BRIGHTNESS_FILE
    if not path.is_file():
        return None
    table = read_parquet(path, _BRIGHTNESS)
    return dict(zip(table["image"].to_pylist(), table["brightness"].to_pylist(), strict=True))


def _brightness(images: ImageSet, progress: Progress) -> pa.Table:
    """Return the mean of all pixels and channels of each picture that can be read, from 0 (black) to 1 (white)."""
    from conceptx.images.dataset import BadImage
    from conceptx.images.parallel import in_threads

    def brightness(i: int) -> float | None:
        try:
            return float(images.load(i).mean(dtype="float64")) / 255
        except BadImage:
            return None

    found = zip(images.ids, in_threads(brightness, range(len(images)), progress, "brightness"), strict=True)
    return from_rows([{"image": i, "brightness": value} for i, value in found if value is not None], _BRIGHTNESS)


def model_of(run: Run, given: Given) -> tuple[torch.nn.Module, Preprocess | None]:
    """Return the run's network with its weights, and how images are made into its input."""
    if given.model is not None:
        return given.model, given.preprocess
    from conceptx.activations.models import load_model
    from conceptx.activations.preprocess import Preprocess

    if was_given(run.request.model):
        what = "the network of this run was an object of the Python caller's"
        raise InputError(str(run.path), what, "call from Python with the model again")
    loaded = load_model(*_named_model(run))
    if given.preprocess is not None:
        return loaded.model, given.preprocess
    said = run.request.preprocess
    if said is None and loaded.preprocess is None:
        mend = 'say it with --preprocess "size=224 mean=… std=…", or as preprocess in run.toml'
        raise InputError(f"model {run.request.model!r}", "nothing says how images become its input", mend)
    return loaded.model, loaded.preprocess if said is None else Preprocess.from_text(said, "preprocess")


def _named_model(run: Run) -> tuple[str, str]:
    """Return the name of the request's model and its weights, with paths as they are from here."""
    from conceptx.activations.naming import model_file, with_location

    name, weights = run.request.model, run.request.weights
    assert name is not None
    location = model_file(name)
    if location is not None:
        name = with_location(name, str(run.resolve(location)))
    if weights == TRAINED:
        weights = str(run.path / _WORLD_WEIGHTS)
    elif weights not in ("default", "none"):
        weights = str(run.resolve(weights))
    return name, weights


def training_read(run: Run) -> dict[str, object]:
    """Return what the training of the built-in network depends on."""
    from conceptx.images.rendered import rendered_options

    return {"seed": run.request.seed, "count": rendered_options(run.request.images or "").get("count")}


def train_world_network(run: Run, progress: Progress) -> Sequence[str]:
    """Render the training images and train the built-in network on them."""
    from conceptx.activations.training import WorldNet, train
    from conceptx.images.rendered import render_world, rendered_options

    seed = run.request.seed
    options = rendered_options(run.request.images or "")
    images = render_world(
        run.path / "training",
        **{**options, "seed": seed + _TRAINING_SEED, "style": "a"},
        progress=progress,
    )
    train(WorldNet(), images, out=(run.path / _WORLD_WEIGHTS).parent, seed=seed, progress=progress)
    return [_WORLD_WEIGHTS, "model/training.json"]


# ---------------------------------------------------------------------------------------------------- the labels


def map_labels_of(run: Run, progress: Progress) -> Sequence[str]:
    """Write the compiled hierarchy and the mapping; rows of an earlier mapping that a person decided are kept."""
    from conceptx.annotation.mapping import cooccurrence, map_labels, read_sssom, write_sssom
    from conceptx.annotation.scenes import build_scenes, labels_in

    images = image_set_of(run, Given())
    labels = labels_in(images)
    if not labels:
        raise InputError(images.name, "no image has a label", "annotate the images, or give a table of labels")
    (hierarchy,) = [_hierarchy(run, labels) for _ in progress(range(1), label="hierarchy")]
    hierarchy.save(run.path / "hierarchy")
    path = run.path / "mapping.sssom.tsv"
    reviewed = read_sssom(path) if path.exists() else None
    mapping = map_labels(
        labels,
        hierarchy,
        reviewed,
        cooccurrence=cooccurrence(images),
        sentences=run.request.sentences,
        progress=progress,
    )
    write_sssom(path, mapping)
    _, coverage = build_scenes(images, mapping, hierarchy)
    run.record_inputs({"ontology": hierarchy.digest})
    notes = [f"{run.request.ontology}: {note}" for note in hierarchy.about.get("notes", ())]
    write_json(run.path / "annotation.json", {"warnings": [*notes, *images.notes, *coverage.warnings()]})
    stored = sorted(p.relative_to(run.path).as_posix() for p in (run.path / "hierarchy").iterdir() if p.is_file())
    return ["mapping.sssom.tsv", "annotation.json", *stored]


def ontology_source(run: Run) -> Path | None:
    """Return the file or folder of the request's ontology; None where every label is its own class."""
    name = run.request.ontology
    return None if name is None else named_ontology(name, run.path)


def named_ontology(name: str, base: Path) -> Path:
    """Return the path of an ontology: the one that ships by its name, others relative to `base`."""
    return shipped_ontology() if name == BUILT_IN_WORLD else base / name


def shipped_ontology() -> Path:
    """Return the path of the built-in world's hierarchy, in the installed package or in a checkout."""
    here = Path(__file__).parent
    for path in (here / "_ontologies" / "world.owl", here.parent / "ontologies" / "world.owl"):
        if path.is_file():
            return path
    raise InputError("conceptx", "the file world.owl is not part of this installation", "install conceptx again")


def _hierarchy(run: Run, labels: Sequence[str]) -> Hierarchy:
    from conceptx.ontology import Hierarchy, open_ontology
    from conceptx.ontology.records import check_name

    source = ontology_source(run)
    if source is None:
        for label in labels:
            check_name(run.request.labels or str(run.request.images), label)
        return Hierarchy.from_edges((), classes=labels)
    found = open_ontology(source)
    found.verify()  # it is stored again in the run, with checksums of what was read
    return found
