"""Ratio of two methods' variances over the same cases, with an interval over seeds and patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spectralcal.statistics import crossed
from spectralcal.statistics.groups import sums_of_patients


@dataclass(frozen=True)
class VarianceRatio:
    """Variance of a method over that of a baseline.

    Attributes:
        ratio: of the sample variances (n - 1) over cases, each the mean over seeds; below 1 the method varies less. NaN
            for fewer than two cases or where the baseline does not vary.
        low, high: ends of the 95 % interval over seeds and patients, computed for the logarithm; NaN with one patient.
        detectable: smallest ratio above 1 that would be detected with 80 % power (and its inverse); NaN with one seed.
        cases: that both have a value of under every seed.
    """

    ratio: float
    low: float
    high: float
    detectable: float
    cases: int


def variance_ratio(values: np.ndarray, baseline: np.ndarray, patients: np.ndarray) -> VarianceRatio:
    """Compare the spread of two methods over the cases of both.

    The logarithm of the ratio is linearised: a squared distance from the mean of its seed, over the mean of all of
    them, is what a case contributes. So a hard patient enters both variances.

    Args:
        values, baseline: (seeds, cases) in one order; NaN where there is none.
        patients: (cases,) labels.

    Raises:
        ValueError: arrays of different shapes.
    """
    values, baseline, patients = (np.asarray(array) for array in (values, baseline, patients))
    if values.shape != baseline.shape or values.ndim != 2 or patients.shape != values.shape[1:]:
        raise ValueError(
            f"expected values and baseline (seeds, cases) and patients (cases,), received {values.shape}, "
            f"{baseline.shape} and {patients.shape}"
        )
    both = np.isfinite(values).all(0) & np.isfinite(baseline).all(0)
    count = int(both.sum()) if len(values) else 0
    if count < 2:
        return VarianceRatio(np.nan, np.nan, np.nan, np.nan, count)
    pair = np.stack([values[:, both], baseline[:, both]]).astype(float)  # (2, seeds, cases)
    squares = np.square(pair - pair.mean(-1, keepdims=True))
    ours, theirs = squares.mean((1, 2))
    if theirs <= 1e-12 * (pair[1] ** 2).mean():  # zero up to rounding
        return VarianceRatio(np.nan, np.nan, np.nan, np.nan, count)
    if ours == 0:
        return VarianceRatio(0.0, np.nan, np.nan, np.nan, count)
    shares = squares / squares.mean((1, 2), keepdims=True)
    summed = sums_of_patients(shares, patients[both])
    interval = crossed((summed[0] - summed[1]) * summed.shape[-1] / count)
    ratio = ours / theirs
    ends = ratio * np.exp([interval.low, interval.high])
    return VarianceRatio(float(ratio), float(ends[0]), float(ends[1]), float(np.exp(interval.detectable)), count)
