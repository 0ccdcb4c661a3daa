"""Fitting factors on logits by the likelihood of the labels: a convex problem, solved to the end in float64."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def fit_factors(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """Factors that maximise the likelihood of `labels` under softmax(factors * logits).

    Args:
        logits: (N, C), one row a voxel.
        labels: (N,) integer in 0..C-1.
        count: 1 for one factor on all classes, C for one a class.

    Returns:
        (count,) float64.

    Raises:
        ValueError: shapes that do not fit, no voxel, or logits that are not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"expected logits (N, C) and labels (N,), got {tuple(logits.shape)} and {tuple(labels.shape)}")
    if len(logits) == 0 or not torch.isfinite(logits).all():
        raise ValueError(f"expected finite logits of at least one voxel, got {len(logits)} voxels")
    if count not in (1, logits.shape[1]):
        raise ValueError(f"count must be 1 or the number of classes {logits.shape[1]}, got {count}")
    logits, labels = logits.double(), labels.long()
    factors = torch.ones(count, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([factors], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(logits * factors, labels)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
    # A factor of zero or less would turn the order of classes round; perfectly separated labels would send it to
    # infinity. Both say that the validation voxels cannot carry the fit, and the bounds keep the result usable.
    return factors.detach().clamp(1e-2, 1e2)
