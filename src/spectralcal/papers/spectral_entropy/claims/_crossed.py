"""Differences between methods when seeds and patients are both random and fully crossed (docs/preregistration.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: seeds and patients from which on a hypothesis is decided
FEWEST_SEEDS, FEWEST_PATIENTS = 5, 6
LEVEL = 0.95
#: power of the smallest difference that a design would have found
POWER = 0.8


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

        With the mean squares of a two-way analysis of variance without replication and
        ``v = MSs + max(MSp - MSr, 0)``, ``SE^2 = v / (S P)`` and
        ``df = v^2 / (MSs^2 / (S - 1) + max(MSp - MSr, 0)^2 / (P - 1))``. Hillis (Statistics in Medicine 26, 2007) has
        the first term of df alone, as if patients were many. Patients without a value are left out.

        Raises:
            ValueError: fewer than two seeds or two patients.
        """
        d = np.asarray(differences, float)
        d = d[:, np.isfinite(d).all(axis=0)]
        if min(d.shape) < 2:
            raise ValueError(f"expected at least two seeds and two patients, got {d.shape}")
        seeds, patients = d.shape
        by_seed, by_patient, mean = d.mean(1), d.mean(0), d.mean()
        ms_seed = patients * by_seed.var(ddof=1)
        ms_patient = seeds * by_patient.var(ddof=1)
        rest = d - by_seed[:, None] - by_patient[None] + mean
        ms_rest = (rest**2).sum() / ((seeds - 1) * (patients - 1))
        extra = max(ms_patient - ms_rest, 0.0)
        numerator = ms_seed + extra
        spread = ms_seed**2 / (seeds - 1) + extra**2 / (patients - 1)
        freedom = max(numerator**2 / spread, 1.0) if spread > 0 else patients - 1.0
        return cls(
            float(mean), float(np.sqrt(numerator / d.size)), float(freedom), tuple(map(float, by_seed)), patients
        )

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
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        running = max(running, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = float(running)
    return adjusted
