"""Smooth calibration error: differences of confidence and accuracy, smoothed by a kernel of their own size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectralcal.metrics.ordered import curve_of

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram

#: steps of [0, 1] on which residuals are smoothed; bandwidths far below one step smooth nothing
STEPS = 2**14
#: no bandwidth below this one is tried, and by default bandwidths are resolved to 2^-10, as in the authors' relplot
FINEST = 1e-3
HALVINGS = 10


def smooth_ece(histogram: CalibrationHistogram, label: int | None = None, halvings: int = HALVINGS) -> float:
    """SmoothECE (Blasiok and Nakkiran 2024): :func:`smooth_ece_at` at the bandwidth that the error itself has.

    It is consistent, which binned errors are not: within a constant factor of the distance to the nearest calibrated
    predictor, and nearly continuous in the predictions. Errors of opposite sign cancel only where their confidences lie
    closer together than the error itself.

    A histogram places all voxels of a cell at their mean probability: on a million voxels the value of a histogram or
    of a published curve is within 1e-5 of that of the voxels (tests/metrics/test_unbinned.py). Ties need no convention.
    relplot, the authors' code, agrees to 1e-4 where few voxels are within 1e-3 of 0 or 1; those on the first and last
    point of its grid it counts by half.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label.
        halvings: the bandwidth is the smallest multiple of 2^-halvings that is not below its error. relplot's 10, so
            that numbers can be compared; with more, the error comes nearer to its bandwidth.

    Returns:
        A value in [0, 1]; nan without a voxel.

    Raises:
        ValueError: `label` is no class.
    """
    spectrum = _spectrum(histogram, label)
    if spectrum is None:
        return float("nan")
    low, high = 0.0, 1.0  # the error falls with the bandwidth, from at most 1
    for _ in range(halvings):
        middle = (low + high) / 2
        too_narrow = middle < FINEST or middle < _error(spectrum, middle)
        low, high = (middle, high) if too_narrow else (low, middle)
    return _error(spectrum, high)


def smooth_ece_at(histogram: CalibrationHistogram, bandwidth: float, label: int | None = None) -> float:
    """Integral over t of ``|mean over voxels of (y - p) K(t, p)|`` with K a Gaussian reflected at 0 and 1.

    Args:
        histogram: counted voxels, or a curve.
        bandwidth: standard deviation of the Gaussian; 0 for none, up to the grid's 2^-14.
        label: a class, or None for the top label.

    Raises:
        ValueError: `label` is no class, or a negative bandwidth.
    """
    if not bandwidth >= 0:
        raise ValueError(f"bandwidth must be at least 0, got {bandwidth}")
    spectrum = _spectrum(histogram, label)
    return float("nan") if spectrum is None else _error(spectrum, bandwidth)


def _spectrum(histogram: CalibrationHistogram, label: int | None) -> np.ndarray | None:
    """(STEPS + 1,) Fourier coefficients of the residuals per voxel, mirrored at 0 and 1: of period 2 and even."""
    curve = curve_of(histogram, label)
    if not curve.count.size:
        return None
    place = np.clip(curve.confidence / curve.count, 0, 1) * STEPS
    low = np.minimum(place.astype(int), STEPS - 1)
    residual = (curve.hits - curve.confidence) / curve.count.sum()
    # Between two points of the grid the mean stays where it was.
    mass = np.bincount(low, residual * (low + 1 - place), STEPS + 1)
    mass += np.bincount(low + 1, residual * (place - low), STEPS + 1)
    mirrored = np.concatenate([mass, mass[-2:0:-1]])
    mirrored[[0, STEPS]] *= 2  # an end is its own mirror image
    return np.fft.rfft(mirrored).real


def _error(spectrum: np.ndarray, bandwidth: float) -> float:
    """Mean of the absolute residual, smoothed: a Gaussian multiplies Fourier coefficients by a Gaussian."""
    frequency = np.pi * np.arange(spectrum.size) * bandwidth
    smoothed = np.abs(np.fft.irfft(spectrum * np.exp(-0.5 * frequency**2), 2 * STEPS)[: STEPS + 1])
    return float(smoothed.sum() - (smoothed[0] + smoothed[-1]) / 2)
