"""Groups of neighbouring fine cells, in which the curve of a histogram is published.

Groups are up to an eighth of an octave wide towards 0 and 1, and at most 1/400. Where many voxels are, as below the
confidence that a loss aims at, a group is divided into its cells again: the order of voxels by confidence needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.metrics.cells import THRESHOLDS, CellGrid, cell_grid

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram

#: a group is at most this part of its distance from 0 or 1 wide ...
OCTAVES = 2 ** (1 / 8) - 1
#: ... and at most this wide
WIDTH = 1 / 400
#: a group with a larger part of all voxels in the row of the top label is divided
HEAVY = 1 / 32


@lru_cache(maxsize=8)
def coarse_starts(bins: int) -> np.ndarray:
    """(groups,) the first fine cell of each group. Ends of bins, thresholds and one half are ends of groups."""
    grid = cell_grid(bins)
    upper = grid.top
    lower = np.concatenate([[0.0], upper[:-1]])
    forced = {0, 1, len(grid) - 1, *grid.bin_starts.tolist(), *(grid.first_above(t) for t in THRESHOLDS)}
    forced |= {int(np.searchsorted(upper, 0.5)), int(np.searchsorted(upper, 0.5, side="right"))}
    starts, begin = [], 0.0
    for cell in range(len(grid)):
        near = begin if begin < 0.5 else 1 - upper[cell]
        if cell in forced or upper[cell] - begin > min(WIDTH, OCTAVES * near):
            starts.append(cell)
            begin = lower[cell]
    fixed = np.array(starts)
    fixed.setflags(write=False)
    return fixed


def divided_starts(histograms: Iterable[CalibrationHistogram]) -> np.ndarray:
    """(groups,) the first fine cell of each group, for histograms of equal bins: groups that are heavy in any of them
    are divided into their cells.
    """
    histograms = list(histograms)
    starts = coarse_starts(histograms[0].bins)
    ends = np.append(starts[1:], len(cell_grid(histograms[0].bins)))
    heavy = np.zeros(starts.size, bool)
    for histogram in histograms:
        heavy |= np.add.reduceat(histogram._cells.count[-1], starts) > HEAVY * histogram.count
    cells = [np.arange(start, end) for start, end in zip(starts[heavy], ends[heavy], strict=True)]
    return np.unique(np.concatenate([starts, *cells]))


def group_grid(bins: int, starts: np.ndarray) -> CellGrid:
    """Groups as the cells of a grid in which probabilities cannot be placed.

    Raises:
        ValueError: `starts` are not increasing, or groups of :func:`coarse_starts` are joined.
    """
    starts = np.ascontiguousarray(starts, np.int64)
    return _grid(bins, starts.tobytes())


def part_starts(grid: CellGrid) -> np.ndarray:
    """(parts,) the first cell of each part of [0, 1] between ends of bins and thresholds: of all sums that errors with
    bins are made of.
    """
    return np.unique([*grid.bin_starts, *(grid.first_above(threshold) for threshold in THRESHOLDS)])


def exact_unit(bins: int) -> np.ndarray:
    """(bins,) float64: sums of the probabilities in a bin are integers in these units, as float32 values are.

    In the first bin lie the probabilities below the floor, whose sums are kept in units of 2^-45.
    """
    lower = cell_grid(bins).edges[:-1].astype(np.float64)
    exponent = np.minimum(np.floor(np.log2(np.maximum(lower, 2.0**-22))), -1) - 23
    return np.concatenate([[2.0**-45], 2.0 ** exponent[1:]])


@lru_cache(maxsize=256)
def _grid(bins: int, starts: bytes) -> CellGrid:
    fine, first = cell_grid(bins), np.frombuffer(starts, np.int64)
    if (np.diff(first) <= 0).any() or np.setdiff1d(coarse_starts(bins), first).size or first[-1] >= len(fine):
        raise ValueError(f"expected increasing first cells of groups below {len(fine)}, got others")
    top = fine.top[np.append(first[1:], len(fine)) - 1]
    # Empty cells stand behind some splits: the lowest value is that of the first cell that can hold one.
    width = top - np.minimum.reduceat(fine.top - fine.width, first)
    nowhere = np.full(top.size, np.nan)
    for array in (top, width, nowhere):
        array.setflags(write=False)
    return CellGrid(fine.edges, top, width, nowhere, nowhere, fine.layout)
