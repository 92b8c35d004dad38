"""What stages hand to stages, and to whoever asks about a run: its artefacts, opened.

`layers_of`, `scenes_of`, `splits_of`, `hierarchy_of` and `protocol_of` open one thing each; `report_input` and
`comparison_material` gather what the report and the comparison are made of; `verify_on_bank` tests a run's hypotheses
on images that somebody gathered since.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptx.errors import InputError
from conceptx.inputs import Given, image_set_of, model_of, recorded_layers, was_given
from conceptx.progress import Progress, silent
from conceptx.request import Request
from conceptx.run import Run
from conceptx.tables import CONTROLS, HYPOTHESES, MARGINS, VERDICTS, read_parquet

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from conceptx.activations.preprocess import Preprocess
    from conceptx.activations.store import Activations
    from conceptx.annotation.scenes import Scenes
    from conceptx.comparison.of_run import Material
    from conceptx.induction import Settings
    from conceptx.ontology.hierarchy import Hierarchy
    from conceptx.report import ReportInput
    from conceptx.verification.protocol import Protocol
    from conceptx.verification.results import Verification

INPUTS = ("images", "ontology", "weights")
"""What a run was made from, as far as the manifest has digests of it."""


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
        search=request.search,
        seconds=request.seconds,
        # other accelerators do not multiply numbers of 64 bits
        device=request.device if (request.device or "").startswith("cuda") else None,
    )


def layers_of(run: Run, untrained: bool = False) -> list[Activations]:
    """Return the activations of the run's layers (or of the untrained network's), memory-mapped."""
    from conceptx.activations.store import open_activations, stored_layers

    folder = run.path / "activations" / ("untrained" if untrained else "")
    wanted = recorded_layers(run)
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


def induction_scenes(run: Run) -> tuple[Scenes, list[str]]:
    """Return the scenes of the images that the search may look at, and these images."""
    images = [image for image, split in splits_of(run).items() if split == "induction"]
    return scenes_of(run).subset(images), images


def shown_request(run: Run) -> dict[str, object]:
    """Return the request for the report: without the folders of this machine."""
    shown = asdict(run.request)
    for name in ("single_file", "device", "cluster", "blocks"):
        del shown[name]
    if run.request.model is not None and not was_given(run.request.model):
        from conceptx.activations.naming import model_file, with_location

        file = model_file(run.request.model)
        if file is not None:
            shown["model"] = with_location(run.request.model, Path(file).name)
    for name in ("activations", "labels", "ontology", "weights", "protocol"):
        if isinstance(shown[name], str):
            shown[name] = Path(shown[name]).name
    if isinstance(shown["images"], str) and ":" in shown["images"]:
        kind, location = shown["images"].split(":", 1)
        shown["images"] = f"{kind}:{Path(location).name}"
    return {name: value for name, value in shown.items() if value is not None}


def report_input(run: Run, given: Given) -> ReportInput:
    """Return everything that the report of a run is made of; its verification has ended well."""
    from conceptx.annotation.sssom import read_sssom
    from conceptx.report import ReportInput

    image_set = image_set_of(run, given)
    layers = layers_of(run)
    beside, missing = _beside(run)
    plan: dict[str, Any] = {}
    try:
        plan = run.read_json("plan.json")
    except InputError:
        missing.append("plan.json: there is none that can be read, so what was planned cannot be shown")
    if given.images is None and image_set.root is not None and not image_set.root.is_dir():
        missing.append("pictures: the folder that they were read from is gone, so none is shown")
    return ReportInput(
        request=shown_request(run),
        images=image_set.images,
        objects=image_set.objects,
        hypotheses=read_parquet(run.path / "hypotheses.parquet", HYPOTHESES),
        verdicts=read_parquet(run.path / "verdicts.parquet", VERDICTS),
        controls=read_parquet(run.path / "controls.parquet", CONTROLS),
        margins=read_parquet(run.path / "margins.parquet", MARGINS),
        activations=layers,
        scenes=scenes_of(run),
        protocol=[*protocol_of(run).describe(), *settings_of(run).describe(), *_judged(run)],
        verification=run.summary,
        mapping=read_sssom(run.path / "mapping.sssom.tsv"),
        skipped=layers[0].skipped,
        truth=run.read_json("planted.json") if run.has("truth") else {},
        frontier=run.read_json("induction.json")["frontier"],
        digests={name: run.manifest["inputs"][name] for name in INPUTS if run.manifest["inputs"].get(name)},
        warnings=run.warnings,
        image_set=None if image_set.root is None and given.images is None else image_set,
        beside=beside,
        plan=plan,
        plan_was_read=_plan_was_read(run),
        missing=missing,
    )


def _judged(run: Run) -> list[str]:
    """Return what the OWL reasoner said, where it was asked."""
    said = run.read_json("reasoner.json").get("sentence") if run.request.reasoner and run.has("judge") else None
    return [said] if isinstance(said, str) else []


def _beside(run: Run) -> tuple[dict[str, pa.Table], list[str]]:
    """Return the tables beside the verdicts, and what is missing of them: an earlier version did not write them."""
    from conceptx.report.beside import TABLES, unusable

    found: dict[str, pa.Table] = {}
    missing = []
    for name, schema in TABLES.items():
        try:
            table = read_parquet(run.path / f"{name}.parquet", schema)
            why = unusable(name, table)
        except InputError as error:
            why = error.what
        if why:
            missing.append(f"{name}.parquet: {why}; conceptx verify writes it")
        else:
            found[name] = table
    return found, missing


def _plan_was_read(run: Run) -> bool:
    """Tell whether the record of the verification names the plan that lies in the run as what it read."""
    read = run.manifest.get("stages", {}).get("verify", {}).get("inputs", {})
    return run.has("plan") and run.keeps("plan") and read.get("plan") == run.digest_of("plan")


def comparison_material(run: Run) -> Material:
    """Return what other methods may label the units of a run from, and what their labels are measured on."""
    from conceptx.comparison.masks import masks_of
    from conceptx.comparison.of_run import Material

    run.require("images", "extract", "annotate", "induce")
    images = image_set_of(run, Given())
    splits, layers = splits_of(run), layers_of(run)
    labels: dict[str, dict[str, None]] = {image: {} for image in splits}
    for image, label in zip(images.objects["image"].to_pylist(), images.objects["label"].to_pylist(), strict=True):
        if image in labels:
            labels[image][label] = None
    hypotheses = read_parquet(run.path / "hypotheses.parquet", HYPOTHESES).to_pylist()
    by_name = run.request.model is not None and not was_given(run.request.model)
    spec = None if run.request.labels is not None or was_given(run.request.images) else run.request.images
    kind, _, location = (spec or "").partition(":")
    return Material(
        values={
            (layer.layer, unit): row
            for layer in layers
            for unit, row in zip(layer.units, layer.for_images(list(splits)).values, strict=True)
        },
        scenes=scenes_of(run),
        splits=splits,
        proposed={(row["layer"], row["unit"]): row["expression"] for row in hypotheses if row["proposed"]},
        objects=[list(labels[image]) for image in splits],
        images=None if images.root is None else images,
        network=(lambda: _recorded_network(run, layers[0])) if by_name else None,
        masks=masks_of(f"{kind}:{run.resolve(location)}", images) if kind else None,
        seed=run.request.seed,
        min_targets=protocol_of(run).min_targets,
    )


def _recorded_network(run: Run, layer: Activations) -> tuple[torch.nn.Module, Preprocess]:
    """Return the run's network, where it is still the one that the activations are of, and their preprocessing."""
    from conceptx.activations.forward import checked_device
    from conceptx.activations.models import model_digest
    from conceptx.activations.preprocess import Preprocess

    model, _ = model_of(run, Given())
    if model_digest(model) != run.manifest["inputs"].get("weights"):
        what = "the network is not the one any more that the activations were recorded with"
        raise InputError(str(run.path), what, f"run conceptx explain {run.path}/run.toml")
    recorded = {name: value for name, value in layer.meta["preprocess"].items() if value is not None}
    return model.to(checked_device(run.request.device, model)), Preprocess.from_table(recorded)


