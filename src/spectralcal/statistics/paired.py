"""Comparisons of two methods on the same patients, and of several such comparisons at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spectralcal.statistics.bootstrap import RESAMPLES, Interval, bootstrap_mean, group_means


@dataclass(frozen=True)
class PairedDifference:
    """Difference ``a - b`` over the groups that both have.

    Attributes:
        interval: mean difference over groups, with its bootstrap interval.
        p_value: Wilcoxon signed-rank test, two-sided; nan with fewer than two groups, 1 if all differences are 0.
        better: share of groups in which ``a`` is lower than ``b``, ties as one half.
        dropped: groups with a value on one side only.
    """

    interval: Interval
    p_value: float
    better: float
    dropped: int


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    groups_a: np.ndarray | None = None,
    groups_b: np.ndarray | None = None,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Compare two methods patient by patient.

    Each group's values (frames, seeds) are averaged first; a group enters if both methods have a value for it.

    Args:
        a, b: (n,) and (m,) values; nan where there is none.
        groups_a, groups_b: their labels; by default position ``i`` of ``a`` is paired with position ``i`` of ``b``.
        level, method, resamples, seed: as in :func:`spectralcal.statistics.bootstrap_mean`.

    Raises:
        ValueError: as :func:`spectralcal.statistics.bootstrap_mean`; labels for one side only; without labels, two
            lengths.
    """
    if (groups_a is None) != (groups_b is None):
        raise ValueError("give labels for both sides or for none: groups_a and groups_b pair the values")
    if groups_a is None and np.shape(a) != np.shape(b):
        raise ValueError(f"without groups both sides must have one length, got {np.shape(a)} and {np.shape(b)}")
    labels_a, means_a = group_means(a, groups_a)
    labels_b, means_b = group_means(b, groups_b)
    shared, index_a, index_b = np.intersect1d(labels_a, labels_b, assume_unique=True, return_indices=True)
    difference = means_a[index_a] - means_b[index_b]
    interval = bootstrap_mean(difference, level=level, method=method, resamples=resamples, seed=seed)
    better = float(np.mean((difference < 0) + 0.5 * (difference == 0))) if difference.size else float("nan")
    dropped = labels_a.size + labels_b.size - 2 * shared.size
    return PairedDifference(interval, wilcoxon_p(difference), better, int(dropped))


def wilcoxon_p(difference: np.ndarray) -> float:
    """Two-sided Wilcoxon signed-rank p-value of (n,) paired differences, zeros ranked (Pratt 1959).

    Returns:
        nan with fewer than two differences, 1 if all are 0.
    """
    difference = np.asarray(difference, np.float64)
    if difference.size < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(difference, zero_method="pratt").pvalue)
