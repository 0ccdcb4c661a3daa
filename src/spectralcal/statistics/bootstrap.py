"""Bootstrap confidence intervals of a mean, with patients (not frames, slices or classes) as the units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spectralcal.statistics.groups import group_means

RESAMPLES = 10_000  # the Monte Carlo error of a 95 % end point is then below 2 % of the interval's half-width
_BLOCK = 1 << 22  # entries of the resampling matrix held at a time


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        estimate: mean over groups of the groups' means.
        low, high: ends of the interval; nan with fewer than two groups.
        level: coverage that the interval aims at.
        groups, values: how many entered (values that are nan did not).
    """

    estimate: float
    low: float
    high: float
    level: float
    groups: int
    values: int


def bootstrap_mean(
    values: np.ndarray,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Interval of the mean over groups.

    Groups are drawn with replacement and weigh the same whatever their number of values: two frames of one heart are
    one observation. The bias-corrected and accelerated interval (Efron 1987) is the default because calibration errors
    are skewed.

    Args:
        values, groups: as in :func:`group_means`.
        level: between 0 and 1.
        method: ``bca`` or ``percentile``.
        resamples: number of bootstrap samples.
        seed: the same seed gives the same interval.

    Raises:
        ValueError: as :func:`group_means`; a level, method or number of resamples out of range.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    if method not in ("bca", "percentile"):
        raise ValueError(f"method must be 'bca' or 'percentile', got {method!r}")
    _, means = group_means(values, groups)
    counted = int(np.count_nonzero(~np.isnan(np.asarray(values, np.float64))))
    estimate = float(means.mean()) if means.size else float("nan")
    if means.size < 2:
        return Interval(estimate, float("nan"), float("nan"), level, means.size, counted)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    drawn = resampled_means(means, resamples, seed)
    if method == "bca":
        tails = _bca_tails(tails, drawn, means)
    low, high = np.quantile(drawn, tails)
    return Interval(estimate, float(low), float(high), level, means.size, counted)


def resampled_means(means: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """(resamples,) means of samples of ``means`` (n,) drawn with replacement; the same seed draws the same samples.

    Raises:
        ValueError: no value, or fewer than one resample.
    """
    if means.size == 0 or resamples < 1:
        raise ValueError(f"expected at least one value and one resample, got {means.size} and {resamples}")
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    step = max(1, _BLOCK // means.size)
    for start in range(0, resamples, step):
        block = drawn[start : start + step]
        block[:] = means[rng.integers(0, means.size, (block.size, means.size))].mean(axis=1)
    return drawn


def _bca_tails(tails: np.ndarray, drawn: np.ndarray, means: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr, ndtri

    centred = means - means.mean()
    spread = np.sum(centred**2)
    if spread <= 1e-24 * max(1.0, float(np.sum(means**2))):
        return tails  # every group alike: the interval is a point
    # For a mean the jackknife's skewness is that of the groups themselves.
    acceleration = np.sum(centred**3) / (6 * spread**1.5)
    share = (np.mean(drawn < means.mean()) + np.mean(drawn <= means.mean())) / 2
    bias = ndtri(np.clip(share, 1 / drawn.size, 1 - 1 / drawn.size))
    z = bias + ndtri(tails)
    return ndtr(bias + z / (1 - acceleration * z))
