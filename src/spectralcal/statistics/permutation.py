"""Exact permutation test of a rank correlation, for a handful of units such as losses."""

from __future__ import annotations

import itertools
import math

import numpy as np

#: units up to which all orders are counted: 9! = 362,880
MOST = 9


def spearman_permutation(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation of a few units, and its exact two-sided p-value.

    Under the null hypothesis every order of `y` is equally likely; the p-value is the share of all n! orders whose
    correlation is at least as far from zero as the observed one. With n units no p-value below 2 / n! is possible.

    Args:
        x, y: (n,) values of the units, n from 3 to 9; ties share their rank.

    Returns:
        Correlation and p-value; both nan if a value is missing or all values of one side are equal.

    Raises:
        ValueError: other shapes, or a number of units out of range.

    Source:
        Good, Permutation, Parametric and Bootstrap Tests of Hypotheses (2005).
    """
    from scipy.stats import rankdata

    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.ndim != 1 or not 3 <= x.size <= MOST:
        raise ValueError(f"expected two rows of 3 to {MOST} values, got shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return math.nan, math.nan
    a, b = (rankdata(values) - (x.size + 1) / 2 for values in (x, y))
    scale = math.sqrt((a**2).sum() * (b**2).sum())
    if not scale > 0:
        return math.nan, math.nan
    orders = np.array(list(itertools.permutations(range(x.size))))
    products = b[orders] @ a
    observed = float(a @ b)
    extreme = np.abs(products) >= abs(observed) - 1e-9
    return observed / scale, float(extreme.mean())
