"""Numbers of several methods on the same cases and seeds, so that every comparison is paired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spectralcal.report.claims.finding import Measure
from spectralcal.statistics.crossed import LEVEL, Crossed, crossed, together
from spectralcal.statistics.influence import influence
from spectralcal.statistics.jackknife import jackknifed

#: (..., methods, quantities) -> (...): what a claim compares, as a function of means over patients
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Sample:
    """Values of methods on test cases.

    A case without a value for one method or seed is left out for all, so that no method profits from a skipped case.

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
        member = (owner[:, None] == np.arange(len(names))).astype(float)  # (cases, patients)
        count = np.isfinite(shared) @ member
        total = np.nan_to_num(shared) @ member
        means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return cls(tuple(methods), means, tuple(names), len(patients))

    @property
    def means(self) -> np.ndarray:
        """(M, Q): mean over seeds and patients."""
        return _mean(self.values).mean(-1)

    @property
    def by_seed(self) -> np.ndarray:
        """(seeds, M, Q): mean over patients of each seed."""
        return np.moveaxis(_mean(self.values), -1, 0)

    def measure(self, statistic: Statistic, tries: int = 1, *, steps: bool = False) -> Measure:
        """A statistic of the means with its interval over seeds and patients, and its value for each seed.

        A statistic that is no mean is linearised (:func:`spectralcal.statistics.influence`).

        Args:
            statistic: of means (..., methods, quantities).
            tries: number of comparisons from which this one was picked on the same numbers, such as the best of
                six baselines; the interval has Bonferroni's level 1 - 0.05 / tries.
            steps: the statistic has steps or folds, as ranks and ranges do, so that it cannot be linearised
                (:func:`spectralcal.statistics.jackknife.jackknifed`).
        """
        if steps:
            return measure_together([self], lambda means: statistic(means[..., 0, :, :]), tries, steps=True)
        part = _contributions(statistic, self)
        interval = _centred(crossed(part, level=_level(tries)), float(statistic(self.means)))
        return Measure.of(interval, statistic(self.by_seed), len(self.patients), self.cases)

    def at(self, method: str) -> int:
        """Position of a method."""
        return self.methods.index(method)


def measure_together(
    samples: Sequence[Sample], statistic: Statistic, tries: int = 1, *, steps: bool = False
) -> Measure:
    """A statistic over data sets, whose trainings and patients are independent.

    Args:
        samples: one per data set, with the same methods and numbers of quantities and seeds.
        statistic: (..., data sets, methods, quantities) -> (...).
        tries: as in :meth:`Sample.measure`.
        steps: as in :meth:`Sample.measure`.
    """
    means = np.stack([sample.means for sample in samples])
    by_seed = statistic(np.stack([sample.by_seed for sample in samples], axis=1))
    patients, cases = sum(len(sample.patients) for sample in samples), sum(sample.cases for sample in samples)
    if steps:

        def whole(tables: Sequence[np.ndarray]) -> float:
            """The statistic of the means of tables (M, Q, S, P)."""
            return float(statistic(np.stack([_mean(table).mean(-1) for table in tables])))

        interval = jackknifed(whole, [sample.values for sample in samples], level=_level(tries))
        return Measure.of(interval, by_seed, patients, cases)
    parts = []
    for index, sample in enumerate(samples):

        def alone(one: np.ndarray, index: int = index) -> np.ndarray:
            """The statistic as a function of one data set's means."""
            everywhere = np.broadcast_to(means, (*one.shape[:-2], *means.shape)).copy()
            everywhere[..., index, :, :] = one
            return statistic(everywhere)

        parts.append(crossed(_contributions(alone, sample)))
    interval = together(parts, float(statistic(means)), _level(tries))
    return Measure.of(interval, by_seed, patients, cases)


def _contributions(statistic: Statistic, sample: Sample) -> np.ndarray:
    """(S, P) of what each seed and patient with a value contributes to a statistic."""
    known = np.isfinite(sample.values).any((0, 1, 2))
    return influence(statistic, sample.values[..., known], 2)


def _centred(interval: Crossed, estimate: float) -> Crossed:
    """The interval around the statistic itself, from which the mean of linear parts differs in the third order."""
    return replace(interval, estimate=estimate, low=interval.low + estimate - interval.estimate,
                   high=interval.high + estimate - interval.estimate)  # fmt: skip


def _level(tries: int) -> float:
    return 1 - (1 - LEVEL) / tries


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that exist; nan where there are none."""
    known = np.isfinite(values)
    count = known.sum(-1)
    total = np.where(known, values, 0.0).sum(-1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
