"""The stages of a run in order: images, train (the demo's network), extract, annotate, induce, verify, truth, report.

`start_run` makes a run or takes it up again, `run_stages` brings it up to date. Each stage reads artefacts of the run
folder and writes artefacts; it works only when what it reads has changed (see `Run.stage`), so a stopped run goes on
where it was. How a stage does its work is in its room; how it meets the run folder is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.files import digest_file, digest_json, write_json
from conceptx.inputs import (
    TABLE_LAYER,
    Given,
    extract_layers,
    image_set_of,
    images_read,
    is_rendered,
    map_labels_of,
    model_read,
    ontology_source,
    read_images,
    train_world_network,
    training_read,
    was_given,
)
from conceptx.progress import Progress, silent
from conceptx.run import TRAINED, Request, Run
from conceptx.tables import CONTROLS, HYPOTHESES, MARGINS, VERDICTS, read_parquet, write_parquet

if TYPE_CHECKING:
    from conceptx.activations.store import Activations
    from conceptx.annotation.scenes import Scenes
    from conceptx.comparison.of_run import Material
    from conceptx.induction import Settings
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.report import ReportInput
    from conceptx.verification.controls import Search
    from conceptx.verification.protocol import Protocol

Stage = Callable[[Run, Given, Progress], bool]

INPUTS = ("images", "ontology", "weights")
"""What a run was made from, as far as the manifest has digests of it."""


def run_stages(
    run: Run,
    *,
    upto: str = "report",
    only: Collection[str] | None = None,
    given: Given | None = None,
    progress: Progress = silent,
) -> list[str]:
    """Bring a run up to date as far as stage `upto` (of these, `only` the named); return those that had work to do."""
    given = given or Given()
    done = []
    for name, stage in STAGES.items():
        if (only is None or name in only) and stage(run, given, progress):
            done.append(name)
        if name == upto:
            break
    return done


def images(run: Run, given: Given, progress: Progress) -> bool:
    """Write what is in the image set, and every image's split."""
    if given.images is None and was_given(run.request.images):
        return _kept(run, "images")

    def work() -> Sequence[str]:
        found = read_images(run, given, protocol_of(run).fractions, progress)
        write_parquet(run.path / "images.parquet", found.images)
        write_parquet(run.path / "objects.parquet", found.objects)
        facts = {"name": found.name, "attribution": found.attribution, "notes": list(found.notes)}
        write_json(run.path / "images.json", facts)
        return ["images.parquet", "objects.parquet", "images.json"]

    return run.stage("images", reads=images_read(run, given), work=work)


def extract(run: Run, given: Given, progress: Progress) -> bool:
    """Write the activations of each layer, and those of the untrained network beside them."""
    if given.model is None and was_given(run.request.model):
        return _kept(run, "extract")
    reads = {"images": run.digest_of("images"), **model_read(run, given)}
    return run.stage("extract", reads=reads, work=lambda: extract_layers(run, given, progress))


def annotate(run: Run, given: Given, progress: Progress) -> bool:
    """Compile the hierarchy and map the labels to its classes; what a person decided in the mapping is kept."""
    source = ontology_source(run)
    reads = {"images": run.digest_of("images"), "ontology": None if source is None else _source_digest(source)}
    return run.stage("annotate", reads=reads, work=lambda: map_labels_of(run, progress))


