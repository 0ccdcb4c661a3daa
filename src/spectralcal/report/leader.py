"""Is the best method of a comparison really ahead of the runner-up?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spectralcal.statistics import lead

NOTHING = {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "adjusted_p": np.nan, "distinct": False}


def leader(rows: Sequence[dict[str, Any]], cases: pd.DataFrame, scale: float, higher: bool) -> dict[str, dict]:
    """Compare the best with the runner-up, patient by patient.

    Args:
        rows: the compared methods: ``method``, ``mean``, ``rank`` (1 is best, ties share) and ``status``.
        cases: method, seed, case, patient, value.
        scale: from a value to the printed unit.
        higher: higher is better.

    Returns:
        By method, for the best alone: ``gap`` (best - runner-up in the printed unit, mean over patients), ``gap_low``
        and ``gap_high`` (bootstrap interval over patients, 95 % for the best against every other complete method
        together), ``adjusted_p`` (Wilcoxon, Holm-adjusted over the same) and ``distinct`` (both say so, and patients
        are not too few, see :func:`spectralcal.statistics.lead`). Empty for ties, for one method or one patient, and
        where a seed of either is missing.
    """
    ranked = sorted((row for row in rows if row["rank"] is not pd.NA), key=lambda row: row["rank"])
    if len(ranked) < 2 or ranked[1]["rank"] == 1:
        return {}
    best = ranked[0]
    seconds = [row for row in ranked if row["rank"] == ranked[1]["rank"]]
    second = (max if higher else min)(seconds, key=lambda row: row["mean"])
    if {best["status"], second["status"]} != {"ok"}:
        return {}
    complete = [row["method"] for row in ranked if row["status"] == "ok"]
    # Only what every one of them has, so that all are compared on the same cases.
    shared = cases[cases.method.isin(complete)].pivot(
        index=["seed", "case", "patient"], columns="method", values="value"
    )
    shared = shared.dropna()
    patients = shared.index.get_level_values("patient").to_numpy()
    if len(set(patients)) < 2:
        return {}
    values = {name: (scale * shared[name].to_numpy(), patients) for name in complete}
    # Means over cases rank, means over patients compare: with several cases a patient they may disagree, and the best
    # is then not distinct.
    found = lead(values, best["method"], second["method"], lower_is_better=not higher)
    interval = found.difference.interval
    return {
        best["method"]: {
            "gap": interval.estimate, "gap_low": interval.low, "gap_high": interval.high,
            "adjusted_p": found.adjusted_p, "distinct": found.distinguishable,
        }
    }  # fmt: skip
