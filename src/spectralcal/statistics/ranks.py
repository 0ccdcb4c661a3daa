"""Ranking methods over several data sets or cases: average ranks and the Friedman test.

Tables are (blocks, methods): a block is what the methods are compared on, a data set, a metric or a patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class FriedmanTest:
    """Do the methods differ at all, and by how much must average ranks differ to be told apart?

    Attributes:
        average_ranks: (methods,), 1 is best.
        statistic, p_value: Friedman's chi-squared with the correction for ties; nan and 1 if every block is one tie.
        critical_difference: Nemenyi's, at ``level`` (Demsar 2006).
        level: significance level.
        blocks: blocks without a missing value; the others are left out.
    """

    average_ranks: np.ndarray
    statistic: float
    p_value: float
    critical_difference: float
    level: float
    blocks: int


def ranks(table: np.ndarray, lower_is_better: bool = True) -> np.ndarray:
    """Rank of each method in each block, 1 is best; ties share the average rank, a missing value (nan) has none.

    Args:
        table: (blocks, methods).
        lower_is_better: True for errors and distances, False for Dice.

    Raises:
        ValueError: not a table of two axes.
    """
    from scipy.stats import rankdata

    table = _table(table)
    return rankdata(table if lower_is_better else -table, axis=1, nan_policy="omit")


def average_ranks(table: np.ndarray, lower_is_better: bool = True) -> np.ndarray:
    """(methods,) mean of :func:`ranks` over the blocks that hold every method; nan without such a block.

    A block with a missing method would give the others better ranks than they earned.
    """
    complete = _complete(table)
    return ranks(complete, lower_is_better).mean(axis=0) if len(complete) else np.full(complete.shape[1], np.nan)


def friedman_test(table: np.ndarray, lower_is_better: bool = True, level: float = 0.05) -> FriedmanTest:
    """Friedman's test over complete blocks, with Nemenyi's critical difference.

    Raises:
        ValueError: fewer than three methods (compare two with :func:`spectralcal.statistics.crossed`), fewer
            than two complete blocks, or a level outside (0, 1).
    """
    from scipy.stats import friedmanchisquare

    complete = _complete(table)
    if complete.shape[1] < 3 or len(complete) < 2:
        raise ValueError(
            f"expected at least 3 methods and 2 blocks without a missing value, got {complete.shape[1]} and "
            f"{len(complete)}"
        )
    mean_ranks = average_ranks(complete, lower_is_better)
    statistic, p_value = float("nan"), 1.0
    if not (complete == complete[:, :1]).all():
        statistic, p_value = (float(x) for x in friedmanchisquare(*complete.T))
    distance = critical_difference(complete.shape[1], len(complete), level)
    return FriedmanTest(mean_ranks, statistic, p_value, distance, level, len(complete))


def critical_difference(methods: int, blocks: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference of average ranks (Demsar 2006, section 3.2.2).

    Raises:
        ValueError: fewer than two methods, no block, or a level outside (0, 1).
    """
    if methods < 2 or blocks < 1 or not 0 < level < 1:
        raise ValueError(f"expected methods >= 2, blocks >= 1 and level in (0, 1), got {methods}, {blocks}, {level}")
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * blocks)))


def _table(table: np.ndarray) -> np.ndarray:
    table = np.asarray(table, np.float64)
    if table.ndim != 2:
        raise ValueError(f"expected a table (blocks, methods), got shape {table.shape}")
    return table


def _complete(table: np.ndarray) -> np.ndarray:
    table = _table(table)
    return table[~np.isnan(table).any(axis=1)]
