"""One factor on all logits by the likelihood of the labels: a convex problem, solved to the end in float64."""

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

    Args:
        logits: (N, C), one row per voxel.
        labels: (N,) integer in 0..C-1.

    Raises:
        ValueError: shapes that do not fit, no voxel, labels out of range, or logits that are not finite.
    """
    check_voxels(logits, labels)
    factor = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([factor], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for part, target in chunks(logits, labels):
            value = F.cross_entropy(part * factor, target, reduction="sum") / len(labels)
            value.backward()
            total += value.detach()
        return total

    with torch.enable_grad():
        optimizer.step(closure)
    return float(factor.detach().clamp(SMALLEST, LARGEST))
