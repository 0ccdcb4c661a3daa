"""Is the best method of a comparison really ahead of the runner-up?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spectralcal.statistics import distinguishable_best

SIDES = ("value_a", "value_b")
NOTHING = {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan, "distinct": False}


def leader(rows: Sequence[dict[str, Any]], cases: pd.DataFrame, scale: float, higher: bool) -> dict[str, dict]:
    """Compare the best with the runner-up, patient by patient.

    The pair is picked by the same numbers that are then compared, so the interval is optimistic: it can tell that two
    methods cannot be told apart more safely than that they can.

    Args:
        rows: the compared methods: ``method``, ``mean``, ``rank`` (1 is best, ties share) and ``status``.
        cases: method, seed, case, patient, value.
        scale: from a value to the printed unit.
        higher: higher is better.

    Returns:
        By method, for the best alone: ``gap`` (best - runner-up in the printed unit, mean over patients), ``gap_low``
        and ``gap_high`` (95 % bootstrap interval over patients), ``distinct`` (the interval excludes zero on the best's
        side, and patients are not too few, see :func:`spectralcal.statistics.distinguishable_best`). Empty for ties,
        for one method or one patient, and where a seed of either is missing.
    """
    ranked = sorted((row for row in rows if row["rank"] is not pd.NA), key=lambda row: row["rank"])
    if len(ranked) < 2 or ranked[1]["rank"] == 1:
        return {}
    best = ranked[0]
    seconds = [row for row in ranked if row["rank"] == ranked[1]["rank"]]
    second = (max if higher else min)(seconds, key=lambda row: row["mean"])
    if {best["status"], second["status"]} != {"ok"}:
        return {}
    pair = (best, second)
    ours, theirs = (cases[cases.method == row["method"]] for row in pair)
    both = ours.merge(theirs, on=["seed", "case", "patient"], suffixes=("_a", "_b"))
    patients = both.patient.to_numpy()
    if len(set(patients)) < 2:
        return {}
    values = {row["method"]: (scale * both[name].to_numpy(), patients) for row, name in zip(pair, SIDES, strict=True)}
    found = distinguishable_best(values, lower_is_better=not higher)
    interval = found.difference.interval
    # Means over cases rank, means over patients compare: with several cases a patient they may disagree.
    agrees = found.method == best["method"]
    sign = 1.0 if agrees else -1.0
    low, high = sorted((sign * interval.low, sign * interval.high))
    distinct = agrees and found.distinguishable
    return {best["method"]: {"gap": sign * interval.estimate, "gap_low": low, "gap_high": high, "distinct": distinct}}
