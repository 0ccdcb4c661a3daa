"""The paper's four intensity augmentations. Sampling is apart from applying, so that every method sees the same stream.

Ranges follow nnU-Net, whose order is kept: noise, blur, brightness, gamma (docs/ambiguities.md, D11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from spectralcal.base.seeds import stream_seed
from spectralcal.transforms.blur import GaussianBlur, gaussian_blur
from spectralcal.transforms.brightness import Brightness
from spectralcal.transforms.contract import Transform
from spectralcal.transforms.gamma import Gamma, gamma_transform
from spectralcal.transforms.noise import GaussianNoise

if TYPE_CHECKING:
    from spectralcal.study.config import AugmentationConfig


@dataclass(frozen=True)
class Augmentation:
    """Sampled parameters of a batch, one value per sample; the neutral value means "not applied"."""

    noise_std: np.ndarray  # (B,), 0: none
    blur_sigma: np.ndarray  # (B,), voxels, 0: none
    brightness: np.ndarray  # (B,), factor, 1: none
    gamma: np.ndarray  # (B,), exponent, 1: none
    noise_seed: int


def sample_augmentation(settings: AugmentationConfig, batch_size: int, stream: tuple[str | int, ...]) -> Augmentation:
    """Draw the parameters for one batch from the random stream named by `stream`."""
    rng = np.random.default_rng(stream_seed("augmentation", *stream))

    def draw(probability: float, bounds: tuple[float, float], neutral: float) -> np.ndarray:
        # Both draws always happen: a changed probability must not shift the draws that follow.
        applied, value = rng.random(batch_size) < probability, rng.uniform(*bounds, batch_size)
        return np.where(applied, value, neutral)

    return Augmentation(
        noise_std=np.sqrt(draw(settings.noise_probability, settings.noise_variance, 0.0)),
        blur_sigma=draw(settings.blur_probability, settings.blur_sigma, 0.0),
        brightness=draw(settings.brightness_probability, settings.brightness_factor, 1.0),
        gamma=draw(settings.gamma_probability, settings.gamma_exponent, 1.0),
        noise_seed=stream_seed("noise", *stream),
    )


def apply_augmentation(images: Tensor, parameters: Augmentation) -> Tensor:
    """Apply sampled parameters to images (B, C, *spatial); the input is left as it is."""
    result = []
    for index, image in enumerate(images):
        for transform in _transforms(parameters, index):
            image = transform(image, parameters.noise_seed + index)
        result.append(image)
    return torch.stack(result)


def _transforms(parameters: Augmentation, index: int) -> Iterator[Transform]:
    """The transforms of one sample, in their order, without those that change nothing."""
    if parameters.noise_std[index] > 0:
        yield GaussianNoise.of_std(float(parameters.noise_std[index]))
    if parameters.blur_sigma[index] > 0:
        yield GaussianBlur(float(parameters.blur_sigma[index]))
    if parameters.brightness[index] != 1:
        yield Brightness(float(parameters.brightness[index]))
    if parameters.gamma[index] != 1:
        yield Gamma(float(parameters.gamma[index]))


__all__ = ["Augmentation", "apply_augmentation", "gamma_transform", "gaussian_blur", "sample_augmentation"]
