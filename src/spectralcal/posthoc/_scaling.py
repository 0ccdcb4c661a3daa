"""Factors on logits by the likelihood of the labels: a convex problem, solved to the end in float64."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.posthoc._voxels import check_voxels, chunks

#: A factor of zero or less would reverse the order of classes; perfectly separated labels would send it to infinity.
#: Both say that the validation voxels cannot carry the fit, and the bounds keep the result usable.
SMALLEST, LARGEST = 1e-2, 1e2


def fit_factor(logits: Tensor, labels: Tensor) -> float:
    """The factor, from 0.01 to 100, that maximises the likelihood of `labels` under softmax(factor * logits).

    Arguments and errors as for :func:`fit_factors`.
    """
    return float(fit_factors(logits, labels, 1))


def fit_factors(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """(count,) float64 factors, from 0.01 to 100, that maximise the likelihood under softmax(factors * logits).

    Args:
        logits: (N, C), one row per voxel.
        labels: (N,) integer in 0..C-1.
        count: 1 for one factor on all classes, C for one per class.

    Raises:
        ValueError: shapes that do not fit, no voxel, labels out of range, or logits that are not finite.
    """
    check_voxels(logits, labels)
    factors = torch.ones(count, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([factors], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for part, target in chunks(logits, labels):
            value = F.cross_entropy(part * factors, target, reduction="sum") / len(labels)
            value.backward()
            total += value.detach()
        return total

    with torch.enable_grad():
        optimizer.step(closure)
    return factors.detach().clamp(SMALLEST, LARGEST)
