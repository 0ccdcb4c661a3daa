"""Overlap of two masks, and what an empty mask means."""

from __future__ import annotations

from typing import Literal

import numpy as np

from spectralcal.metrics.accumulate import to_numpy
from spectralcal.metrics.labels import labelled

Status = Literal["ok", "missed", "absent", "spurious"]


def dice(prediction: object, reference: object, ignore_index: int | None = None, mask: object | None = None) -> float:
    """Dice similarity coefficient ``2 |P and R| / (|P| + |R|)`` of two masks of one shape.

    Args:
        prediction, reference: masks, see :func:`mask_pair`.
        ignore_index: value in the reference of voxels that do not count; None by default.
        mask: booleans, True where a voxel counts; every voxel by default.

    Returns:
        A value in [0, 1]: 0 for a missed or a spurious structure, nan if both masks are empty (there is nothing to
        score; see :func:`status`).

    Raises:
        ValueError: shapes differ, or a mask holds more than 0 and 1.
    """
    p, r = mask_pair(prediction, reference, ignore_index, mask)
    size = np.count_nonzero(p) + np.count_nonzero(r)
    return 2.0 * np.count_nonzero(p & r) / size if size else float("nan")


def status(
    prediction: object, reference: object, ignore_index: int | None = None, mask: object | None = None
) -> Status:
    """``ok``; ``missed``: empty prediction; ``spurious``: empty reference only; ``absent``: both empty.

    Arguments and errors as of :func:`dice`.
    """
    p, r = mask_pair(prediction, reference, ignore_index, mask)
    return status_of(bool(p.any()), bool(r.any()))


def status_of(predicted: bool, present: bool) -> Status:
    """:func:`status` from whether each mask has a voxel."""
    if present:
        return "ok" if predicted else "missed"
    return "spurious" if predicted else "absent"


def mask_pair(
    prediction: object, reference: object, ignore_index: int | None = None, mask: object | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Both masks as boolean arrays of one shape, False where a voxel does not count.

    Args:
        prediction: booleans, or numbers that are all 0 or 1; array or tensor.
        reference: the same, perhaps with a first axis of length 1.
        ignore_index: value in the reference of voxels that do not count; None by default.
        mask: booleans, or 0 and 1, True where a voxel counts; every voxel by default.

    Raises:
        ValueError: shapes differ, there is no voxel, or a mask holds more than 0 and 1.
    """
    p, reference = _mask("prediction", prediction), to_numpy(reference)
    if reference.shape == (1, *p.shape):
        reference = reference[0]
    counted = None
    if ignore_index is not None and reference.shape == p.shape:
        reference, counted = labelled(reference, p.shape, ignore_index=ignore_index, name="reference")
        reference = np.where(counted, reference, 0)
    r = _mask("reference", reference)
    if p.shape != r.shape:
        raise ValueError(f"prediction and reference must have one shape, got {p.shape} and {r.shape}")
    if p.size == 0:
        raise ValueError(f"masks must hold at least one voxel, got shape {p.shape}")
    if mask is not None:
        mask = _mask("mask", mask)
        if mask.shape != p.shape:
            raise ValueError(f"mask must have the shape of the prediction, {p.shape}, got {mask.shape}")
        counted = mask if counted is None else mask & counted
    return (p, r) if counted is None else (p & counted, r & counted)


def _mask(name: str, array: object) -> np.ndarray:
    array = to_numpy(array)
    if array.dtype == bool:
        return array
    mask = array == 1
    if not np.array_equal(mask, array != 0):
        raise ValueError(
            f"{name} must be a mask of 0 and 1, got {array.dtype} with other values: compare it with a label"
        )
    return mask
