"""The paper's four intensity augmentations. Sampling is apart from applying, so that every method sees the same stream.

Ranges follow nnU-Net, whose order is kept: noise, blur, brightness, gamma (docs/ambiguities.md, D11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.base.seeds import stream_seed

if TYPE_CHECKING:
    from spectralcal.study.config import AugmentationConfig

#: voxels on each side of a blurred voxel that contribute: three sigma at the largest sigma of 1 voxel
BLUR_RADIUS = 3


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
        if parameters.noise_std[index] > 0:
            image = image + _noise(image, parameters.noise_seed + index) * float(parameters.noise_std[index])
        if parameters.blur_sigma[index] > 0:
            image = gaussian_blur(image, float(parameters.blur_sigma[index]))
        if parameters.brightness[index] != 1:
            image = image * float(parameters.brightness[index])
        if parameters.gamma[index] != 1:
            image = gamma_transform(image, float(parameters.gamma[index]))
        result.append(image)
    return torch.stack(result)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur of (C, *spatial) with `sigma` in voxels; edges are replicated."""
    positions = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(positions**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    for axis in range(1, image.ndim):
        lines = image.movedim(axis, -1)
        flat = lines.reshape(-1, 1, lines.shape[-1])
        blurred = F.conv1d(F.pad(flat, (BLUR_RADIUS, BLUR_RADIUS), mode="replicate"), kernel[None, None])
        image = blurred.reshape(lines.shape).movedim(-1, axis)
    return image


def gamma_transform(image: Tensor, gamma: float) -> Tensor:
    """Raise each channel of (C, *spatial), scaled to [0, 1], to `gamma`; mean and standard deviation are kept."""
    axes = tuple(range(1, image.ndim))
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    mean, std = image.mean(axes, keepdim=True), image.std(axes, keepdim=True)
    curved = ((image - low) / (high - low).clamp_min(1e-7)).pow(gamma)
    curved_std = curved.std(axes, keepdim=True).clamp_min(1e-7)
    return (curved - curved.mean(axes, keepdim=True)) / curved_std * std + mean


def _noise(image: Tensor, seed: int) -> Tensor:
    generator = torch.Generator(device=image.device).manual_seed(seed % 2**63)
    return torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