def verify_on_bank(run: Run, folder: Path, *, seed: int | None = None, progress: Progress = silent) -> Verification:
    """Test a run's judged hypotheses on new images (see `conceptx.verification.bank`); the run stays as it is."""
    from conceptx.annotation.sssom import read_sssom
    from conceptx.expressions import parse
    from conceptx.verification.bank import bank_activations, read_bank, verify_bank

    if run.request.model is None:
        raise InputError(str(run.path), "the run has no network, only tables", "test a run that was made with --model")
    run.require("extract", "annotate", "verify")
    model, preprocess = model_of(run, Given())
    seed = run.request.seed if seed is None else seed
    bank = read_bank(folder, seed=seed, progress=progress)
    activations = bank_activations(
        model,
        recorded_layers(run),
        bank,
        preprocess=preprocess,
        reduction=run.request.reduction,
        max_bad=run.request.max_bad,
        progress=progress,
    )
    judged = {
        (unit["layer"], unit["unit"]): parse(unit["expression"])
        for unit in run.summary["units"]
        if unit["expression"] is not None and unit["verdict"] != "unexplained"
    }
    return verify_bank(
        activations,
        bank,
        judged,
        hierarchy_of(run),
        protocol=protocol_of(run),
        mapping=read_sssom(run.path / "mapping.sssom.tsv"),
        seed=seed,
        progress=progress,
    )
