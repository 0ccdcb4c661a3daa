"""Smooth random fields, class posteriors and labels drawn from them: the probability part of the phantom."""

from __future__ import annotations

import numpy as np


def smooth_field(
    random: np.random.Generator, shape: tuple[int, ...], spacing_mm: tuple[float, ...], length_mm: float
) -> np.ndarray:
    """A stationary Gaussian random field (*shape), float64, with mean 0 and marginal variance exactly 1.

    White noise is smoothed in the Fourier domain, so the field is periodic; its correlation at distance r is
    ``exp(-r**2 / (2 * length_mm**2))`` for lengths well below the field of view.
    """
    noise = np.fft.rfftn(random.standard_normal(shape))
    variance = 1.0
    for axis, (size, spacing) in enumerate(zip(shape, spacing_mm, strict=True)):
        full = np.exp(-((np.pi * np.fft.fftfreq(size, spacing) * length_mm) ** 2))
        variance *= np.mean(full**2)
        half = full if axis < len(shape) - 1 else full[: size // 2 + 1]
        noise *= half.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return np.fft.irfftn(noise, s=shape, axes=range(len(shape))) / np.sqrt(variance)


def blur_width(field: np.ndarray, sharpest_mm: float, vaguest_mm: float) -> np.ndarray:
    """tau (*shape) in mm: a unit-variance field mapped into [sharpest, vaguest], uniform on a logarithmic scale."""
    return sharpest_mm * (vaguest_mm / sharpest_mm) ** normal_cdf(field)


def posterior(distances_mm: np.ndarray, tau_mm: np.ndarray) -> np.ndarray:
    """Class probabilities from signed distances.

    With u the signed distance to the union of the structures, the score of the background is 0 and that of class c
    is ``-u / tau + log_softmax(-d / tau)_c``; the posterior is the softmax of the scores. For one structure that is
    the logistic function of ``-d / tau``. The second term shares the foreground out, so that the background does not
    show through where two structures touch.

    Args:
        distances_mm: (C, *spatial) signed distance to each foreground structure's own region, negative inside.
        tau_mm: (*spatial) blur of the boundary.

    Returns:
        (C + 1, *spatial), background first, summing to 1.
    """
    scores = -distances_mm / tau_mm
    union = scores.max(axis=0)
    foreground = 1 / (1 + np.exp(-np.clip(union, -60, 60)))
    shares = np.exp(scores - union)
    shares *= foreground / shares.sum(axis=0)
    return np.concatenate([(1 - foreground)[None], shares])


def draw_label(probabilities: np.ndarray, field: np.ndarray) -> np.ndarray:
    """A label (*spatial) uint8 whose marginals are exactly `probabilities` (C, *spatial): a Gaussian copula.

    Each voxel takes the first class whose cumulative probability exceeds ``Phi(field)``. With a smooth `field` of
    standard normal marginals, neighbours agree as they do in a contour drawn by hand.
    """
    level = normal_cdf(field)
    cumulative = np.cumsum(probabilities[:-1], axis=0)  # whatever is left falls to the last class, rounding included
    return (level >= cumulative).sum(axis=0).astype(np.uint8)


def normal_cdf(values: np.ndarray) -> np.ndarray:
    """The standard normal distribution function."""
    from scipy.special import ndtr

    return ndtr(values)
