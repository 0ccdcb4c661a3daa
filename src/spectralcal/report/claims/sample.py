"""Numbers of several methods on the same cases and seeds, resampled together so that every comparison is paired."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spectralcal.report.claims.finding import Measure
from spectralcal.statistics.weighted import patient_draws, weighted_mean

#: enough for the ends of an interval that is widened for several comparisons
DRAWS = 10_000
LEVEL = 0.95

#: (..., methods, quantities) -> (...): what a claim compares, as a function of means over patients
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Sample:
    """Values of methods on test cases.

    A case that lacks a quantity for one method or seed lacks it for all, so that no method profits from a skipped case.

    Attributes:
        methods: (M,) names, in the order of the first axis.
        values: (M, Q, seeds, patients), a patient's cases averaged.
        patients: their names.
        cases: number of cases.
    """

    methods: tuple[str, ...]
    values: np.ndarray
    patients: tuple[str, ...]
    cases: int

    @classmethod
    def of_cases(cls, methods: Sequence[str], values: np.ndarray, patients: Sequence[str]) -> Sample:
        """From values by case.

        Args:
            methods: (M,) names.
            values: (M, Q, seeds, cases), nan where there is none.
            patients: (cases,) patient of each case.

        Raises:
            ValueError: shapes that do not fit.
        """
        if values.ndim != 4 or values.shape[0] != len(methods) or values.shape[3] != len(patients):
            raise ValueError(
                f"expected values ({len(methods)}, quantities, seeds, {len(patients)}), got shape {values.shape}"
            )
        names, owner = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        absent = ~np.isfinite(values).all(axis=(0, 2))  # (Q, cases)
        shared = np.where(absent[None, :, None], np.nan, values)
        member = owner == np.arange(len(names))[:, None]  # (patients, cases)
        flat = shared.reshape(-1, len(patients)).T
        means = weighted_mean(member.astype(float), flat).T.reshape(*values.shape[:3], len(names))
        return cls(tuple(methods), means, tuple(names), len(patients))

    @property
    def means(self) -> np.ndarray:
        """(M, Q): mean over patients, seeds averaged."""
        return self._averaged(np.ones((1, len(self.patients))))[0]

    @property
    def by_seed(self) -> np.ndarray:
        """(seeds, M, Q): mean over patients of each seed."""
        seeds = self.values.shape[2]
        return np.stack([_mean(np.ones((1, len(self.patients))), self.values[:, :, s])[0] for s in range(seeds)])

    def drawn(self, seed: int = 0) -> np.ndarray:
        """(draws, M, Q): means over patients drawn with replacement; the same patients for all methods."""
        return self._averaged(_draws(self.patients, seed))

    def measure(self, statistic: Statistic, tries: int = 1) -> Measure:
        """A statistic of the means with its bootstrap interval over patients, and its value for each seed.

        Args:
            statistic: of means (..., methods, quantities).
            tries: out of how many comparisons this one was picked by the same numbers, as with the best baseline of
                six; the interval is widened accordingly (see :func:`interval`).
        """
        patients = len(self.patients)
        ends = interval(statistic(self.drawn()), patients, tries)
        return _measured(statistic, self.means, ends, self.by_seed, patients, self.cases)

    def at(self, method: str) -> int:
        """Position of a method."""
        return self.methods.index(method)

    def _averaged(self, weights: np.ndarray) -> np.ndarray:
        return _mean(weights, self.values.mean(axis=2))


def measure_together(samples: Sequence[Sample], statistic: Statistic, tries: int = 1) -> Measure:
    """A statistic over data sets, patients of each drawn on their own.

    Args:
        samples: one a data set, with the same methods and numbers of quantities and seeds.
        statistic: (..., data sets, methods, quantities) -> (...).
        tries: as in :meth:`Sample.measure`.
    """
    drawn = np.stack([sample.drawn(seed) for seed, sample in enumerate(samples)], axis=1)
    ends = interval(statistic(drawn), min(len(sample.patients) for sample in samples), tries)
    means = np.stack([sample.means for sample in samples])
    by_seed = np.stack([sample.by_seed for sample in samples], axis=1)
    patients, cases = sum(len(sample.patients) for sample in samples), sum(sample.cases for sample in samples)
    return _measured(statistic, means, ends, by_seed, patients, cases)


def interval(drawn: np.ndarray, patients: int, tries: int = 1) -> tuple[float, float]:
    """95 % percentile interval of a bootstrap distribution, expanded for few patients and for picked comparisons.

    A bootstrap of n patients is too narrow by the factor sqrt((n - 1) / n) and knows no t distribution; its tails are
    moved outwards for both (Hesterberg 2015, expanded percentile interval). The best of k methods looks better than it
    is; Bonferroni's level 1 - 0.05 / k allows for that.

    Args:
        drawn: (draws,) values, nan where a draw has none.
        patients: their number n.
        tries: k.

    Returns:
        Both ends; nan with fewer than two patients or without a value.
    """
    from scipy.special import ndtr, stdtrit

    drawn = drawn[~np.isnan(drawn)]
    if patients < 2 or not drawn.size:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / (2 * tries)
    expanded = ndtr(np.sqrt(patients / (patients - 1)) * stdtrit(patients - 1, tail))
    low, high = np.quantile(drawn, [expanded, 1 - expanded])
    return float(low), float(high)


@functools.lru_cache(maxsize=16)
def _draws(patients: tuple[str, ...], seed: int) -> np.ndarray:
    return patient_draws(patients, DRAWS, seed)


def _measured(
    statistic: Statistic,
    means: np.ndarray,
    ends: tuple[float, float],
    by_seed: np.ndarray,
    patients: int,
    cases: int,
) -> Measure:
    seeds = tuple(float(value) for value in statistic(by_seed))
    return Measure(float(statistic(means)), *ends, "patients", seeds, patients, cases)


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(draws, M, Q) of weights (draws, patients) and values (M, Q, patients)."""
    methods, quantities, patients = values.shape
    return weighted_mean(weights, values.reshape(-1, patients).T).reshape(-1, methods, quantities)
