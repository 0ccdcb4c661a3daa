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

_SHIFT = 15  # 23 mantissa bits - 8: 256 cells an octave
_SLOTS = (0x3F000000 >> _SHIFT) + 1  # float32 bit patterns up to one half


@dataclass(frozen=True)
class CellGrid:
    """Cells in increasing order of probability.

    Attributes:
        edges: (bins + 1,) float32, ``k / bins`` rounded to single precision. Bin ``k`` is ``(edges[k], edges[k + 1]]``
            and the first bin also holds 0.
        top: (cells,) float64, the upper end of each cell.
        width: (cells,) float64, largest minus smallest value that a cell can hold; 0 where it holds one float32 value.
    """

    edges: np.ndarray
    top: np.ndarray
    width: np.ndarray
    _base: np.ndarray
    _split: np.ndarray

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

    def index(self, probability: np.ndarray) -> np.ndarray:
        """Cell of each probability: (n,) float32 in [0, 1] -> (n,) intp."""
        # 1 - p is exact in float32 from one half upwards, so no value changes its side or its cell by rounding.
        slot = np.minimum(probability, np.float32(1) - probability).view(np.int32) >> _SHIFT
        np.add(slot, _SLOTS, out=slot, where=probability > np.float32(0.5))
        cell = self._base.take(slot, mode="clip")
        cell += probability > self._split.take(slot, mode="clip")
        return cell


@lru_cache(maxsize=8)
def cell_grid(bins: int) -> CellGrid:
    """The grid whose cells refine ``bins`` equal-width bins.

    Raises:
        ValueError: ``bins`` is not an integer between 1 and 100.
    """
    if not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        raise ValueError(f"bins must be an integer between 1 and {MAX_BINS}, got {bins!r}")
    edges = (np.arange(bins + 1) / bins).astype(np.float32)
    splits = np.unique(np.concatenate([edges[1:-1], np.array(THRESHOLDS, np.float32)])).astype(np.float64)

    def value(slot: int) -> float:
        return float(np.int32(slot << _SHIFT).view(np.float32))

    low_side = [(slot, value(slot), value(slot + 1)) for slot in range(int(FLOOR.view(np.int32)) >> _SHIFT, _SLOTS)]
    base = np.zeros(2 * _SLOTS, np.intp)
    split = np.full(2 * _SLOTS, 2.0, np.float32)
    top, width = [], []

    def add(slot: int, lower: float, upper: float, cuts: np.ndarray, step: float) -> None:
        base[slot] = len(top)
        ends = [lower, *cuts, upper]
        if len(ends) > 2:
            split[slot] = cuts[0]
        for a, b in pairwise(ends):
            top.append(b)
            values = (np.floor(a / step) + 1, np.floor(b / step)) if step else (a, b)
            width.append(max(values[1] - values[0], 0.0) * (step or 1.0))

    top.append(float(np.nextafter(np.float64(FLOOR), 0)))
    width.append(float(FLOOR))
    for slot, lower, upper in low_side:  # [lower, upper), and one half alone in the last
        upper = 0.5 if lower == 0.5 else float(np.nextafter(upper, 0))
        add(slot, lower, upper, splits[(splits >= lower) & (splits < upper)], 0.0)
    spacing = 2.0**-24  # of float32 between one half and 1
    first = int(np.float32(spacing).view(np.int32)) >> _SHIFT
    for slot in range(_SLOTS - 2, first - 1, -1):  # (lower, upper] in p, mirrored from [value(slot), value(slot + 1))
        lower, upper = 1.0 - value(slot + 1), 1.0 - value(slot)
        add(_SLOTS + slot, lower, upper, splits[(splits > lower) & (splits < upper)], spacing)
    base[_SLOTS : _SLOTS + first] = len(top)
    top.append(1.0)
    width.append(0.0)
    arrays = (edges, np.array(top), np.array(width), base, split)
    for array in arrays:
        array.setflags(write=False)
    return CellGrid(*arrays)
