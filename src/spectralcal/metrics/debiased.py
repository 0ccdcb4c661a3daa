"""Binned calibration errors less what chance adds to them, with an interval and with what the interval assumes.

A bin of few voxels shows a gap even if its confidence is right, so a plug-in error is too large on average. How much
too large depends on how many voxels are independent of each other. Neighbours in an image are not; cases may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram

#: of the normal distribution: 95 % of it is within
NORMAL_95 = 1.959963984540054


class Debiased(NamedTuple):
    """A debiased error, its 95 % interval, and the square whose root it is (negative values are chance)."""

    value: float
    low: float
    high: float
    square: float


def debiased_ece(histogram: CalibrationHistogram, label: int | None = None, voxels_per_draw: float = 1.0) -> Debiased:
    """Root of the squared calibration error over bins, debiased (Broecker 2012; Kumar et al. 2019).

    ``sum_b n_b / N [(confidence_b - accuracy_b)^2 - accuracy_b (1 - accuracy_b) / (n_b - 1)]``, with the equal-width
    bins of the histogram; bins of one voxel are left out of the sum. Exact, from published curves too. The square is
    unbiased; the root of a negative one is 0.

    **Assumes that voxels are drawn independently**, which those of an image are not: the correction and the interval
    are then too small. ``voxels_per_draw`` says how many voxels are worth one independent draw; with several cases,
    :func:`debiased_ece_over_cases` needs no such number. The interval is normal for the square, with the sampling
    variance of accuracies alone.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label.
        voxels_per_draw: design effect, at least 1.

    Returns:
        nan without a voxel.

    Raises:
        ValueError: `label` is no class, or fewer than one voxel a draw.
    """
    if not voxels_per_draw >= 1:
        raise ValueError(f"voxels_per_draw must be at least 1, got {voxels_per_draw}")
    count, confidence, hits = histogram._binned(histogram._row(label))
    draws = count / voxels_per_draw
    kept = draws > 1
    if not kept.any():
        return Debiased(*[float("nan")] * 4)
    rate = hits[kept] / count[kept]
    variance = rate * (1 - rate) / (draws[kept] - 1)
    return _combined(count[kept] / count.sum(), confidence[kept] / count[kept] - rate, variance)


def debiased_ece_over_cases(count: np.ndarray, confidence: np.ndarray, hits: np.ndarray) -> Debiased:
    """The same over whole cases: voxels of one case may depend on each other in any way.

    **Assumes that cases are drawn independently** (patients, where a patient has one case) and that there are enough of
    them for a bin's gap, a ratio of two sums over cases, to be nearly normal; the interval takes bins as independent.
    Bins with voxels of fewer than two cases are left out.

    Args:
        count, confidence, hits: (cases, bins) voxels, sums of confidences, and right voxels.

    Raises:
        ValueError: shapes differ or are not (cases, bins).
    """
    count, confidence, hits = (np.asarray(x, np.float64) for x in (count, confidence, hits))
    if count.ndim != 2 or not count.shape == confidence.shape == hits.shape:
        raise ValueError(f"expected three arrays (cases, bins), got {count.shape}, {confidence.shape} and {hits.shape}")
    cases = (count > 0).sum(axis=0)
    kept = cases > 1
    if not kept.any():
        return Debiased(*[float("nan")] * 4)
    count, residual, cases = count[:, kept], (confidence - hits)[:, kept], cases[kept]
    voxels = count.sum(axis=0)
    gap = residual.sum(axis=0) / voxels
    # Variance of a ratio: what each case deviates from the common gap.
    variance = cases / (cases - 1) * ((residual - count * gap) ** 2).sum(axis=0) / voxels**2
    return _combined(voxels / voxels.sum(), gap, variance)


def _combined(share: np.ndarray, gap: np.ndarray, variance: np.ndarray) -> Debiased:
    """Of bins: shares of all voxels, gaps, and the sampling variances of the gaps."""
    square = float((share * (gap**2 - variance)).sum())
    # Of a normal gap with variance v: var(gap^2) = 4 mean^2 v + 2 v^2, and gap^2 - v estimates mean^2.
    spread = (share**2 * (4 * np.maximum(gap**2 - variance, 0) * variance + 2 * variance**2)).sum()
    low, high = square - NORMAL_95 * np.sqrt(spread), square + NORMAL_95 * np.sqrt(spread)
    root = np.sqrt(np.maximum([square, low, high], 0))
    return Debiased(*(float(value) for value in root), square)
