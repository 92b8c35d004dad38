"""Pre-registration: what will be tested, written down before any held-out activation is looked at.

`make_plan` needs the hypotheses, the names of the images of each split, the rules and digests, and no activation of a
held-out image. `proof` says afterwards, by digests, that just this was tested. Whoever publishes the plan's digest
before the verification can show that nothing was chosen in the light of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conceptx.errors import InputError
from conceptx.files import digest_json
from conceptx.tables import SPLITS
from conceptx.verification.protocol import Protocol

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
_DIGESTED = ("protocol", "splits", "hypotheses", "annotations", "activations", "seed")


def make_plan(
    hypotheses: pa.Table,
    splits: Mapping[str, str],
    protocol: Protocol,
    *,
    seed: int,
    annotations: str,
    activations: str,
    n_searched: int | None = None,
) -> dict[str, Any]:
    """Return the plan as plain data.

    `annotations` is the digest of the scenes, `activations` the one that the extraction recorded of its files. `tests`
    says how many p-values there can be at most on either split; `n_searched` how many expressions the search looked
    at. The plan's own `digest` is over all the rest.
    """
    planned: dict[tuple[str, str], list[tuple[bool, int, str]]] = {}
    columns = (hypotheses[name].to_pylist() for name in ("layer", "unit", "rank", "expression", "proposed"))
    for layer, unit, rank, expression, proposed in zip(*columns, strict=True):
        planned.setdefault((layer, unit), []).append((not proposed, rank, expression))
    units = [
        {"layer": layer, "unit": unit, "tested": [text for *_, text in sorted(found)[: protocol.candidates]]}
        for (layer, unit), found in planned.items()
    ]
    images = {split: [image for image, of in splits.items() if of == split] for split in SPLITS}
    plan: dict[str, Any] = {
        "format": FORMAT,
        "protocol": protocol.to_dict(),
        "words": protocol.describe(),
        "seed": seed,
        "splits": {split: {"images": len(found), "digest": digest_json(found)} for split, found in images.items()},
        "annotations": annotations,
        "activations": activations,
        "hypotheses": {"digest": digest_json(units), "units": units},
        "tests": {"evaluation": sum(len(u["tested"]) for u in units), "verification": len(units)},
        "n_searched": n_searched,
    }
    return {**plan, "digest": digest_json(plan)}


def read_plan(plan: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a plan whose digest is that of its content, or raise an InputError."""
    found = dict(plan)
    if found.get("format") != FORMAT or not set(_DIGESTED) <= set(found):
        raise InputError(where, "this is not a plan of this version", "write it again with conceptx explain --plan")
    digest = digest_json({key: value for key, value in found.items() if key != "digest"})
    if found.get("digest") != digest:
        raise InputError(where, "the plan's digest is not that of its content", "take the plan as it was written")
    return found


def proof(plan: Mapping[str, Any], tested: Mapping[str, Any], verdicts: pa.Table) -> dict[str, Any]:
    """Return what the verification can show: that `tested`, a plan made of what it used, is the plan written before.

    Every row of the verdicts on a held-out split must be of a planned hypothesis. `matched` is true if all digests are
    equal and no other hypothesis was tested; `differs` names what is not.
    """
    differs = [name for name in _DIGESTED if digest_json(plan[name]) != digest_json(tested[name])]
    planned = {(u["layer"], u["unit"], text) for u in plan["hypotheses"]["units"] for text in u["tested"]}
    columns = (verdicts[name].to_pylist() for name in ("layer", "unit", "expression", "split", "p"))
    n_tests = {"evaluation": 0, "verification": 0}
    for layer, unit, expression, split, p in zip(*columns, strict=True):
        if split not in n_tests:
            continue
        n_tests[split] += p is not None
        if (layer, unit, expression) not in planned:
            differs.append(f"unit {unit!r} of layer {layer!r} was tested with {expression}")
    differs += [f"more tests on {split} than planned" for split, n in n_tests.items() if n > plan["tests"][split]]
    return {
        "digest": plan["digest"],
        "matched": not differs,
        "differs": differs,
        "checked": list(_DIGESTED),
        "planned": dict(plan["tests"]),
        "tested": n_tests,
    }


def check_duplicates(images: pa.Table) -> None:
    """Raise an InputError if one picture (equal bytes) is in two splits: it would be tested on what it taught."""
    seen: dict[str, tuple[str, str]] = {}
    columns = (images[name].to_pylist() for name in ("image", "sha256", "split"))
    for image, digest, split in zip(*columns, strict=True):
        if digest is None or split is None:
            continue
        first, other = seen.setdefault(digest, (image, split))
        if other != split:
            what = f"image {image!r} is in {split} and is the same picture as {first!r}, which is in {other}"
            raise InputError("splits", what, "put both into one split, or remove one")
