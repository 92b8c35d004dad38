"""The formulas of probes: directions and regions in a layer's space that tell images of a concept from others.

Every fit takes features X (n, d), standardised by the training images, and many labellings at once, Y (n, m) of 0 and 1
(the true one and permuted ones), and gives a function from features (k, d) to scores (k, m): higher means the concept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

Floats = npt.NDArray[np.float64]
Scores = Callable[[Floats], Floats]

PENALTY = 1.0
"""The weight of ‖w‖² / 2 beside the summed loss of the n images; for the kernel the ridge on its diagonal."""


def pattern(x: Floats, y: Floats) -> Floats:
    """Return the patterns (d, m): cov(x_j, y) / var(y), how much each unit differs between concept and others.

    Unlike the weights of a classifier, a pattern is not turned away from the concept by correlated noise.
    """
    centred = y - y.mean(axis=0)
    return np.asarray((x - x.mean(axis=0)).T @ centred / np.maximum((centred**2).sum(axis=0), 1e-300))


def ridge(x: Floats, y: Floats) -> Floats:
    """Return (XᵀX + λI)⁻¹ Xᵀ(y - ȳ), shape (d, m); in the smaller of the two spaces."""
    centred, targets = x - x.mean(axis=0), y - y.mean(axis=0)
    n, d = x.shape
    if d <= n:
        return np.asarray(cho_solve(cho_factor(centred.T @ centred + PENALTY * np.eye(d)), centred.T @ targets))
    return np.asarray(centred.T @ cho_solve(cho_factor(centred @ centred.T + PENALTY * np.eye(n)), targets))


def logistic(x: Floats, y: Floats) -> Floats:
    """Return the weights (d, m) that minimise Σ log(1 + exp(-s(w·x + b))) + λ‖w‖²/2, s = ±1; b is not penalised."""

    def loss(margin: Floats) -> tuple[float, Floats]:
        value = np.logaddexp(0, -margin)
        return float(value.sum()), -np.exp(-margin - value)

    return _fitted(x, y, loss)


def svm(x: Floats, y: Floats) -> Floats:
    """Return the weights (d, m) of the linear machine with squared hinge loss Σ max(0, 1 - s(w·x + b))² + λ‖w‖²/2."""

    def loss(margin: Floats) -> tuple[float, Floats]:
        short = np.maximum(0, 1 - margin)
        return float(short @ short), -2 * short

    return _fitted(x, y, loss)


def region(x: Floats, y: Floats) -> Scores:
    """Return the scores of a concept region: ridge regression in the space of a Gaussian kernel.

    k(a, b) = exp(-‖a - b‖² / (2 h²)); h² is half the median squared distance of the training images, the same for every
    labelling and for new images.
    """
    squared = _squared_distances(x, x)
    width = float(np.median(squared[np.triu_indices(len(x), 1)])) if len(x) > 1 else 1.0
    width = width if width > 0 else 1.0
    factor = cho_factor(np.exp(-squared / width) + PENALTY * np.eye(len(x)))
    weights = cho_solve(factor, y - y.mean(axis=0))
    return lambda new: np.asarray(np.exp(-_squared_distances(new, x) / width) @ weights)


def linear(fit: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Scores]:
    """Turn a fit of directions into one of scores: the projections on the directions."""

    def fitted(x: Floats, y: Floats) -> Scores:
        directions = fit(x, y)
        return lambda new: np.asarray(new @ directions)

    return fitted


DIRECTIONS = {"pattern": pattern, "ridge": ridge, "logistic": logistic, "svm": svm}
FITS: dict[str, Callable[[Floats, Floats], Scores]] = {
    **{name: linear(fit) for name, fit in DIRECTIONS.items()},
    "region": region,
}


def _fitted(x: Floats, y: Floats, loss: Callable[[Floats], tuple[float, Floats]]) -> Floats:
    """Minimise a loss of margins by a quasi-Newton method, one labelling after another, from 0."""
    from scipy.optimize import minimize

    d = x.shape[1]
    found = np.zeros((d, y.shape[1]))
    for column in range(y.shape[1]):
        sign = 2 * y[:, column] - 1

        def objective(parameters: Floats, sign: Floats = sign) -> tuple[float, Floats]:
            w, b = parameters[:d], parameters[d]
            value, slope = loss(sign * (x @ w + b))
            pull = slope * sign
            return value + PENALTY / 2 * float(w @ w), np.append(x.T @ pull + PENALTY * w, pull.sum())

        found[:, column] = minimize(objective, np.zeros(d + 1), jac=True, method="L-BFGS-B").x[:d]
    return found


def _squared_distances(a: Floats, b: Floats) -> Floats:
    return np.maximum(0, (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T)  # type: ignore[no-any-return]
