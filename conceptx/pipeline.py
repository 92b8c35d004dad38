"""The stages of a run in order: images, train (the demo's network), extract, annotate, induce, plan, verify, truth,
report.

`start_run` makes a run or takes it up again, `run_stages` brings it up to date. Each stage reads artefacts of the run
folder and writes artefacts; it works only when what it reads has changed (see `Run.stage`), so a stopped run goes on
where it was. How a stage does its work is in its room; how it meets the run folder is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptx.artefacts import (
    induction_scenes,
    layers_of,
    protocol_for,
    protocol_of,
    report_input,
    scenes_of,
    settings_for,
    settings_of,
    shown_request,
    splits_of,
)
from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.files import digest_file, digest_json, write_json
from conceptx.inputs import (
    Given,
    brightness_of_run,
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
from conceptx.request import TRAINED, Request
from conceptx.run import Run
from conceptx.tables import HYPOTHESES, read_parquet, write_parquet

if TYPE_CHECKING:
    from conceptx.annotation.scenes import Scenes
    from conceptx.induction import Induction
    from conceptx.verification.controls import Search
    from conceptx.verification.protocol import Protocol

Stage = Callable[[Run, Given, Progress], bool]


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

    reads = _reads(run, "images", {}, lambda: images_read(run, given))
    return reads is not None and run.stage("images", reads=reads, work=work)


def extract(run: Run, given: Given, progress: Progress) -> bool:
    """Write the activations of each layer, and those of the untrained network beside them."""
    if given.model is None and was_given(run.request.model):
        return _kept(run, "extract")
    reads = _reads(run, "extract", {"images": run.digest_of("images")}, lambda: model_read(run, given))
    return reads is not None and run.stage("extract", reads=reads, work=lambda: extract_layers(run, given, progress))


def annotate(run: Run, given: Given, progress: Progress) -> bool:
    """Compile the hierarchy and map the labels to its classes; what a person decided in the mapping is kept."""
    source = ontology_source(run)
    known: dict[str, object] = {"images": run.digest_of("images"), "sentences": run.request.sentences}
    reads = _reads(run, "annotate", known, lambda: {"ontology": None if source is None else _source_digest(source)})
    return reads is not None and run.stage("annotate", reads=reads, work=lambda: map_labels_of(run, progress))


def induce(run: Run, given: Given, progress: Progress) -> bool:
    """Search the expressions that describe what fires each unit, on the images of the induction split."""
    protocol, settings = protocol_of(run), settings_of(run)

    def work() -> Sequence[str]:
        import pyarrow as pa

        from conceptx.induction import induce

        search: Callable[..., Induction] = induce
        scenes, images = induction_scenes(run)
        if run.request.cluster is not None:
            from conceptx.cluster import Cluster, induce_on_cluster

            search = partial(induce_on_cluster, cluster=Cluster(run.request.cluster))
        found = [
            (layer, search(scenes, layer.for_images(images).values, settings, progress=progress))
            for layer in layers_of(run)
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
        "settings": asdict(replace(settings, device=None)),
        "protocol": protocol.to_dict(),
    }
    return run.stage("induce", reads=reads, work=work)


def judge(run: Run, given: Given, progress: Progress) -> bool:
    """On request: let HermiT say for a sample of the images whether the proposed expressions hold, Whelk for all."""
    if not run.request.reasoner:
        return False
    from conceptx.ontology.whelk import is_installed

    def work() -> Sequence[str]:
        from conceptx.expressions import parse
        from conceptx.verification.reasoned import check_with_reasoner
        from conceptx.verification.whole import check_whole

        rows = read_parquet(run.path / "hypotheses.parquet", HYPOTHESES).to_pylist()
        proposed = dict.fromkeys(row["expression"] for row in rows if row["proposed"])
        found: dict[str, object] = {}
        if proposed:
            scenes, expressions = scenes_of(run), [parse(text) for text in proposed]
            check = check_with_reasoner(scenes, expressions, seed=run.request.seed, seconds=120, progress=progress)
            whole = check_whole(scenes, expressions)
            said = [check.sentence()] + ([] if whole is None else [whole.sentence()])
            found = {
                **check.to_dict(),
                "whole": None if whole is None else whole.to_dict(),
                "sentence": "; ".join(said),
            }
        write_json(run.path / "reasoner.json", found)
        return ["reasoner.json"]

    reads = {"induce": run.digest_of("induce"), "seed": run.request.seed, "whelk": is_installed()}
    return run.stage("judge", reads=reads, work=work)


def plan(run: Run, given: Given, progress: Progress) -> bool:
    """Write down what will be tested; no activation of a held-out image is looked at."""
    protocol = protocol_of(run)

    def work() -> Sequence[str]:
        from conceptx.verification.plan import check_duplicates

        check_duplicates(image_set_of(run, given).images)
        write_json(run.path / "plan.json", _plan_of(run, protocol, scenes_of(run)))
        return ["plan.json"]

    stages = ("images", "extract", "annotate", "induce")
    reads = {stage: run.digest_of(stage) for stage in stages}
    return run.stage("plan", reads={**reads, "protocol": protocol.to_dict(), "seed": run.request.seed}, work=work)


def _plan_of(run: Run, protocol: Protocol, scenes: Scenes) -> dict[str, Any]:
    """Return the plan of what the run's artefacts ask to be tested."""
    from conceptx.verification.plan import make_plan

    return make_plan(
        read_parquet(run.path / "hypotheses.parquet", HYPOTHESES),
        splits_of(run),
        protocol,
        seed=run.request.seed,
        annotations=scenes.digest,
        activations=run.digest_of("extract"),
        n_searched=sum(run.read_json("induction.json")["tried"].values()),
    )


