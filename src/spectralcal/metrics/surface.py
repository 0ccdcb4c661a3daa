"""Distances between the boundaries of two masks, in millimetres.

A boundary voxel belongs to the mask and has a face neighbour outside it (or outside the image). Distances run between
voxel centres. A missed structure has a price, so that predicting nothing never improves a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from spectralcal.metrics.overlap import Status, mask_pair, status_of


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Boundary distances of one structure in one image.

    With ``status`` ``missed`` (empty prediction) every distance is ``penalty_mm`` and :meth:`nsd` is 0. With
    ``spurious`` (empty reference) or ``absent`` (both empty) there is no boundary to be near to: every number is nan,
    and the status, which is kept beside the value, says why.

    Attributes:
        prediction_to_reference_mm: (P,) distance of each predicted boundary voxel to the nearest reference one.
        reference_to_prediction_mm: (R,) the other direction.
        penalty_mm: diagonal of the image.
        status: see :func:`spectralcal.metrics.status`.
    """

    prediction_to_reference_mm: np.ndarray
    reference_to_prediction_mm: np.ndarray
    penalty_mm: float
    status: Status

    @property
    def hd95(self) -> float:
        """Larger of the two directed 95th percentiles: the definition of MONAI, ITK users and MetricsReloaded."""
        return self._directed_max(95)

    @property
    def hd(self) -> float:
        """Hausdorff distance, the larger of the two directed maxima."""
        return self._directed_max(100)

    @property
    def hd95_pooled(self) -> float:
        """95th percentile over both directions together: the definition of medpy; less sensitive to far islands."""
        return self._value(lambda: np.percentile(self._pooled, 95))

    @property
    def asd(self) -> float:
        """Average surface distance, directed: mean over the predicted boundary of the distance to the reference."""
        return self._value(lambda: np.mean(self.prediction_to_reference_mm))

    @property
    def assd(self) -> float:
        """Average symmetric surface distance: mean over both boundaries together."""
        return self._value(lambda: np.mean(self._pooled))

    def nsd(self, tolerance_mm: float) -> float:
        """Normalised surface Dice: share of both boundaries within ``tolerance_mm`` of the other, in [0, 1].

        Raises:
            ValueError: a negative tolerance.
        """
        if not tolerance_mm >= 0:
            raise ValueError(f"tolerance_mm must be at least 0, got {tolerance_mm}")
        if self.status == "missed":
            return 0.0
        return self._value(lambda: np.mean(self._pooled <= tolerance_mm))

    @cached_property
    def _pooled(self) -> np.ndarray:
        return np.concatenate([self.prediction_to_reference_mm, self.reference_to_prediction_mm])

    def _directed_max(self, percentile: float) -> float:
        both = (self.prediction_to_reference_mm, self.reference_to_prediction_mm)
        return self._value(lambda: max(np.percentile(d, percentile) for d in both))

    def _value(self, compute) -> float:
        if self.status == "ok":
            return float(compute())
        return self.penalty_mm if self.status == "missed" else float("nan")


def surface_distances(prediction: object, reference: object, spacing_mm: Sequence[float]) -> SurfaceDistances:
    """Distances between the boundaries of two masks.

    Args:
        prediction, reference: masks of one shape, 2-D or 3-D (any number of axes works).
        spacing_mm: distance of neighbouring voxel centres along each axis.

    Raises:
        ValueError: shapes differ, a mask holds more than 0 and 1, or ``spacing_mm`` is not one positive number an axis.
    """
    p, r = mask_pair(prediction, reference)
    spacing = check_spacing(spacing_mm, p.ndim)
    penalty_mm = float(np.linalg.norm(spacing * p.shape))
    box_p, box_r = bounding_box(p), bounding_box(r)
    state = status_of(box_p is not None, box_r is not None)
    if state != "ok":
        return SurfaceDistances(np.zeros(0), np.zeros(0), penalty_mm, state)
    box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box_p, box_r, strict=True))
    edge_p, edge_r = boundary_voxels(p[box]), boundary_voxels(r[box])
    return SurfaceDistances(nearest_mm(edge_p, edge_r, spacing), nearest_mm(edge_r, edge_p, spacing), penalty_mm, state)


def check_spacing(spacing_mm: Sequence[float], ndim: int) -> np.ndarray:
    """``spacing_mm`` as (ndim,) float64.

    Raises:
        ValueError: it is not one positive, finite number an axis.
    """
    spacing = np.asarray(spacing_mm, np.float64)
    if spacing.shape != (ndim,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise ValueError(f"spacing_mm must be {ndim} positive numbers, one an axis, got {spacing_mm!r}")
    return spacing


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """Smallest box that holds every voxel of the mask; None for an empty mask."""
    box, view = [], mask
    for axis in range(mask.ndim):
        filled = np.flatnonzero(view.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if filled.size == 0:
            return None
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
        view = mask[tuple(box)]  # each axis shrinks what the next one has to read
    return tuple(box)


def boundary_voxels(mask: np.ndarray) -> np.ndarray:
    """Voxels of the mask with a face neighbour outside the mask or outside the array."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        before, after, first, last = (
            (slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None), slice(0, 1), slice(-1, None))
        )
        inner[after] &= mask[before]
        inner[before] &= mask[after]
        inner[first] = False
        inner[last] = False
    return mask & ~inner


def nearest_mm(points: np.ndarray, targets: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance of each True of ``points``, in array order, to the nearest True of ``targets`` (not empty).

    Most boundary voxels of a usable prediction lie on or beside the reference's: these are found by looking at the
    neighbours in order of distance. A tree answers for the rest; both are exact.
    """
    steps, reach_mm = _neighbours(tuple(spacing.tolist()))
    pad = np.abs(steps).max(axis=0)
    frame = np.pad(targets, [(n, n) for n in pad.tolist()])
    strides = np.array(frame.strides) // frame.itemsize
    found = np.flatnonzero(points)
    voxel = np.ravel_multi_index(np.unravel_index(found, points.shape) + pad[:, None], frame.shape)
    distance, place = np.zeros(found.size), np.arange(found.size)
    started = place.size
    for i, (step, mm) in enumerate(zip((steps @ strides).tolist(), reach_mm.tolist(), strict=True)):
        hit = frame.ravel().take(voxel + step)
        distance[place[hit]] = mm
        voxel, place = voxel[~hit], place[~hit]
        if i % 8 == 7:
            if place.size > 0.92 * started:  # looking further would cost more than the tree
                break
            started = place.size
    if place.size:
        from scipy.spatial import cKDTree

        # Grid points need no balanced tree; building a plain one costs half.
        tree = cKDTree(np.argwhere(targets) * spacing, balanced_tree=False, compact_nodes=False, leafsize=32)
        distance[place] = tree.query(np.stack(np.unravel_index(found[place], points.shape), -1) * spacing)[0]
    return distance


@lru_cache(maxsize=64)
def _neighbours(spacing: tuple[float, ...], most: int = 96, reach: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """(n, axes) steps to the nearest voxels in order of distance, itself first, and their (n,) distances in mm."""
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * len(spacing), indexing="ij"), -1)
    steps = steps.reshape(-1, len(spacing))
    mm = np.linalg.norm(steps * spacing, axis=-1)
    order = np.argsort(mm, kind="stable")[:most]
    order = order[mm[order] < (reach + 1) * min(spacing)]  # beyond, a step outside the cube could be nearer
    return steps[order], mm[order]
