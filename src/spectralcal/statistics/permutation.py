"""Exact permutation tests over a handful of units, such as seven losses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

#: orders that are gone through one by one; 9! is below it
MOST = 400_000


def exact_correlation_p(
    x: np.ndarray, y: np.ndarray, statistic: Callable[[np.ndarray, np.ndarray], float] | None = None
) -> float:
    """Two-sided exact p-value of a rank correlation of n units: the share of all orders that correlate as strongly.

    The units are those over which the claim is made. With seven losses the smallest possible p-value is 2 / 7!, and a
    correlation of 0.5 has 0.27: an interval over patients cannot say that, since more patients do not make more losses.

    Args:
        x, y: (n,) numbers, n from 3 to 9.
        statistic: of x and a reordered y; default Spearman's rank correlation.

    Raises:
        ValueError: shapes that differ, values that are not finite, or too few or too many units.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"expected two finite arrays (n,), got shapes {x.shape} and {y.shape}")
    if x.size < 3 or math.factorial(x.size) > MOST:
        raise ValueError(f"expected 3 to 9 units, got {x.size}")
    orders = np.array(list(itertools.permutations(range(x.size))))
    if statistic is None:
        from scipy.stats import rankdata

        a, b = rankdata(x) - (x.size + 1) / 2, rankdata(y) - (y.size + 1) / 2
        scale = np.sqrt((a @ a) * (b @ b))
        if scale == 0:
            return 1.0
        drawn, observed = b[orders] @ a / scale, float(a @ b / scale)
    else:
        drawn, observed = np.array([statistic(x, y[order]) for order in orders]), float(statistic(x, y))
    return float(np.mean(np.abs(drawn) >= abs(observed) - 1e-12))
