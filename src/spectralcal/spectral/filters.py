"""Ideal filters in the frequency domain."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.spectral._checks import as_field
from spectralcal.spectral.shells import TOLERANCE, radius


def high_pass(field: Tensor, cutoff: float = 0.3) -> Tensor:
    """What is left of `field` when frequencies up to `cutoff` are removed.

    Args:
        field: (B, H, W) or (B, D, H, W) floating point.
        cutoff: cycles/voxel; radii above it stay. 0 removes the mean alone. Default 0.3, the lower edge of the fourth
            of five inscribed bands.

    Returns:
        (B, *spatial), float32 or float64, real; the mean is zero.

    Raises:
        ValueError: wrong shape or type of `field`, or a negative `cutoff`.
    """
    given = field
    field = as_field(field)
    if not cutoff >= 0:
        raise ValueError(f"cutoff: expected cycles/voxel >= 0, received {cutoff!r}")
    shape = tuple(field.shape[1:])
    axes = tuple(range(1, field.ndim))
    keep = radius(shape, "cycles") > cutoff * min(shape) * (1 + TOLERANCE)
    with torch.autocast(field.device.type, enabled=False):
        spectrum = torch.fft.rfftn(field, dim=axes)
        return torch.fft.irfftn(spectrum * keep.to(field), s=shape, dim=axes).reshape(given.shape)
