"""Calibration against a posterior q that is known, as on synthetic phantoms: no sampling of labels.

With p the predicted probabilities, the squared distance splits in two:

    E (p - q)^2  =  E (E[q | p] - p)^2  +  E Var(q | p)
    excess Brier    calibration             refinement

Only the first part is a matter of calibration. The base rate in every voxel is perfectly calibrated and far from the
posterior; the posterior sharpened a little is near to it and overconfident.
"""

from __future__ import annotations

import numpy as np

from spectralcal.metrics.cells import cell_grid


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
    p, q = _voxels(probabilities, posterior, mask)
    return float(np.square(p - q).sum(axis=0).mean()) if p.size else float("nan")


def distance_to_posterior(probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean over voxels and over all C classes of ``|p_c - q_c|``; arguments and errors as :func:`excess_brier`.

    Not a calibration error: it is 0 only for the posterior itself, and the calibrated base rate may be far from that.
    """
    p, q = _voxels(probabilities, posterior, mask)
    return float(np.abs(p - q).mean(axis=0).mean()) if p.size else float("nan")


def true_calibration_error(
    probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None = None, bins: int = 15
) -> float:
    """Mean over classes of ``E |E[q_c | p_c] - p_c|``: the static calibration error without the noise of labels.

    Args:
        probabilities, posterior, mask: as for :func:`excess_brier`.
        bins: equal-width, right-closed bins of p_c, those of :class:`~spectralcal.metrics.CalibrationHistogram`, so
            that estimate and truth differ by the labels' noise alone. Like every binned error it is a lower bound,
            because errors of both signs cancel within a bin; more bins come nearer, as long as each has many voxels.

    Returns:
        0 for the posterior, and for the base rate in every voxel; nan if the mask has no True.

    Raises:
        ValueError: as :func:`excess_brier`; bins outside 1..100.
    """
    p, q = _voxels(probabilities, posterior, mask)
    return float(np.mean([_binned_error(*pair, bins) for pair in zip(p, q, strict=True)]))


def true_top_label_error(
    probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None = None, bins: int = 15
) -> float:
    """``E |E[q_k | p_k] - p_k|`` of the top label k: the expected calibration error without the noise of labels.

    Arguments, errors and what is returned as for :func:`true_calibration_error`.
    """
    p, q = _voxels(probabilities, posterior, mask)
    top = p.argmax(axis=0)[None]
    return _binned_error(np.take_along_axis(p, top, 0)[0], np.take_along_axis(q, top, 0)[0], bins)


def refinement(
    probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None = None, bins: int = 15
) -> float:
    """``sum_c E Var(q_c | p_c)``, in bins of p_c: what the posterior distinguishes and the prediction does not.

    Between 0, where p decides q, and the variance of q. Arguments and errors as for :func:`true_calibration_error`.
    """
    p, q = _voxels(probabilities, posterior, mask)
    if not p.size:
        return float("nan")
    total = 0.0
    for one, truth in zip(p, q, strict=True):
        place = _places(one, bins)
        count = np.bincount(place, minlength=bins)
        means = np.divide(np.bincount(place, truth, bins), count, out=np.zeros(bins), where=count > 0)
        total += float(np.square(truth - means[place]).mean())
    return total


def _binned_error(p: np.ndarray, q: np.ndarray, bins: int) -> float:
    place = _places(p, bins)
    return float(np.abs(np.bincount(place, q - p, bins)).sum() / p.size) if p.size else float("nan")


def _places(p: np.ndarray, bins: int) -> np.ndarray:
    """Bin of each probability, as calibration histograms place it: rounded to float32, bins closed to the right."""
    return np.searchsorted(cell_grid(bins).edges[1:-1], p.astype(np.float32), side="left")


def _voxels(probabilities: np.ndarray, posterior: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """p and q (C, n) of the voxels that count."""
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
    if mask is None:
        return p.reshape(len(p), -1), q.reshape(len(q), -1)
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != p.shape[1:]:
        raise ValueError(f"mask must be boolean of shape {p.shape[1:]}, got {mask.dtype} {mask.shape}")
    return p[:, mask], q[:, mask]
