"""Differences between methods when seeds and patients are both random and fully crossed (docs/preregistration.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spectralcal import statistics
from spectralcal.statistics.crossed import FEWEST_PATIENTS, FEWEST_SEEDS, LEVEL, POWER, crossed


@dataclass(frozen=True)
class Contrast:
    """The mean of d[s, p] over seeds s and patients p with its interval.

    Attributes:
        value: the mean.
        error: its standard error.
        freedom: its degrees of freedom.
        by_seed: the mean of each seed.
        patients: P.
    """

    value: float
    error: float
    freedom: float
    by_seed: tuple[float, ...]
    patients: int

    @classmethod
    def of(cls, differences: np.ndarray) -> Contrast:
        """From d (S, P).

        Patients without a value are left out; see :func:`spectralcal.statistics.crossed.crossed`.

        Raises:
            ValueError: fewer than two seeds or two patients.
        """
        d = np.asarray(differences, float)
        d = d[:, np.isfinite(d).all(axis=0)]
        if min(d.shape) < 2:
            raise ValueError(f"expected at least two seeds and two patients, got {d.shape}")
        found = crossed(d)
        return cls(found.estimate, found.se, found.df, tuple(map(float, d.mean(1))), found.patients)

    @property
    def p(self) -> float:
        """Two-sided p-value of a mean of 0."""
        from scipy.special import stdtr

        if self.error == 0:
            return float(self.value == 0)
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    @property
    def ends(self) -> tuple[float, float]:
        """The 95 % interval."""
        half = self._quantile((1 + LEVEL) / 2) * self.error
        return self.value - half, self.value + half

    @property
    def detectable(self) -> float:
        """The smallest difference that such a design finds with a power of 80 %."""
        return (self._quantile((1 + LEVEL) / 2) + self._quantile(POWER)) * self.error

    @property
    def shortage(self) -> str:
        """Why it cannot decide anything, or an empty text."""
        if len(self.by_seed) < FEWEST_SEEDS:
            return f"{len(self.by_seed)} seeds, fewer than {FEWEST_SEEDS}"
        if self.patients < FEWEST_PATIENTS:
            return f"{self.patients} test patients, fewer than {FEWEST_PATIENTS}"
        return ""

    def _quantile(self, share: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, share))


def holm(p_values: Mapping[str, float] | Sequence[float]) -> dict[str, float] | list[float]:
    """Holm's adjusted p-values of a family, in the given order (Holm 1979)."""
    if isinstance(p_values, Mapping):
        return dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return statistics.holm(np.array(p_values, float)).tolist()
