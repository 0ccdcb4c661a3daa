"""The fixed grid of fine probability cells on which every calibration number rests.

Cells are logarithmic in ``p`` below one half and logarithmic in ``1 - p`` above it (256 a factor of two), because
segmentation puts almost all mass next to 0 and 1, where equal widths resolve nothing. The edges of the equal-width
bins and the thresholds of the thresholded errors are cell edges too, so bins are exact unions of cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

FLOOR = np.float32(2.0**-14)  # below every threshold in use: one cell holds [0, FLOOR)
THRESHOLDS = (1e-3, 1e-2)  # Murugesan et al. 2024 and the default of Nixon et al.'s code
MAX_BINS = 100  # more bins than this could put two edges into one logarithmic cell

SHIFT = 15  # 23 mantissa bits - 8: 256 cells an octave
_HALF = 0x3F000000 >> SHIFT  # leading bits of one half in float32
_SPACING = 2.0**-24  # of float32 between one half and 1


@dataclass(frozen=True)
class CellGrid:
    """Cells in increasing order of probability.

    Attributes:
        edges: (bins + 1,) float32, ``k / bins`` rounded to single precision. Bin ``k`` is ``(edges[k], edges[k + 1]]``
            and the first bin also holds 0.
        top: (cells,) float64, the upper end of each cell.
        width: (cells,) float64, largest minus smallest value that a cell can hold; 0 where it holds one float32 value.
        value, step: (cells,) float64: ``n`` values with remainders ``r`` sum to ``n value + sum(r) step``.
        layout: what :meth:`place` needs, for loops that do it inline: float32 number of bins and two thresholds (2 for
            one that is a bin edge); leading bits minus cell up to one half, leading bits of 1 - p plus cell above it,
            both without the splits below p; the cell of 1.
    """

    edges: np.ndarray
    top: np.ndarray
    width: np.ndarray
    value: np.ndarray
    step: np.ndarray
    layout: tuple[np.float32, np.float32, np.float32, int, int, int]

    def __len__(self) -> int:
        return self.top.size

    @cached_property
    def bin_starts(self) -> np.ndarray:
        """(bins,) index of the first cell of each equal-width bin."""
        owner = np.searchsorted(self.edges[1:].astype(np.float64), self.top, side="left")
        return np.searchsorted(owner, np.arange(self.edges.size - 1))

    def first_above(self, threshold: float) -> int:
        """Index of the first cell above ``threshold``; 0 keeps every cell, the one with ``p = 0`` included.

        Raises:
            ValueError: ``threshold`` is not a cell edge, so the voxels above it are not known exactly.
        """
        if threshold == 0:
            return 0
        edge = float(np.float32(threshold))
        known = {float(np.float32(t)) for t in THRESHOLDS} | {float(e) for e in self.edges[1:-1]}
        if edge not in known:
            raise ValueError(
                f"threshold must be 0, {', '.join(str(t) for t in THRESHOLDS)} or an inner edge of the "
                f"{self.edges.size - 1} bins, got {threshold}: the cells are not split anywhere else"
            )
        return int(np.searchsorted(self.top, edge, side="right"))

    def place(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cell and remainder of each probability: (n,) float32 in [0, 1] -> (n,) intp and (n,) int32.

        A cell is the leading bits of p or of 1 - p, and the splits below p. The remainder counts float32 values from
        that end of the cell, uncut by splits, which is nearer to 0 or 1; below the floor it means nothing.
        """
        bins, first, second, lower, upper, last = self.layout
        # 1 - p is exact in float32 from one half upwards, so no value changes its side or its cell by rounding.
        bits = np.minimum(probability, np.float32(1) - probability).view(np.int32)
        leading = bits >> SHIFT
        # The nearest edge, by a division that rounds as the edges were rounded.
        edge = (probability * bins + np.float32(0.5)).astype(np.int32)
        splits = edge + (probability > edge.astype(np.float32) / bins) + (probability > first) + (probability > second)
        cell = np.where(probability > np.float32(0.5), upper - leading, leading - lower) + splits
        return np.clip(cell, 0, last).astype(np.intp), bits & ((1 << SHIFT) - 1)

    def index(self, probability: np.ndarray) -> np.ndarray:
        """Cell of each probability: (n,) float32 in [0, 1] -> (n,) intp."""
        return self.place(probability)[0]


@lru_cache(maxsize=8)
def cell_grid(bins: int) -> CellGrid:
    """The grid whose cells refine ``bins`` equal-width bins.

    Raises:
        ValueError: ``bins`` is not an integer between 1 and 100.
    """
    if not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        raise ValueError(f"bins must be an integer between 1 and {MAX_BINS}, got {bins!r}")
    edges = (np.arange(bins + 1) / bins).astype(np.float32)
    thresholds = [t for t in map(np.float32, THRESHOLDS) if t not in edges]
    splits = np.unique(np.concatenate([edges[1:-1], np.array(thresholds, np.float32)])).astype(np.float64)

    def leading_value(leading: int) -> float:
        return float(np.int32(leading << SHIFT).view(np.float32))

    floor = int(FLOOR.view(np.int32)) >> SHIFT
    finest = int(np.float32(_SPACING).view(np.int32)) >> SHIFT
    top, width, value, step = [float(np.nextafter(np.float64(FLOOR), 0))], [float(FLOOR)], [0.0], [0.0]

    def add(bottom: float, end: float, cuts: np.ndarray, spacing: float, origin: float, unit: float) -> None:
        for a, b in pairwise([bottom, *cuts, end]):
            top.append(b)
            values = (np.floor(a / spacing) + 1, np.floor(b / spacing)) if spacing else (a, b)
            width.append(max(values[1] - values[0], 0.0) * (spacing or 1.0))
            value.append(origin)
            step.append(unit / (1 << SHIFT))

    for leading in range(floor, _HALF + 1):  # [value, next value), and one half alone in the last
        start, end = leading_value(leading), leading_value(leading + 1)
        stop = 0.5 if start == 0.5 else float(np.nextafter(end, 0))
        add(start, stop, splits[(splits >= start) & (splits < stop)], 0.0, start, end - start)
    for leading in range(_HALF - 1, finest - 1, -1):  # (bottom, end] in p, mirrored from [value, next value)
        start, end = leading_value(leading), leading_value(leading + 1)
        # A split at the end of a cell leaves an empty one behind it, because every split below p counts.
        cuts = splits[(splits > 1.0 - end) & (splits <= 1.0 - start)]
        add(1.0 - end, 1.0 - start, cuts, _SPACING, 1.0 - start, start - end)
    for values, last in ((top, 1.0), (width, 0.0), (value, 1.0), (step, 0.0)):
        values.append(last)

    arrays = (edges, *(np.array(values) for values in (top, width, value, step)))
    for array in arrays:
        array.setflags(write=False)
    # Every p above 0 is above the edge at 0; just below 1 every split is below p.
    last, below = len(top) - 1, bins + len(thresholds)
    first, second = (*thresholds, np.float32(2), np.float32(2))[:2]
    return CellGrid(*arrays, (np.float32(bins), first, second, floor, last - 1 + finest - below, last))
