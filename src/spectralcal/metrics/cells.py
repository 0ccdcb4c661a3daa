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
_SLOTS = (0x3F000000 >> SHIFT) + 1  # leading bits of float32 up to one half
_SPACING = 2.0**-24  # of float32 between one half and 1


@dataclass(frozen=True)
class CellGrid:
    """Cells in increasing order of probability.

    Attributes:
        edges: (bins + 1,) float32, ``k / bins`` rounded to single precision. Bin ``k`` is ``(edges[k], edges[k + 1]]``
            and the first bin also holds 0.
        top: (cells,) float64, the upper end of each cell.
        width: (cells,) float64, largest minus smallest value that a cell can hold; 0 where it holds one float32 value.
        place_cell: (cells,) the cell of each place. Places are the cells in an order that float32 bits give without a
            table: below the floor, up to one half, 1 - p from one half on, 1, and the upper parts of split cells.
        place_value, place_step: (cells,) float64: ``n`` values with remainders ``r`` sum to ``n value + sum(r) step``.
        place_split, place_above: (cells,) float32 and int32: values above the split belong to the place above.
        offsets: place minus the leading bits of p, and of 1 - p; the place of 1.
    """

    edges: np.ndarray
    top: np.ndarray
    width: np.ndarray
    place_cell: np.ndarray
    place_value: np.ndarray
    place_step: np.ndarray
    place_split: np.ndarray
    place_above: np.ndarray
    offsets: tuple[int, int, int]

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
        """Place and remainder of each probability: (n,) float32 in [0, 1] -> (n,) intp and (n,) int32.

        The remainder counts float32 values from the place's end that is nearer to 0 or 1; below the floor it means
        nothing.
        """
        lower, high, certain = self.offsets
        # 1 - p is exact in float32 from one half upwards, so no value changes its side or its cell by rounding.
        bits = np.minimum(probability, np.float32(1) - probability).view(np.int32)
        place = (bits >> SHIFT) + np.where(probability > np.float32(0.5), high, lower)
        place[probability == 1] = certain
        place[probability < FLOOR] = 0
        above = probability > self.place_split.take(place)
        place[above] = self.place_above[place[above]]
        return place, bits & ((1 << SHIFT) - 1)

    def index(self, probability: np.ndarray) -> np.ndarray:
        """Cell of each probability: (n,) float32 in [0, 1] -> (n,) intp."""
        return self.place_cell.take(self.place(probability)[0])


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
        return float(np.int32(slot << SHIFT).view(np.float32))

    floor = int(FLOOR.view(np.int32)) >> SHIFT
    finest = int(np.float32(_SPACING).view(np.int32)) >> SHIFT
    lower, high = 1 - floor, 1 + (_SLOTS - floor) - finest
    certain = high + _SLOTS - 1
    top, width, place_cell = [float(np.nextafter(np.float64(FLOOR), 0))], [float(FLOOR)], np.zeros(certain + 1, np.intp)
    place_value, place_step = np.zeros(certain + 1), np.zeros(certain + 1)
    place_split, place_above = np.full(certain + 1, 2.0, np.float32), np.zeros(certain + 1, np.int32)
    upper_parts: list[int] = []

    def add(place: int, bottom: float, end: float, cuts: np.ndarray, step: float) -> None:
        place_cell[place] = len(top)
        ends = [bottom, *cuts, end]
        if len(ends) > 2:
            place_split[place], place_above[place] = cuts[0], certain + 1 + len(upper_parts)
            upper_parts.append(place)
        for a, b in pairwise(ends):
            top.append(b)
            values = (np.floor(a / step) + 1, np.floor(b / step)) if step else (a, b)
            width.append(max(values[1] - values[0], 0.0) * (step or 1.0))

    for slot in range(floor, _SLOTS):  # [value, next value), and one half alone in the last
        start, end = value(slot), value(slot + 1)
        place_value[slot + lower], place_step[slot + lower] = start, (end - start) / (1 << SHIFT)
        end = 0.5 if start == 0.5 else float(np.nextafter(end, 0))
        add(slot + lower, start, end, splits[(splits >= start) & (splits < end)], 0.0)
    for slot in range(_SLOTS - 2, finest - 1, -1):  # (bottom, end] in p, mirrored from [value, next value)
        start, end = value(slot), value(slot + 1)
        place_value[slot + high], place_step[slot + high] = 1.0 - start, (start - end) / (1 << SHIFT)
        cuts = splits[(splits > 1.0 - end) & (splits < 1.0 - start)]
        add(slot + high, 1.0 - end, 1.0 - start, cuts, _SPACING)
    place_cell[certain], place_value[certain] = len(top), 1.0
    top.append(1.0)
    width.append(0.0)

    def extended(values: np.ndarray, extra: np.ndarray) -> np.ndarray:
        return np.concatenate([values, extra]).astype(values.dtype)

    upper = np.array(upper_parts, np.intp)
    arrays = (
        edges,
        np.array(top),
        np.array(width),
        extended(place_cell, place_cell[upper] + 1),
        extended(place_value, place_value[upper]),
        extended(place_step, place_step[upper]),
        extended(place_split, np.full(upper.size, 2.0)),
        extended(place_above, np.zeros(upper.size)),
    )
    for array in arrays:
        array.setflags(write=False)
    return CellGrid(*arrays, (lower, high, certain))
