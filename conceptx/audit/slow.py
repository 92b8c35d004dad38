"""Every statistic of the tables once more, by definition: sorted values, scipy, and no code of `verification`.

`statistics_of` gives the numbers of one row of `verdicts.parquet` from the values of targets and of others. Rank
statistics count pairs by binary search instead of tallies, variances come from ranks, intervals from the influence of
every single image; the p-value is scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Interval = tuple[float, float]

UNKNOWN: Interval = (math.nan, math.nan)
_NORMAL = float(stats.norm.ppf(0.975))


def statistics_of(targets: Floats, others: Floats) -> dict[str, float]:
    """Return every statistic of a hypothesis on one split by column name; NaN where it does not exist."""
    found: dict[str, float] = {"n_target": len(targets), "n_other": len(others)}
    for name, values in (("tla", targets), ("non_tla", others)):
        hits = int((values > 0).sum())
        low, high = wilson(hits, len(values))
        found |= {name: hits / len(values) if len(values) else math.nan, f"{name}_low": low, f"{name}_high": high}
    for name, measure in (("auroc", auroc), ("auprc", auprc), ("correlation", correlation)):
        value, (low, high) = measure(targets, others)
        found |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return found | test_of(targets, others)


def _exact_p(u: int, smaller: int, larger: int) -> float:
    """Return twice the share of all choices of targets with a U of at most `u`, counted in whole numbers.

    scipy's exact test counts them too, and takes minutes where the larger group has tens of thousands of images.
    """
    ways = [1] + [0] * u
    for i in range(1, smaller + 1):
        for k in range(u, larger + i - 1, -1):
            ways[k] -= ways[k - larger - i]
        for k in range(i, u + 1):
            ways[k] += ways[k - i]
    return min(1.0, 2 * sum(ways) / math.comb(smaller + larger, smaller))


def test_of(targets: Floats, others: Floats) -> dict[str, float]:
    """Return u, z, p, z_uncorrected and p_one_tailed of the Mann-Whitney test."""
    n1, n0 = len(targets), len(others)
    names = ("u", "z", "p", "z_uncorrected", "p_one_tailed")
    values = np.concatenate([targets, others])
    if not n1 or not n0 or np.all(values == values[0]):
        return dict.fromkeys(names, math.nan)
    n = n1 + n0
    u = _wins(targets, others).sum()
    ranks = stats.rankdata(values)
    centred = ranks - ranks.mean()
    variance = n1 * n0 / (n * (n - 1)) * float(centred @ centred)
    z = (u - n1 * n0 / 2) / math.sqrt(variance)
    third = n1 * n0 * (n0 - n1) / ((n - 1) * (n - 2)) * float((centred**3).mean()) if n > 2 else 0.0
    skewness = third / variance**1.5
    if min(n1, n0) <= 8 and len(np.unique(values)) == n:
        p = _exact_p(round(min(u, n1 * n0 - u)), *sorted((n1, n0)))
    elif abs(skewness) >= 0.25:
        distribution = stats.pearson3(skewness)
        p = 2 * min(float(distribution.cdf(z)), float(distribution.sf(z)))
    else:
        p = float(stats.mannwhitneyu(targets, others, use_continuity=False, method="asymptotic").pvalue)
    as_published = (n1 * n0 / 2 - u) / math.sqrt(n1 * n0 * (n + 1) / 12)
    return dict(zip(names, (float(u), z, min(p, 1.0), as_published, float(stats.norm.cdf(as_published))), strict=True))


def wilson(hits: int, n: int) -> Interval:
    """Return Wilson's 95 % interval: the shares p at which |hits/n - p| is 1.96 standard errors √(p(1-p)/n)."""
    if n == 0:
        return UNKNOWN
    # (p - k/n)² = 1.96² p (1 - p) / n, a quadratic equation in p
    square, half = n + _NORMAL**2, hits + _NORMAL**2 / 2
    root = math.sqrt(max(0.0, half**2 - square * hits**2 / n))
    return (half - root) / square if hits else 0.0, (half + root) / square if hits < n else 1.0


def clopper_pearson(hits: int, n: int, level: float) -> Interval:
    """Return the exact interval: the shares at which so few, and so many, hits are just as rare as the level allows."""
    if n == 0:
        return UNKNOWN
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    return low, float(stats.beta.isf(tail, hits + 1, n - hits)) if hits < n else 1.0


