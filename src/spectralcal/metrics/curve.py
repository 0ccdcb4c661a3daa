"""The curve of a histogram: what is published of the fine cells of all test voxels, in a twentieth of their room.

Voxels and hits of each group of cells (:mod:`spectralcal.metrics.groups`) are exact, and so are the sums of
probabilities between ends of bins and thresholds, hence every binned error; within a group the mean probability is
known to 1/128 of the group's width. Errors without bins, or with other bins than the histogram's, are off by what
happens inside one group: tests/metrics/test_curve.py says by how much.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.accumulate import Cells
from spectralcal.metrics.calibration import CalibrationHistogram
from spectralcal.metrics.cells import CellGrid
from spectralcal.metrics.groups import coarse_starts, divided_starts, exact_unit, group_grid, part_starts
from spectralcal.metrics.ordered import Curve, curve_of

#: places of a group's mean probability that are told apart
PLACES = 64
LAYOUT = 2
ARRAYS = ("layout", "starts", "count", "hits", "place", "confidence", "sums")


class CurveHistogram(CalibrationHistogram):
    """A histogram of all voxels that is known by its curve: every error can be asked for, no voxel be added.

    Made by :meth:`from_arrays` from :func:`curve_arrays`.

    Args:
        num_classes: C, the background (label 0) included.
        bins: equal-width bins.
        starts: first fine cell of each group; those of :func:`spectralcal.metrics.groups.coarse_starts` by default.
    """

    def __init__(self, num_classes: int, bins: int = 15, starts: np.ndarray | None = None) -> None:
        super().__init__(num_classes, bins)
        self._starts = coarse_starts(bins) if starts is None else starts
        self._grid = group_grid(bins, self._starts)
        self._cells = Cells.zeros(num_classes, self._grid)

    def update(self, *arguments: object, **options: object) -> CurveHistogram:
        """Not possible: groups are too coarse to count into."""
        raise ValueError("expected voxels for a CalibrationHistogram, received them for a curve, which cannot count")

    def merge(self, other: CalibrationHistogram) -> CurveHistogram:
        """Add the voxels of another curve (in place; returns self), in the groups that both have.

        Raises:
            ValueError: other classes, other bins, or a histogram that is no curve.
        """
        if not isinstance(other, CurveHistogram):
            raise ValueError("expected a curve to merge with a curve, received a histogram: take its curve_arrays")
        if other.bins == self.bins and not np.array_equal(self._starts, other._starts):
            common = np.intersect1d(self._starts, other._starts)
            other = other._joined(common)
            joined = self._joined(common)
            self._starts, self._grid, self._cells = joined._starts, joined._grid, joined._cells
        super().merge(other)
        return self

    def curve(self, label: int | None = None) -> Curve:
        """The groups that hold voxels, of the top label or of the probability of class `label`.

        Raises:
            ValueError: `label` is no class.
        """
        return curve_of(self, label)

    def arrays(self) -> dict[str, np.ndarray]:
        """As :func:`curve_arrays`; means are placed again, which may move one by 1/128 of its group's width."""
        sums = np.add.reduceat(self._cells.confidence, part_starts(self._grid), axis=1)
        return _described(self._cells, self.num_classes, self.bins, self._starts, sums)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> CurveHistogram:
        """The histogram that :func:`curve_arrays` described.

        Raises:
            ValueError: arrays are missing, of other shapes, or of another layout.
        """
        if missing := set(ARRAYS) - set(arrays):
            raise ValueError(f"a stored curve needs the arrays {', '.join(ARRAYS)}, got no '{min(missing)}'")
        layout, num_classes, bins, size = (int(v) for v in arrays["layout"])
        if layout != LAYOUT:
            raise ValueError(f"expected a curve of layout {LAYOUT}, got layout {layout}: publish the cell again")
        curve = cls(num_classes, bins, arrays["starts"])
        shapes = dict.fromkeys(("count", "hits", "place"), curve._cells.count.shape)
        for name, shape in {**shapes, "confidence": (num_classes + 1, part_starts(curve._grid).size)}.items():
            if arrays[name].shape != shape or size != len(curve._grid):
                raise ValueError(f"expected '{name}' of a curve as {shape}, got {arrays[name].shape}: publish it again")
        cells, grid = curve._cells, curve._grid
        cells.count[:], cells.hits[:] = arrays["count"], arrays["hits"]
        middle = cells.count * (grid.top - grid.width + grid.width * (arrays["place"] + 0.5) / PLACES)
        for row in range(num_classes):
            cells.confidence[row] = _sums(cells.count[row], middle[row], arrays["confidence"][row], grid)
        known = _known_top(cells.count, grid)
        middle[-1, known] = cells.confidence[:-1, known].sum(axis=0)
        cells.confidence[-1] = _sums(cells.count[-1], middle[-1], arrays["confidence"][-1], grid)
        cells.brier, cells.nll = (float(v) for v in arrays["sums"])
        return curve

    def __reduce__(self) -> tuple:
        return _unpickled, (self.num_classes, self.bins, self._starts, self._cells)

    def _joined(self, starts: np.ndarray) -> CurveHistogram:
        """The same curve in fewer groups, whose first cells are among those of its own."""
        joined = CurveHistogram(self.num_classes, self.bins, starts)
        place = np.searchsorted(self._starts, starts)
        for name in ("count", "confidence", "hits"):
            getattr(joined._cells, name)[:] = np.add.reduceat(getattr(self._cells, name), place, axis=1)
        joined._cells.brier, joined._cells.nll = self._cells.brier, self._cells.nll
        return joined


