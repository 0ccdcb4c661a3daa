"""Kolmogorov-Smirnov calibration error: how far accumulated confidence and accumulated accuracy part, without bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectralcal.metrics.curve import CurveHistogram
from spectralcal.metrics.groups import part_starts
from spectralcal.metrics.ordered import curve_of

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram


def ks_error(histogram: CalibrationHistogram, label: int | None = None) -> float:
    """The largest ``|mean over voxels of [p <= t] (y - p)|`` over thresholds t (Gupta et al. 2021).

    Of the top label's confidence and correctness, or of a class's probability and presence. Errors of both signs
    cancel where over- and under-confident voxels are spread over the same range; it is at least the size of the signed
    gap, and equal to it where every part of the range errs to the same side.

    Read at ends of cells, where it is exact: :func:`ks_error_bound` says what may happen in between. Voxels of equal
    probability pass the threshold together.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label.

    Returns:
        A value in [0, 1]; nan without a voxel.

    Raises:
        ValueError: `label` is no class.
    """
    curve = curve_of(histogram, label)
    if not curve.count.size:
        return float("nan")
    return float(np.abs(np.cumsum(curve.hits - curve.confidence)).max() / curve.count.sum())


def ks_error_bound(histogram: CalibrationHistogram, label: int | None = None) -> float:
    """Largest possible distance of :func:`ks_error` from its value by a sort of all voxels.

    Within a cell of several probabilities the accumulated difference may first rise by the hits or first fall by the
    misses. Sums of probabilities in a published curve are exact at ends of bins only; in between, by where a group's
    mean may lie.
    """
    lower, upper, count, confidence, hits = curve_of(histogram, label)
    if not count.size:
        return float("nan")
    rise = hits * (1 - lower) - np.maximum(hits - confidence, 0)
    fall = (count - hits) * upper - np.maximum(confidence - hits, 0)
    hidden = np.where(upper > lower, np.maximum(np.maximum(rise, fall), 0), 0)
    return float((hidden.max() + _doubt(histogram, label)) / count.sum())


def _doubt(histogram: CalibrationHistogram, label: int | None) -> float:
    """How far the sum of probabilities up to the end of a group may be off, for any group."""
    if not isinstance(histogram, CurveHistogram):
        return 0.0
    grid, starts = histogram._grid, part_starts(histogram._grid)
    room = histogram._cells.count[histogram._row(label)] * grid.width
    ahead = np.cumsum(room)
    whole = np.add.reduceat(room, starts)
    owner = np.repeat(np.arange(starts.size), np.diff(np.append(starts, len(grid))))
    ahead = ahead - (np.cumsum(whole) - whole)[owner]  # within its part
    return float(np.minimum(ahead, whole[owner] - ahead).max())
