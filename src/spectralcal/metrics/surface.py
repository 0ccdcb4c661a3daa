"""Distances between the boundaries of two masks, in millimetres.

A boundary voxel belongs to the mask and has a face neighbour outside it (or outside the image). Distances run between
voxel centres. A missed structure has a price, so that predicting nothing never improves a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spectralcal.metrics.accumulate import to_numpy
from spectralcal.metrics.boundaries import boundary_distances, boundary_voxels, bounding_box, nearest_mm
from spectralcal.metrics.compiled import kernel_if_it_pays
from spectralcal.metrics.labels import labelled
from spectralcal.metrics.overlap import Status, mask_pair, status_of


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Boundary distances of one structure in one image.

    With ``status`` ``missed`` (empty prediction) every distance is ``penalty_mm`` and :meth:`nsd` is 0. With
    ``spurious`` (empty reference) or ``absent`` (both empty) there is no boundary to be near to: every number is nan,
    and the status, which is kept beside the value, says why. A false structure then costs nothing in a mean of
    distances; with `price_spurious` it costs what a missed one does, as in BraTS.

    Attributes:
        prediction_to_reference_mm: (P,) distance of each predicted boundary voxel to the nearest reference one.
        reference_to_prediction_mm: (R,) the other direction.
        penalty_mm: diagonal of the image.
        status: see :func:`spectralcal.metrics.status`.
        price_spurious: a spurious structure has the numbers of a missed one; ``dataclasses.replace`` sets it.
    """

    prediction_to_reference_mm: np.ndarray
    reference_to_prediction_mm: np.ndarray
    penalty_mm: float
    status: Status
    price_spurious: bool = False

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
        if self._priced:
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
        return self.penalty_mm if self._priced else float("nan")

    @property
    def _priced(self) -> bool:
        return self.status == "missed" or (self.price_spurious and self.status == "spurious")


def surface_distances(
    prediction: object, reference: object, spacing_mm: Sequence[float], ignore_index: int | None = None
) -> SurfaceDistances:
    """Distances between the boundaries of two masks.

    Args:
        prediction, reference: masks of one shape, 2-D or 3-D (any number of axes works).
        spacing_mm: distance of neighbouring voxel centres along each axis.
        ignore_index: value in the reference of voxels that do not count: they are no boundary voxels, and a face
            between them and a structure is no boundary, unless a structure has no other. None by default.

    Raises:
        ValueError: shapes differ, a mask holds more than 0 and 1, or ``spacing_mm`` is not one positive number an axis.
    """
    p, r = (np.ascontiguousarray(mask).view(np.uint8) for mask in mask_pair(prediction, reference, ignore_index))
    ignored = None if ignore_index is None else (to_numpy(reference) == ignore_index).reshape(p.shape)
    return _by_label(p, r, [1], check_spacing(spacing_mm, p.ndim), ignored)[1]


def surface_distances_by_label(
    prediction: object,
    reference: object,
    labels: Sequence[int],
    spacing_mm: Sequence[float],
    ignore_index: int | None = None,
) -> dict[int, SurfaceDistances]:
    """:func:`surface_distances` of several labels of two label maps, which are read once.

    Args:
        prediction: integer label map, 2-D or 3-D.
        reference: labels in the prediction's shape, or one-hot (C, *shape); see :mod:`spectralcal.metrics.labels`.
        labels: which; usually every label but the background's 0.
        spacing_mm: distance of neighbouring voxel centres along each axis.
        ignore_index: as of :func:`surface_distances`.

    Returns:
        label -> distances, with what an absent label means in their ``status``.

    Raises:
        ValueError: maps that are not integers of one shape with at least one voxel; spacing as
            :func:`surface_distances`.
    """
    p, r = to_numpy(prediction), to_numpy(reference)
    counted = None
    if p.dtype.kind in "iub" and (r.ndim == p.ndim + 1 or r.dtype.kind == "f" or ignore_index is not None):
        r, counted = labelled(r, p.shape, ignore_index=ignore_index, name="reference")
    if p.shape != r.shape or p.size == 0 or p.dtype.kind not in "iub" or r.dtype.kind not in "iub":
        raise ValueError(
            f"prediction and reference must be integer label maps of one shape, got {p.dtype} {p.shape} and "
            f"{r.dtype} {r.shape}"
        )
    spacing = check_spacing(spacing_mm, p.ndim)
    ignored = None if counted is None else ~counted
    if ignored is not None:
        # Whatever stands there is nobody's, also if the background's 0 is among the labels.
        p, r = (np.where(ignored, -1, labels_of.astype(np.int64)) for labels_of in (p, r))
    return _by_label(p, r, labels, spacing, ignored)


