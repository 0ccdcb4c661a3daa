"""Proper scores split in what recalibration would gain and what is left: calibration and refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from spectralcal.metrics.isotonic import corp
from spectralcal.metrics.ordered import Order

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram


class ScoreSplit(NamedTuple):
    """``score = calibration + refinement``."""

    score: float
    calibration: float
    refinement: float


def brier_split(histogram: CalibrationHistogram, order: Order = "random") -> ScoreSplit:
    """The multi-class Brier score, in [0, 2], split class by class by isotonic recalibration.

    The Brier score of C classes is the sum of those of the classes one against the rest, so the split adds up exactly;
    recalibrated probabilities of a voxel need not sum to one. The score itself is that of the voxels, to the last bit.
    Refinement by a sort of all voxels is at most the one of ``order="random"`` and at least that of ``order="best"``.

    Args:
        histogram: counted voxels, or a curve.
        order: of hits and misses within a cell of several probabilities.

    Returns:
        nan without a voxel.
    """
    parts = [corp(histogram, label, order=order) for label in range(histogram.num_classes)]
    refinement = sum(part.uncertainty - part.discrimination for part in parts)
    return ScoreSplit(histogram.brier(), histogram.brier() - refinement, refinement)


def nll_split(histogram: CalibrationHistogram, label: int | None = None, order: Order = "random") -> ScoreSplit:
    """The negative log-likelihood, in nats, that the top label is right (or that the class is there), split.

    The multi-class likelihood has no such split from histograms, which do not know the probabilities of one voxel
    together; for two classes this is it. :func:`spectralcal.metrics.corp` says how probabilities of 0 and 1 count.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label.
        order: of hits and misses within a cell of several probabilities.

    Returns:
        nan without a voxel.

    Raises:
        ValueError: `label` is no class.
    """
    parts = corp(histogram, label, "log", order)
    return ScoreSplit(parts.score, parts.miscalibration, parts.uncertainty - parts.discrimination)
