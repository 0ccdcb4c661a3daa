"""Band powers and their entropy in NumPy, as :mod:`spectralcal.spectral` has them by default, for a single field.

Figures run where torch need not be installed.
"""

from __future__ import annotations

import functools

import numpy as np

TOLERANCE = 1e-9
EPS = 1e-6


@functools.lru_cache(maxsize=4)
def shell_index(shape: tuple[int, ...], bands: int = 5) -> np.ndarray:
    """Shell of each frequency of a field (paper, Eq. 4, divided by K): 0 to K - 1, and K for those of no shell.

    Shells end at k m / (2 K) cycles per m voxels, m the shortest side; zero frequency and the corners are in none.
    """
    axes = np.meshgrid(*(np.fft.fftfreq(size) * min(shape) for size in shape), indexing="ij", sparse=True)
    distance = np.sqrt(sum(axis**2 for axis in axes))
    edges = np.arange(1, bands + 1) * min(shape) / (2 * bands) * (1 + TOLERANCE)
    index = np.searchsorted(edges, distance, side="left")
    index[(0,) * len(shape)] = bands
    return index


def band_power(field: np.ndarray, bands: int = 5) -> np.ndarray:
    """Power of a field (*S) in each shell, (bands,): sums of the squared magnitudes of its Fourier transform."""
    power = np.abs(np.fft.fftn(field)) ** 2
    return np.bincount(shell_index(field.shape, bands).ravel(), power.ravel(), minlength=bands + 1)[:bands]


def spectral_entropy(power: np.ndarray) -> float:
    """Entropy of band powers (bands,) in nats (paper, Eqs. 7 and 8)."""
    shares = power / (power.sum() + EPS)
    return float(-(shares * np.log(shares + EPS)).sum())


def equal_bands(noise: np.ndarray, bands: int = 5) -> np.ndarray:
    """The field (*S) rescaled shell by shell so that each holds the same power; other frequencies are removed."""
    spectrum, index = np.fft.fftn(noise), shell_index(noise.shape, bands)
    gain = np.append(1 / np.sqrt(band_power(noise, bands)), 0.0)
    return np.fft.ifftn(spectrum * gain[index]).real
