"""Ranking methods over several data sets or cases: average ranks, the Friedman test and the stability of a ranking.

Tables are (blocks, methods): a block is what the methods are compared on, a data set, a metric or a patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spectralcal.statistics.bootstrap import RESAMPLES


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


@dataclass(frozen=True, eq=False)
class RankStability:
    """What rankings become when the blocks are drawn again.

    Attributes:
        average_ranks: (methods,) of the blocks as they are.
        low, high: (methods,) 2.5 % and 97.5 % quantiles of the average rank over resamples.
        first: (methods,) share of resamples in which the method has the best average rank; ties share.
        kendall_tau: mean rank correlation (tau-b) of a resample's average ranks with the original ones.
    """

    average_ranks: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    kendall_tau: float


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
        ValueError: fewer than three methods (compare two with :func:`spectralcal.statistics.paired_difference`), fewer
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


def nemenyi_p(average_ranks: np.ndarray, blocks: int) -> np.ndarray:
    """(methods, methods) p-values of Nemenyi's test that two methods rank alike; 1 on the diagonal (Demsar 2006).

    Args:
        average_ranks: (methods,) over ``blocks`` complete blocks, as in :func:`friedman_test`.
        blocks: their number.

    Raises:
        ValueError: fewer than two methods, or no block.
    """
    mean_ranks = np.asarray(average_ranks, np.float64)
    if mean_ranks.ndim != 1 or mean_ranks.size < 2 or blocks < 1:
        raise ValueError(f"expected average ranks (methods >= 2,) and blocks >= 1, got {mean_ranks.shape}, {blocks}")
    from scipy.stats import studentized_range

    methods = mean_ranks.size
    distance = np.abs(mean_ranks[:, None] - mean_ranks[None]) / np.sqrt(methods * (methods + 1) / (6 * blocks))
    return np.clip(studentized_range.sf(distance * np.sqrt(2), methods, np.inf), 0.0, 1.0)


def rank_stability(
    table: np.ndarray, lower_is_better: bool = True, resamples: int = RESAMPLES, seed: int = 0
) -> RankStability:
    """Draw the complete blocks again with replacement and rank anew.

    Raises:
        ValueError: fewer than two methods, no complete block, or no resample.
    """
    complete = _complete(table)
    blocks, methods = complete.shape
    if methods < 2 or blocks < 1 or resamples < 1:
        raise ValueError(
            f"expected at least 2 methods, 1 block without a missing value and 1 resample, got {methods}, {blocks}, "
            f"{resamples}"
        )
    block_ranks = ranks(complete, lower_is_better)
    mean_ranks = block_ranks.mean(axis=0)
    weights = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), resamples)
    # Ranks are multiples of one half, so doubled sums are integers and ties are exact.
    drawn = np.rint(weights @ (2 * block_ranks)) / (2 * blocks)
    best = drawn == drawn.min(axis=1, keepdims=True)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    tau = float(np.mean(_tau_b(drawn, np.rint(2 * block_ranks.sum(axis=0)) / (2 * blocks))))
    return RankStability(mean_ranks, low, high, (best / best.sum(axis=1, keepdims=True)).mean(axis=0), tau)


def _tau_b(drawn: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of ``drawn`` (n, methods) with ``reference``; 0 where either is one tie."""
    i, j = np.triu_indices(reference.size, 1)
    a, b = np.sign(drawn[:, i] - drawn[:, j]), np.sign(reference[i] - reference[j])
    scale = np.sqrt(np.abs(a).sum(axis=1) * np.abs(b).sum())
    return np.divide(a @ b, scale, out=np.zeros(len(drawn)), where=scale > 0)


def _table(table: np.ndarray) -> np.ndarray:
    table = np.asarray(table, np.float64)
    if table.ndim != 2:
        raise ValueError(f"expected a table (blocks, methods), got shape {table.shape}")
    return table


def _complete(table: np.ndarray) -> np.ndarray:
    table = _table(table)
    return table[~np.isnan(table).any(axis=1)]