def _by_label(
    p: np.ndarray, r: np.ndarray, labels: Sequence[int], spacing: np.ndarray, ignored: np.ndarray | None
) -> dict[int, SurfaceDistances]:
    """Distances of labels of two integer maps in which no ignored voxel has one of them."""
    if ignored is None or not ignored.any():
        known = all(0 < label < 256 for label in labels)
        if known and p.ndim in (2, 3) and kernel_if_it_pays("nearest_marked", p.size * len(labels)):
            return _from_maps(_bytes(p), _bytes(r), labels, spacing)
        ignored = None
    return {label: _of_masks(p == label, r == label, spacing, ignored) for label in labels}


def _of_masks(p: np.ndarray, r: np.ndarray, spacing: np.ndarray, ignored: np.ndarray | None) -> SurfaceDistances:
    penalty_mm = float(np.linalg.norm(spacing * p.shape))
    box_p, box_r = bounding_box(p), bounding_box(r)
    state = status_of(box_p is not None, box_r is not None)
    if state != "ok":
        return SurfaceDistances(np.zeros(0), np.zeros(0), penalty_mm, state)
    edges = None
    if ignored is not None:
        # A face between a structure and an ignored voxel is no boundary, unless the structure has no other.
        edges = [boundary_voxels(mask | ignored) & ~ignored for mask in (p, r)]
    if edges is None or not all(edge.any() for edge in edges):
        box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box_p, box_r, strict=True))
        edges = [boundary_voxels(mask[box]) for mask in (p, r)]
    there, back = nearest_mm(*edges, spacing), nearest_mm(*reversed(edges), spacing)
    return SurfaceDistances(there, back, penalty_mm, state)


def _bytes(labels: np.ndarray) -> np.ndarray:
    """A label map as contiguous uint8; labels above 255 or below 0 become 0, which is nobody's."""
    if labels.dtype == bool:
        return np.ascontiguousarray(labels).view(np.uint8)
    if labels.dtype != np.uint8 and (labels.min() < 0 or labels.max() > 255):
        labels = np.where((labels < 0) | (labels > 255), 0, labels)
    return np.ascontiguousarray(labels.astype(np.uint8, copy=False))


def _from_maps(p: np.ndarray, r: np.ndarray, labels: Sequence[int], spacing: np.ndarray) -> dict[int, SurfaceDistances]:
    penalty_mm = float(np.linalg.norm(spacing * p.shape))
    results = {}
    for label, (there, back) in boundary_distances(p, r, labels, spacing).items():
        state = status_of(there is not None, back is not None)
        if state != "ok":
            there = back = np.zeros(0)
        results[label] = SurfaceDistances(there, back, penalty_mm, state)
    return results


def check_spacing(spacing_mm: Sequence[float], ndim: int) -> np.ndarray:
    """``spacing_mm`` as (ndim,) float64.

    Raises:
        ValueError: it is not one positive, finite number an axis.
    """
    spacing = np.asarray(spacing_mm, np.float64)
    if spacing.shape != (ndim,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise ValueError(f"spacing_mm must be {ndim} positive numbers, one an axis, got {spacing_mm!r}")
    return spacing