def auroc(targets: Floats, others: Floats) -> tuple[float, Interval]:
    """Return the chance that a target is above an other, ties half, in the span of DeLong's and Newcombe's interval."""
    n1, n0 = len(targets), len(others)
    if not n1 or not n0:
        return math.nan, UNKNOWN
    of_target, of_other = _wins(targets, others) / n0, 1 - _wins(others, targets) / n1
    value = float(of_target.mean())
    # With one image on a side there is no variance, and no interval of DeLong's; with none at all there is no slope.
    parts = [float(np.var(x, ddof=1)) / len(x) if len(x) > 1 else math.nan for x in (of_target, of_other)]
    low, high = _interval(value, value, parts, (n1, n0), _logit, _expit, lambda v: v * (1 - v))
    ends = _newcombe(value, targets, others)
    return value, (float(np.fmin(low, ends[0])), float(np.fmax(high, ends[1])))


def auprc(targets: Floats, others: Floats) -> tuple[float, Interval]:
    """Return the average precision, a mean over targets of the share of targets at or above their value."""
    n1, n0 = len(targets), len(others)
    if not n1 or not n0:
        return math.nan, UNKNOWN
    value = float((_at_least(targets, targets) / (_at_least(targets, targets) + _at_least(others, targets))).mean())
    t, o, weight_t, weight_o = _smoothed(targets, others)
    hits, false = _at_least(t, t, weight_t), _at_least(o, t, weight_o)
    precision = hits / (hits + false)
    total = float(weight_t.sum())
    # One more target at v raises the precision at every target below v; one more other lowers it.
    gain = weight_t * false / (hits + false) ** 2
    loss = weight_t * hits / (hits + false) ** 2
    of_target = precision + _at_most(t, t, gain)
    of_other = -(float(weight_o.sum()) / total) * _at_most(t, o, loss)
    parts = [_variance(of_target, weight_t), _variance(of_other, weight_o)]
    middle = float(weight_t @ precision) / total
    return value, _interval(value, middle, parts, (n1, n0), _logit, _expit, lambda v: v * (1 - v))


def correlation(targets: Floats, others: Floats) -> tuple[float, Interval]:
    """Return Pearson's correlation of being a target and the value."""
    n1, n0 = len(targets), len(others)
    values = np.concatenate([targets, others])
    if not n1 or not n0 or np.all(values == values[0]):
        return math.nan, UNKNOWN
    value = float(np.corrcoef(values, np.repeat([1.0, 0.0], [n1, n0]))[0, 1])
    t, o, weight_t, weight_o = _smoothed(targets, others)
    x, weight = np.concatenate([t, o]), np.concatenate([weight_t, weight_o])
    y = np.repeat([1.0, 0.0], [len(t), len(o)])
    zx, zy = _standardised(x, weight), _standardised(y, weight)
    n = float(weight.sum())
    r = float(weight @ (zx * zy)) / n
    pull = zx * zy - r / 2 * (zx**2 + zy**2)
    parts = [float(weight[y == side] @ pull[y == side] ** 2) / n**2 for side in (1.0, 0.0)]
    return value, _interval(value, r, parts, (n1, n0), math.atanh, math.tanh, lambda v: 1 - v * v)


def scores_of(values: Floats, extent: Bools, positive: Bools, negative: Bools) -> dict[str, float]:
    """Return the scores of `hypotheses.parquet`: those on counts by the two sets, the others by the values."""
    tp, fp = int((extent & positive).sum()), int((extent & negative).sum())
    fn, tn = int((~extent & positive).sum()), int((~extent & negative).sum())
    both = tp + fp, tp + fn, tn + fp, tn + fn
    return {
        "correlation": correlation(values[extent], values[~extent])[0],
        "auprc": auprc(values[extent], values[~extent])[0],
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "iou": _share(tp, tp + fp + fn),
        "mcc": (tp * tn - fp * fn) / math.sqrt(math.prod(both)) if all(both) else 0.0,
        "balanced_accuracy": (_share(tp, tp + fn) + _share(tn, tn + fp)) / 2,
        "coverage": _share(tp + tn, tp + fp + fn + tn),
    }


def fires(values: Floats) -> Bools:
    """Return the upper side of the threshold that leaves the least variance within the two sides (Otsu).

    Of equally good thresholds the highest is taken.
    """
    ordered = np.sort(values)[::-1]
    sums, squares = np.cumsum(ordered), np.cumsum(ordered**2)
    k = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if not len(k):
        return np.zeros(len(values), dtype=bool)
    inside = squares[k - 1] - sums[k - 1] ** 2 / k
    outside = squares[-1] - squares[k - 1] - (sums[-1] - sums[k - 1]) ** 2 / (len(ordered) - k)
    left = inside + outside
    best = float(left.min())
    return np.asarray(values >= ordered[k[np.argmax(left <= best + 1e-12 * abs(best))] - 1])


