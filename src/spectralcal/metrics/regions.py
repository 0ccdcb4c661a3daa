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

from spectralcal.metrics.accumulate import to_numpy
from spectralcal.metrics.distance_bands import boundary_distance
from spectralcal.metrics.labels import labelled, refuse_unknown

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
    target: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: Sequence[float],
    radius_mm: float = BOUNDARY_MM,
    ignore_index: int | None = None,
) -> np.ndarray:
    """Voxels within ``radius_mm`` of a boundary of the reference.

    A boundary voxel has a face neighbour with another label, so both sides of every border between two labels belong to
    it; distances run between voxel centres. A reference of one label has an empty band. Voxels with the label
    ``ignore_index`` are not in it, and no boundary is between them and others.

    Raises:
        ValueError: a negative radius, or ``spacing_mm`` is not one positive number per axis.
    """
    target = np.asarray(target)
    if not radius_mm >= 0:
        raise ValueError(f"radius_mm must be at least 0, got {radius_mm}")
    distance = boundary_distance(target, spacing_mm, radius_mm, ignore_index)
    band = np.zeros(target.shape, bool) if distance is None else distance.within(radius_mm, target.shape)
    return band if ignore_index is None else band & (target != ignore_index)


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


#: regions of these have to know what every label of the reference means
_OF_LABELS = frozenset({"reference", "union", "boundary"})


def region_mask(
    name: str,
    target: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: Sequence[float],
    ignore_index: int | None = None,
    num_classes: int | None = None,
) -> np.ndarray:
    """Mask of the region ``name``, a key of :data:`REGIONS`.

    Args:
        name: key of :data:`REGIONS`.
        target: reference labels in the prediction's shape, or one-hot (C, *shape); see
            :mod:`spectralcal.metrics.labels`.
        prediction: integer label map, 2-D or 3-D.
        spacing_mm: distance of neighbouring voxel centres along each axis.
        ignore_index: label of voxels that do not count: they are in no region, and no boundary is between them and
            others. None by default.
        num_classes: C, so that a label that is no class is refused. By default negative labels and 255, which mark
            voxels without a label in most files, are refused where a region depends on labels.

    Raises:
        ValueError: no such region; label maps that are not of one shape with a voxel; values that are no labels.
    """
    if name not in REGIONS:
        raise ValueError(f"region must be one of {', '.join(REGIONS)}, got '{name}'")
    target, prediction = to_numpy(target), to_numpy(prediction)
    if target.size == 0 or prediction.dtype.kind not in "iub":
        raise ValueError(
            "target and prediction must be integer label maps of one shape with at least one voxel, got "
            f"{target.dtype} {target.shape} and {prediction.dtype} {prediction.shape}"
        )
    target, counted = labelled(target, prediction.shape, ignore_index=ignore_index)
    if name in _OF_LABELS or num_classes is not None:
        refuse_unknown(target, counted, num_classes)
    if counted is None:
        return REGIONS[name](target, prediction, spacing_mm)
    if name == "boundary":
        # A label of its own for voxels without one, whatever they are called in the file.
        target = np.where(counted, target.astype(np.int64), -1)
        return boundary_band(target, prediction, spacing_mm, ignore_index=-1)
    return REGIONS[name](np.where(counted, target, 0), prediction, spacing_mm) & counted
