"""The whole way from a file to scores, against a second reading that shares no code with the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conceptx.induction.individuals.knowledge import load
from conceptx.induction.individuals.scoring import read_expressions, score
from tests.induction.individuals.plain import NS, Base, manchester


@pytest.mark.parametrize("seed", range(15))
def test_scores_are_those_of_plain_sets(tmp_path: Path, seed: int) -> None:
    base = Base(seed)
    path = tmp_path / f"base{('.ttl', '.nt', '.owl')[seed % 3]}"
    base.graph.serialize(str(path), format=("turtle", "nt11", "xml")[seed % 3], encoding="utf-8")
    expressions = [base.expression(depth % 4) for depth in range(24)]
    (tmp_path / "scores.txt").write_text("".join(f"{manchester(e)}\n" for e in expressions), encoding="utf-8")
    kb = load(path)
    given = read_expressions(tmp_path / "scores.txt", kb)
    everyone = sorted(set(base.same.values()))
    base.draw.shuffle(everyone)
    cut = base.draw.randint(1, len(everyone) - 1)
    sides = [[kb.by_iri[NS + i] for i in side] for side in (everyone[:cut], everyone[cut:])]
    learned, order = score(kb, *sides, [e for _, e in given], "f1")
    for solution, at in zip(learned.solutions, order, strict=True):
        wanted = base.holds(expressions[at])
        tp, fp = (len(wanted & set(side)) for side in (everyone[:cut], everyone[cut:]))
        assert solution.counts == (tp, fp, cut - tp, len(everyone) - cut - fp), manchester(expressions[at])
        assert solution.f1 == pytest.approx(2 * tp / (tp + fp + cut))
        assert solution.coverage == pytest.approx((tp + len(everyone) - cut - fp) / len(everyone))
        assert solution.size == len(wanted) == np.count_nonzero(kb.holds(solution.expression))