def curve_arrays(histogram: CalibrationHistogram, starts: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What is published of a histogram.

    Args:
        histogram: not a curve.
        starts: first fine cell of each group; those of :func:`spectralcal.metrics.groups.divided_starts` by default.

    Returns:
        ``layout``; ``starts`` (groups,); ``count`` and ``hits`` (C + 1, groups) int64, the top label last; ``place``
        (C + 1, groups) uint8, where in its group the mean probability lies, in parts of :data:`PLACES`, but of the top
        label only where the classes do not say it; ``confidence`` (C + 1, parts) float64, exact sums of probabilities
        between ends of bins and thresholds; ``sums``: Brier score and negative log-likelihood, summed.
    """
    starts = divided_starts([histogram]) if starts is None else starts
    fine = histogram._cells
    joined = Cells(*(np.add.reduceat(getattr(fine, n), starts, axis=1) for n in ("count", "confidence", "hits")))
    joined.brier, joined.nll = fine.brier, fine.nll
    sums = np.add.reduceat(fine.confidence, part_starts(histogram._grid), axis=1)
    return _described(joined, histogram.num_classes, histogram.bins, starts, sums)


def _described(
    cells: Cells, num_classes: int, bins: int, starts: np.ndarray, sums: np.ndarray
) -> dict[str, np.ndarray]:
    grid = group_grid(bins, starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (cells.confidence / cells.count - (grid.top - grid.width)) / grid.width
    place = np.clip(np.floor(np.nan_to_num(part, posinf=0.0, neginf=0.0) * PLACES), 0, PLACES - 1)
    place[-1, _known_top(cells.count, grid)] = 0
    return {
        "layout": np.array([LAYOUT, num_classes, bins, len(grid)], np.int64),
        "starts": np.asarray(starts, np.int64),
        "count": cells.count,
        "hits": cells.hits,
        "place": np.where(cells.count > 0, place, 0).astype(np.uint8),
        "confidence": sums,
        "sums": np.array([cells.brier, cells.nll]),
    }


def _known_top(count: np.ndarray, grid: CellGrid) -> np.ndarray:
    """(groups,) where the top label's voxels are those of all classes together: above one half, but for rounding."""
    return (grid.top - grid.width > 0.5) & (count[-1] == count[:-1].sum(axis=0))


def _sums(count: np.ndarray, estimate: np.ndarray, sums: np.ndarray, grid: CellGrid) -> np.ndarray:
    """(groups,) sums of probabilities that lie inside their groups and add up to the exact ones of their parts.

    What a part lacks of its sum is shared out by the room that its groups have in that direction, so that none is
    pushed over its end.

    Args:
        count: (groups,) voxels.
        estimate: (groups,) approximate sums of probabilities.
        sums: (parts,) exact sums.
        grid: the groups.
    """
    starts = part_starts(grid)
    owner = np.repeat(np.arange(starts.size), np.diff(np.append(starts, len(grid))))
    upper, lower = count * grid.top, count * (grid.top - grid.width)
    lacking = sums - np.add.reduceat(estimate, starts)
    room = np.where(lacking[owner] > 0, upper - estimate, estimate - lower)
    whole = np.add.reduceat(room, starts)
    share = np.divide(lacking, whole, out=np.zeros_like(lacking), where=whole > 0)
    estimate = estimate + room * share[owner]
    # Multiples of the unit add up without rounding, so bins are the counted ones to the last bit; few units are left.
    unit = np.repeat(exact_unit(grid.bin_starts.size), np.diff(np.append(grid.bin_starts, len(grid))))
    estimate = np.rint(estimate / unit) * unit
    left = sums - np.add.reduceat(estimate, starts)
    for part, (start, end) in enumerate(zip(starts, np.append(starts[1:], len(grid)), strict=True)):
        if left[part]:
            estimate[start + np.argmax(room[start:end])] += left[part]
    return estimate


def _unpickled(num_classes: int, bins: int, starts: np.ndarray, cells: Cells) -> CurveHistogram:
    curve = CurveHistogram(num_classes, bins, starts)
    curve._cells = cells
    return curve
