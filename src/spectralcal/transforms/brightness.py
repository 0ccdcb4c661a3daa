"""Brightness."""

from __future__ import annotations

from torch import Tensor

from spectralcal.transforms.contract import Transform


class Brightness(Transform):
    """Multiplies the image, as nnU-Net's multiplicative brightness does.

    Args:
        factor: 1 changes nothing. The default is the upper end of the augmentation's range.
    """

    def __init__(self, factor: float = 1.25) -> None:
        self.factor = factor

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) times the factor; nothing is drawn."""
        return image * self.factor


TRANSFORM = Brightness
NUMERICS = 1  # see spectralcal.study.numerics
