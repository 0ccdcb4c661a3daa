"""Which voxels a calibration error is about. The choice moves ECE by two orders of magnitude on one prediction.

Each region is a function ``(target, prediction, spacing_mm) -> mask`` of label maps of one shape; 0 is background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spectralcal.metrics.boundaries import bounding_box
from spectralcal.metrics.surface import check_spacing

BOUNDARY_MM = 3.0  # about two voxels on each side at the 1.5 mm of the prepared abdominal and cardiac volumes


def all_voxels(target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Every voxel: the usual definition, dominated by easy background."""
    return np.ones(np.shape(target), bool)


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
        ValueError: a negative radius, or ``spacing_mm`` is not one positive number an axis.
    """
    from scipy.ndimage import distance_transform_edt

    target = np.asarray(target)
    spacing = check_spacing(spacing_mm, target.ndim)
    if not radius_mm >= 0:
        raise ValueError(f"radius_mm must be at least 0, got {radius_mm}")
    edge = np.zeros(target.shape, bool)
    for axis in range(target.ndim):
        before = (slice(None),) * axis + (slice(None, -1),)
        after = (slice(None),) * axis + (slice(1, None),)
        differs = target[before] != target[after]
        edge[before] |= differs
        edge[after] |= differs
    box = bounding_box(edge)
    band = np.zeros(target.shape, bool)
    if box is not None:
        reach = np.ceil(radius_mm / spacing).astype(int)
        box = tuple(slice(max(b.start - m, 0), b.stop + m) for b, m in zip(box, reach.tolist(), strict=True))
        # Rounding in the distances must not drop a voxel at exactly the radius.
        band[box] = distance_transform_edt(~edge[box], sampling=spacing) <= radius_mm * (1 + 1e-9)
    return band


REGIONS: dict[str, Callable[[np.ndarray, np.ndarray, Sequence[float]], np.ndarray]] = {
    "all": all_voxels,
    "reference": reference_foreground,
    "union": union_foreground,
    "boundary": boundary_band,
}


def region_mask(name: str, target: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Mask of the region ``name``: ``all``, ``reference``, ``union`` or ``boundary``.

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
