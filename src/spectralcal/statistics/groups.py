"""Cases become patients before anything is compared: two frames of one heart are one observation."""

from __future__ import annotations

import numpy as np


def grid_of_patients(values: np.ndarray, patients: object = None) -> tuple[np.ndarray, int]:
    """The full table of seeds and patients in values of seeds and cases.

    Args:
        values: (S, N); nan where there is none.
        patients: (N,) labels; None: every case is a patient.

    Returns:
        (S, P) means of each patient's cases, without patients that have no value under some seed, and how many those
        are. Patients without any value do not count as dropped.

    Raises:
        ValueError: shapes that do not fit, or infinite values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2:
        raise ValueError(f"expected values (seeds, cases), got {values.shape}")
    means = table_of_patients(values, patients)
    complete, some = np.isfinite(means).all(0), np.isfinite(means).any(0)
    return means[:, complete], int((some & ~complete).sum())


def table_of_patients(values: np.ndarray, patients: object = None) -> np.ndarray:
    """Means of each patient's cases: (..., S, N) -> (..., S, P), patients sorted by label; nan where there is none.

    Args:
        values: nan where there is none.
        patients: (N,) labels; None: every case is a patient.

    Raises:
        ValueError: shapes that do not fit, or infinite values.
    """
    values = np.asarray(values, np.float64)
    member = _members(values, patients)
    _refuse_infinite(values)
    known = np.isfinite(values)
    count = known @ member
    return np.divide(np.where(known, values, 0.0) @ member, count, out=np.full(count.shape, np.nan), where=count > 0)


def sums_of_patients(values: np.ndarray, patients: object = None) -> np.ndarray:
    """Sums over each patient's cases, for ratios of pooled counts: (..., S, N) finite -> (..., S, P)."""
    values = np.asarray(values, np.float64)
    return values @ _members(values, patients)


def _members(values: np.ndarray, patients: object) -> np.ndarray:
    """(N, P) which case is of which patient."""
    labels = np.arange(values.shape[-1]) if patients is None else np.asarray(patients).astype(str)
    if values.ndim < 2 or labels.shape != values.shape[-1:]:
        raise ValueError(f"expected values (seeds, cases) and one patient per case, got {values.shape}, {labels.shape}")
    _, owner = np.unique(labels, return_inverse=True)
    return (owner[:, None] == np.arange(owner.max(initial=-1) + 1)).astype(float)


def _refuse_infinite(values: np.ndarray) -> None:
    if np.isinf(values).any():
        raise ValueError(
            f"values must be finite or nan, got {np.isinf(values).sum()} infinite: price them before averaging"
        )
