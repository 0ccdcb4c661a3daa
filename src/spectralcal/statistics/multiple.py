"""Several tests at once."""

from __future__ import annotations

import numpy as np


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of (m,) p-values; nan stays nan and does not count as a test.

    Raises:
        ValueError: a value outside [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or np.any((p < 0) | (p > 1)):
        raise ValueError(f"expected p-values (m,) in [0, 1], got {p_values!r}")
    tests = int(np.count_nonzero(~np.isnan(p)))
    order = np.argsort(p)[:tests]  # nan sorts last
    adjusted = np.full_like(p, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(tests, 0, -1)), 1.0)
    return adjusted
