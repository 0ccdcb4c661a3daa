"""Is the best method of a comparison really ahead of the runner-up?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spectralcal.report.pairing import tables
from spectralcal.statistics import lead

NOTHING = {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "adjusted_p": np.nan, "detectable": np.nan,
           "shortage": "", "distinct": False}  # fmt: skip


def leader(rows: Sequence[dict[str, Any]], cases: pd.DataFrame, scale: float, higher: bool) -> dict[str, dict]:
    """Compare the best with the runner-up, over seeds and patients.

    Args:
        rows: the compared methods: ``method``, ``mean``, ``rank`` (1 is best, ties share) and ``status``.
        cases: method, seed, case, patient, value.
        scale: from a value to the printed unit.
        higher: higher is better.

    Returns:
        By method, for the best alone: ``gap`` (best - runner-up in the printed unit, mean over seeds and patients),
        ``gap_low`` and ``gap_high`` (its interval, 95 % for the best against every other complete method together),
        ``adjusted_p`` (Holm-adjusted over the same), ``detectable`` (smallest gap detected with a power of
        80 %), ``shortage`` (why nothing can be decided, or an empty text) and ``distinct`` (the interval is on the
        best's side of 0 and there is no shortage, see :func:`spectralcal.statistics.lead`). Empty for ties, for one
        method or one patient, and where a seed of either is missing.
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
    values, patients = tables(cases, complete)
    # Only what every one of them has, so that all are compared on the same cases.
    lacking = ~np.isfinite(list(values.values())).all((0, 1))
    values = {name: np.where(lacking, np.nan, scale * table) for name, table in values.items()}
    if len(set(patients[~lacking])) < 2:
        return {}
    # Means over cases rank, means over patients compare: with several cases a patient they may disagree, and the best
    # is then not distinct.
    comparison = lead(values, best["method"], second["method"], patients, lower_is_better=not higher)
    gap = comparison.difference
    return {
        best["method"]: {
            "gap": gap.estimate, "gap_low": gap.low, "gap_high": gap.high, "adjusted_p": comparison.adjusted_p,
            "detectable": gap.detectable, "shortage": comparison.shortage, "distinct": comparison.distinguishable,
        }
    }  # fmt: skip
