"""Which voxels a calibration error is about. The choice moves ECE by two orders of magnitude on one prediction.

Each region is a function ``(target, prediction, spacing_mm) -> mask`` of label maps of one shape; 0 is background.

Calibration is conditional on the prediction: of the voxels that are predicted with confidence p, a share p is right.
All voxels, and regions that the *prediction* chooses, keep that condition, so a calibrated network scores 0 there.
Regions that the *labels* choose (:data:`CHOSEN_BY_LABELS`) do not: they keep the misses and drop the correct
background, and a calibrated network scores well above 0 (:mod:`spectralcal.metrics.floor` says how much).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spectralcal.metrics.distance_bands import boundary_distance

BOUNDARY_MM = 3.0  # about two voxels on each side at the 1.5 mm of the prepared abdominal and cardiac volumes


def all_voxels(target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Every voxel: the usual definition, dominated by easy background."""
    return np.ones(np.shape(target), bool)


def predicted_foreground(target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Voxels that the prediction calls foreground: whether a structure that is shown can be trusted."""
    return np.asarray(prediction) != 0


def predicted_boundary(target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Voxels within :data:`BOUNDARY_MM` of a boundary of the prediction, as :func:`boundary_band` of the reference."""
    return boundary_band(prediction, target, spacing_mm)


def reference_foreground(target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Voxels that the reference calls foreground; blind to false positives."""
    return np.asarray(target) != 0


def union_foreground(target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Voxels that the reference or the prediction calls foreground."""
    return (np.asarray(target) != 0) | (np.asarray(prediction) != 0)


def boundary_band(
    target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float], radius_mm: float = BOUNDARY_MM
) -> np.ndarray:
    """Voxels within ``radius_mm`` of a boundary of the reference.

    A boundary voxel has a face neighbour with another label, so both sides of every border between two labels belong to
    it; distances run between voxel centres. A reference of one label has an empty band.

    Raises:
        ValueError: a negative radius, or ``spacing_mm`` is not one positive number per axis.
    """
    target = np.asarray(target)
    if not radius_mm >= 0:
        raise ValueError(f"radius_mm must be at least 0, got {radius_mm}")
    distance = boundary_distance(target, spacing_mm, radius_mm)
    return np.zeros(target.shape, bool) if distance is None else distance.within(radius_mm, target.shape)


REGIONS: dict[str, Callable[[np.ndarray, np.ndarray, Sequence[float]], np.ndarray]] = {
    "all": all_voxels,
    "reference": reference_foreground,
    "union": union_foreground,
    "boundary": boundary_band,
    "predicted_foreground": predicted_foreground,
    "predicted_boundary": predicted_boundary,
}
#: regions in which a calibrated network does not score 0
CHOSEN_BY_LABELS = frozenset({"reference", "union", "boundary"})
#: regions that need no label: the prediction chooses them
CHOSEN_BY_PREDICTION = frozenset({"predicted_foreground", "predicted_boundary"})


def region_mask(name: str, target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Mask of the region ``name``, a key of :data:`REGIONS`.

    Args:
        name: key of :data:`REGIONS`.
        target, prediction: label maps of one shape, 2-D or 3-D.
        spacing_mm: distance of neighbouring voxel centres along each axis.

    Raises:
        ValueError: no such region, or label maps that are not integers of one shape with a voxel.
    """
    if name not in REGIONS:
        raise ValueError(f"region must be one of {', '.join(REGIONS)}, got '{name}'")
    target, prediction = np.asarray(target), np.asarray(prediction)
    integers = target.dtype.kind in "iub" and prediction.dtype.kind in "iub"
    if target.shape != prediction.shape or target.size == 0 or not integers:
        raise ValueError(
            "target and prediction must be integer label maps of one shape with at least one voxel, got "
            f"{target.dtype} {target.shape} and {prediction.dtype} {prediction.shape}"
        )
    return REGIONS[name](target, prediction, spacing_mm)
