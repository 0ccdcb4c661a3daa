"""Overlap of two masks, and what an empty mask means."""

from __future__ import annotations

from typing import Literal

import numpy as np

Status = Literal["ok", "missed", "absent", "spurious"]


def dice(prediction: object, reference: object) -> float:
    """Dice similarity coefficient ``2 |P and R| / (|P| + |R|)`` of two masks of one shape.

    Returns:
        A value in [0, 1]: 0 for a missed or a spurious structure, nan if both masks are empty (there is nothing to
        score; see :func:`status`).

    Raises:
        ValueError: shapes differ, or a mask holds more than 0 and 1.
    """
    p, r = mask_pair(prediction, reference)
    size = np.count_nonzero(p) + np.count_nonzero(r)
    return 2.0 * np.count_nonzero(p & r) / size if size else float("nan")


def status(prediction: object, reference: object) -> Status:
    """``ok``; ``missed``: empty prediction; ``spurious``: empty reference only; ``absent``: both empty.

    Raises:
        ValueError: as :func:`dice`.
    """
    p, r = mask_pair(prediction, reference)
    return status_of(bool(p.any()), bool(r.any()))


def status_of(predicted: bool, present: bool) -> Status:
    """:func:`status` from whether each mask has a voxel."""
    if present:
        return "ok" if predicted else "missed"
    return "spurious" if predicted else "absent"


def mask_pair(prediction: object, reference: object) -> tuple[np.ndarray, np.ndarray]:
    """Both masks as boolean arrays of one shape: booleans, or numbers that are all 0 or 1; arrays or tensors.

    Raises:
        ValueError: shapes differ, there is no voxel, or a mask holds more than 0 and 1.
    """
    p, r = _mask("prediction", prediction), _mask("reference", reference)
    if p.shape != r.shape:
        raise ValueError(f"prediction and reference must have one shape, got {p.shape} and {r.shape}")
    if p.size == 0:
        raise ValueError(f"masks must hold at least one voxel, got shape {p.shape}")
    return p, r


def _mask(name: str, array: object) -> np.ndarray:
    array = np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)
    if array.dtype == bool:
        return array
    mask = array == 1
    if not np.array_equal(mask, array != 0):
        raise ValueError(
            f"{name} must be a mask of 0 and 1, got {array.dtype} with other values: compare it with a label"
        )
    return mask
