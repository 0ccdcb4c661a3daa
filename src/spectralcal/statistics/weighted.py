"""Resampling of patients for curves: one set of draws for all points and methods, so that ratios are paired."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 2000
LEVEL = 0.95


def patient_draws(patients: Sequence[str], draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each case enters each bootstrap sample of patients: (draws, cases) float64.

    Args:
        patients: patient of each case, (cases,); cases of one patient enter together.
        draws: number of samples.
        seed: of the draws; fixed, so that a figure is the same every time.
    """
    names, owner = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    picks = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    counts = np.apply_along_axis(np.bincount, 1, picks, minlength=len(names))
    return counts[:, owner].astype(np.float64)


def weighted_mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean over cases for each sample, (draws, points), where a case without a value (NaN) does not count.

    Args:
        weights: (draws, cases).
        values: (cases, points).
    """
    there = np.isfinite(values)
    total = weights @ np.where(there, values, 0.0)
    weight = weights @ there.astype(np.float64)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval over samples (draws, points): (points,) low and high; NaN where no sample has a value."""
    samples = np.asarray(samples)
    low, high = np.full((2, samples.shape[1]), np.nan)
    for point in range(samples.shape[1]):
        found = samples[np.isfinite(samples[:, point]), point]
        if found.size:
            low[point], high[point] = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return low, high
