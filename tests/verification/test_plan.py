from __future__ import annotations

import json

import pytest

from conceptx.errors import InputError
from conceptx.expressions import to_manchester
from conceptx.files import json_ready
from conceptx.tables import IMAGES, from_rows
from conceptx.verification.controls import Candidate
from conceptx.verification.plan import check_duplicates, make_plan, proof, read_plan
from conceptx.verification.protocol import Protocol
from conceptx.verification.verify import verify
from tests.verification.test_verify import FAST, mixed
from tests.verification.worlds import World, table_of, world


@pytest.fixture(scope="module")
def small() -> World:
    return world(1, (300, 150, 150))


def plan_of(w: World, hypotheses, protocol: Protocol = FAST, **changes) -> dict:
    facts = {"seed": 0, "annotations": w.scenes.digest, "activations": "sha256 of the files", "n_searched": 100}
    splits = changes.pop("splits", w.splits)
    return json.loads(json.dumps(json_ready(make_plan(hypotheses, splits, protocol, **{**facts, **changes}))))


def test_what_was_tested_is_what_was_planned(small: World) -> None:
    layer = small.layer(mixed(small))
    hypotheses = small.hypotheses(layer)
    plan = plan_of(small, hypotheses)
    assert plan == read_plan(plan, "plan.json")
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    shown = proof(plan, plan_of(small, hypotheses), found.verdicts)
    assert shown["matched"] and not shown["differs"] and shown["digest"] == plan["digest"]
    assert shown["tested"] == found.summary.n_tests
    assert all(shown["tested"][split] <= shown["planned"][split] for split in shown["tested"])
    assert plan["tests"] == {"evaluation": 20, "verification": 4}


def test_the_proposed_hypothesis_and_the_next_best_are_planned(small: World) -> None:
    layer = small.layer(mixed(small)[:1])
    candidates = [Candidate(e, 1 - i / 10, i == 3) for i, e in enumerate(small.expressions[:8])]
    plan = plan_of(small, table_of(layer, [candidates]), Protocol(name="two", candidates=2))
    assert plan["hypotheses"]["units"][0]["tested"] == [to_manchester(small.expressions[i]) for i in (3, 0)]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("seed", {"seed": 1}),
        ("annotations", {"annotations": "other"}),
        ("activations", {"activations": "other"}),
        ("protocol", {"protocol": Protocol(name="fast", n_controls=20, alpha=0.06)}),
    ],
)
def test_every_difference_is_named(small: World, name: str, change: dict) -> None:
    layer = small.layer(mixed(small))
    hypotheses = small.hypotheses(layer)
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    shown = proof(plan_of(small, hypotheses, **change), plan_of(small, hypotheses), found.verdicts)
    assert not shown["matched"] and shown["differs"] == [name]


def test_other_splits_and_other_hypotheses_show(small: World) -> None:
    layer = small.layer(mixed(small))
    hypotheses = small.hypotheses(layer)
    found = verify(layer, small.scenes, small.splits, hypotheses, protocol=FAST, search=small.search())
    moved = {**small.splits, next(iter(small.splits)): "verification"}
    assert proof(plan_of(small, hypotheses, splits=moved), plan_of(small, hypotheses), found.verdicts)["differs"] == [
        "splits"
    ]
    other = plan_of(small, table_of(layer, [[Candidate(small.expressions[40], 0.9)]] + [[]] * 4))
    differs = proof(other, other, found.verdicts)["differs"]
    assert any(text.startswith("unit '0' of layer 'fc' was tested with contains some") for text in differs)
    assert "more tests on evaluation than planned" in differs


def test_a_changed_plan_is_refused(small: World) -> None:
    plan = plan_of(small, small.hypotheses(small.layer(mixed(small))))
    with pytest.raises(InputError, match=r"plan.json: the plan's digest is not that of its content"):
        read_plan({**plan, "seed": 5}, "plan.json")
    with pytest.raises(InputError, match="not a plan of this version"):
        read_plan({"format": 0}, "plan.json")


def test_one_picture_in_two_splits_is_refused() -> None:
    rows = [
        {"image": "a.jpg", "sha256": "1", "split": "induction"},
        {"image": "b.jpg", "sha256": "2", "split": "evaluation"},
        {"image": "c.jpg", "sha256": None, "split": "evaluation"},
    ]
    check_duplicates(from_rows(rows, IMAGES))
    rows.append({"image": "d.jpg", "sha256": "1", "split": "verification"})
    with pytest.raises(InputError, match=r"'d\.jpg' is in verification and is the same picture as 'a\.jpg', which"):
        check_duplicates(from_rows(rows, IMAGES))
