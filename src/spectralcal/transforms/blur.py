"""Gaussian blur."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.transforms.contract import Transform

#: voxels on each side of a blurred voxel that contribute at least: three sigma at a sigma of 1 voxel
BLUR_RADIUS = 3


class GaussianBlur(Transform):
    """Convolves the image with a Gaussian along every axis.

    Args:
        sigma: standard deviation in voxels of the prepared grid.

    Raises:
        ValueError: a sigma that is not above 0.
    """

    def __init__(self, sigma: float = 1.0) -> None:
        if not sigma > 0:
            raise ValueError(f"sigma must be above 0, got {sigma}")
        self.sigma = sigma

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) blurred; nothing is drawn."""
        return gaussian_blur(image, self.sigma)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur of (C, *spatial) with `sigma` in voxels, cut off at three sigma and no nearer than
    :data:`BLUR_RADIUS`; edges are replicated."""
    radius = max(BLUR_RADIUS, math.ceil(3 * sigma))
    positions = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(positions**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    for axis in range(1, image.ndim):
        lines = image.movedim(axis, -1)
        flat = lines.reshape(-1, 1, lines.shape[-1])
        blurred = F.conv1d(F.pad(flat, (radius, radius), mode="replicate"), kernel[None, None])
        image = blurred.reshape(lines.shape).movedim(-1, axis)
    return image


TRANSFORM = GaussianBlur
NUMERICS = 1  # see spectralcal.study.numerics