def induce(run: Run, given: Given, progress: Progress) -> bool:
    """Search the expressions that describe what fires each unit, on the images of the induction split."""
    protocol, settings = protocol_of(run), settings_of(run)

    def work() -> Sequence[str]:
        import pyarrow as pa

        from conceptx.induction import induce as search

        scenes, images = _induction_scenes(run)
        found = [
            (layer, search(scenes, layer.for_images(images).values, settings, progress)) for layer in layers_of(run)
        ]
        tables = [result.to_table(layer.layer, layer.units) for layer, result in found]
        write_parquet(run.path / "hypotheses.parquet", pa.concat_tables(tables))
        tried = {layer.layer: result.n_tried for layer, result in found}
        frontier = {
            layer.layer: {
                unit: [(step.length, step.score, to_manchester(step.expression)) for step in explained.frontier]
                for unit, explained in zip(layer.units, result, strict=True)
            }
            for layer, result in found
        }
        write_json(run.path / "induction.json", {"tried": tried, "frontier": frontier})
        return ["hypotheses.parquet", "induction.json"]

    reads = {
        **{stage: run.digest_of(stage) for stage in ("images", "extract", "annotate")},
        "settings": asdict(settings),
        "protocol": protocol.to_dict(),
    }
    return run.stage("induce", reads=reads, work=work)


def verify(run: Run, given: Given, progress: Progress) -> bool:
    """Test the hypotheses on held-out images, beside control units that go through the same search."""
    protocol = protocol_of(run)

    def work() -> Sequence[str]:
        from conceptx.verification.verify import verify as test

        scenes = scenes_of(run)
        result = test(
            layers_of(run),
            scenes,
            splits_of(run),
            read_parquet(run.path / "hypotheses.parquet", HYPOTHESES),
            protocol=protocol,
            seed=run.request.seed,
            search=_search(run, progress) if protocol.controls else None,
            untrained=layers_of(run, untrained=True),
            n_searched=sum(run.read_json("induction.json")["tried"].values()),
            progress=progress,
        )
        for name, table in (("verdicts", result.verdicts), ("controls", result.controls), ("margins", result.margins)):
            write_parquet(run.path / f"{name}.parquet", table)
        write_json(run.path / "verification.json", result.summary.to_dict())
        return ["verdicts.parquet", "controls.parquet", "margins.parquet", "verification.json"]

    reads = {"induce": run.digest_of("induce"), "protocol": protocol.to_dict(), "seed": run.request.seed}
    return run.stage("verify", reads=reads, work=work)


def truth(run: Run, given: Given, progress: Progress) -> bool:
    """On the built-in world: send units whose explanation is known through the same search and the same tests."""
    protocol, settings, seed = protocol_of(run), settings_of(run), run.request.seed
    if not is_rendered(run):
        return False

    def work() -> Sequence[str]:
        from conceptx.induction.learn import induce as search
        from conceptx.verification.controls import search_with
        from conceptx.verification.planted import in_numbers, plant, planted_atoms, recovered
        from conceptx.verification.verify import verify as test

        scenes = scenes_of(run)
        learned, images = _induction_scenes(run)
        planted, activations = plant(scenes, planted_atoms(learned), max_length=protocol.max_length, seed=seed)
        found = search(learned, activations.for_images(images).values, settings, progress)
        result = test(
            activations,
            scenes,
            splits_of(run),
            found.to_table(activations.layer, activations.units),
            protocol=protocol,
            seed=seed,
            search=search_with(learned, settings, progress) if protocol.controls else None,
            progress=progress,
        )
        table = recovered(planted, result.summary.units, learned)
        write_parquet(run.path / "planted.parquet", table)
        write_json(run.path / "planted.json", in_numbers(table))
        return ["planted.parquet", "planted.json"]

    reads = {
        "annotate": run.digest_of("annotate"),
        "images": run.digest_of("images"),
        "settings": asdict(settings),
        "protocol": protocol.to_dict(),
        "seed": seed,
    }
    return run.stage("truth", reads=reads, work=work)


def report(run: Run, given: Given, progress: Progress) -> bool:
    """Write the pages, the JSON, the RDF and the CSV files."""

    def work() -> Sequence[str]:
        from conceptx.report import write_report

        inputs = report_input(run, given)
        written = write_report(inputs, run.path / "report", progress, single_file=run.request.single_file)
        return [path.relative_to(run.path).as_posix() for path in written]

    known = ("images", "extract", "annotate", "induce", "verify", *(("truth",) if run.has("truth") else ()))
    reads: dict[str, object] = {stage: run.digest_of(stage) for stage in known}
    reads |= {"request": _shown_request(run), "single_file": run.request.single_file}
    return run.stage("report", reads=reads, work=work)


