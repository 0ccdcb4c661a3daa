"""Ratio of two methods' variances over the same cases, with an interval over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spectralcal.statistics import FEWEST_TO_RANK
from spectralcal.statistics.weighted import interval, patient_draws


@dataclass(frozen=True)
class VarianceRatio:
    """Variance of a method over that of a baseline.

    Attributes:
        ratio: of the sample variances (n - 1) over cases; below 1 the method varies less. NaN for fewer than two
            cases or where the baseline does not vary.
        low, high: ends of the 95 % percentile bootstrap interval; NaN for fewer than six patients, whose samples hardly
            differ.
        cases: that both have a value of.
    """

    ratio: float
    low: float
    high: float
    cases: int


def variance_ratio(values: np.ndarray, baseline: np.ndarray, patients: np.ndarray, draws: int = 2000) -> VarianceRatio:
    """Compare the spread of two methods over the cases of both.

    Patients are drawn again with all of their cases, the same for both methods, so that a hard patient enters both
    variances or neither.

    Args:
        values, baseline: (cases,) in one order; NaN where there is none.
        patients: (cases,) labels.
        draws: bootstrap samples.

    Raises:
        ValueError: arrays of different shapes.
    """
    values, baseline, patients = (np.asarray(array) for array in (values, baseline, patients))
    if not values.shape == baseline.shape == patients.shape or values.ndim != 1:
        raise ValueError(
            f"expected values, baseline and patients (cases,), received {values.shape}, {baseline.shape} and "
            f"{patients.shape}"
        )
    both = np.isfinite(values) & np.isfinite(baseline)
    count = int(both.sum())
    if count < 2:
        return VarianceRatio(np.nan, np.nan, np.nan, count)
    pair = np.stack([values[both], baseline[both]]).astype(float)  # (2, cases)
    estimate = _ratio(pair, np.ones((1, count)))[0]
    if len(set(patients[both])) < FEWEST_TO_RANK:
        return VarianceRatio(estimate, np.nan, np.nan, count)
    low, high = interval(_ratio(pair, patient_draws(patients[both], draws))[:, None])
    return VarianceRatio(float(estimate), float(low[0]), float(high[0]), count)


def _ratio(pair: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draws,) ratios of weighted sample variances; NaN where the second is zero up to rounding."""
    centred = pair - pair.mean(1, keepdims=True)
    total = weights.sum(1)
    first, second = (((weights @ row**2) - (weights @ row) ** 2 / total) / (total - 1) for row in centred)
    varies = second > 1e-12 * (pair[1] ** 2).mean()
    return np.divide(np.maximum(first, 0.0), second, out=np.full(len(weights), np.nan), where=varies)
