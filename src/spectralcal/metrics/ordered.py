"""The filled cells of a histogram in increasing probability: all that errors without bins are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram

#: order of the labels inside a cell of several probabilities: at random, or the one that makes a measure best or worst
Order = Literal["random", "best", "worst"]


class Curve(NamedTuple):
    """Filled cells or groups of a row in increasing probability, (groups,) arrays: ends, voxels, sum of probabilities,
    hits.
    """

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray


def curve_of(histogram: CalibrationHistogram, label: int | None = None, order: Order = "random") -> Curve:
    """The filled cells of a histogram, or the groups of a published curve.

    Voxels of one cell have nearly the same probability, and their order is not known. With ``best`` or ``worst`` each
    cell that can hold more than one float32 value is split in two, its hits above its misses or below them: no order of
    the voxels ranks them better or worse. Equal probabilities stay together in every order.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label.
        order: see above.

    Raises:
        ValueError: `label` is no class, or there is no such order.
    """
    row, grid, cells = histogram._row(label), histogram._grid, histogram._cells
    filled = cells.count[row] > 0
    ends = np.maximum(grid.top - grid.width, 0.0), grid.top
    curve = Curve(*(x[filled] for x in (*ends, cells.count[row], cells.confidence[row], cells.hits[row])))
    if order == "random":
        return curve
    if order not in ("best", "worst"):
        raise ValueError(f"order must be random, best or worst, got {order!r}")
    return _split(curve, order)


def _split(curve: Curve, order: Order) -> Curve:
    """Hits and misses of each wide cell apart, at its mean probability."""
    lower, upper, count, confidence, hits = curve
    wide = (upper > lower) & (hits > 0) & (hits < count)
    misses, nothing = count - hits, np.zeros_like(hits)
    below, above = ((misses, nothing), (hits, hits)) if order == "best" else ((hits, hits), (misses, nothing))
    parts = np.stack([np.where(wide, below[0], count), np.where(wide, above[0], 0)], axis=1).ravel()
    right = np.stack([np.where(wide, below[1], hits), np.where(wide, above[1], 0)], axis=1).ravel()
    mean = np.repeat(confidence / count, 2)
    kept = parts > 0
    return Curve(*(x[kept] for x in (np.repeat(lower, 2), np.repeat(upper, 2), parts, parts * mean, right)))
