"""The public functions: `explain` for the whole job, one function a stage, and `demo`.

They have the names and the defaults of the command line, and return a `Run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptx.errors import InputError
from conceptx.inputs import Given, named_ontology
from conceptx.pipeline import run_stages, start_run
from conceptx.progress import Progress, bar, silent
from conceptx.request import BUILT_IN_WORLD, GIVEN, TRAINED, Request, with_paths
from conceptx.run import Run

if TYPE_CHECKING:
    import torch

    from conceptx.activations.preprocess import Preprocess
    from conceptx.images.dataset import ImageSet
    from conceptx.verification.results import Verification


def explain(
    model: torch.nn.Module | str | None = None,
    *,
    layer: str | Sequence[str] = (),
    images: ImageSet | str | None = None,
    ontology: str | Path | None = None,
    out: str | Path = "conceptx-run",
    preprocess: Preprocess | None = None,
    activations: str | Path | None = None,
    labels: str | Path | None = None,
    progress: Progress = bar,
    **settings: Any,
) -> Run:
    """Explain the units of a layer and return the run, in the folder `out`; what is there already is not done again.

    `model` is a torch module (then `preprocess` says how images become its input) or a name as on the command line;
    `images` an `ImageSet` or ``kind:path``. In place of both, `activations` and `labels` are tables. `settings` are the
    other fields of `Request`: protocol, objective, max_length, image_classes, weights, reduction, max_bad, seed.
    """
    try:
        request = Request(
            model=model if isinstance(model, str) or model is None else f"{GIVEN}:{type(model).__name__}",
            layers=(layer,) if isinstance(layer, str) else tuple(layer),
            images=images if isinstance(images, str) or images is None else f"{GIVEN}:{images.name}",
            activations=None if activations is None else str(activations),
            labels=None if labels is None else str(labels),
            ontology=None if ontology is None else str(ontology),
            **settings,
        )
    except TypeError as error:
        raise InputError("explain", str(error), "see the fields of conceptx.Request") from error
    given = Given(
        model=None if isinstance(model, str) else model,
        preprocess=preprocess,
        images=None if isinstance(images, str) else images,
    )
    out = Path(out)
    with start_run(out, with_paths(request, Path.cwd(), out)) as run:
        run_stages(run, given=given, progress=progress)
    return run


def demo(out: str | Path = "conceptx-demo", *, seed: int = 0, images: int = 3000, progress: Progress = bar) -> Run:
    """Do the whole job on the built-in world: render the images, train a small network, explain its 64 units."""
    return explain(
        "world-cnn",
        layer="fc",
        images=f"rendered:count={images}",
        ontology=BUILT_IN_WORLD,
        out=out,
        weights=TRAINED,
        seed=seed,
        progress=progress,
    )


def extract(run: Run | str | Path, *, progress: Progress = bar) -> Run:
    """Bring a run up to date as far as its activations."""
    return _upto(run, "extract", progress)


def annotate(run: Run | str | Path, *, progress: Progress = bar) -> Run:
    """Bring a run up to date as far as its hierarchy and mapping."""
    return _upto(run, "annotate", progress)


def induce(run: Run | str | Path, *, progress: Progress = bar) -> Run:
    """Bring a run up to date as far as its hypotheses."""
    return _upto(run, "induce", progress)


def verify(run: Run | str | Path, *, progress: Progress = bar) -> Run:
    """Bring a run up to date as far as its verdicts."""
    return _upto(run, "verify", progress)


def write_report(run: Run | str | Path, *, progress: Progress = bar) -> Run:
    """Bring a run up to date, its report included."""
    return _upto(run, "report", progress)


def verify_tables(
    activations: str | Path,
    labels: str | Path,
    hypotheses: str | Path,
    *,
    ontology: str | Path | None = None,
    protocol: str | Path = "conceptx",
    seed: int = 0,
    progress: Progress = silent,
) -> Verification:
    """Test the hypotheses of a table on the activations and labels of two others; no run folder is made."""
    from dataclasses import replace

    from conceptx.ontology import open_ontology
    from conceptx.tables import read_activations, read_hypotheses, read_labels
    from conceptx.verification.own_tables import labels_as_classes
    from conceptx.verification.own_tables import verify_tables as test

    values, marks, claims = (
        read_activations(Path(activations)),
        read_labels(Path(labels)),
        read_hypotheses(Path(hypotheses)),
    )
    scenes = None
    warnings: list[str] = []
    if ontology is not None:
        hierarchy = open_ontology(named_ontology(str(ontology), Path.cwd()))
        hierarchy.verify()
        scenes, warnings = labels_as_classes(marks, hierarchy, values.images)
    found = test(values, marks, claims, protocol=protocol, seed=seed, scenes=scenes, progress=progress)
    return replace(found, warnings=tuple(warnings))


def _upto(run: Run | str | Path, stage: str, progress: Progress) -> Run:
    opened = run if isinstance(run, Run) else Run.open(Path(run))
    with opened:
        run_stages(opened, upto=stage, progress=progress)
    return opened
