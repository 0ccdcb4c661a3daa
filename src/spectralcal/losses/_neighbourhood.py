"""Label statistics of the 3-voxel-wide window around each voxel; none of them carries a gradient."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spectralcal.losses._base import one_hot
from spectralcal.losses.targets import Inputs

Border = Literal["background", "zero", "replicate"]
BORDERS = ("background", "zero", "replicate")


def filter3(field: Tensor, side: float, centre: float, border: Literal["zero", "replicate"]) -> Tensor:
    """Separable filter (side, centre, side) along every spatial axis of (B, C, *spatial), borders padded as named."""
    for axis in range(2, field.ndim):
        size = field.shape[axis]
        first, last = field.narrow(axis, 0, 1), field.narrow(axis, size - 1, 1)
        result = field.clone() if centre == 1 else field * centre
        result.narrow(axis, 1, size - 1).add_(field.narrow(axis, 0, size - 1), alpha=side)
        result.narrow(axis, 0, size - 1).add_(field.narrow(axis, 1, size - 1), alpha=side)
        if border == "replicate":
            result.narrow(axis, 0, 1).add_(first, alpha=side)
            result.narrow(axis, size - 1, 1).add_(last, alpha=side)
        field = result
    return field


@torch.no_grad()
def class_counts(target: Tensor, num_classes: int, border: Border = "background") -> Tensor:
    """Voxels of each class in the 3x3 or 3x3x3 window around each voxel.

    Args:
        target: (B, *spatial) labels.
        num_classes: C.
        border: what lies outside the image: "background" counts it as label 0, "zero" as no class (counts then add up
            to less than the window there, and every border voxel is heterogeneous), "replicate" repeats the outermost
            labels.

    Returns:
        (B, C, *spatial) uint8, at most :func:`window_size`: bytes are a quarter of what floats would have to move.
    """
    own = one_hot(target, num_classes, torch.uint8)
    counts = filter3(own, 1, 1, "replicate" if border == "replicate" else "zero")
    if border == "background":
        counts[:, 0] += window_size(counts) - counts.sum(1, dtype=torch.uint8)
    return counts


@torch.no_grad()
def class_shares(inputs: Inputs, border: Border = "background") -> Tensor:
    """Mean label in the window around each voxel, ignored voxels left out: (B, C, *spatial) in the logits' type.

    Without weights and with labels: :func:`class_counts` over :func:`window_size`. A window without any label is 0.
    """
    shares, counted = inputs.shares(), inputs.counted
    known = torch.ones_like(shares[:, :1]) if counted is None else counted.unsqueeze(1).to(shares.dtype)
    pad = "replicate" if border == "replicate" else "zero"
    total, number = filter3(shares * known, 1, 1, pad), filter3(known, 1, 1, pad)
    if border != "replicate":
        outside = window_size(shares) - filter3(torch.ones_like(known), 1, 1, "zero")
        number += outside
        if border == "background":
            total[:, :1] += outside
    return total / number.clamp_min(1)


def window_size(counts: Tensor) -> int:
    """Voxels in a window of (B, C, *spatial) counts: 9 or 27."""
    return 3 ** (counts.ndim - 2)


def heterogeneous(counts: Tensor) -> Tensor:
    """Where the window contains more than one class: (B, C, *spatial) counts -> (B, *spatial) bool."""
    return counts.amax(1) < window_size(counts)


def mixed(shares: Tensor) -> Tensor:
    """:func:`heterogeneous` of (B, C, *spatial) shares, up to rounding."""
    return shares.amax(1) < 1 - 1e-5