def corrected(p: Sequence[float], method: str) -> list[float]:
    """Return q for the p-values of one split; NaN (no test) stays and is not counted."""
    known = [x for x in p if not math.isnan(x)]
    if not known:
        return list(p)
    if method == "holm":
        order = np.argsort(known, kind="stable")
        steps = [known[j] * (len(known) - i) for i, j in enumerate(order)]
        q = np.empty(len(known))
        q[order] = [min(1.0, max(steps[: i + 1])) for i in range(len(steps))]
    else:
        by = "by" if method == "benjamini-yekutieli" else "bh"
        q = stats.false_discovery_control(known, method=by)
    answers = iter(q.tolist())
    return [x if math.isnan(x) else next(answers) for x in p]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _wins(these: Floats, those: Floats) -> Floats:
    """Return for each of `these` how many of `those` are below it, equal ones counting one half."""
    ordered = np.sort(those)
    below, not_above = (np.searchsorted(ordered, these, side=side) for side in ("left", "right"))
    return np.asarray((below + not_above) / 2, dtype=np.float64)


def _at_least(values: Floats, limits: Floats, weight: Floats | None = None) -> Floats:
    """Return for each limit the weight of the values at or above it."""
    return _sums(-values, -limits, weight)


def _at_most(values: Floats, limits: Floats, weight: Floats) -> Floats:
    """Return for each limit the weight of the values at or below it."""
    return _sums(values, limits, weight)


def _sums(values: Floats, limits: Floats, weight: Floats | None) -> Floats:
    order = np.argsort(values, kind="stable")
    heaped = np.concatenate([[0.0], np.cumsum((np.ones(len(values)) if weight is None else weight)[order])])
    return np.asarray(heaped[np.searchsorted(values[order], limits, side="right")], dtype=np.float64)


def _smoothed(targets: Floats, others: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return both sides and their weights with a quarter of an image more at the lowest and at the highest value."""
    ends = [min(targets.min(), others.min()), max(targets.max(), others.max())]
    sides = [np.concatenate([side, ends]) for side in (targets, others)]
    weights = [np.concatenate([np.ones(len(side)), [0.25, 0.25]]) for side in (targets, others)]
    return sides[0], sides[1], weights[0], weights[1]


def _variance(influence: Floats, weight: Floats) -> float:
    n = float(weight.sum())
    centred = influence - float(weight @ influence) / n
    return float(weight @ centred**2) / (n * (n - 1)) if n > 1 else math.nan


def _standardised(x: Floats, weight: Floats) -> Floats:
    centred = x - float(np.average(x, weights=weight))
    return np.asarray(centred / math.sqrt(float(np.average(centred**2, weights=weight))), dtype=np.float64)


def _interval(
    value: float,
    middle: float,
    parts: Sequence[float],
    sizes: tuple[int, int],
    scale: Callable[[float], float],
    unscale: Callable[[float], float],
    derivative: Callable[[float], float],
) -> Interval:
    """Return unscale(scale(middle) ± t·se·scale') with Welch's degrees of freedom; scale' = 1 / derivative."""
    variance = sum(parts)
    if min(sizes) < 2 or not variance > 0 or not derivative(middle) > 0:
        return UNKNOWN
    freedom = variance**2 / sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    width = float(stats.t.ppf(0.975, freedom)) * math.sqrt(variance) / derivative(middle)
    return min(value, unscale(scale(middle) - width)), max(value, unscale(scale(middle) + width))


def _newcombe(value: float, targets: Floats, others: Floats) -> Interval:
    """Return the AUROCs θ at which the observed one is 1.96 standard errors away (Newcombe's method 5, with ties)."""
    n1, n0 = len(targets), len(others)
    n = n1 + n0
    counts = np.unique(np.concatenate([targets, others]), return_counts=True)[1].astype(float)
    untied = 1 - float((counts**3 - counts).sum()) / (n**3 - n)
    ties = untied + (1 - untied) * (2 * value - 1) ** 2

    def away(theta: float) -> float:
        spread = 1 + (n / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return _NORMAL * math.sqrt(max(0.0, ties * theta * (1 - theta) * spread / (n1 * n0)))

    low = 0.0 if value <= 0 else _bisect(lambda t: t + away(t) - value, 0.0, min(value, 1 - 1e-9))
    high = 1.0 if value >= 1 else _bisect(lambda t: t - away(t) - value, max(value, 1e-9), 1.0)
    return low, high


def _bisect(f: Callable[[float], float], low: float, high: float) -> float:
    """Return where the function, negative at `low` and positive at `high`, crosses 0."""
    for _ in range(100):
        middle = (low + high) / 2
        if f(middle) > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _logit(v: float) -> float:
    return math.log(v / (1 - v))


def _expit(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v > -700 else 0.0
