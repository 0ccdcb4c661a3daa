"""Affine maps of log-probabilities or logits, fitted by penalised likelihood: a convex problem."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spectralcal.posthoc._newton import minimize
from spectralcal.posthoc._step import by_class
from spectralcal.posthoc._voxels import chunks


def log_probabilities(logits: Tensor) -> Tensor:
    """Logits (N, C, ...) that lack what all classes have in common: log softmax."""
    return torch.log_softmax(logits, dim=1)


def centred(logits: Tensor) -> Tensor:
    """Logits (N, C, ...) less their mean over the classes."""
    return logits - logits.mean(1, keepdim=True)


def fit_affine(
    logits: Tensor,
    labels: Tensor,
    features: Callable[[Tensor], Tensor],
    free: Tensor,
    lower: Tensor,
    upper: Tensor,
    penalty: Tensor,
) -> Tensor:
    """Coefficients of softmax(W x + b) that minimise the labels' mean negative log-likelihood plus a penalty.

    The search begins at W = 1, b = 0, whose penalty must be zero: what it finds is then never less likely than the
    network's own probabilities.

    Args:
        logits: (N, C), one row per voxel.
        labels: (N,) integer in 0..C-1.
        features: x (n, C) of logits (n, C).
        free: (C, C + 1) bool, which coefficients [W, b] are fitted.
        lower: (C, C + 1) least value of each.
        upper: (C, C + 1) largest value of each.
        penalty: (C, C + 1) price of each coefficient's square; zero on the diagonal of W.

    Returns:
        (C, C + 1) float64, [W, b].
    """
    classes = logits.shape[1]
    identity = torch.eye(classes, classes + 1, dtype=torch.float64)
    columns = [row.nonzero()[:, 0] for row in free]
    places = [slice(end - len(each), end) for each, end in zip(columns, free.sum(1).cumsum(0).tolist(), strict=True)]

    def objective(chosen: Tensor) -> tuple[float, Tensor, Tensor]:
        coefficients = identity.masked_scatter(free, chosen)
        value = float((penalty * coefficients**2).sum())
        slope = 2 * penalty * coefficients
        hessian = torch.diag(2 * penalty[free])
        for part, target in chunks(logits, labels):
            x = torch.cat([features(part), part.new_ones(len(part), 1)], 1)
            logs = torch.log_softmax(x @ coefficients.T, 1)
            p = logs.exp()
            value -= float(logs.gather(1, target[:, None]).sum()) / len(labels)
            error = p.scatter_add(1, target[:, None], p.new_full((len(p), 1), -1))
            slope = slope + error.T @ x / len(labels)
            # Covariance of a voxel's class, diag(p) - p p', times x x': each class with itself, less all pairs.
            weighted = [p[:, i, None] * x[:, kept] for i, kept in enumerate(columns)]
            for place, kept, own in zip(places, columns, weighted, strict=True):
                hessian[place, place] += own.T @ x[:, kept] / len(labels)
            pairs = torch.cat(weighted, 1)
            hessian -= pairs.T @ pairs / len(labels)
        return value, slope[free], hessian

    found = minimize(objective, identity[free], lower[free], upper[free])
    return identity.masked_scatter(free, found)


def diagonal(classes: int, intercept: bool) -> Tensor:
    """(C, C + 1) bool: one factor per class, and its intercept if `intercept`."""
    free = torch.eye(classes, classes + 1, dtype=torch.bool)
    free[:, -1] = intercept
    return free


def apply_affine(x: Tensor, weights: list[list[float]], intercepts: list[float]) -> Tensor:
    """W x + b of features (B, C, *spatial).

    Raises:
        ValueError: the features have another number of classes.
    """
    shift = by_class(intercepts, x)
    return torch.einsum("ij,bj...->bi...", x.new_tensor(weights), x) + shift
