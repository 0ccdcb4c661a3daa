"""Correlation of two maps, and what it would be if they shared nothing but the distance to the boundary.

Both a network's doubt and its high frequencies sit at boundaries, so any two such maps correlate. The null lets voxels
change places within strata (here: voxels at one distance to the boundary). Mean and variance of the correlation over
all such permutations have a closed form, so none is drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Matched(NamedTuple):
    """A correlation and its permutation null.

    Attributes:
        value: correlation over all voxels; NaN where a map does not vary.
        null_mean: its mean over all permutations within strata, exactly: what the strata explain.
        null_sd: its standard deviation over them. Neighbouring voxels are alike, so it is far smaller than the
            uncertainty of a case; inference belongs to the spread over patients.
    """

    value: float
    null_mean: float
    null_sd: float


NOTHING = Matched(float("nan"), float("nan"), float("nan"))


def matched_correlation(first: np.ndarray, second: np.ndarray, strata: np.ndarray) -> Matched:
    """Pearson's correlation of two maps with its null; Spearman's if they hold ranks (:func:`ranks`).

    With z-scores x and y of n voxels and strata S: the null's mean is the correlation of the strata's means,
    sum_S n_S mean_S(x) mean_S(y) / n, and its variance sum_S SS_S(x) SS_S(y) / (n_S - 1) / n^2, where SS is the sum of
    squared deviations from the stratum's mean (variance of a linear permutation statistic, Hoeffding 1951).

    Args:
        first, second: (n,) numbers.
        strata: (n,) labels 0, 1, ...; voxels of one label may change places.

    Raises:
        ValueError: arrays of other shapes.
    """
    if not first.shape == second.shape == strata.shape or first.ndim != 1:
        raise ValueError(f"expected three arrays (n,), received {first.shape}, {second.shape} and {strata.shape}")
    if first.size < 2:
        return NOTHING
    x, y = _standardized(first), _standardized(second)
    if x is None or y is None:
        return NOTHING
    n = first.size
    count = np.bincount(strata).astype(np.float64)
    size = np.maximum(count, 1)
    mean_x, mean_y = (np.bincount(strata, weights=values) / size for values in (x, y))
    within_x, within_y = (
        np.bincount(strata, weights=(values - mean[strata]) ** 2) for values, mean in ((x, mean_x), (y, mean_y))
    )
    variance = np.sum(within_x * within_y / np.maximum(count - 1, 1)) / n**2
    return Matched(float(x @ y) / n, float(np.sum(count * mean_x * mean_y)) / n, float(np.sqrt(variance)))


def stratum_means(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """(n,) mean of each voxel's stratum: the expectation of its value under the null."""
    count = np.maximum(np.bincount(strata), 1)
    return (np.bincount(strata, weights=values) / count)[strata]


def ranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks, the mean of their places for equal values."""
    from scipy.stats import rankdata

    return rankdata(values)


def _standardized(values: np.ndarray) -> np.ndarray | None:
    """z-scores, or None for a map that is constant up to rounding."""
    values = np.asarray(values, np.float64)
    deviation = values - values.mean()
    spread = float(np.sqrt(np.mean(deviation**2)))
    return None if spread <= 1e-12 * max(1.0, float(np.abs(values).max())) else deviation / spread
