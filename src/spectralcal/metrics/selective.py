"""Selective prediction: how well confidence tells right voxels from wrong ones, whatever its calibration.

A network that may leave out its least confident voxels is judged by the error among those that it keeps. Ranking and
calibration are different things: a temperature repairs the second and never the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.metrics.ordered import Order, curve_of

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve of the top label.

    Voxels are accepted by falling confidence. Those of equal confidence have no order: every value is the mean over
    all orders of them, so within a group of ties errors are met evenly. With no voxel every value is nan.

    Attributes:
        count: (groups,) voxels of each group of equal confidence, the most confident first.
        wrong: (groups,) those whose top label is not the reference's.
    """

    count: np.ndarray
    wrong: np.ndarray

    @property
    def total(self) -> int:
        """Voxels."""
        return int(self.count.sum())

    @property
    def coverage(self) -> np.ndarray:
        """(groups,) share of the voxels accepted once a group is."""
        return np.cumsum(self.count) / max(self.total, 1)

    @property
    def risk(self) -> np.ndarray:
        """(groups,) share of wrong voxels among those accepted."""
        return np.cumsum(self.wrong) / np.cumsum(self.count)

    def aurc(self) -> float:
        """Area under the risk-coverage curve: mean over n of the risk of the n most confident voxels (Geifman and
        El-Yaniv 2017; Geifman et al. 2019). In [0, 1], lower is better; random confidence has the error rate.
        """
        from scipy.special import digamma

        if not self.total:
            return float("nan")
        before, errors = self._before()
        # sum over j of (errors + wrong j / count) / (before + j), by harmonic numbers: each group costs the same.
        slope = errors - self.wrong * before / self.count
        harmonic = digamma(before + self.count + 1) - digamma(before + 1)
        return float((self.wrong + slope * harmonic).sum() / self.total)

    def augrc(self) -> float:
        """Area under the generalised risk-coverage curve: mean over all coverages of the share of all voxels that are
        both accepted and wrong (Traub et al. 2024). With error rate e, e^2 / 2 + e (1 - e) (1 - AUROC), so at most e
        and, for random confidence, e / 2; unlike :meth:`aurc` it does not overweigh the few most confident voxels.
        """
        if not self.total:
            return float("nan")
        _, errors = self._before()
        return float((self.count * (errors + self.wrong / 2)).sum() / self.total**2)

    def risk_at(self, coverage: float | np.ndarray) -> float | np.ndarray:
        """Share of wrong voxels among the most confident ones of this share, or of each of several.

        Raises:
            ValueError: a coverage that is not in (0, 1].
        """
        wanted = np.asarray(coverage, float)
        if not ((wanted > 0) & (wanted <= 1)).all():
            raise ValueError(f"coverage must be in (0, 1], got {coverage}")
        if not self.total:
            risk = np.full(wanted.shape, np.nan)
        else:
            ends = np.concatenate([[0], np.cumsum(self.count)])
            errors = np.interp(wanted * self.total, ends, np.concatenate([[0], np.cumsum(self.wrong)]))
            risk = errors / (wanted * self.total)
        return risk if wanted.ndim else float(risk)

    def coverage_at(self, risk: float) -> float:
        """The largest coverage whose risk is at most this; 0 where there is none.

        Raises:
            ValueError: a risk that is not in [0, 1].
        """
        if not 0 <= risk <= 1:
            raise ValueError(f"risk must be in [0, 1], got {risk}")
        if not self.total:
            return float("nan")
        before, errors = self._before()
        spare = risk * before - errors  # errors that may still be accepted, at the start of each group
        gain = risk * self.count - self.wrong
        # Risk is monotone within a group: the last group that ends or begins within the risk has the answer.
        rounding = -1e-12 * (before + self.count)
        ends = spare + gain >= rounding
        inside = ends | ((spare >= rounding) & (before > 0))
        if not inside.any():
            return 0.0
        last = int(np.flatnonzero(inside)[-1])
        share = 1.0 if ends[last] else max(spare[last], 0.0) / -gain[last]
        return float((before[last] + share * self.count[last]) / self.total)

    def _before(self) -> tuple[np.ndarray, np.ndarray]:
        """(groups,) voxels and errors ahead of each group, as float64."""
        count, wrong = self.count.astype(float), self.wrong.astype(float)
        return np.cumsum(count) - count, np.cumsum(wrong) - wrong


def risk_coverage(histogram: CalibrationHistogram, order: Order = "random") -> RiskCoverage:
    """The risk-coverage curve of the top label, whose confidence orders voxels by how far they are trusted.

    From a histogram the order of voxels is known but within its cells, 256 to a factor of two in p or 1 - p: an area is
    exact where a cell holds one float32 value, and otherwise lies between that of ``order="best"`` and of
    ``order="worst"``, which are the areas of the best and the worst order within cells. The same holds for a published
    curve, in its groups.

    Args:
        histogram: counted voxels, or a curve.
        order: of right and wrong voxels within a cell.

    Raises:
        ValueError: there is no such order.
    """
    curve = curve_of(histogram, None, order)
    return RiskCoverage(curve.count[::-1], (curve.count - curve.hits)[::-1])