def report_input(run: Run, given: Given) -> ReportInput:
    """Return everything that the report of a run is made of; its verification has ended well."""
    from conceptx.annotation.sssom import read_sssom
    from conceptx.report import ReportInput

    image_set = image_set_of(run, given)
    layers = layers_of(run)
    return ReportInput(
        request=_shown_request(run),
        images=image_set.images,
        objects=image_set.objects,
        hypotheses=read_parquet(run.path / "hypotheses.parquet", HYPOTHESES),
        verdicts=read_parquet(run.path / "verdicts.parquet", VERDICTS),
        controls=read_parquet(run.path / "controls.parquet", CONTROLS),
        margins=read_parquet(run.path / "margins.parquet", MARGINS),
        activations=layers,
        scenes=scenes_of(run),
        protocol=protocol_of(run).describe(),
        verification=run.summary,
        mapping=read_sssom(run.path / "mapping.sssom.tsv"),
        skipped=layers[0].skipped,
        truth=run.read_json("planted.json") if run.has("truth") else {},
        frontier=run.read_json("induction.json")["frontier"],
        digests={name: run.manifest["inputs"][name] for name in INPUTS if run.manifest["inputs"].get(name)},
        warnings=run.warnings,
        image_set=None if image_set.root is None and given.images is None else image_set,
    )


def comparison_material(run: Run) -> Material:
    """Return what other methods may label the units of a run from, and what their labels are measured on."""
    from conceptx.comparison.of_run import Material

    images = image_set_of(run, Given())
    splits = splits_of(run)
    labels: dict[str, dict[str, None]] = {image: {} for image in splits}
    for image, label in zip(images.objects["image"].to_pylist(), images.objects["label"].to_pylist(), strict=True):
        if image in labels:
            labels[image][label] = None
    hypotheses = read_parquet(run.path / "hypotheses.parquet", HYPOTHESES).to_pylist()
    return Material(
        values={
            (layer.layer, unit): row
            for layer in layers_of(run)
            for unit, row in zip(layer.units, layer.for_images(list(splits)).values, strict=True)
        },
        scenes=scenes_of(run),
        splits=splits,
        proposed={(row["layer"], row["unit"]): row["expression"] for row in hypotheses if row["proposed"]},
        objects=[list(labels[image]) for image in splits],
        images=None if images.root is None else images,
        seed=run.request.seed,
        min_targets=protocol_of(run).min_targets,
    )


def train(run: Run, given: Given, progress: Progress) -> bool:
    """Train the network of the built-in world; a run on another model has nothing to train."""
    if run.request.weights != TRAINED:
        return False
    return run.stage("train", reads=training_read(run), work=lambda: train_world_network(run, progress))


STAGES: Mapping[str, Stage] = {
    "images": images,
    "train": train,
    "extract": extract,
    "annotate": annotate,
    "induce": induce,
    "verify": verify,
    "truth": truth,
    "report": report,
}


# ------------------------------------------------------------------------------------- what stages hand to stages


def start_run(out: Path, request: Request) -> Run:
    """Return the run at `out` for a request that can be carried out; a wrong one leaves the folder as it was."""
    settings_for(request, protocol_for(request, out))
    return Run.create(out, request)


def protocol_of(run: Run) -> Protocol:
    """Return the protocol of a run."""
    return protocol_for(run.request, run.path)


def settings_of(run: Run) -> Settings:
    """Return the settings of a run's search."""
    return settings_for(run.request, protocol_of(run))


