"""Calibration against a posterior that is known, as on synthetic phantoms: no bins, no sampling of labels."""

from __future__ import annotations

import numpy as np


def excess_brier(probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean over voxels of ``sum_c (p_c - q_c)^2``: the expected Brier score above that of the posterior itself.

    Args:
        probabilities, posterior: (C, *spatial) p and q, each summing to one over classes.
        mask: (*spatial) booleans, True where a voxel counts; every voxel by default.

    Returns:
        A value in [0, 2]; nan if the mask has no True.

    Raises:
        ValueError: shapes differ, no voxel, or values that are no probabilities.
    """
    return _voxel_mean(np.square(_difference(probabilities, posterior)).sum(axis=0), mask)


def true_calibration_error(probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean over voxels and over all C classes of ``|p_c - q_c|``; arguments and errors as :func:`excess_brier`.

    Every class has one weight, the background included, as in the static calibration error; an estimate of that error
    from labels, with bins as fine as the predictions, tends to at most this value.
    """
    return _voxel_mean(np.abs(_difference(probabilities, posterior)).mean(axis=0), mask)


def _difference(probabilities: np.ndarray, posterior: np.ndarray) -> np.ndarray:
    p, q = np.asarray(probabilities, np.float64), np.asarray(posterior, np.float64)
    if p.shape != q.shape or p.ndim < 2 or p.size == 0:
        raise ValueError(
            "expected probabilities and posterior of one shape (C, *spatial) with at least one voxel, got "
            f"{p.shape} and {q.shape}"
        )
    for name, array in (("probabilities", p), ("posterior", q)):
        off = np.abs(array.sum(axis=0) - 1)
        if not (array.min() >= -1e-5 and off.max() <= 5e-3):
            raise ValueError(f"{name} must be at least 0 and sum to 1 over the class axis: apply softmax to logits")
    return p - q


def _voxel_mean(values: np.ndarray, mask: np.ndarray | None) -> float:
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != values.shape:
            raise ValueError(f"mask must be boolean of shape {values.shape}, got {mask.dtype} {mask.shape}")
        values = values[mask]
    return float(values.mean()) if values.size else float("nan")
