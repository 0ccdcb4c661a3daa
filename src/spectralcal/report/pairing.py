"""Scores of cases as tables of seeds by cases, which is what statistics compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def tables(cases: pd.DataFrame, methods: Sequence[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Values of methods by seed and case, on the seeds and cases that any of them has.

    Args:
        cases: method, seed, case, patient, value.
        methods: names.

    Returns:
        Name -> (S, N), nan where a method lacks a case; and the (N,) patients.
    """
    chosen = cases[cases.method.isin(methods)]
    wide = chosen.pivot(index=["method", "seed"], columns=["case", "patient"], values="value")
    seeds = wide.index.unique("seed")
    by_method = {name: wide.reindex([(name, seed) for seed in seeds]).to_numpy(float) for name in methods}
    return by_method, wide.columns.get_level_values("patient").to_numpy()