def protocol_for(request: Request, folder: Path) -> Protocol:
    """Return the protocol of a request, with the objective and the length that it puts in their place."""
    from conceptx.verification.protocol import load_protocol

    is_file = request.protocol.endswith(".toml")
    protocol = load_protocol(folder / request.protocol if is_file else request.protocol)
    changes: dict[str, Any] = {
        name: value for name in ("objective", "max_length") if (value := getattr(request, name)) is not None
    }
    return replace(protocol, **changes) if changes else protocol


def settings_for(request: Request, protocol: Protocol) -> Settings:
    """Return the settings of the search that the protocol and the request ask for."""
    from conceptx.induction import Settings

    return Settings(
        objective=protocol.objective,
        max_length=protocol.max_length,
        negation=protocol.negation,
        positive_from=protocol.positive_from,
        negative_to=protocol.negative_to,
        image_classes=request.image_classes,
    )


def layers_of(run: Run, untrained: bool = False) -> list[Activations]:
    """Return the activations of the run's layers (or of the untrained network's), memory-mapped."""
    from conceptx.activations.store import open_activations, stored_layers

    folder = run.path / "activations" / ("untrained" if untrained else "")
    wanted = run.request.layers or (TABLE_LAYER,)
    if untrained:
        wanted = tuple(layer for layer in wanted if folder.is_dir() and layer in stored_layers(folder))
    return [open_activations(folder, layer) for layer in wanted]


def hierarchy_of(run: Run) -> Hierarchy:
    """Open the run's compiled hierarchy."""
    from conceptx.ontology import Hierarchy

    return Hierarchy.open(run.path / "hierarchy")


def scenes_of(run: Run) -> Scenes:
    """Return the scenes of all images that have activations."""
    from conceptx.annotation.scenes import build_scenes
    from conceptx.annotation.sssom import read_sssom

    mapping = read_sssom(run.path / "mapping.sssom.tsv")
    scenes, _ = build_scenes(image_set_of(run, Given()), mapping, hierarchy_of(run))
    return scenes.subset(list(splits_of(run)))


def splits_of(run: Run) -> dict[str, str]:
    """Return the split of every image that has activations, in the order of `images.parquet`."""
    known = set(layers_of(run)[0].images)
    table = image_set_of(run, Given()).images
    pairs = zip(table["image"].to_pylist(), table["split"].to_pylist(), strict=True)
    return {image: split for image, split in pairs if image in known}


def _induction_scenes(run: Run) -> tuple[Scenes, list[str]]:
    images = [image for image, split in splits_of(run).items() if split == "induction"]
    return scenes_of(run).subset(images), images


def _search(run: Run, progress: Progress) -> Search:
    """Return the run's own search, for control units."""
    from conceptx.verification.controls import search_with

    scenes, _ = _induction_scenes(run)
    return search_with(scenes, settings_of(run), progress)


def _kept(run: Run, stage: str) -> bool:
    """Accept what a stage made of an object that is not at hand any more; tell that it had nothing to do."""
    if not run.keeps(stage):
        what = f"the stage {stage!r} needs the objects that the run was made from"
        raise InputError(str(run.path), what, "call conceptx.explain with them again; it goes on where it was")
    return False


def _source_digest(source: Path) -> str:
    """Return the digest of an ontology file, or of the header of a compiled hierarchy (which has all checksums)."""
    if source.is_dir():
        headers = sorted(source.glob("*.json"))
        return digest_json({path.name: digest_file(path) for path in headers})
    if not source.is_file():
        raise InputError(str(source), "there is no such ontology", "check the path")
    return digest_file(source)


def _shown_request(run: Run) -> dict[str, object]:
    """Return the request for the report: without the folders of this machine."""
    shown = asdict(run.request)
    del shown["single_file"]
    for name in ("activations", "labels", "ontology", "weights", "protocol"):
        if isinstance(shown[name], str):
            shown[name] = Path(shown[name]).name
    if isinstance(shown["images"], str) and ":" in shown["images"]:
        kind, location = shown["images"].split(":", 1)
        shown["images"] = f"{kind}:{Path(location).name}"
    return {name: value for name, value in shown.items() if value is not None}
