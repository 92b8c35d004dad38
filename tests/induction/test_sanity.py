"""The two sanity checks of NeuronEval (arXiv 2506.05774) on simulated concepts, with the published protocol.

A unit is ideal: it is 1 where its concept is, else 0, for concepts of the published frequencies. Missing labels: each
label of the concept is removed with chance 1/2. Extra labels: as many false ones are added in expectation. A score
notices a change when it falls by more than 0.001 of its range; it passes a check when it notices in more than 90 % of
the draws at every frequency, and passes when it passes both. The verdicts follow from the numbers alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from conceptx.induction import scores
from conceptx.induction.scores import Bools, Floats, count

FREQUENCIES = (0.499, 0.1, 0.01, 0.001, 0.0001)
EPSILON, NOTICED = 0.001, 0.9

Score = Callable[[Floats, Bools, np.random.Generator], float]


def on_counts(measure: Callable[[scores.Counts], float]) -> Score:
    return lambda values, labels, rng: measure(count(labels, values > 0))


def on_values(measure: Callable[[Floats, Bools], float]) -> Score:
    return lambda values, labels, rng: measure(values, labels)


def turned(measure: Callable[[Floats, Bools], float]) -> Score:
    """Take the firing unit as the truth and the labels as the ranking."""
    return lambda values, labels, rng: measure(labels.astype(np.float64), values > 0)


def spearman_as_published(values: Floats, labels: Bools, rng: np.random.Generator) -> float:
    """Pearson's correlation of the ranks of both, ties in an order by chance, as NeuronEval's program has it."""

    def ranks(x: Floats) -> Floats:
        return np.argsort(np.lexsort((rng.random(x.size), x))).astype(np.float64)

    return float(np.corrcoef(ranks(values), ranks(labels.astype(np.float64)))[0, 1])


# A score, the span of its values, and the published verdict.
SCORES: dict[str, tuple[Score, float, bool]] = {
    "correlation": (on_values(scores.correlation), 2, True),
    "cosine": (on_values(scores.cosine), 2, True),
    "auprc": (turned(scores.auprc), 1, True),
    "f1": (on_counts(scores.f1), 1, True),
    "iou": (on_counts(scores.iou), 1, True),
    "recall": (on_counts(scores.recall), 1, False),
    "precision": (on_counts(scores.precision), 1, False),
    "accuracy": (on_counts(scores.coverage), 1, False),
    "balanced accuracy": (on_counts(scores.balanced_accuracy), 1, False),
    "auroc": (turned(scores.auroc), 1, False),
    # The same with the labels as the truth, as the tables have them; inverse AUPRC fails for labels of half the images.
    "inverse auroc": (on_values(scores.auroc), 1, False),
    "inverse auprc": (on_values(scores.auprc), 1, False),
    "spearman": (spearman_as_published, 2, False),
}


def missing_labels(concept: Bools, rng: np.random.Generator) -> Bools:
    return concept & (rng.random(concept.size) > 0.5)


def extra_labels(concept: Bools, rng: np.random.Generator) -> Bools:
    k = int(concept.sum())
    return concept | (rng.random(concept.size) < k / (concept.size - k))


def noticed(score: Score, span: float, check: Callable[..., Bools], n: int, draws: int) -> list[float]:
    """Return for each frequency the share of draws in which the score falls."""
    shares = []
    for f, frequency in enumerate(FREQUENCIES):
        concept = np.zeros(n, dtype=bool)
        concept[: int(frequency * n)] = True
        values = concept.astype(np.float64)
        falls = []
        for seed in range(draws):
            rng = np.random.Generator(np.random.PCG64((seed, f)))
            labels = check(concept, rng)
            whole, changed = score(values, concept, rng), score(values, labels, rng)
            falls.append((0.0 if math.isnan(changed) else changed) - whole < -EPSILON * span)
        shares.append(float(np.mean(falls)))
    return shares


def verdict(score: Score, span: float, n: int, draws: int) -> bool:
    shares = [noticed(score, span, check, n, draws) for check in (missing_labels, extra_labels)]
    return min(map(min, shares)) > NOTICED


@pytest.mark.parametrize("name", SCORES)
def test_the_published_verdict_emerges(name: str) -> None:
    score, span, published = SCORES[name]
    assert verdict(score, span, 60_000, 5) == published


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_the_published_verdict_emerges_at_the_published_size(name: str) -> None:
    score, span, published = SCORES[name]
    assert verdict(score, span, 500_000, 4) == published


def test_what_each_failing_score_does_not_notice() -> None:
    def of(name: str, check: Callable[..., Bools]) -> list[float]:
        return noticed(SCORES[name][0], SCORES[name][1], check, 60_000, 5)

    assert of("recall", extra_labels) == of("precision", missing_labels) == [0.0] * len(FREQUENCIES)
    assert of("accuracy", missing_labels)[-1] == of("accuracy", extra_labels)[-1] == 0.0  # rare concepts
    assert of("inverse auroc", missing_labels)[-1] == of("auroc", extra_labels)[-1] == 0.0
    assert of("inverse auprc", extra_labels)[1:] == of("inverse auprc", missing_labels)[1:] == [1.0] * 4


def test_spearman_with_shared_ranks_is_pearson_for_an_ideal_unit() -> None:
    """Our Spearman gives equal values equal ranks, so it does not fail for the reason of the published one."""
    rng = np.random.Generator(np.random.PCG64(4))
    values = (rng.random(5000) < 0.01).astype(np.float64)
    labels = missing_labels(values > 0, rng)
    assert math.isclose(scores.spearman(values, labels), scores.correlation(values, labels))


def test_the_drops_are_the_published_numbers() -> None:
    """Averages over draws at frequency 0.1 and 0.001, as printed with NeuronEval's program."""
    published = {
        ("correlation", 0.1): (-0.1559, -0.1667),
        ("cosine", 0.1): (-0.1464, -0.1464),
        ("f1", 0.1): (-0.3333, -0.3333),
        ("iou", 0.1): (-0.5, -0.5),
        ("accuracy", 0.1): (-0.05, -0.1),
        ("balanced accuracy", 0.001): (-0.25, -0.0005),
        ("inverse auroc", 0.1): (-0.0263, -0.25),
        ("inverse auroc", 0.001): (-0.0002, -0.2497),
        ("auprc", 0.1): (-0.45, -0.5),
        ("inverse auprc", 0.1): (-0.5, -0.4),
        ("recall", 0.1): (-0.5, 0.0),
        ("precision", 0.1): (0.0, -0.5),
    }
    n, draws = 100_000, 4
    for (name, frequency), expected in published.items():
        score, span, _ = SCORES[name]
        concept = np.zeros(n, dtype=bool)
        concept[: int(frequency * n)] = True
        values = concept.astype(np.float64)
        for check, drop in zip((missing_labels, extra_labels), expected, strict=True):
            rng = np.random.Generator(np.random.PCG64(9))
            found = [score(values, check(concept, rng), rng) - score(values, concept, rng) for _ in range(draws)]
            assert math.isclose(float(np.mean(found)) / span, drop, abs_tol=0.02 if frequency < 0.01 else 0.003)
