"""Calibration by distance to the boundaries of a label map: which band a voxel is in, and the sums of each band.

A boundary voxel has a face neighbour with another label, so both sides of every border between two labels are at
distance 0; distances run between voxel centres. A voxel is inside where the label map has a structure, outside where it
has background.

The label map may be the prediction or the reference, and the two do not answer the same question. By distance to the
*predicted* boundary a calibrated network has no gap in any band. By distance to the *reference's* boundary it has one,
because the labels choose the band: it looks overconfident next to the boundary, where its errors are gathered, and
underconfident a little farther away (docs/ambiguities.md, E1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spectralcal.metrics.boundaries import bounding_box
from spectralcal.metrics.cells import cell_grid
from spectralcal.metrics.labels import labelled
from spectralcal.metrics.surface import check_spacing

#: upper ends in mm of the bands on either side; beyond the last is one more. Doubling, because boundaries are where
#: confidence changes, and starting at 1 mm, the finest voxel of the replicated data sets.
ENDS_MM = (1.0, 2.0, 4.0, 8.0)
#: bands from far outside to deep inside
BANDS = 2 * (len(ENDS_MM) + 1)
#: rounding in the distances must not move a voxel that lies on an end
TOLERANCE = 1 + 1e-9
_SLAB = 1 << 20


@dataclass(frozen=True)
class BoundaryDistance:
    """Distances in mm to the nearest boundary voxel, kept where they are at most the asked reach.

    Attributes:
        box: the part of the volume that is kept; every voxel outside of it is farther than the reach.
        millimetres: distances in the box.
    """

    box: tuple[slice, ...]
    millimetres: np.ndarray

    def within(self, radius_mm: float, shape: Sequence[int]) -> np.ndarray:
        """Mask (*shape) of voxels up to a radius, which is at most the reach."""
        mask = np.zeros(shape, bool)
        mask[self.box] = self.millimetres <= radius_mm * TOLERANCE
        return mask


def boundary_distance(
    reference: np.ndarray,
    spacing_mm: Sequence[float],
    reach_mm: float = ENDS_MM[-1],
    ignore_index: int | None = None,
) -> BoundaryDistance | None:
    """Distances to the boundaries of a label map; None where it has only one label.

    Args:
        reference: (*spatial) integer labels, of the reference or of a prediction.
        spacing_mm: distance of neighbouring voxel centres along each axis.
        reach_mm: larger distances need not be told apart; the transform is the costly part, and grows with the reach.
            Infinity keeps the whole volume.
        ignore_index: label of voxels that do not count: no boundary is between them and others. None by default.

    Raises:
        ValueError: `spacing_mm` is not one positive number per axis.
    """
    from scipy.ndimage import distance_transform_edt

    spacing = check_spacing(spacing_mm, reference.ndim).tolist()
    _, counted = labelled(reference, reference.shape, ignore_index=ignore_index, name="reference")
    edge = np.zeros(reference.shape, bool)
    for axis in range(reference.ndim):
        before, after = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
        differs = reference[before] != reference[after]
        if counted is not None:
            differs &= counted[before] & counted[after]
        edge[before] |= differs
        edge[after] |= differs
    box = bounding_box(edge)
    if box is None:
        return None
    reach = [math.ceil(min(reach_mm / mm, size)) for mm, size in zip(spacing, reference.shape, strict=True)]
    box = tuple(slice(max(b.start - n, 0), b.stop + n) for b, n in zip(box, reach, strict=True))
    return BoundaryDistance(box, distance_transform_edt(~edge[box], sampling=tuple(spacing)))


def signed_bands(
    reference: np.ndarray, distance: BoundaryDistance | None, ignore_index: int | None = None
) -> np.ndarray:
    """Band of each voxel, (*spatial) int8: 0 is farthest outside, ``BANDS - 1`` deepest inside, -1 in none.

    `reference` is the label map, of the reference or of a prediction, in which `distance` was measured. A band holds
    distances above its nearer end up to its farther end; the nearest one also holds 0. A map of one label has no
    boundary, and no voxel a band; nor has a voxel with the label `ignore_index`.
    """
    if distance is None:
        return np.full(reference.shape, -1, np.int8)
    step = np.full(reference.shape, len(ENDS_MM), np.int8)
    ends = np.array(ENDS_MM) * TOLERANCE
    step[distance.box] = np.searchsorted(ends, distance.millimetres, side="left")
    middle = BANDS // 2
    bands = np.where(reference != 0, middle + step, middle - 1 - step).astype(np.int8)
    if ignore_index is not None:
        bands[reference == ignore_index] = -1
    return bands


def band_edges() -> np.ndarray:
    """Signed ends of the bands in mm, (BANDS, 2): negative outside, infinite for the farthest ones."""
    ends = np.array([0.0, *ENDS_MM, np.inf])
    inside = np.stack([ends[:-1], ends[1:]], axis=1)
    return np.concatenate([-inside[::-1, ::-1], inside]) + 0.0  # no negative zero


def band_sums(
    probabilities: np.ndarray, prediction: np.ndarray, reference: np.ndarray, bands: np.ndarray, bins: int = 15
) -> dict[str, np.ndarray]:
    """Top-label histograms of each band, in the equal-width bins of the calibration histograms.

    Args:
        probabilities: (C, *spatial).
        prediction: (*spatial) the top label.
        reference: (*spatial) integer labels.
        bands: (*spatial) from :func:`signed_bands`.
        bins: number of bins of (0, 1], right-closed.

    Returns:
        ``count`` (BANDS, bins) int64, ``confidence`` (BANDS, bins) float64 (sum) and ``hits`` (BANDS, bins) int64
        (voxels whose top label is the reference's).
    """
    inner = cell_grid(bins).edges[1:-1]
    size = BANDS * bins
    count, hits, confidence = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size)
    rows = max(1, _SLAB // max(int(np.prod(reference.shape[1:])), 1))
    for start in range(0, reference.shape[0], rows):
        part = slice(start, start + rows)
        here = bands[part] >= 0
        top = probabilities[:, part].max(axis=0)[here].astype(np.float32)
        place = bands[part][here].astype(np.intp) * bins + np.searchsorted(inner, top, side="left")
        right = (prediction[part] == reference[part])[here]
        count += np.bincount(place, minlength=size)
        hits += np.bincount(place[right], minlength=size)
        confidence += np.bincount(place, weights=np.clip(top, 0, 1), minlength=size)
    shape = (BANDS, bins)
    return {"count": count.reshape(shape), "confidence": confidence.reshape(shape), "hits": hits.reshape(shape)}
