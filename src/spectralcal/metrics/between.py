"""Numbers that are known to lie between two others: arithmetic of intervals with an estimate inside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Between(NamedTuple):
    """Arrays of one shape: lower ends, estimates and upper ends; nan where there is no number."""

    low: np.ndarray
    value: np.ndarray
    high: np.ndarray

    @classmethod
    def around(cls, value: np.ndarray, error: np.ndarray) -> Between:
        """Values that are off by at most `error`."""
        return cls(value - error, value, value + error)

    def __add__(self, other: Between) -> Between:
        return Between(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other: Between) -> Between:
        return Between(self.low - other.high, self.value - other.value, self.high - other.low)

    def __truediv__(self, other: Between) -> Between:
        """Quotient by numbers that are not negative; nan where they are 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            low = self.low / np.where(self.low > 0, other.high, other.low)
            high = self.high / np.where(self.high > 0, other.low, other.high)
            parts = (low, self.value / other.value, high)
        return Between(*(np.where(other.value > 0, part, np.nan) for part in parts))

    def __abs__(self) -> Between:
        ends = np.abs(self.low), np.abs(self.high)
        across = (self.low < 0) & (self.high > 0)
        return Between(np.where(across, 0.0, np.minimum(*ends)), np.abs(self.value), np.maximum(*ends))

    def sum(self) -> Between:
        """Sums over the last axis."""
        return Between(*(part.sum(axis=-1) for part in self))

    def where(self, kept: np.ndarray) -> Between:
        """The same, with 0 where not `kept`."""
        return Between(*(np.where(kept, part, 0.0) for part in self))

    def at_least(self, bound: float) -> Between:
        """The same, knowing that no number is below a bound."""
        return Between(*(np.maximum(part, bound) for part in self))

    @property
    def error(self) -> np.ndarray:
        """The largest distance of a number from its estimate."""
        return np.maximum(self.high - self.value, self.value - self.low)


def exactly(value: np.ndarray) -> Between:
    """Numbers that are known."""
    value = np.asarray(value, np.float64)
    return Between(value, value, value)