def verify(run: Run, given: Given, progress: Progress) -> bool:
    """Test the hypotheses on held-out images, beside control units that go through the same search."""
    protocol = protocol_of(run)

    def work() -> Sequence[str]:
        from conceptx.verification.plan import proof, read_plan
        from conceptx.verification.supplement import supplement
        from conceptx.verification.verify import verify as test

        planned = read_plan(run.read_json("plan.json"), str(run.path / "plan.json"))
        scenes = scenes_of(run)
        layers, splits, seed = layers_of(run), splits_of(run), run.request.seed
        hypotheses = read_parquet(run.path / "hypotheses.parquet", HYPOTHESES)
        brightness = brightness_of_run(run)
        result = test(
            layers,
            scenes,
            splits,
            hypotheses,
            protocol=protocol,
            seed=seed,
            search=_search(run, progress) if protocol.controls else None,
            untrained=layers_of(run, untrained=True),
            brightness=brightness,
            n_searched=sum(run.read_json("induction.json")["tried"].values()),
            progress=progress,
        )
        beside = supplement(
            layers,
            scenes,
            splits,
            hypotheses,
            result.verdicts,
            protocol=protocol,
            seed=seed,
            brightness=brightness,
            progress=progress,
        )
        tables = {"verdicts": result.verdicts, "controls": result.controls, "margins": result.margins, **beside.tables}
        for name, table in tables.items():
            write_parquet(run.path / f"{name}.parquet", table)
        shown = proof(planned, _plan_of(run, protocol, scenes), result.verdicts)
        summary = {**result.summary.to_dict(), "plan": shown, "beside": beside.numbers}
        write_json(run.path / "verification.json", summary)
        return [*(f"{name}.parquet" for name in tables), "verification.json"]

    reads = {
        "induce": run.digest_of("induce"),
        "plan": run.digest_of("plan"),
        "protocol": protocol.to_dict(),
        "seed": run.request.seed,
    }
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
        learned, images = induction_scenes(run)
        planted, activations = plant(scenes, planted_atoms(learned), max_length=protocol.max_length, seed=seed)
        found = search(learned, activations.for_images(images).values, settings, progress)
        result = test(
            activations,
            scenes,
            splits_of(run),
            found.to_table(activations.layer, activations.units),
            protocol=replace(protocol, n_directions=0),
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
        "settings": asdict(replace(settings, device=None)),
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

    known = ["images", "extract", "annotate", "induce", "plan", "verify"]
    known += [stage for stage in ("judge", "truth") if run.has(stage)]
    reads: dict[str, object] = {stage: run.digest_of(stage) for stage in known}
    reads |= {"request": shown_request(run), "single_file": run.request.single_file}
    return run.stage("report", reads=reads, work=work)


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
    "judge": judge,
    "plan": plan,
    "verify": verify,
    "truth": truth,
    "report": report,
}


def start_run(out: Path, request: Request) -> Run:
    """Return the run at `out` for a request that can be carried out; a wrong one leaves the folder as it was."""
    settings_for(request, protocol_for(request, out))
    if request.cluster is not None:
        from conceptx.cluster import Cluster

        Cluster(request.cluster, blocks=request.blocks)
    return Run.create(out, request)


def _search(run: Run, progress: Progress) -> Search:
    """Return the run's own search, for control units."""
    from conceptx.verification.controls import search_with

    scenes, _ = induction_scenes(run)
    return search_with(scenes, settings_of(run), progress)


def _reads(
    run: Run, stage: str, known: dict[str, object], outside: Callable[[], dict[str, object]]
) -> dict[str, object] | None:
    """Return what a stage depends on, in the run (`known`) and outside of it.

    None where what is outside cannot be read any more, although the run was asked for nothing else since the stage
    ended well: then what the stage made of it stands.
    """
    try:
        return known | outside()
    except InputError:
        made_from = run.manifest.get("stages", {}).get(stage, {}).get("inputs", {})
        if run.is_as_asked and run.keeps(stage) and known.items() <= made_from.items():
            return None
        raise


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
