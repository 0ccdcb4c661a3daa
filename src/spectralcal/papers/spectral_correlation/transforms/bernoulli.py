"""Bernoulli noise "of level 0.01": values that are hit with that probability, and what happens to them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spectralcal.transforms.contract import Transform


class BernoulliLevel(Transform):
    """Changes each value of an image with a probability, independently of the others.

    Args:
        level: the probability; default 0.01, the printed number.
        reading: what happens to a value that is hit: "salt_pepper" (default), it becomes the brightest or the darkest;
            "dropout", the darkest; "added", the span between the two is added to it.
        scale: "range" (default): darkest and brightest are those of the image itself; "input": they are 0 and 1 on the
            scale of the network, which after a z-score are the mean and one deviation above it.

    Raises:
        ValueError: a level that is no probability, or an unknown reading or scale.
    """

    def __init__(
        self,
        level: float = 0.01,
        reading: Literal["salt_pepper", "dropout", "added"] = "salt_pepper",
        scale: Literal["range", "input"] = "range",
    ) -> None:
        if not 0 <= level <= 1 or reading not in ("salt_pepper", "dropout", "added") or scale not in ("range", "input"):
            raise ValueError(
                "expected level from 0 to 1, reading 'salt_pepper', 'dropout' or 'added' and scale 'range' or "
                f"'input', got {level}, {reading!r} and {scale!r}"
            )
        self.level, self.reading, self.scale = level, reading, scale

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) with the values changed that `seed` draws."""
        low, high = (image.min(), image.max()) if self.scale == "range" else (image.new_zeros(()), image.new_ones(()))
        generator = torch.Generator(device=image.device).manual_seed(seed % 2**63)
        hit, side = torch.rand((2, *image.shape), generator=generator, device=image.device)
        changed = {
            "salt_pepper": torch.where(side < 0.5, low, high),
            "dropout": low.expand_as(image),
            "added": image + (high - low),
        }[self.reading]
        return torch.where(hit < self.level, changed, image)


TRANSFORM = BernoulliLevel
