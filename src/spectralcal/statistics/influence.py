"""Statistics that are no means, made into means: what each seed and patient contributes to first order.

A ratio of means, the best of several, a curve of pooled counts: close to the measured means they are linear, and the
linear part is a mean over seeds and patients, to which :func:`spectralcal.statistics.crossed.crossed` applies (the
infinitesimal jackknife). There is then one rule for every number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spectralcal.statistics.groups import sums_of_patients

#: step of the central difference, as a share of the way from the mean to a single value
STEP = 1e-3


def influence(statistic: Callable[[np.ndarray], np.ndarray], values: np.ndarray, keep: int) -> np.ndarray:
    """Linearised contribution of each seed and patient to a statistic of means.

    Args:
        statistic: (..., *rest) means -> (...) numbers; smooth near the means.
        values: (*rest, S, P), nan where a patient lacks a quantity.
        keep: number of axes of `rest`.

    Returns:
        (S, P) numbers whose mean is the statistic of the means; exactly the values themselves for a linear statistic.
    """
    known = np.isfinite(values)
    count = known.sum((-2, -1), keepdims=True)
    means = np.divide(np.where(known, values, 0.0).sum((-2, -1), keepdims=True), count, where=count > 0,
                      out=np.full(count.shape, np.nan))  # fmt: skip
    # A quantity that few patients have is a mean of few: each of them moves it more.
    weight = values.shape[-2] * values.shape[-1] / np.maximum(count, 1)
    away = np.where(known, values - means, 0.0) * weight
    axes = (-2, -1)
    away = np.moveaxis(away, axes, (0, 1))  # (S, P, *rest)
    centre = means.reshape(values.shape[:keep])
    at = np.asarray(statistic(centre), dtype=float)
    change = (statistic(centre + STEP * away) - statistic(centre - STEP * away)) / (2 * STEP)
    return at + np.asarray(change, dtype=float)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Linearised contributions to a ratio of sums: (S, P, ...) sums each -> (S, P, ...), whose mean is the ratio.

    Where the denominator is 0 everywhere the result is nan.
    """
    top, bottom = numerator.mean((0, 1)), denominator.mean((0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = top / bottom
        return value + (numerator - value * denominator) / bottom


def pooled_ratio(numerator: np.ndarray, denominator: np.ndarray, patients: object = None) -> np.ndarray:
    """Linearised contributions to ratios of counts that are pooled over seeds and cases, such as an accuracy.

    Args:
        numerator, denominator: (..., S, N) sums of each seed and case.
        patients: (N,) labels; what a patient's cases hold is added. None: every case is a patient.

    Returns:
        (..., S, P) numbers whose mean is the ratio of the whole sums, for
        :func:`spectralcal.statistics.crossed.crossed_many`; nan where the denominator is 0 everywhere.
    """
    top, bottom = (np.moveaxis(sums_of_patients(a, patients), (-2, -1), (0, 1)) for a in (numerator, denominator))
    return np.moveaxis(ratio(top, bottom), (0, 1), (-2, -1))
