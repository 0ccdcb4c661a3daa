"""Label statistics of the 3-voxel-wide window around each voxel; none of them carries a gradient."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spectralcal.losses._base import one_hot

Border = Literal["background", "zero", "replicate"]
BORDERS = ("background", "zero", "replicate")


def filter3(field: Tensor, side: float, centre: float, border: Literal["zero", "replicate"]) -> Tensor:
    """Separable filter (side, centre, side) along every spatial axis of (B, C, *spatial), borders padded as named."""
    for axis in range(2, field.ndim):
        size = field.shape[axis]
        first, last = field.narrow(axis, 0, 1), field.narrow(axis, size - 1, 1)
        result = field * centre
        result.narrow(axis, 1, size - 1).add_(field.narrow(axis, 0, size - 1), alpha=side)
        result.narrow(axis, 0, size - 1).add_(field.narrow(axis, 1, size - 1), alpha=side)
        if border == "replicate":
            result.narrow(axis, 0, 1).add_(first, alpha=side)
            result.narrow(axis, size - 1, 1).add_(last, alpha=side)
        field = result
    return field


@torch.no_grad()
def class_shares(target: Tensor, num_classes: int, dtype: torch.dtype, border: Border = "background") -> Tensor:
    """Share of each class in the 3x3 or 3x3x3 window around each voxel.

    Args:
        target: (B, *spatial) labels.
        num_classes: C.
        dtype: type of the result.
        border: what lies outside the image: "background" counts it as label 0, "zero" as no class (shares then add up
            to less than 1 there, and every border voxel is heterogeneous), "replicate" repeats the outermost labels.

    Returns:
        (B, C, *spatial); exactly 1 where the window holds one class, since counts of voxels are whole numbers.
    """
    counts = filter3(one_hot(target, num_classes, dtype), 1, 1, "replicate" if border == "replicate" else "zero")
    voxels = 3 ** (target.ndim - 1)
    if border == "background":
        counts[:, 0] += voxels - counts.sum(1)
    return counts / voxels


def heterogeneous(shares: Tensor) -> Tensor:
    """Where the window holds more than one class: (B, C, *spatial) shares -> (B, *spatial) bool."""
    return shares.amax(1) < 1
