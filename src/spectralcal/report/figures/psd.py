"""Radial power spectral density in NumPy, as :func:`spectralcal.spectral.radial_psd` has it, for a single field.

Figures run where torch need not be installed.
"""

from __future__ import annotations

import functools

import numpy as np

TOLERANCE = 1e-9


def hamming(shape: tuple[int, ...]) -> np.ndarray:
    """Product of symmetric Hamming windows, one per axis: `shape`."""
    return functools.reduce(np.multiply.outer, (np.hamming(size) for size in shape))


def radial_psd(field: np.ndarray, bins: int = 24, demean: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density under a Hamming window, averaged over directions.

    Args:
        field: (*S), any number of axes.
        bins: equal intervals of (0, 0.5] cycles/voxel.
        demean: subtract the mean first, which the window would smear over the lowest frequencies.

    Returns:
        frequencies (bins,), centres in cycles/voxel, and densities (bins,), |FFT(w x)|^2 / sum(w^2); NaN where the
        field has no frequency. Zero frequency and the corners above 0.5 are left out.
    """
    window = hamming(field.shape)
    power = np.abs(np.fft.fftn((field - field.mean() if demean else field) * window)) ** 2 / (window**2).sum()
    axes = np.meshgrid(*map(np.fft.fftfreq, field.shape), indexing="ij", sparse=True)
    edges = np.arange(1, bins + 1) / (2 * bins) * (1 + TOLERANCE)
    index = np.searchsorted(edges, np.sqrt(sum(axis**2 for axis in axes)), side="left")
    index[(0,) * field.ndim] = bins
    count, total = (np.bincount(index.ravel(), weights, minlength=bins + 1)[:bins] for weights in (None, power.ravel()))
    density = np.divide(total, count, out=np.full(bins, np.nan), where=count > 0)
    return (np.arange(bins) + 0.5) / (2 * bins), density
