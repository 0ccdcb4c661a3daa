"""Gaussian noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spectralcal.transforms.contract import Transform


class GaussianNoise(Transform):
    """Adds independent normal noise to every voxel and channel.

    Args:
        variance: of the noise, in squared units of the prepared image: after a z-score a variance of 1 is that of the
            image itself. The default is the upper end of the augmentation's range.

    Raises:
        ValueError: a negative variance.
    """

    def __init__(self, variance: float = 0.1) -> None:
        if not variance >= 0:
            raise ValueError(f"variance must be 0 or more, got {variance}")
        self.std = math.sqrt(variance)

    @classmethod
    def of_std(cls, std: float) -> GaussianNoise:
        """Noise of this standard deviation."""
        made = cls(0.0)
        made.std = std
        return made

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) plus noise that `seed` draws."""
        generator = torch.Generator(device=image.device).manual_seed(seed % 2**63)
        noise = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        return image + noise * self.std


TRANSFORM = GaussianNoise
NUMERICS = 1  # see spectralcal.study.numerics
