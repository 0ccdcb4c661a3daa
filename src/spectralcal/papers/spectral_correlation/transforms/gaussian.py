"""Gaussian noise "of level 0.01", whose unit and scale the paper does not print."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from spectralcal.transforms.contract import Transform


class GaussianLevel(Transform):
    """Adds independent normal noise of a level, on the scale of the image's own range or on that of the network.

    Args:
        level: default 0.01, the printed number.
        reading: "variance" (default), as in scikit-image's and MATLAB's functions, or "deviation".
        scale: "range" (default): the level is meant for images from 0 to 1, so that it is multiplied with the image's
            range, whatever the normalisation; "input": for the image as the network gets it.

    Raises:
        ValueError: a negative level, or an unknown reading or scale.
    """

    def __init__(
        self,
        level: float = 0.01,
        reading: Literal["variance", "deviation"] = "variance",
        scale: Literal["range", "input"] = "range",
    ) -> None:
        if not level >= 0 or reading not in ("variance", "deviation") or scale not in ("range", "input"):
            raise ValueError(
                "expected level >= 0, reading 'variance' or 'deviation' and scale 'range' or 'input', got "
                f"{level}, {reading!r} and {scale!r}"
            )
        self.deviation = math.sqrt(level) if reading == "variance" else level
        self.scale = scale

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) plus noise that `seed` draws; not clipped."""
        unit = float(image.max() - image.min()) if self.scale == "range" else 1.0
        generator = torch.Generator(device=image.device).manual_seed(seed % 2**63)
        noise = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        return image + noise * (self.deviation * unit)


TRANSFORM = GaussianLevel
