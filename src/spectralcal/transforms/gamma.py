"""Gamma: a curve over the range of intensities."""

from __future__ import annotations

from torch import Tensor

from spectralcal.transforms.contract import Transform


class Gamma(Transform):
    """Raises the image, scaled to [0, 1], to a power; mean and standard deviation of each channel are kept.

    Args:
        exponent: above 1 dark intensities are compressed. The default is the upper end of the augmentation's range.

    Raises:
        ValueError: an exponent that is not above 0.
    """

    def __init__(self, exponent: float = 1.5) -> None:
        if not exponent > 0:
            raise ValueError(f"exponent must be above 0, got {exponent}")
        self.exponent = exponent

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) after the curve; nothing is drawn."""
        return gamma_transform(image, self.exponent)


def gamma_transform(image: Tensor, gamma: float) -> Tensor:
    """Raise each channel of (C, *spatial), scaled to [0, 1], to `gamma`; mean and standard deviation are kept."""
    axes = tuple(range(1, image.ndim))
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    mean, std = image.mean(axes, keepdim=True), image.std(axes, keepdim=True)
    curved = ((image - low) / (high - low).clamp_min(1e-7)).pow(gamma)
    curved_std = curved.std(axes, keepdim=True).clamp_min(1e-7)
    return (curved - curved.mean(axes, keepdim=True)) / curved_std * std + mean


TRANSFORM = Gamma
NUMERICS = 1  # see spectralcal.study.numerics
