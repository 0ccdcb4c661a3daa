"""Voxels that a step is fitted to, in chunks: no step makes a second copy of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

#: voxels that are in float64 at the same time: 2 MiB for four classes
CHUNK = 65_536


def check_voxels(logits: Tensor, labels: Tensor) -> None:
    """Refuse what nothing can be fitted to.

    Args:
        logits: (N, C), one row per voxel.
        labels: (N,) integer in 0..C-1.

    Raises:
        ValueError: shapes that do not fit, no voxel, labels out of range, or logits that are not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"expected logits (N, C) and labels (N,), got {tuple(logits.shape)} and {tuple(labels.shape)}")
    if len(logits) == 0 or not all(torch.isfinite(part).all() for part in logits.split(CHUNK)):
        raise ValueError(f"expected finite logits of at least one voxel, got {len(logits)} voxels")
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= logits.shape[1]:
        raise ValueError(f"expected labels in 0..{logits.shape[1] - 1}, got {least}..{most}")


def chunks(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (n, C) float64 and labels (n,) int64, :data:`CHUNK` voxels at a time."""
    for part, target in zip(logits.split(CHUNK), labels.split(CHUNK), strict=True):
        yield part.double(), target.long()


def log_likelihood(step: Callable[[Tensor], Tensor], logits: Tensor, labels: Tensor) -> float:
    """Mean log-likelihood per voxel of the labels under softmax(step(logits))."""
    total = sum(float(F.cross_entropy(step(part), target, reduction="sum")) for part, target in chunks(logits, labels))
    return -total / len(labels)
